"""Statistical power: the smallest difference that a test set can detect."""

from collections.abc import Callable

import numpy as np
from scipy import optimize, stats

from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.paired import check_number_of_images

# Numbers of discordant images outside this central probability are ignored, because they do not change the power.
_NEGLIGIBLE = 1e-13


def mcnemar_power(images: int, difference: float, discordance: float, level: float = 0.95) -> float:
    """Power of McNemar's exact test to detect the difference between two models on `images` images.

    Takes the true difference of their accuracies and the share of images that only one of the two classifies correctly
    (discordance), fractions with |difference| ≤ discordance, and the level 1 − α of the test. Exact: summed over the
    number of discordant images and over which model they favour.
    Raises ValueError for arguments outside these ranges.

    >>> round(mcnemar_power(10_000, 0.01, 0.12), 3)
    0.816
    """
    check_level(level)
    _check_discordance(images, discordance)
    if abs(difference) > discordance:
        raise ValueError(f"difference: found {difference}; expected at most the discordance, {discordance}, in size")
    few, many = stats.binom.ppf([_NEGLIGIBLE, 1 - _NEGLIGIBLE], images, discordance)
    discordants = np.arange(few, many + 1)
    critical = _largest_in_tail((1 - level) / 2, discordants, 0.5)
    favoured = (1 + difference / discordance) / 2
    rejected = stats.binom.cdf(critical, discordants, favoured)
    rejected += stats.binom.sf(discordants - critical - 1, discordants, favoured)
    return float(stats.binom.pmf(discordants, images, discordance) @ rejected)


def detectable_difference(images: int, discordance: float, *, power: float = 0.8, level: float = 0.95) -> float:
    """Smallest difference between two accuracies that McNemar's exact test detects on `images` images with this power.

    Takes the share of images that only one of the two models classifies correctly, in (0, 1], a power in
    (1 − level, 1) and the level 1 − α of the test. Returns a fraction of at most the discordance, or NaN if the test
    would not even detect a model that is correct on all discordant images.
    Raises ValueError for arguments outside these ranges.
    Source: exact form of Connor 1987, Biometrics 43(1), 207-211.

    >>> round(detectable_difference(10_000, 0.12), 4)
    0.0098
    """
    check_level(level)
    _check_power(power, level)
    _check_discordance(images, discordance)
    return _smallest(lambda difference: mcnemar_power(images, difference, discordance, level), 0.0, discordance, power)


def detectable_accuracies(images: int, expected: float, *, power: float = 0.8, level: float = 0.95) -> Interval[float]:
    """The nearest accuracies below and above an expected one that a test on `images` images detects with this power.

    The test is exact: it rejects if the Clopper–Pearson interval of the accuracy does not contain `expected`. Takes a
    fraction in [0, 1], a power in (1 − level, 1) and the level of the interval. Returns fractions; NaN on a side where
    no accuracy is detected with this power.
    Raises ValueError for arguments outside these ranges.
    Source: Clopper and Pearson 1934, Biometrika 26(4), 404-413; the power is summed over the binomial distribution.

    >>> nearest = detectable_accuracies(10_000, 0.9173)
    >>> round(nearest.low, 4), round(nearest.high, 4)
    (0.9094, 0.925)
    """
    check_level(level)
    _check_power(power, level)
    check_number_of_images(images)
    if not 0 <= expected <= 1:
        raise ValueError(f"expected: found {expected}; expected a fraction from 0 to 1")
    few = _largest_in_tail((1 - level) / 2, images, expected)
    many = images - _largest_in_tail((1 - level) / 2, images, 1 - expected)

    def found(accuracy: float) -> float:
        return float(stats.binom.cdf(few, images, accuracy) + stats.binom.sf(many - 1, images, accuracy))

    return Interval(_smallest(found, expected, 0.0, power), _smallest(found, expected, 1.0, power))


def _check_power(power: float, level: float) -> None:
    if not 1 - level < power < 1:
        raise ValueError(f"power: found {power}; expected a fraction between 1 − level = {1 - level:.4g} and 1")


def _check_discordance(images: int, discordance: float) -> None:
    check_number_of_images(images)
    if not 0 < discordance <= 1:
        raise ValueError(f"discordance: found {discordance}; expected a fraction above 0 and up to 1")


def _largest_in_tail(tail: float, total: np.ndarray | int, probability: float) -> np.ndarray:
    """The largest value with at most probability `tail` at or below it in a binomial distribution; −1 if none."""
    quantile = stats.binom.ppf(tail, total, probability)
    return np.where(stats.binom.cdf(quantile, total, probability) <= tail, quantile, quantile - 1)


def _smallest(power_at: Callable[[float], float], start: float, end: float, power: float) -> float:
    """Where a power function increasing from `start` to `end` reaches `power`; NaN if it does not."""
    if power_at(end) < power:
        return float("nan")
    return optimize.root_scalar(lambda value: power_at(value) - power, bracket=(start, end), method="brentq").root
