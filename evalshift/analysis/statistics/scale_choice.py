"""Which scale makes the straightest line: linear, probit and logit lines by their fit, and by models they left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalshift.analysis.statistics.bootstraps import family_groups
from evalshift.analysis.statistics.least_squares import weighted_least_squares
from evalshift.analysis.statistics.line_fit import fit_line
from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy, from_scale, to_scale
from evalshift.shapes import Accuracies, Counts

# Fewer models do not tell which scale is the better one.
FEWEST_MODELS = 5


@dataclass(frozen=True, eq=False)
class ScaleFit:
    """How well a line on one scale fits m models, and predicts those left out of it.

    r2         of the line through all models, on its own scale: it does not compare between scales as errors do
    error      new accuracy that a line without the model (or without its family) predicts, minus its true one, as a
               fraction; NaN where the models left make no line
    rms_error  root mean square of the errors that are defined
    """

    scale: str
    r2: float
    error: Accuracies
    rms_error: float


def compare_scales(
    original_correct: Counts,
    original_total: Counts,
    new_correct: Counts,
    new_total: Counts,
    *,
    families: Sequence[str | None] | None = None,
) -> tuple[ScaleFit, ...]:
    """Lines on each of `SCALES`, compared by R² and by leave-one-out error in accuracy.

    Takes counts over m models. With `families` (None for a model without one) a model is predicted by a line without
    its whole family, which asks more: whether the line holds for models of another kind, at other accuracies.
    Raises what `fit_line` raises, and ValueError where there is not one family a model.
    Source: Recht et al. 2019, appendix C.2 and figure 6; Stone 1974, Journal of the Royal Statistical Society B 36(2),
    111-147 (leaving one out).

    >>> n = np.full(4, 1000)
    >>> original, new = np.array([300, 500, 700, 900]), np.array([150, 310, 530, 820])
    >>> [(fit.scale, round(fit.rms_error, 3)) for fit in compare_scales(original, n, new, n)]
    [('linear', 0.083), ('probit', 0.009), ('logit', 0.008)]
    """
    group = family_groups(families, len(original_correct))
    kept = (group[:, np.newaxis] != group).astype(np.float64)
    return tuple(_fit(original_correct, original_total, new_correct, new_total, kept, scale) for scale in SCALES)


def best_scale(fits: Sequence[ScaleFit], otherwise: str = "linear") -> str:
    """The scale with the least leave-one-out error, the first of several; `otherwise` with fewer than five models.

    Three or four models have a leave-one-out error that one of them decides.
    """
    known = [fit for fit in fits if np.isfinite(fit.rms_error) and len(fit.error) >= FEWEST_MODELS]
    return min(known, key=lambda fit: fit.rms_error).scale if known else otherwise


def _fit(
    original_correct: np.ndarray,
    original_total: np.ndarray,
    new_correct: np.ndarray,
    new_total: np.ndarray,
    kept: np.ndarray,
    scale: str,
) -> ScaleFit:
    original = fitted_accuracy(original_correct, original_total, scale)
    new = fitted_accuracy(new_correct, new_total, scale)
    line = fit_line(original, new, scale=scale, resamples=0, rng=np.random.default_rng(0))
    x, y = to_scale(original, scale), to_scale(new, scale)
    lines = np.full((2, len(x)), np.nan)
    some = kept.any(axis=1)
    if some.any():
        lines[:, some] = weighted_least_squares(x[np.newaxis], y[np.newaxis], kept[some])
    error = from_scale(lines[0] * x + lines[1], scale) - new_correct / new_total
    defined = error[np.isfinite(error)]
    rms_error = float(np.sqrt(np.mean(defined**2))) if len(defined) else float("nan")
    return ScaleFit(scale, line.r2, error, rms_error)
