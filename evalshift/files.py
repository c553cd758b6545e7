"""Files on disk: atomic writes, names, checksums."""

import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, unquote

from evalshift.errors import StoreError
from evalshift.file_dependencies import depends_on
from evalshift.formatting import counted
from evalshift.stopping import removed_if_stopped

# Distinctive, because old files with this suffix are removed.
TEMPORARY_SUFFIX = ".evalshift-tmp"

# What Windows, macOS and Linux all take in a file name; everything else is written as %XX.
_SAFE_IN_NAMES = " +,=@()[]"
# File systems take 255 bytes, with the suffix and what marks a temporary file.
_LONGEST_NAME = 200
# quote() writes no such sequence: % is always followed by two digits.
_SHORTENED = re.compile("%~[0-9a-f]{16}$")


def refuse_special(path: Path) -> None:
    """Raise OSError for a pipe, a socket or a device, whose reading may never end; FileNotFoundError for no file."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # whoever opens a folder is told that it is one
        raise OSError("it is a pipe or a device, expected a file")


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """The text of a file. Raises OSError, also for what `refuse_special` refuses, and UnicodeDecodeError."""
    refuse_special(path)
    return path.read_text(encoding)


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises OSError, also for what `refuse_special` refuses."""
    refuse_special(path)
    return path.read_bytes()


def json_content(text: str | bytes) -> Any:
    """What a JSON text holds. Raises ValueError for any other text, and for lists nested deeper than Python goes."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write `data` to `path` atomically: a reader sees the old file or the new one, even after kill -9 or a power cut.

    The bytes are written to a temporary file in the same folder, flushed to disk, and renamed. Without `durable` they
    are not flushed before `flush_folders` does it: after a power cut the file may be empty, never after a kill.
    Raises StoreError where the folder is not writable or the disk is full; an existing file is then unchanged.
    """
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with removed_if_stopped(temporary), temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            "a file could not be written",
            where=path,
            found=obstacle(path, error),
            expected=f"a writable folder with {counted(len(data), 'byte')} free",
            fix="free some space or choose another folder; what was stored before is unchanged",
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder among the system's temporary ones, which is gone after the block, also where a signal ends it."""
    with TemporaryDirectory(prefix="evalshift-") as folder, removed_if_stopped(Path(folder)):
        yield Path(folder)


def flush_folders(folders: Iterable[Path]) -> None:
    """Flush the files in these folders to disk, and their names: what `write_atomic` wrote without `durable`.

    For many files this is quicker than to flush each when it is written: the system has begun to write them, and takes
    several at once. Folders that do not exist are passed over, and files that may not be opened, which are not ours.
    Raises StoreError where the disk is full, or fails.
    """
    there = list(filter(Path.is_dir, folders))
    files = [path for folder in there for path in folder.iterdir() if path.is_file() and os.access(path, os.W_OK)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(_flush, files))
        if os.name == "posix":  # elsewhere folders cannot be opened
            list(threads.map(_flush, there))


def _flush(path: Path) -> None:
    try:
        # Windows flushes what is open for writing alone.
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(
            "a file could not be written",
            where=path,
            found=error.strerror or str(error),
            expected="a disk that is not full, and works",
            fix="free some space or choose another folder",
        ) from error


def obstacle(path: Path, error: OSError) -> str:
    """Why a path cannot be written: the file that stands where a folder is needed, or what the system says."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        for folder in path.parents:
            if folder.is_file():
                return f"{folder} is a file, not a folder"
    return error.strerror or str(error)


def remove_leftovers(folder: Path, older_than: float) -> int:
    """Remove temporary files under `folder` last written before `older_than` (seconds since the epoch); how many.

    A killed process leaves them behind. Newer ones may belong to another process that is running.
    """
    removed = 0
    for leftover in folder.rglob(f".*{TEMPORARY_SUFFIX}"):
        with suppress(OSError):
            if leftover.stat().st_mtime < older_than:
                leftover.unlink()
                removed += 1
    return removed


def file_name(name: str) -> str:
    """A registry name as a file name that every system takes; `registry_name` is its inverse.

    >>> file_name("timm/resnet18.a1_in1k")
    'timm%2Fresnet18.a1_in1k'
    """
    quoted = quote(name, safe=_SAFE_IN_NAMES)
    # A dot in front hides a file on Linux; Windows drops a dot or a space at the end of a folder's name.
    if quoted[:1] == ".":
        quoted = "%2E" + quoted[1:]
    if quoted[-1:] in (".", " "):
        quoted = f"{quoted[:-1]}%{ord(quoted[-1]):02X}"
    if len(quoted) > _LONGEST_NAME and not is_shortened(name):
        beginning = re.sub("%.?$", "", quoted[: _LONGEST_NAME - 18])
        return f"{beginning:_<{_LONGEST_NAME - 18}}%~{sha256_of_text(name)[:16]}"
    return name if is_shortened(name) else quoted


def is_shortened(name: str) -> bool:
    """Whether this is the name that `file_name` gives to one too long for a file; what it was, its file says inside."""
    return len(name) == _LONGEST_NAME and _SHORTENED.search(name) is not None


def registry_name(name: str) -> str:
    """The registry name that `file_name` turned into this one, unless it was shortened."""
    return unquote(name)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content as 64 hex digits."""
    refuse_special(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def md5_of(path: Path) -> str:
    """The md5 of a file's content as 32 hex digits, for data published with no better checksum."""
    refuse_special(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def sha256_of_text(text: str) -> str:
    """The sha256 of a text as 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def stat_checksum(paths: Iterable[Path], root: Path | None = None) -> str:
    """sha256 over the names, sizes and modification times of files: while it is unchanged, so are they.

    root   names are relative to it, so that a folder can be moved; None for names as given
    Calls stat once per file and reads none, so that a run with nothing to do does not read gigabytes to find that out.
    """
    return stat_checksum_of(
        (path.relative_to(root).as_posix() if root else str(path), _recorded_stat(path)) for path in paths
    )


def _recorded_stat(path: Path) -> os.stat_result:
    depends_on(path)
    return path.stat()


def stat_checksum_of(files: Iterable[tuple[str, os.stat_result]]) -> str:
    """The same from what `stat` said of each file."""
    digest = hashlib.sha256()
    for shown, status in files:
        digest.update(f"{shown}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
