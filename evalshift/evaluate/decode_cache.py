"""Decoded images on disk, shared by runs and results folders: one file per dataset, geometry and decoder.

A file has a header, the pixels of all images in dataset order, and a checksum per block. It is written to a temporary
name and renamed when it is whole, verified when it is opened, and removed when it is damaged or was not used for
longest. Files are read rather than mapped: each batch is copied anyway, a mapped file that shrinks or cannot be read
kills the process, and its pages count as memory of the process.
"""

import hashlib
import io
import json
import os
import shutil
import struct
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
from rich.filesize import decimal as size_text

from evalshift.errors import StoreError, UsageError, did_you_mean
from evalshift.files import TEMPORARY_SUFFIX, json_content
from evalshift.shapes import Images
from evalshift.testbed.download import cache_dir

CACHE_VARIABLE = "EVALSHIFT_CACHE"
MOST_BYTES = 50 * 10**9
SHARE_OF_DISK = 5
# Left free on the disk, which results are written to as well.
_RESERVE = 256 << 20
_SUFFIX = ".pixels"
_FORMAT = 1
_HEADER_BYTES = 4096
_BLOCK_BYTES = 16 << 20


def decode_dir(folder: Path | None = None) -> Path:
    """Where decoded images are kept: `folder`, else EVALSHIFT_CACHE, else `decoded` in the folder of downloads."""
    chosen = folder or os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else cache_dir() / "decoded"


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
        return hashlib.sha256(json.dumps(self.facts).encode()).hexdigest()[:32] + _SUFFIX


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
        self._read_into(_HEADER_BYTES + start * self._row_bytes, rows.reshape(-1))
        return rows

    def is_whole(self, threads: int) -> bool:
        """Whether every block has its checksum."""
        total, step = self.shape[0] * self._row_bytes, _rows_per_block(self._row_bytes) * self._row_bytes

        def holds(block: int) -> bool:
            content = np.empty(min(step, total - block * step), np.uint8)
            self._read_into(_HEADER_BYTES + block * step, content)
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
        self._stream.seek(_HEADER_BYTES + start * self._row_bytes)
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


class DecodeCache:
    """The folder of decoded images of this user.

    limit   bytes that all files together may take; None for the smaller of 50 GB and a fifth of the free disk
            (with what the cache takes itself); 0 turns it off
    say     is told, in one line, what a user should know
    A cache that cannot be used, because the disk is full or the folder cannot be written, is no error: images are
    decoded again.
    """

    def __init__(
        self, folder: Path | None = None, limit: int | None = None, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.folder, self._wanted, self._say = decode_dir(folder), limit, say
        self._in_use: set[Path] = set()
        self._said: set[str] = set()
        self._off, self._writable = limit == 0, True

    @cached_property
    def limit(self) -> int:
        """Bytes that all files together may take."""
        if self._wanted is not None:
            return self._wanted
        free = shutil.disk_usage(_existing(self.folder)).free
        return min(MOST_BYTES, (free + sum(entry.bytes for entry in self.entries())) // SHARE_OF_DISK)

    def open(self, key: CacheKey, threads: int = 2) -> CachedImages | None:
        """The decoded images of that key, verified; None where there are none. A damaged file is removed."""
        path = self.folder / key.file_name
        if self._off or not path.exists():
            return None
        try:
            images = _open(path, key)
            if images is not None and images.is_whole(threads):
                os.utime(path)  # used last
                self._in_use.add(path)
                return images
            if images is not None:
                images.close()
        except OSError as error:
            self._tell(f"decoded images of {key.dataset} cannot be read from {path}: {_words(error)}")
            return None
        with suppress(OSError):
            path.unlink()
        self._tell(f"decoded images of {key.dataset} were damaged in {path} and are decoded again")
        return None

    def writer(self, key: CacheKey, row_shape: tuple[int, ...]) -> CacheWriter | None:
        """Where to write the images of that key; None where they do not fit, or another process is writing them."""
        if self._off or not self._writable:
            return None
        wanted = _HEADER_BYTES + key.images * int(np.prod(row_shape))
        try:
            if not self._make_room(key, wanted):
                return None
            lock = self._lock(key.file_name)
            if lock is None:
                return None
            try:
                return CacheWriter(self.folder / key.file_name, _header(key, row_shape), row_shape, key.images, lock)
            except OSError:
                lock.release()
                raise
        except OSError as error:
            self.failed(key, error)
            return None

    def failed(self, key: CacheKey, error: OSError) -> None:
        """Note that a file could not be written; nothing more is written from here on."""
        self._writable = False
        self._tell(f"decoded images of {key.dataset} are not cached in {self.folder}: {_words(error)}")

    def finished(self, path: Path) -> None:
        """Note that a file was written and is in use."""
        self._in_use.add(path)

    def entries(self) -> list[CacheEntry]:
        """All files of decoded images, the least recently used first."""
        entries = [entry for path in self._files() if (entry := _entry(path)) is not None]
        return sorted(entries, key=lambda entry: entry.last_used)

    def clear(self, datasets: Iterable[str] = ()) -> list[CacheEntry]:
        """Remove the files of these datasets, or all, and what killed runs left; those that were removed.

        Raises UsageError for a dataset of which there is none, StoreError for a file that cannot be removed.
        """
        wanted, entries = set(datasets), self.entries()
        known = {entry.dataset for entry in entries}
        for name in sorted(wanted - known):
            raise UsageError(
                f'no decoded images of "{name}"',
                where=self.folder,
                expected=", ".join(sorted(known)) or "none: the cache is empty",
                fix=did_you_mean(name, known),
            )
        removed = [entry for entry in entries if not wanted or entry.dataset in wanted]
        for entry in removed:
            try:
                entry.path.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError("a file could not be removed", where=entry.path, found=_words(error)) from error
        self.remove_leftovers()
        return removed

    def remove_leftovers(self) -> None:
        """Remove files that a killed run was writing."""
        for leftover in self._glob(f".*{_SUFFIX}{TEMPORARY_SUFFIX}"):
            lock = self._lock(leftover.name.removeprefix(".").removesuffix(TEMPORARY_SUFFIX))
            if lock is not None:
                with suppress(OSError):
                    leftover.unlink(missing_ok=True)
                lock.release()

    def _files(self) -> list[Path]:
        return [path for path in self._glob(f"*{_SUFFIX}") if not path.name.startswith(".")]

    def _glob(self, pattern: str) -> list[Path]:
        try:
            return sorted(self.folder.glob(pattern))
        except OSError:
            return []

    def _lock(self, name: str) -> Any:
        """The lock of the process that writes a file; None where another one has it. Released when a process dies."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / f".{name}.lock")
        try:
            return lock.acquire(timeout=0) and lock
        except (Timeout, NotImplementedError):  # a file system without locks has no shared cache
            return None

    def _make_room(self, key: CacheKey, wanted: int) -> bool:
        """Remove files that were not used for longest until `wanted` bytes fit; False where they never will."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.remove_leftovers()
        entries = [entry for entry in self.entries() if entry.path.name != key.file_name]
        kept = sum(entry.bytes for entry in entries if entry.path in self._in_use)
        if kept + wanted > self.limit:
            self._tell(
                f"decoded images of {key.dataset} are not cached: they take {size_text(wanted)}, and "
                f"{size_text(max(0, self.limit - kept))} of the cache's {size_text(self.limit)} are left"
            )
            return False
        taken = sum(entry.bytes for entry in entries)
        for entry in entries:
            if taken + wanted <= self.limit:
                break
            if entry.path not in self._in_use:
                with suppress(OSError):
                    entry.path.unlink()
                    taken -= entry.bytes
        free = shutil.disk_usage(self.folder).free
        if free < wanted + _RESERVE:
            self._tell(
                f"decoded images of {key.dataset} are not cached in {self.folder}: "
                f"{size_text(wanted)} do not fit into the {size_text(free)} that are free"
            )
            return False
        return True

    def _tell(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)


def _existing(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))


def _words(error: OSError) -> str:
    return error.strerror or str(error)


def _header(key: CacheKey, row_shape: tuple[int, ...]) -> bytes:
    facts = {**key.facts, "dataset": key.dataset, "shape": [key.images, *row_shape]}
    text = json.dumps(facts).encode()
    if len(text) > _HEADER_BYTES - 2:
        text = json.dumps({**facts, "dataset": ""}).encode()
    return text.ljust(_HEADER_BYTES - 1) + b"\n"


def _read_header(stream: Any) -> dict[str, Any] | None:
    try:
        facts = json_content(stream.read(_HEADER_BYTES))
        whole = facts["format"] == _FORMAT and isinstance(facts["dataset"], str) and isinstance(facts["geometry"], list)
        return facts if whole and len(facts["shape"]) == 4 and all(map(_is_count, facts["shape"])) else None
    except (ValueError, TypeError, KeyError):
        return None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def _entry(path: Path) -> CacheEntry | None:
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


def _open(path: Path, key: CacheKey) -> CachedImages | None:
    """The file with its table of checksums; None where it is not what its name says."""
    with path.open("rb") as stream:
        header = stream.read(_HEADER_BYTES)
        stream.seek(0)
        facts = _read_header(stream)
        if facts is None or {name: facts.get(name) for name in key.facts} != key.facts:
            return None
        shape = tuple(facts["shape"])
        row_bytes = int(np.prod(shape[1:]))
        blocks = -(-shape[0] // _rows_per_block(row_bytes))
        stream.seek(_HEADER_BYTES + shape[0] * row_bytes)
        tail = stream.read()
    if len(tail) != 4 * blocks + 4 or struct.unpack("<I", tail[-4:])[0] != zlib.crc32(tail[:-4], zlib.crc32(header)):
        return None
    return CachedImages(path, shape, np.frombuffer(tail[:-4], "<u4"))


def age_text(entry: CacheEntry, now: float | None = None) -> str:
    """How long ago a file was used, in words."""
    seconds = max(0.0, (time.time() if now is None else now) - entry.last_used)
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def geometry_text(geometry: tuple) -> str:
    """A geometry as a registry says it; see Preprocess.geometry.

    >>> geometry_text(((256,), "bicubic", True, (224, 224), None, None, 0))
    'resize 256 bicubic, crop 224'
    """
    if len(geometry) != 7:
        return ""
    resize, interpolation, antialias, crop, pad, letterbox, fill = geometry
    how = f" {interpolation}" + ("" if antialias else " without antialias")
    parts = (
        f"pad {pad}" if pad else "",
        f"resize {_sides(resize)}{how}" if resize else "",
        f"letterbox {_sides(letterbox)}{how}" if letterbox else "",
        f"fill {fill}" if fill else "",
        f"crop {_sides(crop)}" if crop else "",
    )
    return ", ".join(filter(None, parts)) or "none"


def _sides(size: Iterable[int]) -> str:
    sides = list(size)
    return f"{sides[0]} × {sides[1]}" if len(set(sides)) > 1 else f"{sides[0]}"
