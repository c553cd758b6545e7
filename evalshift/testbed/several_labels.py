"""Labels of several classes per image, as ReaL and ImageNet-Hard have them: files of lists, aligned with the images."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from evalshift.errors import DataError, did_you_mean
from evalshift.file_faults import file_fault
from evalshift.files import json_content, read_text, refuse_special
from evalshift.formatting import counted
from evalshift.shapes import Int, Labels
from evalshift.testbed.arrays import UNREADABLE, python_2_headers
from evalshift.testbed.classes import ClassSpace

LABELS = (
    *("labels", "label", "real_labels", "real_label", "real", "multi_labels", "correct_multi_labels", "correct"),
    *("targets", "target", "classes", "class"),
)
_IDS = ("id", "image_id", "image", "file_name", "filename", "file", "path", "key", "name")
_VALIDATION = re.compile(r"ILSVRC2012_val_(\d{8})")
_VALIDATION_IMAGES = 50_000
# Below this share of images whose own label is among the several, they are those of other images, or in another order.
_LEAST_AGREEMENT = 0.5


@dataclass(frozen=True)
class LabelLists:
    """The correct classes of each image, of some none, and the images' names where the file has them."""

    path: Path
    labels: tuple[tuple[int, ...], ...]
    ids: tuple[str, ...] | None

    def __len__(self) -> int:
        return len(self.labels)


def read_label_lists(path: Path, space: ClassSpace) -> LabelLists | None:
    """The lists of labels in a file; None where it holds none, so that it has one label per image if any.

    JSON: a list of lists, an object name → list, records, or columns; JSON lines; CSV with cells such as "[1, 2]" or
    "1 2"; Parquet with a column of lists; npy with a column of 0 and 1 for each class. Labels are numbers or names.
    Raises DataError where a label is not a class of `space`.
    """
    found = _read(path, space)
    if found is None:
        return None
    return label_lists(path, *found, space)


def label_lists(path: Path, ids: Sequence[Any] | None, rows: Sequence[Any], space: ClassSpace) -> LabelLists:
    """Rows of labels as numbers; DataError naming the first that is not a class of `space`, and its row."""
    labels = tuple(_as_labels(values, space, f"{path}, row {row:,}") for row, values in enumerate(rows))
    return LabelLists(path, labels, None if ids is None else tuple(map(str, ids)))


def aligned(lists: LabelLists, ids: Sequence[str], labels: Labels | None, where: str) -> list[tuple[int, ...]]:
    """The correct classes of the images that are called `ids`, in their order.

    By name where the file has names; where ids are those of ImageNet's validation images and the file holds 50,000
    lists, by the number in the id, as ReaL's are; else in order. `labels` of one class each, shape (n,), are those that
    the images have otherwise: DataError where fewer than half are among the several, or where images are missing.
    """
    found = [lists.labels[place] for place in _places(lists, ids, where)]
    if labels is not None:
        known = [(label in several) for label, several in zip(labels.tolist(), found, strict=True) if several]
        if known and sum(known) < _LEAST_AGREEMENT * len(known):
            raise DataError(
                "these labels contradict those of the dataset",
                where=lists.path,
                found=f"{sum(known):,} of {len(known):,} images have their own label among the several",
                expected="most of them",
                fix="the rows seem to be in another order, or the labels to be numbered otherwise",
            )
    return found


def padded(lists: Sequence[Sequence[int]], first: Labels | None = None) -> Int[np.ndarray, "n c"]:
    """Lists of at least one label each as an array, shorter ones filled up with their first label.

    first   labels, shape (n,), that come first where they are among the several

    >>> padded([(3,), (5, 6), (2, 1)], np.array([0, 6, 2])).tolist()
    [[3, 3], [6, 5], [2, 1]]
    """
    rows = [list(dict.fromkeys(several)) for several in lists]
    if first is not None:
        rows = [
            [own, *(label for label in row if label != own)] if own in row else row
            for row, own in zip(rows, first.tolist(), strict=True)
        ]
    width = max(map(len, rows))
    return np.array([row + row[:1] * (width - len(row)) for row in rows], dtype=np.int64)


def _places(lists: LabelLists, ids: Sequence[str], where: str) -> list[int]:
    if lists.ids is None:
        if (numbers := validation_places(lists, ids)) is not None:
            return numbers
        if len(lists) != len(ids):
            raise DataError(
                "labels and images differ in number",
                where=lists.path,
                found=f"{len(lists):,} rows",
                expected=f"{len(ids):,}, one per image of {where}",
            )
        return list(range(len(ids)))
    found = [place for place in places_of_names(lists.ids, ids) if place is not None]
    if len(found) == len(ids):
        return found
    known = {_stem(name) for name in lists.ids}
    missing = [name for name in ids if _stem(name) not in known]
    raise DataError(
        "the labels do not name the images",
        where=lists.path,
        found=f"{counted(len(missing), 'image')} without a row, such as {missing[0]}"
        if missing
        else "names that are not unique",
        expected=f"a row for each of the {len(ids):,} images of {where}",
    )


def validation_places(lists: LabelLists, ids: Sequence[str]) -> list[int] | None:
    """Rows of ReaL's form: of all of ImageNet's validation images in the order of their numbers; None for others."""
    numbers = [_VALIDATION.search(name) for name in ids]
    if len(lists) != _VALIDATION_IMAGES or not all(numbers):
        return None
    return [int(number[1]) - 1 for number in numbers if number]


def places_of_names(names: Sequence[str], ids: Sequence[str]) -> list[int | None]:
    """Where each id stands among names, by the whole name or without folders and suffix, whichever finds more.

    None for one that is not there. Names that are not unique in the form that is compared find nothing.
    """
    best: list[int | None] = [None] * len(ids)
    for key in (str, _stem):
        places = {key(name): place for place, name in enumerate(names)}
        wanted = [key(name) for name in ids]
        if len(places) == len(names) and len(set(wanted)) == len(wanted):
            found = [places.get(name) for name in wanted]
            best = max(best, found, key=lambda one: sum(place is not None for place in one))
    return best


def _stem(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in (".jpeg", ".jpg", ".png", ".webp") else path.name


Rows = tuple[Sequence[Any] | None, Sequence[Any]]


def _read(path: Path, space: ClassSpace) -> Rows | None:
    suffix = path.suffix.lower()
    try:
        if suffix == ".json":
            return _of_json(json_content(read_text(path, "utf-8-sig")))
        if suffix in (".jsonl", ".ndjson"):
            lines = read_text(path, "utf-8-sig").splitlines()
            return _of_json([json_content(line) for line in lines if line.strip()])
        if suffix == ".parquet":
            import pyarrow as pa

            from evalshift.parquet import read_table

            table = read_table(path)
            listed = any(pa.types.is_nested(kind) and "list" in str(kind) for kind in table.schema.types)
            kept = [field.name for field in table.schema if not pa.types.is_struct(field.type)]
            return _of_columns({name: table[name].to_pylist() for name in kept}) if listed else None
        if suffix in (".csv", ".tsv", ".txt"):
            return _of_csv(path)
        if suffix == ".npy":
            return _of_marks(path, space)
    except FileNotFoundError as error:
        raise DataError("the file of labels was not found", where=path, expected="a file at this path") from error
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise DataError("the labels cannot be read", where=path, found=file_fault(error)) from error
    return None


def _of_json(content: Any) -> Rows | None:
    if isinstance(content, list):
        if content and all(isinstance(row, Mapping) for row in content):
            names = dict.fromkeys(name for row in content for name in row)
            return _of_columns({name: [row.get(name) for row in content] for name in names})
        return (None, content) if _are_lists(content) else None
    if isinstance(content, Mapping) and content:
        if any(name.lower() in LABELS and _are_lists(column) for name, column in content.items()):
            return _of_columns({name: column for name, column in content.items() if isinstance(column, list)})
        values = list(content.values())
        if all(isinstance(value, Mapping) for value in values):
            names = dict.fromkeys(name for value in values for name in value)
            return _of_columns({"id": list(content), **{name: [value.get(name) for value in values] for name in names}})
        return (list(content), values) if _are_lists(values) else None
    return None


def _are_lists(column: object) -> bool:
    return isinstance(column, list) and any(isinstance(cell, list) for cell in column)


def _of_columns(columns: Mapping[str, list[Any]]) -> Rows | None:
    listed = {name: column for name, column in columns.items() if _are_lists(column)}
    named = [name for name in LABELS for found in listed if found.lower() == name]
    if not listed:
        return None
    chosen = next((name for name in listed if named and name.lower() == named[0]), None)
    if chosen is None and len(listed) > 1:
        raise ValueError(f"several columns hold lists: {', '.join(listed)}; expected one called {LABELS[0]}")
    chosen = chosen or next(iter(listed))
    rest = {name.lower(): column for name, column in columns.items() if name not in listed}
    ids = next((rest[name] for name in _IDS if name in rest and _are_names(rest[name])), None)
    return ids, columns[chosen]


def _are_names(column: Iterable[object]) -> bool:
    cells = list(column)
    return all(isinstance(cell, str | int) for cell in cells) and len(set(map(str, cells))) == len(cells)


def _of_csv(path: Path) -> Rows | None:
    lines = read_text(path, "utf-8-sig").splitlines()
    delimiter = max((",", "\t", ";"), key=(lines[0] if lines else "").count)
    rows = [row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
    if len(rows) < 2 or len({len(row) for row in rows}) != 1:
        return None
    header = [name.strip().lower() for name in rows[0]]
    place = next((header.index(name) for name in LABELS if name in header), None)
    if place is None:
        return None
    cells = [row[place].strip() for row in rows[1:]]
    lists = [_of_cell(cell) for cell in cells]
    several = [cell for cell, one in zip(cells, lists, strict=True) if cell.startswith("[") or len(one or ()) > 1]
    if None in lists or not several:
        return None
    named = next((header.index(name) for name in _IDS if name in header), None)
    return (None if named is None else [row[named].strip() for row in rows[1:]]), lists  # pyright: ignore[reportReturnType]


def _of_cell(cell: str) -> list[Any] | None:
    """The classes of a cell such as "[1, 2]", "1 2", "n01440764;n01443537" or nothing; None for any other text."""
    if cell.startswith("["):
        try:
            return json_content(cell.replace("'", '"'))
        except ValueError:
            inner = cell.strip("[]")
            return re.split(r"[\s,;|]+", inner.strip()) if inner.strip() else []
    parts = [part for part in re.split(r"[\s;|]+", cell) if part]
    return parts if all(re.fullmatch(r"\d+|n\d{8}", part) for part in parts) else None


def _of_marks(path: Path, space: ClassSpace) -> Rows | None:
    """A column of 0 and 1 (or booleans) for each class."""
    try:
        refuse_special(path)
        with python_2_headers():
            array = np.load(path, allow_pickle=False, mmap_mode="r")
    except UNREADABLE:  # no plain array, so no marks
        return None
    if array.ndim != 2 or array.shape[1] != len(space) or len(space) == 1:
        return None
    marks = np.asarray(array)
    if not (marks.dtype.kind == "b" or np.isin(marks, (0, 1)).all()):
        return None
    return None, [np.flatnonzero(row).tolist() for row in marks]


def _as_labels(values: object, space: ClassSpace, where: str) -> tuple[int, ...]:
    listed = [] if values is None else values if isinstance(values, list | tuple) else [values]
    return tuple(dict.fromkeys(_as_label(value, space, where) for value in listed))


def _as_label(value: object, space: ClassSpace, where: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        found = _numbers(space).get(value)
        value = int(value) if found is None and re.fullmatch(r"\d+", value) else value if found is None else found
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(space):
        return value
    raise DataError(
        "a label is not a class",
        where=where,
        found=repr(value),
        expected=f"0 to {len(space) - 1} ({space.name}), or the name of a class",
        fix=did_you_mean(value, (*space.names, *space.folders)) if isinstance(value, str) else None,
    )


@cache
def _numbers(space: ClassSpace) -> Mapping[str, int]:
    return {name: label for names in (space.folders, space.names) for label, name in enumerate(names)}
