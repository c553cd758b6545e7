"""Pickles of NumPy arrays, as old archives hold them, read without NumPy's or anyone's code being called by them.

NumPy's own `ndarray.__setstate__` is not for strangers: an object array over a buffer makes pointers out of its bytes.
So a pickle gets stand-ins of ours, which check what they are given and make plain arrays of numbers.
"""

import io
import pickle
import re
from typing import Any

import numpy as np

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.testbed.pickle_costs import refuse_costly

# Booleans, whole numbers and floats; no objects, texts, dates or fields.
_NUMBERS = re.compile(r"b1|[iu][1248]|f[248]")
_ORDERS = ("|", "<", ">", "=")


class _Sealed:
    """What a pickle may not change: only __setstate__ of a class below takes anything in."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("it changes what it was given to build arrays with")


class _Dtype(_Sealed):
    """numpy.dtype for a pickle: `dtype("u1", 0, 1)`, then its state with the order of bytes."""

    __slots__ = ("code", "order")

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
            raise pickle.UnpicklingError(f"an array of {code!r}, and not of numbers")
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        _, order, *about_fields = state[:5]
        if order not in _ORDERS or any(part is not None for part in about_fields):
            raise pickle.UnpicklingError("an array of more than plain numbers")
        self.order = order

    def real(self) -> np.dtype:
        return np.dtype(self.order + self.code)


class _Array(_Sealed):
    """numpy.ndarray for a pickle: made empty by `_reconstruct`, then filled by its state."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, by_column, raw = state
        if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes | str):
            raise pickle.UnpicklingError("an array that is not made of bytes")
        content = raw.encode("latin1") if isinstance(raw, str) else raw  # Python 2 had one type for both
        sizes = tuple(int(size) for size in shape)
        numbers = np.frombuffer(content, dtype.real()) if content else np.empty(0, dtype.real())
        if min(sizes, default=1) < 0:  # reshape would work one out itself
            raise pickle.UnpicklingError(f"an array of shape {sizes}")
        self.array = numbers.reshape(sizes, order="F" if by_column else "C")


class _Reconstruct(_Sealed):
    """numpy.core.multiarray._reconstruct for a pickle; the kind of array is not its to choose."""

    __slots__ = ()

    def __call__(self, kind: object, *_: object) -> _Array:
        if not isinstance(kind, _Name):
            raise pickle.UnpicklingError("an array of another kind")
        return _Array()


class _Encode(_Sealed):
    """_codecs.encode for a pickle: bytes, as Python 3 writes them for readers in Python 2."""

    __slots__ = ()

    def __call__(self, text: object, encoding: object = "latin1") -> bytes:
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError(f"text in the encoding {encoding!r}, which arrays do not need")
        return text.encode("latin1")


class _Name(_Sealed):
    """numpy.ndarray where a pickle only names it."""

    __slots__ = ()


class _StandIns(pickle.Unpickler):
    """Gives stand-ins for the five names that pickled arrays ask for, and refuses every other."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "dtype"):
            return _Dtype
        if (module, name) == ("numpy", "ndarray"):
            return _Name()
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _Reconstruct()
        if (module, name) == ("_codecs", "encode"):
            return _Encode()
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which images do not need")


def unpickle_arrays(raw: bytes, where: str) -> dict[str, Any]:
    """A pickled mapping of arrays, as old archives hold them; empty for a pickle of anything else.

    Raises DataError for a damaged pickle, and for one that asks for more than arrays of numbers; nothing in it is run.
    """
    try:
        # The batches were written by Python 2: latin1 reads its text, and its arrays' bytes, unchanged.
        refuse_costly(io.BytesIO(raw))
        content = _StandIns(io.BytesIO(raw), encoding="latin1").load()
        return {key: _plain(value) for key, value in content.items()} if isinstance(content, dict) else {}
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to mean
        raise DataError(
            "the batch cannot be read",
            where=where,
            found=file_fault(error),
            expected="the official pickle of arrays",
            fix="download it again",
        ) from error


def _plain(value: object) -> Any:
    if isinstance(value, _Array):
        if value.array is None:
            raise pickle.UnpicklingError("an array without content")
        return value.array
    if isinstance(value, _Sealed) or value is _Dtype:
        raise pickle.UnpicklingError("a part of an array where an array is expected")
    if isinstance(value, list | tuple) and any(isinstance(one, list | tuple | dict | _Sealed) for one in value):
        raise pickle.UnpicklingError("a list of something else than numbers or text")
    return value
