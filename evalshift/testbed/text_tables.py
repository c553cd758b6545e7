"""Tables of text that others wrote: CSV, TSV, JSON lines, JSON, and lines of words."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalshift.errors import DataError, first_line

_DELIMITERS = (",", "\t", ";", "|")


@dataclass(frozen=True)
class TextTable:
    """Rows of equal length, shape (rows, columns), all of them text.

    names  of the columns, where the format itself gives them (JSON); of other formats the first row may hold them
    lines  where each row stands in the file, from 1
    """

    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    names: tuple[str, ...] | None = None

    def with_names(self) -> "TextTable":
        """The same table with the names that its first row holds, where the format itself gave none."""
        if self.names is not None:
            return self
        return TextTable(self.rows[1:], self.lines[1:], tuple(name.strip() for name in self.rows[0]))

    def column(self, position: int) -> tuple[str, ...]:
        """One column, shape (rows,)."""
        return tuple(row[position] for row in self.rows)


def read_text_table(path: Path, where: str) -> TextTable:
    """The table in a file, its format told by its content. Empty lines and lines that begin with "#" are left out.

    Raises DataError where the file cannot be read, is empty, or has rows of different length.
    """
    try:
        text = path.read_text("utf-8-sig")
        first = text.lstrip()[:1]
        rows = _json_rows(text) if first in ("{", "[") else _delimited(text)
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
        missing = isinstance(error, FileNotFoundError)
        raise DataError(
            "a table does not exist" if missing else "a table cannot be read",
            where=f"{where}, {path}",
            found=None if missing else first_line(error),
            expected="UTF-8 text: CSV, TSV, JSON lines, or lines of words",
        ) from error
    if not rows.rows:
        raise DataError("a table is empty", where=f"{where}, {path}", expected="one row per image")
    return _of_equal_length(rows, f"{where}, {path}")


def _json_rows(text: str) -> TextTable:
    """Records, one per line or in a list, or an object from names to values."""
    records: Any
    try:
        content = json.loads(text)
    except ValueError:
        numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        records, lines = [json.loads(line) for _, line in numbered], tuple(number for number, _ in numbered)
    else:
        if isinstance(content, dict) and not all(isinstance(value, str | int) for value in content.values()):
            raise ValueError("an object that is neither a record nor a mapping from names to labels")
        is_map = isinstance(content, dict) and len(content) != 2
        records = [{"path": key, "label": value} for key, value in content.items()] if is_map else content
        records = [records] if isinstance(records, dict) else records
        lines = tuple(range(1, len(records) + 1))
    if not all(isinstance(record, dict) for record in records):
        raise ValueError('a line that is not a record, such as {"path": ..., "label": ...}')
    names = tuple(dict.fromkeys(name for record in records for name in record))
    rows = tuple(tuple(_text(record.get(name)) for name in names) for record in records)
    return TextTable(rows, lines, names)


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _delimited(text: str) -> TextTable:
    lines = text.splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    delimiter = max(_DELIMITERS, key=first.count)
    if not first.count(delimiter):
        numbered = [(n, tuple(line.split())) for n, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
        return TextTable(tuple(row for _, row in numbered), tuple(number for number, _ in numbered))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found = [(reader.line_num, tuple(cell.strip() for cell in row)) for row in reader]
    kept = [(number, row) for number, row in found if any(row) and not row[0].startswith("#")]
    return TextTable(tuple(row for _, row in kept), tuple(number for number, _ in kept))


def _of_equal_length(table: TextTable, where: str) -> TextTable:
    width = len(table.rows[0])
    for line, row in zip(table.lines, table.rows, strict=True):
        if len(row) != width:
            raise DataError(
                "rows of different length",
                where=f"{where}, line {line}",
                found=f"{len(row)} cells",
                expected=f"{width}, as in line {table.lines[0]}",
            )
    return table
