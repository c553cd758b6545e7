"""Rows of a CSV file whose columns evalshift documents, such as candidates and decisions."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.files import read_text
from evalshift.publishing import inert_name, name_of_cell


def read_csv_records(path: Path, content: str) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """The names of the columns, none for an empty file, and each row by these names.

    content  what the file holds, for the message
    Texts come back as `csv_bytes` was given them.
    Raises DataError where the file is absent or is not CSV in UTF-8.
    """
    try:
        reader = csv.DictReader(io.StringIO(read_text(path, "utf-8-sig")))
        return tuple(reader.fieldnames or ()), [{name: _read(cell) for name, cell in row.items()} for row in reader]
    except FileNotFoundError as error:
        raise DataError(f"the file of {content} was not found", where=path, expected="a file at this path") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"the {content} cannot be read", where=path, found=file_fault(error), expected="CSV in UTF-8"
        ) from error


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """The file that `read_csv_records` reads: UTF-8, a line per row, names of columns first.

    A spreadsheet takes no text in it for a formula: see `inert_name`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([inert_name(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return text.getvalue().encode()


def _read(cell: object) -> Any:
    """A cell as it was written; none where a row is too short, a list where it is too long."""
    return name_of_cell(cell) if isinstance(cell, str) else cell
