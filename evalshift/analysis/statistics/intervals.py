"""Confidence intervals from counts: of one accuracy, and of the difference between two."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float, Int

Bound = TypeVar("Bound", float, np.ndarray)


@dataclass(frozen=True)
class Interval(Generic[Bound]):
    """Two bounds, low <= high: floats, or arrays of one shape. NaN where the interval is undefined."""

    low: Bound
    high: Bound


def undefined_interval(values: Float[np.ndarray, "*cells"]) -> Interval[np.ndarray]:
    """An undefined interval for each value: both bounds are NaN."""
    return Interval(np.full_like(values, np.nan), np.full_like(values, np.nan))


def clopper_pearson(
    correct: Int[np.ndarray, " cell"], total: Int[np.ndarray, " cell"], level: float = 0.95
) -> Interval[np.ndarray]:
    """Exact (Clopper–Pearson) confidence interval of an accuracy; its coverage is at least `level`.

    Takes counts and a two-sided level in (0, 1). Gives fractions in [0, 1], shape (cell,); low is 0 where none are
    correct, high is 1 where all are.
    Raises ValueError naming the first cell with `total` below 1 or `correct` outside 0 to `total`.
    Source: Clopper and Pearson 1934, Biometrika 26(4), 404-413.

    >>> clopper_pearson(np.array([7]), np.array([50])).low.round(4)
    array([0.0582])
    """
    from statsmodels.stats.proportion import proportion_confint  # takes a second, and most imports do not need it

    check_level(level)
    check_counts(correct, total)
    # Among many cells, such as classes of models, most counts repeat, and quantiles of the beta distribution are slow.
    base = int(total.max(initial=0)) + 1
    counts, place = np.unique(correct.astype(np.int64) * base + total, return_inverse=True)
    low, high = proportion_confint(counts // base, counts % base, alpha=1 - level, method="beta")
    return Interval(np.asarray(low)[place].reshape(correct.shape), np.asarray(high)[place].reshape(correct.shape))


def difference_interval(
    correct_1: Int[np.ndarray, " cell"],
    total_1: Int[np.ndarray, " cell"],
    correct_2: Int[np.ndarray, " cell"],
    total_2: Int[np.ndarray, " cell"],
    level: float = 0.95,
) -> Interval[np.ndarray]:
    """Newcombe's hybrid score interval of p1 − p2, two accuracies measured on different images.

    Its coverage is about `level`.

    Takes counts of two independent samples and a two-sided level in (0, 1). Gives fractions in [−1, 1], shape (cell,).
    Raises ValueError as `clopper_pearson` does, and where the two samples have different numbers of cells.
    Source: Newcombe 1998, Statistics in Medicine 17, 873-890, method 10 (Wilson limits, no continuity correction).

    >>> interval = difference_interval(np.array([56]), np.array([70]), np.array([48]), np.array([80]))
    >>> interval.low.round(4), interval.high.round(4)
    (array([0.0524]), array([0.3339]))
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    check_level(level)
    check_counts(correct_1, total_1, where="first sample, cell")
    check_counts(correct_2, total_2, where="second sample, cell")
    if correct_1.shape != correct_2.shape:
        raise ValueError(f"found shapes {correct_1.shape} and {correct_2.shape}; expected one shape for both samples")
    low, high = confint_proportions_2indep(
        correct_1, total_1, correct_2, total_2, method="newcomb", compare="diff", alpha=1 - level
    )
    return Interval(low, high)


def square_and_add(
    first: Float[np.ndarray, "*shape"],
    first_interval: Interval[np.ndarray],
    second: Float[np.ndarray, "*shape"],
    second_interval: Interval[np.ndarray],
) -> Interval[np.ndarray]:
    """Interval of first − second for independent estimates with intervals of one level, which need not be symmetric.

    Source: Zou and Donner 2008, Statistics in Medicine 27, 1693-1702 (square-and-add for any two independent limits).

    >>> first, second = Interval(np.array([0.0]), np.array([0.7])), Interval(np.array([0.0]), np.array([0.5]))
    >>> around = square_and_add(np.array([0.3]), first, np.array([0.1]), second)
    >>> around.low.round(4), around.high.round(4)
    (array([-0.3]), array([0.6123]))
    """
    low = np.hypot(first - first_interval.low, second_interval.high - second)
    high = np.hypot(first_interval.high - first, second - second_interval.low)
    return Interval(first - second - low, first - second + high)


def check_level(level: float) -> None:
    """Raise ValueError unless `level` is a two-sided confidence level in (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}; expected a fraction between 0 and 1, such as 0.95")


def check_counts(correct: np.ndarray, total: np.ndarray, where: str = "cell") -> None:
    """Raise ValueError naming the first cell that cannot be `correct` predictions out of `total` images."""
    if correct.shape != total.shape:
        raise ValueError(f"{where}s: found {correct.shape} correct for {total.shape} totals; expected one shape")
    wrong = (total < 1) | (correct < 0) | (correct > total)
    if wrong.any():
        cell = int(np.argmax(wrong))
        raise ValueError(
            f"{where} {cell}: found {correct[cell]} correct of {total[cell]}; "
            "expected a total of at least 1 and 0 <= correct <= total"
        )
