"""How models err together: agreement, error consistency (Cohen's κ), dominance, and what these say of accuracies."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import special, stats

from evalshift.analysis.statistics.intervals import check_level
from evalshift.analysis.statistics.paired import accuracy_noise, check_images, check_number_of_images, discordant
from evalshift.analysis.statistics.scales import check_accuracies, from_scale, to_scale
from evalshift.errors import AnalysisError
from evalshift.shapes import Correct

_IMAGES_IN_A_CHUNK = 4096
# Shares of the permitted error that the models of the cover may take up: the bound is flat around the best of them.
_SHARES = np.linspace(0.01, 0.99, 99)


@dataclass(frozen=True, eq=False)
class ErrorConsistency:
    """How often two models are both correct or both incorrect; [i, j] is of models i and j.

    observed   share of images on which both are correct or both are incorrect
    expected   the same for two models of these accuracies that err independently
    kappa      Cohen's: (observed − expected)/(1 − expected); 1 for equal errors, 0 for independent ones, NaN where
               expected is 1 (both always correct, or both always incorrect)
    """

    observed: Float[np.ndarray, "m m"]
    expected: Float[np.ndarray, "m m"]
    kappa: Float[np.ndarray, "m m"]


@dataclass(frozen=True, eq=False)
class Dominance:
    """How often the worse of two models is right where the better one errs; symmetric.

    observed   share of all images; 0 where the better model is right wherever the worse one is
    expected   the same for two models of these accuracies that err independently
    """

    observed: Float[np.ndarray, "m m"]
    expected: Float[np.ndarray, "m m"]


@dataclass(frozen=True)
class JointMargin:
    """What all accuracies of one test set err by at most, together; see `joint_margin`.

    margin               fraction: all measured accuracies lie this near to the true ones with the level's probability
    independent_models   how many models with independent errors would take as large a critical value
    """

    margin: float
    independent_models: float


@dataclass(frozen=True, eq=False)
class AgreementLine:
    """New accuracies estimated without labels from how models agree; see `agreement_line`.

    slope, offset, r2   of the line of new on original agreement over pairs of models, on the probit scale
    pairs               how many pairs the line and the estimates rest on
    aline_s, aline_d    new accuracy of each model by ALine-S and ALine-D, fractions; aline_d is NaN for models whose
                        pairs do not determine it
    """

    slope: float
    offset: float
    r2: float
    pairs: int
    aline_s: Float[np.ndarray, " m"]
    aline_d: Float[np.ndarray, " m"]


def agreement(predicted: Int[np.ndarray, "m n"]) -> Float[np.ndarray, "m m"]:
    """Share of images on which two models predict the same class, correct or not.

    Takes predicted classes over models and images; needs no labels. Gives fractions, symmetric, 1 on the diagonal.
    Where a model has no prediction (−1) it agrees with no other.
    Raises ValueError where there are no images.

    >>> agreement(np.array([[0, 1, 2, 3], [0, 1, 3, 2]]))
    array([[1. , 0.5],
           [0.5, 1. ]])
    """
    check_images(predicted)
    models, images = predicted.shape
    same = np.zeros((models, models))
    for start in range(0, images, _IMAGES_IN_A_CHUNK):
        chunk = _never_alike(np.ascontiguousarray(predicted[:, start : start + _IMAGES_IN_A_CHUNK]))
        for model in range(models - 1):
            same[model, model + 1 :] += np.count_nonzero(chunk[model] == chunk[model + 1 :], axis=1)
    return (same + same.T) / images + np.eye(models)


def _never_alike(predicted: np.ndarray) -> np.ndarray:
    """The same classes, with another negative number for each model in place of −1."""
    if predicted.min(initial=0) >= 0:
        return predicted
    return np.where(predicted < 0, -1 - np.arange(len(predicted))[:, np.newaxis], predicted)


def expected_agreement(accuracy: Float[np.ndarray, " m"], classes: int = 2) -> Float[np.ndarray, "m m"]:
    """Share of images on which two models agree if all that ties their predictions together is the label.

    Each model is right with its accuracy, independently of the others, and else picks one of the other classes evenly:
    a_i a_j + (1 − a_i)(1 − a_j)/(classes − 1). With 2 classes that is agreement of correctness. Takes
    fractions in [0, 1], gives fractions, also on the diagonal: two models of the same accuracy, not one.
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
    """How often two models are both correct or both incorrect, and how far that exceeds chance (Cohen's kappa).

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
    """Probability that the worse of two models is right where the better one errs.

    Takes correctness over models and images; the better model is the one that is right more often on them.
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


def similarity_cover(similarity: Float[np.ndarray, "m m"]) -> Float[np.ndarray, " m"]:
    """How similar every model is to the nearest of 1, 2, ... m of them: entry N − 1 is the least of these with N.

    Takes the share of images on which two models are both correct or both incorrect (`ErrorConsistency.observed`). The
    first model is the one whose least similar model is nearest; then, each time, the one least similar to those
    taken (farthest first). Gives m fractions that never fall, the last 1.
    Source: Gonzalez 1985, Theoretical Computer Science 38, 293-306: no choice of N models
    brings 1 − entry below half of this.

    >>> similarity_cover(np.array([[1, 0.9, 0.7], [0.9, 1, 0.8], [0.7, 0.8, 1]]))
    array([0.8, 0.9, 1. ])
    """
    if len(similarity) == 0:
        return np.empty(0)
    nearest = similarity[similarity.min(axis=1).argmax()].copy()
    least = [nearest.min()]
    for _ in range(len(similarity) - 1):
        np.maximum(nearest, similarity[nearest.argmin()], out=nearest)
        least.append(nearest.min())
    return np.array(least)


def reuse_margin(
    images: int, models: int, *, cover: Float[np.ndarray, " size"] | None = None, level: float = 0.95
) -> float:
    """How far the accuracies of many models, tried on the same images, can lie from the true ones.

    With probability `level` at least, all measured accuracies of `models` models are within this margin (a fraction)
    of the true ones, if none of the models was made with a look at the images. Without `cover` it is the union bound
    on Hoeffding's inequality. With it (`similarity_cover`) each model is as similar to one of the first N as the
    entry says: their errors, and the differences to them, are bounded apart, and the best N and division are taken;
    the margin is never above the union bound's.
    Raises ValueError for a level outside (0, 1), no images, fewer models than `cover` has, and the first entry
    of it outside [0, 1].
    Source: after Mania, Miller, Schmidt, Hardt, Recht 2019, NeurIPS, arXiv 1905.12580; the bound is derived in
    docs/statistics.md, with Bennett's inequality for the differences.

    >>> round(reuse_margin(50_000, 10**6), 4), round(reuse_margin(50_000, 10**6, cover=np.array([0.99])), 4)
    (0.0132, 0.0091)
    """
    check_level(level)
    check_number_of_images(images)
    size = 0 if cover is None else len(cover)
    if models < max(1, size):
        raise ValueError(f"models: found {models}; expected at least {max(1, size)}")
    error = 1 - level
    union = math.sqrt(math.log(2 * models / error) / (2 * images))
    if cover is None:
        return union
    check_accuracies(cover, "cover")
    # A cover by all models has no differences left to bound: that is the union bound itself.
    centres = np.arange(1, min(size, models - 1) + 1)
    share = _SHARES[:, np.newaxis] * error
    of_centres = np.sqrt(np.log(2 * centres / share) / (2 * images))
    of_differences = _bennett(np.log(2 * (models - centres) / (error - share)) / images, 1 - cover[: len(centres)])
    return min(union, float(np.min(of_centres + of_differences, initial=np.inf)))


def joint_margin(
    correct: Correct, *, level: float = 0.95, draws: int = 10_000, rng: np.random.Generator
) -> JointMargin:
    """How far all measured accuracies lie from the true ones at most, with the similarity of these models in account.

    Takes correctness over models and images. Approximate where `reuse_margin` is a bound: Gaussian draws with the
    models' covariance over the images, so that models that err together count for less than as many independent ones.
    Raises ValueError for a level outside (0, 1), fewer than 1 draw, and where there are no models or no images.
    `independent_models` is NaN where every model is always correct or always incorrect.

    >>> same = np.array([[True] * 80 + [False] * 20] * 10)
    >>> joint = joint_margin(same, rng=np.random.default_rng(0))
    >>> round(joint.margin, 3), round(joint.independent_models, 1)
    (0.078, 1.0)
    """
    check_level(level)
    noise = np.abs(accuracy_noise(correct, draws, rng))
    accuracy = correct.mean(axis=1)
    varies = (accuracy > 0) & (accuracy < 1)
    if not varies.any():
        return JointMargin(0.0, math.nan)
    spread = np.sqrt(accuracy * (1 - accuracy) / correct.shape[1])[varies, np.newaxis]
    critical = np.quantile((noise[varies] / spread).max(axis=0), level)
    # Of k independent standard normals none lies beyond `critical` with probability (1 − tail)^k.
    tail = 2 * special.ndtr(-critical)
    return JointMargin(float(np.quantile(noise.max(axis=0), level)), float(math.log(level) / math.log1p(-tail)))


def agreement_line(
    original_accuracy: Float[np.ndarray, " m"],
    original_agreement: Float[np.ndarray, "m m"],
    new_agreement: Float[np.ndarray, "m m"],
    *,
    within: tuple[float, float] = (0.05, 0.98),
) -> AgreementLine:
    """Estimate the accuracy of each model on a new set without its labels, from how the models agree on both sets.

    Takes accuracies on the original set, inside (0, 1), and the agreement of all pairs on both sets (`agreement`).
    Pairs whose agreement on either set lies outside `within` are left out. Least squares of new on original agreement
    on the probit scale gives slope and offset; where agreement is on the line, accuracy is taken to be on the same
    one. ALine-S puts each model on it. ALine-D solves for all models together, over all pairs, what each pair says of
    the mean of its two: mean probit new accuracy = probit new agreement + slope · (mean probit original accuracy −
    probit original agreement).
    Raises AnalysisError where fewer than 2 different agreements are left, ValueError for matrices that are not
    symmetric, values outside [0, 1], accuracies of 0 or 1, and for sizes that differ.
    Source: Baek, Jiang, Raghunathan, Kolter 2022, NeurIPS, arXiv 2206.13089, section 5; `within` as in the code
    the authors released.
    """
    _check_agreements(original_accuracy, original_agreement, new_agreement, within)
    original, new = (_probit_where(matrix, within) for matrix in (original_agreement, new_agreement))
    used = np.triu(~np.isnan(original) & ~np.isnan(new), k=1)
    x, y = original[used], new[used]
    _check_line(x, y, within)
    fit: Any = stats.linregress(x, y)
    accuracy = to_scale(original_accuracy, "probit")
    surplus = (accuracy[:, np.newaxis] + accuracy) / 2 - original
    said = np.where(used | used.T, new + fit.slope * surplus, 0)
    return AgreementLine(
        slope=float(fit.slope),
        offset=float(fit.intercept),
        r2=float(fit.rvalue**2) if np.ptp(y) > 0 else math.nan,
        pairs=len(x),
        aline_s=from_scale(fit.slope * accuracy + fit.intercept, "probit"),
        aline_d=from_scale(_of_each_model(said, used | used.T), "probit"),
    )


def _bennett(exponent: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """The deviation r with variance · h(r/variance) = exponent, h(x) = (1 + x) ln(1 + x) − x; 0 where variance is 0.

    That is x = exp(1 + W((c − 1)/e)) − 1 for h(x) = c, W the principal branch of Lambert's function.
    """
    # Where variance is 0 any finite ratio will do; 0 itself lies on the branch point of W.
    ratio = np.ones(np.broadcast_shapes(exponent.shape, variance.shape))
    np.divide(exponent, variance, out=ratio, where=variance > 0)
    return variance * np.expm1(1 + special.lambertw((ratio - 1) / math.e).real)


def _probit_where(agreements: np.ndarray, within: tuple[float, float]) -> np.ndarray:
    kept = (agreements >= within[0]) & (agreements <= within[1])
    return to_scale(np.where(kept, agreements, np.nan), "probit")


def _of_each_model(said: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Least squares for w from (w_i + w_j)/2 = said_ij over the used pairs; NaN where they leave w_i open.

    The normal equations are small: a model's own count of pairs on the diagonal, 1 for each pair beside it.
    """
    equations = used + np.diag(used.sum(axis=1))
    inverse = np.linalg.pinv(equations.astype(np.float64), hermitian=True)
    determined = np.isclose(np.diagonal(inverse @ equations), 1)
    return np.where(determined, inverse @ (2 * said.sum(axis=1)), np.nan)


def _check_agreements(accuracy: np.ndarray, original: np.ndarray, new: np.ndarray, within: tuple[float, float]) -> None:
    if not 0 < within[0] < within[1] < 1:
        raise ValueError(f"within: found {within}; expected two rising fractions between 0 and 1")
    check_accuracies(accuracy, "original_accuracy")
    endless = (accuracy == 0) | (accuracy == 1)
    if endless.any():
        first = int(np.argmax(endless))
        raise ValueError(
            f"original_accuracy[{first}]: found {accuracy[first]}, which is infinite on the probit scale; "
            "expected a fraction between 0 and 1 (scales.fitted_accuracy gives one)"
        )
    for name, matrix in (("original_agreement", original), ("new_agreement", new)):
        if matrix.shape != (len(accuracy), len(accuracy)):
            raise ValueError(
                f"{name}: found shape {matrix.shape} for {len(accuracy)} accuracies; expected one row each"
            )
        check_accuracies(matrix, name)
        if not np.array_equal(matrix, matrix.T, equal_nan=True):
            raise ValueError(
                f"{name}: found a matrix that is not symmetric; expected the same agreement for i, j and j, i"
            )


def _check_line(original: np.ndarray, new: np.ndarray, within: tuple[float, float]) -> None:
    distinct = len(np.unique(original))
    if distinct < 2:
        raise AnalysisError(
            "no line of agreement can be fitted",
            where="line of new on original agreement, probit scale",
            found=f"{len(original)} pairs of models with {distinct} distinct agreements "
            f"from {within[0]:.4g} to {within[1]:.4g}",
            expected="at least 2 pairs that differ in agreement on the original set",
            fix="evaluate more models on both test sets",
        )
