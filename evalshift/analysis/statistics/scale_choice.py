"""Which scale makes the straightest line: linear, probit and logit lines by their fit, and by models they left out."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from evalshift.analysis.statistics.bootstraps import family_groups
from evalshift.analysis.statistics.least_squares import weighted_least_squares
from evalshift.analysis.statistics.line_fit import fit_line
from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy, from_scale, to_scale
from evalshift.shapes import Accuracies, Counts

# Fewer models do not tell which scale is the better one.
FEWEST_MODELS = 5
# A scale whose leave-one-out error is this many times the least one fits clearly worse, whatever the noise.
MUCH_WORSE = 1.5
# Of leave-one-out errors this small, in accuracy, neither speaks against the line.
_EXACT = 1e-4


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


@dataclass(frozen=True)
class ScaleChoice:
    """The scale that was chosen for models on one or several pairs of test sets; see `choose_scale`.

    best    the scale with the least leave-one-out error
    errors  scale -> its root mean square leave-one-out error in accuracy, over several pairs their geometric mean;
            empty with fewer than five models on each pair
    pairs   how many pairs had enough models to count
    """

    scale: str
    best: str
    errors: dict[str, float]
    pairs: int


def choose_scale(fits: Sequence[Sequence[ScaleFit]], models: Sequence[Sequence[Hashable]]) -> ScaleChoice:
    """The simplest scale whose leave-one-out error is within noise of the least, over one or several pairs of sets.

    Takes the fits of `compare_scales` and the names of the models for each pair. Scales are compared by the mean over
    pairs of log(mean squared leave-one-out error), so that pairs with large errors do not decide alone. The standard
    error of a difference between two scales comes from the models' own contributions to it, summed over the pairs that
    a model is in. Of linear, probit and logit, in this order, the first is chosen whose mean is within one standard
    error of the least, and whose error is at most 1.5 times the least. Errors below 0.01 points count as equal. Pairs
    of fewer than five models do not count; where there are no others the scale is linear.
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
        # What each model adds to the logarithm of its pair's mean square, to first order.
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
    """Whether these fits are of enough models, on every scale."""
    return all(np.isfinite(fit.error).sum() >= FEWEST_MODELS for fit in pair)


def best_scale(fits: Sequence[ScaleFit], otherwise: str = "linear") -> str:
    """The scale with the least leave-one-out error, the first of several; `otherwise` with fewer than five models.

    Three or four models have a leave-one-out error that one of them decides.
    """
    known = [fit for fit in fits if np.isfinite(fit.rms_error) and len(fit.error) >= FEWEST_MODELS]
    return min(known, key=lambda fit: fit.rms_error).scale if known else otherwise


def better_scale(fits: Sequence[ScaleFit], chosen: str) -> str:
    """The chosen scale, or the one with the least leave-one-out error where that is less than 1/1.5 of the chosen's.

    The chosen one with fewer than five models, of whose errors one model decides, and where its error is below 0.01
    points.
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
