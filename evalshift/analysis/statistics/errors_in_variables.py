"""The line of new on original accuracy with errors in both coordinates: York's line, and its variances."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import special, stats

from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.statistics.line_fit import fit_line
from evalshift.analysis.statistics.scales import check_scale, fitted_accuracy, from_scale, to_scale
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Counts

# If the original accuracies are mostly noise, the line turns vertical and its slope diverges.
_STEEPEST = 1e6
_MOST_STEPS = 10_000
# For own_variance, whose differences of a thousand models on ten thousand images would take 80 MB.
_MODELS_AT_ONCE = 128
_STEEPNESS = {
    "linear": np.ones_like,
    "probit": lambda accuracy: 1 / stats.norm.pdf(special.ndtri(accuracy)),
    "logit": lambda accuracy: 1 / (accuracy * (1 - accuracy)),
}


@dataclass(frozen=True)
class YorkLine:
    """Errors-in-variables line of new on original accuracy over `models` models, on `scale`; see `york_line`.

    `slope_error` and `offset_error` are York's standard errors, which assume that the given variances are the only
    scatter. `reduced_chi2` checks this: it is the weighted squared distance from the line divided by its expectation,
    models − 2. If it is above 1, the models scatter more than their variances explain, and the intervals are widened by
    its square root. It is NaN for two models, which lie on any line through them. Offset and errors are in units of the
    scale.
    """

    scale: str
    slope: float
    offset: float
    slope_error: float
    offset_error: float
    slope_interval: Interval[float]
    offset_interval: Interval[float]
    reduced_chi2: float
    level: float
    models: int

    def predict(self, accuracy: Float[np.ndarray, " point"]) -> Float[np.ndarray, " point"]:
        """New accuracy that the line gives for original accuracies inside (0, 1); on linear, [0, 1]. Shape (point,)."""
        return from_scale(self.slope * to_scale(accuracy, self.scale) + self.offset, self.scale)


def york_line(
    original_accuracy: Float[np.ndarray, " model"],
    new_accuracy: Float[np.ndarray, " model"],
    original_variance: Float[np.ndarray, " model"],
    new_variance: Float[np.ndarray, " model"],
    *,
    scale: str = "linear",
    level: float = 0.95,
) -> YorkLine:
    """The line through points with independent errors in both coordinates, each with its own variance.

    Takes accuracies as `fit_line` does, and their variances in squared fractions, above 0 (`binomial_variance`, or
    `own_variance` if models share images), which the delta method converts to the scale. Unlike the least-squares line,
    it is not flattened by noise in the original accuracies. Intervals are normal, from the standard errors, at `level`.
    Raises what `fit_line` raises, ValueError for a variance that is not above 0, and AnalysisError if the iteration
    does not converge because the original accuracies differ by no more than their noise.
    Source: York, Evensen, López Martínez and De Basabe Delgado 2004, American Journal of Physics 72(3), 367-375,
    with all error correlations 0.

    >>> original, new = np.array([0.5, 0.6, 0.7, 0.8]), np.array([0.3, 0.4, 0.5, 0.6])
    >>> line = york_line(original, new, np.full(4, 1e-4), np.full(4, 4e-4))
    >>> round(line.slope, 6), round(line.offset, 6)
    (1.0, -0.2)
    """
    start = fit_line(
        original_accuracy, new_accuracy, scale=scale, resamples=0, level=level, rng=np.random.default_rng(0)
    )
    x, y = to_scale(original_accuracy, scale), to_scale(new_accuracy, scale)
    x_variance = _on_scale(original_variance, original_accuracy, scale, "original_variance")
    y_variance = _on_scale(new_variance, new_accuracy, scale, "new_variance")
    slope = _york_slope(x, y, x_variance, y_variance, start.slope)
    weight, mean_x, mean_y, beta = _york_terms(x, y, x_variance, y_variance, slope)
    # Standard errors use the points as adjusted onto the line by the fit, not the observed points.
    adjusted = mean_x + beta
    mean_adjusted = np.average(adjusted, weights=weight)
    offset = mean_y - slope * mean_x
    slope_error = 1 / np.sqrt(np.sum(weight * (adjusted - mean_adjusted) ** 2))
    offset_error = np.sqrt(1 / weight.sum() + mean_adjusted**2 * slope_error**2)
    chi2 = np.sum(weight * (y - slope * x - offset) ** 2)
    reduced_chi2 = chi2 / (len(x) - 2) if len(x) > 2 else np.nan
    reach = stats.norm.isf((1 - level) / 2) * np.sqrt(np.fmax(1, reduced_chi2))
    return YorkLine(
        scale=scale,
        slope=float(slope),
        offset=float(offset),
        slope_error=float(slope_error),
        offset_error=float(offset_error),
        slope_interval=Interval(float(slope - reach * slope_error), float(slope + reach * slope_error)),
        offset_interval=Interval(float(offset - reach * offset_error), float(offset + reach * offset_error)),
        reduced_chi2=float(reduced_chi2),
        level=level,
        models=len(x),
    )


def binomial_variance(correct: Counts, total: Counts) -> Float[np.ndarray, " m"]:
    """Sampling variance p(1 − p)/n of accuracies k/n, in squared fractions, shape (m,).

    If none or all are correct, p is (k + ½)/(n + 1), since a variance of 0 would give a point infinite weight.
    Raises ValueError for the first cell with impossible counts.

    >>> binomial_variance(np.array([80, 100]), np.array([100, 100])).round(6)
    array([1.6e-03, 4.9e-05])
    """
    accuracy = fitted_accuracy(correct, total, "probit")
    return accuracy * (1 - accuracy) / total


def own_variance(correct: Bool[np.ndarray, "model image"]) -> Float[np.ndarray, " model"]:
    """Sampling variance of each model's accuracy minus the mean of all models', in squared fractions, shape (model,).

    Models that share images share most of their sampling error: easy images raise all accuracies and shift the line,
    and only the differences between models tilt it. This is the variance of these differences, smaller than
    `binomial_variance`; use it for a slope, not for the standard error of an offset. A model that never differs from
    the mean gets 1/(m n)², as if it differed by one of the m models on one of the n images, since a variance of 0 would
    give its point infinite weight.
    """
    mean = correct.mean(axis=0, dtype=np.float64)
    variance = np.empty(len(correct))
    for part in np.array_split(np.arange(len(correct)), max(1, len(correct) // _MODELS_AT_ONCE)):
        variance[part] = (correct[part] - mean).var(axis=1)
    return np.maximum(variance / correct.shape[1], correct.size**-2.0)


def steepness(accuracy: Float[np.ndarray, " model"], scale: str) -> Float[np.ndarray, " model"]:
    """The derivative of `scales.to_scale` at accuracies inside (0, 1): how far a small error there moves a point.

    >>> steepness(np.array([0.5, 0.9]), "logit").round(3)
    array([ 4.   , 11.111])
    """
    check_scale(scale)
    return _STEEPNESS[scale](accuracy)


def _on_scale(variance: np.ndarray, accuracy: np.ndarray, scale: str, name: str) -> np.ndarray:
    """Variances of accuracies as variances on the scale, by the scale's derivative at each accuracy."""
    if variance.shape != accuracy.shape:
        raise ValueError(f"{name}: found {len(variance)} for {counted(len(accuracy), 'model')}; expected one per model")
    wrong = ~(variance > 0)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ValueError(f"{name}[{first}]: found {variance[first]}; expected a variance above 0")
    return variance * steepness(accuracy, scale) ** 2


def _york_terms(
    x: np.ndarray, y: np.ndarray, x_variance: np.ndarray, y_variance: np.ndarray, slope: float
) -> tuple[np.ndarray, float, float, np.ndarray]:
    """W, X̄, Ȳ and β of York et al. 2004, equation 13, at a slope; β moves each x onto the line, from X̄."""
    weight = 1 / (y_variance + slope**2 * x_variance)
    mean_x, mean_y = float(np.average(x, weights=weight)), float(np.average(y, weights=weight))
    beta = weight * ((x - mean_x) * y_variance + slope * (y - mean_y) * x_variance)
    return weight, mean_x, mean_y, beta


def _york_slope(x: np.ndarray, y: np.ndarray, x_variance: np.ndarray, y_variance: np.ndarray, slope: float) -> float:
    steps = 0
    while steps < _MOST_STEPS and abs(slope) < _STEEPEST:
        steps += 1
        weight, mean_x, mean_y, beta = _york_terms(x, y, x_variance, y_variance, slope)
        last, slope = slope, np.sum(weight * beta * (y - mean_y)) / np.sum(weight * beta * (x - mean_x))
        if abs(slope - last) <= 1e-12 * abs(slope):
            return float(slope)
    raise AnalysisError(
        "the errors-in-variables line does not converge",
        where="line of new on original accuracy, errors in both coordinates",
        found="a slope that diverges" if steps < _MOST_STEPS else f"no slope after {steps:,} steps",
        expected="original accuracies that differ by more than their sampling error",
        fix="evaluate models that differ more, or on more images",
    )
