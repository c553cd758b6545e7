"""Models compared on the same images: tests and confidence intervals of differences."""

import hashlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import special

from evalshift.analysis.statistics.intervals import Interval, check_level, square_and_add
from evalshift.formatting import counted
from evalshift.shapes import Correct

# Sums of ones in float32 are exact up to 2^24, and matrix products of floats are fast. A chunk fits the processor's
# cache: all at once takes three times as long, and ten times on a busy machine.
_IMAGES_IN_A_CHUNK = 2**24
_CELLS_IN_A_CHUNK = 2**18


@dataclass(frozen=True, eq=False)
class PairedComparison:
    """Every model against every other on the same images: entry [i, j] is of model i against model j.

    only         images on which model i is correct and model j is not, counts
    difference   accuracy of i minus accuracy of j, fractions in [−1, 1]
    interval     of the difference: Newcombe's for paired proportions; NaN on the diagonal
    p_value      for the null hypothesis that both accuracies are equal: McNemar's exact test; NaN on the diagonal
    """

    only: Int[np.ndarray, "m m"]
    difference: Float[np.ndarray, "m m"]
    interval: Interval[np.ndarray]
    p_value: Float[np.ndarray, "m m"]


@dataclass(frozen=True, eq=False)
class DropDifferences:
    """Every model's drop compared with every other's: entry [i, j] is the drop of i minus the drop of j.

    difference   fractions in [−2, 2]
    interval     of the difference; NaN on the diagonal
    p_value      for the null hypothesis that both drops are equal; NaN on the diagonal and if neither set has an image
                 that only one of the two models classifies correctly
    """

    difference: Float[np.ndarray, "m m"]
    interval: Interval[np.ndarray]
    p_value: Float[np.ndarray, "m m"]


def discordant(correct: Correct) -> Int[np.ndarray, "m m"]:
    """Discordant images: entry [i, j] counts the images on which model i is correct and model j is not.

    Takes correctness of each model on each image; 0 on the diagonal.
    Raises ValueError where there are no images.

    >>> discordant(np.array([[True, True, False], [True, False, False]]))
    array([[0, 1],
           [0, 0]])
    """
    check_images(correct)
    key = correct.shape, hashlib.blake2b(np.packbits(correct).tobytes(), digest_size=32).digest()
    found = _COUNTED.get(key)
    if found is None:
        while len(_COUNTED) >= _SETS_KEPT:
            _COUNTED.pop(next(iter(_COUNTED)), None)
        found = _COUNTED[key] = _discordant(correct)
    return found.astype(np.int64)


# A dozen statistics need the counts of the same two sets and metrics, which take a second each for a thousand models.
_COUNTED: dict[tuple, np.ndarray] = {}
_SETS_KEPT = 4


def _discordant(correct: Correct) -> Int[np.ndarray, "m m"]:
    models, images = correct.shape
    both = np.zeros((models, models))
    step = min(_IMAGES_IN_A_CHUNK, max(1, _CELLS_IN_A_CHUNK // max(1, models)))
    for start in range(0, images, step):
        right = correct[:, start : start + step].astype(np.float32)
        both += right @ right.T
    # int32 is enough for counts of images, and takes half the memory.
    return (np.diagonal(both)[:, np.newaxis] - both).astype(np.int32)


def exact_mcnemar(only_1: Int[np.ndarray, "*pair"], only_2: Int[np.ndarray, "*pair"]) -> Float[np.ndarray, "*pair"]:
    """Two-sided p-value of McNemar's exact test that two models have the same accuracy.

    Takes the numbers of images on which only the first and only the second model is correct, of equal shape. Under the
    null hypothesis, both cases are equally likely for each of these images: p is twice the smaller tail of a binomial
    with ½, at most 1, and 1 if there are no such images. Values below 1e-308 become 0.
    Raises ValueError for a negative count.
    Source: McNemar 1947, Psychometrika 12(2), 153-157; the exact form: Dixon and Mood 1946, JASA 41, 557-566.

    >>> exact_mcnemar(np.array([8, 0]), np.array([1, 0])).round(4)
    array([0.0391, 1.    ])
    """
    _check_counts(only_1=only_1, only_2=only_2)
    smaller, together = np.minimum(only_1, only_2), only_1 + only_2
    return np.minimum(1.0, 2 * special.bdtr(smaller.astype(np.float64), together, 0.5))


def paired_difference_interval(
    both: Int[np.ndarray, "*pair"],
    only_1: Int[np.ndarray, "*pair"],
    only_2: Int[np.ndarray, "*pair"],
    neither: Int[np.ndarray, "*pair"],
    level: float = 0.95,
) -> Interval[np.ndarray]:
    """Hybrid score interval of p1 − p2, two accuracies measured on the same images; its coverage is about `level`.

    Takes the four counts of each pair of models: images on which both, only the first, only the second and neither are
    correct. Returns fractions in [−1, 1], in the shape of the counts.
    Raises ValueError for a level outside (0, 1), a negative count or a pair without images.
    Source: Newcombe 1998, Statistics in Medicine 17, 2635-2650, method 10: the Wilson limits of both accuracies,
    combined using the correlation φ of the two models' correctness, which is corrected towards 0 if positive.

    >>> interval = paired_difference_interval(*(np.array([count]) for count in (59, 6, 16, 80)))
    >>> interval.low.round(4), interval.high.round(4)
    (array([-0.1186]), array([-0.0046]))
    """
    check_level(level)
    _check_counts(both=both, only_1=only_1, only_2=only_2, neither=neither)
    images = both + only_1 + only_2 + neither
    if (images == 0).any():
        raise ValueError("found a pair of models without images; expected at least 1")
    arms = _wilson_arms(both + only_1, images, level), _wilson_arms(both + only_2, images, level)
    return _joined_interval((only_1 - only_2) / images, *arms, _correlation(both, only_1, only_2, neither))


def compare_models(correct: Correct, level: float = 0.95) -> PairedComparison:
    """Compare the accuracies of all pairs of models on the same images.

    Takes correctness of each model on each image, and a two-sided level in (0, 1). The p-values are not adjusted; for
    many pairs, adjust them (`evalshift.analysis.statistics.multiplicity.adjust_pairs`).
    Raises ValueError for a level outside (0, 1) and where there are no images.

    >>> correct = np.array([[True] * 9 + [False], [True] + [False] * 9])
    >>> compared = compare_models(correct)
    >>> compared.difference[0, 1], compared.p_value[0, 1].round(4)
    (np.float64(0.8), np.float64(0.0078))
    """
    only, difference, interval = _differences(correct, level)
    above = np.triu_indices(len(correct), k=1)
    p_value = np.full(difference.shape, np.nan)
    p_value[above] = p_value.T[above] = exact_mcnemar(only[above], only.T[above])
    return PairedComparison(only, difference, interval, p_value)


def _differences(correct: Correct, level: float) -> tuple[np.ndarray, np.ndarray, Interval[np.ndarray]]:
    """Discordant images, differences and their intervals, as in `PairedComparison`."""
    check_level(level)
    only, images = discordant(correct), correct.shape[1]
    right = correct.sum(axis=1)
    below, above = _wilson_arms(right, np.full_like(right, images), level)
    low, high = np.empty(only.shape), np.empty(only.shape)
    difference = (only - only.T) / images
    # Some models at a time: a dozen arrays over all pairs of a thousand models would take a hundred megabytes.
    step = max(1, _CELLS_IN_A_CHUNK // max(1, len(right)))
    for start in range(0, len(right), step):
        these = slice(start, start + step)
        over, under, own = only[these], only.T[these], right[these, np.newaxis]
        phi = _correlation(own - over, over, under, images - right - over)
        arms = (below[these, np.newaxis], above[these, np.newaxis]), (below, above)
        found = _joined_interval(difference[these], *arms, phi)
        low[these], high[these] = found.low, found.high
    return only, difference, Interval(_between_models(low), _between_models(high))


def compare_drops(
    original_correct: Bool[np.ndarray, "m original"], new_correct: Bool[np.ndarray, "m new"], level: float = 0.95
) -> DropDifferences:
    """Compare the drops of all pairs of models from the original to the new test set.

    Takes correctness of the same models, in the same order, on the images of each set. Within a set, the models share
    images; the two sets are independent. drop_i − drop_j is the difference of i and j on the
    original set minus that on the new set; its interval adds the squared distances of the two Newcombe intervals
    (square-and-add), its p-value is that of the large-sample z test with the paired variances.
    Raises ValueError for a level outside (0, 1), a set without images, or different numbers of models.
    Source: Zou and Donner 2008, Statistics in Medicine 27, 1693-1702 (square-and-add for any two independent limits).

    >>> original = np.array([[True] * 8 + [False] * 2, [True] * 8 + [False] * 2])
    >>> new = np.array([[True] * 4 + [False] * 6, [True] * 7 + [False] * 3])
    >>> compare_drops(original, new).difference.round(2)
    array([[ 0. ,  0.3],
           [-0.3,  0. ]])
    """
    check_same_models(original_correct, new_correct)
    (original_only, before, before_interval), (new_only, after, after_interval) = (
        _differences(correct, level) for correct in (original_correct, new_correct)
    )
    difference = before - after
    variance = _variance(original_only, before, original_correct.shape[1])
    variance += _variance(new_only, after, new_correct.shape[1])
    z = np.full_like(difference, np.nan)
    np.divide(difference, np.sqrt(variance), out=z, where=variance > 0)
    return DropDifferences(
        difference=difference,
        interval=square_and_add(before, before_interval, after, after_interval),
        p_value=_between_models(2 * special.ndtr(-np.abs(z))),
    )


def check_images(correct: np.ndarray) -> None:
    """Raise ValueError if `correct`, over models and images, has no images."""
    if correct.shape[1] == 0:
        raise ValueError(f"found {counted(len(correct), 'model')} and 0 images; expected at least 1 image")


def check_number_of_images(images: int) -> None:
    """Raise ValueError unless `images` is at least 1."""
    if images < 1:
        raise ValueError(f"images: found {images}; expected at least 1")


def check_same_models(original: np.ndarray, new: np.ndarray) -> None:
    """Raise ValueError unless both arrays have the same number of models."""
    if len(original) != len(new):
        raise ValueError(f"found {len(original)} original and {len(new)} new models; expected the same models on both")


def _check_counts(**counts: np.ndarray) -> None:
    for name, count in counts.items():
        if (count < 0).any():
            first = [int(i) for i in np.argwhere(count < 0)[0]]
            raise ValueError(f"{name}{first}: found {count[tuple(first)]}; expected a count of at least 0")


def _correlation(both: np.ndarray, only_1: np.ndarray, only_2: np.ndarray, neither: np.ndarray) -> np.ndarray:
    """Newcombe's φ: correlation of two models' correctness, with ad − bc reduced by n/2 if positive; 0 if undefined."""
    a, b, c, d = (count.astype(np.float64) for count in (both, only_1, only_2, neither))
    together = a * d - b * c
    corrected = np.where(together > 0, np.maximum(together - (a + b + c + d) / 2, 0), together)
    spread = np.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    phi = np.zeros_like(spread)
    np.divide(corrected, spread, out=phi, where=spread > 0)
    return phi


def _wilson_arms(correct: np.ndarray, images: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Distances of the Wilson limits below and above an accuracy."""
    from statsmodels.stats.proportion import proportion_confint  # imported here as in `intervals.clopper_pearson`

    low, high = proportion_confint(correct, images, alpha=1 - level, method="wilson")
    accuracy = correct / images
    return accuracy - np.asarray(low), np.asarray(high) - accuracy


def _joined_interval(
    difference: np.ndarray,
    arms_1: tuple[np.ndarray, np.ndarray],
    arms_2: tuple[np.ndarray, np.ndarray],
    phi: np.ndarray,
) -> Interval[np.ndarray]:
    """Interval of the difference of two accuracies, from the distances of their Wilson limits."""
    (below_1, above_1), (below_2, above_2) = arms_1, arms_2
    return Interval(difference - _joined(below_1, above_2, phi), difference + _joined(above_1, below_2, phi))


def _joined(arm_1: np.ndarray, arm_2: np.ndarray, phi: np.ndarray) -> np.ndarray:
    # If both distances are equal and φ is 1, rounding can make the value slightly negative.
    return np.sqrt(np.maximum(arm_1**2 - 2 * phi * arm_1 * arm_2 + arm_2**2, 0))


def _between_models(values: np.ndarray) -> np.ndarray:
    """NaN on the diagonal: a model is not compared with itself."""
    return np.where(np.eye(len(values), dtype=bool), np.nan, values)


def _variance(only: np.ndarray, difference: np.ndarray, images: int) -> np.ndarray:
    return ((only + only.T) / images - difference**2) / images
