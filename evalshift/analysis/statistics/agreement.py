"""How strongly the errors of models are correlated: agreement, error consistency (Cohen's κ), dominance."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from evalshift.analysis.statistics.paired import (
    check_images,
    discordant,
)
from evalshift.analysis.statistics.scales import check_accuracies
from evalshift.shapes import Correct

# The most images that eight 8-bit counters can count, and a number of models whose predictions fit the processor's
# cache.
_IMAGES_IN_A_CHUNK, _MODELS_IN_A_CHUNK = 8 * 255, 128


@dataclass(frozen=True, eq=False)
class ErrorConsistency:
    """How often two models are both correct or both incorrect; [i, j] is of models i and j.

    observed   share of images on which both are correct or both are incorrect
    expected   the same for two models of these accuracies with independent errors
    kappa      Cohen's kappa, (observed − expected)/(1 − expected): 1 for identical errors, 0 for independent ones, NaN
               where expected is 1 (both always correct, or both always incorrect)
    """

    observed: Float[np.ndarray, "m m"]
    expected: Float[np.ndarray, "m m"]
    kappa: Float[np.ndarray, "m m"]


@dataclass(frozen=True, eq=False)
class Dominance:
    """How often the less accurate of two models is correct where the more accurate one is incorrect; symmetric.

    observed   share of all images; 0 if the better model is correct on every image on which the worse one is
    expected   the same for two models of these accuracies with independent errors
    """

    observed: Float[np.ndarray, "m m"]
    expected: Float[np.ndarray, "m m"]


def agreement(predicted: Int[np.ndarray, "m n"]) -> Float[np.ndarray, "m m"]:
    """Share of images on which two models predict the same class, correct or not.

    Takes predicted classes over models and images, and needs no labels. Returns fractions, symmetric, with 1 on the
    diagonal. Where a model has no prediction (−1), it agrees with no other model.
    Raises ValueError where there are no images.

    >>> agreement(np.array([[0, 1, 2, 3], [0, 1, 3, 2]]))
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    check_images(predicted)
    models, images = predicted.shape
    same = np.zeros((models, models))
    room = np.zeros((_MODELS_IN_A_CHUNK, _IMAGES_IN_A_CHUNK), dtype=bool)
    for start in range(0, images, _IMAGES_IN_A_CHUNK):
        chunk = _never_alike(np.ascontiguousarray(predicted[:, start : start + _IMAGES_IN_A_CHUNK]))
        alike = room[:, : chunk.shape[1]]
        room[:, chunk.shape[1] :] = False
        for first in range(0, models, _MODELS_IN_A_CHUNK):
            others = chunk[first : first + _MODELS_IN_A_CHUNK]
            for model in range(min(first + len(others), models) - 1):
                # In each pair of models, the one with the smaller number is the row.
                later = max(0, model + 1 - first)
                np.equal(others[later:], chunk[model], out=alike[later : len(others)])
                same[model, first + later : first + len(others)] += _counted(room[later : len(others)])
    return (same + same.T) / images + np.eye(models)


def _counted(marked: np.ndarray) -> np.ndarray:
    """Number of True values in each row of at most 8 · 255, by eight sums of bytes at once."""
    return marked.view(np.uint64).sum(axis=1).view(np.uint8).reshape(-1, 8).sum(axis=1)


def _never_alike(predicted: np.ndarray) -> np.ndarray:
    """The same classes, with −1 replaced by a different negative number for each model."""
    if predicted.min(initial=0) >= 0:
        return predicted
    return np.where(predicted < 0, -1 - np.arange(len(predicted))[:, np.newaxis], predicted)


def expected_agreement(accuracy: Float[np.ndarray, " m"], classes: int = 2) -> Float[np.ndarray, "m m"]:
    """Share of images on which two models agree if their predictions are independent given the label.

    Each model is correct with a probability equal to its accuracy, and otherwise predicts the other classes equally
    often: a_i a_j + (1 − a_i)(1 − a_j)/(classes − 1). With 2 classes, this is the probability that both are correct or
    both incorrect.
    Takes fractions in [0, 1] and returns fractions; the diagonal is for two different models of the same accuracy.
    Raises ValueError for fewer than 2 classes and for the first accuracy outside [0, 1].

    >>> expected_agreement(np.array([0.9, 0.8]), classes=11).round(4)
    array([[0.811, 0.722],
           [0.722, 0.644]])
    """
    if classes < 2:
        raise ValueError(f"classes: found {classes}; expected at least 2")
    check_accuracies(accuracy, "accuracy")
    return np.outer(accuracy, accuracy) + np.outer(1 - accuracy, 1 - accuracy) / (classes - 1)


def error_consistency(correct: Correct) -> ErrorConsistency:
    """Share of images on which two models are both correct or both incorrect, and Cohen's kappa.

    Takes correctness over models and images.
    Raises ValueError where there are no images.
    Source: Geirhos, Meding, Wichmann 2020, NeurIPS, arXiv 2006.16736; Cohen 1960, Educational and Psychological
    Measurement 20(1), 37-46.

    >>> consistency = error_consistency(np.array([[True, True, True, False], [True, True, False, False]]))
    >>> consistency.observed[0, 1], consistency.expected[0, 1], consistency.kappa[0, 1]
    (np.float64(0.75), np.float64(0.5), np.float64(0.5))
    """
    only = discordant(correct)
    observed = 1 - (only + only.T) / correct.shape[1]
    expected = expected_agreement(correct.mean(axis=1))
    kappa = np.full_like(observed, np.nan)
    np.divide(observed - expected, 1 - expected, out=kappa, where=expected < 1)
    return ErrorConsistency(observed, expected, kappa)


def dominance(correct: Correct) -> Dominance:
    """Share of images on which the less accurate of two models is correct and the more accurate one is not.

    Takes correctness over models and images; the better model is the one with more correct images.
    Raises ValueError where there are no images.
    Source: Mania and Sra 2020, arXiv 2012.15483 (the dominance probability).

    >>> dominance(np.array([[True, True, True, False], [True, False, False, True]])).observed
    array([[0.  , 0.25],
           [0.25, 0.  ]])
    """
    only = discordant(correct)
    accuracy = correct.mean(axis=1)
    worse, better = np.minimum.outer(accuracy, accuracy), np.maximum.outer(accuracy, accuracy)
    return Dominance(np.minimum(only, only.T) / correct.shape[1], worse * (1 - better))
