"""Arrays from files that others wrote: read without running anything in them, and checked to be images or labels."""

import gzip
import lzma
import mmap
import struct
import tokenize
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.files import refuse_special
from evalshift.shapes import Images, Labels
from evalshift.testbed.archives import ALWAYS_ALLOWED, DAMAGED_ZIP, MOST_EXPANSION

# What NumPy raises for damaged files: it parses their headers as Python.
UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    TypeError,
    AttributeError,
    IndexError,
    SyntaxError,
    OverflowError,
    MemoryError,
    RecursionError,
    tokenize.TokenError,
)


@contextmanager
def python_2_headers() -> Iterator[None]:
    """Without NumPy's warning that the header of an array was written by Python 2, as in (10000L,): it is read."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Reading `\.npy` or `\.npz` file required", UserWarning)
        yield


def load_array(path: Path, where: str) -> np.ndarray:
    """One array saved with np.save, mapped into memory rather than read. Raises DataError where it is none."""
    try:
        refuse_special(path)
        with python_2_headers():
            return np.lib.format.open_memmap(path, mode="r")
    except UNREADABLE as error:
        raise cannot_read(where, path, error, expected="one array saved with np.save") from error


def in_pieces(array: np.ndarray, rows: int | None = None) -> Iterator[np.ndarray]:
    """An array `rows` rows at a time, or some megabytes; what was read of a mapped file does not stay in memory.

    The system keeps the pages for whoever reads them next; here they would only count until the process ends.
    """
    step = rows or max(1, _PIECE_BYTES // max(1, array[:1].nbytes))
    waiting = 0
    for start in range(0, len(array), step):
        piece = array[start : start + step]
        yield piece
        waiting += piece.nbytes
        if waiting >= _PIECE_BYTES:
            _forget(array)
            waiting = 0
    _forget(array)


def _forget(array: np.ndarray) -> None:
    """Let go of the pages of a file that an array is mapped from; nothing where it lies in memory."""
    source: Any = array
    while isinstance(source, np.ndarray):
        source = source.base
    if isinstance(source, mmap.mmap) and not array.flags.writeable and hasattr(mmap, "MADV_DONTNEED"):
        source.madvise(mmap.MADV_DONTNEED)


def load_npz(path: Path, keys: tuple[str, ...], where: str) -> tuple[np.ndarray, ...]:
    """The arrays of a file saved with np.savez, by their names there; nothing pickled is read.

    Raises DataError where it is no such file, or lacks one of them.
    """
    try:
        refuse_special(path)
        with path.open("rb") as stream, python_2_headers(), np.load(stream, allow_pickle=False) as opened:
            refuse_expansion(path, sum(info.file_size for info in opened.zip.infolist()), where)
            return tuple(opened[key] for key in keys)
    except KeyError as error:
        raise DataError(
            "an array is missing", where=f"{where}, {path}", found=file_fault(error), expected=", ".join(keys)
        ) from error
    except (*UNREADABLE, *DAMAGED_ZIP) as error:
        raise cannot_read(where, path, error, expected=f"arrays {', '.join(keys)} saved with np.savez") from error


_PIECE_BYTES = 32 << 20
_IDX_TYPES = {0x08: np.dtype("u1"), 0x09: np.dtype("i1"), 0x0B: np.dtype(">i2"), 0x0C: np.dtype(">i4")}


def load_idx(path: Path, where: str) -> np.ndarray:
    """The array of an idx file, as MNIST has them, packed with gzip or xz or not: big-endian, any number of dimensions.

    Raises DataError where it is no such file. Reads no more than its header says, so that nothing can grow for ever.
    """
    expected = "an idx file: two zero bytes, type, dimensions, sizes, then the numbers"
    try:
        with _unpacked(path) as stream:
            zeros, kind, dimensions = struct.unpack(">HBB", stream.read(4))
            dtype = _IDX_TYPES.get(kind)
            if zeros or dtype is None or not 1 <= dimensions <= 4:
                raise ValueError(f"a file that begins with {zeros:04x} {kind:02x} {dimensions:02x}")
            shape = struct.unpack(f">{dimensions}I", stream.read(4 * dimensions))
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            refuse_expansion(path, size, where)
            content = stream.read(size + 1)
        if len(content) != size:
            more = "more" if len(content) > size else f"{len(content):,}"
            raise ValueError(f"{more} bytes for the {size:,} that shape {shape} takes")
        return np.frombuffer(content, dtype).reshape(shape)
    except (OSError, ValueError, EOFError, struct.error, zlib.error, lzma.LZMAError) as error:
        raise cannot_read(where, path, error, expected=expected) from error


def _unpacked(path: Path) -> Any:
    refuse_special(path)
    with path.open("rb") as stream:
        beginning = stream.read(6)
    if beginning.startswith(b"\x1f\x8b"):
        return gzip.open(path, "rb")
    return lzma.open(path, "rb") if beginning.startswith(b"\xfd7zXZ\x00") else path.open("rb")


def refuse_expansion(path: Path, size: int, where: str) -> None:
    """Raise DataError for a file that would unpack to far more than data of its size does: it would fill the memory."""
    packed = path.stat().st_size
    if size > max(ALWAYS_ALLOWED, MOST_EXPANSION * packed):
        raise DataError(
            "a file would grow beyond all measure",
            where=f"{where}, {path}",
            found=f"{size:,} bytes out of {packed:,}",
            expected=f"at most {MOST_EXPANSION} times as many",
            fix="get the official file",
        )


def from_planes(rows: np.ndarray, size: int = 32) -> np.ndarray:
    """Images (n, size, size, 3) from rows of one plane a colour: all of the red, then green, then blue.

    Raises ValueError for rows of another length.
    """
    return np.ascontiguousarray(rows.reshape(len(rows), 3, size, size).transpose(0, 2, 3, 1))


def cannot_read(where: str, path: Path, error: Exception, expected: str) -> DataError:
    """The error for a file that does not exist or cannot be read."""
    missing = isinstance(error, FileNotFoundError)
    return DataError(
        "a file was not found" if missing else "a file cannot be read",
        where=where,
        found=path if missing else f"{path}: {file_fault(error)}",
        expected=expected,
        fix="paths are relative to the registry file" if missing else None,
    )


def as_images(array: np.ndarray, where: str) -> Images:
    """uint8 (n, h, w, c), or (n, h, w) for one channel, as Images; raises DataError for anything else."""
    images = array[..., None] if array.ndim == 3 else array
    wanted = "uint8, shape (n, height, width, channels) with 1 or 3 channels"
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.dtype != np.uint8:
        fix = None
        if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[-1] not in (1, 3):
            fix = "the channels stand first: save images.transpose(0, 2, 3, 1)"
        elif images.dtype != np.uint8 and images.dtype.kind == "f":
            fix = "save the pixels as whole numbers from 0 to 255; the model's own preprocessing scales them"
        elif images.dtype != np.uint8 and images.dtype.kind in "iub":
            fix = "save values from 0 to 255 with .astype(numpy.uint8); others must be scaled to this range first"
        elif images.ndim == 4 and images.shape[2] in (1, 3) and images.shape[-1] not in (1, 3):
            fix = "the images stand last, as in MATLAB's files: save images.transpose(3, 0, 1, 2)"
        elif images.ndim == 4 and images.shape[-1] == 4:
            fix = "save the colours without the fourth channel: images[..., :3] where it is opacity"
        elif images.ndim == 2:
            fix = "each image is one row of numbers: save images.reshape(n, height, width, channels), in this order"
        raise DataError(
            "these are not images",
            where=where,
            found=f"{array.dtype}, shape {array.shape}",
            expected=wanted,
            fix=fix,
        )
    return images


def as_labels(array: np.ndarray, where: str) -> Labels:
    """Whole numbers of any width, shape (n,), as Labels; raises DataError for anything else."""
    if array.ndim != 1 or array.dtype.kind not in "iu":
        fix = "save labels.astype(int), if they are whole" if array.ndim == 1 and array.dtype.kind == "f" else None
        if array.ndim == 2:
            one_each = array.shape[1] == 1
            fix = "save labels.ravel()" if one_each else "a one-hot array becomes labels with .argmax(axis=1)"
        raise DataError(
            "these are not labels",
            where=where,
            found=f"{array.dtype}, shape {array.shape}",
            expected="whole numbers, shape (n,)",
            fix=fix,
        )
    return array.astype(np.int64)
