"""Drops between two sets that share images, so that their sampling errors are correlated."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import special, stats

from evalshift.analysis.statistics.accuracy_noise import usual_draws
from evalshift.analysis.statistics.image_sets import ImageSets, model_covariance
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.mean_drop import MeanDrop
from evalshift.analysis.statistics.paired import DropDifferences, check_same_models, paired_difference_interval


@dataclass(frozen=True, eq=False)
class SharedImageDrops:
    """Drops of m models between two sets with images in common, fractions.

    covariance  of the drops over samples of images, where a shared image is sampled once for both sets; shape (m, m)
    interval    of each drop
    images      number of distinct images in the two sets, `shared` of them in both
    """

    drop: Float[np.ndarray, " m"]
    covariance: Float[np.ndarray, "m m"]
    interval: Interval[np.ndarray]
    images: int
    shared: int
    level: float

    @property
    def mean(self) -> MeanDrop:
        """The mean over models, with Student's t interval."""
        weights = np.full(len(self.drop), 1 / len(self.drop))
        drop = float(self.drop.mean())
        reach = float(self._quantile * np.sqrt(max(0.0, float(weights @ self.covariance @ weights))))
        return MeanDrop(drop, Interval(drop - reach, drop + reach), self.level, len(self.drop), conservative=False)

    @cached_property
    def _quantile(self) -> float:
        return float(stats.t.isf((1 - self.level) / 2, max(1, self.images - 1)))

    def margin(self, *, draws: int | None = None, rng: np.random.Generator) -> float:
        """Margin within which all drops jointly lie around the true ones, with probability `level`."""
        nothing = np.zeros(len(self.drop))
        draws = usual_draws(len(self.drop)) if draws is None else draws
        errors = rng.multivariate_normal(nothing, self.covariance, size=draws, method="eigh")
        return float(np.quantile(np.abs(errors).max(axis=1), self.level))

    def differences(self) -> DropDifferences:
        """Differences between all pairs of drops; the p-value is that of the large-sample z test."""
        difference = self.drop[:, np.newaxis] - self.drop
        own = np.diag(self.covariance)
        variance = np.maximum(0, own[:, np.newaxis] + own - 2 * self.covariance)
        reach = self._quantile * np.sqrt(variance)
        z = np.full_like(difference, np.nan)
        np.divide(difference, np.sqrt(variance), out=z, where=variance > 0)
        np.fill_diagonal(z, np.nan)
        apart = np.where(np.eye(len(own), dtype=bool), np.nan, reach)
        interval = Interval(difference - apart, difference + apart)
        return DropDifferences(difference=difference, interval=interval, p_value=2 * special.ndtr(-np.abs(z)))


def shared_image_drops(
    original: Bool[np.ndarray, "m n"],
    new: Bool[np.ndarray, "m k"],
    images: tuple[Int[np.ndarray, " n"], Int[np.ndarray, " k"]],
    level: float = 0.95,
) -> SharedImageDrops:
    """The drops of m models between sets that share images, with intervals that allow for it.

    Takes which images of each set each model classifies correctly, and a number for each image of each set, equal for
    the same image: the identical picture or an altered one, such as a photograph and its corrupted copy. The variance
    of a drop is the sum over distinct images of the squared contribution of each, (correct − accuracy)/n on the
    original set minus the same on the new set. If every image is in both sets, the interval is Newcombe's for paired
    proportions; otherwise it is Student's t interval, or NaN if no image contributes.
    Raises ValueError for a level outside (0, 1), for different numbers of models, and if a set contains an image more
    than once.
    Source: B. Efron, The Jackknife, the Bootstrap and Other Resampling Plans, 1982, chapter 6 (the variance); R. G.
    Newcombe, Statistics in Medicine 17, 1998, 2635-2650 (paired proportions).

    >>> original, new = np.array([[True, True, True, False]]), np.array([[True, True, False, False]])
    >>> found = shared_image_drops(original, new, (np.arange(4), np.arange(4)))
    >>> found.drop, found.covariance, found.shared
    (array([0.25]), array([[0.046875]]), 4)
    """
    check_level(level)
    check_same_models(original, new)
    numbers = [np.unique(one) for one in images]
    if any(len(one) < len(given) for one, given in zip(numbers, images, strict=True)):
        raise ValueError("found an image twice in one set; expected each once")
    shared = len(np.intersect1d(*numbers, assume_unique=True))
    distinct = len(numbers[0]) + len(numbers[1]) - shared
    ones = np.ones(len(original))
    covariance = model_covariance(ImageSets((original, new), images), {0: ones, 1: -ones})
    drop = original.mean(axis=1) - new.mean(axis=1)
    if shared == distinct:
        ordered = new[:, np.argsort(images[1])], original[:, np.argsort(images[0])]
        both, fell, rose, neither = (
            np.count_nonzero(one, axis=1)
            for one in (
                ordered[0] & ordered[1],
                ordered[1] & ~ordered[0],
                ordered[0] & ~ordered[1],
                ~ordered[0] & ~ordered[1],
            )
        )
        interval = paired_difference_interval(both, fell, rose, neither, level)
    else:
        error = np.sqrt(np.diag(covariance))
        reach = np.where(error > 0, stats.t.isf((1 - level) / 2, max(1, distinct - 1)) * error, np.nan)
        interval = Interval(drop - reach, drop + reach)
    return SharedImageDrops(drop, covariance, interval, distinct, shared, level)
