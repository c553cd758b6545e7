"""One file that others wrote → its columns by name. Nothing in it is run."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evalshift.errors import DataError, UsageError
from evalshift.evaluate.importers.headings import is_known
from evalshift.file_faults import file_fault
from evalshift.files import read_text, refuse_special, sha256_of
from evalshift.formatting import counted, name_some
from evalshift.parquet import read_table
from evalshift.testbed.arrays import python_2_headers
from evalshift.testbed.text_tables import read_text_table
from evalshift.testbed.transfer import web_page

TEXT_FORMATS = (".csv", ".tsv", ".txt")
JSON_LINES = (".jsonl", ".ndjson")
TORCH_FORMATS = (".pt", ".pth")
FORMATS = (".npy", ".npz", *TORCH_FORMATS, ".safetensors", ".json", *JSON_LINES, *TEXT_FORMATS, ".parquet")
_PICKLES = (".pkl", ".pickle", ".joblib")

_UNPACK = "unpack it"
_CONVERSIONS = {
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".tar", ".tgz"), _UNPACK),
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods", ".numbers"), "save the sheet as CSV"),
    **dict.fromkeys(
        (".feather", ".arrow", ".orc", ".avro", ".h5", ".hdf5", ".mat", ".sas7bdat", ".dta", ".rds"),
        "save it as Parquet, CSV or npz where it comes from, as with pandas.DataFrame.to_parquet",
    ),
    **dict.fromkeys((".html", ".htm", ".pdf", ".docx"), "save its table as CSV or Markdown"),
}
# What stands in front of files that are no text, however they are called.
_NO_TEXT = (
    (b"PK\x03\x04", "a zip archive, such as a spreadsheet of Excel", "save the sheet as CSV, or unpack the archive"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet of an old Excel", "save the sheet as CSV"),
    (b"\x1f\x8b", "a file packed with gzip", _UNPACK),
    (b"BZh", "a file packed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "a file packed with xz", _UNPACK),
    (b"PAR1", "a Parquet file", "let its name end in .parquet"),
    (b"\x93NUMPY", "an array of NumPy", "let its name end in .npy"),
    (b"\x89HDF", "an HDF5 file", "save its arrays with numpy.savez"),
)
_POINTER = b"version https://git-lfs"

# Where the file has no names, the whole of it is one column of this name.
WHOLE = "the whole file"


@dataclass(frozen=True, eq=False)
class FileContent:
    """What a file holds.

    columns   by name, each of shape (n,) or (n, k): numbers, or text. NaN and empty text are missing values
    named     whether the names are the file's own. Columns of a text table without header are called 1, 2, 3, …
    rules     what was decided while reading it, in words
    """

    path: Path
    columns: Mapping[str, np.ndarray]
    named: bool
    sha256: str
    rules: tuple[str, ...]

    @property
    def inner(self) -> frozenset[str]:
        """Columns that are values of inner objects, called by the names of both, as in output.completion."""
        if self.path.suffix.lower() not in (".json", *JSON_LINES):
            return frozenset()
        return frozenset(name for name in self.columns if name.partition(".")[0] and name.partition(".")[2])


def read_file(path: Path, *, rows: int | None = None, values: Collection[str] = ()) -> FileContent:
    """The columns of an npy, npz, pt, safetensors, JSON, JSON lines, CSV or Parquet file.

    rows     how many there should be: tells a CSV's header 0, 1, 2, … from its first row
    values   names of classes and images, in lower case: they stand in rows, and in no header

    Raises UsageError for an unknown format, DataError where the file is missing, damaged, or would run code.
    """
    check_there(path)
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise UsageError(
            "this format can run code, so it is not opened",
            where=path,
            found=suffix,
            expected=", ".join(FORMATS),
            fix="save the values with numpy.save, numpy.savez or pandas.DataFrame.to_csv where the file comes from",
        )
    if suffix not in FORMATS:
        raise unknown_format(path, FORMATS)
    with readable(path, f"a whole {suffix} file"):
        if suffix in TEXT_FORMATS:
            columns, named, rules = _text(path, rows, values)
        elif suffix == ".npy":
            columns, named, rules = {WHOLE: _npy(path)}, False, ()
        elif suffix == ".npz":
            columns, named, rules = _npz(path)
        elif suffix in TORCH_FORMATS:
            columns, named, rules = _torch(path)
        elif suffix == ".safetensors":
            columns, named, rules = _safetensors(path)
        elif suffix == ".parquet":
            columns, named, rules = _parquet(path), True, ()
        else:
            columns, named, rules = columns_of_json(parse_json(read_text(path, "utf-8-sig"), suffix))
    return FileContent(path, columns, named, sha256_of(path), tuple(rules))


def read_array(path: Path) -> np.ndarray:
    """The one array of a file. Raises DataError where it has several, or what `read_file` raises."""
    content = read_file(path)
    if len(content.columns) != 1:
        raise DataError(
            "the file holds several arrays", where=path, found=", ".join(content.columns), expected="one array"
        )
    return next(iter(content.columns.values()))


def check_there(path: Path) -> None:
    """Raise DataError where there is no file at `path`."""
    if not path.is_file():
        raise DataError(
            "the file to import does not exist",
            where=path,
            found="a folder" if path.is_dir() else "no file of that name",
            expected="a file of predictions, labels or accuracies",
            fix="check the path; a relative one begins in the working folder",
        )
    with readable(path, "a file of predictions, labels or accuracies"):
        refuse_special(path)
        with path.open("rb") as stream:
            beginning = stream.read(1 << 12)
    if beginning.startswith(_POINTER):
        raise _other_file(path, "a pointer of Git LFS, not the file that it stands for", "run git lfs pull")
    if page := web_page(beginning):
        raise _other_file(path, page, "download the file again; some hosts send a page first")
    if path.suffix.lower() in (*TEXT_FORMATS, ".json", *JSON_LINES, ".md", ".tex"):
        for begins, what, fix in _NO_TEXT:
            if beginning.startswith(begins):
                raise _other_file(path, what, fix)


def _other_file(path: Path, found: str, fix: str) -> DataError:
    return DataError(
        "the file is not what its name says", where=path, found=found, expected=f"a {path.suffix} file", fix=fix
    )


def unknown_format(path: Path, known: Sequence[str]) -> UsageError:
    """The error for a file whose suffix is none of the `known` ones."""
    found = path.suffix or "no suffix"
    fix = _CONVERSIONS.get(path.suffix.lower())
    return UsageError("this format cannot be imported", where=path, found=found, expected=", ".join(known), fix=fix)


@contextmanager
def readable(path: Path, expected: str):
    """Raise DataError, which names the file and what was expected, for whatever reading it in this block raises."""
    try:
        yield
    except (DataError, UsageError):
        raise
    except Exception as error:  # what a damaged file makes its reader raise depends on the damage
        raise DataError("the file cannot be read", where=path, found=file_fault(error), expected=expected) from error


def refuse_doubled(names: Sequence[str]) -> None:
    """Raise ValueError where two columns have the same name."""
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise ValueError(f'two columns are called "{doubled}"')


Read = tuple[Mapping[str, np.ndarray], bool, Sequence[str]]

# ---------------------------------------------------------------------------------------------------- text and arrays


def _text(path: Path, rows: int | None, values: Collection[str]) -> Read:
    table = read_text_table(path, is_heading=is_known, is_value=lambda cell: cell.strip().lower() in values, rows=rows)
    if table.names is not None:
        refuse_doubled(table.names)
        return dict(zip(table.names, table.columns, strict=True)), True, table.rules
    if len(table.columns) == 1:
        return {WHOLE: table.columns[0]}, False, table.rules
    return {str(place): column for place, column in enumerate(table.columns, 1)}, False, table.rules


def _npy(path: Path) -> np.ndarray:
    with python_2_headers():
        return _tidy(np.array(np.lib.format.open_memmap(path, mode="r")))


def _npz(path: Path) -> Read:
    with python_2_headers(), np.load(path, allow_pickle=False) as archive:
        return _by_name({name: _tidy(archive[name]) for name in archive.files})


def _by_name(arrays: Mapping[str, np.ndarray]) -> Read:
    if len(arrays) == 1:
        return {WHOLE: next(iter(arrays.values()))}, False, ()
    return arrays, True, ()


def _tidy(array: np.ndarray) -> np.ndarray:
    """Bytes as text, half precision as single, a byte order as this machine's."""
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    if array.dtype.kind == "f" and array.dtype.itemsize < 4:
        return array.astype(np.float32)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _parquet(path: Path) -> Mapping[str, np.ndarray]:
    import pyarrow as pa

    table = read_table(path)
    columns: dict[str, np.ndarray] = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        kind = column.type
        nested = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        if nested or pa.types.is_boolean(kind) or column.null_count:
            columns[name] = array_of(column.to_pylist())
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
            columns[name] = _tidy(column.to_numpy(zero_copy_only=False))
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
            columns[name] = array_of(column.to_pylist())
    return columns


# --------------------------------------------------------------------------------------------------------------- torch


def _torch(path: Path) -> Read:
    """Tensors of a torch file, read with weights_only, so that nothing in it can run."""
    import torch

    from evalshift.testbed.pickle_costs import CostlyError
    from evalshift.testbed.torch_files import load_torch

    with path.open("rb") as stream:
        beginning = stream.read(16)
    if not beginning:
        raise ValueError("an empty file")
    try:
        content = load_torch(path)
    except Exception as error:  # torch's own advice is to run what is in the file; it is not passed on
        raise DataError(
            "the file cannot be read without running code in it",
            where=path,
            found=str(error)
            if isinstance(error, CostlyError)
            else f"something else than tensors, or damaged ({type(error).__name__})",
            expected="a tensor, a list of tensors, or a dict of them, as torch.save writes them",
            fix="save the tensors alone, or numpy.savez(file, logits=logits.numpy())",
        ) from error
    return _tensors(content, torch)


def _tensors(content: Any, torch: Any) -> Read:
    if isinstance(content, Mapping):
        named = {str(name): array for name, value in content.items() if (array := _tensor(value, torch)) is not None}
        if any(array.ndim > 0 for array in named.values()):
            lengths = {len(array) for array in named.values() if array.ndim}
            return _by_name(named) if lengths else ({}, True, ())
        numbers = {
            str(name): value.item() if isinstance(value, torch.Tensor) else value for name, value in content.items()
        }
        return columns_of_json(numbers)
    array = _tensor(content, torch)
    if array is None:
        raise ValueError(f"{type(content).__name__}, no tensors")
    batches = isinstance(content, list | tuple) and any(isinstance(one, torch.Tensor) and one.ndim for one in content)
    return {WHOLE: array}, False, ("the tensors of the list are taken for batches, one after the other",) * batches


def _tensor(value: Any, torch: Any) -> np.ndarray | None:
    """A tensor, or a list of them or of plain values, as an array; None for anything else."""
    if isinstance(value, torch.Tensor):
        plain = value.detach().to_dense() if value.is_sparse else value.detach()
        return plain.float().numpy() if plain.dtype in (torch.bfloat16, torch.float16) else plain.numpy()
    if not isinstance(value, list | tuple) or not value:
        return None
    if all(isinstance(one, torch.Tensor) for one in value):
        arrays = [array for one in value if (array := _tensor(one, torch)) is not None]
        if all(array.ndim == 0 for array in arrays):
            return np.array(arrays)
        if len({array.shape[1:] for array in arrays}) > 1 or arrays[0].ndim == 0:
            shapes = ", ".join(str(array.shape) for array in arrays[:3])
            raise ValueError(f"a list of tensors of different shapes: {shapes}")
        _refuse_pair(arrays)
        return np.concatenate(arrays)
    return array_of(list(value)) if all(isinstance(one, str | int | float | list) for one in value) else None


def _refuse_pair(arrays: Sequence[np.ndarray]) -> None:
    """Two vectors of one length may be two batches, or predictions and labels."""
    if len(arrays) == 2 and arrays[0].shape == arrays[1].shape and arrays[0].ndim == 1:
        raise ValueError("two tensors of one shape: batches, or predictions and labels; save them in a dict by name")


def _safetensors(path: Path) -> Read:
    from safetensors.numpy import load_file

    return _by_name({name: _tidy(array) for name, array in load_file(path).items()})


# ---------------------------------------------------------------------------------------------------------------- JSON


def parse_json(text: str, suffix: str, loads: Callable[[str], Any] = json.loads) -> Any:
    """JSON, or a list of what stands in each line: also under the name .json, and without commas between."""
    if suffix not in JSON_LINES:
        try:
            return loads(text)
        except json.JSONDecodeError:
            lines = [line for line in text.splitlines() if line.strip()]
            if len(lines) < 2 or not all(line.strip()[0] in "{[" and line.strip()[-1] in "}]" for line in lines):
                raise
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                rows.append(loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number:,} is not JSON") from error
    return rows


def columns_of_json(content: Any) -> Read:
    """The columns of what JSON holds, whichever way round it was written.

    A list of values, of lists or of objects (records); an object of columns, of rows by name, or of values by name;
    pandas' orients split, index, columns, records, values and table; any of these in an object that names nothing else.
    Raises ValueError where it is none of these, or where rows are of different kinds.
    """
    if isinstance(content, list):
        return _json_list(content)
    if not isinstance(content, dict):
        raise ValueError("neither a list nor an object")
    if isinstance(content.get("columns"), list) and isinstance(content.get("data"), list):
        return _split(content)
    inner = [value for value in content.values() if isinstance(value, dict)]
    lists = {name: value for name, value in content.items() if isinstance(value, list)}
    if (
        inner
        and len(inner) == len(content)
        and not any(isinstance(value, dict) for one in inner for value in one.values())
    ):
        return _objects(content)
    tables = {name: value for name, value in content.items() if _is_table(value)}
    nested = {name: value for name, value in tables.items() if isinstance(value, list)} or tables
    if len(nested) == 1 and len(content) < 12:
        name, value = next(iter(nested.items()))
        columns, named, rules = columns_of_json(value)
        return columns, named, (*rules, f'what stands under "{name}" is read')
    if lists and any(is_known(name) for name in lists):
        return {name: array_of(value) for name, value in lists.items()}, True, ()
    values, rules = list(content.values()), ()
    if values and all(map(is_ranking, values)):
        values, rules = [ranked_labels(row) for row in values], (_RANKINGS,)
    return {"id": np.array(list(content), dtype=str), "predictions": array_of(values)}, True, rules


def _is_table(value: Any) -> bool:
    """Whether a value is itself a list of objects, or an object of several values."""
    if isinstance(value, list):
        return len(value) > 0 and all(isinstance(row, dict) for row in value)
    return isinstance(value, dict) and len(value) > 1


def _json_list(rows: list) -> Read:
    if rows and all(isinstance(row, dict) for row in rows):
        return _records(rows)
    if rows and all(map(is_ranking, rows)):
        return {WHOLE: array_of([ranked_labels(row) for row in rows])}, False, (_RANKINGS,)
    mixed = rows and all(isinstance(row, list) for row in rows) and any(isinstance(cell, str) for cell in rows[0])
    if (
        mixed
        and len({len(row) for row in rows}) == 1
        and not all(isinstance(cell, str) for row in rows for cell in row)
    ):
        columns = zip(*rows, strict=True)
        return {str(place): array_of(list(column)) for place, column in enumerate(columns, 1)}, False, ()
    return {WHOLE: array_of(rows)}, False, ()


def _records(rows: list[dict]) -> Read:
    flat = [dict(_flat_values(row)) for row in rows]
    names = dict.fromkeys(name for row in flat for name in row)
    columns, rules = _each_as_array(names, lambda name: [row.get(name) for row in flat])
    return columns, True, rules


def _flat_values(row: Mapping[str, Any], stem: str = "") -> Iterable[tuple[str, Any]]:
    """The values of an object, those of inner objects under the names of both, joined by a dot."""
    for name, value in row.items():
        if isinstance(value, dict) and value:
            yield from _flat_values(value, f"{stem}{name}.")
        else:
            yield f"{stem}{name}", value


def _each_as_array(
    names: Collection[str], values: Callable[[str], list]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Columns as arrays, and what is said of those that are none (objects, lists of lists) and left out."""
    columns: dict[str, np.ndarray] = {}
    left_out, rules = [], ()
    for name in names:
        rows = values(name)
        if all(row is None or is_ranking(row) for row in rows) and any(rows):
            columns[name], rules = array_of([row and ranked_labels(row) for row in rows]), (_RANKINGS,)
        elif any(map(_holds_objects, rows)):
            left_out.append(f'"{name}"')
        else:
            columns[name] = array_of(rows)
    words = f"not read, as they hold objects or lists of lists: {name_some(left_out, 6)}"
    return columns, (*rules, words) if left_out else rules


def _holds_objects(row: Any) -> bool:
    return isinstance(row, dict) or (isinstance(row, list) and any(isinstance(cell, list | dict) for cell in row))


_RANKINGS = "objects of a label and a score each are the classes, the highest score first"


def is_ranking(row: Any) -> bool:
    """Whether a value is what a classification pipeline of transformers returns: objects of a label and a score."""
    return (
        isinstance(row, list)
        and len(row) > 0
        and all(isinstance(one, dict) and set(one) == {"label", "score"} for one in row)
        and all(isinstance(one["score"], int | float) for one in row)
    )


def ranked_labels(row: list[dict]) -> list[Any]:
    """The labels of such a value, the highest score first."""
    return [one["label"] for one in sorted(row, key=lambda one: -one["score"])]


def _split(content: dict) -> Read:
    names = [str(name) for name in content["columns"]]
    rows = content["data"]
    odd = next((place for place, row in enumerate(rows) if not isinstance(row, list) or len(row) != len(names)), None)
    if odd is not None:
        raise ValueError(f"row {odd:,} of data has not {len(names)} values, one for each of columns")
    refuse_doubled(names)
    columns, _, rules = _records([dict(zip(names, row, strict=True)) for row in rows])
    index = content.get("index")
    if isinstance(index, list) and len(index) == len(rows) and index != list(range(len(rows))):
        columns = {"": array_of(index), **columns}
    return columns, True, rules


def _objects(content: dict[str, dict]) -> Read:
    """Rows by name, or columns of values by row: whichever the names tell."""
    inner = dict.fromkeys(name for one in content.values() for name in one)
    by_row = any(map(is_known, inner)) or (not any(map(is_known, content)) and len(content) >= len(inner))
    if by_row:
        rows = list(content.values())
        if len(inner) == len(rows) and any(map(is_known, content)) and any(map(is_known, inner)):
            raise ValueError("its objects can be rows as well as columns")
        columns, rules = _each_as_array(inner, lambda name: [row.get(name) for row in rows])
        return {_free(columns): np.array(list(content), dtype=str), **columns}, True, rules
    columns, rules = _each_as_array(content, lambda name: [content[name].get(row) for row in inner])
    if list(inner) == [str(place) for place in range(len(inner))]:
        return columns, True, rules
    return {"": np.array(list(inner), dtype=str), **columns}, True, rules


def _free(columns: Collection[str]) -> str:
    return "" if "id" in columns else "id"


def array_of(rows: list) -> np.ndarray:
    """A list of values, or of lists, as an array of numbers or text; what is missing is NaN or empty text.

    Lists of whole numbers or text may be of different lengths: the rest of a shorter one is missing.
    Raises ValueError where values and lists are mixed, or lists of fractions are of different lengths.
    """
    nested = [len(row) if isinstance(row, list) else -1 for row in rows if row is not None]
    if len(set(nested)) <= 1 and (not nested or nested[0] < 0):
        return _flat(rows)
    odd = next((place for place, row in enumerate(rows) if row is not None and not isinstance(row, list)), None)
    if odd is not None or -1 in nested:
        reference = next(place for place, row in enumerate(rows) if isinstance(row, list))
        raise ValueError(
            f"row {odd:,} has one value, row {reference:,} a list of {counted(len(rows[reference]), 'value')}"
        )
    width = max(nested)
    if len(set(nested)) > 1 and any(isinstance(cell, float) and cell % 1 for row in rows for cell in row or ()):
        odd = next(place for place, row in enumerate(rows) if row is not None and len(row) != nested[0])
        raise ValueError(f"row {odd:,} has {counted(len(rows[odd]), 'value')}, row 0 {counted(nested[0], 'value')}")
    cells = [cell for row in rows for cell in (*(row or ()), *[None] * (width - len(row or ())))]
    return _flat(cells).reshape(len(rows), width)


def _flat(cells: list) -> np.ndarray:
    if any(isinstance(cell, list | dict) for cell in cells):
        raise ValueError("neither numbers nor text")
    if any(isinstance(cell, str | bytes) for cell in cells):
        return np.array([_as_text(cell) for cell in cells], dtype=str)
    if any(cell is None for cell in cells):
        return np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)
    array = np.array(cells) if cells else np.array([], dtype=np.float64)
    if array.dtype.kind not in "iufb":
        raise ValueError("neither numbers nor text")
    return array


def _as_text(cell: Any) -> str:
    if cell is None or cell != cell:
        return ""
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
