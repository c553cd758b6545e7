"""Groups of images by their attributes, and each model's group of lowest accuracy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.statistics.per_class import ClassAccuracies, class_accuracies
from evalshift.shapes import Correct, Labels
from evalshift.testbed.candidate_sampling import EDGES, bins

# An attribute with more values than this identifies images rather than groups; numbers are split into FIFTHS instead.
MOST_GROUPS = 60
_MOST_NUMBERS = 12
_PARTS = 5
_FREQUENCY_NAMES = ("frequency", "selection_frequency")


@dataclass(frozen=True, eq=False)
class Grouping:
    """One way to split n images into groups.

    name    of the attribute, or "label, " and its name if each class is split by its values
    groups  name of each group
    member  group of each image, −1 where its attribute is empty, shape (n,)
    """

    name: str
    groups: tuple[str, ...]
    member: Int[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class GroupAccuracies:
    """Accuracy of m models on each of g groups of images, and the worst of these.

    accuracies  counts, accuracies and exact intervals, by group instead of class
    worst       each model's group of lowest accuracy among those with images, the first if tied, shape (m,)
    """

    grouping: Grouping
    accuracies: ClassAccuracies
    worst: Int[np.ndarray, " m"]

    @property
    def worst_accuracy(self) -> Float[np.ndarray, " m"]:
        """Accuracy on the worst group, shape (m,)."""
        return self._of_worst(self.accuracies.accuracy)

    @property
    def worst_interval(self) -> Interval[np.ndarray]:
        """Its Clopper–Pearson interval: slightly too low, because it ignores that the group was selected as worst."""
        bounds = self.accuracies.interval
        return Interval(self._of_worst(bounds.low), self._of_worst(bounds.high))

    def _of_worst(self, values: np.ndarray) -> np.ndarray:
        return values[np.arange(len(values)), self.worst]


def group_accuracies(correct: Correct, grouping: Grouping, level: float = 0.95) -> GroupAccuracies:
    """Accuracy of each model on each group, with exact intervals; images without a group are left out.

    Takes which of n images each of m models classifies correctly, a grouping of them, and a two-sided level. Each
    interval covers its own group's accuracy; they are not simultaneous.
    Raises ValueError for a level outside (0, 1).
    Source: Sagawa et al. 2020, arXiv 1911.08731 (worst-group accuracy); Koh et al. 2021, arXiv 2012.07421 (WILDS).

    >>> grouping = Grouping("place", ("land", "water"), np.array([0, 0, 1, 1]))
    >>> found = group_accuracies(np.array([[True, True, True, False]]), grouping)
    >>> found.worst_accuracy, [grouping.groups[group] for group in found.worst]
    (array([0.5]), ['water'])
    """
    known = grouping.member >= 0
    found = class_accuracies(correct[:, known], grouping.member[known], len(grouping.groups), level)
    return GroupAccuracies(grouping, found, np.nanargmin(found.accuracy, axis=1))


def groupings(
    attributes: Mapping[str, Sequence[str]], labels: Labels, class_names: Sequence[str]
) -> tuple[list[Grouping], dict[str, str]]:
    """The groupings that the attributes define, and a reason for each attribute that defines none, by its name.

    Each attribute groups the images by its values, and also by value and label if that makes at most MOST_GROUPS
    groups. Selection frequencies are split at 0.2, 0.4, 0.6 and 0.8 as in Recht et al. 2019, figure 15; other numbers
    with more than twelve values into five ranges with about equally many images.
    """
    found, reasons = [], {}
    for name, values in attributes.items():
        one = _grouping(name, values)
        if isinstance(one, str):
            reasons[name] = one
            continue
        found.append(one)
        crossed = _with_labels(one, labels, class_names)
        if crossed is not None:
            found.append(crossed)
    return found, reasons


def _grouping(name: str, values: Sequence[str]) -> Grouping | str:
    """The images grouped by one attribute, or the reason why they are not."""
    distinct = sorted(set(values) - {""}, key=_in_order)
    if len(distinct) < 2:
        return "all images have the same value"
    if (frequency := selection_frequency(name, values)) is not None:
        return _in_bins(name, frequency)
    if len(distinct) > _MOST_NUMBERS and all(_number(value) is not None for value in distinct):
        return _in_ranges(name, values)
    if len(distinct) > MOST_GROUPS:
        return f"{len(distinct):,} values are too many groups (at most {MOST_GROUPS})"
    place = {value: position for position, value in enumerate(distinct)}
    return Grouping(name, tuple(distinct), np.array([place.get(value, -1) for value in values], dtype=np.int64))


def selection_frequency(name: str, values: Sequence[str]) -> Float[np.ndarray, " n"] | None:
    """Values of an attribute with selection frequencies, NaN where it is empty; None for any other attribute.

    Such an attribute is called `frequency` or `selection_frequency`, and its values are numbers from 0 to 1.
    """
    if name.lower().replace(" ", "_") not in _FREQUENCY_NAMES:
        return None
    numbers = [np.nan if value == "" else _number(value) for value in values]
    if any(number is None for number in numbers):
        return None
    found = np.array(numbers, dtype=np.float64)
    known = found[~np.isnan(found)]
    return found if len(known) and known.min() >= 0 and known.max() <= 1 else None


def _in_bins(name: str, frequency: Float[np.ndarray, " n"]) -> Grouping:
    """Those of the five bins of selection frequency that contain images."""
    known = ~np.isnan(frequency)
    member = np.full(len(frequency), -1)
    member[known] = bins(frequency[known].tolist())
    ends = (0.0, *EDGES, 1.0)
    names = [f"[{low:g}, {high:g}{']' if high == 1 else ')'}" for low, high in pairwise(ends)]
    there, place = np.unique(member[known], return_inverse=True)
    member[known] = place
    return Grouping(name, tuple(names[bin] for bin in there), member)


def _in_ranges(name: str, values: Sequence[str]) -> Grouping:
    """Five ranges of a number with about equally many images."""
    numbers = np.array([np.nan if (number := _number(value)) is None else number for value in values])
    edges = np.unique(np.nanquantile(numbers, np.linspace(0, 1, _PARTS + 1), method="closest_observation"))
    member = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    ends = ["]" if last else ")" for last in (position == len(edges) - 2 for position in range(len(edges) - 1))]
    names = tuple(f"[{low:g}, {high:g}{end}" for low, high, end in zip(edges, edges[1:], ends, strict=False))
    return Grouping(name, names, np.where(np.isnan(numbers), -1, member).astype(np.int64))


def _with_labels(grouping: Grouping, labels: Labels, class_names: Sequence[str]) -> Grouping | None:
    """Groups by class and value, as in Waterbirds; None if these are too many, or no more than the classes."""
    count = len(grouping.groups)
    cells = np.where(grouping.member < 0, -1, labels * count + grouping.member)
    there = np.unique(cells[cells >= 0])
    if not len(class_names) < len(there) <= MOST_GROUPS:
        return None
    member = np.where(cells < 0, -1, np.searchsorted(there, cells))
    names = tuple(f"{class_names[cell // count]}, {grouping.groups[cell % count]}" for cell in there.tolist())
    return Grouping(f"label, {grouping.name}", names, member.astype(np.int64))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _in_order(text: str) -> tuple[bool, float, str]:
    """Sort key: numbers by value, before text."""
    number = _number(text)
    return number is None, number or 0.0, text
