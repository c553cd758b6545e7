"""Effective robustness over several new sets of one original set: mean, variation between sets, and intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from evalshift.analysis.statistics.errors_in_variables import binomial_variance, steepness
from evalshift.analysis.statistics.image_sets import ImageSets, combined_covariance, model_covariance
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.left_out_fits import LeftOutFits, left_out_fits
from evalshift.analysis.statistics.model_scatter import ScatterTest, scatter_test
from evalshift.analysis.statistics.scales import fitted_accuracy, from_scale, to_scale
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Accuracies, Counts

# A covariance with a smaller eigenvalue, as a share of its largest, is numerically singular.
_SINGULAR = 1e-10
# With fewer other models, the scatter about the line cannot be estimated.
_FEWEST_OTHERS = 3

BySet = Float[np.ndarray, "shift m"]


@dataclass(frozen=True, eq=False)
class SetCounts:
    """Correct predictions of m models on one set, and its number of images for each; shape (m,) both."""

    correct: Counts
    total: Counts

    @property
    def accuracy(self) -> Accuracies:
        return self.correct / self.total


@dataclass(frozen=True, eq=False)
class SeveralShifts:
    """Distances of m models from the lines of p new sets on one original set; see `several_shifts`. Fractions.

    distance       above the line of the other models, shape (p, m)
    covariance     of a model's distances, from sampling error and the lines' uncertainty, shape (m, p, p)
    mean           over the sets, shape (m,)
    interval       of the mean, for these sets
    wider_interval  of the mean over the population of sets of which these are a sample
    q, q_p         Cochran's Q for no difference between the sets, and its p-value (χ² with p − 1 degrees of freedom)
                   between        standard deviation of the distances between sets beyond sampling error, in fractions
    i_squared      share of Q that exceeds its degrees of freedom, 0 to 1
    p_value        two-sided, for the null hypothesis that the mean scatters about 0 like those of other models;
                   `p_holm` is adjusted over models
    shared_images  whether predictions on each image were available

    NaN for a model without enough other models that differ in original accuracy; intervals and Q are also NaN if no
    error is known at all.
    """

    scale: str
    level: float
    distance: BySet
    covariance: Float[np.ndarray, "m shift shift"]
    mean: Accuracies
    interval: Interval[np.ndarray]
    wider_interval: Interval[np.ndarray]
    q: Accuracies
    q_p: Accuracies
    between: Accuracies
    i_squared: Accuracies
    p_value: Accuracies
    p_holm: Accuracies
    shared_images: bool


def several_shifts(
    original: SetCounts,
    new: Sequence[SetCounts],
    *,
    in_line: Bool[np.ndarray, "shift m"] | None = None,
    baseline: Bool[np.ndarray, " m"] | None = None,
    sets: ImageSets | None = None,
    least_others: int = _FEWEST_OTHERS,
    scale: str = "linear",
    level: float = 0.95,
) -> SeveralShifts:
    """Mean distance of each model from the lines of several new sets, and whether the distances differ between them.

    Takes counts of the same m models on one original and p ≥ 2 new sets. `in_line` marks the models to which each set's
    line is fitted, all by default; a model is never compared with a line through itself, and needs `least_others` other
    models. `sets` gives which images of the original and then of each new set the models classify correctly. The
    distances of a model are correlated for three reasons: an error of the original accuracy affects all of them, so do
    images that new sets share, and a model far from one line tends to be far from the others, which tilts the lines
    together. `covariance` includes all three: sampling error by the delta method, summed over images (from counts
    alone, from the model's own binomial variances, shared for the original set and independent for the new sets), and
    the lines' errors from the models' scatter about them, within and between sets, by moments.

    The mean m̄ is unweighted. `interval` is t with Satterthwaite's degrees of freedom for its variance 1ᵀV1/p².
    `wider_interval` treats the sets as a sample: s²/p for the variance s² of the distances over sets, plus the mean
    covariance c between them, which s² does not show, with Satterthwaite's degrees of freedom; s² counts as at least
    v − c, with v the mean of V's diagonal. `between` is the root of s² − v + c. `p_value` is that of `scatter_test` on
    the mean over the sets of new accuracies on the scale, through all models of `baseline` that do not lie far off.

    Raises AnalysisError for fewer than two new sets and if a set has no line, ValueError for an invalid scale or level.
    Source: Taori et al. 2020, arXiv 2007.00644 (the mean over shifts); Hedges, Tipton and Johnson 2010, Research
    Synthesis Methods 1(1), 39-65 (means of correlated effects); Cochran 1954, Biometrics 10(1), 101-129 (Q); Higgins
    and Thompson 2002, Statistics in Medicine 21(11), 1539-1558 (I²).
    """
    check_level(level)
    if len(new) < 2:
        raise AnalysisError("a mean over new sets needs at least two", found=f"{len(new)}")
    models = len(original.correct)
    in_line = np.ones((len(new), models), bool) if in_line is None else in_line
    x = _on_scale(original, scale)
    y = np.stack([_on_scale(one, scale) for one in new])
    fits = []
    for number, values in enumerate(y):
        fit = left_out_fits(x[np.newaxis], values, in_line[number])
        if fit is None or fit.in_fit.sum() < least_others:
            raise AnalysisError(
                f"a line needs at least {least_others} models that differ in original accuracy",
                where=f"new set {number + 1} of {len(new)}",
                found=f"{counted(int(in_line[number].sum()), 'model')}",
            )
        fits.append(fit)
    problem = _Problem(original, tuple(new), tuple(fits), x, y, sets, scale)
    known = np.array([np.isfinite(fit.distance) & (_others(fit) >= least_others) for fit in fits]).all(axis=0)
    on_line = from_scale(y - np.stack([fit.distance for fit in fits]), scale)
    distance = np.stack([one.accuracy for one in new]) - on_line
    sampling, lines = _sampling(problem, on_line), _lines(problem, on_line)
    sampling[~known] = lines[~known] = np.nan
    mean = distance.mean(axis=0)
    test = _tested(problem, np.ones(models, bool) if baseline is None else baseline)
    df = np.array([fit.df - fit.in_fit for fit in fits]).min(axis=0)
    covariance = sampling + lines
    q, q_p, i_squared = _heterogeneity(distance, covariance)
    between, wider = _over_such_sets(distance, covariance, level)
    return SeveralShifts(
        scale=scale,
        level=level,
        distance=distance,
        covariance=covariance,
        mean=mean,
        interval=interval_of_parts(mean, _of_mean(sampling), _of_mean(lines), df, level),
        wider_interval=wider,
        q=q,
        q_p=q_p,
        between=between,
        i_squared=i_squared,
        p_value=test.p_value,
        p_holm=test.p_holm,
        shared_images=sets is not None,
    )


@dataclass(frozen=True, eq=False)
class _Problem:
    original: SetCounts
    new: tuple[SetCounts, ...]
    fits: tuple[LeftOutFits, ...]
    x: np.ndarray
    y: np.ndarray
    sets: ImageSets | None
    scale: str

    @property
    def steep_x(self) -> np.ndarray:
        return steepness(fitted_accuracy(self.original.correct, self.original.total, self.scale), self.scale)

    @property
    def steep_y(self) -> np.ndarray:
        return np.stack(
            [steepness(fitted_accuracy(one.correct, one.total, self.scale), self.scale) for one in self.new]
        )


def _on_scale(counts: SetCounts, scale: str) -> np.ndarray:
    return to_scale(fitted_accuracy(counts.correct, counts.total, scale), scale)


def _others(fit: LeftOutFits) -> np.ndarray:
    """Number of models in the line that each model is compared with."""
    return fit.in_fit.sum() - fit.in_fit


def _sampling(problem: _Problem, on_line: np.ndarray) -> np.ndarray:
    """Covariance of the distances due to the sampling of images, in squared fractions; shape (m, p, p)."""
    slope_at = 1 / _steepness_at(on_line, problem.scale)
    weights = {}
    for number, fit in enumerate(problem.fits):
        combination = np.nan_to_num(fit.combination)
        original = -fit.slopes * combination * problem.steep_x
        new = combination * problem.steep_y[number]
        at_line = slope_at[number][:, np.newaxis]
        weights[number, 0] = np.nan_to_num(at_line * original)
        # A model's own new accuracy enters directly; those of the others, through the line.
        weights[number, 1 + number] = np.nan_to_num(at_line * new)
        np.fill_diagonal(weights[number, 1 + number], 1.0)
    return _covariance(problem, weights)


def _covariance(problem: _Problem, weights: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    """Covariance of p combinations of accuracies, per image or, from counts alone, from binomial variances."""
    count = len(problem.new)
    if problem.sets is not None:
        return combined_covariance(problem.sets, weights, count)
    found = np.zeros((len(problem.x), count, count))
    for number, counts in enumerate((problem.original, *problem.new)):
        nothing = np.zeros((len(problem.x),) * 2)
        own = np.stack([np.diag(weights.get((combination, number), nothing)) for combination in range(count)])
        variance = binomial_variance(counts.correct, counts.total)
        found += np.einsum("pm,qm,m->mpq", own, own, variance)
    return found


def _lines(problem: _Problem, on_line: np.ndarray) -> np.ndarray:
    """Covariance of the distances due to the scatter of the models in the lines, in squared fractions."""
    slope_at = 1 / _steepness_at(on_line, problem.scale)
    scatter = _scatter_between_sets(problem)
    combinations = [np.nan_to_num(fit.combination) * fit.in_fit for fit in problem.fits]
    for combination in combinations:
        np.fill_diagonal(combination, 0.0)  # of the others: the model's own distance is being estimated
    overlap = np.array([[np.sum(one * other, axis=1) for other in combinations] for one in combinations])
    return np.einsum("pm,qm,pq,pqm->mpq", slope_at, slope_at, scatter, overlap)


def _scatter_between_sets(problem: _Problem) -> np.ndarray:
    """Covariance over models of their deviations from the lines, between sets, on the scale; shape (p, p).

    By moments: E[rₚᵀr_q] = τₚ_q tr(MₚM_qᵀ) + tr(MₚS_{pq}M_qᵀ) for residuals r = My. Negative variances, which occur if
    there is less scatter than sampling explains, become 0.
    """
    fits, count = problem.fits, len(problem.fits)
    residual = np.stack([fit.residual for fit in fits])
    makers = [np.diag(fit.in_fit.astype(float)) - fit.hat * fit.in_fit for fit in fits]
    traces = np.array([[np.sum(one * other) for other in makers] for one in makers])
    seen = residual @ residual.T
    if problem.sets is not None:
        weights = {}
        for number, (fit, maker) in enumerate(zip(fits, makers, strict=True)):
            weights[number, 0] = -fit.slope * maker * problem.steep_x
            weights[number, 1 + number] = maker * problem.steep_y[number]
        seen = seen - combined_covariance(problem.sets, weights, count).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.nan_to_num(seen / traces, posinf=0.0, neginf=0.0)
    values, vectors = np.linalg.eigh((found + found.T) / 2)
    return vectors @ np.diag(np.maximum(values, 0)) @ vectors.T


def _steepness_at(value: np.ndarray, scale: str) -> np.ndarray:
    """Derivative of the scale at predicted accuracies, which may lie outside [0, 1] on the linear scale."""
    return np.ones_like(value) if scale == "linear" else np.stack([steepness(one, scale) for one in value])


def _of_mean(covariance: np.ndarray) -> np.ndarray:
    return covariance.mean(axis=(1, 2))


def interval_of_parts(
    estimate: Accuracies, sampling: Accuracies, estimated: Accuracies, df: Int[np.ndarray, " m"], level: float
) -> Interval[np.ndarray]:
    """t interval of estimates whose variance has a known part and a part estimated with `df` degrees of freedom.

    Degrees of freedom are Satterthwaite's; NaN if `df` is not positive, or without variance.
    """
    variance = sampling + estimated
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.where(estimated > 0, variance**2 / (estimated**2 / df), np.inf)
        freedom[~(df > 0)] = np.nan
    return _around(estimate, variance, freedom, level)


def _over_such_sets(
    distance: np.ndarray, covariance: np.ndarray, level: float
) -> tuple[np.ndarray, Interval[np.ndarray]]:
    """Standard deviation between sets, and the interval of the mean over the population that they are sampled from."""
    count = len(distance)
    spread = distance.var(axis=0, ddof=1)
    own = np.trace(covariance, axis1=1, axis2=2) / count
    shared = (covariance.sum(axis=(1, 2)) - count * own) / (count * (count - 1))
    between = np.sqrt(np.maximum(0, spread - own + shared))
    # The variance between sets is at least that due to the sampling of their images.
    varying = np.maximum(spread, own - shared) / count
    variance = varying + np.maximum(0, shared)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = variance**2 / (varying**2 / (count - 1))
    return between, _around(distance.mean(axis=0), variance, freedom, level)


def _around(mean: np.ndarray, variance: np.ndarray, df: np.ndarray, level: float) -> Interval[np.ndarray]:
    reach = np.full(len(mean), np.nan)
    known = (variance > 0) & (df > 0)
    reach[known] = stats.t.isf((1 - level) / 2, df[known]) * np.sqrt(variance[known])
    return Interval(mean - reach, mean + reach)


def _heterogeneity(distance: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cochran's Q of each model with the full covariance, its p-value, and I²."""
    q = np.full(distance.shape[1], np.nan)
    for model, matrix in enumerate(covariance):
        if not np.isfinite(matrix).all():
            continue
        values = np.linalg.eigvalsh(matrix)
        if not values[0] > _SINGULAR * values[-1]:
            continue
        weights = np.linalg.inv(matrix)
        apart = distance[:, model] - (weights.sum(axis=0) @ distance[:, model]) / weights.sum()
        q[model] = apart @ weights @ apart
    df = len(distance) - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        i_squared = np.where(q > 0, np.maximum(0, 1 - df / q), np.where(q == 0, 0.0, np.nan))
    return q, stats.chi2.sf(q, df), i_squared


def _tested(problem: _Problem, baseline: np.ndarray) -> ScatterTest:
    """The test of effective robustness applied to the mean over sets of the new accuracies on the scale."""
    y = problem.y.mean(axis=0)
    if problem.sets is None:
        return scatter_test(problem.x, y, baseline=baseline)
    fit = left_out_fits(problem.x[np.newaxis], y, baseline)
    if fit is None:
        return scatter_test(problem.x, y, baseline=baseline)
    weights = {0: -fit.slope * problem.steep_x}
    weights |= {1 + number: steep / len(problem.new) for number, steep in enumerate(problem.steep_y)}
    return scatter_test(problem.x, y, sampling=model_covariance(problem.sets, weights), baseline=baseline)
