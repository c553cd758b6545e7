"""What of the disk an answer depends on: noted where it is looked at, so that it can be given again while that is so.

    with looking() as seen:
        ...                         # whatever looks at a file calls note(path) before
    seen.files                      # path -> its state, or None where it was absent
    all(state_of(path) == state ...)

Where nobody is looking, a note costs nothing. What depends on more than single files, such as a folder of images with
all that lies below, calls `lose_track` instead: then there is no complete list.
"""

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# File systems tell changes apart by times of up to two seconds.
_SAME_TIME_SECONDS = 2.5
# Larger files are not hashed only to be sure of what their times tell soon after.
_MOST_HASHED = 32 << 20

State = list[int | str]


@dataclass
class LookedAt:
    """The files and folders that were looked at, absent ones too, as they were then.

    is_complete   whether these are all
    answer        what was found by looking at them, as it was said; None where nobody said it
    """

    files: dict[str, State | None] = field(default_factory=dict)
    is_complete: bool = True
    answer: str | None = None

    def add(self, path: Path) -> None:
        """Note the state of a file before it is read: what changes it later is seen by the next look."""
        place = str(path.absolute())
        if place in self.files:
            return
        try:
            self.files[place] = state_of(place)
        except (OSError, ValueError):
            self.is_complete = False


_open: list[LookedAt] = []


@contextmanager
def looking() -> Iterator[LookedAt]:
    """Collect what is looked at for as long as the block takes; in this thread and all others."""
    looked_at = LookedAt()
    _open.append(looked_at)
    try:
        yield looked_at
    finally:
        _open.remove(looked_at)


def note(path: Path) -> None:
    """This file is about to be read, or its state to be asked for; or this folder for the names in it."""
    for looked_at in _open:
        looked_at.add(path)


def lose_track() -> None:
    """What is looked at now is more than single files tell."""
    for looked_at in _open:
        looked_at.is_complete = False


def conclude(answer: str) -> None:
    """This is the answer, and it depends on nothing but what was looked at."""
    for looked_at in _open:
        looked_at.answer = answer


def state_of(place: str, hashed: bool = False) -> State | None:
    """What tells a changed file: kind, size, times, inode, and the content where it changed a moment ago, or `hashed`.

    None where there is no such file. The time of change (ctime) tells also what puts back the time of modification.
    Raises OSError where the file cannot be read.
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
    """Whether a file is as it was. Its content is read where that was noted."""
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
