"""What each kind of stored file must hold: its facts, the types of its columns, and the range of their values.

Every check raises ValueError (pydantic's ValidationError is one) that says what was found, for `sealed_files.reading`.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, field_validator

from evalshift.evaluate.store.sealed_files import type_name
from evalshift.parquet import as_numpy
from evalshift.publishing import inert_text

_LAST_YEAR = 9999
# float32 rounding of a softmax in half precision.
_ABOVE_ONE = 1e-3


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class DatasetFacts(_Facts):
    """The facts of a stored dataset that others rely on; see `StoredDataset`."""

    dataset: str
    classes: str
    class_names: list[str]
    fingerprint: str
    source_checksum: str | None
    entry: dict[str, Any]
    view: dict[str, Any] | None = None
    superclasses: list[dict[str, Any]] = []
    corrected_checksum: str | None = None

    @field_validator("entry")
    @classmethod
    def _entry_is_of_a_dataset(cls, entry: dict[str, Any]) -> dict[str, Any]:
        _check_types(entry, {"source": str, "fresh": str, "near_duplicates": dict})
        return entry


class CountsFacts(_Facts):
    """The facts of a file of imported counts; see `CountedDataset`."""

    dataset: str
    images: int
    classes: str | None
    view: dict[str, Any] | None = None
    title: str | None = None


class StoredPairs(_Facts):
    """The content of pairs.json."""

    schema_version: int
    pairs: list[str]


def _check_types(entry: dict[str, Any], types: dict[str, type]) -> None:
    for key, kind in types.items():
        value = entry.get(key)
        if value is not None and not isinstance(value, kind):
            raise ValueError(f"{key} is of type {type(value).__name__}, expected {kind.__name__}")


def check_model_entry(entry: dict[str, Any]) -> None:
    """Of a model's entry, what reports group, sort and compare by."""
    _check_types(entry, {"source": str, "family": str, "title": str, "expected": dict})
    year = entry.get("year")
    if year is not None and (isinstance(year, bool) or not isinstance(year, int | str)):
        raise ValueError(f"year is of type {type(year).__name__}, expected int")
    if isinstance(year, int) and not 0 < year <= _LAST_YEAR:
        raise ValueError(f"year is {str(year)[:20] if abs(year) < 10**20 else 'too large'}, expected 1 to {_LAST_YEAR}")


def check_named(facts: Mapping[str, Any], **expected: str) -> None:
    """A file that was copied or renamed holds the numbers of another dataset or model than its name says."""
    for key, name in expected.items():
        if not is_name(name):
            raise ValueError(f"the name of the {key} is not one line of text")
        if facts.get(key) != name:
            raise ValueError(f'it is of the {key} "{facts.get(key)}", not of "{name}"')


def is_name(name: str) -> bool:
    """Whether a name is one line of text, without characters that a terminal would obey instead of showing them."""
    return bool(name) and not re.search(r"[\t\n]", name) and inert_text(name) == name


def check_columns(table: pa.Table, **types: str) -> None:
    """All columns of these names and types; KeyError or ValueError naming the first that is missing or of another."""
    for name, expected in types.items():
        table[name]  # KeyError
        found = type_name(table.schema.field(name).type)
        if found != expected:
            raise ValueError(f"column {name} is of type {found}, expected {expected}")


def read_top(table: pa.Table, classes: int | None) -> np.ndarray:
    """The predicted classes, int32, shape (n, k); −1 stands for none.

    classes   how many there are, None where that is unknown
    """
    column = table["top"].combine_chunks()
    kind = column.type
    if not pa.types.is_fixed_size_list(kind) or kind.value_type != pa.int32() or kind.list_size < 1:
        raise ValueError(f"column top is of type {type_name(kind)}, expected list<int32>[k]")
    if column.null_count or column.flatten().null_count:
        raise ValueError("column top has empty cells")
    top = as_numpy(column.flatten()).reshape(len(table), kind.list_size)
    if not len(top):
        raise ValueError("no rows")
    _check_range("class", top, -1, classes)
    return top


def read_prob(table: pa.Table, may_lack: bool) -> np.ndarray | None:
    """The probabilities of the first predictions, float32, shape (n,); None where the file has none.

    may_lack   whether some may be NaN, as of imported models without a prediction for an image
    """
    if "prob" not in table.column_names:
        return None
    check_columns(table, prob="float")
    if table["prob"].null_count:
        raise ValueError("column prob has empty cells")
    prob = as_numpy(table["prob"])
    undefined = np.isnan(prob)
    if undefined.any() and not may_lack:
        raise ValueError(f"prob of row {np.flatnonzero(undefined)[0]:,} is NaN")
    outside = ~undefined & ~((prob >= 0) & (prob <= 1 + _ABOVE_ONE))
    if outside.any():
        row = np.flatnonzero(outside)[0]
        raise ValueError(f"prob of row {row:,} is {prob[row]:g}, expected 0 to 1")
    return prob


def check_dataset_rows(table: pa.Table, classes: int) -> None:
    """Ids that are text and differ, labels that are classes or left out, and the same of several labels."""
    check_columns(table, id="string", label="int64")
    ids = table["id"].to_pylist()
    if None in ids:
        raise ValueError("column id has empty cells")
    if len(set(ids)) != len(ids):
        raise ValueError("column id has the same id several times")
    labels = as_numpy(table["label"].drop_null())
    if not len(labels):
        raise ValueError("no row has a label")
    _check_range("label", labels, 0, classes)
    if "labels" in table.column_names:
        check_columns(table, labels="list<int64>")
        lists = table["labels"].combine_chunks()
        if lists.filter(table["label"].combine_chunks().is_valid()).null_count or lists.flatten().null_count:
            raise ValueError("column labels has empty cells")
        _check_range("label", as_numpy(lists.flatten()), 0, classes)
    if "corrected" in table.column_names:
        check_columns(table, corrected="list<int64>")
        _check_range("corrected label", as_numpy(table["corrected"].combine_chunks().flatten().drop_null()), 0, classes)
    if "picture" in table.column_names:
        check_columns(table, picture="string")
        if table["picture"].filter(table["label"].is_valid()).null_count:
            raise ValueError("column picture has empty cells")
    for name in table.column_names:
        if name.startswith("attribute."):
            check_columns(table, **{name: "string"})


def check_counts(row: dict[str, Any], images: int) -> None:
    """Counts of one model that are not more than there are images."""
    if not isinstance(row["model"], str) or not row["model"]:
        raise ValueError("a row without the name of a model")
    for name in ("top1", "top5", "within"):
        value = row[name]
        if value is None and name == "top5":
            continue
        if value is None or not 0 <= value <= images:
            raise ValueError(f"{name} of {row['model']} is {value}, expected 0 to {images:,}")


def _check_range(what: str, numbers: np.ndarray, least: int, classes: int | None) -> None:
    if not len(numbers):
        return
    low, high = int(numbers.min()), int(numbers.max())
    if low < least or (classes is not None and high >= classes):
        found = low if low < least else high
        most = "any" if classes is None else f"{classes - 1:,}"
        raise ValueError(f"{what} {found:,}, expected {least} to {most}")
