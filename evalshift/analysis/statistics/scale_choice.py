"""Choice of the scale: linear, probit and logit lines compared by their fit and their leave-one-out error."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from evalshift.analysis.statistics.bootstraps import family_groups
from evalshift.analysis.statistics.least_squares import weighted_least_squares
from evalshift.analysis.statistics.line_fit import fit_line
from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy, from_scale, to_scale
from evalshift.shapes import Accuracies, Counts

# Fewer models do not show which scale fits better.
FEWEST_MODELS = 5
# A scale whose leave-one-out error is this many times the smallest fits clearly worse, whatever the noise.
MUCH_WORSE = 1.5
# Leave-one-out errors below this, in accuracy, count as equal.
_EXACT = 1e-4


@dataclass(frozen=True, eq=False)
class ScaleFit:
    """How well a line on one scale fits m models, and predicts each model when it is left out.

    r2         of the line through all models, on its own scale; unlike the errors, not comparable between scales
    error      new accuracy predicted by the line without the model (or without its family) minus its measured one, as a
               fraction; NaN if the remaining models define no line
    rms_error  root mean square of the defined errors
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

    Takes counts over m models. With `families` (None for a model without one), a model is predicted by a line without
    its whole family, a stricter test: whether the line also predicts models of another kind, at other accuracies.
    Raises what `fit_line` raises, and ValueError if there is not one family per model.
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


@dataclass(frozen=True)
class ScaleChoice:
    """The scale chosen for models on one or several pairs of test sets; see `choose_scale`.

    best    the scale with the smallest leave-one-out error
    errors  scale -> root mean square leave-one-out error in accuracy, the geometric mean over several pairs; empty with
            fewer than five models on each pair
    pairs   how many pairs had enough models to count
    """

    scale: str
    best: str
    errors: dict[str, float]
    pairs: int


def choose_scale(fits: Sequence[Sequence[ScaleFit]], models: Sequence[Sequence[Hashable]]) -> ScaleChoice:
    """The simplest scale whose leave-one-out error is within noise of the smallest, over one or several pairs of sets.

    Takes the fits of `compare_scales` and the names of the models for each pair. Scales are compared by the mean over
    pairs of log(mean squared leave-one-out error), so that pairs with large errors do not dominate. The standard error
    of a difference between two scales is computed from the models' contributions to it, summed over the pairs of each
    model. The chosen scale is the first of linear, probit and logit whose mean is within one standard error of the
    smallest and whose error is at most 1.5 times the smallest. Errors below 0.01 points count as equal. Pairs with
    fewer than five models are ignored; if there are no others, the scale is linear.
    Source: L. Breiman, J. Friedman, R. Olshen and C. Stone, Classification and Regression Trees, 1984, section 3.4.3
    (the simplest within one standard error of the best).

    >>> n = np.full(6, 1000)
    >>> original, new = np.array([300, 500, 600, 700, 800, 900]), np.array([150, 310, 416, 530, 668, 820])
    >>> choose_scale([compare_scales(original, n, new, n)], ["abcdef"]).scale
    'probit'
    """
    enough = [(pair, names) for pair, names in zip(fits, models, strict=True) if _counts(pair)]
    if not enough:
        return ScaleChoice(SCALES[0], SCALES[0], {}, 0)
    logs = np.zeros(len(SCALES))
    parts: dict[Hashable, np.ndarray] = {}
    for pair, names in enough:
        errors = np.stack([fit.error for fit in pair])
        squared = np.maximum([fit.rms_error for fit in pair], _EXACT) ** 2
        logs += np.log(squared) / len(enough)
        # Contribution of each model to the logarithm of its pair's mean square, to first order.
        shares = np.nan_to_num(errors**2) / squared[:, np.newaxis] / np.isfinite(errors).sum(axis=1, keepdims=True)
        for name, share in zip(names, shares.T, strict=True):
            parts[name] = parts.get(name, np.zeros(len(SCALES))) + share / len(enough)
    best = int(np.argmin(logs))
    apart = np.stack(list(parts.values()))
    apart = apart - apart[:, [best]]
    noise = np.sqrt(len(apart) * np.var(apart, axis=0, ddof=1))
    near = (logs - logs[best] <= noise) & (logs - logs[best] <= 2 * np.log(MUCH_WORSE))
    means: dict[str, float] = {scale: float(np.exp(log / 2)) for scale, log in zip(SCALES, logs, strict=True)}
    return ScaleChoice(SCALES[int(np.argmax(near))], SCALES[best], means, len(enough))


def _counts(pair: Sequence[ScaleFit]) -> bool:
    """Whether these fits have enough models on every scale."""
    return all(np.isfinite(fit.error).sum() >= FEWEST_MODELS for fit in pair)


def best_scale(fits: Sequence[ScaleFit], otherwise: str = "linear") -> str:
    """The scale with the smallest leave-one-out error, the first if tied; `otherwise` with fewer than five models.

    With three or four models, a single model dominates the leave-one-out error.
    """
    known = [fit for fit in fits if np.isfinite(fit.rms_error) and len(fit.error) >= FEWEST_MODELS]
    return min(known, key=lambda fit: fit.rms_error).scale if known else otherwise


def better_scale(fits: Sequence[ScaleFit], chosen: str) -> str:
    """The chosen scale, unless another one has a leave-one-out error of less than 1/1.5 of the chosen one's.

    Always the chosen scale with fewer than five models, of which a single one dominates the error, and if its error is
    below 0.01 points.
    """
    error = {fit.scale: fit.rms_error for fit in fits}
    best = best_scale(fits, otherwise=chosen)
    return best if error[chosen] > max(MUCH_WORSE * error[best], _EXACT) else chosen


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
