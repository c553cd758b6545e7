"""Corrected labels: a second file of labels of a dataset's images, one or several per image, of some images none."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.files import json_content, read_text, refuse_special
from evalshift.formatting import counted
from evalshift.testbed.arrays import UNREADABLE, python_2_headers
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.image_files import SUFFIXES
from evalshift.testbed.image_tables import read_image_table
from evalshift.testbed.several_labels import LABELS, LabelLists, label_lists, places_of_names, validation_places
from evalshift.testbed.text_tables import TextTable
from evalshift.testbed.views import View

# Where a table has the dataset's own labels too, theirs is the plain name.
_CORRECTED = (
    *("corrected_labels", "corrected_label", "corrected", "real_labels", "real_label", "real", "multi_labels"),
    *("correct_multi_labels", "correct_labels", "correct_label", "mturk_label", "new_label", "relabel", "true_label"),
)
_IDS = ("id", "image_id", "image", "images", "file_name", "filename", "file", "path", "key", "name", "img")
# What stands for "no label" where there is one cell per image.
_NONE = ("", "-1", "-1.0", "nan", "none", "null", "[]")
# Where fewer images have their own label among the corrected ones, these are of other images, or numbered otherwise.
_LEAST_AGREEMENT = 0.5
NONE = -1


def read_corrected_labels(path: Path, space: ClassSpace) -> LabelLists:
    """The corrected labels in a file, of each of its images none, one or several.

    JSON: a list (ReaL's real.json), an object name → label or labels, records, or columns; JSON lines; CSV or TSV with
    a column of labels such as 7, "[1, 2]" or "n01440764;n01443537", and one of image names if any; Parquet; npy of
    labels (n,), of labels filled up with −1 (n, c), or with a column of 0 and 1 per class. Labels are numbers, names or
    wnids; null, −1 and empty cells and lists stand for none.
    Raises DataError where a file cannot be read, or a label is not a class of `space`.
    """
    try:
        ids, rows = _read(path, space)
    except FileNotFoundError as error:
        raise DataError(
            "the file of corrected labels was not found", where=path, expected="a file at this path"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError("the corrected labels cannot be read", where=path, found=file_fault(error)) from error
    if not len(rows):
        raise DataError("a file of corrected labels without labels", where=path, expected="one row per image")
    return label_lists(path, ids, rows, space)


def corrected_labels(
    path: Path,
    space: ClassSpace,
    view: View | None,
    *,
    ids: Sequence[str],
    whole: Sequence[str] | None,
    truth: Int[np.ndarray, "..."],
    where: str,
    part: bool = False,
) -> Int[np.ndarray, "n c"]:
    """The corrected labels of a dataset's images, aligned by name; −1 fills rows up, and fills those without any.

    space   what the numbers in the file mean; `view` reads them as it reads the dataset's own labels
    ids     of the images; `whole` of all images of their source, where some are left out
    truth   their own labels, shape (n,) or (n, several)
    part    these are the first images of a dataset for a quick look, of which the file may name none
    A file without names is in the order of the images: of all 50,000 validation images of ImageNet by the number in
    their ids, as ReaL's are, else of `ids` or of `whole`. Images that the file does not name have no corrected label.
    Raises DataError for a file of other images, and for labels that contradict most of the dataset's own.
    """
    lists = read_corrected_labels(path, space)
    meaning: Mapping[int, int | None] = {}
    if view is not None:
        meaning = dict(enumerate(view.meaning_of(space, f"{path}, {where}")))
    found: list[list[int]] = []
    for place in _places(lists, ids, whole, where, part):
        own = () if place is None else lists.labels[place]
        seen = own if view is None else tuple(label for one in own if (label := meaning[one]) is not None)
        found.append(list(dict.fromkeys(seen)))
    if not part or any(found):
        _refuse_contradiction(found, truth, lists, where)
    width = max(map(len, found))
    return np.array([row + [NONE] * (width - len(row)) for row in found], dtype=np.int64)


def _places(
    lists: LabelLists, ids: Sequence[str], whole: Sequence[str] | None, where: str, part: bool
) -> Sequence[int | None]:
    if lists.ids is not None:
        return _places_of_names(lists, lists.ids, ids, where, part)
    if (numbers := validation_places(lists, ids)) is not None:
        return numbers
    if len(lists) == len(ids):
        return range(len(ids))
    if whole is not None and len(lists) == len(whole):
        place = {name: position for position, name in enumerate(whole)}
        return [place[name] for name in ids]
    known = f"{len(ids):,}" if whole is None or len(whole) == len(ids) else f"{len(ids):,} or {len(whole):,}"
    raise DataError(
        "corrected labels and images differ in number",
        where=lists.path,
        found=f"{counted(len(lists), 'row')} without image names",
        expected=f"{known}, one per image of {where}",
        fix="name the image in each row: those without a row then have no corrected label",
    )


def _places_of_names(
    lists: LabelLists, names: Sequence[str], ids: Sequence[str], where: str, part: bool
) -> list[int | None]:
    if len(set(names)) != len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))
        raise DataError(
            "duplicate image in the corrected labels", where=lists.path, found=twice, expected="unique names"
        )
    places = places_of_names(names, ids)
    if not part and all(place is None for place in places):
        raise DataError(
            "the corrected labels are of other images",
            where=lists.path,
            found=f"names such as {', '.join(names[:2])}",
            expected=f"names of images of {where}, such as {', '.join(ids[:2])}",
        )
    return places


def _refuse_contradiction(found: Sequence[Sequence[int]], truth: np.ndarray, lists: LabelLists, where: str) -> None:
    own = truth.reshape(len(truth), -1).tolist()
    known = [not set(labels).isdisjoint(row) for labels, row in zip(own, found, strict=True) if row]
    if not known:
        raise DataError(
            "no image has a corrected label",
            where=lists.path,
            found=f"{counted(len(lists), 'row')}",
            expected=f"labels of images of {where}",
        )
    if sum(known) < _LEAST_AGREEMENT * len(known):
        raise DataError(
            "the corrected labels contradict those of the dataset",
            where=lists.path,
            found=f"{sum(known):,} of {len(known):,} images of {where} have their own label among the corrected ones",
            expected="most of them",
            fix="check the order of the rows and the numbers of the classes; if the file lists only images whose label "
            "was changed, add the others with their own label",
        )


Rows = tuple[Sequence[Any] | None, Sequence[Any]]


def _read(path: Path, space: ClassSpace) -> Rows:
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _of_json(json_content(read_text(path, "utf-8-sig")), space)
    if suffix in (".jsonl", ".ndjson"):
        lines = read_text(path, "utf-8-sig").splitlines()
        return _of_json([json_content(line) for line in lines if line.strip()], space)
    if suffix == ".parquet":
        from evalshift.parquet import read_table

        return _of_columns(read_table(path).to_pydict(), space)
    if suffix == ".npy":
        return None, _of_array(path, space)
    return _of_table(read_image_table(path, "corrected labels"), space)


def _of_json(content: Any, space: ClassSpace) -> Rows:
    if isinstance(content, list) and content and all(isinstance(row, Mapping) for row in content):
        names = dict.fromkeys(name for row in content for name in row)
        return _of_columns({name: [row.get(name) for row in content] for name in names}, space)
    if isinstance(content, list):
        return None, [_as_list(value, space) for value in content]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"JSON of type {type(content).__name__}")
    values = list(content.values())
    if all(isinstance(value, Mapping) for value in values):
        names = dict.fromkeys(name for value in values for name in value)
        columns = {name: [value.get(name) for value in values] for name in names}
        return _of_columns({"id": list(content), **columns}, space)
    lengths = {len(value) if isinstance(value, list) else -1 for value in values}
    if lengths != {-1} and len(lengths) == 1 and any(name.lower() in (*_CORRECTED, *LABELS) for name in content):
        return _of_columns(content, space)
    return list(content), [_as_list(value, space) for value in values]


def _of_columns(columns: Mapping[str, Sequence[Any]], space: ClassSpace) -> Rows:
    names = {name.strip().lower(): name for name in columns}
    chosen = _label_name(list(names))
    named = next((name for name in _IDS if name in names and name != chosen), None)
    ids = None if named is None else [str(cell) for cell in columns[names[named]]]
    return ids, [_as_list(value, space) for value in columns[names[chosen]]]


def _of_table(table: TextTable, space: ClassSpace) -> Rows:
    first = [cell.strip().lower() for cell in table.row(0)] if table.names is None else []
    if table.names is None and any(cell in (*_CORRECTED, *LABELS) for cell in first):
        table = table.with_names()
    if table.names is not None:
        return _of_columns(
            {name: column.tolist() for name, column in zip(table.names, table.columns, strict=True)}, space
        )
    columns = [column.tolist() for column in table.columns]
    if len(columns) == 1:
        return None, [_as_list(cell, space) for cell in columns[0]]
    if len(columns) != 2:
        raise ValueError(
            f"{counted(len(columns), 'column')} without names; expected one that is called corrected_labels"
        )
    named = 1 if any(Path(cell).suffix.lower() in SUFFIXES for cell in columns[1]) else 0
    return columns[named], [_as_list(cell, space) for cell in columns[1 - named]]


def _label_name(names: Iterable[str]) -> str:
    there = list(names)
    found = next((name for name in (*_CORRECTED, *LABELS) if name in there), None)
    if found is None:
        raise ValueError(f"columns {', '.join(there)}; expected one that is called {_CORRECTED[0]} or {LABELS[0]}")
    return found


def _of_array(path: Path, space: ClassSpace) -> list[list[Any]]:
    try:
        refuse_special(path)
        with python_2_headers():
            array = np.load(path, allow_pickle=False)
    except UNREADABLE as error:
        raise ValueError(file_fault(error)) from error
    if array.ndim == 2 and array.shape[1] == len(space) > 1 and np.isin(array, (0, 1)).all():
        return [np.flatnonzero(row).tolist() for row in array]
    if array.ndim not in (1, 2) or array.dtype.kind not in "iufUS":
        raise ValueError(
            f"an array of shape {array.shape} and type {array.dtype}; expected labels, shape (n,) or (n, c)"
        )
    rows = array.reshape(len(array), -1).astype(str if array.dtype.kind in "US" else array.dtype)
    return [[label for value in row for label in _as_list(value, space)] for row in rows.tolist()]


def _as_list(value: Any, space: ClassSpace) -> list[Any]:
    """The labels in a cell: a list, a number, a name, or several as text."""
    if isinstance(value, list | tuple):
        return [label for one in value for label in _as_list(one, space)]
    if value is None or str(value).strip().lower() in _NONE:
        return []
    if not isinstance(value, str):
        return [value]
    text = value.strip()
    if text in space.names or text in space.folders:
        return [text]
    if text.startswith("[") and text.endswith("]"):
        parts = re.split(r"[,;|]+" if re.search(r"[,;|]", text) else r"\s+", text[1:-1])
    else:
        several = all(re.fullmatch(r"\d+(\.0)?|n\d{8}|-1", part) for part in re.split(r"[\s,;|]+", text))
        parts = re.split(r"[\s,;|]+" if several else r"[;|]+", text)
    labels = (part.strip().strip("'\"") for part in parts)
    return [label.removesuffix(".0") for label in labels if label.lower() not in _NONE]
