"""Calibration of the first prediction: is a model that says 80 % correct on 80 % of such images?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import special

from evalshift.analysis.statistics.draws import check_resamples
from evalshift.analysis.statistics.image_means import ImageMeans, image_means, means_of_parts, parts_of_models
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.percentiles import central_bounds
from evalshift.shapes import Correct

# The usual number of equal-mass bins; fewer if a bin would have too few images to estimate its accuracy.
BINS = 15
_IMAGES_IN_A_BIN = 20


@dataclass(frozen=True, eq=False)
class ReliabilityBins:
    """Images of m models by their confidence, in b bins of about as many images each; see `reliability_bins`.

    images      in each bin; 0 in bins that a model does not have
    confidence  mean probability of the first prediction, in [0, 1], NaN in empty bins
    accuracy    share of correct predictions, NaN in empty bins
    variance    of confidence − correct over the images of a bin
    expected    that variance for a calibrated model: mean of p(1 − p) over the probabilities p of a bin
    """

    images: Float[np.ndarray, "m b"]
    confidence: Float[np.ndarray, "m b"]
    accuracy: Float[np.ndarray, "m b"]
    variance: Float[np.ndarray, "m b"]
    expected: Float[np.ndarray, "m b"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """How well m models' probabilities of their first predictions match their accuracy on one set of images.

    confidence       mean probability of the first prediction
    accuracy         on the images that have one
    over_confidence  confidence − accuracy, in [−1, 1], negative for under-confidence
    brier            mean squared difference of probability and correctness, in [0, 1]
    ece              calibration error, debiased, at least 0
    ece_interval     bootstrap interval over images; starts at 0 if `p_value` is above 1 − level; NaN without resamples,
                     and if no bin has variance
    ece_plain        calibration error as usually computed, biased upwards by about the sampling error of the bins
    p_value          of the null hypothesis that the model is calibrated; NaN without resamples
    bins             the bins of a reliability diagram
    """

    confidence: ImageMeans
    accuracy: ImageMeans
    over_confidence: ImageMeans
    brier: ImageMeans
    ece: Float[np.ndarray, " m"]
    ece_interval: Interval[np.ndarray]
    ece_plain: Float[np.ndarray, " m"]
    p_value: Float[np.ndarray, " m"]
    bins: ReliabilityBins


def calibration(
    prob: Float[np.ndarray, "m n"],
    correct: Correct,
    *,
    bins: int = BINS,
    resamples: int = 1000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> Calibration:
    """Over-confidence, Brier score and calibration error of m models on n images.

    Takes the probability of each first prediction, in [0, 1] or NaN if there is none, and whether it is correct. Images
    without a probability are left out; all numbers of a model without probabilities are NaN. The calibration error is
    the mean of |confidence − accuracy| over the images in `reliability_bins`, minus the bias due to sampling error: in
    a bin of n images with accuracy a, the error of a is assumed normal with variance a(1 − a)/n. The p-value is the
    share of `resamples` draws from a calibrated model with these probabilities whose plain error is at least as large.
    Raises ValueError for values outside [0, 1], shapes that differ, bins below 1, a level outside (0, 1), and for a
    negative number of resamples, or a single one.
    Source: Kumar, Liang, Ma 2019, NeurIPS, arXiv 1909.10155 (debiased); Roelofs et al. 2022, AISTATS, arXiv 2012.08668
    (equal mass); Bröcker and Smith 2007, Weather and Forecasting 22(3), 651-661 (draws of a calibrated model); Brier
    1950, Monthly Weather Review 78(1), 1-3.

    >>> prob = np.array([[0.6, 0.6, 0.9, 0.9]])
    >>> found = calibration(prob, np.array([[True, False, True, False]]), rng=np.random.default_rng(0))
    >>> found.over_confidence.mean.round(2), found.brier.mean.round(3)
    (array([0.25]), array([0.335]))
    """
    check_level(level)
    check_resamples(resamples)
    binned, parts = reliability_bins(prob, correct, bins), parts_of_models(*prob.shape)
    error = debiased_error(binned)
    plain = _plain_error(binned)
    draws = _error_draws(binned, resamples, rng) - plain[:, np.newaxis]
    p_value = _p_value(binned, plain, resamples, rng)
    return Calibration(
        confidence=image_means(prob),
        accuracy=means_of_parts(np.where(np.isfinite(prob[part]), correct[part], np.nan) for part in parts),
        over_confidence=means_of_parts(_gap(prob[part], correct[part]) for part in parts),
        brier=means_of_parts(_gap(prob[part], correct[part]) ** 2 for part in parts),
        ece=error,
        ece_interval=_from_zero(_wider_interval(error, draws, level), p_value > 1 - level),
        ece_plain=plain,
        p_value=p_value,
        bins=binned,
    )


def _gap(prob: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Confidence minus correctness of each image."""
    return prob.astype(np.float64) - correct


def ece_change(original: Calibration, new: Calibration) -> tuple[np.ndarray, Interval[np.ndarray]]:
    """New minus original debiased calibration error of each model, shape (m,), with its interval.

    The two sets are independent, so the interval adds the squared distances of the two estimates from their bounds; its
    level is theirs. If an interval starts at 0, its estimate is biased upwards rather than noisy, and the full distance
    to 0 is added.
    Source: Zou and Donner 2008, Statistics in Medicine 27(10), 1693-1702 (squares of distances).
    """
    change = new.ece - original.ece
    (below, above), (before_below, before_above) = (_reach(found) for found in (new, original))
    low = np.where(new.ece_interval.low == 0, below + before_above, np.hypot(below, before_above))
    high = np.where(original.ece_interval.low == 0, above + before_below, np.hypot(above, before_below))
    return change, Interval(change - low, change + high)


def _reach(found: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """Distances of the estimate from the lower and the upper bound of its interval."""
    bounds = found.ece_interval
    return np.maximum(found.ece - bounds.low, 0), np.maximum(bounds.high - found.ece, 0)


def reliability_bins(prob: Float[np.ndarray, "m n"], correct: Correct, bins: int = BINS) -> ReliabilityBins:
    """Each model's images in bins of about equal mass, from the least to the most confident.

    Images of the same confidence are in the same bin, so the order of the images does not matter. A model has fewer
    bins if its confidences are tied or if bins would have fewer than 20 images.
    Raises ValueError for values outside [0, 1], shapes that differ, and bins below 1.
    """
    _check(prob, correct, bins)
    parts = [_binned(*one, bins) for one in zip(prob, correct, strict=True)]
    sums = np.zeros((6, len(prob), max((part.shape[1] for part in parts), default=1)))
    for model, part in enumerate(parts):
        sums[:, model, : part.shape[1]] = part
    images, *sums = sums
    with np.errstate(invalid="ignore"):
        confidence, accuracy, gap, squared, expected = (part / images for part in sums)
    return ReliabilityBins(images, confidence, accuracy, np.maximum(squared - gap**2, 0), expected)


def debiased_error(bins: ReliabilityBins) -> Float[np.ndarray, " m"]:
    """Twice the plain calibration error minus its mean over normal errors of the bins' accuracies.

    0 if that is negative, as it can be when the bins deviate by less than sampling error alone; NaN for a model without
    images.
    """
    with np.errstate(invalid="ignore"):
        spread = np.sqrt(bins.accuracy * (1 - bins.accuracy) / bins.images)
    gap = np.abs(bins.confidence - bins.accuracy)
    return np.maximum(_mean_over(2 * gap - folded_mean(gap, spread), bins.images), 0)


def folded_mean(mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """The mean of |x| where x is normal; |mean| where the spread is 0.

    >>> folded_mean(np.array([0.0, 2.0]), np.array([1.0, 0.0])).round(4)
    array([0.7979, 2.    ])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(spread > 0, np.abs(mean) / spread, np.inf)
        beyond = spread * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2)
    return beyond + np.abs(mean) * (1 - 2 * special.ndtr(-ratio))


def _wider_interval(estimate: np.ndarray, draws: np.ndarray, level: float) -> Interval[np.ndarray]:
    """Interval from draws of the error of an estimate, one row per model; NaN where nothing was drawn.

    On each side, the wider of the basic and the percentile bootstrap interval: each alone is too short on one side if
    some bins are calibrated, because |x| has a corner at 0.
    """
    low, high = central_bounds(draws, level)
    return Interval(estimate + np.minimum(low, -high), estimate + np.maximum(high, -low))


def _from_zero(interval: Interval[np.ndarray], calibrated: np.ndarray) -> Interval[np.ndarray]:
    """The interval cut to [0, 1]; it starts at 0 for a model that may be calibrated.

    NaN if no bin has variance, where resampling is uninformative.
    """
    shown = interval.high > interval.low
    low = np.where(calibrated, np.minimum(interval.low, 0), interval.low)
    return Interval(*(np.where(shown, bound.clip(0, 1), np.nan) for bound in (low, interval.high)))


def _p_value(bins: ReliabilityBins, plain: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often a calibrated model with the probabilities of these bins has at least this plain error; shape (m,)."""
    found = np.full(len(plain), np.nan)
    for model, images in enumerate(bins.images):
        there = images > 0
        if there.any() and resamples:
            spread = np.sqrt(bins.expected[model, there] / images[there])
            gaps = np.abs(rng.standard_normal((resamples, len(spread))) * spread)
            drawn = gaps @ images[there] / images.sum()
            # The error of a model whose confidence always equals its accuracy is rounding alone.
            found[model] = (1 + np.sum(drawn >= plain[model] - 1e-12)) / (1 + resamples)
    return found


def _plain_error(bins: ReliabilityBins) -> np.ndarray:
    return _mean_over(np.abs(bins.confidence - bins.accuracy), bins.images)


def _mean_over(values: np.ndarray, images: np.ndarray) -> np.ndarray:
    total = images.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return np.where(images > 0, values * images, 0).sum(axis=-1) / np.where(total > 0, total, np.nan)


def _error_draws(bins: ReliabilityBins, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """The debiased error on resampled images, shape (m, resamples).

    Draws the number of images in each bin, and the bin's mean of confidence − correct from a normal distribution, which
    is close for a mean of 20 images or more. This is thousands of times faster than resampling images.
    """
    draws = np.full((len(bins.images), resamples), np.nan)
    for model, images in enumerate(bins.images):
        there = images > 0
        if not there.any() or not resamples:
            continue
        drawn = rng.multinomial(int(images.sum()), images[there] / images.sum(), size=resamples).astype(np.float64)
        accuracy = bins.accuracy[model, there]
        with np.errstate(divide="ignore", invalid="ignore"):
            gap = (bins.confidence[model, there] - accuracy) + rng.standard_normal(drawn.shape) * np.sqrt(
                bins.variance[model, there] / drawn
            )
            spread = np.sqrt(accuracy * (1 - accuracy) / drawn)
        draws[model] = _mean_over(2 * np.abs(gap) - folded_mean(gap, spread), drawn)
    return draws


def _binned(prob: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"], bins: int) -> np.ndarray:
    """For one model and each bin: images, and sums of p, correct c, p − c, (p − c)², p(1 − p); shape (6, b)."""
    known = np.isfinite(prob)
    prob, correct = prob[known], correct[known]
    count = len(prob)
    if count == 0:
        return np.zeros((6, 1))
    order = np.argsort(prob, kind="stable")
    ordered, gap = prob[order].astype(np.float64), prob[order] - correct[order].astype(np.float64)
    wanted = max(1, min(bins, count // _IMAGES_IN_A_BIN))
    last = np.arange(1, wanted) * count // wanted
    starts = np.unique(np.append(0, np.searchsorted(ordered, ordered[last - 1], side="right")))
    starts = starts[starts < count]
    images = np.diff(np.append(starts, count))
    parts = (ordered, correct[order].astype(np.float64), gap, gap**2, ordered * (1 - ordered))
    return np.array([images, *(np.add.reduceat(part, starts) for part in parts)])


def _check(prob: np.ndarray, correct: np.ndarray, bins: int) -> None:
    if bins < 1:
        raise ValueError(f"bins: found {bins}; expected at least 1")
    check_probabilities(prob, correct)


def check_probabilities(prob: np.ndarray, correct: np.ndarray) -> None:
    """Raise ValueError for a probability outside [0, 1], and for shapes that differ."""
    if prob.shape != correct.shape:
        raise ValueError(f"found shape {prob.shape} for {correct.shape} predictions; expected one probability each")
    invalid = (prob < 0) | (prob > 1)
    if invalid.any():
        raise ValueError(f"prob: found {prob[invalid][0]}; expected fractions from 0 to 1, or NaN")
