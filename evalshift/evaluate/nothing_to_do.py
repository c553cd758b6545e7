"""Repeat the output of a run that found nothing to do, for as long as nothing that it depends on has changed.

    results/.nothing-to-do    the output of the last such run, a checksum of its options, and the files it depends on

The options, the environment variables, the libraries and evalshift's own code are part of the checksum. This module
imports only the standard library, so that an idle run takes less time than importing pyarrow. Why: decision 0026.
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
from evalshift.file_dependencies import Dependencies, is_unchanged
from evalshift.files import read_text, write_atomic

_NAME = ".nothing-to-do"
# Variables that change from one command to the next, or that describe the terminal.
_VOLATILE = frozenset(("_", "SHLVL", "PWD", "OLDPWD", "COLUMNS", "LINES", "CI"))
_MOST_FILES = 20_000


def command_key(*options: Any) -> str:
    """Checksum of all that a run depends on beside files: options, folder, environment, code and libraries."""
    environment = sorted((name, value) for name, value in os.environ.items() if name not in _VOLATILE)
    parts = [__version__, sys.version, [repr(one) for one in options], str(Path.cwd()), environment]
    parts += [sorted(_own_code()), list(_libraries())]
    text = json.dumps(parts)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _own_code() -> Iterator[tuple[str, int, int]]:
    """Size and time of each file of evalshift's code and data: a checkout changes without a new version."""
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
    """Folders of installed packages with their times, which pip changes whenever it adds, removes or updates one."""
    for folder in sys.path:
        if Path(folder).name in ("site-packages", "dist-packages"):
            with suppress(OSError):
                yield folder, Path(folder).stat().st_mtime_ns


def stored_output(results: Path, key: str) -> str | None:
    """The output of the last run with this key, if it had nothing to do and no file that it depends on changed."""
    try:
        kept = json.loads(read_text(results / _NAME))
        if kept["key"] == key and all(is_unchanged(place, state) for place, state in kept["files"].items()):
            return str(kept["output"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return None


def store_output(results: Path, key: str, dependencies: Dependencies) -> None:
    """Store the output of a run that had nothing to do; where it cannot be written, the next run checks all again."""
    if dependencies.output is not None and dependencies.is_complete and len(dependencies.files) <= _MOST_FILES:
        content = json.dumps({"key": key, "output": dependencies.output, "files": dependencies.files})
        with suppress(EvalshiftError, UnicodeEncodeError):
            write_atomic(results / _NAME, content.encode())
