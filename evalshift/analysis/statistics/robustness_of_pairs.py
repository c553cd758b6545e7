"""Differences in effective robustness for all pairs of models, each from the line through all other models."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from evalshift.analysis.statistics.effective_robustness import Covariance
from evalshift.analysis.statistics.errors_in_variables import binomial_variance, steepness
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.line_fit import LEAST_LINE_MODELS
from evalshift.analysis.statistics.scales import fitted_accuracy, from_scale, to_scale
from evalshift.errors import AnalysisError
from evalshift.shapes import Counts

# The accuracies of two models with the same correctness on every image differ only by rounding.
_NO_NOISE = 1e-9


@dataclass(frozen=True, eq=False)
class RobustnessOfPairs:
    """Entry [i, j] compares models i and j, from the line through all other models; NaN on the diagonal.

    distance     of model i, in accuracies (fractions), above 0 if it lies above that line; NaN if i lies beyond the
                 models of the line and the distance is smaller than its standard error
    difference   distance of i minus distance of j, also if these are NaN; antisymmetric
    interval     of the difference
    p_value      for the null hypothesis that both distances are equal
    """

    distance: Float[np.ndarray, "m m"]
    difference: Float[np.ndarray, "m m"]
    interval: Interval[np.ndarray]
    p_value: Float[np.ndarray, "m m"]


def robustness_of_pairs(
    counts: tuple[Counts, Counts, Counts, Counts],
    *,
    in_line: Bool[np.ndarray, " m"] | None = None,
    covariances: tuple[Covariance, Covariance] | None = None,
    scale: str = "linear",
    level: float = 0.95,
) -> RobustnessOfPairs:
    """The results of `robustness_differences` for all m (m − 1) / 2 pairs of models at once.

    Arguments and assumptions are the same. Everything is NaN for pairs that leave fewer than five models, or a single
    original accuracy, for the line. Time grows with m⁴: 0.1 s for 67 models.
    Raises AnalysisError if that is so for every pair, ValueError for a level outside (0, 1) and an unknown scale.

    >>> n = np.full(7, 10_000)
    >>> original = np.array([6000, 6500, 7000, 7500, 8000, 7100, 7900])
    >>> new = np.array([4000, 4700, 5400, 6100, 6800, 5800, 6660])
    >>> robustness_of_pairs((original, n, new, n)).difference[5, 6].round(3)
    np.float64(0.026)
    """
    check_level(level)
    original, new = fitted_accuracy(*counts[:2], scale), fitted_accuracy(*counts[2:], scale)
    line = np.ones(len(original), bool) if in_line is None else in_line
    if covariances is None:
        covariances = np.diag(binomial_variance(*counts[:2])), np.diag(binomial_variance(*counts[2:]))
    points = _Points(
        to_scale(original, scale),
        to_scale(new, scale),
        counts[2] / counts[3],
        line,
        (steepness(original, scale), steepness(new, scale)),
        covariances,
        scale,
    )
    models = len(original)
    distance, difference, error, freedom = (np.full((models, models), np.nan) for _ in range(4))
    # Row by row: all pairs at once would need m³ numbers.
    for first in range(models - 1):
        rest = slice(first + 1, models)
        of_first, of_second, between, found, left = _of_row(points, first)
        distance[first, rest], distance[rest, first] = of_first, of_second
        difference[first, rest], difference[rest, first] = between, -between
        error[first, rest] = error[rest, first] = found
        freedom[first, rest] = freedom[rest, first] = left
    if np.isnan(difference).all():
        raise AnalysisError(
            "too few models to compare two of them with the line of the other models",
            where=f"effective robustness, {scale} scale",
            found=f"{int(line.sum())} models in the line",
            expected=f"at least {LEAST_LINE_MODELS} besides two, which differ in original accuracy",
        )
    arm = stats.t.ppf((1 + level) / 2, freedom) * error
    p_value = 2 * stats.t.sf(np.abs(difference) / error, freedom)
    return RobustnessOfPairs(distance, difference, Interval(difference - arm, difference + arm), p_value)


@dataclass(frozen=True, eq=False)
class _Points:
    """Models on the scale, new accuracies, which models are in the line, derivatives and covariances on both sets."""

    x: np.ndarray
    y: np.ndarray
    new: np.ndarray
    line: np.ndarray
    steep: tuple[np.ndarray, np.ndarray]
    covariances: tuple[np.ndarray, np.ndarray]
    scale: str


def _of_row(points: _Points, first: int) -> tuple[np.ndarray, ...]:
    """For this model and each later one: both distances, their difference, its standard error, degrees of freedom."""
    x, y, models = points.x, points.y, len(points.x)
    second = np.arange(first + 1, models)
    row = np.arange(len(second))
    in_line = np.repeat(points.line[np.newaxis], len(second), axis=0)
    in_line[:, first], in_line[row, second] = False, False
    size = in_line.sum(axis=1)
    centre, height = (in_line @ values / np.maximum(size, 1) for values in (x, y))
    across = (x - centre[:, np.newaxis]) * in_line
    spread = (across**2).sum(axis=1)
    kept = (size >= LEAST_LINE_MODELS) & (spread > 1e-24)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = across @ y / spread
        residual = (y - height[:, np.newaxis] - slope[:, np.newaxis] * (x - centre[:, np.newaxis])) * in_line
        scatter = (residual**2).sum(axis=1) / (size - 2)
        sides = [
            _distance(points, place, in_line, size, centre, height, across, spread, slope)
            for place in (np.full(len(second), first), second)
        ]
        for side in sides:
            side.variance[:] = _images(points, side.of_new, side.of_original) + scatter * (
                side.at[0] ** 2 / size + side.at[1] ** 2 / spread
            )
        (one, other) = sides
        level_part, tilt = one.at[0] - other.at[0], one.at[1] - other.at[1]
        variance = _images(points, one.of_new - other.of_new, one.of_original - other.of_original) + scatter * (
            level_part**2 / size + tilt**2 / spread
        )
        error = np.sqrt(np.maximum(variance, _NO_NOISE**2))
    between = one.distance - other.distance
    least, most = (
        np.where(in_line, x, end).min(axis=1) if end > 0 else np.where(in_line, x, end).max(axis=1)
        for end in (np.inf, -np.inf)
    )
    for side, place in ((one, np.full(len(second), first)), (other, second)):
        beyond = (x[place] < least) | (x[place] > most)
        side.distance[beyond & (np.sqrt(np.maximum(side.variance, 0)) > np.abs(side.distance))] = np.nan
    found = (one.distance, other.distance, between, error, (size - 2).astype(float))
    return tuple(np.where(kept, values, np.nan) for values in found)


@dataclass(frozen=True, eq=False)
class _Side:
    """Distances of one model of each pair, and their derivatives by the accuracies of all models and by the line."""

    distance: np.ndarray
    of_new: np.ndarray
    of_original: np.ndarray
    at: tuple[np.ndarray, np.ndarray]  # derivatives by the height and by the slope of the line
    variance: np.ndarray


def _distance(
    points: _Points,
    place: np.ndarray,
    in_line: np.ndarray,
    size: np.ndarray,
    centre: np.ndarray,
    height: np.ndarray,
    across: np.ndarray,
    spread: np.ndarray,
    slope: np.ndarray,
) -> _Side:
    away = points.x[place] - centre
    predicted = from_scale(height + slope * away, points.scale)
    steep = 1 / steepness(predicted, points.scale)
    own = np.zeros(in_line.shape)
    own[np.arange(len(place)), place] = 1
    hat = in_line / size[:, np.newaxis] + (away / spread)[:, np.newaxis] * across
    by = steep[:, np.newaxis]
    return _Side(
        points.new[place] - predicted,
        own - by * hat * points.steep[1],
        -by * slope[:, np.newaxis] * (own - hat) * points.steep[0],
        (steep, steep * away),
        np.empty(len(place)),
    )


def _images(points: _Points, of_new: np.ndarray, of_original: np.ndarray) -> np.ndarray:
    """Variance over samples of images of quantities with these derivatives by the accuracies, per row."""
    original, new = points.covariances
    return ((of_original @ original) * of_original).sum(axis=1) + ((of_new @ new) * of_new).sum(axis=1)
