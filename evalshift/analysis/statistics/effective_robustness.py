"""Effective robustness: how far each model lies above the line of other models, and whether that is significant."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import special

from evalshift.analysis.statistics.draws import batches, check_resamples, drawn_counts
from evalshift.analysis.statistics.errors_in_variables import binomial_variance, steepness
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.least_squares import weighted_least_squares
from evalshift.analysis.statistics.line_fit import fit_line, resampled_lines
from evalshift.analysis.statistics.multiplicity import adjust
from evalshift.analysis.statistics.paired import discordant
from evalshift.analysis.statistics.scales import fitted_accuracy, from_scale, to_scale
from evalshift.errors import AnalysisError
from evalshift.shapes import Accuracies, Correct, Counts

Covariance = Float[np.ndarray, "m m"]
# A resample whose original accuracies spread this little beside those of all (in squares) has no slope but rounding.
_NO_SPREAD = 1e-12
# The accuracies of two models with the same correctness on every image have no noise between them to divide by.
_NO_NOISE = 1e-12


@dataclass(frozen=True, eq=False)
class EffectiveRobustness:
    """Each of m models against a line of other models, in accuracies (fractions); see `effective_robustness`.

    predicted           new accuracy that the line gives at the model's original accuracy
    predicted_interval  where the resampled lines pass there, at `level`
    distance            new accuracy minus predicted: the effective robustness, above 0 where the model stands above
    interval            of the distance, at `level`: sampling error in both coordinates and the line's uncertainty
    p_value             two-sided, of the hypothesis that the model lies on the line
    p_holm, p_bh        the same adjusted over the models, by Holm and by Benjamini and Hochberg

    All are NaN where the other models make no line (fewer than two, or all of one original accuracy). Where there are
    two, only `predicted` and `distance` are defined: their line fits them whatever is drawn.
    """

    scale: str
    predicted: Accuracies
    predicted_interval: Interval[np.ndarray]
    distance: Accuracies
    interval: Interval[np.ndarray]
    p_value: Accuracies
    p_holm: Accuracies
    p_bh: Accuracies
    level: float
    resamples: int

    @property
    def enough_resamples(self) -> bool:
        """Whether a distance from the line could be significant at all: Holm's least p-value is below 1 − level."""
        return 2 * int(np.isfinite(self.p_value).sum()) / (self.resamples + 1) < 1 - self.level


def effective_robustness(
    original_correct: Counts,
    original_total: Counts,
    new_correct: Counts,
    new_total: Counts,
    *,
    baseline: Bool[np.ndarray, " m"] | None = None,
    covariances: tuple[Covariance, Covariance] | None = None,
    scale: str = "linear",
    resamples: int = 20_000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> EffectiveRobustness:
    """Distance of each model from the least-squares line through the others, with interval and p-values.

    Takes counts over m models. The line goes through all models, or through those that `baseline` marks, but never
    through the model itself. Two errors are joined: that of the line, by a bootstrap over its models, and that of the
    images, as normal on the scale. From counts alone each model's images count as its own, which makes intervals too
    wide where models were evaluated on the same images and their sampling errors are correlated; `covariances` of the
    original and of the new accuracies (see `sampling_covariance`) take that into account.
    p-values are at least 2/(resamples + 1), for a bootstrap shows no less.
    Raises AnalysisError where no model has two others that make a line, ValueError for impossible counts, scale,
    level, resamples or shapes.
    Source: Taori et al. 2020, arXiv 2007.00644 (the distance); Recht et al. 2019, section 3.3 (the bootstrap
    over models).

    >>> n = np.full(5, 10_000)
    >>> original, new = np.array([6000, 7000, 7500, 8000, 9000]), np.array([4000, 5400, 6100, 7200, 8200])
    >>> effective_robustness(original, n, new, n, rng=np.random.default_rng(0)).distance.round(3)
    array([-0.006, -0.008, -0.01 ,  0.04 , -0.04 ])
    """
    check_level(level)
    check_resamples(resamples)
    x, y, steep = _points(original_correct, original_total, new_correct, new_total, scale)
    if baseline is None:
        baseline = np.ones(len(x), bool)
    others = (baseline & ~np.eye(len(x), dtype=bool)).astype(np.float64)
    slope, offset = (
        weighted_least_squares(x[np.newaxis], y[np.newaxis], others) if len(x) > 1 else np.full((2, 1), np.nan)
    )
    if np.isnan(slope).all():
        raise AnalysisError(
            "no model can be held against a line of others",
            where=f"effective robustness, {scale} scale",
            found=f"{len(x)} models, {int(baseline.sum())} of them in the baseline",
            expected="at least two other models that differ in original accuracy",
            fix="evaluate more models on both test sets, or compare with a published testbed",
        )
    if covariances is None:
        apart = np.eye(len(x))
        covariances = (
            np.diag(binomial_variance(original_correct, original_total)),
            np.diag(binomial_variance(new_correct, new_total)),
        )
    else:
        apart = np.eye(len(x)) - _hat(x, others)
    variance = slope**2 * _variance_of(apart * steep[0], covariances[0])
    variance += _variance_of(apart * steep[1], covariances[1])
    # Models with the same correctness on every image leave a variance of 0, of which rounding makes a little less.
    noise = np.sqrt(np.maximum(variance, 0))
    lines = np.empty((len(x), resamples))
    lines[baseline] = _lines_without(x[baseline], y[baseline], resamples, rng)
    lines[~baseline] = _lines_with(x[baseline], y[baseline], x[~baseline], resamples, rng)
    lines[np.isnan(slope)] = np.nan
    return _judged(new_correct / new_total, y, slope * x + offset, lines, noise, scale, level, rng)


def effective_robustness_against(
    original_correct: Counts,
    original_total: Counts,
    new_correct: Counts,
    new_total: Counts,
    testbed: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    *,
    scale: str = "linear",
    resamples: int = 20_000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> EffectiveRobustness:
    """As `effective_robustness`, against the line of another testbed's models, such as a published one.

    `testbed` holds that testbed's counts: original correct, original total, new correct, new total, one for each of
    its models. It must not hold the models that are compared. p-values are adjusted over the latter.
    Raises what `effective_robustness` and `fit_line` raise.
    """
    check_resamples(resamples)
    x, y, steep = _points(original_correct, original_total, new_correct, new_total, scale)
    accuracies = (fitted_accuracy(*counts, scale) for counts in (testbed[:2], testbed[2:]))
    line = fit_line(*accuracies, scale=scale, resamples=resamples, level=level, rng=rng)
    noise = np.sqrt(
        line.slope**2 * steep[0] ** 2 * binomial_variance(original_correct, original_total)
        + steep[1] ** 2 * binomial_variance(new_correct, new_total)
    )
    lines = line.slopes * x[:, np.newaxis] + line.offsets
    return _judged(new_correct / new_total, y, line.slope * x + line.offset, lines, noise, scale, level, rng)


def sampling_covariance(correct: Correct) -> Covariance:
    """Covariance of m models' accuracies over draws of the images that they share, in squared fractions.

    Takes which images each model classifies correctly. The diagonal holds p(1 − p)/n.

    >>> sampling_covariance(np.array([[True, True, False, False], [True, True, True, False]]))
    array([[0.0625  , 0.03125 ],
           [0.03125 , 0.046875]])
    """
    images = correct.shape[1]
    accuracy = correct.mean(axis=1)
    both = accuracy[:, np.newaxis] - discordant(correct) / images
    return (both - np.outer(accuracy, accuracy)) / images


def _points(
    original_correct: np.ndarray, original_total: np.ndarray, new_correct: np.ndarray, new_total: np.ndarray, scale: str
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Original and new accuracies on the scale, and how steep the scale is at either."""
    original = fitted_accuracy(original_correct, original_total, scale)
    new = fitted_accuracy(new_correct, new_total, scale)
    return to_scale(original, scale), to_scale(new, scale), (steepness(original, scale), steepness(new, scale))


def _hat(x: np.ndarray, others: np.ndarray) -> np.ndarray:
    """What each of the others adds to the line's value at each model: prediction = hat @ y, rows over models."""
    count = others.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN where the others make no line
        mean = others @ x[:, np.newaxis] / count
        apart = others * (x - mean)
        return others / count + (x[:, np.newaxis] - mean) * apart / np.sum(apart**2, axis=1, keepdims=True)


def _variance_of(combination: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    return np.einsum("ij,jk,ik->i", combination, covariance, combination, optimize=True)


def _lines_without(x: np.ndarray, y: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Value at each model of lines through resamples of the others, shape (model, resample); NaN for two others.

    One resample of "all but one" serves every model: it says how often the first of the others is drawn, the second
    and so on, whichever these are.
    """
    models = len(x)
    lines = np.full((models, resamples), np.nan)
    if models < 4:
        return lines
    # From the median, which one point far away does not move, so that it costs the lines without it no digits.
    x_0, y_0 = np.median(x), np.median(y)
    dx, dy = x - x_0, y - y_0
    even = np.full((1, models - 1), 1 / (models - 1))
    least = _NO_SPREAD * (_sums_without(even, dx**2) - _sums_without(even, dx) ** 2)
    done = 0
    for count in batches(resamples, models):
        weights = drawn_counts(rng, count, models - 1) / (models - 1)
        mean_x, mean_y, mean_xx, mean_xy = (_sums_without(weights, v) for v in (dx, dy, dx**2, dx * dy))
        spread = mean_xx - mean_x**2
        spread[spread <= least] = np.nan
        slope = (mean_xy - mean_x * mean_y) / spread
        lines[:, done : done + count] = (y_0 + mean_y + slope * (dx - mean_x)).T
        done += count
    return lines


def _sums_without(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weighted sums of the values of all models but one, for each of the m models, shape (resample, m).

    A row of weights is for the others in their order, of which those after model j have moved up by one place: its sum
    is Σ_{i<j} w_i v_i + Σ_{i≥j} w_i v_{i+1}, from two running sums that serve all models. Neither has model j in it, so
    none is taken away, which would cost digits where it lies far off.

    >>> _sums_without(np.array([[1.0, 10.0]]), np.array([1.0, 2.0, 3.0]))
    array([[32., 31., 21.]])
    """
    sums = np.zeros((len(weights), len(values)))
    np.cumsum(weights * values[:-1], axis=1, out=sums[:, 1:])
    sums[:, :-1] += np.cumsum((weights * values[1:])[:, ::-1], axis=1)[:, ::-1]
    return sums


def _lines_with(x: np.ndarray, y: np.ndarray, at: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Value at `at` of lines through resamples of all given models, shape (at, resample); NaN for two models."""
    if len(x) < 3 or len(at) == 0:
        return np.full((len(at), resamples), np.nan)
    slopes, offsets = resampled_lines(x, y, resamples, rng)
    return slopes * at[:, np.newaxis] + offsets


def _judged(
    new_accuracy: np.ndarray,
    y: np.ndarray,
    on_line: np.ndarray,
    lines: np.ndarray,
    noise: np.ndarray,
    scale: str,
    level: float,
    rng: np.random.Generator,
) -> EffectiveRobustness:
    """Joins the noise of the images (a standard deviation, on the scale) with the resampled lines' values."""
    noise = np.maximum(noise, _NO_NOISE)
    predicted = from_scale(on_line, scale)
    p_value = np.full(len(y), np.nan)
    predicted_bounds, distance_bounds = np.full((2, 2, len(y)), np.nan)
    # Model by model: each has its draws side by side, and what is made of them stays near the processor.
    for model, (values, errors) in enumerate(zip(lines, _standard_normal(lines.shape, rng), strict=True)):
        defined = np.isfinite(values)
        if not defined.any():
            continue
        values, errors = values[defined], errors[defined]
        p_value[model] = _p_value((values - y[model]) / noise[model])
        drawn, line = from_scale(y[model] + noise[model] * errors, scale), from_scale(values, scale)
        predicted_bounds[:, model] = _central(line, level)
        distance_bounds[:, model] = _central(drawn - line, level)
    return EffectiveRobustness(
        scale=scale,
        predicted=predicted,
        predicted_interval=Interval(*predicted_bounds),
        distance=new_accuracy - predicted,
        interval=Interval(*distance_bounds),
        p_value=p_value,
        p_holm=adjust(p_value, "holm"),
        p_bh=adjust(p_value, "benjamini-hochberg"),
        level=level,
        resamples=lines.shape[1],
    )


def _standard_normal(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Normal draws of all models, one resample after the other; shape (model, resample)."""
    models, resamples = shape
    drawn = np.empty(shape)
    done = 0
    for count in batches(resamples, models):
        drawn[:, done : done + count] = rng.standard_normal((count, models)).T
        done += count
    return drawn


def _p_value(standing: np.ndarray) -> float:
    """Two-sided p-value from how far each resampled line stands above the model, in units of the images' noise.

    Each line gives the chance that the noise lifts the model from below it to where it stands, and their mean is
    smoother than a count of noisy draws.
    """
    count = len(standing)
    below = special.ndtr(standing).sum()
    return min(1.0, 2 * (min(below, count - below) + 1) / (count + 1))


def _central(draws: np.ndarray, level: float) -> np.ndarray:
    """The bounds of the central `level` of the draws, shape (2,)."""
    return np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
