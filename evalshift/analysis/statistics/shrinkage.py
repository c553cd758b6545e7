"""Accuracies on many classes or groups, shrunk towards their mean, so that the lowest is not mostly sampling error."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from evalshift.analysis.statistics.intervals import Interval, check_level, clopper_pearson

# Shares of the variance between images: with less between groups, their accuracies count as equal; with more, nothing
# is shrunk.
_LEAST, _MOST = 1e-9, 1 - 1e-9


@dataclass(frozen=True, eq=False)
class ShrunkAccuracies:
    """Accuracies of m models on g groups under a beta-binomial model of each model; NaN for groups without images.

    estimate   posterior mean of the group's accuracy, with its equal-tailed `interval` at the level
    spread     standard deviation of the true accuracies between groups, 0 if they differ by no more than sampling error
    worst      each model's group of lowest estimate, the first if tied; −1 if no group has images
    """

    estimate: Float[np.ndarray, "m g"]
    interval: Interval[np.ndarray]
    spread: Float[np.ndarray, " m"]
    worst: Int[np.ndarray, " m"]

    def of_worst(self, values: Float[np.ndarray, "m g"]) -> Float[np.ndarray, " m"]:
        """The values of each model's worst group, such as `estimate`; NaN if there is none."""
        return np.where(self.worst < 0, np.nan, values[np.arange(len(values)), self.worst])


def shrunk_accuracies(
    correct: Int[np.ndarray, "m g"], total: Int[np.ndarray, " g"], level: float = 0.95
) -> ShrunkAccuracies:
    """Shrink the accuracies of each model on the groups towards their mean, as far as sampling error explains them.

    Takes counts, and the number of images of each group. A model's true accuracies on the groups are modelled as draws
    from Beta(a, b), where a/(a + b) is the accuracy on all images and 1/(a + b + 1) the intraclass correlation of
    correctness from the analysis of variance, at least 0. The posterior of a group is Beta(a + k, b + n − k). The
    intervals take a and b as known. If groups differ by no more than sampling error, all estimates are the mean, with
    Clopper and Pearson's interval for all images; with fewer than two groups that have images, the results are NaN.
    Raises ValueError for a level outside (0, 1).
    Source: Efron and Morris 1975, Journal of the American Statistical Association 70, 311-319; Ridout, Demétrio and
    Firth 1999, Biometrics 55(1), 137-148 (the analysis-of-variance estimator for binary data).

    >>> found = shrunk_accuracies(np.array([[18, 12, 19, 3]]), np.array([20, 20, 20, 4]))
    >>> found.estimate.round(2), found.worst
    (array([[0.88, 0.65, 0.92, 0.79]]), array([1]))
    """
    check_level(level)
    there = total > 0
    models, groups = correct.shape
    estimate, low, high = (np.full((models, groups), np.nan) for _ in range(3))
    spread, worst = np.full(models, np.nan), np.full(models, -1)
    if there.sum() > 1:
        kept = correct[:, there]
        mean = kept.sum(axis=1, keepdims=True) / total.sum()
        related = _intraclass_correlation(kept, total[there])[:, np.newaxis]
        weight = (1 - related) / related
        first, second = weight * mean + kept, weight * (1 - mean) + total[there] - kept
        estimate[:, there] = first / (first + second)
        # If groups do not differ, or all or none are correct, the posterior is a point at the mean.
        alike = (related <= _LEAST) | (mean == 0) | (mean == 1)
        of_mean = clopper_pearson(kept.sum(axis=1), np.full(models, total.sum()), level)
        for bound, share, pooled in (
            (low, (1 - level) / 2, of_mean.low),
            (high, (1 + level) / 2, of_mean.high),
        ):
            with np.errstate(invalid="ignore"):
                own = stats.beta.ppf(share, first, second)
            bound[:, there] = np.where(alike, pooled[:, np.newaxis], own)
        spread = np.where(related <= _LEAST, 0, np.sqrt(related * mean * (1 - mean))).ravel()
        worst = np.flatnonzero(there)[np.argmin(np.round(estimate[:, there], 12), axis=1)]
    return ShrunkAccuracies(estimate, Interval(low, high), spread, worst)


def _intraclass_correlation(correct: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Intraclass correlation of correctness of each model, by the analysis of variance; from `_LEAST` to `_MOST`."""
    images, groups = int(total.sum()), len(total)
    accuracy = correct / total
    mean = correct.sum(axis=1, keepdims=True) / images
    between = np.sum(total * (accuracy - mean) ** 2, axis=1) / (groups - 1)
    within = np.sum(total * accuracy * (1 - accuracy), axis=1) / max(1, images - groups)
    size = (images - np.sum(total**2) / images) / (groups - 1)
    whole = between + (size - 1) * within
    found = np.zeros(len(correct))
    np.divide(between - within, whole, out=found, where=whole > 0)
    return np.clip(found, _LEAST, _MOST)
