"""Margins for the errors of the accuracies of many models measured on the same images (test set reuse)."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from evalshift.analysis.statistics.accuracy_noise import accuracy_noise, usual_draws
from evalshift.analysis.statistics.intervals import check_level
from evalshift.analysis.statistics.paired import check_number_of_images
from evalshift.analysis.statistics.scales import check_accuracies
from evalshift.shapes import Correct

# Shares of the error probability spent on the models of the cover: the bound is flat around the best share.
_SHARES = np.linspace(0.01, 0.99, 99)


@dataclass(frozen=True)
class JointMargin:
    """Joint margin of error of all accuracies on one test set; see `joint_margin`.

    margin               fraction: all measured accuracies are within it of the true ones, with probability `level`
    independent_models   effective number of independent models: this number of models with independent errors would
                         have the same critical value
    independent_models_error   its Monte Carlo standard error
    """

    margin: float
    independent_models: float
    independent_models_error: float


def similarity_cover(similarity: Float[np.ndarray, "m m"]) -> Float[np.ndarray, " m"]:
    """Similarity of every model to the nearest of the first N models: entry N − 1 is the minimum over models.

    Takes the share of images on which two models are both correct or both incorrect (`ErrorConsistency.observed`). The
    first model is the one with the highest minimum similarity to the others; each further one is the least similar to
    those selected so far (farthest-first traversal). Returns m non-decreasing fractions, of which the last is 1.
    Source: Gonzalez 1985, Theoretical Computer Science 38, 293-306: no choice of N models reduces 1 − entry to less
    than half.

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

    With a probability of at least `level`, all measured accuracies of `models` models are within this margin (a
    fraction) of their true values, if no model was developed using the images. Without `cover`, it is the union bound
    with Hoeffding's inequality. With it (`similarity_cover`), each model is as similar to one of the first N models as
    entry N says: the errors of these N, and the differences from them, are bounded separately, with the best N and
    division; the margin never exceeds the union bound.
    Raises ValueError for a level outside (0, 1), no images, fewer models than `cover` has, and the first entry
    of it outside [0, 1].
    Source: after Mania, Miller, Schmidt, Hardt, Recht 2019, NeurIPS, arXiv 1905.12580; the bound is derived in
    docs/statistics/models.md, with Bennett's inequality for the differences.

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
    # A cover by all models leaves no differences to bound: it is the union bound itself.
    centres = np.arange(1, min(size, models - 1) + 1)
    share = _SHARES[:, np.newaxis] * error
    of_centres = np.sqrt(np.log(2 * centres / share) / (2 * images))
    of_differences = _bennett(np.log(2 * (models - centres) / (error - share)) / images, 1 - cover[: len(centres)])
    return min(union, float(np.min(of_centres + of_differences, initial=np.inf)))


def joint_margin(
    correct: Correct, *, level: float = 0.95, draws: int | None = None, rng: np.random.Generator
) -> JointMargin:
    """Margin within which all measured accuracies jointly lie around their true values, given the models' correlation.

    Takes correctness over models and images. Approximate where `reuse_margin` is a bound: Gaussian draws with the
    models' covariance over the images, so that models with correlated errors count for less than as many independent
    ones; by default 10,000 `draws`, or 2,000 for more than 200 models.

    Raises ValueError for a level outside (0, 1), fewer than 1 draw, and where there are no models or no images.
    `independent_models` is k for which k independent errors stay within the critical value with the level's
    probability, (1 − p)^k = level with p the two-sided tail of one. Its error comes from the draws: the level's
    quantile of n of them lies between the order statistics at n level ± √(n level (1 − level)). Both are NaN where
    every model is always correct or always incorrect.
    Source: Z. Šidák, Journal of the American Statistical Association 62, 1967, 626-633 (k independent errors);
    V. Moskvina and K. M. Schmidt, Genetic Epidemiology 32(6), 2008, 567-573 (the effective number of correlated ones).

    >>> same = np.array([[True] * 80 + [False] * 20] * 10)
    >>> joint = joint_margin(same, rng=np.random.default_rng(0))
    >>> round(joint.margin, 3), round(joint.independent_models, 1)
    (0.078, 1.0)
    """
    check_level(level)
    noise = np.abs(accuracy_noise(correct, usual_draws(len(correct)) if draws is None else draws, rng))
    accuracy = correct.mean(axis=1)
    varies = (accuracy > 0) & (accuracy < 1)
    if not varies.any():
        return JointMargin(0.0, math.nan, math.nan)
    spread = np.sqrt(accuracy * (1 - accuracy) / correct.shape[1])[varies, np.newaxis]
    reach = math.sqrt(level * (1 - level) / noise.shape[1])
    levels = np.clip([level, level - reach, level + reach], 0, 1)
    critical = np.quantile((noise[varies] / spread).max(axis=0), levels)
    # Of k independent standard normals none lies beyond `critical` with probability (1 − tail)^k.
    models, fewer, more = math.log(level) / np.log1p(-2 * special.ndtr(-critical))
    return JointMargin(float(np.quantile(noise.max(axis=0), level)), float(models), float(more - fewer) / 2)


def _bennett(exponent: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """The deviation r with variance · h(r/variance) = exponent, h(x) = (1 + x) ln(1 + x) − x; 0 where variance is 0.

    That is x = exp(1 + W((c − 1)/e)) − 1 for h(x) = c, W the principal branch of Lambert's function.
    """
    # Where variance is 0 any finite ratio will do; 0 itself lies on the branch point of W.
    ratio = np.ones(np.broadcast_shapes(exponent.shape, variance.shape))
    np.divide(exponent, variance, out=ratio, where=variance > 0)
    return variance * np.expm1(1 + special.lambertw((ratio - 1) / math.e).real)
