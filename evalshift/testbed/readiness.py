"""Whether what an entry names can be run now, as a look at the disk tells."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class State:
    """Whether something can be run now.

    words      "ready", "to download, 170 MB", "missing"
    source     where it comes from, or what is missing
    is_ready   whether nothing is missing, to download or to be trained first
    """

    can_run: bool
    words: str
    source: str = ""
    is_ready: bool = False

    @classmethod
    def ready(cls, source: str = "") -> "State":
        """The state of what can be run as it is."""
        return cls(True, "ready", source, is_ready=True)


def state_of_files(paths: Iterable[Path]) -> State:
    """Ready where all of these files or folders exist; else missing, with those that do not."""
    paths = tuple(paths)
    absent = [path for path in paths if not path.exists()]
    shown = ", ".join(str(path) for path in absent or paths)
    return State(False, "missing", shown) if absent else State.ready(shown)


def size_words(size: int) -> str:
    """A size in bytes as it follows "to download": ", 170 MB"; nothing for less than a megabyte."""
    return f", {size_text(size)}" if size >= 1e6 else ""


def size_text(size: int) -> str:
    """A size in bytes as "3.1 GB" or "170 MB".

    >>> size_text(3_061_000_000), size_text(170_498_071), size_text(8_212)
    ('3.1 GB', '170 MB', '8 kB')
    """
    for unit, one in (("GB", 1e9), ("MB", 1e6)):
        if size >= one:
            return f"{size / one:,.{int(unit == 'GB')}f} {unit}"
    return f"{size / 1e3:,.0f} kB"
