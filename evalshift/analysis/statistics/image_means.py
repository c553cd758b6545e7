"""Means over the images of a test set with their standard errors, and how they change from one set to another."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from evalshift.analysis.statistics.intervals import Interval, check_level

_CELLS_IN_A_PART = 2_000_000
# Positions in each of two sets of the images that they have in common.
SharedPlaces = tuple[Int[np.ndarray, " shared"], Int[np.ndarray, " shared"]]


@dataclass(frozen=True, eq=False)
class ImageMeans:
    """Means over images, one per model, and the variance of each mean over draws of the images.

    mean      shape (m,); NaN for a model without images
    variance  of the mean, shape (m,); NaN below two images, and where all images have the same value
    images    number of images averaged, shape (m,)
    """

    mean: Float[np.ndarray, " m"]
    variance: Float[np.ndarray, " m"]
    images: Float[np.ndarray, " m"]

    def interval(self, level: float = 0.95, within: tuple[float, float] = (-np.inf, np.inf)) -> Interval[np.ndarray]:
        """Student's t interval of each mean, cut to the possible range of a mean (`within`).

        Raises ValueError for a level outside (0, 1).
        """
        check_level(level)
        reach = stats.t.ppf((1 + level) / 2, np.maximum(self.images - 1, 1)) * np.sqrt(self.variance)
        return Interval(np.clip(self.mean - reach, *within), np.clip(self.mean + reach, *within))


@dataclass(frozen=True, eq=False)
class ChangeOfMeans:
    """New minus original mean of each model, shape (m,), with Welch's interval and two-sided p-value for no change."""

    change: Float[np.ndarray, " m"]
    interval: Interval[np.ndarray]
    p_value: Float[np.ndarray, " m"]


def image_means(values: Float[np.ndarray, "m n"]) -> ImageMeans:
    """The means of m models' values over n images; images where a model's value is NaN are left out.

    >>> found = image_means(np.array([[0.0, 1.0, 1.0, np.nan]]))
    >>> found.mean.round(3), found.variance.round(3), found.images
    (array([0.667]), array([0.111]), array([3.]))
    """
    return means_of_parts(values[models] for models in parts_of_models(*values.shape))


def parts_of_models(models: int, images: int) -> list[slice]:
    """The models in parts small enough that intermediate results over their images take little memory."""
    size = max(1, _CELLS_IN_A_PART // max(1, images))
    return [slice(start, start + size) for start in range(0, max(models, 1), size)]


def means_of_parts(parts: Iterable[Float[np.ndarray, "k n"]]) -> ImageMeans:
    """Like `image_means` of all models, from the values of some models at a time."""
    mean, variance, images = (np.concatenate(column) for column in zip(*map(_means, parts), strict=True))
    return ImageMeans(mean, np.where(variance > 0, variance, np.nan), images)


def _means(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, its variance and number of images of each model."""
    there = np.isfinite(values)
    images = there.sum(axis=1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(there, values, 0).sum(axis=1, dtype=np.float64) / images
        squares = np.where(there, values - mean[:, np.newaxis], 0)
        return mean, np.einsum("mn,mn->m", squares, squares) / (images - 1) / images, images


def shared_covariance(
    original: Float[np.ndarray, "m n"], new: Float[np.ndarray, "m k"], shared: SharedPlaces
) -> Float[np.ndarray, " m"]:
    """Covariance of the means of m models' values on two sets that share images.

    `shared` holds the positions of these images in each set. Images with a NaN value are left out, as in `image_means`.
    Source: Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6.

    >>> values = np.array([[0.0, 1.0, 1.0]])
    >>> shared_covariance(values, values, (np.arange(3), np.arange(3))).round(4)  # 2/3 over 3 · 2
    array([0.1111])
    """

    def deviations(values: np.ndarray, places: np.ndarray) -> np.ndarray:
        known = np.isfinite(values)
        images = known.sum(axis=1, keepdims=True, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(known, values, 0).sum(axis=1, keepdims=True, dtype=np.float64) / images
            return np.nan_to_num((values[:, places] - mean) / np.sqrt(images * (images - 1)), posinf=0, neginf=0)

    return np.einsum("mi,mi->m", deviations(original, shared[0]), deviations(new, shared[1]))


def change_of_means(
    original: ImageMeans,
    new: ImageMeans,
    level: float = 0.95,
    covariance: Float[np.ndarray, " m"] | float = 0.0,
) -> ChangeOfMeans:
    """How m models' means change from one set of images to another.

    `covariance` is that of the two means if the sets share images (`shared_covariance`); without it, the sets are taken
    as independent, and the degrees of freedom are Welch's instead of those of the smaller set. For a model without
    variance on one set, the variance of the other is used; without any, its interval and p-value are NaN.
    Raises ValueError for a level outside (0, 1).
    Source: Welch 1947, Biometrika 34(1-2), 28-35.
    """
    check_level(level)
    parts = np.array([original.variance, new.variance])
    degrees = np.array([original.images, new.images]) - 1
    known = np.isfinite(parts)
    separate = np.where(known, parts, 0).sum(axis=0)
    variance = separate - 2 * np.asarray(covariance)
    # If all images are shared and no value changes, what remains is rounding error rather than variance.
    variance = np.where(variance > 1e-12 * separate, variance, 0.0)
    change = new.mean - original.mean
    with np.errstate(divide="ignore", invalid="ignore"):
        welch = separate**2 / np.where(known, parts**2 / degrees, 0).sum(axis=0)
        df = np.where(np.asarray(covariance) == 0, welch, degrees.min(axis=0))
        error = np.where(variance > 0, np.sqrt(variance), np.nan)
        reach = stats.t.ppf((1 + level) / 2, df) * error
        p_value = 2 * stats.t.sf(np.abs(change) / error, df)
    return ChangeOfMeans(change, Interval(change - reach, change + reach), p_value)
