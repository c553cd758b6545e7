"""Pairwise differences in effective robustness between chosen models, from a common line."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from evalshift.analysis.statistics.effective_robustness import Covariance
from evalshift.analysis.statistics.errors_in_variables import binomial_variance, steepness
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.line_fit import LEAST_LINE_MODELS
from evalshift.analysis.statistics.scales import fitted_accuracy, from_scale, to_scale
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Accuracies, Counts

# The accuracies of two models with the same correctness on every image differ only by rounding.
_NO_NOISE = 1e-9


@dataclass(frozen=True, eq=False)
class RobustnessDifferences:
    """Distances of c chosen models above the line through `line_models` others; entry [i, j] is of i minus j.

    distance     of each chosen model, in accuracies (fractions), above 0 where it lies above the line
    extrapolated whether its original accuracy lies beyond those of all models of the line
    undetermined whether it is extrapolated and its distance smaller than its standard error, see `reported`
    difference   fractions; antisymmetric
    interval     of the difference; NaN on the diagonal
    p_value      for the null hypothesis that both distances are equal; NaN on the diagonal
    """

    scale: str
    line_models: int
    distance: Accuracies
    extrapolated: Bool[np.ndarray, " c"]
    undetermined: Bool[np.ndarray, " c"]
    difference: Float[np.ndarray, "c c"]
    interval: Interval[np.ndarray]
    p_value: Float[np.ndarray, "c c"]

    @property
    def reported(self) -> Accuracies:
        """The distances, with NaN for those that are undetermined because the line is extrapolated."""
        return np.where(self.undetermined, np.nan, self.distance)

    def of(self, models: Int[np.ndarray, " k"]) -> "RobustnessDifferences":
        """Those of some of the chosen models, in the order of these positions."""
        both = np.ix_(models, models)
        return replace(
            self,
            distance=self.distance[models],
            extrapolated=self.extrapolated[models],
            undetermined=self.undetermined[models],
            difference=self.difference[both],
            interval=Interval(self.interval.low[both], self.interval.high[both]),
            p_value=self.p_value[both],
        )


def robustness_differences(
    counts: tuple[Counts, Counts, Counts, Counts],
    chosen: Bool[np.ndarray, " m"],
    *,
    in_line: Bool[np.ndarray, " m"] | None = None,
    covariances: tuple[Covariance, Covariance] | None = None,
    scale: str = "linear",
    level: float = 0.95,
) -> RobustnessDifferences:
    """Compare the distances of the chosen models above the line through the models that are not chosen.

    Takes original correct and total and new correct and total over m models, as in `Outcomes.counts`. The line is the
    least-squares line on `scale` through the models of `in_line` (all if None) that are not chosen. `covariances` are
    those of the original and of the new accuracies over the images that the models share (`sampling_covariance`); from
    counts alone, sampling errors are taken as independent.

    Intervals use the delta method: to first order, the difference is linear in all accuracies, those of the chosen
    models and those of the line, which gives the sampling error of the images. The uncertainty of the line from the
    scatter of its models, s² (XᵀX)⁻¹, is added; it matters to the extent that the chosen models differ in original
    accuracy. Quantiles are those of t with k − 2 degrees of freedom for k models in the line. The scatter of models
    about the line is not included: the comparison is between these particular models, not between kinds of models.
    Raises AnalysisError if fewer than five models, or a single original accuracy, are left for the line, ValueError for
    a level outside (0, 1) and for an unknown scale.
    Source: Taori et al. 2020, arXiv 2007.00644 (the distance).

    >>> n = np.full(7, 10_000)
    >>> original = np.array([6000, 6500, 7000, 7500, 8000, 7100, 7900])
    >>> new = np.array([4000, 4700, 5400, 6100, 6800, 5800, 6660])
    >>> found = robustness_differences((original, n, new, n), np.arange(7) > 4)
    >>> found.distance.round(3), found.difference[0, 1].round(3)
    (array([0.026, 0.   ]), np.float64(0.026))
    """
    check_level(level)
    line = ~chosen if in_line is None else in_line & ~chosen
    original, new = fitted_accuracy(*counts[:2], scale), fitted_accuracy(*counts[2:], scale)
    x, y = to_scale(original, scale), to_scale(new, scale)
    models = int(line.sum())
    if models < LEAST_LINE_MODELS or np.ptp(x[line]) == 0:
        raise AnalysisError(
            "too few other models for a line to compare these with",
            where=f"effective robustness, {scale} scale",
            found=f"{counted(models, 'model')}, {len(np.unique(x[line]))} different original accuracies",
            expected=f"at least {LEAST_LINE_MODELS} models that differ in original accuracy",
            fix="evaluate more models on both test sets",
        )
    design = np.column_stack([np.ones(models), x[line]])
    bread = np.linalg.inv(design.T @ design)
    offset, slope = bread @ design.T @ y[line]
    at = np.column_stack([np.ones(int(chosen.sum())), x[chosen]])
    on_line = at @ (offset, slope)
    predicted = from_scale(on_line, scale)
    distance = counts[2][chosen] / counts[3][chosen] - predicted

    # From here on in accuracies, one row per chosen model.
    steep = 1 / steepness(predicted, scale)[:, np.newaxis]
    hat = np.zeros((len(at), len(x)))
    hat[:, line] = at @ bread @ design.T
    residual = y[line] - design @ (offset, slope)
    of_line = steep * at
    covariance = (
        _covariance_of_images(counts, chosen, covariances, hat, steep, slope, scale)
        + of_line @ (bread * (residual @ residual) / (models - 2)) @ of_line.T
    )
    difference = distance[:, np.newaxis] - distance
    variance = np.diag(covariance)[:, np.newaxis] + np.diag(covariance) - 2 * covariance
    error = np.sqrt(np.maximum(variance, _NO_NOISE**2))
    np.fill_diagonal(error, np.nan)
    extrapolated = (x[chosen] < x[line].min()) | (x[chosen] > x[line].max())
    arm = stats.t.ppf((1 + level) / 2, models - 2) * error
    return RobustnessDifferences(
        scale=scale,
        line_models=models,
        distance=distance,
        extrapolated=extrapolated,
        undetermined=extrapolated & (np.sqrt(np.maximum(np.diag(covariance), 0)) > np.abs(distance)),
        difference=difference,
        interval=Interval(difference - arm, difference + arm),
        p_value=2 * stats.t.sf(np.abs(difference) / error, models - 2),
    )


def _covariance_of_images(
    counts: tuple[Counts, Counts, Counts, Counts],
    chosen: np.ndarray,
    covariances: tuple[Covariance, Covariance] | None,
    hat: np.ndarray,
    steep: np.ndarray,
    slope: float,
    scale: str,
) -> np.ndarray:
    """Covariance of the chosen models' distances over samples of images.

    `hat` is the weight of each model's new accuracy in the line's value at the chosen models, on the scale, and `steep`
    the derivative of accuracy by the scale there.
    """
    original, new = fitted_accuracy(*counts[:2], scale), fitted_accuracy(*counts[2:], scale)
    own = np.eye(len(chosen))[chosen]
    of_new = own - steep * hat * steepness(new, scale)
    of_original = -steep * slope * (own - hat) * steepness(original, scale)
    if covariances is None:
        covariances = np.diag(binomial_variance(*counts[:2])), np.diag(binomial_variance(*counts[2:]))
    return of_original @ covariances[0] @ of_original.T + of_new @ covariances[1] @ of_new.T
