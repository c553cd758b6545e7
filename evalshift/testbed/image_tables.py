"""Tables that describe images: text tables of any form, and records in JSON or JSON lines."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.files import json_content, read_text
from evalshift.testbed.text_tables import TextTable, find_encoding, read_text_table


def read_image_table(path: Path, where: str) -> TextTable:
    """The table in a file, its format told by its content; its first row is a row, unless the format names columns.

    Raises DataError where the file cannot be read, is empty, or has rows of different length.
    """
    try:
        encoding, _ = find_encoding(path)
        with path.open(encoding=encoding) as stream:
            is_json = stream.read(1 << 12).lstrip()[:1] in ("{", "[")
        table = _of_json(read_text(path, encoding)) if is_json else read_text_table(path, header=False)
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
        missing = isinstance(error, FileNotFoundError)
        raise DataError(
            "a table does not exist" if missing else "a table cannot be read",
            where=f"{where}, {path}",
            found=None if missing else file_fault(error),
            expected="one row per image, as CSV, TSV, JSON lines, or lines of words",
        ) from error
    return table


def _of_json(text: str) -> TextTable:
    """Records, one per line or in a list, or an object from names to values."""
    records, lines = _records(text)
    if not all(isinstance(record, dict) for record in records):
        raise ValueError('a line that is not a record, such as {"path": ..., "label": ...}')
    if not records:
        raise ValueError("it has no rows")
    names = tuple(dict.fromkeys(name for record in records for name in record))
    columns = tuple(np.array([_text(record.get(name)) for record in records], dtype=str) for name in names)
    return TextTable(names, columns, (), lines)


def _records(text: str) -> tuple[list[Any], tuple[int, ...]]:
    """The records and the lines, or the places in a list, in which they stand."""
    try:
        content = json_content(text)
    except ValueError:
        numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        return [json_content(line) for _, line in numbered], tuple(number for number, _ in numbered)
    if isinstance(content, dict) and not all(isinstance(value, str | int) for value in content.values()):
        raise ValueError("an object that is neither a record nor a mapping from names to labels")
    if isinstance(content, dict) and len(content) != 2:
        content = [{"path": key, "label": value} for key, value in content.items()]
    records = [content] if isinstance(content, dict) else content
    return records, tuple(range(1, len(records) + 1))


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
