"""What a long piece of work has written to a folder: its settings, and its files with their checksums.

So that a run that was stopped is resumed: what is whole and unchanged is kept, the rest is made again.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from evalshift.errors import DataError, UsageError
from evalshift.file_faults import file_fault
from evalshift.files import json_content, read_text, sha256_of, write_atomic


def refuse_other_settings(out: Path, settings: Mapping[str, object]) -> None:
    """Keep the settings of a piece of work in `out`: results of two would be those of neither.

    Raises UsageError where others were kept there, with those that differ, and DataError where these are damaged.
    """
    path = out / "made.json"
    found = _settings(path) if path.is_file() else dict(settings)
    differing = [name for name in {**found, **settings} if found.get(name) != settings.get(name)]
    if differing:
        said = [", ".join(f"{name} {some.get(name)}" for name in differing) for some in (found, settings)]
        raise UsageError(
            "another run wrote to this folder (`out`)", where=path, found=said[0], expected=said[1], fix="name another"
        )
    write_atomic(path, json.dumps(settings).encode())


def _settings(path: Path) -> dict[str, object]:
    try:
        found = json_content(read_text(path))
    except (OSError, ValueError) as error:
        found = file_fault(error)
    if isinstance(found, dict):
        return found
    raise DataError(
        "the settings of earlier work cannot be read",
        where=path,
        found=str(found),
        expected="the settings as they were written there",
        fix="name another folder (`out`), or delete this one",
    )


class WorkRecord:
    """Files below a folder that are whole, in made.sha256: a line per file, as the program sha256sum writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "made.sha256"
        # Damaged lines are those of no file: what they named is made again.
        text = path.read_text("utf-8", errors="replace") if path.is_file() else ""
        # A run that was killed may have left half a line at the end.
        lines = [re.fullmatch(r"([0-9a-f]{64})  (.+)", line) for line in text.split("\n")[:-1]]
        self._known = {line[2]: line[1] for line in lines if line}
        folder.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("a", encoding="utf-8", newline="\n")
        if text and not text.endswith("\n"):
            self._stream.write("\n")

    def has(self, path: Path) -> bool:
        """Whether a file was finished by an earlier run and is unchanged: its content is read."""
        name = path.relative_to(self.folder).as_posix()
        return name in self._known and path.is_file() and sha256_of(path) == self._known[name]

    def write(self, path: Path, content: bytes) -> None:
        """Write a file, then its line."""
        write_atomic(path, content)
        name = path.relative_to(self.folder).as_posix()
        self._known[name] = hashlib.sha256(content).hexdigest()
        self._stream.write(f"{self._known[name]}  {name}\n")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
