"""Correlation over models between new accuracy on each class and original accuracy."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.multiplicity import adjust
from evalshift.analysis.statistics.scales import check_scale, fitted_accuracy, to_scale
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Counts

# Below four models Fisher's interval has no variance.
_FEWEST_MODELS = 4


@dataclass(frozen=True, eq=False)
class ClassCorrelations:
    """Pearson's correlation over m models of original and new accuracy on each of c classes; see `class_correlations`.

    correlation   of the new accuracy on the class with the original accuracy on all images; its `interval` is Fisher's;
                  NaN for a class without new images, or on which all models are equally accurate
    p_value       two-sided, for no correlation; `p_holm` and `p_bh` are adjusted over the classes
    own           correlation of the new with the original accuracy on the class itself
    slope         new accuracy on the class per unit of original accuracy on all images, least squares of fractions
    """

    scale: str
    correlation: Float[np.ndarray, " c"]
    interval: Interval[np.ndarray]
    p_value: Float[np.ndarray, " c"]
    p_holm: Float[np.ndarray, " c"]
    p_bh: Float[np.ndarray, " c"]
    own: Float[np.ndarray, " c"]
    slope: Float[np.ndarray, " c"]
    models: int


def class_correlations(
    original_correct: Counts,
    original_total: int,
    original_class_correct: Int[np.ndarray, "m c"],
    original_class_total: Int[np.ndarray, " c"],
    new_class_correct: Int[np.ndarray, "m c"],
    new_class_total: Int[np.ndarray, " c"],
    *,
    scale: str = "linear",
    level: float = 0.95,
) -> ClassCorrelations:
    """Correlate new accuracy on each class with original accuracy over at least four models, on a scale.

    Takes counts of correct predictions on all original images and per class on both sets, with the numbers of images.
    Accuracies of 0 and 1 are made finite as in `scales.fitted_accuracy`.
    Raises ValueError for a scale or level out of range and impossible counts, AnalysisError for fewer than four models
    and if all models have the same original accuracy.
    Source: Miller et al. 2021, ICML, arXiv 2107.04649 (correlations on the probit scale); Fisher 1921, Metron 1, 3-32
    (interval).

    >>> original, on_class = np.array([50, 60, 70, 80]), np.array([[9], [8], [6], [5]])
    >>> found = class_correlations(original, 100, on_class, np.array([10]), on_class, np.array([10]))
    >>> found.correlation.round(3), found.slope.round(3)
    (array([-0.99]), array([-1.4]))
    """
    check_scale(scale)
    check_level(level)
    models = len(new_class_correct)
    if models < _FEWEST_MODELS:
        raise AnalysisError(
            f"a correlation with an interval needs at least {_FEWEST_MODELS} models", found=counted(models, "model")
        )
    if np.ptp(original_correct) == 0:
        raise AnalysisError("all models have the same original accuracy", found=counted(models, "model"))
    overall = to_scale(fitted_accuracy(original_correct, np.full(models, original_total), scale), scale)
    original = _on_scale(original_class_correct, original_class_total, scale)
    new = _on_scale(new_class_correct, new_class_total, scale)
    correlation = _correlations(np.broadcast_to(overall[:, np.newaxis], new.shape), new)
    p_value = _p_values(correlation, models)
    fraction = original_correct / original_total
    apart = fraction - fraction.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = apart @ (new_class_correct / new_class_total) / float(apart @ apart)
    return ClassCorrelations(
        scale=scale,
        correlation=correlation,
        interval=_fisher(correlation, models, level),
        p_value=p_value,
        p_holm=adjust(p_value, "holm"),
        p_bh=adjust(p_value, "benjamini-hochberg"),
        own=_correlations(original, new),
        slope=np.where(new_class_total > 0, slope, np.nan),
        models=models,
    )


def _on_scale(correct: np.ndarray, total: np.ndarray, scale: str) -> np.ndarray:
    """Accuracies on classes on the scale, NaN for classes without images."""
    totals = np.broadcast_to(total, correct.shape)
    some = totals > 0
    found = np.full(correct.shape, np.nan)
    found[some] = to_scale(fitted_accuracy(correct[some], totals[some], scale), scale)
    return found


def _correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each column; NaN where either is constant (up to rounding)."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    spread = np.sqrt(np.sum(x**2, axis=0) * np.sum(y**2, axis=0))
    varies = (np.ptp(x, axis=0) > 1e-12) & (np.ptp(y, axis=0) > 1e-12)
    found = np.full(x.shape[1], np.nan)
    np.divide(np.sum(x * y, axis=0), spread, out=found, where=varies)
    return np.clip(found, -1, 1)


def _p_values(correlation: np.ndarray, models: int) -> np.ndarray:
    """Student's t test of a correlation, which is exact for normal accuracies."""
    with np.errstate(divide="ignore"):
        t = np.abs(correlation) * np.sqrt((models - 2) / (1 - correlation**2))
    return 2 * stats.t.sf(t, models - 2)


def _fisher(correlation: np.ndarray, models: int, level: float) -> Interval[np.ndarray]:
    reach = float(stats.norm.isf((1 - level) / 2)) / np.sqrt(models - 3)
    with np.errstate(divide="ignore"):
        middle = np.arctanh(correlation)
    return Interval(np.tanh(middle - reach), np.tanh(middle + reach))
