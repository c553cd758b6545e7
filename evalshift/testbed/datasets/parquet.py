"""Parquet files with encoded images, as Hugging Face's datasets are downloaded.

Labels are read at once, images when a model asks for them: a row group at a time, the last few kept.
"""

import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from evalshift.errors import DataError, did_you_mean, first_line
from evalshift.file_faults import file_fault
from evalshift.files import json_content, stat_checksum
from evalshift.parquet import open_parquet, with_valid_text
from evalshift.shapes import Labels
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets.dataset import Parts, numbered
from evalshift.testbed.datasets.shards import existing_shards, shard_paths, state_of_shards
from evalshift.testbed.image_files import StoredImage
from evalshift.testbed.label_text import labels_of_text
from evalshift.testbed.own_dataset_entries import ParquetDataset
from evalshift.testbed.readiness import State

# Encoded images that are kept in memory, in bytes: threads that decode are a few row groups apart at most.
KEPT = 512 << 20
_SIMPLE = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)


@dataclass(frozen=True)
class ParquetImage:
    """One encoded image: row `row` of a row group of a file. `column` is a path such as image.bytes."""

    path: Path
    group: int
    row: int
    column: str

    def read(self) -> bytes:
        """The bytes of the image file."""
        value = _GROUPS.column(self.path, self.group, self.column)[self.row].as_py()
        if value is None:
            raise DataError(
                "a row holds no image",
                where=str(self),
                found=f"nothing under {self.column}",
                expected="the bytes of an image file",
                fix="if the rows have paths of files alone, write source: list, with the folder of the files and a "
                "list of their labels",
            )
        return value

    def __str__(self) -> str:
        return f"{self.path}, row group {self.group}, row {self.row}"


def read(entry: ParquetDataset, space: ClassSpace, where: str) -> Parts:
    """The rows of all files, one file after another; an id is the path stored with an image, or the position."""
    files = existing_shards(entry.path, ".parquet", where)
    files = _of_split(files, entry, where)
    images: list[StoredImage] = []
    texts: list[str | None] = []
    tables = []
    for path in files:
        schema = _schema(path, where)
        image, label = (
            _image_column(schema, entry, f"{where}, {path}"),
            _label_column(schema, entry, f"{where}, {path}"),
        )
        simple = [name for name in schema.names if name not in (image, label) and _is_simple(schema, name)]
        table = _read(path, [*simple, label], where)
        images += _images(path, image, schema, where)
        texts += _stored_paths(path, image, schema, where)
        tables.append((table, label, schema))
    label = tables[0][1]
    columns = {
        name: [value for table, _, _ in tables for value in table[name].to_pylist()]
        for name in tables[0][0].column_names
    }
    values = columns.pop(label)
    names = _class_names(tables[0][2], label)
    labels, several, notes = _labels_of(values, names, space, f"{where}, {files[0]}, column {label}")
    ids = _ids(entry, columns, texts, f"{where}, {files[0]}")
    attributes = {name: ["" if value is None else str(value) for value in column] for name, column in columns.items()}
    return Parts(ids, tuple(images), labels, notes, attributes, several)


def _of_split(files: list[Path], entry: ParquetDataset, where: str) -> list[Path]:
    """The files of one split: in a folder of Hugging Face's, train-… and test-… lie side by side."""
    splits = sorted({path.name.partition("-")[0] for path in files if "-of-" in path.name})
    if entry.split is None and len(splits) < 2:
        return files
    chosen = [path for path in files if entry.split and path.name.startswith(entry.split)]
    if chosen:
        return chosen
    raise DataError(
        "files of several splits" if entry.split is None else "no file of this split",
        where=f"{where}, {entry.path}",
        found=", ".join(splits or (path.name for path in files[:3])),
        expected="the files of one split",
        fix="name it with split:",
    )


def _schema(path: Path, where: str) -> pa.Schema:
    try:
        with open_parquet(path) as opened:
            return opened.schema_arrow
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error, where) from error


def _read(path: Path, columns: Sequence[str], where: str) -> pa.Table:
    try:
        with open_parquet(path) as opened:
            return with_valid_text(opened.read(columns=list(columns), use_threads=False))
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error, where) from error


def _unreadable(path: Path, error: Exception, where: str) -> DataError:
    return DataError(
        "a Parquet file cannot be read",
        where=f"{where}, {path}",
        found=file_fault(error),
        expected="a whole Parquet file",
        fix="download it again",
    )


def _is_simple(schema: pa.Schema, name: str) -> bool:
    kind = schema.field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(test(kind) for test in _SIMPLE)


def _is_list(schema: pa.Schema, name: str) -> bool:
    """Whether a column holds lists of labels."""
    kind = schema.field(name).type
    return pa.types.is_list(kind) and any(test(kind.value_type) for test in _SIMPLE)


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return "bytes" in {kind.field(place).name for place in range(kind.num_fields)}
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _image_column(schema: pa.Schema, entry: ParquetDataset, where: str) -> str:
    fitting = [name for name in schema.names if _is_image(schema.field(name).type)]
    return _chosen(fitting, entry.image_column, ("image", "img"), "image_column", schema, where)


def _label_column(schema: pa.Schema, entry: ParquetDataset, where: str) -> str:
    known = ("label", "labels", "fine_label", "class", "cls", "target", "y")
    listed = {name for name in schema.names if _is_list(schema, name)} & {*known, entry.label_column}
    fitting = [name for name in schema.names if _is_simple(schema, name) or name in listed]
    if entry.label_column is None and len(called := [name for name in known if name in fitting]) == 1:
        return called[0]
    return _chosen(fitting, entry.label_column, ("label",), "label_column", schema, where)


def _chosen(
    fitting: list[str], named: str | None, usual: Sequence[str], field: str, schema: pa.Schema, where: str
) -> str:
    """The column that an entry names, else the usual one, else the only one that fits."""
    usual = [name for name in usual if name in fitting]
    chosen = [named] if named else usual or fitting
    if len(chosen) == 1 and chosen[0] in fitting:
        return chosen[0]
    what = "encoded images" if field == "image_column" else "labels"
    raise DataError(
        f"which column has the {what} is not clear" if named is None else "no such column",
        where=where,
        found=f"columns {', '.join(schema.names)}" if named is None else f"{field}: {named}",
        expected=f"one column of {what}" if named is None else ", ".join(fitting) or f"a column of {what}",
        fix=f"name it with `{field}`" if named is None else did_you_mean(named, fitting),
    )


def _images(path: Path, column: str, schema: pa.Schema, where: str) -> list[StoredImage]:
    """Where each image of a file lies: in it, or, where only a path is stored, beside it."""
    inside = f"{column}.bytes" if pa.types.is_struct(schema.field(column).type) else column
    with open_parquet(path) as opened:
        counts = [opened.metadata.row_group(group).num_rows for group in range(opened.num_row_groups)]
    return [ParquetImage(path, group, row, inside) for group, count in enumerate(counts) for row in range(count)]


def _stored_paths(path: Path, column: str, schema: pa.Schema, where: str) -> list[str | None]:
    """The paths that are stored with the images of a file, shape (rows,)."""
    kind = schema.field(column).type
    if not pa.types.is_struct(kind) or "path" not in {kind.field(place).name for place in range(kind.num_fields)}:
        with open_parquet(path) as opened:
            return [None] * opened.metadata.num_rows
    table = _read(path, [f"{column}.path"], where)
    return [row["path"] if row else None for row in table[column].to_pylist()]


def _class_names(schema: pa.Schema, label: str) -> list[str] | None:
    """The names of the classes in their order, where Hugging Face's datasets stored them in the schema."""
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        feature = json_content(raw)["info"]["features"][label] if raw else {}
        names = feature.get("feature", feature).get("names")
        return list(map(str, names)) if isinstance(names, list) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _labels_of(
    values: list[Any], names: list[str] | None, space: ClassSpace, where: str
) -> tuple[Labels, list[list[int]] | None, tuple[str, ...]]:
    """The label of each row; with lists in the column all of them, and the first, or 0 where there is none."""
    if not any(isinstance(value, list) for value in values):
        labels, notes = _labels(values, names, space, where)
        return labels, None, notes
    lists = [value or [] for value in values]
    flat, notes = _labels([label for row in lists for label in row], names, space, where)
    ends = np.cumsum([0, *map(len, lists)])
    several = [flat[start:end].tolist() for start, end in itertools.pairwise(ends)]
    return np.array([row[0] if row else 0 for row in several], dtype=np.int64), several, notes


def _labels(
    values: list[Any], names: list[str] | None, space: ClassSpace, where: str
) -> tuple[Labels, tuple[str, ...]]:
    """Labels by the names that the file gives its numbers, where these are the classes'; else the numbers."""
    if any(value is None for value in values):
        raise DataError(
            "rows without a label", where=where, found=f"row {values.index(None) + 1:,}", expected="a class"
        )
    if not names or not all(isinstance(value, int) for value in values):
        return labels_of_text([str(value) for value in values], space, where), ()
    if set(names) <= set(space.names) or set(names) <= set(space.folders):
        return labels_of_text(
            [names[value] if 0 <= value < len(names) else str(value) for value in values], space, where
        ), ()
    if len(names) != len(space):
        raise DataError(
            f"the classes are not those of {space.name}",
            where=where,
            found=f"{len(names)} classes: {', '.join(names[:3])}, …",
            expected=f"{len(space)}: {', '.join(space.names[:3])}, …",
            fix="name the correct label space with classes:, or declare it",
        )
    note = (
        f"labels are taken by number, as the file calls its classes otherwise ({names[0]}, {names[1]}, …) than "
        f"{space.name} ({space.names[0]}, {space.names[1]}, …)"
    )
    return labels_of_text([str(value) for value in values], space, where), (note,)


def _ids(entry: ParquetDataset, columns: dict[str, list[Any]], paths: list[str | None], where: str) -> Sequence[str]:
    if entry.id_column is not None:
        if entry.id_column not in columns:
            raise DataError(
                "no such column",
                where=where,
                found=f"id_column: {entry.id_column}",
                expected=", ".join(columns),
                fix=did_you_mean(entry.id_column, columns),
            )
        return [str(value) for value in columns.pop(entry.id_column)]
    known = [path for path in paths if path]
    return known if len(set(known)) == len(paths) else numbered(len(paths))


class _RowGroups:
    """Columns of row groups as they were read last, up to KEPT bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Path, int, str], Any] = OrderedDict()

    def column(self, path: Path, group: int, column: str) -> Any:
        """The values of one column in one row group, an Arrow array."""
        key = (path, group, column)
        with self._lock:  # so that no two threads read one group
            if key not in self._kept:
                self._kept[key] = _read_group(path, group, column)
                while len(self._kept) > 1 and sum(array.nbytes for array in self._kept.values()) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


def _read_group(path: Path, group: int, column: str) -> Any:
    try:
        with open_parquet(path) as opened:
            table = opened.read_row_group(group, columns=[column], use_threads=False)
    except pa.ArrowException as error:
        raise OSError(first_line(error)) from error
    array = table.column(0).combine_chunks()
    return array.field("bytes") if pa.types.is_struct(array.type) else array


_GROUPS = _RowGroups()


def source_checksum(entry: ParquetDataset) -> str:
    """A fingerprint of all files; OSError where one does not exist."""
    return stat_checksum(shard_paths(entry.path, ".parquet") or [entry.path])


def state(entry: ParquetDataset) -> State:
    """Whether all files exist."""
    return state_of_shards(entry.path, ".parquet")
