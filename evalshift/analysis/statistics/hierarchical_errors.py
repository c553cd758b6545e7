"""Mistakes within the superclass: how often an incorrect prediction is still in the correct superclass."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from evalshift.analysis.statistics.intervals import Interval, check_level, clopper_pearson, difference_interval


@dataclass(frozen=True, eq=False)
class HierarchicalErrors:
    """Mistakes of m models on one test set, and those within the superclass.

    mistakes   incorrect predictions on images whose class is in a superclass, counts
    within     those that fall in the true class's superclass, counts
    share      within divided by mistakes, fractions; NaN for a model without mistakes
    interval   of the share: Clopper–Pearson; NaN for a model without mistakes
    expected   the share if each mistake fell on any other class with the same probability; NaN without mistakes
    """

    mistakes: Int[np.ndarray, " m"]
    within: Int[np.ndarray, " m"]
    share: Float[np.ndarray, " m"]
    interval: Interval[np.ndarray]
    expected: Float[np.ndarray, " m"]


def hierarchical_errors(
    predicted: Int[np.ndarray, "m n"],
    truth: Int[np.ndarray, "n ..."],
    superclass: Int[np.ndarray, " c"],
    level: float = 0.95,
    *,
    classes: int | None = None,
) -> HierarchicalErrors:
    """Count the mistakes of each model, and those within the superclass of the image's class.

    predicted    class numbers, shape (m, n); −1 is no prediction, which is not counted as a mistake here
    truth        labels, shape (n,), or all correct labels of each image, shape (n, k): a prediction is correct if it is
                 one of them, and within the superclass if it is in that of one of them
    superclass   of each class, shape (c,); −1 for a class that is in none or is never predicted
    classes      number of classes that can be predicted, at least 2; None for all c

    Images whose classes are in no superclass are left out. A predicted class in no superclass is a mistake outside the
    superclass.
    Raises ValueError for a level outside (0, 1) and fewer than two classes.
    Source: Bertinetto et al. 2020, Making better mistakes (arXiv 1912.09393), weighs mistakes by a class hierarchy;
    here it has one level. The interval is that of `intervals.clopper_pearson`.

    >>> found = hierarchical_errors(np.array([[1, 2, 2, 3]]), np.array([0, 0, 2, 2]), np.array([0, 0, 1, 1]))
    >>> found.mistakes, found.within, found.share.round(2), found.expected.round(2)
    (array([3]), array([2]), array([0.67]), array([0.33]))
    """
    check_level(level)
    classes = len(superclass) if classes is None else classes
    if classes < 2:
        raise ValueError(f"classes: found {classes}; expected at least 2")
    truth = truth.reshape(len(truth), -1)
    own = superclass[truth]
    inside = (own >= 0).any(axis=1)
    truth, own, predicted = truth[inside], own[inside], predicted[:, inside].astype(np.int64)
    given = np.where(predicted >= 0, superclass[predicted], -1)
    mistake, within = predicted >= 0, np.zeros(predicted.shape, dtype=bool)
    for label, group in zip(truth.T, own.T, strict=True):
        mistake &= predicted != label
        within |= (given == group) & (group >= 0)
    mistakes = mistake.sum(axis=1)
    others = _share_of_others(truth, own, superclass, classes)
    return _shares(mistakes, (mistake & within).sum(axis=1), mistake @ others, level)


def _share_of_others(truth: np.ndarray, own: np.ndarray, superclass: np.ndarray, classes: int) -> np.ndarray:
    """Share of the incorrect classes of each image that are in the superclass of a correct class; shape (n,)."""
    patterns, place = np.unique(truth, axis=0, return_inverse=True)
    shares = np.zeros(len(patterns))
    for row, labels in enumerate(patterns):
        correct = np.unique(labels)
        groups = superclass[correct]
        alike = np.isin(superclass, groups[groups >= 0])
        alike[correct] = False
        shares[row] = alike.sum() / max(1, classes - len(correct))
    return shares[place.reshape(-1)]


def _shares(mistakes: np.ndarray, within: np.ndarray, expected: np.ndarray, level: float) -> HierarchicalErrors:
    some = mistakes > 0
    share, chance, low, high = (np.full(len(mistakes), np.nan) for _ in range(4))
    share[some], chance[some] = within[some] / mistakes[some], expected[some] / mistakes[some]
    if some.any():
        interval = clopper_pearson(within[some], mistakes[some], level)
        low[some], high[some] = interval.low, interval.high
    return HierarchicalErrors(mistakes, within, share, Interval(low, high), chance)


@dataclass(frozen=True, eq=False)
class ShareChange:
    """New minus original share of mistakes within the superclass, fractions in [−1, 1], and its interval.

    NaN for a model without mistakes on one of the sets.
    """

    difference: Float[np.ndarray, " m"]
    interval: Interval[np.ndarray]


def share_change(original: HierarchicalErrors, new: HierarchicalErrors, level: float = 0.95) -> ShareChange:
    """Change of each model's share of mistakes within the superclass from the original to the new test set.

    Takes the mistakes of the same models on two sets of different images, and a two-sided level in (0, 1). The interval
    is that of two independent proportions, conditional on the numbers of mistakes.
    Raises ValueError for a level outside (0, 1).
    Source: `intervals.difference_interval` (Newcombe 1998, method 10).

    >>> before = hierarchical_errors(np.array([[1, 2]]), np.array([0, 0]), np.array([0, 0, 1, 1]))
    >>> after = hierarchical_errors(np.array([[1, 1]]), np.array([0, 0]), np.array([0, 0, 1, 1]))
    >>> share_change(before, after).difference
    array([0.5])
    """
    check_level(level)
    low, high = (np.full(len(new.mistakes), np.nan) for _ in range(2))
    both = (original.mistakes > 0) & (new.mistakes > 0)
    if both.any():
        counts = new.within[both], new.mistakes[both], original.within[both], original.mistakes[both]
        interval = difference_interval(*counts, level)
        low[both], high[both] = interval.low, interval.high
    return ShareChange(new.share - original.share, Interval(low, high))
