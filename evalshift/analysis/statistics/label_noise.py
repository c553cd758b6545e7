"""Accuracies and ranks of models by corrected labels compared with a test set's own labels, on the same images."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from evalshift.analysis.statistics.image_means import ImageMeans, image_means
from evalshift.analysis.statistics.intervals import Interval, check_level, clopper_pearson, square_and_add
from evalshift.analysis.statistics.paired import check_images, check_same_models, paired_difference_interval
from evalshift.analysis.statistics.rank_sets import better_models
from evalshift.analysis.statistics.ranks import rank
from evalshift.shapes import Correct


@dataclass(frozen=True, eq=False)
class LabelNoise:
    """m models on the n images of a set that have corrected labels; see `label_noise`.

    images          n
    plain, corrected  correct predictions by the set's own labels and by the corrected ones, counts
    difference      corrected minus plain accuracy, fractions in [−1, 1]
    interval        of each difference: Newcombe's for paired proportions
    mean            of the difference over the models, shape (1,), with its variance over samples of images plain_rank,
                    corrected_rank   1 for the most correct; ties share the better rank
    reversed_pairs  [i, j]: i is significantly better than j by the set's own labels, and significantly worse by the
                    corrected ones
    """

    images: int
    plain: Int[np.ndarray, " m"]
    corrected: Int[np.ndarray, " m"]
    difference: Float[np.ndarray, " m"]
    interval: Interval[np.ndarray]
    mean: ImageMeans
    plain_rank: Int[np.ndarray, " m"]
    corrected_rank: Int[np.ndarray, " m"]
    reversed_pairs: Bool[np.ndarray, "m m"]

    @property
    def rank_change(self) -> Int[np.ndarray, " m"]:
        """Rank by the set's own labels minus rank by the corrected ones, above 0 for a model that moves up.

        For tied models, it is the smallest change over all orders of the tied models.
        """
        spans = [
            (ranks, ranks + np.array([(counts == one).sum() - 1 for one in counts], dtype=np.int64))
            for ranks, counts in ((self.plain_rank, self.plain), (self.corrected_rank, self.corrected))
        ]
        (low, high), (new_low, new_high) = spans
        return np.where(low > new_high, low - new_high, np.where(high < new_low, high - new_low, 0))


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """How the n own labels of a set's images agree with their corrected labels; see `label_errors`.

    images        that have corrected labels
    without       images of the set without corrected labels, which are left out
    contradicted  images whose own label is not among the corrected ones
    several       images with two corrected labels or more
    share         contradicted divided by images, a fraction, with its Clopper–Pearson interval
    """

    images: int
    without: int
    contradicted: int
    several: int
    share: float
    interval: Interval[float]


@dataclass(frozen=True, eq=False)
class CorrectedDrops:
    """Drops of m models by the sets' own labels and by corrected ones, on the images that have these.

    plain, corrected  original minus new accuracy, fractions
    difference        corrected minus plain drop, with its interval
    """

    plain: Float[np.ndarray, " m"]
    corrected: Float[np.ndarray, " m"]
    difference: Float[np.ndarray, " m"]
    interval: Interval[np.ndarray]


def label_noise(
    plain: Correct, corrected: Correct, *, level: float = 0.95, draws: int = 10_000, rng: np.random.Generator
) -> LabelNoise:
    """How m models' accuracies and ranks differ between a set's own labels and corrected ones.

    Takes correctness of each model on the images that have corrected labels, by each kind of label. Each model's two
    accuracies are on the same images, so their difference has an interval for paired proportions. A pair of models is
    reversed if each kind of label alone shows its order at level 1 − (1 − level)/2 (`rank_sets.better_models`); the
    probability of any false finding is then at most about 1 − level, although the images are the same.
    Raises ValueError for a level outside (0, 1), fewer than 1 draw, other shapes, and where there are no images.
    Source: Beyer, Hénaff, Kolesnikov, Zhai, van den Oord 2020, "Are we done with ImageNet?", arXiv 2006.07159 (accuracy
    by corrected labels, of several per image); Northcutt, Athalye, Mueller 2021, NeurIPS Datasets and Benchmarks
    (ranks by corrected labels); Newcombe 1998, Statistics in Medicine 17, 2635-2650 (interval).

    >>> plain = np.array([[True, True, False, False], [True, False, False, False]])
    >>> corrected = np.array([[True, True, False, False], [True, True, True, False]])
    >>> found = label_noise(plain, corrected, rng=np.random.default_rng(0))
    >>> found.difference, found.plain_rank, found.corrected_rank, found.rank_change
    (array([0. , 0.5]), array([1, 2]), array([2, 1]), array([-1,  1]))
    """
    check_level(level)
    if plain.shape != corrected.shape:
        raise ValueError(f"found correctness of shapes {plain.shape} and {corrected.shape}; expected the same twice")
    check_images(plain)
    both, gained, lost = (side.sum(axis=1) for side in (plain & corrected, corrected & ~plain, plain & ~corrected))
    images = plain.shape[1]
    counts = plain.sum(axis=1), corrected.sum(axis=1)
    each = 1 - (1 - level) / 2
    better, better_by_corrected = (better_models(side, level=each, draws=draws, rng=rng) for side in (plain, corrected))
    per_image = corrected.mean(axis=0, dtype=np.float64) - plain.mean(axis=0, dtype=np.float64)
    return LabelNoise(
        images=images,
        plain=counts[0],
        corrected=counts[1],
        difference=(gained - lost) / images,
        interval=paired_difference_interval(both, gained, lost, images - both - gained - lost, level),
        mean=image_means(per_image[np.newaxis]),
        plain_rank=rank(counts[0]),
        corrected_rank=rank(counts[1]),
        reversed_pairs=better & better_by_corrected.T,
    )


def label_errors(
    truth: Int[np.ndarray, "n several"], corrected: Int[np.ndarray, "n c"], level: float = 0.95
) -> LabelErrors:
    """Count the labels of a set that its corrected labels contradict.

    Takes each image's own labels, with shorter rows padded by repeating one of them, and its corrected labels, padded
    with −1. An image is contradicted if none of its own labels is among the corrected ones.
    Raises ValueError for a level outside (0, 1), different numbers of images, and where no image has corrected labels.
    Source: C. G. Northcutt, A. Athalye, J. Mueller, "Pervasive Label Errors in Test Sets Destabilize Machine Learning
    Benchmarks", NeurIPS Datasets and Benchmarks 2021.

    >>> found = label_errors(np.array([[0], [1], [2]]), np.array([[0, 1], [2, -1], [-1, -1]]))
    >>> found.images, found.without, found.contradicted, found.several, found.share
    (2, 1, 1, 1, 0.5)
    """
    check_level(level)
    if len(truth) != len(corrected):
        raise ValueError(f"found {len(truth)} labels and {len(corrected)} rows of corrected ones; expected as many")
    known = (corrected >= 0).any(axis=1)
    if not known.any():
        raise ValueError("found no image with corrected labels; expected at least 1")
    among = np.zeros(len(truth), dtype=bool)
    for label in truth.T:
        among |= (corrected == label[:, np.newaxis]).any(axis=1)
    images, contradicted = int(known.sum()), int((known & ~among).sum())
    interval = clopper_pearson(np.array([contradicted]), np.array([images]), level)
    return LabelErrors(
        images=images,
        without=len(truth) - images,
        contradicted=contradicted,
        several=int(((corrected >= 0).sum(axis=1) > 1).sum()),
        share=contradicted / images,
        interval=Interval(float(interval.low[0]), float(interval.high[0])),
    )


def corrected_drops(original: LabelNoise, new: LabelNoise) -> CorrectedDrops:
    """Drops of the same m models between two sets by both kinds of label.

    The sets contain different images, so the interval of the difference of the drops combines both sets' intervals by
    adding squared distances (square-and-add), at their level.
    Raises ValueError for different numbers of models.
    Source: Zou and Donner 2008, Statistics in Medicine 27, 1693-1702; drops by several labels: Shankar, Roelofs,
    Mania, Fang, Recht, Schmidt 2020, "Evaluating Machine Accuracy on ImageNet", ICML.
    """
    check_same_models(original.plain, new.plain)
    return CorrectedDrops(
        plain=original.plain / original.images - new.plain / new.images,
        corrected=original.corrected / original.images - new.corrected / new.images,
        difference=original.difference - new.difference,
        interval=square_and_add(original.difference, original.interval, new.difference, new.interval),
    )
