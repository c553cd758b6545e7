"""A table of accuracies as others keep it → its cells as text, by row and column: digits matter."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from evalshift.errors import DataError
from evalshift.evaluate.importers.accuracy_headings import is_accuracy
from evalshift.evaluate.importers.files import (
    JSON_LINES,
    TEXT_FORMATS,
    check_there,
    parse_json,
    readable,
    refuse_doubled,
    unknown_format,
)
from evalshift.files import read_text, sha256_of
from evalshift.parquet import read_table
from evalshift.testbed.cells import is_missing, is_number
from evalshift.testbed.text_tables import read_text_table

_MARKDOWN = (".md", ".markdown")
_JSON = (".json", *JSON_LINES)
FORMATS = (*TEXT_FORMATS, *_MARKDOWN, ".tex", *_JSON, ".parquet")

# Headings that name the model in tables and in JSON objects, the likeliest first.
MODEL_HEADINGS = (
    *("model", "model_name", "models", "modelname", "model_id", "name", "arch", "architecture", "network", "net"),
    *("algorithm", "method", "classifier", "backbone"),
    *("modell", "modelle", "modèle", "modele", "modelo", "modello", "модель", "模型", "モデル"),
)


@dataclass(frozen=True, eq=False)
class AccuracyTable:
    """A table as it was written.

    cells    every cell as text; the names of the columns are unique, and one without a name is called ""
    rules    what was decided while reading it, in words
    sha256   by file name; of a folder, of the names and hashes of its files
    """

    cells: pd.DataFrame
    rules: tuple[str, ...]
    sha256: Mapping[str, str]


def read_accuracy_table(path: Path, is_dataset: Callable[[str], bool] = lambda name: False) -> AccuracyTable:
    """The cells of a CSV, Markdown, LaTeX, JSON, JSON lines or Parquet table, or of a folder of JSON files.

    is_dataset   whether a name is that of a dataset: tells objects by dataset from objects by model

    Raises UsageError for an unknown format, DataError where the file is missing, damaged, or holds no single table.
    """
    if path.is_dir():
        return _read_folder(path, is_dataset)
    check_there(path)
    suffix = path.suffix.lower()
    rules: Sequence[str] = ()
    with readable(path, "a table with a header"):
        if suffix == ".parquet":
            table = read_table(path).to_pandas(use_threads=False)
            table = table.reset_index(names="") if table.index.dtype.kind not in "iu" else table
            cells = table.map(lambda cell: "" if cell is None or cell != cell else str(cell))
        elif suffix in _JSON:
            cells, rules = _json_table(parse_json(read_text(path, "utf-8-sig"), suffix, _loads), is_dataset)
        elif suffix == ".tex":
            cells = _latex_table(read_text(path))
        elif suffix in _MARKDOWN:
            cells = _markdown_table(read_text(path, "utf-8-sig"))
        elif suffix in TEXT_FORMATS:
            cells, rules = _text_table(path)
        else:
            raise unknown_format(path, FORMATS)
        cells = _with_unique_names(cells)
    return AccuracyTable(cells, tuple(rules), {path.name: sha256_of(path)})


def _with_unique_names(cells: pd.DataFrame) -> pd.DataFrame:
    names = [str(name).strip() for name in cells.columns]
    refuse_doubled(names)
    cells.columns = pd.Index(names)
    return cells.reset_index(drop=True)


# ---------------------------------------------------------------------------------------------------------------- text


def _text_table(path: Path) -> tuple[pd.DataFrame, Sequence[str]]:
    table = read_text_table(path, header=True)
    names = ["" if re.fullmatch(r"Unnamed: \d+", name) else name for name in table.names or ()]
    columns, rules = [list(map(str, column)) for column in table.columns], list(table.rules)
    names, columns = _below_title(names, columns, rules)
    if len(set(names)) < len(names) and _is_second_header(names, [column[0] for column in columns if column]):
        names = _joined(names, [column[0] for column in columns])
        columns = [column[1:] for column in columns]
        if columns[0] and columns[0][0] and not any(column[0] for column in columns[1:]):  # pandas' name of the index
            names[0] = names[0] or columns[0][0]
            columns = [column[1:] for column in columns]
        rules.append("the first two lines together name the columns")
    cells = pd.DataFrame(dict(enumerate(columns)), dtype=str)
    cells.columns = pd.Index(names)
    return cells, rules


def _below_title(names: list[str], columns: list[list[str]], rules: list[str]) -> tuple[list[str], list[list[str]]]:
    """Without a title above the header: a first line with one cell that is not empty, and empty lines after it."""
    skipped = 0
    row = names
    while len(names) > 1 and sum(cell != "" for cell in row) < 2 and skipped < len(columns[0]):
        row = [column[skipped] for column in columns]
        skipped += 1
    if not skipped or sum(cell != "" for cell in row) < 2:
        return names, columns
    rules.append(f"the title above the header is left out: {' '.join(filter(None, names))}")
    return row, [column[skipped:] for column in columns]


def _is_second_header(names: Sequence[str], row: Sequence[str]) -> bool:
    """Whether a row goes on with the header: nothing, then whole numbers, as pandas writes columns of two levels, or
    names that differ between columns of one name or of none."""
    if len(row) < 2:
        return False
    if row[0] == "" and all(cell.isdecimal() and len(cell) < 3 for cell in row[1:]):
        return True
    joined = _joined(names, row)
    is_text = not any(is_number(cell) or is_missing(cell) for cell in row[1:])
    return is_text and len(set(joined)) == len(joined) and "" not in joined[1:]


def _joined(names: Sequence[str], row: Sequence[str]) -> list[str]:
    """Names of columns from two lines; a cell of the first that is empty, as of merged cells, goes on with the last."""
    above = ""
    joined = []
    for place, (name, cell) in enumerate(zip(names, row, strict=True)):
        above = name or (above if place > 1 else "")
        joined.append(f"{above}-{cell}" if above and cell else above or cell)
    return joined


def _markdown_table(text: str) -> pd.DataFrame:
    """The one table of a Markdown text, with its rule of dashes under the header."""
    lines = text.splitlines()
    rule = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")
    places = [place for place, line in enumerate(lines) if place and "|" in line and rule.fullmatch(line)]
    if len(places) != 1:
        raise ValueError(f"{len(places)} tables" if places else "no table")
    rows = [_markdown_cells(lines[places[0] - 1])]
    for line in lines[places[0] + 1 :]:
        if "|" not in line:
            break
        rows.append(_markdown_cells(line))
    return _from_rows(rows)


def _markdown_cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]
    return [re.sub(r"\[([^\]]*)\]\([^)]*\)|\*\*|`", lambda found: (found[1] or "").strip("`"), cell) for cell in cells]


def _latex_table(text: str) -> pd.DataFrame:
    """The one tabular of a LaTeX text; rules and comments are left out."""
    plain = re.sub(r"(?<!\\)%.*", "", text)
    begin = r"\\begin\{(tabular[*xy]?|longtable)\}(?:\[[^\]]*\])?(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})+"
    bodies = [found[2] for found in re.finditer(begin + r"(.*?)\\end\{\1\}", plain, re.DOTALL)]
    if len(bodies) != 1:
        raise ValueError(f"{len(bodies)} tables" if bodies else "no tabular in it")
    rules = (
        r"\\(?:toprule|midrule|bottomrule|hline|(?:cmidrule|cline)(?:\([^)]*\))?\{[^}]*\}|addlinespace)(?:\[[^\]]*\])?"
    )
    rows = re.split(r"\\\\(?:\[[^\]]*\])?", re.sub(rules, "", bodies[0]))
    split = [[_latex_cell(cell) for cell in re.split(r"(?<!\\)&", row)] for row in rows if row.strip()]
    return _from_rows(_one_header([_spread(row) for row in split]))


_SPANNING = re.compile(r"\\multicolumn\{(\d+)\}\{[^{}]*\}\{(.*)\}")


def _spread(row: Sequence[str]) -> list[str]:
    """A row in which a cell over several columns stands in each of them."""
    cells: list[str] = []
    for cell in row:
        spanning = _SPANNING.fullmatch(cell)
        cells += [_latex_cell(spanning[2])] * min(int(spanning[1]), 1000) if spanning else [cell]
    return cells


def _one_header(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """Rows of which the first names the columns: a header of two rows, told by its repeated names, is joined."""
    repeated = len(rows) > 2 and len(rows[0]) == len(rows[1]) and len(set(rows[0])) < len(rows[0])
    return [_joined(rows[0], rows[1]), *rows[2:]] if repeated and _is_second_header(rows[0], rows[1]) else rows


_BESIDE = re.compile(
    r"~?\\(?:rowcolor|cellcolor|cite[a-z]*|label|ref|footnote|footnotemark|tnote|textsuperscript)\*?"
    r"(?:\[[^\]]*\])*(?:\{[^{}]*\})?"
)


def _latex_cell(cell: str) -> str:
    text = " ".join(_BESIDE.sub("", cell.replace("{$\\dagger$}", "{}").replace("{$\\ddagger$}", "{}")).split())
    text = re.sub(r"^\\multirow(?:\[[^\]]*\])?\{[^{}]*\}(?:\[[^\]]*\])?\{[^{}]*\}\{(.*)\}$", r"\1", text)
    if re.fullmatch(r"\{?\\(?:textbf|textit|textsc|texttt|emph)\{[^{}]*\}\}?", text):
        text = re.sub(r"^\{?\\\w+\{|\}+$", "", text)
    return re.sub(r"\\([_&%#])", r"\1", text)


def _from_rows(rows: Sequence[Sequence[str]]) -> pd.DataFrame:
    odd = next((number for number, row in enumerate(rows, 1) if len(row) != len(rows[0])), None)
    if odd is not None:
        raise ValueError(f"row {odd} has {len(rows[odd - 1])} cells, the header {len(rows[0])}")
    cells = pd.DataFrame(dict(enumerate(zip(*rows[1:], strict=True))), dtype=str)
    cells.columns = pd.Index(rows[0]) if len(cells.columns) else cells.columns
    return cells


# ---------------------------------------------------------------------------------------------------------------- JSON

# Numbers stay as they are written.
_loads = partial(json.loads, parse_float=str, parse_int=str, parse_constant=str)


def _json_table(content: Any, is_dataset: Callable[[str], bool]) -> tuple[pd.DataFrame, Sequence[str]]:
    """Records, pandas' orients, objects by model or by dataset, or one object for one model."""
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):
        return _records(content), ()
    if not isinstance(content, dict) or not content:
        raise ValueError("neither a list of objects nor an object")
    if isinstance(content.get("columns"), list) and isinstance(content.get("data"), list):
        return _from_rows([content["columns"], *([_text(cell) for cell in row] for row in content["data"])]), ()
    values = list(content.values())
    if all(isinstance(value, dict) for value in values):
        return _by_name(content, is_dataset)
    if all(isinstance(value, list) for value in values) and len({len(value) for value in values}) == 1:
        return pd.DataFrame({name: list(map(_text, column)) for name, column in content.items()}, dtype=str), ()
    tables = {name: value for name, value in content.items() if _is_table(value)}
    if len(tables) == 1:
        name, value = next(iter(tables.items()))
        cells, rules = _json_table(value, is_dataset)
        return cells, (*rules, f'what stands under "{name}" is read')
    if all(map(_is_number, values)) and not any(_is_heading(name) or is_dataset(name) for name in content):
        return pd.DataFrame({"": list(content), "accuracy": list(map(_text, values))}, dtype=str), ()
    return _records([content]), ()


def _is_table(value: Any) -> bool:
    members = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return bool(members) and all(isinstance(member, dict) for member in members)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, str) and re.fullmatch(r"[-+]?\d*\.?\d+(e[-+]?\d+)?", value) is not None)


def _is_heading(name: str) -> bool:
    return name.lower() in MODEL_HEADINGS or is_accuracy(name)


def _by_name(content: Mapping[str, dict], is_dataset: Callable[[str], bool]) -> tuple[pd.DataFrame, Sequence[str]]:
    """Objects by model; by column where they are called as columns are, as pandas writes tables."""
    inner = list(dict.fromkeys(name for row in content.values() for name in row))
    outer_known = any(_is_heading(name) or is_dataset(name) for name in content)
    inner_known = any(_is_heading(name) or is_dataset(name) for name in inner)
    counted = all(name.isdecimal() for name in inner)
    if counted or (outer_known and not inner_known):
        rows = [{name: column.get(row) for name, column in content.items()} for row in inner]
        return _records(rows if counted else [{"": name, **row} for name, row in zip(inner, rows, strict=True)]), ()
    return _records([{"": name, **row} for name, row in content.items()]), ()


def _records(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    flat = [dict(_flat(row)) for row in rows]
    names = dict.fromkeys(name for row in flat for name in row)
    return pd.DataFrame({name: [row.get(name, "") for row in flat] for name in names}, dtype=str)


def _flat(row: Mapping[str, Any], stem: str = "") -> Iterable[tuple[str, str]]:
    """The values of an object, those of inner objects under names joined by dots; lists are left out."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{stem}{name}.")
        elif not isinstance(value, list):
            yield f"{stem}{name}", _text(value)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _read_folder(folder: Path, is_dataset: Callable[[str], bool]) -> AccuracyTable:
    """JSON files, each with the objects of one model or more; the name of a file is a column without a name."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _JSON and path.is_file())
    if not files:
        raise DataError(
            "the folder holds no table",
            where=folder,
            found="no JSON file",
            expected=f"JSON files, one for each model, or the path of one file: {', '.join(FORMATS)}",
        )
    tables = [read_accuracy_table(path, is_dataset) for path in files]
    parts = []
    for path, table in zip(files, tables, strict=True):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        names = [f"{stem}/{name}" for name in table.cells[""]] if "" in table.cells else [stem] * len(table.cells)
        parts.append(
            pd.concat([pd.Series(names, name="", dtype=str), table.cells.drop(columns="", errors="ignore")], axis=1)
        )
    cells = pd.concat(parts, ignore_index=True).fillna("").astype(str)
    hashes = "\n".join(f"{digest} {name}" for table in tables for name, digest in table.sha256.items())
    rules = dict.fromkeys(rule for table in tables for rule in table.rules)
    return AccuracyTable(
        cells,
        (f"{len(files):,} JSON files are read; the first column is their names", *rules),
        {folder.resolve().name: hashlib.sha256(hashes.encode()).hexdigest()},
    )
