"""The drop from the original to the new test set, model by model."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from evalshift.analysis.statistics.intervals import Interval, difference_interval


@dataclass(frozen=True)
class Drops:
    """Original minus new accuracy of each model (fractions, above 0 for a drop) and its interval."""

    drop: Float[np.ndarray, " model"]
    interval: Interval[np.ndarray]


def drops(
    original_correct: Int[np.ndarray, " model"],
    original_total: Int[np.ndarray, " model"],
    new_correct: Int[np.ndarray, " model"],
    new_total: Int[np.ndarray, " model"],
    level: float = 0.95,
) -> Drops:
    """How far each model's accuracy falls from the original to the new test set, with Newcombe's interval.

    Takes counts over models and a two-sided level in (0, 1). Gives fractions in [−1, 1], shape (model,).
    The two sets contain different images, so they are independent samples. The models share images, so the drops of two
    models are correlated.
    Raises ValueError naming the set and the first cell with impossible counts.
    Source: Recht et al. 2019, section 2 (the gap); interval as in `intervals.difference_interval`.

    >>> fall = drops(np.array([9173]), np.array([10000]), np.array([1660]), np.array([2000]))
    >>> fall.drop.round(4), fall.interval.low.round(4), fall.interval.high.round(4)
    (array([0.0873]), array([0.0705]), array([0.1052]))
    """
    interval = difference_interval(original_correct, original_total, new_correct, new_total, level)
    return Drops(original_correct / original_total - new_correct / new_total, interval)
