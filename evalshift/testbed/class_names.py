"""Classes as others write them: by name, by one of their names, or by their folder, such as a wnid."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from evalshift.errors import DataError, did_you_mean
from evalshift.testbed.cells import is_missing


def folded(name: str) -> str:
    """A name without case, and with one blank where others write underscores, hyphens or several blanks.

    >>> folded("T-shirt"), folded("maple_tree ")
    ('t shirt', 'maple tree')
    """
    return re.sub(r"[\s_\-]+", " ", name.strip()).casefold()


class ClassNames:
    """All spellings by which one class, and no other, of a label space can be named.

    class_names   as the label space has them; "tench, Tinca tinca (n01440764)" is also tench, and Tinca tinca
    folders       other names, such as wnids
    """

    def __init__(self, class_names: Sequence[str], folders: Sequence[str] = ()) -> None:
        self.names = tuple(class_names)
        self.folders = tuple(folders)
        self._exact = {name: number for names in (folders, class_names) for number, name in enumerate(names)}
        self._spelt = _unambiguous(class_names, folders)

    def __len__(self) -> int:
        return len(self.names)

    def number(self, text: str) -> int | None:
        """The class of this name; None where it is none, or the name of several."""
        exact = self._exact.get(text)
        return self._spelt.get(folded(text)) if exact is None else exact

    def spellings(self) -> frozenset[str]:
        """All names and folders in lower case, as they stand in files."""
        return frozenset(name.lower() for name in (*self._exact, *self._spelt))

    def numbers(self, cells: np.ndarray) -> np.ndarray | None:
        """Names, in cells of any shape, as class numbers, −1 for a missing one; None where a cell is no class."""
        found: dict[str, int] = {}
        for cell in np.unique(cells).tolist():
            number = self.number(cell)
            if number is None and not is_missing(cell):
                return None
            found[cell] = -1 if number is None else number
        return np.array(list(map(found.__getitem__, cells.ravel().tolist())), np.int64).reshape(cells.shape)

    def refuse(self, cells: np.ndarray, where: object) -> DataError:
        """The complaint about the first cell that is no class."""
        first = next(
            (place, cell)
            for place, cell in enumerate(cells.ravel().tolist())
            if self.number(cell) is None and not is_missing(cell)
        )
        place, unknown = first
        return DataError(
            "these are not classes",
            where=f"{where}, row {place // max(1, cells[0].size):,}",
            found=f'"{unknown}"',
            expected=f"numbers from 0, or names such as {', '.join(self.names[:3])}",
            fix=did_you_mean(unknown, (*self.names, *self.folders)),
        )


def _unambiguous(class_names: Sequence[str], folders: Sequence[str]) -> Mapping[str, int]:
    """Each spelling of one class alone."""
    spelt: dict[str, int | None] = {}
    for name, number in ((name, number) for names in (class_names, folders) for number, name in enumerate(names)):
        bare = re.sub(r"\s*\([^()]*\)$", "", name)
        for spelling in {folded(one) for one in (name, bare, *bare.split(","))}:
            spelt[spelling] = number if spelt.get(spelling, number) == number else None
    # A class of that very name comes before a synonym of another class.
    spelt |= {folded(name): number for number, name in enumerate(class_names)}
    return {spelling: number for spelling, number in spelt.items() if number is not None and spelling}


def class_columns(headings: Sequence[str], classes: ClassNames) -> tuple[list[str], list[str]]:
    """The columns that are called like the classes, in the order of the classes, and the classes without one.

    All of them may have one thing in front or behind ("prob_cat", "logit cat"). Both are empty where hardly any heading
    is a class.
    """
    best: dict[int, str] = {}
    for before, after in _affixes(headings, classes):
        found: dict[int, str] = {}
        for heading in headings:
            if heading.startswith(before) and heading.endswith(after):
                number = classes.number(heading[len(before) : len(heading) - len(after)])
                if number is not None:
                    found.setdefault(number, heading)
        if len(found) > len(best):
            best = found
    if len(best) < max(2, len(classes) / 2):
        return [], []
    return [best[number] for number in sorted(best)], [classes.names[n] for n in range(len(classes)) if n not in best]


def _affixes(headings: Sequence[str], classes: ClassNames) -> list[tuple[str, str]]:
    """What may stand in front of, or behind, the name of each class: told by the headings that hold one class."""
    found = {("", ""): None}
    for number in range(min(3, len(classes))):
        names = [names[number] for names in (classes.names, classes.folders) if number < len(names)]
        for heading in headings:
            for name in names:
                place = heading.lower().rfind(name.lower())
                if place >= 0 and (place > 0 or len(name) < len(heading)):
                    found[heading[:place], heading[place + len(name) :]] = None
    return list(found)
