"""The files that a dataset is split over: one path, a folder, a glob, or numbers in braces."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from evalshift.errors import DataError
from evalshift.formatting import name_some
from evalshift.testbed.readiness import State, state_of_files

_NUMBERS = re.compile(r"\{(\d+)\.\.(\d+)\}")
_OF_MANY = re.compile(r"^(?P<name>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\b")


def shard_paths(path: Path, suffix: str) -> list[Path]:
    """The files that `path` stands for, sorted, whether they exist or not; none for a glob that fits nothing.

    A folder stands for its files with `suffix`, val-{000..049}.tar for fifty files, * and ? are those of the shell.
    """
    if path.is_dir():
        return sorted(found for found in path.iterdir() if found.suffix == suffix and not found.name.startswith("."))
    if numbers := _NUMBERS.search(str(path)):
        first, last = numbers.groups()
        every = (f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1))
        return [one for text in every for one in shard_paths(Path(_NUMBERS.sub(text, str(path), count=1)), suffix)]
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    return sorted(map(Path, glob.glob(str(path))))  # noqa: PTH207  # Path.glob takes no absolute patterns


def existing_shards(path: Path, suffix: str, where: str) -> list[Path]:
    """The same, all of which exist; DataError naming what is missing, also of files called -00003-of-00014."""
    paths = shard_paths(path, suffix)
    absent = [one for one in paths if not one.is_file()]
    if not paths or absent:
        raise DataError(
            "files of the dataset are missing",
            where=where,
            found=name_some(list(map(str, absent)), 3) or f"no {suffix} file for {path}",
            expected=f"a {suffix} file, a folder of them, a glob, or numbers in braces such as {{000..049}}",
        )
    _refuse_gaps(paths, where)
    return paths


def _refuse_gaps(paths: Sequence[Path], where: str) -> None:
    groups: dict[tuple[str, int], set[int]] = {}
    for path in paths:
        if named := _OF_MANY.match(path.name):
            groups.setdefault((named["name"], int(named["count"])), set()).add(int(named["number"]))
    for (name, count), numbers in groups.items():
        if missing := sorted(set(range(count)) - numbers):
            raise DataError(
                "files of the dataset are missing",
                where=f"{where}, {paths[0].parent}",
                found=f"{len(numbers)} of {count}, without {name}-{missing[0]:05d}-of-{count:05d}",
                expected="all of them",
                fix="download the others; to evaluate on a part, give the files other names",
            )


def state_of_shards(path: Path, suffix: str) -> State:
    """Whether all files that `path` stands for exist."""
    return state_of_files(shard_paths(path, suffix) or [path])
