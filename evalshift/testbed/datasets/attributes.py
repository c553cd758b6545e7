"""What else is known of each image: places, groups, years, in a table of their own."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from evalshift.errors import DataError
from evalshift.publishing import name_of_cell
from evalshift.testbed.image_tables import read_image_table


def read_attributes(path: Path, ids: Sequence[str], where: str) -> dict[str, tuple[str, ...]]:
    """The columns of a table beside the one that names the images, in the order of `ids`: name → text, shape (n,).

    Images are named by their ids, or by the last part of these without its suffix. Rows of other images are left out.
    Raises DataError where no column names the images, an image has no row or two.
    """
    table = read_image_table(path, where).with_names()
    names = table.names or ()
    columns = [table.column(place) for place in range(len(names))]
    best = max(((len(_rows(column, ids, key)), place, key) for place, column in enumerate(columns) for key in _KEYS),
               key=lambda found: found[0])  # fmt: skip
    matched, place, key = best
    rows = _rows(columns[place], ids, key)
    missing = [name for name in ids if key(name) not in rows]
    if missing or len({key(name) for name in ids}) != len(ids):
        raise DataError(
            "attributes are missing" if matched else "the attributes name none of the images",
            where=f"{where}, {path}",
            found=f"no row for {len(missing):,} of {len(ids):,} images, such as {(missing or ids)[0]}",
            expected="one column with the ids of the images, and one row per image",
        )
    if duplicate := next((name for name in ids if len(rows[key(name)]) > 1), None):
        raise DataError(
            "duplicate row of attributes", where=f"{where}, {path}", found=duplicate, expected="one row per image"
        )
    order = [rows[key(name)][0] for name in ids]
    return {name: tuple(columns[other][row] for row in order) for other, name in enumerate(names) if other != place}


def _stem(name: str) -> str:
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return str(int(stem)) if stem.isascii() and stem.isdigit() else stem


# How an image may be called: by its whole id, else by the last part of it.
_KEYS: tuple[Callable[[str], str], ...] = (str, _stem)


def _rows(column: Sequence[str], ids: Sequence[str], key: Callable[[str], str]) -> dict[str, list[int]]:
    """The rows in which each image stands."""
    wanted = set(map(key, ids))
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(column):
        if (found := key(value)) in wanted or (found := key(name_of_cell(value))) in wanted:
            rows.setdefault(found, []).append(row)
    return rows
