"""Selective prediction: the error rate of a model that predicts only where it is most confident."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from evalshift.analysis.statistics.calibration import check_probabilities
from evalshift.analysis.statistics.image_means import ImageMeans
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.shapes import Correct

COVERAGES = (0.5, 0.8, 0.95)
# Shares of the images at which curves are drawn.
CURVE = np.arange(1, 101) / 100
_NEAREST = 5  # smallest number of images on each side of a threshold


@dataclass(frozen=True, eq=False)
class SelectivePrediction:
    """Risk and coverage of m models on one set, with images from the most to the least confident.

    aurc         mean error rate over all coverages, in [0, 1]: area under the risk–coverage curve
    excess_aurc  aurc minus the minimum for a model of this accuracy, shape (m,): 0 if all errors are ranked last
    accuracy     coverage -> accuracy on this share of the most confident images
    risk         error rate at the coverages of `CURVE`, shape (m, 100)
    """

    aurc: ImageMeans
    excess_aurc: Float[np.ndarray, " m"]
    accuracy: dict[float, ImageMeans]
    risk: Float[np.ndarray, "m coverage"]

    def accuracy_interval(self, coverage: float, level: float = 0.95) -> Interval[np.ndarray]:
        """Interval of the accuracy at a coverage: Clopper–Pearson's for the effective number of images of its variance.

        At an accuracy of 0 or 1, which has no variance, that is the number of images kept.
        Raises ValueError for a level outside (0, 1).
        Source: Korn and Graubard 1998, Survey Methodology 24(2), 193-201.
        """
        check_level(level)
        found = self.accuracy[coverage]
        kept = _kept(1, coverage * found.images)
        with np.errstate(invalid="ignore"):
            images = np.where(np.isfinite(found.variance), found.mean * (1 - found.mean) / found.variance, kept)
            correct = found.mean * images
            low = np.where(correct > 0, stats.beta.ppf((1 - level) / 2, correct, images - correct + 1), 0.0)
            high = np.where(correct < images, stats.beta.ppf((1 + level) / 2, correct + 1, images - correct), 1.0)
        unknown = np.isnan(found.mean)
        return Interval(np.where(unknown, np.nan, low), np.where(unknown, np.nan, high))


@dataclass(frozen=True, eq=False)
class _Ordered:
    """One model's images from the most to the least confident, with ties averaged over all orders.

    wrong    1 for an incorrect prediction, else 0
    shared   mean of `wrong` over the images of the same confidence
    starts   first position of each confidence
    """

    wrong: np.ndarray
    shared: np.ndarray
    starts: np.ndarray

    def over_ties(self, values: np.ndarray) -> np.ndarray:
        """The mean of these over the images of the same confidence."""
        sizes = np.diff(np.append(self.starts, len(values)))
        return np.repeat(np.add.reduceat(values, self.starts) / sizes, sizes)


def selective_prediction(
    prob: Float[np.ndarray, "m n"], correct: Correct, *, coverages: Sequence[float] = COVERAGES
) -> SelectivePrediction:
    """Risk and coverage of m models on n images, by the probability of the first prediction.

    Takes these probabilities, in [0, 1] or NaN if there is none, and whether the predictions are correct. Images
    without a probability come last; all numbers of a model without probabilities are NaN. Images of the same confidence
    are averaged over their orders. A coverage of c keeps the ⌈c·n⌉ most confident images. Standard errors use the
    influence function, which includes the estimation of the threshold.
    Raises ValueError for probabilities outside [0, 1], coverages outside (0, 1], and shapes that differ.
    Source: Geifman and El-Yaniv 2017, NeurIPS, arXiv 1705.08500; Geifman, Uziel, El-Yaniv 2019, ICLR, arXiv 1805.08206
    (AURC, excess); Hampel 1974, JASA 69(346), 383-393 (influence).

    >>> prob, correct = np.array([[0.9, 0.8, 0.7, 0.6]]), np.array([[True, True, False, True]])
    >>> found = selective_prediction(prob, correct, coverages=[0.5])
    >>> found.accuracy[0.5].mean, found.aurc.mean.round(4)  # 0, 0, 1/3 and 1/4 over 4
    (array([1.]), array([0.1458]))
    """
    check_probabilities(prob, correct)
    for coverage in coverages:
        if not 0 < coverage <= 1:
            raise ValueError(f"coverages: found {coverage}; expected shares above 0, up to 1")
    # Model by model: intermediate results need five times the memory of the predictions.
    models = [_of_model(*one, coverages) for one in zip(prob, correct, strict=True)]
    images = np.full(len(prob), float(prob.shape[1]))
    return SelectivePrediction(
        aurc=_gathered([one.aurc for one in models], images),
        excess_aurc=np.array([one.excess for one in models]),
        accuracy={
            float(coverage): _gathered([one.accuracy[place] for one in models], images)
            for place, coverage in enumerate(coverages)
        },
        risk=np.array([one.risk for one in models]),
    )


@dataclass(frozen=True)
class _OfModel:
    """One model's results; all except the excess and the risk are pairs of estimate and variance."""

    aurc: tuple[float, float]
    excess: float
    accuracy: list[tuple[float, float]]
    risk: np.ndarray


def _of_model(prob: np.ndarray, correct: np.ndarray, coverages: Sequence[float]) -> _OfModel:
    if not np.isfinite(prob).any():
        unknown = (np.nan, np.nan)
        return _OfModel(unknown, np.nan, [unknown] * len(coverages), np.full(len(CURVE), np.nan))
    one = _ordered(prob, correct)
    aurc = _aurc(one)
    accuracy = [_accuracy_at(one, coverage) for coverage in coverages]
    return _OfModel(aurc, aurc[0] - _least_area(one), accuracy, _risk_at(one, CURVE))


def accuracy_drop(
    original: SelectivePrediction, new: SelectivePrediction, coverage: float, level: float = 0.95
) -> tuple[Float[np.ndarray, " m"], Interval[np.ndarray]]:
    """Original minus new accuracy at a coverage, shape (m,), with its interval from those of both sets.

    Source: Newcombe 1998, Statistics in Medicine 17, 873-890, method 10, with these intervals instead of Wilson's.
    """
    before, after = original.accuracy[coverage].mean, new.accuracy[coverage].mean
    (one, other), drop = (side.accuracy_interval(coverage, level) for side in (original, new)), before - after
    low = drop - np.hypot(before - one.low, other.high - after)
    return drop, Interval(low, drop + np.hypot(one.high - before, after - other.low))


def _ordered(prob: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"]) -> _Ordered:
    confidence = np.where(np.isfinite(prob), prob, -1)
    order = np.argsort(-confidence, kind="stable")
    ordered, wrong = confidence[order], 1.0 - correct[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    one = _Ordered(wrong, wrong, starts)
    return _Ordered(wrong, one.over_ties(wrong), starts)


def _risk_at(one: _Ordered, coverages: np.ndarray) -> np.ndarray:
    kept = _kept(len(one.wrong), coverages)
    return np.cumsum(one.shared)[kept - 1] / kept


def _kept(images: int, coverage: float | np.ndarray) -> np.ndarray:
    # Rounded first: 0.7 · 10 is slightly more than 7.
    return np.asarray(np.ceil(np.asarray(coverage) * images - 1e-9), dtype=np.int64)


def _aurc(one: _Ordered) -> tuple[float, float]:
    """The area, and its variance.

    An error at position j raises the risk at all later coverages, by w_j/n in total with w_j = Σ 1/k over k ≥ j. An
    image at position j also shifts all less confident ones, which is the second term of its influence.
    """
    place = np.arange(1, len(one.wrong) + 1)
    weight = one.over_ties(np.cumsum(1 / place[::-1])[::-1])
    area = float(np.mean(one.shared * weight))
    moved = one.over_ties(np.cumsum((one.shared / place)[::-1])[::-1])
    return area, _variance_of(one.wrong * weight - moved)


def _accuracy_at(one: _Ordered, coverage: float) -> tuple[float, float]:
    """The accuracy at a coverage, and its variance.

    An image beyond the threshold has an influence too: it lets in another image, which is correct as often as images
    near the threshold.
    """
    images = len(one.wrong)
    kept = int(_kept(images, coverage))
    inside = one.over_ties((np.arange(images) < kept).astype(np.float64))
    accuracy = 1 - float(one.shared[:kept].mean())
    nearest = max(_NEAREST, int(np.sqrt(images)))
    at_threshold = 1 - float(one.shared[max(0, kept - nearest) : kept + nearest].mean())
    influence = ((1 - one.wrong) * inside - at_threshold * inside) / (kept / images)
    return accuracy, _variance_of(influence)


def _variance_of(influence: np.ndarray) -> float:
    return float(np.var(influence, ddof=1) / len(influence)) if len(influence) > 1 else np.nan


def _least_area(one: _Ordered) -> float:
    """The area if all errors are ranked last, so that risk is 0 up to the last correct image."""
    images, errors = len(one.wrong), int(one.wrong.sum())
    place = np.arange(images - errors + 1, images + 1)
    return float(np.sum((place - (images - errors)) / place) / images)


def _gathered(found: Sequence[tuple[float, float]], images: np.ndarray) -> ImageMeans:
    mean, variance = np.array(found, dtype=np.float64).reshape(-1, 2).T
    return ImageMeans(mean, np.where(variance > 0, variance, np.nan), images)
