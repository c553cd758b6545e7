"""The same run again, with nothing to do: known from what the last one looked at, without reading it again.

    results/.nothing-to-do    what a run that found nothing to do printed, its options, and the files it looked at

While none of these has changed, nor the options, the environment, the libraries or evalshift itself, the answer is the
same. This imports nothing but Python's own modules, so that it is there in less time than pyarrow takes to import.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from evalshift._version import __version__
from evalshift.errors import EvalshiftError
from evalshift.files import write_atomic
from evalshift.looked_at import LookedAt, is_unchanged

_NAME = ".nothing-to-do"
# Variables that differ from one command to the next, or only say what a terminal looks like.
_VOLATILE = frozenset(("_", "SHLVL", "PWD", "OLDPWD", "COLUMNS", "LINES", "CI"))
_MOST_FILES = 20_000


def command_key(*options: Any) -> str:
    """A checksum of all but files that decides what a run would do: options, folder, environment, code, libraries."""
    environment = sorted((name, value) for name, value in os.environ.items() if name not in _VOLATILE)
    parts = [__version__, sys.version, [repr(one) for one in options], str(Path.cwd()), environment]
    parts += [sorted(_own_code()), list(_libraries())]
    text = json.dumps(parts)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _own_code() -> Iterator[tuple[str, int, int]]:
    """Each file of evalshift's code and data, by size and time: a checkout changes without its version."""
    folders = [str(Path(__file__).parents[1])]
    while folders:
        with os.scandir(folders.pop()) as found:
            for one in found:
                if one.is_dir(follow_symlinks=False):
                    folders += [] if one.name == "__pycache__" else [one.path]
                else:
                    status = one.stat()
                    yield one.path, status.st_size, status.st_mtime_ns


def _libraries() -> Iterator[tuple[str, int]]:
    """The folders of installed packages: pip changes them with each package that comes, goes or gets a new version."""
    for folder in sys.path:
        if Path(folder).name in ("site-packages", "dist-packages"):
            with suppress(OSError):
                yield folder, Path(folder).stat().st_mtime_ns


def said_before(results: Path, key: str) -> str | None:
    """What the last run with this key printed, where it found nothing to do and would find nothing now; else None."""
    try:
        kept = json.loads((results / _NAME).read_text("utf-8"))
        if kept["key"] == key and all(is_unchanged(place, state) for place, state in kept["files"].items()):
            return str(kept["said"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return None


def keep(results: Path, key: str, seen: LookedAt) -> None:
    """Note that a run found nothing to do, if it did; only a note, so it does not matter where it cannot be written."""
    if seen.answer is not None and seen.is_complete and len(seen.files) <= _MOST_FILES:
        content = json.dumps({"key": key, "said": seen.answer, "files": seen.files})
        with suppress(EvalshiftError, UnicodeEncodeError):
            write_atomic(results / _NAME, content.encode())
