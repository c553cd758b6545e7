"""One file of decoded images: a header, the pixels of all images in dataset order, and a checksum per block.

It is written to a temporary name and renamed when it is whole, and verified when it is opened. Files are read rather
than mapped: each batch is copied anyway, a mapped file that shrinks or cannot be read kills the process, and its pages
count as memory of the process.
"""

import hashlib
import io
import json
import os
import struct
import threading
import weakref
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np

from evalshift.files import TEMPORARY_SUFFIX, json_content
from evalshift.shapes import Images

SUFFIX = ".pixels"
HEADER_BYTES = 4096
_FORMAT = 1
_BLOCK_BYTES = 16 << 20


@dataclass(frozen=True)
class CacheKey:
    """What decides the pixels; all but the name of the dataset, which is for people.

    geometry   see Preprocess.geometry
    decoder    libraries that decode and resize, with their versions
    """

    dataset: str
    fingerprint: str
    geometry: tuple
    decoder: Mapping[str, str]
    images: int

    @cached_property
    def facts(self) -> dict[str, Any]:
        facts = {
            "format": _FORMAT,
            "fingerprint": self.fingerprint,
            "geometry": self.geometry,
            "decoder": dict(sorted(self.decoder.items())),
            "images": self.images,
        }
        return json.loads(json.dumps(facts))

    @property
    def file_name(self) -> str:
        return hashlib.sha256(json.dumps(self.facts).encode()).hexdigest()[:32] + SUFFIX


@dataclass(frozen=True)
class CacheEntry:
    """A file of decoded images, as its header and the file system describe it.

    shape      images, height, width, channels
    geometry   what was done to the images; see Preprocess.geometry
    last_used  seconds since the epoch
    """

    path: Path
    dataset: str
    shape: tuple[int, ...]
    geometry: tuple
    bytes: int
    last_used: float


class CachedImages:
    """A whole file of decoded images, open for reading until `close()`."""

    def __init__(self, path: Path, shape: tuple[int, ...], checksums: np.ndarray) -> None:
        self.path, self.shape, self._checksums = path, shape, checksums
        # Kept open, so that the images stay readable where the file is removed meanwhile.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.close = weakref.finalize(self, os.close, descriptor)
        self._stream = io.FileIO(descriptor, closefd=False)
        self._lock = threading.Lock()
        self._row_bytes = int(np.prod(shape[1:]))

    def read(self, start: int, stop: int) -> Images:
        """The images from `start` to `stop`. OSError where the file cannot be read."""
        rows = np.empty((stop - start, *self.shape[1:]), np.uint8)
        self._read_into(HEADER_BYTES + start * self._row_bytes, rows.reshape(-1))
        return rows

    def is_whole(self, threads: int) -> bool:
        """Whether every block has its checksum."""
        total, step = self.shape[0] * self._row_bytes, _rows_per_block(self._row_bytes) * self._row_bytes

        def holds(block: int) -> bool:
            content = np.empty(min(step, total - block * step), np.uint8)
            self._read_into(HEADER_BYTES + block * step, content)
            return zlib.crc32(content.data) == int(self._checksums[block])

        with ThreadPoolExecutor(threads) as pool:  # a checksum is computed without the interpreter
            return all(pool.map(holds, range(len(self._checksums))))

    def _read_into(self, position: int, content: np.ndarray) -> None:
        view = content.data
        with self._lock:
            self._stream.seek(position)
            while view.nbytes:
                count = self._stream.readinto(view)
                if not count:
                    raise OSError(f"{self.path} is shorter than it was")
                view = view[count:]


class CacheWriter:
    """A file of decoded images that is being written, under a temporary name; `abandon()` removes it.

    done   how many images were written
    """

    def __init__(self, path: Path, header: bytes, row_shape: tuple[int, ...], total: int, lock: Any) -> None:
        self.path, self._header, self._shape, self._lock = path, header, (total, *row_shape), lock
        self.done = 0
        self._row_bytes = int(np.prod(row_shape))
        self._per_block = _rows_per_block(self._row_bytes)
        self._checksums: list[int] = []
        self._current = 0
        self._temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
        self._stream = self._temporary.open("w+b")
        # Also where nobody calls it: what is not whole is of no use.
        self.abandon = weakref.finalize(self, _discard, self._stream, self._temporary, lock)
        self._stream.write(header)

    def append(self, rows: Images) -> None:
        """Write the next images. OSError where the disk is full."""
        self._stream.seek(0, os.SEEK_END)
        for start, stop in self._within_blocks(len(rows)):
            content = np.ascontiguousarray(rows[start:stop]).data
            self._stream.write(content)
            self._current = zlib.crc32(content, self._current)
            self.done += stop - start
            if self.done % self._per_block == 0 or self.done == self._shape[0]:
                self._checksums.append(self._current)
                self._current = 0

    def _within_blocks(self, count: int) -> Iterator[tuple[int, int]]:
        start = 0
        while start < count:
            stop = min(count, start + self._per_block - (self.done % self._per_block))
            yield start, stop
            start = stop

    def read(self, start: int, stop: int) -> Images:
        """Images that were written already."""
        self._stream.flush()
        rows = np.empty((stop - start, *self._shape[1:]), np.uint8)
        self._stream.seek(HEADER_BYTES + start * self._row_bytes)
        if self._stream.readinto(rows.reshape(-1).data) != rows.nbytes:
            raise OSError(f"{self._temporary} is shorter than it was")
        return rows

    def finish(self) -> CachedImages:
        """Give the file its name, once all images are written. OSError where the disk is full."""
        table = np.array(self._checksums, "<u4")
        self._stream.seek(0, os.SEEK_END)
        self._stream.write(table.tobytes() + struct.pack("<I", zlib.crc32(table.tobytes(), zlib.crc32(self._header))))
        self._stream.close()
        self._temporary.replace(self.path)
        self.abandon.detach()
        self._lock.release()
        return CachedImages(self.path, self._shape, table)


def _discard(stream: IO[bytes], temporary: Path, lock: Any) -> None:
    with suppress(OSError):
        stream.close()
    with suppress(OSError):
        temporary.unlink(missing_ok=True)
    lock.release()


def _rows_per_block(row_bytes: int) -> int:
    return max(1, _BLOCK_BYTES // row_bytes)


def header_of(key: CacheKey, row_shape: tuple[int, ...]) -> bytes:
    """The first bytes of a file of images of this shape: its facts as JSON."""
    facts = {**key.facts, "dataset": key.dataset, "shape": [key.images, *row_shape]}
    text = json.dumps(facts).encode()
    if len(text) > HEADER_BYTES - 2:
        text = json.dumps({**facts, "dataset": ""}).encode()
    return text.ljust(HEADER_BYTES - 1) + b"\n"


def _read_header(stream: Any) -> dict[str, Any] | None:
    try:
        facts = json_content(stream.read(HEADER_BYTES))
        whole = facts["format"] == _FORMAT and isinstance(facts["dataset"], str) and isinstance(facts["geometry"], list)
        return facts if whole and len(facts["shape"]) == 4 and all(map(_is_count, facts["shape"])) else None
    except (ValueError, TypeError, KeyError):
        return None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def read_entry(path: Path) -> CacheEntry | None:
    """A file of decoded images without its pixels, of unknown format without facts; None where it is gone."""
    try:
        with path.open("rb") as stream:
            facts = _read_header(stream)
        status = path.stat()
    except OSError:  # removed by another process
        return None
    if facts is None:
        return CacheEntry(path, "", (0, 0, 0, 0), (), status.st_size, status.st_mtime)
    shape, geometry = tuple(facts["shape"]), tuple(facts["geometry"])
    return CacheEntry(path, facts["dataset"], shape, geometry, status.st_size, status.st_mtime)


def open_images(path: Path, key: CacheKey) -> CachedImages | None:
    """The file with its table of checksums; None where it is not what its name says."""
    with path.open("rb") as stream:
        header = stream.read(HEADER_BYTES)
        stream.seek(0)
        facts = _read_header(stream)
        if facts is None or {name: facts.get(name) for name in key.facts} != key.facts:
            return None
        shape = tuple(facts["shape"])
        row_bytes = int(np.prod(shape[1:]))
        blocks = -(-shape[0] // _rows_per_block(row_bytes))
        stream.seek(HEADER_BYTES + shape[0] * row_bytes)
        tail = stream.read()
    if len(tail) != 4 * blocks + 4 or struct.unpack("<I", tail[-4:])[0] != zlib.crc32(tail[:-4], zlib.crc32(header)):
        return None
    return CachedImages(path, shape, np.frombuffer(tail[:-4], "<u4"))
