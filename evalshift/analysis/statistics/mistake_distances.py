"""Distance of mistakes from the true class in a class tree, by the information of the lowest common ancestor."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.testbed.class_tree import ClassTree


@dataclass(frozen=True, eq=False)
class MistakeDistances:
    """Mistakes of m models on one test set, and their mean distance from the true class.

    mistakes   incorrect predictions, counts
    distance   mean over mistakes in bits, 0 to log2 of the number of classes; NaN without mistakes
    interval   of the mean: Student's t; NaN with fewer than two mistakes
    deviation  standard deviation over mistakes in bits, with n − 1; NaN with fewer than two
    expected   mean distance if each mistake fell on any other class with the same probability; NaN without mistakes
    height     mean height of the lowest common ancestor, in edges; NaN without mistakes
    """

    mistakes: Int[np.ndarray, " m"]
    distance: Float[np.ndarray, " m"]
    interval: Interval[np.ndarray]
    deviation: Float[np.ndarray, " m"]
    expected: Float[np.ndarray, " m"]
    height: Float[np.ndarray, " m"]


def class_distances(tree: ClassTree, label: int) -> tuple[Float[np.ndarray, " c"], Int[np.ndarray, " c"]]:
    """Distance of each class from the class `label`, in bits, and height of the lowest common ancestor, in edges.

    The distance of class b from class a is log2 (classes at or below their lowest common ancestor) − log2 (classes at
    or below a): the information lost by naming the ancestor instead of a. Among several common ancestors, the one with
    the fewest classes counts, and for the height the lowest. Classes that are never predicted and classes without a
    common ancestor are infinitely far (height −1).
    Source: Shi et al. 2024, LCA-on-the-Line (arXiv 2407.16067), equation 1 with information content and equally
    weighted classes; heights: Bertinetto et al. 2020, Making Better Mistakes (arXiv 1912.09393).

    >>> from evalshift.testbed.class_tree import make_tree
    >>> above = {"tabby": ["pet"], "pug": ["dog"], "corgi": ["dog"], "dog": ["pet"], "pet": []}
    >>> bits, height = class_distances(make_tree("pets", ["tabby", "pug", "corgi"], above), 1)
    >>> bits.round(2), height
    (array([1.58, 0.  , 1.  ]), array([2, 0, 1]))
    """
    sizes, heights = np.full(len(tree), np.inf), np.full(len(tree), np.iinfo(np.int64).max)
    for node in tree.ancestors[label]:
        below = tree.members[node]
        sizes[below] = np.minimum(sizes[below], len(below))
        heights[below] = np.minimum(heights[below], tree.heights[node])
    own = max(1, min(len(tree.members[node]) for node in tree.ancestors[label]))
    return np.log2(sizes / own), np.where(np.isinf(sizes), -1, heights)


def mistake_distances(
    predicted: Int[np.ndarray, "m n"], truth: Int[np.ndarray, "n ..."], tree: ClassTree, level: float = 0.95
) -> MistakeDistances:
    """The mean distance of each model's mistakes from the true class.

    predicted  class numbers, shape (m, n); −1 is no prediction, which is not counted as a mistake here
    truth      labels, shape (n,), or all correct labels of each image, shape (n, k): the nearest one counts

    Predicted classes that are never predicted according to the tree are not counted as mistakes either.
    Raises ValueError for a level outside (0, 1).
    Source: see `class_distances`; the mean is over mistakes only, so it does not depend on accuracy.

    >>> from evalshift.testbed.class_tree import make_tree
    >>> above = {"tabby": ["pet"], "pug": ["dog"], "corgi": ["dog"], "dog": ["pet"], "pet": []}
    >>> pets = make_tree("pets", ["tabby", "pug", "corgi"], above)
    >>> found = mistake_distances(np.array([[0, 2, 1]]), np.array([1, 1, 1]), pets)
    >>> found.mistakes, found.distance.round(2), found.expected.round(2), found.height
    (array([2]), array([1.29]), array([1.29]), array([1.5]))
    """
    check_level(level)
    models = len(predicted)
    count, total, squares, chance, height = (np.zeros(models) for _ in range(5))
    for correct, images in _by_truth(truth):
        given = predicted[:, images].astype(np.int64)
        bits, heights, known = _from_the_nearest(tree, correct)
        mistake = (given >= 0) & known[given] & ~np.isin(given, correct)
        distance = np.where(mistake, bits[given], 0)
        count += mistake.sum(axis=1)
        total += distance.sum(axis=1)
        squares += (distance**2).sum(axis=1)
        height += np.where(mistake, heights[given], 0).sum(axis=1)
        others = known.copy()
        others[correct] = False
        if others.any():
            chance += mistake.sum(axis=1) * bits[others].mean()
    return _means(count, total, squares, chance, height, level)


def _by_truth(truth: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each distinct set of correct labels, and the images that have it."""
    patterns, place = np.unique(np.sort(truth.reshape(len(truth), -1), axis=1), axis=0, return_inverse=True)
    place = place.reshape(-1)
    order = np.argsort(place, kind="stable")
    for pattern, images in zip(
        patterns, np.split(order, np.cumsum(np.bincount(place, minlength=len(patterns)))[:-1]), strict=True
    ):
        yield np.unique(pattern), images


def _from_the_nearest(tree: ClassTree, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances and heights of each class from the nearest of the correct labels, and which classes have one."""
    rows = [class_distances(tree, label) for label in correct.tolist()]
    bits = np.min([row[0] for row in rows], axis=0)
    none = np.iinfo(np.int64).max
    heights = np.min([np.where(row[1] < 0, none, row[1]) for row in rows], axis=0)
    return bits, heights, np.isfinite(bits)


def _means(
    count: np.ndarray, total: np.ndarray, squares: np.ndarray, chance: np.ndarray, height: np.ndarray, level: float
) -> MistakeDistances:
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / count
        variance = np.where(count > 1, np.maximum(squares - count * mean**2, 0) / (count - 1), np.nan)
        margin = stats.t.ppf((1 + level) / 2, np.where(count > 1, count - 1, np.nan)) * np.sqrt(variance / count)
        return MistakeDistances(
            count.astype(np.int64),
            mean,
            Interval(np.maximum(mean - margin, 0), mean + margin),
            np.sqrt(variance),
            chance / count,
            height / count,
        )


@dataclass(frozen=True, eq=False)
class DistanceChange:
    """New minus original mean distance of mistakes in bits, and its interval; NaN if either set has no mistakes."""

    difference: Float[np.ndarray, " m"]
    interval: Interval[np.ndarray]


def distance_change(original: MistakeDistances, new: MistakeDistances, level: float = 0.95) -> DistanceChange:
    """Change of each model's mean distance of mistakes from the original to the new test set.

    Takes the mistakes of the same models on two sets of different images, and a two-sided level in (0, 1). The interval
    is Welch's for two independent means, conditional on the numbers of mistakes.
    Raises ValueError for a level outside (0, 1).
    Source: B. L. Welch, Biometrika 34(1–2), 1947, 28–35.
    """
    check_level(level)
    difference = new.distance - original.distance
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [one.deviation**2 / one.mistakes for one in (original, new)]
        variance = parts[0] + parts[1]
        spread = sum(part**2 / (one.mistakes - 1) for part, one in zip(parts, (original, new), strict=True))
        freedom = np.where(variance > 0, variance**2 / spread, np.inf)
        margin = np.where(np.isnan(variance), np.nan, stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(variance))
    return DistanceChange(difference, Interval(difference - margin, difference + margin))
