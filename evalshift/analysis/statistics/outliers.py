"""Models far from the line of the other models, found by a robust line that a few invalid models do not move."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from scipy import special, stats

from evalshift.analysis.statistics.errors_in_variables import binomial_variance, steepness
from evalshift.analysis.statistics.least_squares import weighted_least_squares
from evalshift.analysis.statistics.multiplicity import adjust
from evalshift.analysis.statistics.scales import fitted_accuracy, from_scale, to_scale
from evalshift.shapes import Accuracies, Counts

# Models this many robust standard deviations from the robust line are left out of the least-squares fit.
_KEPT_WITHIN = 3.0
# Standard deviation of a normal distribution divided by its median absolute deviation.
_MAD_TO_SD = float(1 / special.ndtri(0.75))
# Fewer others do not show their usual scatter. Reports give no distances from lines through fewer than five models
# (`line_fit.LEAST_LINE_MODELS`); here, distances only warn of grossly incorrect predictions, and Student's t with two
# degrees of freedom keeps false alarms as rare as with many models.
_FEWEST_OTHERS = 4


@dataclass(frozen=True, eq=False)
class OffTheLine:
    """Each of m models compared with the line of the other models, in accuracies (fractions); see `off_the_line`.

    predicted   new accuracy that the line of the other models predicts at the model's original accuracy
    distance    new accuracy minus predicted
    usual       standard deviation of a valid model's distance there, from the others' scatter and sampling error
    p_value     two-sided, for the null hypothesis that the model belongs to the line
    p_holm      adjusted over the models by Holm
    kept        whether the line is fitted to the model

    All except `kept` are NaN for a model with fewer than 4 others, or whose others all have the same original accuracy.
    """

    predicted: Accuracies
    distance: Accuracies
    usual: Accuracies
    p_value: Accuracies
    p_holm: Accuracies
    kept: Bool[np.ndarray, " m"]


def off_the_line(
    original_correct: Counts, original_total: Counts, new_correct: Counts, new_total: Counts, *, scale: str = "probit"
) -> OffTheLine:
    """Distance of each model from the line of the other models, some of which may be invalid themselves.

    Takes counts over m models. Siegel's repeated medians give a first line, which is reliable while fewer than half of
    the models are invalid. Models within three robust standard deviations of it are kept, and least squares through the
    kept ones, each time without the model itself, gives the prediction. A distance is tested by Student's t with the
    scatter of the kept models about their line, or with sampling error if that is larger. Unlike in
    `effective_robustness`, an invalid model thus neither masks another one nor makes valid models look like outliers.
    Raises ValueError for an unknown scale and for impossible counts.
    Source: Siegel 1982, Biometrika 69(1), 242-244 (repeated medians); Rousseeuw and Leroy 1987, Robust Regression and
    Outlier Detection, chapter 3 (one step of reweighted least squares from a robust start).

    >>> n = np.full(8, 10_000)
    >>> original = np.array([5000, 5500, 6000, 6500, 7000, 7500, 8000, 8500])
    >>> new = np.array([3800, 4320, 4810, 5370, 5930, 1200, 7130, 7800])
    >>> found = off_the_line(original, n, new, n)
    >>> found.distance[5].round(2), np.flatnonzero(found.p_holm < 0.001)
    (np.float64(-0.53), array([5]))
    """
    accuracies = [
        fitted_accuracy(c, n, scale) for c, n in ((original_correct, original_total), (new_correct, new_total))
    ]
    x, y = (to_scale(accuracy, scale) for accuracy in accuracies)
    slope, offset = _repeated_medians(x, y)
    drawn = np.sqrt(
        (slope * steepness(accuracies[0], scale)) ** 2 * binomial_variance(original_correct, original_total)
        + steepness(accuracies[1], scale) ** 2 * binomial_variance(new_correct, new_total)
    )
    residual = y - slope * x - offset
    spread = np.maximum(_MAD_TO_SD * np.median(np.abs(residual)) if len(x) else np.nan, drawn)
    with np.errstate(invalid="ignore"):
        kept = np.abs(residual) <= _KEPT_WITHIN * spread
    predicted, error, freedom = _left_out(x, y, kept, drawn)
    on_line = from_scale(predicted, scale)
    with np.errstate(invalid="ignore"):
        p_value = 2 * stats.t.sf(np.abs(y - predicted) / error, freedom)
    return OffTheLine(
        predicted=on_line,
        distance=new_correct / new_total - on_line,
        usual=error / steepness(np.clip(on_line, 0.0005, 0.9995), scale),
        p_value=p_value,
        p_holm=adjust(p_value, "holm"),
        kept=kept,
    )


def _repeated_medians(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and offset by Siegel's repeated medians; NaN if no two models differ in x."""
    if len(np.unique(x)) < 2:
        return float("nan"), float("nan")
    line: Any = stats.siegelslopes(y, x)
    return float(line.slope), float(line.intercept)


def _left_out(
    x: np.ndarray, y: np.ndarray, kept: np.ndarray, drawn: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each model: prediction of the line of the kept others, standard error of its distance, degrees of freedom."""
    others = (kept & ~np.eye(len(x), dtype=bool)).astype(np.float64)
    count = others.sum(axis=1)
    enough = count >= _FEWEST_OTHERS
    if not enough.any():
        nothing = np.full(len(x), np.nan)
        return nothing, nothing, nothing
    slope, offset = np.where(enough, weighted_least_squares(x[np.newaxis], y[np.newaxis], others), np.nan)
    residual = y - slope[:, np.newaxis] * x - offset[:, np.newaxis]
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN if the others define no line
        scatter = np.sum(others * residual**2, axis=1) / (count - 2)
        mean = others @ x / count
        apart = np.sum(others * (x - mean[:, np.newaxis]) ** 2, axis=1)
        leverage = 1 / count + (x - mean) ** 2 / apart
    error = np.sqrt(np.maximum(scatter, drawn**2) + leverage * scatter)
    return slope * x + offset, error, np.where(enough, count - 2, np.nan)
