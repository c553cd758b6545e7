"""Checksums of files and folders by their content, computed once for as long as a file is the same."""

import os
import stat
import time
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from evalshift.file_dependencies import dependencies_unknown, depends_on
from evalshift.files import sha256_of, sha256_of_text

# What is said of a file that is not there: its coming is a change too.
MISSING = "missing"
# How the reason begins where there is no checksum; a model with such a file is not built.
NOT_HASHED = "not hashed: "
MOST_FILES = 100_000
MOST_BYTES = 50_000_000_000
# Of more files, no list is kept for the next command.
_MOST_RECORDED = 10_000
# What version control, Python, editors and systems keep beside the files of a folder.
_NOT_CONTENT = frozenset({".git", ".hg", ".svn", "__pycache__", ".ipynb_checkpoints", ".DS_Store"})
# Of files downloaded from Hugging Face's hub, when and from where.
_NOTES_OF_DOWNLOADS = frozenset({".cache/huggingface"})
# The times of some file systems are exact to two seconds only.
_SAME_TIME_SECONDS = 2.5


class UnhashedError(Exception):
    """Why a file or folder has no checksum, in words."""


def hash_of_file(path: Path) -> str:
    """The sha256 of a file, MISSING, or NOT_HASHED with the reason."""
    depends_on(path)
    try:
        if not path.is_file():
            return MISSING
        return _hash(path, path.stat())
    except OSError as error:
        return f"{NOT_HASHED}{error.strerror or error}"


def checksum_of(path: Path) -> str:
    """That of a file or a folder; MISSING, or NOT_HASHED with the reason."""
    depends_on(path)
    try:
        return hash_of_folder(path) if path.is_dir() else hash_of_file(path)
    except UnhashedError as error:
        return f"{NOT_HASHED}{error}"


def _hash(path: Path, status: os.stat_result) -> str:
    if time.time() - max(status.st_mtime, status.st_ctime) < _SAME_TIME_SECONDS:  # it may change within the same time
        return sha256_of(path)
    return _hash_once(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@cache  # a plan asks for each dataset of each model
def _hash_once(path: Path, size: int, modified: int, changed: int, node: int) -> str:
    return sha256_of(path)


def hash_of_folder(folder: Path) -> str:
    """sha256 over the relative names and the content of all files in a folder and below it, links followed.

    What version control and Python keep there does not count, and neither do folders of results. Raises UnhashedError
    for more than MOST_FILES or MOST_BYTES, for pipes and devices, and for what cannot be read.
    """
    try:
        files = sorted(_files(folder), key=lambda file: file[0])
        digests = [(name, MISSING if status is None else _hash(path, status)) for name, path, status in files]
    except OSError as error:
        raise UnhashedError(error.strerror or str(error)) from error
    return sha256_of_text("\n".join(f"{_printable(name)} {digest}" for name, digest in digests))


def _printable(name: str) -> str:
    return name if name.isprintable() else ascii(name)


def _files(folder: Path) -> Iterator[tuple[str, Path, os.stat_result | None]]:
    """Each file below with its relative name and status, which is None for a link that leads nowhere or back."""
    size = 0
    for name, path in _walk(folder):
        depends_on(path)
        status = path.stat() if path.exists() else None
        if status is not None and not stat.S_ISREG(status.st_mode):
            if not stat.S_ISDIR(status.st_mode):
                raise UnhashedError(f"{name} is a pipe, a socket or a device")
            status = None
        size += status.st_size if status else 0
        if size > MOST_BYTES:
            raise UnhashedError(f"more than {MOST_BYTES // 10**9} GB")
        yield name, path, status


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """All that is no folder, by its relative name, and links back to a folder that they lie in."""
    start = os.path.realpath(folder)
    waiting = [("", folder, frozenset({start, *map(str, Path(start).parents)}))]
    count = 0
    while waiting:
        above, here, reals = waiting.pop()
        depends_on(here)
        with os.scandir(here) as entries:
            names = {entry.name: entry for entry in entries if entry.name not in _NOT_CONTENT}
        if _is_of_results(names):
            continue
        count += len(names)
        if count > _MOST_RECORDED:
            dependencies_unknown()
        if count > MOST_FILES:
            raise UnhashedError(f"more than {MOST_FILES:,} files")
        for name, entry in names.items():
            path = here / name
            real = os.path.realpath(path) if entry.is_dir() else None
            if real is None or real in reals:
                yield f"{above}{name}", path
            elif f"{above}{name}" not in _NOTES_OF_DOWNLOADS:
                waiting.append((f"{above}{name}/", path, reals | {real}))


def _is_of_results(names: Collection[str]) -> bool:
    """Whether a folder with these entries is one of results, which every run changes."""
    return "datasets" in names and (".lock" in names or ".at-work" in names)
