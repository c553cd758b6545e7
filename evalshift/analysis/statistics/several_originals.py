"""Effective robustness with several original sets: distance from the fit of new on all original accuracies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from evalshift.analysis.statistics.errors_in_variables import binomial_variance, steepness
from evalshift.analysis.statistics.image_sets import ImageSets, combined_covariance, model_covariance
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.left_out_fits import LeftOutFits, left_out_fits
from evalshift.analysis.statistics.model_scatter import ScatterTest, scatter_test
from evalshift.analysis.statistics.scales import fitted_accuracy, from_scale, to_scale
from evalshift.analysis.statistics.several_shifts import SetCounts, interval_of_parts
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Accuracies

# Models beyond one per parameter, so that the scatter about the fit can be estimated without any one model.
_SPARE = 2


@dataclass(frozen=True, eq=False)
class SeveralOriginals:
    """Distances of m models from the fit of new on k original accuracies; see `robustness_over_originals`. Fractions.

    coefficients     of the fit on the scale, shape (k,), and its `offset`
    r2               on the scale
    predicted        new accuracy that the fit of the other models predicts, shape (m,)
    distance         new accuracy minus predicted: multi-ID effective robustness, with its interval
    p_value, p_holm  two-sided, for the null hypothesis that the model scatters about the fit like the others
    errors           root mean square of the distances (leave-one-out), for each original set alone and for all together
    """

    scale: str
    level: float
    coefficients: Float[np.ndarray, " k"]
    offset: float
    r2: float
    predicted: Accuracies
    distance: Accuracies
    interval: Interval[np.ndarray]
    p_value: Accuracies
    p_holm: Accuracies
    errors: Float[np.ndarray, " fits"]


def robustness_over_originals(
    originals: Sequence[SetCounts],
    new: SetCounts,
    *,
    in_fit: Bool[np.ndarray, " m"] | None = None,
    sets: ImageSets | None = None,
    scale: str = "logit",
    level: float = 0.95,
) -> SeveralOriginals:
    """Effective robustness of m models where several original sets predict the new accuracies together.

    Takes counts of the same models on k ≥ 2 original sets and on the new one. A model trained for one of the sets can
    lie far from the line of models trained for another without being more robust; least squares on all original
    accuracies on the scale, y = a + Σ bₖxₖ, takes this into account. Each model is compared with the fit of the other
    models in `in_fit`. The interval includes the sampling error on all sets (with `sets`, correctness per image on each
    original set and then on the new one; from counts alone, only the model's own) and the uncertainty of the fit, from
    the models' scatter about it. The p-values are those of `scatter_test`.

    Raises AnalysisError for a single original set, for fewer than k + 4 models, and if the original accuracies are
    collinear, so that no joint fit exists; ValueError for an invalid scale or level.
    Source: Shi et al. 2023, Effective Robustness against Natural Distribution Shifts for Models with Different Training
    Data, NeurIPS, arXiv 2302.01381, section 3.
    """
    check_level(level)
    count, models = len(originals), len(new.correct)
    if count < 2:
        raise AnalysisError("a fit on several original sets needs at least two", found=f"{count}")
    in_fit = np.ones(models, bool) if in_fit is None else in_fit
    if in_fit.sum() < count + 2 + _SPARE:
        raise AnalysisError(
            "too few models for a fit on several original sets",
            found=f"{counted(int(in_fit.sum()), 'model')} and {count} original sets",
            expected=f"at least {count + 2 + _SPARE} models",
        )
    sides = [fitted_accuracy(one.correct, one.total, scale) for one in (*originals, new)]
    *x, y = (to_scale(one, scale) for one in sides)
    coordinates = np.stack(x)
    fit = left_out_fits(coordinates, y, in_fit)
    if fit is None:
        raise AnalysisError("accuracies on the original sets determine each other, so they make no joint fit")
    steep = [steepness(one, scale) for one in sides]
    predicted = from_scale(y - fit.distance, scale)
    distance = new.accuracy - predicted
    at_fit = np.ones(models) if scale == "linear" else 1 / steepness(predicted, scale)
    sampling = _sampling(fit, (*originals, new), steep, at_fit, sets)
    fitted = at_fit**2 * _scatter(fit, steep, sets) * _of_others(fit)
    test = _tested(fit, coordinates, y, steep, sets)
    return SeveralOriginals(
        scale=scale,
        level=level,
        coefficients=fit.slope,
        offset=float((y - fit.slope @ coordinates)[in_fit].mean()),
        r2=float(1 - np.sum(fit.residual**2) / np.sum((y[in_fit] - y[in_fit].mean()) ** 2)),
        predicted=predicted,
        distance=distance,
        interval=interval_of_parts(distance, sampling, fitted, fit.df - in_fit.astype(int), level),
        p_value=test.p_value,
        p_holm=test.p_holm,
        errors=np.array([*(_error(one[np.newaxis], y, in_fit, new, scale) for one in x), _rms(distance[in_fit])]),
    )


def _sampling(
    fit: LeftOutFits,
    counts: Sequence[SetCounts],
    steep: Sequence[np.ndarray],
    at_fit: np.ndarray,
    sets: ImageSets | None,
) -> np.ndarray:
    """Variance of the distances due to the sampling of images, in squared fractions."""
    combination = np.nan_to_num(fit.combination) * at_fit[:, np.newaxis]
    factors = [*(-fit.slopes.T), np.ones(len(at_fit))]
    weights = [factor[:, np.newaxis] * combination * one for factor, one in zip(factors, steep, strict=True)]
    np.fill_diagonal(weights[-1], 1.0)  # the model's own new accuracy enters directly
    if sets is None:
        variances = [binomial_variance(one.correct, one.total) for one in counts]
        return sum(
            (np.diag(one) ** 2 * other for one, other in zip(weights, variances, strict=True)), np.zeros(len(at_fit))
        )
    joint = {(0, number): np.nan_to_num(weight) for number, weight in enumerate(weights)}
    return combined_covariance(sets, joint, 1)[:, 0, 0]


def _scatter(fit: LeftOutFits, steep: Sequence[np.ndarray], sets: ImageSets | None) -> float:
    """Variance of the models about the fit, on the scale; without sampling error if it is known per image."""
    seen = float(fit.residual @ fit.residual)
    if sets is not None:
        maker = np.diag(fit.in_fit.astype(float)) - fit.hat * fit.in_fit
        covariance = model_covariance(sets, _of_models(fit, steep))
        seen -= float(np.einsum("ij,jk,ik->", maker, covariance, maker))
    return max(0.0, seen / fit.df)


def _of_models(fit: LeftOutFits, steep: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
    """The weights of each model's accuracies in its deviation from the fit."""
    return {number: factor * one for number, (factor, one) in enumerate(zip((*-fit.slope, 1.0), steep, strict=True))}


def _of_others(fit: LeftOutFits) -> np.ndarray:
    """Contribution of the other models' scatter to each model's distance, through the fit."""
    others = np.nan_to_num(fit.combination) * fit.in_fit
    np.fill_diagonal(others, 0.0)
    return np.sum(others**2, axis=1)


def _tested(
    fit: LeftOutFits, coordinates: np.ndarray, y: np.ndarray, steep: Sequence[np.ndarray], sets: ImageSets | None
) -> ScatterTest:
    sampling = None if sets is None else model_covariance(sets, _of_models(fit, steep))
    return scatter_test(coordinates, y, sampling=sampling, baseline=fit.in_fit)


def _error(coordinate: np.ndarray, y: np.ndarray, in_fit: np.ndarray, new: SetCounts, scale: str) -> float:
    """Leave-one-out error of one original set alone; NaN if it defines no line."""
    fit = left_out_fits(coordinate, y, in_fit)
    return float("nan") if fit is None else _rms((new.accuracy - from_scale(y - fit.distance, scale))[in_fit])


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))
