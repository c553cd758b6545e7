"""Decoded images on disk, shared by runs and results folders: one file per dataset, geometry and decoder.

Files are removed when they are damaged, and when they were not used for longest and others need the room.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from rich.filesize import decimal as size_text

from evalshift.errors import StoreError, UsageError, did_you_mean
from evalshift.evaluate.decoded_file import (
    HEADER_BYTES,
    SUFFIX,
    CachedImages,
    CacheEntry,
    CacheKey,
    CacheWriter,
    header_of,
    open_images,
    read_entry,
)
from evalshift.files import TEMPORARY_SUFFIX
from evalshift.testbed.download import cache_dir

CACHE_VARIABLE = "EVALSHIFT_CACHE"
MOST_BYTES = 50 * 10**9
SHARE_OF_DISK = 5
# Left free on the disk, which results are written to as well.
_RESERVE = 256 << 20


def decode_dir(folder: Path | None = None) -> Path:
    """Where decoded images are kept: `folder`, else EVALSHIFT_CACHE, else `decoded` in the folder of downloads."""
    chosen = folder or os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else cache_dir() / "decoded"


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
            images = open_images(path, key)
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
        wanted = HEADER_BYTES + key.images * int(np.prod(row_shape))
        try:
            if not self._make_room(key, wanted):
                return None
            lock = self._lock(key.file_name)
            if lock is None:
                return None
            try:
                return CacheWriter(self.folder / key.file_name, header_of(key, row_shape), row_shape, key.images, lock)
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
        entries = [entry for path in self._files() if (entry := read_entry(path)) is not None]
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
        for leftover in self._glob(f".*{SUFFIX}{TEMPORARY_SUFFIX}"):
            lock = self._lock(leftover.name.removeprefix(".").removesuffix(TEMPORARY_SUFFIX))
            if lock is not None:
                with suppress(OSError):
                    leftover.unlink(missing_ok=True)
                lock.release()

    def _files(self) -> list[Path]:
        return [path for path in self._glob(f"*{SUFFIX}") if not path.name.startswith(".")]

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
