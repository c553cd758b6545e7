"""Accuracy per class: on each set, its change from one to the other, and the order of the classes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import special, stats

from evalshift.analysis.statistics.intervals import Interval, check_level, clopper_pearson, difference_interval
from evalshift.shapes import Correct

_CELLS_IN_A_CHUNK = 1_000_000
# As in R's fisher.test: tolerance relative to the probability of the observed table.
_EQUALLY_LIKELY = 1e-7


@dataclass(frozen=True, eq=False)
class ClassAccuracies:
    """Accuracy of m models on each of c classes of one set, as fractions; NaN for a class without images.

    correct    correct predictions, shape (m, c)
    total      number of images, the same for all models, shape (c,)
    accuracy   with its Clopper–Pearson interval, shape (m, c)
    rank       1 for the model's most accurate class; ties share the better rank; classes without images last
    order      classes from highest to lowest accuracy, ties by class number, classes without images last
    """

    correct: Int[np.ndarray, "m c"]
    total: Int[np.ndarray, " c"]
    accuracy: Float[np.ndarray, "m c"]
    interval: Interval[np.ndarray]
    rank: Int[np.ndarray, "m c"]
    order: Int[np.ndarray, "m c"]


@dataclass(frozen=True, eq=False)
class ClassDrops:
    """Original minus new accuracy of m models on each of c classes, fractions; NaN where either set has no images.

    interval            of the drop, Newcombe's
    p_value             two-sided, for the null hypothesis that the class's accuracy is unchanged: Fisher's exact test
    p_holm, p_bh        adjusted over the classes of each model, by Holm and by Benjamini and Hochberg
    rank_correlation    Kendall's τ-b between the classes' accuracies on the two sets, for each model, shape (m,): 1 if
                        both sets order the classes identically; NaN for fewer than two classes, or if all are equally
                        accurate
    """

    drop: Float[np.ndarray, "m c"]
    interval: Interval[np.ndarray]
    p_value: Float[np.ndarray, "m c"]
    p_holm: Float[np.ndarray, "m c"]
    p_bh: Float[np.ndarray, "m c"]
    rank_correlation: Float[np.ndarray, " m"]


def class_accuracies(
    correct: Correct, labels: Int[np.ndarray, "..."], classes: int, level: float = 0.95
) -> ClassAccuracies:
    """Accuracy of each model on each class, with exact intervals, and the order of the classes.

    Takes which images each of m models classifies correctly, the images' labels (0 to `classes` − 1) and a two-sided
    level. The intervals are for single classes, not simultaneous. With several labels per image, of shape (n, c), an
    image counts in each of its classes, as correct in all of them or in none.
    Raises ValueError for a label or level out of range, and where labels and predictions differ in number.
    Source: Chrabaszcz, Loshchilov and Hutter 2017, arXiv 1707.08819, figure 6 (classes in order of accuracy).

    >>> one = class_accuracies(np.array([[True, False, True, True]]), np.array([0, 0, 1, 1]), classes=3)
    >>> one.accuracy, one.order
    (array([[0.5, 1. , nan]]), array([[1, 0, 2]]))
    """
    check_level(level)
    if correct.shape[1] != len(labels):
        raise ValueError(
            f"found predictions for {correct.shape[1]} images and {len(labels)} labels; expected one label each"
        )
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        first = int(np.argmax(outside.reshape(len(labels), -1).any(axis=1)))
        raise ValueError(f"labels[{first}]: found {labels[first]}; expected 0 to {classes - 1}")
    image, of_class = memberships(labels, classes)
    total = np.bincount(of_class, minlength=classes)
    counts = np.zeros((len(correct), classes), dtype=np.int64)
    for model, right in enumerate(correct):
        counts[model] = np.bincount(of_class[right[image]], minlength=classes)
    some = np.broadcast_to(total > 0, counts.shape)
    totals = np.broadcast_to(total, counts.shape)
    accuracy, low, high = (np.full(counts.shape, np.nan) for _ in range(3))
    accuracy[some] = counts[some] / totals[some]
    interval = clopper_pearson(counts[some], totals[some], level)
    low[some], high[some] = interval.low, interval.high
    sinking = -np.where(some, accuracy, -1)
    return ClassAccuracies(
        correct=counts,
        total=total,
        accuracy=accuracy,
        interval=Interval(low, high),
        rank=stats.rankdata(sinking, method="min", axis=1).astype(np.int64),
        order=np.argsort(sinking, axis=1, kind="stable"),
    )


def memberships(labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Each image with each of its classes once: positions of images and classes, of equal length."""
    if labels.ndim == 1:
        return np.arange(len(labels)), labels
    pairs = np.unique(np.arange(len(labels))[:, None] * classes + labels)
    return pairs // classes, pairs % classes


def class_drops(original: ClassAccuracies, new: ClassAccuracies, level: float = 0.95) -> ClassDrops:
    """Drop of each model on each class, with confidence intervals and p-values adjusted over the classes.

    Takes the accuracies of the same models and classes on both sets. The sets contain different images, so they are
    independent samples.
    Raises ValueError for a level out of range, and where the sets differ in models or classes.
    Source: Recht et al. 2019, section 2 (the drop); Fisher 1935, Journal of the Royal Statistical Society 98(1), 39-82.
    """
    check_level(level)
    if original.correct.shape != new.correct.shape:
        raise ValueError(
            f"found {original.correct.shape} and {new.correct.shape} models and classes; expected the same on both sets"
        )
    some = (original.total > 0) & (new.total > 0)
    shape = (len(original.correct), int(some.sum()))
    cells = tuple(
        np.broadcast_to(counts[..., some], shape).ravel()
        for counts in (original.correct, original.total, new.correct, new.total)
    )
    interval = difference_interval(cells[0], cells[1], cells[2], cells[3], level)
    p_value = _fisher(cells[0], cells[1], cells[2], cells[3]).reshape(shape)
    return ClassDrops(
        drop=original.accuracy - new.accuracy,
        interval=Interval(
            _spread_out(interval.low.reshape(shape), some), _spread_out(interval.high.reshape(shape), some)
        ),
        p_value=_spread_out(p_value, some),
        p_holm=_spread_out(_holm_rows(p_value), some),
        p_bh=_spread_out(stats.false_discovery_control(p_value, axis=1) if p_value.size else p_value, some),
        rank_correlation=np.array(
            [_kendall(a, b) for a, b in zip(original.accuracy[:, some], new.accuracy[:, some], strict=True)], np.float64
        ),
    )


def _spread_out(values: np.ndarray, some: np.ndarray) -> np.ndarray:
    """The columns of `values` at the positions marked by `some`, NaN elsewhere."""
    whole = np.full((len(values), len(some)), np.nan)
    whole[:, some] = values
    return whole


def _fisher(correct_1: np.ndarray, total_1: np.ndarray, correct_2: np.ndarray, total_2: np.ndarray) -> np.ndarray:
    """Two-sided p-values: the probability of all 2 × 2 tables that are no more likely than the observed one.

    scipy computes one table at a time, half a minute for 67 models and 1,000 classes of unequal size.
    """
    # Many models and classes share the same few counts: each distinct table is computed once.
    tables, place = np.unique(np.stack([correct_1, total_1, correct_2, total_2]), axis=1, return_inverse=True)
    least, most = np.maximum(0, tables[0] + tables[2] - tables[3]), np.minimum(tables[0] + tables[2], tables[1])
    order = np.argsort(most - least, kind="stable")
    p_values = np.empty(tables.shape[1])
    start = 0
    while start < len(order):
        # Tables of similar width are processed together, so that little of the padded array is wasted.
        size = max(1, _CELLS_IN_A_CHUNK // int((most - least)[order[start:]].max() + 1))
        part = order[start : start + size]
        p_values[part] = _tails(tables[:, part], least[part], most[part])
        start += size
    return p_values[place.ravel()]


def _tails(tables: np.ndarray, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    correct_1, total_1, correct_2, total_2 = (count[:, np.newaxis].astype(np.float64) for count in tables)
    right = correct_1 + correct_2
    first = least[:, np.newaxis] + np.arange(int((most - least).max(initial=0)) + 1)
    inside = first <= most[:, np.newaxis]
    first = np.where(inside, first, least[:, np.newaxis])
    likely = _log_choose(total_1, first) + _log_choose(total_2, right - first) - _log_choose(total_1 + total_2, right)
    observed = _log_choose(total_1, correct_1) + _log_choose(total_2, correct_2)
    observed -= _log_choose(total_1 + total_2, right)
    # Equally likely tables differ by rounding.
    counted = inside & (likely <= observed + _EQUALLY_LIKELY)
    return np.minimum(1.0, np.sum(np.exp(likely), axis=1, where=counted))


def _log_choose(total: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return special.gammaln(total + 1) - special.gammaln(chosen + 1) - special.gammaln(total - chosen + 1)


def _holm_rows(p_values: np.ndarray) -> np.ndarray:
    """Holm's adjustment of all rows at once; row by row, `multiplicity.adjust` takes a second for ten models."""
    order = np.argsort(p_values, axis=1)
    left = p_values.shape[1] - np.arange(p_values.shape[1])
    rising = np.maximum.accumulate(np.take_along_axis(p_values, order, axis=1) * left, axis=1)
    adjusted = np.empty_like(p_values)
    np.put_along_axis(adjusted, order, np.minimum(rising, 1), axis=1)
    return adjusted


def _kendall(first: np.ndarray, second: np.ndarray) -> float:
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return stats.kendalltau(first, second).statistic  # type: ignore[attr-defined]
