"""Which row of a file is about which image: names as files write them, against the ids of a dataset."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

import numpy as np

from evalshift.evaluate.rows import are_positions, duplicates, places_by_number
from evalshift.evaluate.store import StoredDataset

_SUFFIX = re.compile(r"(?<=.)\.(avif|bmp|gif|jfif|jp2|jpe?g|npy|pbm|pgm|png|ppm|pt|tiff?|webp)$", re.IGNORECASE)
_DEEPEST = 5  # trailing parts of a path that are looked at
_SAMPLE = 400

Key = Callable[[tuple[str, ...]], tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Match:
    """Where a file has the row of each image.

    places    shape (images,): the row, -1 where the file has none
    unknown   names in the file that are no image's
    rule      by what they were matched, in words
    """

    places: np.ndarray
    unknown: tuple[str, ...]
    rule: str

    @property
    def absent(self) -> int:
        """How many images the file has no row for."""
        return int((self.places < 0).sum())

    @property
    def found(self) -> int:
        """How many images it has a row for."""
        return len(self.places) - self.absent

    @property
    def is_whole(self) -> bool:
        return not self.unknown and self.absent == 0


def path_parts(name: str) -> tuple[str, ...]:
    r"""The parts of a path of any system, without what leads nowhere.

    >>> path_parts("C:\\data\\cat\\1.png"), path_parts("./cat/1.png")
    (('data', 'cat', '1.png'), ('cat', '1.png'))
    """
    text = re.sub(r"^([A-Za-z]:|\w+://)", "", unicodedata.normalize("NFC", name.strip()).replace("\\", "/"))
    return tuple(part for part in text.split("/") if part not in ("", "."))


def _as_it_is(parts: tuple[str, ...]) -> tuple[str, ...]:
    return parts


def _without_suffix(parts: tuple[str, ...]) -> tuple[str, ...]:
    return (*parts[:-1], _SUFFIX.sub("", parts[-1])) if parts else parts


def _without_zeros(parts: tuple[str, ...]) -> tuple[str, ...]:
    bare = _without_suffix(parts)
    return (*bare[:-1], str(int(bare[-1]))) if bare and bare[-1].isascii() and bare[-1].isdigit() else bare


def _decoded(parts: tuple[str, ...]) -> tuple[str, ...]:
    return _without_case(tuple(map(unquote, parts)))


def _without_case(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.casefold() for part in _without_zeros(parts))


class ImageNames:
    """The ids of a dataset, ready to be found under the names that a file gives them.

    Names match by whole paths, else by as many of their last parts as tell all images apart; as they are written,
    else without suffix, leading zeros, or case. Of these ways, the first that finds all images is taken, else the one
    that finds most. Class folders count as equal where both name the same class (number, name or wnid).
    """

    def __init__(self, dataset: StoredDataset, folders: Sequence[str] = ()) -> None:
        self.ids = dataset.ids
        self._parts = tuple(map(path_parts, dataset.ids))
        self._depth = min(_DEEPEST, max(map(len, self._parts), default=1))
        self._classes = _class_folders(dataset.class_names, folders)
        self.is_list = dataset.accepted is not None and are_positions(dataset.ids)
        self._tables: dict[tuple[str, int], dict[tuple[str, ...], int] | None] = {}

    @cached_property
    def are_positions(self) -> bool:
        """Whether the dataset merely counts its images from 0."""
        return are_positions(self.ids)

    def by_number(self, names: Sequence[str]) -> Match | None:
        """Rows by the numbers that names end in, where the dataset is a list of labels that counts its images."""
        order = places_by_number(names) if self.is_list and len(names) == len(self.ids) else None
        return None if order is None else Match(order, (), "the numbers that names end in count the images")

    def share(self, names: Sequence[str]) -> float:
        """The share of names, or of a sample of them, that are images of this dataset, from 0 to 1."""
        sample = names[:: max(1, len(names) // _SAMPLE)]
        parts = list(map(path_parts, sample))
        best = 0
        for _, key, kept, table in self._ways():
            best = max(best, sum(_tail(key(one), kept) in table for one in parts))
            if best == len(sample):
                break
        return best / len(sample) if len(sample) else 0.0

    def match(self, names: Sequence[str]) -> Match:
        """Where each image stands among these names, which must all be different."""
        parts = list(map(path_parts, names))
        best = None
        for words, key, kept, table in self._ways():
            keys = [_tail(key(one), kept) for one in parts]
            if len(set(keys)) < len(keys):
                continue
            places = np.full(len(self.ids), -1, np.int64)
            unknown = []
            for row, found in enumerate(map(table.get, keys)):
                if found is None:
                    unknown.append(names[row])
                else:
                    places[found] = row
            match = Match(places, tuple(unknown), f"rows are matched to images {words}")
            if match.is_whole:
                return match
            if best is None or match.found > best.found:
                best = match
        return best or Match(np.full(len(self.ids), -1, np.int64), tuple(names), "no row is an image's")

    def ambiguous(self, names: Sequence[str]) -> list[str]:
        """File names that several images share, and that nothing else in these names distinguishes them."""
        shared = set(duplicates([parts[-1] for parts in self._parts if parts]))
        return [name for name in names if (parts := path_parts(name)) and len(parts) == 1 and parts[0] in shared]

    def _ways(self):
        """Each way of matching: words, what is made of the parts, how many of the last are kept, and the table."""
        for kept in (0, *range(1, self._depth + 1)):
            for words, key in (
                ("as they are written", _as_it_is),
                ("without suffix", _without_suffix),
                ("without suffix and leading zeros", _without_zeros),
                ("without suffix, leading zeros and case", _without_case),
                ("without suffix, leading zeros, case and percent-encoding", _decoded),
                *((("by class and name", self._with_class),) if kept == 2 else ()),
            ):
                table = self._table(words, key, kept)
                if table is not None:
                    yield _words(words, kept), key, kept, table

    def _table(self, words: str, key: Key, kept: int) -> dict[tuple[str, ...], int] | None:
        """Place by key; None where it does not tell all images apart."""
        if (words, kept) not in self._tables:
            table = {_tail(key(parts), kept): place for place, parts in enumerate(self._parts)}
            self._tables[words, kept] = table if len(table) == len(self.ids) else None
        return self._tables[words, kept]

    def _with_class(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        plain = _without_case(parts)
        if len(plain) < 2:
            return plain
        return (self._classes.get(plain[-2], plain[-2]), plain[-1])


def _tail(parts: tuple[str, ...], kept: int) -> tuple[str, ...]:
    return parts[-kept:] if kept else parts


def _words(words: str, kept: int) -> str:
    if kept == 0 or words == "by class and name":
        return f"by name, {words}" if kept == 0 else "by the class of their folder and their name"
    last = "file name" if kept == 1 else f"the last {kept} parts of their paths"
    return f"by {last}, {words}"


def _class_folders(class_names: Sequence[str], folders: Sequence[str]) -> dict[str, str]:
    numbered = {str(number): f"class {number}" for number in range(len(class_names))}
    for names in (class_names, folders):
        numbered |= {name.casefold(): f"class {number}" for number, name in enumerate(names)}
    return numbered


def match_positions(rows: Sequence[str], images: int) -> Match | None:
    """Where each image stands among its positions, whole numbers from 0, or from 1; None where they are not that."""
    if not images or len(rows) != images or not all(re.fullmatch(r"\d{1,12}(\.0)?", row) for row in rows):
        return None
    numbers = np.array([int(float(row)) for row in rows], np.int64)
    first = int(numbers.min())
    if first not in (0, 1) or not np.array_equal(np.sort(numbers), np.arange(first, first + images)):
        return None
    words = (
        "rows are numbered from 0, the place of the image"
        if first == 0
        else ("rows are numbered from 1, the place of the image")
    )
    return Match(np.argsort(numbers), (), words)
