"""Accuracy without the images that have near-duplicates among the training images."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy import stats

from evalshift.analysis.statistics.intervals import Interval, check_counts, check_level, clopper_pearson
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Accuracies, Correct, Counts


@dataclass(frozen=True)
class NearDuplicates:
    """Published facts about a test set's near-duplicates in the training set, from the registry.

    share, accuracy   share of near-duplicates among the images, and a model's accuracy on them: fractions
    source            publication of both
    """

    share: float
    accuracy: float
    source: str


@dataclass(frozen=True, eq=False)
class WithoutDuplicates:
    """Accuracies of m models on the images that are not near-duplicates, as fractions; see `without_duplicates`.

    accuracy, interval   on the rest of the set
    inflation            accuracy on the whole set minus that on the rest: the part of a drop that duplicates can
                         explain
    """

    accuracy: Accuracies
    interval: Interval[np.ndarray]
    inflation: Accuracies


def without_duplicates(
    correct: Counts, total: Counts, share: float, duplicate_accuracy: Accuracies, level: float = 0.95
) -> WithoutDuplicates:
    """Accuracy on a test set without near-duplicates of training images, from their known share.

    Takes counts over m models, the share of duplicates in [0, 1), and the accuracy of each model on them. With k of n
    correct and d · n duplicates at accuracy q, (1 − d) · n images remain, of which k − q · d · n are correct. These
    numbers give the accuracy and the Clopper–Pearson interval, whose beta quantiles do not need integers. Share and q
    are taken as known exactly.
    Raises ValueError for impossible counts, level, share or accuracies, and AnalysisError if the duplicates alone would
    need more correct or more incorrect predictions than there are.
    Source: Recht et al. 2019, appendix B.2.2.

    >>> rest = without_duplicates(np.array([9300]), np.array([10_000]), 0.08, np.array([1.0]))
    >>> rest.accuracy.round(4), rest.inflation.round(4)
    (array([0.9239]), array([0.0061]))
    """
    check_counts(correct, total, where="model")
    check_level(level)
    if not 0 <= share < 1:
        raise ValueError(f"share: found {share}; expected a fraction from 0 to below 1")
    if duplicate_accuracy.shape != correct.shape:
        found = f"found {len(duplicate_accuracy)} for {counted(len(correct), 'model')}"
        raise ValueError(f"duplicate_accuracy: {found}; expected one per model")
    outside = ~((duplicate_accuracy >= 0) & (duplicate_accuracy <= 1))
    if outside.any():
        first = int(np.argmax(outside))
        raise ValueError(f"duplicate_accuracy[{first}]: found {duplicate_accuracy[first]}; expected 0 to 1")
    right, wrong = (
        correct - duplicate_accuracy * share * total,
        total - correct - (1 - duplicate_accuracy) * share * total,
    )
    # Counts are computed from fractions of n: rounding must not make them negative.
    short = np.minimum(right, wrong) < -1e-9 * total
    if short.any():
        first = int(np.argmax(short))
        raise AnalysisError(
            "near-duplicates are inconsistent with the accuracy on this test set",
            where=f"model {first}",
            found=f"{correct[first]:,} of {total[first]:,} correct, {share:.4g} of the images near-duplicates "
            f"at an accuracy of {duplicate_accuracy[first]:.4g}",
            expected="no more correct, and no more incorrect, predictions on duplicates than on all images",
            fix="check the share of duplicates and the accuracy on them",
        )
    right, wrong = np.maximum(right, 0), np.maximum(wrong, 0)
    accuracy = right / (right + wrong)
    return WithoutDuplicates(accuracy, _beta_interval(right, wrong, level), correct / total - accuracy)


def _beta_interval(right: np.ndarray, wrong: np.ndarray, level: float) -> Interval[np.ndarray]:
    """Clopper–Pearson interval for counts that need not be integers; low is 0 for 0 correct, high 1 for 0 incorrect."""
    with np.errstate(invalid="ignore"):
        low = stats.beta.ppf((1 - level) / 2, right, wrong + 1)
        high = stats.beta.ppf((1 + level) / 2, right + 1, wrong)
    return Interval(np.where(right > 0, low, 0.0), np.where(wrong > 0, high, 1.0))


@dataclass(frozen=True, eq=False)
class OnDuplicates:
    """Accuracies of m models on the images that are near-duplicates and on the rest, as fractions.

    duplicates            on the near-duplicates
    accuracy, interval    on the rest, with its Clopper–Pearson interval
    inflation             accuracy on the whole set minus that on the rest
    """

    duplicates: Accuracies
    accuracy: Accuracies
    interval: Interval[np.ndarray]
    inflation: Accuracies


def accuracy_on_duplicates(correct: Correct, duplicate: Bool[np.ndarray, " n"], level: float = 0.95) -> OnDuplicates:
    """Accuracy on near-duplicates and on the remaining images, from predictions on each image.

    correct    which of n images each of m models classifies correctly, shape (m, n)
    duplicate  which images are near-duplicates, shape (n,)

    Raises AnalysisError if no image is a near-duplicate, or all are.
    Source: Recht et al. 2019, appendix B.2.2; here the duplicates themselves are known, not only their share.

    >>> found = accuracy_on_duplicates(np.array([[True, True, False, True]]), np.array([True, False, False, False]))
    >>> found.duplicates, found.accuracy.round(3), found.inflation.round(3)
    (array([1.]), array([0.667]), array([0.083]))
    """
    count = int(duplicate.sum())
    if not 0 < count < len(duplicate):
        raise AnalysisError(
            "accuracy with and without near-duplicates needs both",
            found=f"{count:,} near-duplicates among {counted(len(duplicate), 'image')}",
        )
    rest = correct[:, ~duplicate]
    accuracy = rest.mean(axis=1)
    interval = clopper_pearson(rest.sum(axis=1), np.full(len(rest), rest.shape[1]), level)
    return OnDuplicates(correct[:, duplicate].mean(axis=1), accuracy, interval, correct.mean(axis=1) - accuracy)
