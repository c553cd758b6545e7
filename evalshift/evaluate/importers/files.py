"""One file that others wrote → its answers, and the names of the images where it has them. Nothing in it is run."""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evalshift.errors import DataError, UsageError, did_you_mean, first_line
from evalshift.files import sha256_of
from evalshift.parquet import read_table

FORMATS = (".npy", ".npz", ".json", ".csv", ".tsv", ".txt", ".parquet")

# Column names that are read without being named, in lower case.
_IDS = ("id", "ids", "image_id", "image", "images", "filename", "file_name", "file", "path", "key", "uid", "index")
ANSWERS = (
    *("prediction", "predictions", "pred", "preds", "predicted", "predicted_class", "predicted_label"),
    *("top", "top1", "top5", "topk", "logits", "probabilities", "probs"),
)
LABELS = ("label", "labels", "target", "targets", "class", "y")


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds.

    array    shape (n,) or (n, k): numbers, or text where classes are named
    ids      the name of each row's image; None where the file has none
    rules    what was decided while reading it, in words
    """

    path: Path
    array: np.ndarray
    ids: tuple[str, ...] | None
    sha256: str
    rules: tuple[str, ...]


def read_content(
    path: Path,
    *,
    rows: int | None = None,
    class_names: Sequence[str] = (),
    id_column: str | None = None,
    column: str | None = None,
    likely: Sequence[str] = ANSWERS,
) -> Content:
    """Answers from an npy, npz, JSON, CSV or Parquet file.

    rows          how many there should be: tells a CSV's header 0, 1, 2, … from its first row
    class_names   columns that are named like the classes are put into their order
    id_column     the column, array or key that holds the images' names; without it, one that is called so
    column        the one that holds the answers, where there are several
    likely        names, in lower case, of the one that is taken where `column` names none

    Raises UsageError for an unknown format, DataError where the file cannot be read or it is not clear what to take.
    """
    columns, plain, rules = _read(path, rows, id_column)
    if plain is not None:
        for wanted in (id_column, column):
            if wanted is not None:
                raise DataError(
                    f'the file has no column "{wanted}"', where=path, found="an array without names", expected="columns"
                )
        return Content(path, plain, None, sha256_of(path), tuple(rules))
    named = _id_column(columns, id_column, path, rules)
    ids = None if named is None else _as_ids(columns[named], named, path)
    values = _answers(columns, column, named, class_names, likely, path, rules)
    return Content(path, values, ids, sha256_of(path), tuple(rules))


def read_cells(path: Path) -> pd.DataFrame:
    """A table as it was written, every cell as text: for numbers whose digits matter.

    The names of its columns are unique; one without a name is called "".
    """
    _check_there(path)
    with _readable(path, "a table with a header"):
        if path.suffix.lower() == ".parquet":
            table = read_table(path).to_pandas(use_threads=False)
            table = table.reset_index(names="") if table.index.dtype.kind not in "iu" else table
            cells = table.map(lambda cell: "" if cell is None or cell != cell else str(cell))
        elif path.suffix.lower() == ".json":
            records = json.loads(path.read_text("utf-8"))
            cells = pd.DataFrame(records).map(lambda cell: "" if cell is None or cell != cell else str(cell))
        elif path.suffix.lower() in (".csv", ".tsv", ".txt"):
            lines = path.read_text("utf-8-sig").splitlines()
            header, *rest = [row for row in csv.reader(lines, delimiter=_delimiter(lines)) if row]
            uneven = next((number for number, row in enumerate(rest, 2) if len(row) != len(header)), None)
            if uneven is not None:
                raise ValueError(f"row {uneven} has {len(rest[uneven - 2])} cells, the header {len(header)}")
            cells = pd.DataFrame(rest, columns=pd.Index(header), dtype=str)
        else:
            raise _unknown_format(path, (".csv", ".tsv", ".txt", ".json", ".parquet"))
        names = [str(name).strip() for name in cells.columns]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            raise ValueError(f'two columns are called "{doubled}"')
        cells.columns = pd.Index(names)
    return cells


Columns = Mapping[str, np.ndarray]


def _read(path: Path, rows: int | None, id_column: str | None) -> tuple[Columns, np.ndarray | None, list[str]]:
    """Named columns, or an array without names, and what was decided."""
    _check_there(path)
    suffix = path.suffix.lower()
    with _readable(path, f"a whole {suffix} file"):
        if suffix == ".npy":
            return {}, np.array(np.lib.format.open_memmap(path, mode="r")), []
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            return (arrays, None, []) if len(arrays) > 1 else ({}, next(iter(arrays.values()), np.empty(0)), [])
        if suffix == ".json":
            return *_json(json.loads(path.read_text("utf-8"))), []
        if suffix in (".csv", ".tsv", ".txt"):
            return _csv(path, rows, id_column)
        if suffix == ".parquet":
            return _parquet(path), None, []
    raise _unknown_format(path, FORMATS)


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise DataError(
            "the file to import is not there",
            where=path,
            found="no file of that name",
            expected="a file of answers, labels or accuracies",
            remedy="check the path; a relative one begins in the working folder",
        )


def _unknown_format(path: Path, known: Sequence[str]) -> UsageError:
    found = path.suffix or "no suffix"
    return UsageError("this format cannot be imported", where=path, found=found, expected=", ".join(known))


@contextmanager
def _readable(path: Path, expected: str):
    try:
        yield
    except (DataError, UsageError):
        raise
    except Exception as error:  # what a damaged file makes its reader raise depends on the damage
        raise DataError("the file cannot be read", where=path, found=first_line(error), expected=expected) from error


def _json(content: Any) -> tuple[Columns, np.ndarray | None]:
    if isinstance(content, list):
        if content and all(isinstance(row, dict) for row in content):
            names = dict.fromkeys(name for row in content for name in row)
            return {name: _array([row.get(name) for row in content]) for name in names}, None
        return {}, _array(content)
    if isinstance(content, dict):
        named = (name for name, value in content.items() if isinstance(value, list))
        if any(name.lower() in (*_IDS, *ANSWERS, *LABELS) for name in named):
            return {name: _array(value) for name, value in content.items() if isinstance(value, list)}, None
        return {"id": np.array(list(content), dtype=str), "predictions": _array(list(content.values()))}, None
    raise ValueError("neither a list nor an object")


def _array(rows: list) -> np.ndarray:
    """A list, or a list of lists of one length, as an array of numbers or text."""
    nested = [len(row) if isinstance(row, list) else -1 for row in rows]
    if len(set(nested)) > 1:
        odd = next(place for place, length in enumerate(nested) if length != nested[0])
        raise ValueError(f"row {odd:,} has {_length(nested[odd])}, row 0 {_length(nested[0])}")
    for place, row in enumerate(rows):
        if row is None or (isinstance(row, list) and None in row):
            raise ValueError(f"row {place:,} has no value")
    array = np.array(rows)
    if array.dtype.kind not in "iufUb":
        raise ValueError("neither numbers nor text")
    return array


def _length(count: int) -> str:
    return "one value" if count < 0 else f"{count:,} values"


def _csv(path: Path, rows: int | None, id_column: str | None) -> tuple[Columns, np.ndarray | None, list[str]]:
    with path.open(encoding="utf-8-sig") as stream:
        beginning = [stream.readline().rstrip("\r\n")]
    delimiter = _delimiter(beginning)
    first = next(csv.reader(beginning, delimiter=delimiter), [])
    counted = [str(place) for place in range(len(first))]
    numbers = all(map(_is_number, first))
    options: dict[str, Any] = {"sep": delimiter, "encoding": "utf-8-sig", "index_col": False}
    if numbers:
        table = pd.read_csv(path, header=None, **options)
        if not (len(first) > 1 and first == counted and len(table) - 1 == rows):
            rows_alone = table.to_numpy() if len(first) > 1 else table[0].to_numpy()
            return {}, _one_kind(rows_alone), ["the file has no header: its first line is a row"]
        table = table.iloc[1:]
        table.columns = pd.Index(counted)
    else:
        # Text stays as it is written: "007" is a name, not the number seven.
        names = {name: str for name in first if name.lower() in _IDS or name in ("", id_column)}
        table = pd.read_csv(path, header=0, dtype=names, **options)
        table.columns = pd.Index(first)
    return {name: _one_kind(table[name].to_numpy()) for name in map(str, table.columns)}, None, []


def _one_kind(values: np.ndarray) -> np.ndarray:
    """Text as text: pandas gives it as objects."""
    return values.astype(str) if values.dtype == object else values


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _delimiter(lines: Sequence[str]) -> str:
    first = lines[0] if lines else ""
    return max((",", "\t", ";"), key=first.count)


def _parquet(path: Path) -> Columns:
    import pyarrow as pa

    table = read_table(path)
    columns: dict[str, np.ndarray] = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if column.null_count:
            raise ValueError(f'column "{name}" has {column.null_count:,} rows without a value')
        kind = column.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            columns[name] = _array(column.to_pylist())
        else:
            columns[name] = _one_kind(column.to_numpy(zero_copy_only=False))
    return columns


def _id_column(columns: Columns, wanted: str | None, path: Path, rules: list[str]) -> str | None:
    if wanted is not None:
        return _column(columns, wanted, path)
    if next(iter(columns), None) == "":  # a table that pandas wrote has its index there
        rules.append("the first column, which has no name, names the images")
        return ""
    name = next((name for name in columns if name.lower() in _IDS), None)
    if name is not None:
        rules.append(f'the column "{name}" names the images')
    return name


def _as_ids(values: np.ndarray, name: str, path: Path) -> tuple[str, ...]:
    if values.ndim != 1 or values.dtype.kind not in "iuU":
        raise DataError(
            "these are not ids",
            where=f'{path}, column "{name}"',
            found=f"{values.dtype}, shape {values.shape}",
            expected="text or whole numbers, one a row",
        )
    return tuple(map(str, values.tolist()))


def _answers(
    columns: Columns,
    wanted: str | None,
    ids: str | None,
    class_names: Sequence[str],
    likely_names: Sequence[str],
    path: Path,
    rules: list[str],
) -> np.ndarray:
    if wanted is not None:
        return columns[_column(columns, wanted, path)]
    rest = [name for name in columns if name != ids]
    if len(rest) == 1:
        return columns[rest[0]]
    likely = [name for name in rest if name.lower() in likely_names]
    if len(likely) == 1:
        rules.append(f'the column "{likely[0]}" holds the answers')
        return columns[likely[0]]
    ordered = _in_class_order(rest, class_names) or _in_number_order(rest)
    if ordered and all(columns[name].ndim == 1 for name in ordered):
        rules.append(f'the columns "{ordered[0]}" to "{ordered[-1]}" are taken together, in that order')
        return np.column_stack([columns[name] for name in ordered])
    raise DataError(
        "it is not clear which column holds the answers",
        where=path,
        found=", ".join(rest[:12]) + (f" and {len(rest) - 12:,} more" if len(rest) > 12 else "") or "no column",
        expected="one column, one for each class, or one that is called so",
        remedy="name it with --column",
    )


def _column(columns: Columns, wanted: str, path: Path) -> str:
    if wanted not in columns:
        raise DataError(
            f'the file has no column "{wanted}"',
            where=path,
            found=", ".join(list(columns)[:12]),
            remedy=did_you_mean(wanted, columns),
        )
    return wanted


def _in_class_order(names: Sequence[str], class_names: Sequence[str]) -> list[str] | None:
    return list(class_names) if class_names and set(names) == set(class_names) else None


def _in_number_order(names: Sequence[str]) -> list[str] | None:
    """Columns such as top_1 … top_5 or 0 … 999 by their numbers; None unless they count from 0 or 1 without a gap."""
    parts = [re.fullmatch(r"(.*?)(\d+)", name) for name in names]
    if not parts or not all(parts):
        return None
    stems = {part[1] for part in parts if part}
    numbered = sorted((int(part[2]), name) for part, name in zip(parts, names, strict=True) if part)
    first = numbered[0][0]
    if len(stems) > 1 or first > 1 or [number for number, _ in numbered] != list(range(first, first + len(names))):
        return None
    return [name for _, name in numbered]
