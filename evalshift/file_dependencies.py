"""Record which files a result depends on, so that it can be reused for as long as none of them has changed.

    with recorded_dependencies() as dependencies:
        ...                         # code that reads a file, or asks whether it is there, calls depends_on(path) first
    dependencies.files              # path → its state, None where it was absent

Outside such a block the calls do nothing. Code that depends on more than single files, such as a folder of images and
all that is below it, calls `dependencies_unknown` instead; the record is then incomplete, and nothing is reused.
"""

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# The times of some file systems are exact to two seconds only.
_SAME_TIME_SECONDS = 2.5
# Larger files are not hashed because they changed a moment ago; the record is incomplete instead.
_MOST_HASHED = 32 << 20

State = list[int | str]


@dataclass
class Dependencies:
    """Files and folders that were read or looked for, each with its state before that.

    is_complete   whether these are all
    output        what was printed as the result; None where there was none to reuse
    """

    files: dict[str, State | None] = field(default_factory=dict)
    is_complete: bool = True
    output: str | None = None

    def add(self, path: Path) -> None:
        """Record the state of a file before it is read, so that any later change counts."""
        place = str(path.absolute())
        if place in self.files:
            return
        try:
            self.files[place] = state_of(place)
        except (OSError, ValueError):
            self.is_complete = False


_open: list[Dependencies] = []


@contextmanager
def recorded_dependencies() -> Iterator[Dependencies]:
    """Record dependencies within the block, of this thread and all others."""
    dependencies = Dependencies()
    _open.append(dependencies)
    try:
        yield dependencies
    finally:
        _open.remove(dependencies)


def depends_on(path: Path) -> None:
    """The result depends on this file, which may be absent, or on the names in this folder. Call it before reading."""
    for dependencies in _open:
        dependencies.add(path)


def dependencies_unknown() -> None:
    """The result depends on more than single files."""
    for dependencies in _open:
        dependencies.is_complete = False


def conclude(output: str) -> None:
    """This is the result, as printed, and it depends on nothing but the recorded files."""
    for dependencies in _open:
        dependencies.output = output


def state_of(place: str, hashed: bool = False) -> State | None:
    """Kind, size, modification and change time and inode of a file; with its sha256 if it is recent, or `hashed`.

    None if there is no such file. The change time (ctime) reveals a change after which the modification time was reset.
    Raises OSError if the file cannot be read.
    """
    try:
        found = Path(place).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    state: State = [stat.S_IFMT(found.st_mode), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    recent = time.time() - max(found.st_mtime, found.st_ctime) < _SAME_TIME_SECONDS
    if hashed or recent:
        state.append(_content(place, found))
    return state


def is_unchanged(place: str, state: State | None) -> bool:
    """Whether a file has the recorded state. It is hashed only if the record has a hash."""
    try:
        now = state_of(place, hashed=state is not None and len(state) > len(_STAT))
    except (OSError, ValueError):
        return False
    if state is None or now is None:
        return state is now
    return now[: len(state)] == state


_STAT = ("kind", "size", "modified", "changed", "inode")


def _content(place: str, found: os.stat_result) -> str:
    if stat.S_ISDIR(found.st_mode):
        names = "\0".join(sorted(one.name for one in Path(place).iterdir()))
        return hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()
    if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_HASHED:
        raise OSError("not hashed")
    with Path(place).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
