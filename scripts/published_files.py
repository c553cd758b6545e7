"""Source tables of published testbeds → rows of counts → one compressed file."""

import csv
import gzip
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalshift.errors import DataError
from evalshift.evaluate.importers.accuracies import counts_of
from evalshift.files import write_atomic
from evalshift.testbed import published

PUBLISHED = Path(published.__file__).parent


@dataclass(frozen=True)
class Made:
    """What was made: one row per model, with the same columns in each; and what became of the rows of the sources.

    file   in the testbed's folder
    """

    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    notes: list[str] = field(default_factory=list)
    file: str = "models.csv.gz"


def read_table(folder: Path, name: str, checksums: Mapping[str, str], notes: list[str]) -> list[dict[str, str]]:
    """The rows of a CSV file; its columns may be in any order.

    Raises DataError where the file is missing, or is another one than that of a known sha256.
    """
    path = next((one for one in (folder / name, folder / "results" / name) if one.is_file()), None)
    if path is None:
        raise DataError("a source table is missing", where=folder, expected=name)
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if name in checksums and found != checksums[name]:
        expected = checksums[name]
        raise DataError("a source table has another checksum (sha256)", where=path, found=found, expected=expected)
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    known = "verified" if name in checksums else "no checksum is known"
    notes.append(f"{name}: {len(rows)} rows, sha256 {found} ({known})")
    return rows


def read_text(folder: Path, name: str, notes: list[str]) -> str:
    """A text file; DataError where it is missing."""
    path = folder / name
    if not path.is_file():
        raise DataError("a source text is missing", where=folder, expected=name)
    content = path.read_bytes()
    notes.append(f"{name}: sha256 {hashlib.sha256(content).hexdigest()} (no checksum is known)")
    return content.decode("utf-8")


def whole_counts(cells: Sequence[str], models: Sequence[str], images: int, where: str) -> list[str]:
    """Percentages as whole numbers of images, "" for an empty cell; DataError where one is no whole number."""
    found = counts_of(cells, models, images, "percent", where)
    if found.within:
        raise DataError("rounding leaves several counts open", where=where, found=f"{found.within} images either way")
    return ["" if count is None else str(count) for count in found.counts]


def write_counts(made: Made, path: Path) -> None:
    """The same bytes from the same rows, whenever they are written."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, made.columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(made.rows)
    write_atomic(path, gzip.compress(text.getvalue().encode(), 9, mtime=0))
