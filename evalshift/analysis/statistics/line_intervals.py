"""The line of new on original accuracy, with confidence intervals valid for few models, families and few images.

Two lines: `random_effects_line` if the predictions on each image are known, `cluster_robust_line` from counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from evalshift.analysis.statistics.bootstraps import family_groups
from evalshift.analysis.statistics.cluster_robust import cluster_robust
from evalshift.analysis.statistics.errors_in_variables import steepness
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.line_fit import line_points
from evalshift.analysis.statistics.scales import from_scale, to_scale
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Accuracies

Covariance = Float[np.ndarray, "m m"]
# With fewer families, neither the variance between them nor a standard error clustered by them can be estimated.
FEWEST_FAMILIES = 3
# Residuals of models exactly on a line are 0 up to this.
_ROUNDING = 1e-12
_SLOPE, _OFFSET = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])


@runtime_checkable
class Uncertainty(Protocol):
    """The joint uncertainty of offset and slope."""

    def variance(self, combinations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Variances of combinations of offset and slope, shape (combination, 2), and their degrees of freedom."""
        ...


@dataclass(frozen=True)
class LineEstimate:
    """Offset and slope of new on original accuracy on `scale`, with t intervals at `level`.

    slope_df, offset_df   degrees of freedom of the intervals, by Satterthwaite's method
    between_models        standard deviation of the models about the line, on the scale, without the sampling error of
                          the images; NaN from counts alone
    clusters              number of families that the intervals allow for; the number of models if each counts for
                          itself
    images                whether the intervals include the sampling error of both sets' images
    """

    scale: str
    slope: float
    offset: float
    slope_interval: Interval[float]
    offset_interval: Interval[float]
    slope_df: float
    offset_df: float
    between_models: float
    level: float
    models: int
    clusters: int
    images: bool
    uncertainty: Uncertainty = field(repr=False, compare=False)

    @property
    def by_family(self) -> bool:
        """Whether the intervals allow for families whose models lie above or below the line together."""
        return self.clusters < self.models

    def region(self, accuracy: Float[np.ndarray, " point"]) -> Interval[np.ndarray]:
        """Pointwise confidence interval of the line at original accuracies, as new accuracies, shape (point,).

        Takes fractions inside (0, 1); on the linear scale 0 and 1 too.
        """
        x = to_scale(accuracy, self.scale)
        line = self.slope * x + self.offset
        reach = _reach(self.uncertainty, np.stack([np.ones_like(x), x], axis=1), self.level)[0]
        return Interval(from_scale(line - reach, self.scale), from_scale(line + reach, self.scale))


def cluster_robust_line(
    original_accuracy: Accuracies,
    new_accuracy: Accuracies,
    *,
    families: Sequence[str | None] | None = None,
    scale: str = "linear",
    level: float = 0.95,
) -> LineEstimate:
    """The least-squares line with intervals from accuracies alone: CR2 variances, Bell–McCaffrey degrees of freedom.

    Takes accuracies of m models as `fit_line` does, and each model's family (None for a model of its own). Families are
    clusters: their models may lie above or below the line together. With fewer than three families, each model is a
    cluster. The scatter of the models about the line may vary (heteroscedasticity). The intervals are conditional on
    the images: their sampling error is not included.
    Raises what `fit_line` raises, and AnalysisError for two models, and for more that lie exactly on the line.
    Source: see `cluster_robust.cluster_robust`.

    >>> original, new = np.array([0.5, 0.6, 0.7, 0.8]), np.array([0.30, 0.42, 0.50, 0.62])
    >>> line = cluster_robust_line(original, new)
    >>> round(line.slope, 3), round(line.slope_interval.low, 3), round(line.slope_interval.high, 3)
    (1.04, 0.819, 1.261)
    """
    check_level(level)
    x, y = line_points(original_accuracy, new_accuracy, scale)
    _check_models(len(x), scale)
    fit = cluster_robust(x, y, model_clusters(families, len(x)))
    if np.abs(fit.residuals).max() <= _ROUNDING * (1 + np.abs(y).max()):
        raise AnalysisError(
            "the line has no confidence interval: all models lie exactly on it",
            where=f"line of new on original accuracy, {scale} scale",
            found=f"{counted(len(x), 'model')}",
            expected="models that scatter about the line",
            fix="evaluate more models on both test sets",
        )
    return _estimate(
        fit.coefficients,
        fit,
        scale=scale,
        level=level,
        models=len(x),
        clusters=fit.clusters,
        between_models=np.nan,
        images=False,
    )


def random_effects_line(
    original_accuracy: Accuracies,
    new_accuracy: Accuracies,
    covariances: tuple[Covariance, Covariance],
    *,
    families: Sequence[str | None] | None = None,
    scale: str = "linear",
    level: float = 0.95,
) -> LineEstimate:
    """The line with intervals over both models and images, for models evaluated on the same images.

    Takes accuracies of m models as `fit_line` does and the covariances of the sampling errors of the original and of
    the new accuracies, in squared fractions (see `effective_robustness.sampling_covariance`). The model is
    y = offset + slope · ξ + b + η and x = ξ + ε: true accuracies scatter about the line with the variance τ² of b, and
    measured accuracies have sampling errors ε and η from their images, which models share. Covariances are converted to
    the scale by its derivative. The slope is corrected for the noise in x, which flattens the least-squares slope. τ²
    is estimated by moments; it is 0 if models scatter by no more than their sampling error. With at least three
    `families` (None for a model of its own), part of τ² is shared by the models of a family.
    Raises what `fit_line` raises, and AnalysisError for two models and if original accuracies differ by no more than
    their sampling error.
    Source: Fuller 1987, Measurement Error Models, section 1.2 (slope); DerSimonian and Laird 1986, Controlled Clinical
    Trials 7(3), 177-188 (moments); Satterthwaite 1946, Biometrics Bulletin 2(6), 110-114 (degrees of freedom).
    """
    check_level(level)
    x, y = line_points(original_accuracy, new_accuracy, scale)
    _check_models(len(x), scale)
    group = model_clusters(families, len(x))
    original, new = (
        covariance * np.outer(steep, steep)
        for covariance, steep in zip(
            covariances, (steepness(original_accuracy, scale), steepness(new_accuracy, scale)), strict=True
        )
    )
    apart = x - x.mean()
    centred = centred_covariance(original)
    spread = float(apart @ apart - np.trace(centred))
    if spread <= 0:
        raise AnalysisError(
            "no line with sampling error in both accuracies can be fitted",
            where=f"line of new on original accuracy, {scale} scale",
            found=f"{counted(len(x), 'model')} whose original accuracies differ by no more than their sampling error",
            expected="original accuracies that differ by more",
            fix="evaluate models that differ more, or on more images",
        )
    slope = float(apart @ y / spread)
    errors = new + slope**2 * original
    between = between_models(np.stack([np.ones_like(x), x], axis=1), y, errors, group)
    weights = np.stack([1 / len(x) - x.mean() * apart / spread, apart / spread], axis=1)
    # Noise in x also enters the weights: the part of the variance that is quadratic in it.
    of_noise = (slope / spread) ** 2 * float(np.sum(centred * centred.T))
    lever = np.array([-x.mean(), 1.0])
    images = weights.T @ errors @ weights + of_noise * np.outer(lever, lever)
    return _estimate(
        np.array([y.mean() - slope * x.mean(), slope]),
        RandomEffects(weights, between, images),
        scale=scale,
        level=level,
        models=len(x),
        clusters=int(group.max()) + 1,
        between_models=float(np.sqrt(between.variances.sum())),
        images=True,
    )


@dataclass(frozen=True, eq=False)
class BetweenModels:
    """Variances of the models about the line.

    variances   between families, if some family has several models, and between models
    group       each model's family, numbered from 0
    covariance  of the estimates of the variances
    """

    variances: Float[np.ndarray, " component"]
    group: Int[np.ndarray, " m"]
    covariance: Float[np.ndarray, "component component"]

    def of(self, weights: Float[np.ndarray, "k m"]) -> Float[np.ndarray, "k component"]:
        """Coefficient of each variance component in the variance of weighted sums over the models."""
        squares = [np.sum(weights * weights, axis=1)]
        if len(self.variances) > 1:
            # Computed on demand: a thousand models have a dozen of these matrices, of eight megabytes each.
            squares.insert(0, np.sum(weights * (weights @ _same_family(self.group)), axis=1))
        return np.stack(squares, axis=1)


@dataclass(frozen=True, eq=False)
class RandomEffects:
    """The joint uncertainty of offset and slope, or of the coefficients of a parabola, by its causes.

    weights   of the new accuracies in the coefficients, given the spread of the original ones
    between   variance of the models about the line
    images    covariance of the coefficients due to the images of both sets
    """

    weights: Float[np.ndarray, "m k"]
    between: BetweenModels
    images: Float[np.ndarray, "k k"]

    def variance(self, combinations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Variances of combinations of coefficients, shape (combination, k), and their degrees of freedom."""
        return self.with_images(combinations, np.einsum("ki,ij,kj->k", combinations, self.images, combinations))

    def with_images(self, combinations: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Like `variance`, but with other variances due to the images, one for each combination."""
        weights = combinations @ self.weights.T
        of_models = self.between.of(weights)
        total = of_models @ self.between.variances + images
        uncertain = np.einsum("kc,cd,kd->k", of_models, self.between.covariance, of_models)
        with np.errstate(divide="ignore", invalid="ignore"):
            return total, 2 * total**2 / uncertain


def between_models(design: np.ndarray, y: np.ndarray, errors: np.ndarray, group: np.ndarray) -> BetweenModels:
    """Variance components by moments of the residuals: sums of squares of the residuals and of the family means.

    Takes the regressors, shape (m, k), new accuracies on the scale, shape (m,), the covariance of their sampling
    errors, shape (m, m), and each model's family, numbered from 0; m families if each model counts for itself. Negative
    variances are set to 0. The covariance of the estimates assumes normal errors.
    """
    models = len(y)
    basis = np.linalg.qr(design)[0]
    residuals = y - basis @ (basis.T @ y)
    alone = np.eye(models)
    families = _same_family(group)
    shared = (families, alone) if group.max() + 1 < models else (alone,)
    # One quadratic form of the residuals per component: of the family means, and of the residuals themselves.
    forms = [_residual(form / form.sum(axis=1, keepdims=True), basis) for form in shared]
    squares = np.array([residuals @ form @ residuals - np.sum(form * errors) for form in forms])
    expected = np.array([[np.sum(form * share) for share in shared] for form in forms])
    variances = np.linalg.solve(expected, squares)
    if (variances < 0).any():
        # The other component alone, which then explains all of the residual variance.
        total = max(0.0, squares[-1])
        variances = np.where(variances < 0, 0.0, total / expected[-1])
    covariance = sum(variance * share for variance, share in zip(variances, shared, strict=True)) + errors
    products = [form @ covariance for form in forms]
    of_squares = 2 * np.array([[np.sum(one * other.T) for other in products] for one in products])
    inverse = np.linalg.inv(expected)
    return BetweenModels(variances, group, inverse @ of_squares @ inverse.T)


def _same_family(group: np.ndarray) -> np.ndarray:
    return (group[:, np.newaxis] == group).astype(np.float64)


def _residual(form: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """The quadratic form applied to residuals: (I − QQ') form (I − QQ')."""
    across = form @ basis
    return form - across @ basis.T - basis @ (across - basis @ (basis.T @ across)).T


def centred_covariance(covariance: np.ndarray) -> np.ndarray:
    """Covariance of deviations from the mean over models."""
    means = covariance.mean(axis=0)
    return covariance - means - means[:, np.newaxis] + means.mean()


def model_clusters(families: Sequence[str | None] | None, models: int) -> np.ndarray:
    """Each model's family, numbered from 0; each model is its own if there are fewer than three families."""
    group = family_groups(families, models)
    return group if group.max() + 1 >= FEWEST_FAMILIES else np.arange(models)


def _check_models(models: int, scale: str) -> None:
    if models < 3:
        raise AnalysisError(
            "the line has no confidence interval: it passes through both models",
            where=f"line of new on original accuracy, {scale} scale",
            found=counted(models, "model"),
            expected="at least 3 models",
            fix="evaluate more models on both test sets",
        )


def _estimate(coefficients: np.ndarray, uncertainty: Uncertainty, *, level: float, **facts) -> LineEstimate:
    offset, slope = (float(value) for value in coefficients)
    intervals, freedom = [], []
    for value, combination in ((slope, _SLOPE), (offset, _OFFSET)):
        reach, df = (float(found[0]) for found in _reach(uncertainty, combination, level))
        intervals.append(Interval(value - reach, value + reach))
        freedom.append(df)
    return LineEstimate(
        slope=slope,
        offset=offset,
        slope_interval=intervals[0],
        offset_interval=intervals[1],
        slope_df=freedom[0],
        offset_df=freedom[1],
        level=level,
        uncertainty=uncertainty,
        **facts,
    )


def _reach(uncertainty: Uncertainty, combinations: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Half-widths of the intervals of these combinations, and the degrees of freedom."""
    value, df = uncertainty.variance(combinations)
    # If all models have the same predictions, rounding can make the variance slightly negative.
    return stats.t.ppf((1 + level) / 2, df) * np.sqrt(np.maximum(value, 0)), df
