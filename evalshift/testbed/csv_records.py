"""Rows of a CSV file whose columns evalshift documents, such as candidates and decisions."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from evalshift.errors import DataError, first_line


def read_csv_records(path: Path, content: str) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """The names of the columns, none for an empty file, and each row by these names.

    content  what the file holds, for the message
    Raises DataError where the file is absent or is not CSV in UTF-8.
    """
    try:
        reader = csv.DictReader(io.StringIO(path.read_text("utf-8-sig")))
        return tuple(reader.fieldnames or ()), list(reader)
    except FileNotFoundError as error:
        raise DataError(f"the file of {content} was not found", where=path, expected="a file at this path") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"the {content} cannot be read", where=path, found=first_line(error), expected="CSV in UTF-8"
        ) from error


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """The file that `read_csv_records` reads: UTF-8, a line per row, names of columns first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()
