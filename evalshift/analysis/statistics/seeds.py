"""Variance between models trained with the same recipe and different seeds, and the test set's share of it."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Correct


@dataclass(frozen=True)
class SeedSpread:
    """Accuracy over the seeds of one recipe on one set, fractions; see `seed_spread`.

    mean               of the accuracies, and their standard deviation `sd` (n − 1)
    test_set           standard deviation of measured accuracies if all seeds had the same true accuracy
    distribution       standard deviation of the seeds' accuracies on the distribution of the images, with its interval
                       at the level; 0 if the seeds vary by no more than `test_set`
    seeds              number of seeds
    """

    mean: float
    sd: float
    test_set: float
    distribution: float
    interval: Interval[float]
    seeds: int


def seed_spread(correct: Correct, level: float = 0.95) -> SeedSpread:
    """Separate the variance over seeds into the test set's sampling error and the variance on the distribution.

    Takes which of n images each of at least two seeds classifies correctly. With v the variance of the accuracies over
    seeds, and u the mean over images of the variance of correctness over seeds, u/n is the variance of seeds whose
    errors are independent, and n/(n − 1) (v − u/n) is an unbiased estimate of the variance of their accuracies on the
    distribution: the mean covariance of correctness on two images. The interval treats v as χ² with (seeds − 1) degrees
    of freedom, and u as known.
    Raises ValueError for a level outside (0, 1), AnalysisError for fewer than two seeds or two images.
    Source: Jordan 2023, arXiv 2304.01910, section 3 (test-set and distribution-wise variance).

    >>> found = seed_spread(np.array([[True, True, False, True], [True, False, True, True], [True, True, True, True]]))
    >>> round(found.mean, 3), round(found.sd, 3), round(found.test_set, 3), round(found.distribution, 3)
    (0.833, 0.144, 0.204, 0.0)
    """
    check_level(level)
    seeds, images = correct.shape
    if seeds < 2 or images < 2:
        raise AnalysisError(
            "a variance over seeds needs two seeds and two images",
            found=f"{counted(seeds, 'seed')}, {counted(images, 'image')}",
        )
    accuracy, hits = correct.mean(axis=1), correct.mean(axis=0)
    total = float(accuracy.var(ddof=1))
    independent = float(np.mean(hits * (1 - hits))) * seeds / (seeds - 1) / images
    bounds = [
        (seeds - 1) * total / float(stats.chi2.ppf(share, seeds - 1)) for share in ((1 + level) / 2, (1 - level) / 2)
    ]
    low, estimate, high = (_beyond(variance, independent, images) for variance in (bounds[0], total, bounds[1]))
    return SeedSpread(
        mean=float(accuracy.mean()),
        sd=float(np.sqrt(total)),
        test_set=float(np.sqrt(independent)),
        distribution=estimate,
        interval=Interval(low, high),
        seeds=seeds,
    )


def _beyond(variance: float, independent: float, images: int) -> float:
    """The standard deviation on the distribution that is consistent with this variance over seeds."""
    return float(np.sqrt(max(0.0, images / (images - 1) * (variance - independent))))
