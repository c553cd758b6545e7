"""A file of labels: the class of each image, and the images' names where it has them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.evaluate.importers.columns import (
    Columns,
    as_number_column,
    check_named,
    columns_of_rows,
    is_class_column,
)
from evalshift.evaluate.importers.files import FileContent, read_file
from evalshift.evaluate.importers.headings import is_ids, is_labels
from evalshift.evaluate.importers.images_of_rows import as_names
from evalshift.shapes import Labels
from evalshift.testbed.cells import as_numbers
from evalshift.testbed.class_names import ClassNames

# No label space has so many classes; a larger number would become another one as int64.
_LARGEST = 2**31


@dataclass(frozen=True, eq=False)
class LabelFile:
    """What a file of labels holds: class numbers, shape (n,), and the images' names where it has any.

    columns  all of its columns by name, shape (n,) or (n, k); none where the file does not name them
    """

    labels: Labels
    ids: tuple[str, ...] | None
    sha256: str
    columns: Columns


def read_labels(path: Path, classes: ClassNames, rows: int | None = None, id_column: str | None = None) -> LabelFile:
    """The labels in a file, by number or by name.

    rows        how many there should be, where that is known
    id_column   the column of the images' names; None finds the one that is called so, or whose text differs in each row

    Raises DataError where it is not clear which column contains the labels, or where they are not classes.
    """
    content = read_file(path, rows=rows, values=classes.spellings())
    check_named(content, (id_column,))
    columns, _ = columns_of_rows(content, rows or -1, (id_column,))
    named = id_column if id_column is not None else _id_column(columns, classes)
    ids = None if named is None else as_names(columns[named])
    values = _label_column(content, {name: column for name, column in columns.items() if name != named}, classes)
    return LabelFile(_as_classes(values, classes, path), ids, content.sha256, columns if content.named else {})


def _id_column(columns: Columns, classes: ClassNames) -> str | None:
    if len(columns) < 2:
        return None
    could = [name for name, column in columns.items() if _could_name(column, classes)]
    called_so = [name for name in could if is_ids(name) or name == ""]
    texts = [name for name in could if columns[name].dtype.kind == "U" and as_number_column(columns[name]) is None]
    return next(iter(called_so or texts), None)


def _could_name(column: np.ndarray, classes: ClassNames) -> bool:
    """Whether a column has another text or whole number in each row, and no names of classes."""
    names = as_names(column)
    if not names or len(set(names)) < len(names):
        return False
    return as_number_column(column) is not None or not is_class_column(column, classes)


def _label_column(content: FileContent, columns: Columns, classes: ClassNames) -> np.ndarray:
    called_so = [name for name in columns if is_labels(name)]
    for names in (list(columns) if len(columns) == 1 else [], called_so):
        if len(names) == 1:
            return columns[names[0]]
    could = [name for name in called_so or columns if is_class_column(columns[name], classes)]
    numbers = [found for name in could if (found := _numbers(columns[name], classes)) is not None]
    if could and all(np.array_equal(numbers[0], other) for other in numbers[1:]):
        return columns[could[0]]
    raise DataError(
        "it is not clear which column contains the labels",
        where=content.path,
        found=", ".join(columns) or "no column",
        expected="one column, or one that is called label",
    )


def _numbers(column: np.ndarray, classes: ClassNames) -> np.ndarray | None:
    found = as_number_column(column)
    return classes.numbers(column) if found is None else found


def _as_classes(values: np.ndarray, classes: ClassNames, path: Path) -> Labels:
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.dtype.kind == "U" and values.ndim == 1 and len(values):
        found = as_numbers(values)
        if found is None and (found := classes.numbers(values)) is None:
            raise classes.refuse(values, path)
        values = found
    fits = values.dtype.kind in "iuf" and bool(((values >= -_LARGEST) & (values <= _LARGEST)).all())
    if fits and values.dtype.kind == "f" and values.ndim == 1 and len(values) and (values == np.round(values)).all():
        values = values.astype(np.int64)  # 3.0 as a spreadsheet has it
    if not fits or values.ndim != 1 or values.dtype.kind not in "iu" or len(values) == 0:
        raise DataError(
            "these are not labels",
            where=path,
            found=f"{values.dtype}, shape {values.shape}",
            expected="whole numbers or names of classes, shape (n,)",
        )
    return values.astype(np.int64)
