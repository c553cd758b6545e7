"""Accuracies where images come in clusters, such as frames of a video or pictures of one photographer."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from evalshift.analysis.statistics.cluster_robust import cluster_robust
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.errors import AnalysisError
from evalshift.shapes import Correct

# With fewer clusters, the variance between them cannot be estimated reliably.
FEWEST_CLUSTERS = 10


@dataclass(frozen=True, eq=False)
class ClusteredAccuracies:
    """Accuracies of m models on images in clusters, fractions; see `clustered_accuracies`.

    error           standard error over clusters, shape (m,)
    design_effect   error² divided by p(1 − p)/n, the variance for independent images; NaN if all or none are correct
                    interval        Korn and Graubard's confidence interval
    df              degrees of freedom of the variance
    clusters        number of clusters; `images`: of images in them
    """

    accuracy: Float[np.ndarray, " m"]
    error: Float[np.ndarray, " m"]
    design_effect: Float[np.ndarray, " m"]
    interval: Interval[np.ndarray]
    df: float
    clusters: int
    images: int


def clustered_accuracies(
    correct: Correct, cluster: Int[np.ndarray, " image"], level: float = 0.95
) -> ClusteredAccuracies:
    """Accuracy of each model, with a sampling error for clusters that are sampled as a whole.

    Takes which of n images each of m models classifies correctly, and each image's cluster, numbered from 0; −1 for an
    image that is in no cluster and counts as one of its own. Standard errors are cluster-robust (CR2). The interval is
    Clopper and Pearson's for the effective number of images, p(1 − p)/error², reduced for the degrees of freedom; if
    all or none are correct, for the number of clusters.
    Raises ValueError for a level outside (0, 1), and AnalysisError for fewer than ten clusters.
    Source: Korn and Graubard 1998, Survey Methodology 24(2), 193-201; standard errors as `cluster_robust`.

    >>> correct = np.repeat(np.array([[True] * 12 + [False] * 8]), 5, axis=1)
    >>> found = clustered_accuracies(correct, np.repeat(np.arange(20), 5))
    >>> found.accuracy, found.design_effect.round(1), found.interval.low.round(2), found.interval.high.round(2)
    (array([0.6]), array([5.3]), array([0.34]), array([0.82]))
    """
    check_level(level)
    member = _numbered(cluster)
    clusters, images = int(member.max(initial=-1)) + 1, len(member)
    if clusters < FEWEST_CLUSTERS:
        raise AnalysisError(
            f"standard errors over clusters need at least {FEWEST_CLUSTERS} clusters", found=f"{clusters} clusters"
        )
    accuracy = correct.mean(axis=1)
    sizes = np.bincount(member, minlength=clusters)
    sums = np.stack([np.bincount(member, one, clusters) for one in correct])
    apart = (sums - accuracy[:, np.newaxis] * sizes) / np.sqrt(1 - sizes / images)
    error = np.sqrt(np.sum(apart**2, axis=1)) / images
    df = _degrees_of_freedom(member)
    binomial = accuracy * (1 - accuracy) / images
    design_effect = np.full(len(correct), np.nan)
    np.divide(error**2, binomial, out=design_effect, where=binomial > 0)
    effective = np.full(len(correct), float(clusters))
    np.divide(accuracy * (1 - accuracy), error**2, out=effective, where=error > 0)
    cost = (stats.t.ppf((1 + level) / 2, images - 1) / stats.t.ppf((1 + level) / 2, df)) ** 2
    return ClusteredAccuracies(
        accuracy,
        error,
        design_effect,
        _clopper_pearson(accuracy, np.minimum(effective * cost, images), level),
        df,
        clusters,
        images,
    )


@dataclass(frozen=True)
class ClusterMean:
    """A mean over images in clusters, its standard error (NaN for a single cluster) and its degrees of freedom."""

    mean: float
    error: float
    df: float


def cluster_mean(values: Float[np.ndarray, " image"], cluster: Int[np.ndarray, " image"]) -> ClusterMean:
    """Mean of one value per image, with a standard error for clusters that are sampled as a whole (CR2).

    `cluster` as in `clustered_accuracies`.

    >>> found = cluster_mean(np.repeat([0.0, 1.0, 1.0, 0.0], 5), np.repeat(np.arange(4), 5))
    >>> found.mean, round(found.error, 3), round(found.df, 3)
    (0.5, 0.289, 3.0)
    """
    member = _numbered(cluster)
    sizes = np.bincount(member)
    mean = float(values.mean())
    if len(sizes) < 2:
        return ClusterMean(mean, np.nan, np.nan)
    apart = (np.bincount(member, values) - mean * sizes) / np.sqrt(1 - sizes / len(member))
    return ClusterMean(mean, float(np.sqrt(np.sum(apart**2)) / len(member)), _degrees_of_freedom(member))


def clustered_drop(original: ClusteredAccuracies, new: ClusteredAccuracies) -> Interval[np.ndarray]:
    """Interval of original minus new accuracy from the intervals on both sets, of independent images, shape (m,).

    Source: Newcombe 1998, Statistics in Medicine 17, 873-890; Zou and Donner 2008, Statistics in Medicine 27,
    1693-1702 (any two intervals).
    """
    drop = original.accuracy - new.accuracy
    below = np.hypot(original.accuracy - original.interval.low, new.interval.high - new.accuracy)
    above = np.hypot(original.interval.high - original.accuracy, new.accuracy - new.interval.low)
    return Interval(drop - below, drop + above)


def _numbered(cluster: np.ndarray) -> np.ndarray:
    """Clusters numbered without gaps; an image in no cluster becomes a cluster of its own."""
    alone = cluster < 0
    own = cluster.max(initial=-1) + 1 + np.cumsum(alone) - 1
    return np.unique(np.where(alone, own, cluster), return_inverse=True)[1].ravel()


def _degrees_of_freedom(member: np.ndarray) -> float:
    """Bell and McCaffrey's degrees of freedom of a mean, which depend only on the sizes of the clusters."""
    nothing = np.zeros(len(member))
    return float(cluster_robust(nothing, nothing, member, degree=0).variance(np.ones((1, 1)))[1][0])


def _clopper_pearson(accuracy: np.ndarray, images: np.ndarray, level: float) -> Interval[np.ndarray]:
    """Clopper–Pearson interval for numbers of images that need not be integers."""
    right, wrong = accuracy * images, (1 - accuracy) * images
    with np.errstate(invalid="ignore"):
        low = np.where(right > 0, stats.beta.ppf((1 - level) / 2, right, wrong + 1), 0.0)
        high = np.where(wrong > 0, stats.beta.ppf((1 + level) / 2, right + 1, wrong), 1.0)
    return Interval(low, high)
