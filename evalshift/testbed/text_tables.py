"""Text tables that others wrote: encoding, delimiter, decimal sign, comments and header are told by the content.

For lists of images, attributes, predictions, labels and accuracies alike: whatever Excel, pandas, NumPy, R and shell
scripts write.
"""

import codecs
import csv
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalshift.files import refuse_special
from evalshift.testbed.cells import is_list, is_missing, is_number
from evalshift.testbed.image_files import is_image_name

# Comes last among the delimiters: names with blanks in them, and one number at the end of each line.
_LAST_BLANK = "last blank"
_DELIMITERS = ("\t", ";", "|", ",")
_COMMENT = re.compile(r"#|%|//(\s|$)")  # what begins with // and goes on is a path of a network drive
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(e[-+]?\d+)?", re.IGNORECASE)
_DECIMAL_POINT = re.compile(r"[-+]?\d*\.\d+(e[-+]?\d+)?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")

_HEAD_BYTES, _HEAD_LINES = 1 << 18, 400
# Tables of logits have more columns than a table of text has, and are too large to be kept as text.
_WIDE = 64
_TOO_WIDE = "a row has more than the {:,} cells of the first"


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    encoding   as Python calls it
    delimiter  one character, a blank for runs of blanks, None for a single column
    decimal    "." or ","
    rules      what is not plain about it, in words
    """

    encoding: str
    delimiter: str | None
    decimal: str
    rules: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TextTable:
    """A text table.

    names     of the columns as they are written, stripped; None where the first line is a row
    columns   text as it is written but for a decimal comma, which is a point here; numbers where a table is wide
    rules     what was decided while reading it, in words
    lines     of the file in which each row begins, from 1, shape (rows,); empty where a table is wide
    """

    names: tuple[str, ...] | None
    columns: tuple[np.ndarray, ...]
    rules: tuple[str, ...]
    lines: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.columns[0])

    def row(self, place: int) -> tuple[str, ...]:
        """One row as text."""
        return tuple(str(column[place]) for column in self.columns)

    def column(self, place: int) -> tuple[str, ...]:
        """One column as text, shape (rows,)."""
        return tuple(map(str, self.columns[place].tolist()))

    def with_names(self) -> "TextTable":
        """The same table, its first row taken for the names of its columns unless it has them already."""
        if self.names is not None:
            return self
        return TextTable(self.row(0), tuple(column[1:] for column in self.columns), self.rules, self.lines[1:])


def read_text_table(
    path: Path,
    *,
    header: bool | None = None,
    is_heading: Callable[[str], bool] = lambda cell: False,
    is_value: Callable[[str], bool] = lambda cell: False,
    rows: int | None = None,
) -> TextTable:
    """A text table of any dialect.

    header     whether the first line names the columns; None finds out
    is_heading whether a cell is the name of a column that is known
    is_value   whether a cell of text can be one of the values, and so stands in no header
    rows       how many there should be: tells a header 0, 1, 2, … from a row

    Raises ValueError for a table that is empty, or whose rows have unequal numbers of cells; UnicodeError and OSError.
    """
    encoding, rules = find_encoding(path)
    lines, whole = _head(path, encoding)
    dialect = find_dialect(lines, encoding, rules)
    numbered = list(_numbered_rows(lines, dialect))
    beginning = [row for _, row in numbered]
    if not beginning:
        raise ValueError("it has no rows")
    if len(beginning[0]) > _WIDE and dialect.delimiter not in (None, " ", _LAST_BLANK):
        return _read_wide(path, dialect, beginning, header, is_heading, is_value, rows)
    if not whole:
        with path.open(encoding=encoding, newline="") as stream:
            numbered = list(_numbered_rows(stream.read().splitlines(), dialect))
            beginning = [row for _, row in numbered]
    first = _header_of(beginning, len(beginning), header, is_heading, is_value, rows)
    names, body, more = _named(first, beginning, lines, dialect)
    places = [place for place, _ in numbered]
    _refuse_uneven(body, names, places)
    body, places, repeated = _without_repeated_header(names, body, places[len(places) - len(body) :])
    more = (*more, *repeated)
    columns = tuple(np.array(column, dtype=str) for column in zip(*body, strict=True)) if body else ()
    if not columns and names:
        columns = tuple(np.array([], dtype=str) for _ in names)
    names, columns = _without_empty_last(names, columns)
    return TextTable(names, columns, (*dialect.rules, *more), tuple(places[len(places) - len(body) :]))


def find_encoding(path: Path) -> tuple[str, tuple[str, ...]]:
    """The encoding of a text file by its first bytes, and what is not plain about it."""
    refuse_special(path)
    with path.open("rb") as stream:
        start = stream.read(_HEAD_BYTES)
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if start.startswith(mark):
            return name, () if name == "utf-8-sig" else ("the file is read as UTF-16",)
    if len(start) > 3 and start.count(b"\0") > len(start) // 4:
        name = "utf-16-le" if start[1::2].count(b"\0") > start[::2].count(b"\0") else "utf-16-be"
        return name, ("the file is read as UTF-16",)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start, final=False)
    except UnicodeDecodeError:
        return "cp1252", ("the file is no UTF-8 and is read as Windows-1252",)
    return "utf-8", ()


def find_dialect(lines: Sequence[str], encoding: str = "utf-8", rules: Iterable[str] = ()) -> Dialect:
    """How a table is written whose first lines are these.

    >>> find_dialect(["name;value", "a;0,5", "b;1"])
    Dialect(encoding='utf-8', delimiter=';', decimal=',', rules=('commas in numbers are decimal commas',))
    """
    found = list(rules)
    told = re.fullmatch(r"sep=(.)", lines[0].strip(), re.IGNORECASE) if lines else None
    kept = [line for _, line in _without_comments(lines)]
    if len(kept) < sum(bool(line.strip()) for line in lines) - bool(told):
        found.append("comment lines are left out")
    delimiter = told[1] if told else _delimiter(kept)
    plain = Dialect(encoding, delimiter, ".", ())
    cells = [cell for row in _rows_of(kept[:_HEAD_LINES], plain) for cell in row]
    decimal = _decimal(cells)
    if decimal == ",":
        found.append("commas in numbers are decimal commas")
    return Dialect(encoding, delimiter, decimal, tuple(found))


def _decimal(cells: Iterable[str]) -> str:
    commas = False
    for cell in cells:
        if _DECIMAL_POINT.fullmatch(cell):
            return "."
        commas = commas or bool(_DECIMAL_COMMA.fullmatch(cell) and not _THOUSANDS.fullmatch(cell))
    return "," if commas else "."


def _head(path: Path, encoding: str) -> tuple[list[str], bool]:
    """The first lines, and whether they are all."""
    with path.open(encoding=encoding, newline="") as stream:
        text = stream.read(_HEAD_BYTES)
        whole = not stream.read(1)
    lines = text.splitlines()
    return (lines if whole or len(lines) < 2 else lines[:-1]), whole


def _without_comments(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Lines that hold something, with their places, without comments; what looks like one inside of quotes is none."""
    quoted = False
    for place, line in enumerate(lines):
        if not quoted:
            bare = line.strip()
            if not bare or _COMMENT.match(bare) or (place == 0 and re.fullmatch(r"sep=.", bare, re.IGNORECASE)):
                continue
        quoted ^= line.count('"') % 2 == 1
        yield place, line


def _rows_of(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    return (row for _, row in _numbered_rows(lines, dialect))


def _numbered_rows(lines: Iterable[str], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number, from 1, of the line in which it begins."""
    places: list[int] = []

    def noted() -> Iterator[str]:
        for place, line in _without_comments(lines):
            places.append(place)
            yield line

    begun = 0
    for row in _split_rows(noted(), dialect):
        yield places[begun] + 1, row
        begun = len(places)


def _split_rows(kept: Iterator[str], dialect: Dialect) -> Iterator[list[str]]:
    if dialect.delimiter is None:
        rows = ([cell] for cell in (_unquoted(line) for line in kept))
    elif dialect.delimiter == " ":
        rows = csv.reader((" ".join(line.split()) for line in kept), delimiter=" ")
    elif dialect.delimiter == _LAST_BLANK:
        rows = (line.strip().rsplit(maxsplit=1) for line in kept)
    else:
        rows = csv.reader((f"{line}\n" for line in kept), delimiter=dialect.delimiter, skipinitialspace=True)
    for row in rows:
        stripped = [cell.strip() for cell in row]
        yield [_with_point(cell) for cell in stripped] if dialect.decimal == "," else stripped


def _unquoted(line: str) -> str:
    text = line.strip()
    return text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell


def _delimiter(lines: Sequence[str]) -> str | None:
    """The delimiter that splits all lines alike, and into the cleanest cells."""
    sample = list(lines[:_HEAD_LINES])
    scores = {}
    for delimiter in _DELIMITERS:
        rows = list(_rows_of(sample, Dialect("", delimiter, ".", ())))
        widths = {len(row) for row in rows[1:]} or {len(rows[0])} if rows else {0}
        if len(widths) == 1 and max(widths) > 1 and len(rows[0]) in (max(widths), max(widths) - 1):
            cells = [cell for row in rows for cell in row]
            scores[delimiter] = sum(map(_is_clean, cells)) / len(cells)
    if scores:
        return max(scores, key=scores.__getitem__)
    first = sample[0] if sample else ""
    most = max(_DELIMITERS, key=first.count)
    return most if most in first else _blank_delimiter(sample)


def _is_clean(cell: str) -> bool:
    """Whether a cell holds one thing: no other delimiter stands in it, unless in a list or a decimal comma."""
    return is_number(cell) or bool(_DECIMAL_COMMA.fullmatch(cell)) or is_list(cell) or not re.search(r"[\t;|,]", cell)


def _blank_delimiter(lines: Sequence[str]) -> str | None:
    rows = [line.split() for line in lines]
    body = rows[1:] if len(rows) > 1 else rows
    if not body or min(map(len, body)) < 2:
        return None
    ends_in_numbers = all(is_number(row[-1]) or is_missing(row[-1]) for row in body)
    names = [row[0] for row in body]
    named = [bool(re.search(r"\d", name)) or is_image_name(name) for name in names]
    begins_with_names = len(set(names)) == len(names) and all(named)
    widths = {len(row) for row in body}
    header_fits = len(rows[0]) in widths or (len(rows[0]) + 1 in widths and len(set(names)) == len(names))
    if len(widths) == 1 and header_fits and (ends_in_numbers or begins_with_names):
        return " "
    return _LAST_BLANK if ends_in_numbers and all(len(row) > 1 for row in rows) else None


def _header_of(
    beginning: Sequence[Sequence[str]],
    total: int,
    header: bool | None,
    is_heading: Callable[[str], bool],
    is_value: Callable[[str], bool],
    rows: int | None,
) -> bool:
    """Whether the first row names the columns."""
    if header is not None:
        return header
    first, body = beginning[0], beginning[1:40]
    numbers = [cell for cell in first if is_number(cell)]
    if len(numbers) == len(first):
        counted = [str(place) for place in range(len(first))]
        return len(first) > 1 and list(first) == counted and total - 1 == rows
    if any(map(is_heading, first)) or first[0] == "":
        return True
    if numbers:
        return False
    columns = list(zip(*body, strict=False))
    if any(all(is_number(cell) or is_missing(cell) for cell in column) for column in columns):
        return True
    return not any(is_value(cell) or is_image_name(cell) for cell in first)


def _named(
    is_header: bool, rows: Sequence[Sequence[str]], lines: Sequence[str], dialect: Dialect
) -> tuple[tuple[str, ...] | None, Sequence[Sequence[str]], tuple[str, ...]]:
    """The names of the columns, the rows below them, and what was decided."""
    if not is_header:
        names = _header_in_comment(lines, dialect, len(rows[0]))
        if names is None:
            return None, rows, ("the file has no header: its first line is a row",)
        return names, rows, (f"the comment {', '.join(names)} is taken for the header",)
    names, body = tuple(rows[0]), rows[1:]
    if body and len(body[0]) == len(names) + 1 and dialect.delimiter in (" ", "\t"):  # R has no name for its row names
        names = ("", *names)
    return names, body, ()


def _without_repeated_header(
    names: tuple[str, ...] | None, rows: Sequence[Sequence[str]], places: Sequence[int]
) -> tuple[Sequence[Sequence[str]], Sequence[int], tuple[str, ...]]:
    """Rows and the lines in which they begin without those that repeat the header, as joined files have them."""
    header = None if names is None or len(names) < 2 else list(names)
    kept = [number for number, row in enumerate(rows) if list(row) != header]
    if header is None or len(kept) == len(rows):
        return rows, places, ()
    rule = "lines that repeat the header are left out"
    return [rows[number] for number in kept], [places[number] for number in kept], (rule,)


def _header_in_comment(lines: Sequence[str], dialect: Dialect, width: int) -> tuple[str, ...] | None:
    """Column names in the last comment before the first row, as numpy.savetxt writes them."""
    last = None
    for line in lines:
        if not _COMMENT.match(line.strip()):
            break
        last = line.strip().lstrip("#%/").strip()
    if not last or width < 2:
        return None
    (names,) = _rows_of([last], dialect)
    return tuple(names) if len(names) == width and not any(map(is_number, names)) else None


def _refuse_uneven(rows: Sequence[Sequence[str]], names: Sequence[str] | None, places: Sequence[int]) -> None:
    """ValueError for the first row that has more or fewer cells than the header, or than the first row."""
    width = len(names) if names is not None else len(rows[0])
    for place, row in zip(places[len(places) - len(rows) :], rows, strict=True):
        if len(row) != width:
            reference = "the header" if names is not None else f"line {places[0]}"
            raise ValueError(f"line {place} has {len(row)} cells, {reference} {width}")


def _without_empty_last(
    names: tuple[str, ...] | None, columns: tuple[np.ndarray, ...]
) -> tuple[tuple[str, ...] | None, tuple[np.ndarray, ...]]:
    """Without the column that a delimiter at the end of each line makes."""
    if len(columns) > 1 and (names is None or names[-1] == "") and not (columns[-1] != "").any():
        return None if names is None else names[:-1], columns[:-1]
    return names, columns


def _read_wide(
    path: Path,
    dialect: Dialect,
    beginning: Sequence[Sequence[str]],
    header: bool | None,
    is_heading: Callable[[str], bool],
    is_value: Callable[[str], bool],
    rows: int | None,
) -> TextTable:
    """Many columns, such as logits: numbers at once, and text only where the first rows have text."""
    import pandas as pd  # half a second, for which commands that read no table need not wait

    lines, _ = _head(path, dialect.encoding)
    total = _count_lines(path) if all(map(is_number, beginning[0])) else 0
    is_header = _header_of(beginning, total, header, is_heading, is_value, rows)
    names, body, more = _named(is_header, beginning, lines, dialect)
    if not body:
        raise ValueError("it has no rows")
    width = len(names or body[0])
    # A delimiter that ends each row makes an empty cell more than there are names.
    widest = max(width, *map(len, body))
    text = {
        place: str
        for place in range(width)
        if not all(is_number(row[place]) or is_missing(row[place]) for row in body if len(row) > place)
        or all(re.fullmatch(r"0\d+", row[place]) for row in body if len(row) > place)
    }
    skipped = _lines_before_rows(lines) + bool(is_header)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            frame = pd.read_csv(
                path,
                sep=dialect.delimiter,
                decimal=dialect.decimal,
                encoding=dialect.encoding,
                header=None,
                names=range(widest),
                index_col=False,
                skiprows=skipped,
                dtype=text,
                na_values=["null", "None", "na", "NA", "nan"],
                low_memory=False,
            )
        except pd.errors.ParserWarning as error:  # it would drop what has no name
            raise ValueError(_TOO_WIDE.format(width)) from error
    if frame[range(width, widest)].notna().to_numpy().any():
        raise ValueError(_TOO_WIDE.format(width))
    columns = tuple(
        frame[place].fillna("").to_numpy().astype(str)
        if frame[place].dtype.kind not in "iuf"
        else frame[place].to_numpy()
        for place in range(width)
    )
    return TextTable(names, columns, (*dialect.rules, *more))


def _lines_before_rows(lines: Sequence[str]) -> int:
    return next(place for place, _ in _without_comments(lines))


def _count_lines(path: Path) -> int:
    with path.open("rb") as stream:
        chunks = iter(lambda: stream.read(1 << 20), b"")
        count, last = 0, b"\n"
        for chunk in chunks:
            count, last = count + chunk.count(b"\n"), chunk[-1:]
    return count + (last != b"\n")
