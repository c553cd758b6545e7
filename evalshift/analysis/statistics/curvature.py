"""Whether new against original accuracy is curved: the quadratic term on a scale, with its confidence interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from evalshift.analysis.statistics.cluster_robust import cluster_robust
from evalshift.analysis.statistics.errors_in_variables import steepness
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.line_fit import line_points
from evalshift.analysis.statistics.line_intervals import (
    RandomEffects,
    Uncertainty,
    between_models,
    centred_covariance,
    model_clusters,
)
from evalshift.analysis.statistics.scales import from_scale
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Accuracies

Covariance = Float[np.ndarray, "m m"]
# A parabola passes exactly through fewer models than this.
FEWEST_MODELS = 4
# Smallest share of the spread of the original accuracies, in its least favourable direction, that must remain after
# subtracting sampling error.
_LEAST_RELIABLE = 0.2
# Residuals of models exactly on a parabola are 0 up to this.
_ROUNDING = 1e-12
_QUADRATIC = np.array([[0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Curvature:
    """The quadratic term of new on original accuracy on `scale`; see `curvature`.

    quadratic      coefficient of the squared original accuracy on the scale; below 0 the slope falls as accuracy rises
    interval       its t interval at `level`, and `df`, its degrees of freedom
    p_value        two-sided, for a straight line
    bend           new accuracy that the curve predicts in the middle of the range of original accuracies, minus that of
                   the straight line between its ends, a fraction; `bend_interval` follows from `interval`
    slope_lowest, slope_highest   slopes of the curve on the scale at the lowest and the highest original accuracy
    models, clusters              as in `LineEstimate`
    images         whether the interval includes the sampling error of both sets' images
    """

    scale: str
    quadratic: float
    interval: Interval[float]
    df: float
    p_value: float
    bend: float
    bend_interval: Interval[float]
    slope_lowest: float
    slope_highest: float
    level: float
    models: int
    clusters: int
    images: bool


def curvature(
    original_accuracy: Accuracies,
    new_accuracy: Accuracies,
    covariances: tuple[Covariance, Covariance] | None = None,
    *,
    families: Sequence[str | None] | None = None,
    scale: str = "linear",
    level: float = 0.95,
) -> Curvature:
    """Fit a parabola to new on original accuracy on a scale, and test that it is a straight line.

    Takes the arguments of `line_intervals.random_effects_line`. With `covariances` of the sampling errors of the
    original and of the new accuracies, in squared fractions, the fit includes the sampling error of the shared images
    and the scatter of the models about the curve, whose variance is estimated by moments; the powers of x are corrected
    for the sampling error that models do not share. Degrees of freedom are Satterthwaite's. Without `covariances`, it
    is least squares with CR2 variances clustered by family and Bell–McCaffrey degrees of freedom, conditional on the
    images.
    Raises what `fit_line` raises, and AnalysisError for fewer than four models, fewer than three distinct original
    accuracies, models that lie exactly on a parabola, and original accuracies that differ by little more than their
    sampling error.
    Source: C.-L. Cheng and H. Schneeweiss, Journal of the Royal Statistical Society B 60(1), 1998, 189-199 (corrected
    powers); otherwise as `random_effects_line` and `cluster_robust`.

    >>> original = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    >>> found = curvature(original, original**2 + np.array([1, -1, 0, -1, 1]) / 500)
    >>> round(found.quadratic, 3), round(found.interval.low, 3), round(found.interval.high, 3)
    (1.086, 0.904, 1.267)
    """
    check_level(level)
    x, y = line_points(original_accuracy, new_accuracy, scale)
    _check_models(x, scale)
    group = model_clusters(families, len(x))
    middle = x.mean()
    if covariances is None:
        fit = cluster_robust(x - middle, y, group, degree=2)
        _check_scatter(fit.residuals, y, scale)
        coefficients, uncertainty = fit.coefficients, fit
    else:
        original, new = (
            covariance * np.outer(steep, steep)
            for covariance, steep in zip(
                covariances, (steepness(original_accuracy, scale), steepness(new_accuracy, scale)), strict=True
            )
        )
        coefficients, uncertainty = _with_images(x - middle, y, original, new, group, scale)
    return _found(x - middle, coefficients, uncertainty, group, scale, level, covariances is not None)


def _with_images(
    x: np.ndarray, y: np.ndarray, original: np.ndarray, new: np.ndarray, group: np.ndarray, scale: str
) -> tuple[np.ndarray, RandomEffects]:
    """Coefficients from the corrected powers of centred x, and their uncertainty."""
    own = centred_covariance(original)
    powers = _corrected_powers(x, np.diagonal(own).clip(min=0))
    moments = np.array([[powers[i + j].sum() for j in range(3)] for i in range(3)])
    _check_reliable(moments, x, scale)
    inverse = np.linalg.inv(moments)
    weights = powers[:3].T @ inverse
    coefficients = weights.T @ y
    steep = coefficients[1] + 2 * coefficients[2] * x
    errors = new + original * np.outer(steep, steep)
    between = between_models(np.vander(x, 3, increasing=True), y, errors, group)
    # Noise in x also enters the weights: the part of the variance that is quadratic in it, as for a straight line.
    direction = np.stack([np.zeros_like(x), np.ones_like(x), 2 * x], axis=1) @ inverse
    of_noise = 2 * coefficients[1] ** 2 * direction.T @ own**2 @ direction
    return coefficients, RandomEffects(weights, between, weights.T @ errors @ weights + of_noise)


def _corrected_powers(x: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Unbiased estimates of the powers 0 to 4 of the true values, for normal errors in x of the variances `noise`."""
    return np.stack(
        [np.ones_like(x), x, x**2 - noise, x**3 - 3 * noise * x, x**4 - 6 * noise * x**2 + 3 * noise**2], axis=0
    )


def _found(
    x: np.ndarray,
    coefficients: np.ndarray,
    uncertainty: Uncertainty,
    group: np.ndarray,
    scale: str,
    level: float,
    images: bool,
) -> Curvature:
    quadratic = float(coefficients[2])
    variance, df = (float(values[0]) for values in uncertainty.variance(_QUADRATIC))
    error = float(np.sqrt(max(variance, 0)))
    reach = float(stats.t.ppf((1 + level) / 2, df)) * error
    interval = Interval(quadratic - reach, quadratic + reach)
    ends = np.array([x.min(), x.max()])
    chord = float(np.polynomial.polynomial.polyval(ends, coefficients).mean())
    bends = [_bend(chord, coefficient, np.ptp(x), scale) for coefficient in (quadratic, interval.high, interval.low)]
    lowest, highest = (float(slope) for slope in coefficients[1] + 2 * quadratic * ends)
    return Curvature(
        scale=scale,
        quadratic=quadratic,
        interval=interval,
        df=df,
        p_value=float(2 * stats.t.sf(abs(quadratic) / error, df)) if error > 0 else np.nan,
        bend=bends[0],
        bend_interval=Interval(*bends[1:]),
        slope_lowest=lowest,
        slope_highest=highest,
        level=level,
        models=len(x),
        clusters=int(group.max()) + 1,
        images=images,
    )


def _bend(chord: float, quadratic: float, width: float, scale: str) -> float:
    """Height of the curve above its chord in the middle, as accuracy: −quadratic (width/2)² on the scale."""
    curve, straight = from_scale(np.array([chord - quadratic * (width / 2) ** 2, chord]), scale)
    return float(curve - straight)


def _check_models(x: np.ndarray, scale: str) -> None:
    distinct = len(np.unique(x))
    if len(x) < FEWEST_MODELS or distinct < 3:
        raise AnalysisError(
            "no curve can be fitted",
            where=f"curve of new on original accuracy, {scale} scale",
            found=f"{counted(len(x), 'model')} with {distinct} distinct original accuracies",
            expected=f"at least {FEWEST_MODELS} models, with at least 3 distinct original accuracies",
            fix="evaluate more models on both test sets",
        )


def _check_scatter(residuals: np.ndarray, y: np.ndarray, scale: str) -> None:
    if np.abs(residuals).max() <= _ROUNDING * (1 + np.abs(y).max()):
        raise AnalysisError(
            "the quadratic term has no confidence interval: all models lie exactly on the curve",
            where=f"curve of new on original accuracy, {scale} scale",
            found=f"{counted(len(residuals), 'model')}",
            expected="models that scatter about the curve",
            fix="evaluate more models on both test sets",
        )


def _check_reliable(moments: np.ndarray, x: np.ndarray, scale: str) -> None:
    """Compare the corrected moments with the measured ones, in the direction in which the least remains."""
    root = np.linalg.inv(np.linalg.cholesky(np.vander(x, 3, increasing=True).T @ np.vander(x, 3, increasing=True)))
    left = float(np.linalg.eigvalsh(root @ moments @ root.T).min())
    if left < _LEAST_RELIABLE:
        raise AnalysisError(
            "no curve with sampling error in both accuracies can be fitted",
            where=f"curve of new on original accuracy, {scale} scale",
            found=f"{counted(len(x), 'model')} whose original accuracies differ by little more than sampling error",
            expected="original accuracies that differ by more",
            fix="evaluate models that differ more, or on more images",
        )
