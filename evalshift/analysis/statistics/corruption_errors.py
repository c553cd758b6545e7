"""Mean and relative corruption error: errors on corrupted images, normalised by those of a reference model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from evalshift.analysis.statistics.errors_in_variables import binomial_variance
from evalshift.analysis.statistics.image_sets import ImageSets, combined_covariance
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.several_shifts import SetCounts
from evalshift.shapes import Accuracies

# AlexNet on ImageNet-C, mean error over the five severities, in the order of `corruptions.BENCHMARK`, and its error on
# the clean images.
# Source: github.com/hendrycks/robustness; the same figures in the code of AugMix and of mmpretrain. The clean error is
# that of its weights, torchvision's: 56.522 % correct by AlexNet_Weights.IMAGENET1K_V1.meta.
ALEXNET_ERRORS = np.array(
    [
        *(0.886428, 0.894468, 0.922640, 0.819880, 0.826268, 0.785948, 0.798360, 0.866816, 0.826572, 0.819324),
        *(0.564592, 0.853204, 0.646056, 0.717840, 0.606500),
    ]
)
ALEXNET_CLEAN_ERROR = 0.43478

_MEAN, _MCE, _RELATIVE = range(3)


@dataclass(frozen=True, eq=False)
class ReferenceErrors:
    """Errors of a reference model on each corruption, means over severities, and on the clean images: fractions.

    model   its position among the models compared, whose sampling error the intervals then include; None if its errors
            are known from elsewhere
    """

    errors: Float[np.ndarray, " corruption"]
    clean: float
    model: int | None = None


@dataclass(frozen=True, eq=False)
class CorruptionErrors:
    """Errors of m models on c corruptions, and their means; fractions, where 1 is as large as the reference's.

    error          mean over severities, shape (c, m)
    mean_error     mean over corruptions, without a reference; shape (m,)
    ce, relative_ce        error divided by the reference's; increase of the error divided by the reference's
    mce, relative_mce      their means over corruptions
    conservative   whether intervals are upper bounds, computed from counts alone

    Quantities that need a reference are NaN without one; `relative_ce` also if the reference's error does not increase.
    """

    error: Float[np.ndarray, "c m"]
    mean_error: Accuracies
    mean_error_interval: Interval[np.ndarray]
    ce: Float[np.ndarray, "c m"]
    mce: Accuracies
    mce_interval: Interval[np.ndarray]
    relative_ce: Float[np.ndarray, "c m"]
    relative_mce: Accuracies
    relative_mce_interval: Interval[np.ndarray]
    conservative: bool


def corruption_errors(
    clean: SetCounts,
    corrupted: Sequence[SetCounts],
    corruption: Int[np.ndarray, " sets"],
    reference: ReferenceErrors | int | None = None,
    *,
    sets: ImageSets | None = None,
    level: float = 0.95,
) -> CorruptionErrors:
    """Errors of m models on corrupted images, unnormalised and normalised by a reference model.

    Takes counts on the clean images and on each corrupted set, and the corruption of each set, numbered from 0; the
    sets of one corruption are its severities, weighted equally. `reference` is the position of one of these models, or
    known errors. With E(s, c) the error at severity s of corruption c and Eʳ the reference's, CE(c) = Σₛ E(s, c) / Σₛ
    Eʳ(s, c), and mCE is its mean over corruptions. The relative CE replaces E(s, c) by E(s, c) − E(clean), for the
    reference too.

    Intervals are normal, by the delta method. With `sets`, correctness on the clean and then on each corrupted set,
    they use the covariance between all severities and corruptions of the same images, and between the model and the
    reference. From counts alone, standard errors are added up as for perfectly correlated errors: an upper bound.
    Raises ValueError for a level outside (0, 1).
    Source: Hendrycks and Dietterich 2019, arXiv 1903.12261, section 4.2.

    >>> n = np.array([1000, 1000])
    >>> clean, foggy = SetCounts(np.array([900, 600]), n), SetCounts(np.array([700, 200]), n)
    >>> found = corruption_errors(clean, [foggy], np.array([0]), reference=1)
    >>> found.mce, found.relative_mce
    (array([0.375, 1.   ]), array([0.5, 1. ]))
    """
    check_level(level)
    members = [np.flatnonzero(corruption == number) for number in range(int(corruption.max()) + 1)]
    each = 1 - np.stack([one.accuracy for one in corrupted])
    error = np.stack([each[places].mean(axis=0) for places in members])
    clean_error = 1 - clean.accuracy
    known = _reference(reference, error, clean_error)
    with np.errstate(divide="ignore", invalid="ignore"):
        ce = np.where(known.errors[:, np.newaxis] > 0, error / known.errors[:, np.newaxis], np.nan)
        rise = (known.errors - known.clean)[:, np.newaxis]
        relative = np.where(rise > 0, (error - clean_error) / rise, np.nan)
    means = error.mean(axis=0), ce.mean(axis=0), relative.mean(axis=0)
    weights = _weights(members, known, ce, relative, len(corrupted))
    deviation = _deviation((clean, *corrupted), weights, known.model, sets)
    reach = stats.norm.isf((1 - level) / 2) * deviation
    bounds = [Interval(mean - far, mean + far) for mean, far in zip(means, reach, strict=True)]
    return CorruptionErrors(
        error=error,
        mean_error=means[_MEAN],
        mean_error_interval=bounds[_MEAN],
        ce=ce,
        mce=means[_MCE],
        mce_interval=bounds[_MCE],
        relative_ce=relative,
        relative_mce=means[_RELATIVE],
        relative_mce_interval=bounds[_RELATIVE],
        conservative=sets is None,
    )


def _reference(reference: ReferenceErrors | int | None, error: np.ndarray, clean: np.ndarray) -> ReferenceErrors:
    if reference is None:
        return ReferenceErrors(np.full(len(error), np.nan), np.nan)
    if isinstance(reference, ReferenceErrors):
        return reference
    return ReferenceErrors(error[:, reference], float(clean[reference]), reference)


def _weights(
    members: Sequence[np.ndarray], known: ReferenceErrors, ce: np.ndarray, relative: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the three means by the accuracies of the model and of the reference; shape (3, set, m) each.

    Set 0 is the clean set.
    """
    models = ce.shape[1]
    own, other = np.zeros((2, 3, 1 + count, models))
    corruptions = len(members)
    errors = np.where(known.errors > 0, known.errors, np.nan)
    rise = np.where(known.errors > known.clean, known.errors - known.clean, np.nan)
    for number, places in enumerate(members):
        share = 1 / (corruptions * len(places))
        own[_MEAN, 1 + places] = -share
        own[_MCE, 1 + places] = -share / errors[number]
        own[_RELATIVE, 1 + places] = -share / rise[number]
        own[_RELATIVE, 0] += 1 / (corruptions * rise[number])
        if known.model is not None:
            other[_MCE, 1 + places] = share * ce[number] / errors[number]
            other[_RELATIVE, 1 + places] = share * relative[number] / rise[number]
            other[_RELATIVE, 0] -= relative[number] / (corruptions * rise[number])
    if known.model is not None:
        own[:, :, known.model] += other[:, :, known.model]
        other[:, :, known.model] = 0
    return own, other


def _deviation(
    counts: Sequence[SetCounts], weights: tuple[np.ndarray, np.ndarray], reference: int | None, sets: ImageSets | None
) -> np.ndarray:
    """Standard errors of the three means, shape (3, m); NaN where they are undefined."""
    own, other = weights
    undefined = np.isnan(own + other).any(axis=1)
    own, other = np.nan_to_num(own), np.nan_to_num(other)
    place = 0 if reference is None else reference
    if sets is None:
        error = np.sqrt(np.stack([binomial_variance(one.correct, one.total) for one in counts]))
        found = np.sum(np.abs(own) * error + np.abs(other) * error[:, place, np.newaxis], axis=1)
    else:
        joint = {}
        for mean in (_MEAN, _MCE, _RELATIVE):
            for number in range(len(counts)):
                joint[mean, number] = np.diag(own[mean, number])
                joint[mean, number][:, place] += other[mean, number]
        variance = np.diagonal(combined_covariance(sets, joint, 3), axis1=1, axis2=2).T
        found = np.sqrt(np.maximum(variance, 0))
    return np.where(undefined, np.nan, found)
