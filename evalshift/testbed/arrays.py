"""Arrays from files that others wrote: read without running anything in them, and checked to be images or labels."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from evalshift.errors import DataError, first_line
from evalshift.shapes import Images, Labels


class _NumpyOnly(pickle.Unpickler):
    """Reads the pickles of NumPy arrays that official archives hold, and refuses everything that could run code."""

    _ALLOWED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which images do not need")
        # NumPy 2 moved the module that old archives name.
        return super().find_class(module.replace("numpy.core", "numpy._core") if _numpy_2() else module, name)


def _numpy_2() -> bool:
    return int(np.__version__.split(".")[0]) >= 2


def unpickle_arrays(raw: bytes, where: str) -> dict[str, Any]:
    """A pickled mapping of arrays, as old archives hold them, read without running anything in it."""
    try:
        # The batches were written by Python 2: latin1 reads its text, and its arrays' bytes, unchanged.
        content = _NumpyOnly(io.BytesIO(raw), encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to mean
        raise DataError(
            "the batch cannot be read",
            where=where,
            found=first_line(error),
            expected="the official pickle of arrays",
            remedy="download it again",
        ) from error
    return content if isinstance(content, dict) else {}


def load_array(path: Path, where: str) -> np.ndarray:
    """One array saved with np.save, mapped into memory rather than read. Raises DataError where it is none."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise cannot_read(where, path, error, expected="one array saved with np.save") from error


def cannot_read(where: str, path: Path, error: Exception, expected: str) -> DataError:
    """The complaint about a file that is not there or cannot be read."""
    missing = isinstance(error, FileNotFoundError)
    return DataError(
        "a file is not there" if missing else "a file cannot be read",
        where=where,
        found=path if missing else f"{path}: {error}",
        expected=expected,
        remedy="paths are relative to the registry file" if missing else None,
    )


def as_images(array: np.ndarray, where: str) -> Images:
    """uint8 (n, h, w, c), or (n, h, w) for one channel, as Images; raises DataError for anything else."""
    images = array[..., None] if array.ndim == 3 else array
    wanted = "uint8, shape (n, height, width, channels) with 1 or 3 channels"
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.dtype != np.uint8:
        remedy = None
        if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[-1] not in (1, 3):
            remedy = "the channels stand first: save images.transpose(0, 2, 3, 1)"
        elif images.dtype != np.uint8 and images.dtype.kind == "f":
            remedy = "save the pixels as whole numbers from 0 to 255; the model's own preprocessing scales them"
        raise DataError(
            "these are not images",
            where=where,
            found=f"{array.dtype}, shape {array.shape}",
            expected=wanted,
            remedy=remedy,
        )
    return images


def as_labels(array: np.ndarray, where: str) -> Labels:
    """Whole numbers of any width, shape (n,), as Labels; raises DataError for anything else."""
    if array.ndim != 1 or array.dtype.kind not in "iu":
        remedy = None
        if array.ndim == 2:
            one_each = array.shape[1] == 1
            remedy = "save labels.ravel()" if one_each else "a one-hot array becomes labels with .argmax(axis=1)"
        raise DataError(
            "these are not labels",
            where=where,
            found=f"{array.dtype}, shape {array.shape}",
            expected="whole numbers, shape (n,)",
            remedy=remedy,
        )
    return array.astype(np.int64)
