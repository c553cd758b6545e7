"""Logits on disk: an ordinary .npy file, and after the array the checksums of it and of the predictions it belongs to.

NumPy reads such a file as any other. A kill between the writing of logits and that of their predictions leaves logits
of one run beside predictions of another: the checksums tell.
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np

from evalshift.files import read_bytes, write_atomic

_MARK = b"\nevalshift.logits "
_DIGITS = 64
_TAIL_BYTES = len(_MARK) + len(json.dumps(["0" * _DIGITS] * 2)) + 1


def write_logits(logits: np.ndarray, predictions: str, path: Path) -> None:
    """Store logits, shape (n, classes), as float16, or float32 where that is too narrow.

    predictions   the checksum of the predictions that were made from them
    """
    array = _npy(logits)
    tail = json.dumps([hashlib.sha256(array).hexdigest(), predictions])
    write_atomic(path, array + _MARK + tail.encode() + b"\n")


def predictions_of(path: Path) -> str | None:
    """The checksum of the predictions that a file of logits belongs to; None where it does not say, or is no file."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, 2) - _TAIL_BYTES))
        tail = _tail(stream.read())
    return tail[1] if tail else None


def read_logits(path: Path, predictions: str | None) -> np.ndarray:
    """The logits that belong to these predictions; None for those of earlier schemas, which do not say.

    Raises ValueError where they belong to others or are damaged, FileNotFoundError and OSError.
    """
    content = read_bytes(path)
    tail = _tail(content[-_TAIL_BYTES:])
    if predictions is not None:
        if tail is None:
            raise ValueError("no checksum at its end")
        if tail[1] != predictions:
            raise ValueError("it belongs to the predictions of another run")
    if tail is not None and hashlib.sha256(content[:-_TAIL_BYTES]).hexdigest() != tail[0]:
        raise ValueError("its logits do not match their checksum")
    return np.load(io.BytesIO(content), allow_pickle=False)


def _tail(end: bytes) -> tuple[str, str] | None:
    if not end.startswith(_MARK):
        return None
    try:
        array, predictions = json.loads(end.removeprefix(_MARK))
    except ValueError:
        return None
    return array, predictions


def _npy(logits: np.ndarray) -> bytes:
    with np.errstate(over="ignore"):
        half = logits.astype(np.float16)
    fits = np.isfinite(half).all() or np.isinf(half).sum() == np.isinf(logits).sum()
    buffer = io.BytesIO()
    np.save(buffer, half if fits else logits.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()
