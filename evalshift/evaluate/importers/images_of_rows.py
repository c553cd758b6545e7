"""Which column of a file names the images, and which row is about which image; or that rows are in dataset order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalshift.errors import DataError
from evalshift.evaluate.importers.columns import Columns, as_number_column
from evalshift.evaluate.importers.files import FileContent
from evalshift.evaluate.importers.headings import is_confidence, is_ids, is_labels, is_predictions, plain
from evalshift.evaluate.importers.matching import ImageNames, Match, match_positions
from evalshift.evaluate.rows import duplicates
from evalshift.evaluate.store import StoredDataset
from evalshift.formatting import name_some
from evalshift.testbed.class_names import ClassNames

_NEARLY_ALL = 0.95
# Headings that name images, but are used of classes and counters as well.
_WEAK = frozenset({"name", "names", "index", "indices", "idx", "key", "keys", "position", "samples", "row", "rowindex"})
_COUNTERS = frozenset({"", "unnamed0", "index", "idx", "row", "rowindex", "rowid", "level0", "indexlevel0"})
_NAME_LIKE = re.compile(r"\S*(\d|[/\\]|\.\w{3,4}$)\S*")


@dataclass(frozen=True, eq=False)
class Rows:
    """Which row of a file is about which image.

    column   the column that names the images; None where rows are in dataset order
    match    None where rows are in dataset order
    rules    how that was found out, in words
    """

    column: str | None
    match: Match | None
    rules: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Seen:
    """A column as names of images. `match` is None where it could be names, but is not those of the dataset."""

    column: str
    names: tuple[str, ...]
    match: Match | None

    @property
    def is_counter(self) -> bool:
        """Whether it merely counts the rows, and so says nothing of their order."""
        return self.match is not None and _counts(self.names)


def find_rows(
    content: FileContent,
    columns: Columns,
    dataset: StoredDataset,
    classes: ClassNames,
    *,
    id_column: str | None = None,
    column: str | None = None,
    file_order: bool = False,
) -> Rows:
    """The column that names the images, whatever its heading, and where each image's row stands.

    id_column    the column that was requested
    column       the one that holds the predictions, if that was requested
    file_order   rows are in dataset order, whatever stands in the file

    Raises DataError where a column could name the images but does not name those of the dataset, where several do so
    differently, where an image is named twice or an unknown one is named; and where rows without names are not as many
    as the images.
    """
    names = ImageNames(dataset, classes.folders)
    if file_order:
        return _in_order(content, columns, dataset, "rows are taken in dataset order, as requested")
    if id_column is not None:
        seen = _asked_for(content, columns, id_column, names, dataset)
        return _checked(content, seen, names, dataset, ())
    looked_at = [
        seen
        for name, values in columns.items()
        if name != column and len(columns) > 1 and (seen := _look_at(name, values, names, classes)) is not None
    ]
    matched = [seen for seen in looked_at if seen.match is not None]
    others = [seen for seen in looked_at if seen.match is None]
    chosen = _one_of(matched, content)
    weak = chosen is None or (chosen.is_counter and plain(chosen.column) in _COUNTERS)
    if weak and others:
        raise _unmatched(content, others[0], names, dataset)
    if chosen is None:
        return _in_order(content, columns, dataset, "no column identifies the images: rows are taken in dataset order")
    rule = (
        f'the column "{chosen.column}" names the images'
        if content.named or chosen.column
        else "the first column identifies the images"
    )
    return _checked(content, chosen, names, dataset, (rule,))


def _look_at(name: str, values: np.ndarray, names: ImageNames, classes: ClassNames) -> _Seen | None:
    """A column as names of images; None where it cannot be any."""
    texts = as_names(values)
    if texts is None or not texts:
        return None
    if as_number_column(values) is not None:
        return _look_at_numbers(name, texts, names)
    different = len(set(texts)) / len(texts)
    if classes.numbers(np.array(texts)) is not None:
        return None
    if names.share(texts) >= _NEARLY_ALL:
        return _Seen(name, texts, names.match(texts))
    if (match := names.by_number(texts)) is not None:
        return _Seen(name, texts, match)
    strong = is_ids(name) and plain(name) not in _WEAK
    name_like = sum(bool(_NAME_LIKE.fullmatch(text)) for text in texts) / len(texts)
    if strong or (different >= _NEARLY_ALL and (is_ids(name) or name_like >= 0.5)):
        return _Seen(name, texts, None)
    return None


def _look_at_numbers(name: str, texts: tuple[str, ...], names: ImageNames) -> _Seen | None:
    called_so = is_ids(name) or plain(name) in _COUNTERS
    if len(set(texts)) < _NEARLY_ALL * len(texts) or is_predictions(name) or is_labels(name) or is_confidence(name):
        return None
    if (called_so or names.are_positions) and (match := match_positions(texts, len(names.ids))) is not None:
        return _Seen(name, texts, match)
    if names.share(texts) >= _NEARLY_ALL and (called_so or not names.are_positions):
        return _Seen(name, texts, names.match(texts))
    if called_so or (match_positions(texts, len(texts)) is not None and not _counts(texts)):
        return _Seen(name, texts, None)
    return None


def as_names(values: np.ndarray) -> tuple[str, ...] | None:
    """A column as text; None where it holds fractions, missing values, or several values per row."""
    if values.ndim != 1 or values.dtype.kind not in "iufU":
        return None
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or (values != np.round(values)).any():
            return None
        values = values.astype(np.int64)
    return tuple(map(str, values.tolist()))


def _counts(names: Sequence[str]) -> bool:
    """Whether names are 0, 1, 2, … or 1, 2, 3, … in that order."""
    return any(
        all(name.isdigit() and int(name) == place for place, name in enumerate(names, first)) for first in (0, 1)
    )


def _one_of(matched: Sequence[_Seen], content: FileContent) -> _Seen | None:
    """The column that names the images: counters give way to names. Raises DataError where two disagree."""
    telling = [seen for seen in matched if not seen.is_counter] or list(matched)
    if not telling:
        return None
    places = [seen.match.places for seen in telling if seen.match is not None]
    if any(not np.array_equal(places[0], other) for other in places[1:]):
        raise DataError(
            "two columns identify the images, and contradict each other",
            where=content.path,
            found=f'"{telling[0].column}" and "{telling[1].column}"',
            expected="one order of the images",
            fix="name the column with `id_column`",
        )
    return next((seen for seen in telling if is_ids(seen.column)), telling[0])


def _asked_for(content: FileContent, columns: Columns, name: str, names: ImageNames, dataset: StoredDataset) -> _Seen:
    texts = as_names(columns[name]) if name in columns else None
    if texts is None:
        raise DataError(
            "these are not names of images",
            where=f'{content.path}, column "{name}"',
            found=f"{content.columns[name].dtype}, shape {content.columns[name].shape}",
            expected="text or whole numbers, one per row",
        )
    by_position = match_positions(texts, len(names.ids)) if names.are_positions else None
    match = by_position or names.match(texts)
    if match.found == 0:
        match = match_positions(texts, len(names.ids)) or match
    seen = _Seen(name, texts, match)
    _refuse_doubled(content, seen, dataset)
    if match.found == 0:
        raise _unmatched(content, seen, names, dataset)
    return seen


def _checked(
    content: FileContent, seen: _Seen, names: ImageNames, dataset: StoredDataset, rules: tuple[str, ...]
) -> Rows:
    """Rows by name, with no name unknown and none twice; images that have no row are left to whoever asks."""
    match = seen.match
    _refuse_doubled(content, seen, dataset)
    if match is None or match.unknown:
        raise _unmatched(content, seen, names, dataset)
    moved = not np.array_equal(match.places, np.arange(len(match.places)))
    order = "rows are put into the order of the dataset" if moved else "rows are in the order of the dataset"
    return Rows(seen.column, match, (*rules, match.rule, order))


def _refuse_doubled(content: FileContent, seen: _Seen, dataset: StoredDataset) -> None:
    if doubled := duplicates(seen.names):
        raise DataError(
            "an image has two rows",
            where=f'{content.path}, column "{seen.column}"',
            found=name_some(doubled, 3),
            expected=f"each image of {dataset.name} once",
        )


def _unmatched(content: FileContent, seen: _Seen, names: ImageNames, dataset: StoredDataset) -> DataError:
    match = seen.match
    if match is not None and match.found:
        missing = [dataset.ids[place] for place in np.flatnonzero(match.places < 0).tolist()]
        parts = [f"{name_some(match.unknown, 3)} unknown", f"{name_some(missing, 3)} missing" if missing else ""]
    else:
        parts = [f"{len(seen.names):,} names, such as {name_some(seen.names[:2], 3)}"]
        if shared := names.ambiguous(seen.names):
            parts.append(f"several images are called {shared[0]}")
    expected = f"the {len(dataset):,} ids of {dataset.name}, such as {dataset.ids[0]}"
    return DataError(
        "a column identifies images, but not those of the dataset",
        where=f'{content.path}, column "{seen.column}"',
        found="; ".join(part for part in parts if part),
        expected=f"{expected}; it knows its images by number alone" if names.are_positions else expected,
        fix="name the column of the ids with `id_column`; where rows are in dataset order, say so with `file_order`",
    )


def _in_order(content: FileContent, columns: Columns, dataset: StoredDataset, rule: str) -> Rows:
    rows = len(next(iter(columns.values()))) if columns else 0
    if rows != len(dataset):
        raise DataError(
            "the numbers of predictions and images differ",
            where=content.path,
            found=f"{rows:,} rows",
            expected=f"{len(dataset):,}, one per image of {dataset.name}",
            fix="with a column of ids, rows may be in any order, and images may be missing" if rows else None,
        )
    return Rows(None, None, (rule,))
