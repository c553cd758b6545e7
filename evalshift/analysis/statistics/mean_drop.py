"""The mean drop over models, and the margin of sampling error around all of their drops."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from scipy import stats

from evalshift.analysis.statistics.accuracy_noise import accuracy_noise, usual_draws
from evalshift.analysis.statistics.clustered import cluster_mean
from evalshift.analysis.statistics.drops import drops
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.shapes import Counts


@dataclass(frozen=True)
class MeanDrop:
    """Mean over models of original minus new accuracy, a fraction, with its interval at `level`.

    conservative   whether the interval is the mean of the models' intervals, an upper bound used for counts alone
    """

    drop: float
    interval: Interval[float]
    level: float
    models: int
    conservative: bool

    @property
    def direction(self) -> int:
        """1 for a drop, −1 for a rise, 0 if the interval contains 0 (no significant change)."""
        return 1 if self.interval.low > 0 else -1 if self.interval.high < 0 else 0


def mean_drop(
    original: Bool[np.ndarray, "model image"], new: Bool[np.ndarray, "model new_image"], level: float = 0.95
) -> MeanDrop | None:
    """The mean drop of models on the same images, with Welch's interval over the images of both sets.

    Takes which images each model classifies correctly, one row per model. The value of an image is the share of models
    that classify it correctly: the variance of these shares over the images of a set, divided by their number,
    is that of the mean accuracy, however correlated the models are. The models are held fixed. None if a set
    has a single image, or the same share on all its images.
    Raises ValueError for a level outside (0, 1).
    Source: Welch 1947, Biometrika 34(1-2), 28-35.

    >>> found = mean_drop(np.array([[True] * 9 + [False]]), np.array([[True] * 7 + [False] * 3]))
    >>> round(found.drop, 2), round(found.interval.low, 2), round(found.interval.high, 2)
    (0.2, -0.19, 0.59)
    """
    check_level(level)
    shares = original.mean(axis=0), new.mean(axis=0)
    if any(len(share) < 2 or np.ptp(share) == 0 for share in shares):
        return None
    around = stats.ttest_ind(*shares, equal_var=False).confidence_interval(level)
    drop = float(shares[0].mean() - shares[1].mean())
    return MeanDrop(drop, Interval(float(around.low), float(around.high)), level, len(original), conservative=False)


def mean_drop_of_clusters(
    original: Bool[np.ndarray, "model image"],
    new: Bool[np.ndarray, "model new_image"],
    clusters: tuple[Int[np.ndarray, " image"], Int[np.ndarray, " new_image"]],
    level: float = 0.95,
) -> MeanDrop | None:
    """The mean drop if images come in clusters that are sampled as a whole, such as the frames of a video.

    Takes each image's cluster on each set, numbered from 0; −1 for an image in no cluster. The variance of each set's
    mean share is cluster-robust (CR2) with Bell and McCaffrey's degrees of freedom; those of the difference are
    Satterthwaite's. None if a set has a single cluster or no variance between clusters.
    Raises ValueError for a level outside (0, 1).
    Source: see `clustered.clustered_accuracies`; Satterthwaite 1946, Biometrics Bulletin 2(6), 110-114.
    """
    check_level(level)
    sides = [cluster_mean(one.mean(axis=0), cluster) for one, cluster in zip((original, new), clusters, strict=True)]
    if any(not side.error > 0 for side in sides):
        return None
    variances = np.array([side.error**2 for side in sides])
    df = variances.sum() ** 2 / np.sum(variances**2 / [side.df for side in sides])
    drop = sides[0].mean - sides[1].mean
    reach = float(stats.t.isf((1 - level) / 2, df) * np.sqrt(variances.sum()))
    return MeanDrop(drop, Interval(drop - reach, drop + reach), level, len(original), conservative=False)


def mean_drop_of_counts(
    original_correct: Counts, original_total: Counts, new_correct: Counts, new_total: Counts, level: float = 0.95
) -> MeanDrop:
    """The mean drop from counts of m models, with the mean of the models' own bounds as its interval.

    The correlation of the models' errors is unknown. The error of the mean is at most the mean of the models' errors,
    with equality for perfectly correlated errors. For one model, it is that model's interval; NaN for none.
    Raises ValueError for impossible counts or level.
    """
    if len(original_correct) == 0:
        return MeanDrop(np.nan, Interval(np.nan, np.nan), level, 0, conservative=False)
    found = drops(original_correct, original_total, new_correct, new_total, level)
    around = Interval(float(found.interval.low.mean()), float(found.interval.high.mean()))
    return MeanDrop(float(found.drop.mean()), around, level, len(found.drop), conservative=len(found.drop) > 1)


def drop_margin(
    original: Bool[np.ndarray, "model image"],
    new: Bool[np.ndarray, "model new_image"],
    *,
    level: float = 0.95,
    draws: int | None = None,
    rng: np.random.Generator,
) -> float:
    """Margin within which all measured drops jointly lie around the true ones, with probability `level`; a fraction.

    Takes which images of each set each model classifies correctly. The sampling errors of both sets are drawn from a
    normal distribution with the models' covariance over the images they share; the margin is the quantile, at `level`,
    of the largest absolute error. By default there are 10,000 `draws`, or 2,000 for more than 200 models.
    Raises ValueError for a level outside (0, 1), and for no models or no images.
    """
    check_level(level)
    draws = usual_draws(len(original)) if draws is None else draws
    errors = accuracy_noise(original, draws, rng) - accuracy_noise(new, draws, rng)
    return float(np.quantile(np.abs(errors).max(axis=0), level))


def drop_margin_of_counts(
    original_correct: Counts, original_total: Counts, new_correct: Counts, new_total: Counts, level: float = 0.95
) -> float:
    """The margin from counts of m models: the farthest bound of their intervals at 1 − (1 − level)/m (Bonferroni).

    Raises ValueError for impossible counts or level.
    """
    check_level(level)
    joint = 1 - (1 - level) / max(1, len(original_correct))
    found = drops(original_correct, original_total, new_correct, new_total, joint)
    return float(np.max([found.drop - found.interval.low, found.interval.high - found.drop]))
