"""Effective robustness: how far each model lies above the line of other models, and whether that is significant."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from evalshift.analysis.statistics.accuracy_noise import image_covariance
from evalshift.analysis.statistics.draws import batches, check_resamples, drawn_counts
from evalshift.analysis.statistics.errors_in_variables import binomial_variance, steepness
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.least_squares import weighted_least_squares
from evalshift.analysis.statistics.line_fit import LEAST_LINE_MODELS, check_distinct, fit_line, resampled_lines
from evalshift.analysis.statistics.model_scatter import ScatterTest, scatter_test
from evalshift.analysis.statistics.percentiles import central_bounds
from evalshift.analysis.statistics.scales import fitted_accuracy, from_scale, to_scale
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Accuracies, Correct, Counts

Covariance = Float[np.ndarray, "m m"]
# A resample whose original accuracies have less than this share of the sum of squares of all has no meaningful slope.
_NO_SPREAD = 1e-12
# The difference between two models with the same correctness on every image has no variance to divide by.
_NO_NOISE = 1e-12
# Normal draws kept in memory at once: 40 MB.
_MOST_DRAWS = 5_000_000


@dataclass(frozen=True, eq=False)
class EffectiveRobustness:
    """Each of m models against a line of other models, in accuracies (fractions); see `effective_robustness`.

    predicted           new accuracy that the line predicts at the model's original accuracy
    predicted_interval  range of the resampled lines there, at `level`
    distance            new accuracy minus predicted: the effective robustness, above 0 for a model above the line
                        interval            of the distance, at `level`: sampling error in both coordinates and the
                        line's uncertainty
    usual               range of the distances of `level` of such models, from the scatter of the others
                        (`scatter_test`)
    scatter             τ: standard deviation of the others about their line on the scale; without sampling error if the
                        models' correctness on shared images is known, with it from counts alone
    p_value             two-sided, for the null hypothesis that the model scatters about the line like the others
    p_holm, p_bh        adjusted over the models, by Holm and by Benjamini and Hochberg
    p_family            like p_holm, from a line without the model's family and with a separate variance between
                        families
    screened            models so far from the line that they are left out of other models' lines; against a testbed,
                        its models extrapolated        models whose original accuracy lies beyond those of all models of
                        the line
    undetermined        the extrapolated models whose distance is smaller than its standard error; see `reported`
    repeats             models that repeat an earlier one, which are not counted as tests; see `of`

    All are NaN if the line has too few other models, or only models of one original accuracy. p_family is NaN without
    families.
    """

    scale: str
    predicted: Accuracies
    predicted_interval: Interval[np.ndarray]
    distance: Accuracies
    interval: Interval[np.ndarray]
    usual: Interval[np.ndarray]
    scatter: Accuracies
    p_value: Accuracies
    p_holm: Accuracies
    p_bh: Accuracies
    p_family: Accuracies
    screened: Bool[np.ndarray, " k"]
    extrapolated: Bool[np.ndarray, " m"]
    undetermined: Bool[np.ndarray, " m"]
    repeats: Bool[np.ndarray, " m"]
    level: float
    resamples: int

    def of(self, models: Int[np.ndarray, " k"]) -> "EffectiveRobustness":
        """The results of the models at these positions, which may repeat; p-values stay as they are."""
        taken: dict[str, Any] = {
            name: Interval(value.low[models], value.high[models]) if isinstance(value, Interval) else value[models]
            for name, value in vars(self).items()
            if name not in ("scale", "level", "resamples")
        }
        first = np.unique(models, return_index=True)[1]
        return replace(self, **taken | {"repeats": ~np.isin(np.arange(len(models)), first)})

    @property
    def tests(self) -> int:
        """Number of models tested, each counted once."""
        return int((np.isfinite(self.p_value) & ~self.repeats).sum())

    @property
    def reported(self) -> Accuracies:
        """The distances, with NaN for those that are undetermined because the line is extrapolated."""
        return np.where(self.undetermined, np.nan, self.distance)


def effective_robustness(
    original_correct: Counts,
    original_total: Counts,
    new_correct: Counts,
    new_total: Counts,
    *,
    baseline: Bool[np.ndarray, " m"] | None = None,
    covariances: tuple[Covariance, Covariance] | None = None,
    families: Sequence[str | None] | None = None,
    screen: bool = True,
    least_others: int = LEAST_LINE_MODELS,
    scale: str = "linear",
    resamples: int = 20_000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> EffectiveRobustness:
    """Distance of each model from the least-squares line through the others, with interval and p-values.

    Takes counts over m models. The line is fitted to all models, or to those marked by `baseline`, but never to the
    model itself, nor, with `screen`, to models that lie significantly far from it, which would tilt it (see
    `scatter_test`). A line through fewer than `least_others` models gives no distance. The interval combines the error
    of the line, by a bootstrap over its models, and that of the images, taken as normal on the scale. From counts
    alone, the models' sampling errors are taken as independent, which makes intervals too wide if the models were
    evaluated on the same images; `covariances` of the original and of the new accuracies (see `sampling_covariance`)
    take their correlation into account.
    The p-values are those of `scatter_test` and need no resamples: no model lies exactly on the line, so each is
    compared with the scatter of the others. With `families` (None for a model without one), each model is also tested
    without its own family.
    Raises AnalysisError if no model has enough others for a line, ValueError for impossible counts, scale, level,
    resamples or shapes.
    Source: Taori et al. 2020, arXiv 2007.00644 (the distance); Recht et al. 2019, section 3.3 (the bootstrap over
    models).

    >>> n = np.full(6, 10_000)
    >>> original, new = np.array([6000, 6500, 7000, 7500, 8000, 9000]), np.array([4000, 4700, 5400, 6100, 7200, 8200])
    >>> effective_robustness(original, n, new, n, rng=np.random.default_rng(0)).distance.round(3)
    array([-0.001, -0.004, -0.006, -0.009,  0.04 , -0.04 ])
    """
    check_level(level)
    check_resamples(resamples)
    counts = original_correct, original_total, new_correct, new_total
    x, y, steep = _points(*counts, scale)
    if baseline is None:
        baseline = np.ones(len(x), bool)
    if baseline.sum() > least_others:
        check_distinct(x[baseline], y[baseline], scale)
    common = weighted_least_squares(x[np.newaxis], y[np.newaxis], baseline[np.newaxis].astype(np.float64))[0, 0]
    test = _test_of(x, y, steep, common, covariances, counts, screen, least_others)
    found = test(baseline, None)
    in_line = found.in_line
    by_family = None if families is None else test(baseline, _numbered(families))
    others = (in_line & ~np.eye(len(x), dtype=bool)).astype(np.float64)
    slope, offset = _through_others(x, y, others, least_others)
    if np.isnan(slope).all():
        raise AnalysisError(
            f"a distance needs a line through at least {least_others} other models",
            where=f"effective robustness, {scale} scale",
            found=counted(len(x), "model") + ("" if baseline.all() else f", {int(baseline.sum())} of them in the line"),
            expected=f"at least {least_others + 1} models that differ in original accuracy",
            fix="evaluate more models on both test sets, or compare with a published testbed",
        )
    hat = _hat(x, others)
    noise = _sampling_error(counts, covariances, slope, hat, steep)
    lines = _resampled_lines(x, y, in_line, resamples, rng)
    lines[np.isnan(slope)] = np.nan
    on_line = slope * x + offset
    bounds = _bounds(y, on_line, lines, noise, scale, level, rng)
    residual = others * (y - slope[:, np.newaxis] * x - offset[:, np.newaxis])
    return _judged(
        new_correct / new_total,
        y,
        bounds,
        found,
        by_family,
        baseline & ~in_line,
        _reach_of_line(x, y - on_line, others, np.hypot(noise, _line_error(residual, others, hat))),
        scale,
        level,
        resamples,
    )


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
    """Like `effective_robustness`, but against the line of another testbed, such as a published one.

    `testbed` holds that testbed's counts over its models: original correct, original total, new correct, new total. It
    must not include the compared models. Its models that lie significantly far from the line are screened as in
    `effective_robustness`. The p-values are adjusted over the compared models.
    Raises what `effective_robustness` and `fit_line` raise, and AnalysisError for a line through fewer than
    `LEAST_LINE_MODELS`.
    """
    check_resamples(resamples)
    own = original_correct, original_total, new_correct, new_total
    x, y, steep = _points(*own, scale)
    in_line = _screened_testbed(testbed, scale)
    models = tuple(counts[in_line] for counts in testbed)
    original, new = fitted_accuracy(models[0], models[1], scale), fitted_accuracy(models[2], models[3], scale)
    line = fit_line(original, new, scale=scale, resamples=resamples, level=level, rng=rng)
    noise = np.sqrt(
        line.slope**2 * steep[0] ** 2 * binomial_variance(original_correct, original_total)
        + steep[1] ** 2 * binomial_variance(new_correct, new_total)
    )
    lines = line.slopes * x[:, np.newaxis] + line.offsets
    joined = [np.concatenate(both) for both in zip(own, models, strict=True)]
    all_counts = joined[0], joined[1], joined[2], joined[3]
    all_x, all_y, all_steep = _points(*all_counts, scale)
    theirs = np.arange(len(all_x)) >= len(x)
    test = _test_of(all_x, all_y, all_steep, line.slope, None, all_counts, screen=False, least_others=LEAST_LINE_MODELS)
    found = test(theirs, None).of(np.arange(len(x)))
    on_line = line.slope * x + line.offset
    bounds = _bounds(y, on_line, lines, noise, scale, level, rng)
    others = np.tile(theirs.astype(np.float64), (len(x), 1))
    hat = _hat(all_x, others, at=x)
    residual = others * (all_y - line.slope * all_x - line.offset)
    beyond = _reach_of_line(all_x, y - on_line, others, np.hypot(noise, _line_error(residual, others, hat)), at=x)
    return _judged(new_correct / new_total, y, bounds, found, None, ~in_line, beyond, scale, level, resamples)


def _screened_testbed(testbed: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], scale: str) -> np.ndarray:
    """Which of a testbed's models its line is fitted to: those that do not lie far from it."""
    x, y, steep = _points(*testbed, scale)
    everyone = np.ones(len(x), bool)
    if len(x) < LEAST_LINE_MODELS:
        raise AnalysisError(
            "too few models for a line to compare others with",
            where=f"effective robustness, {scale} scale",
            found=f"{counted(len(x), 'model')} of the testbed",
            expected=f"at least {LEAST_LINE_MODELS}",
            fix="leave fewer families out, or compare with another testbed",
        )
    slope = weighted_least_squares(x[np.newaxis], y[np.newaxis], everyone[np.newaxis].astype(np.float64))[0, 0]
    in_line = _test_of(x, y, steep, slope, None, testbed, screen=True, least_others=LEAST_LINE_MODELS)(
        everyone, None
    ).in_line
    # With fewer than half of its models, it would be another testbed.
    return in_line if in_line.sum() >= max(LEAST_LINE_MODELS, len(x) / 2) else everyone


def sampling_covariance(correct: Correct) -> Covariance:
    """Covariance of m models' accuracies over samples of the images that they share, in squared fractions.

    Takes which images each model classifies correctly. The diagonal holds p(1 − p)/n.

    >>> sampling_covariance(np.array([[True, True, False, False], [True, True, True, False]]))
    array([[0.0625  , 0.03125 ],
           [0.03125 , 0.046875]])
    """
    return image_covariance(correct) / correct.shape[1]


def _points(
    original_correct: np.ndarray, original_total: np.ndarray, new_correct: np.ndarray, new_total: np.ndarray, scale: str
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Original and new accuracies on the scale, and the derivative of the scale at both."""
    original = fitted_accuracy(original_correct, original_total, scale)
    new = fitted_accuracy(new_correct, new_total, scale)
    return to_scale(original, scale), to_scale(new, scale), (steepness(original, scale), steepness(new, scale))


def _through_others(
    x: np.ndarray, y: np.ndarray, others: np.ndarray, least_others: int
) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset of the line through the other models, one row per model; NaN slope if these are too few."""
    if len(x) < 2:
        return np.full(1, np.nan), np.full(1, np.nan)
    slope, offset = weighted_least_squares(x[np.newaxis], y[np.newaxis], others)
    slope[others.sum(axis=1) < least_others] = np.nan
    return slope, offset


def _sampling_error(
    counts: tuple[Counts, Counts, Counts, Counts],
    covariances: tuple[Covariance, Covariance] | None,
    slope: np.ndarray,
    hat: np.ndarray,
    steep: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Standard error of each model's distance from its line due to the images, on the scale."""
    apart = np.eye(len(slope))
    if covariances is None:
        covariances = np.diag(binomial_variance(*counts[:2])), np.diag(binomial_variance(*counts[2:]))
    else:
        apart = apart - hat
    variance = slope**2 * _variance_of(apart * steep[0], covariances[0])
    variance += _variance_of(apart * steep[1], covariances[1])
    # Models with the same correctness on every image have a variance of 0, which rounding can make slightly negative.
    return np.sqrt(np.maximum(variance, 0))


def _resampled_lines(
    x: np.ndarray, y: np.ndarray, in_line: np.ndarray, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Value at each model of lines through resamples of the others, shape (model, resample)."""
    lines = np.full((len(x), resamples), np.nan)
    done = 0
    for part in _lines_without(x[in_line], y[in_line], resamples, rng):
        lines[in_line, done : done + len(part)] = part.T
        done += len(part)
    if not in_line.all():
        lines[~in_line] = _lines_with(x[in_line], y[in_line], x[~in_line], resamples, rng)
    return lines


def _hat(x: np.ndarray, others: np.ndarray, at: np.ndarray | None = None) -> np.ndarray:
    """Weight of each of the others in the line's value at each model: prediction = hat @ y, one row per model.

    The models are at `at`, or are those of x.
    """
    count = others.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN where the others define no line
        mean = others @ x[:, np.newaxis] / count
        apart = others * (x - mean)
        reach = (x if at is None else at)[:, np.newaxis] - mean
        return others / count + reach * apart / np.sum(apart**2, axis=1, keepdims=True)


def _line_error(residual: np.ndarray, others: np.ndarray, hat: np.ndarray) -> np.ndarray:
    """Standard error of the line's value at each model, from the scatter of the others about it; one row per model."""
    with np.errstate(divide="ignore", invalid="ignore"):  # two others lie exactly on their line
        scatter = np.sum(residual**2, axis=1) / (others.sum(axis=1) - 2)
        return np.sqrt(scatter * np.sum(hat**2, axis=1))


@dataclass(frozen=True, eq=False)
class _Reach:
    """Which models lie beyond the models of the line, and for which of them the line is uninformative."""

    extrapolated: np.ndarray
    undetermined: np.ndarray


def _reach_of_line(
    x: np.ndarray, distance: np.ndarray, others: np.ndarray, error: np.ndarray, at: np.ndarray | None = None
) -> _Reach:
    """Takes distances and their standard errors on the scale, of the models at `at`, or of those of x."""
    at = x if at is None else at
    low = np.where(others > 0, x, np.inf).min(axis=1)
    high = np.where(others > 0, x, -np.inf).max(axis=1)
    with np.errstate(invalid="ignore"):
        beyond = ((at < low) | (at > high)) & np.isfinite(distance)
        return _Reach(beyond, beyond & (error > np.abs(distance)))


def _variance_of(combination: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    return np.einsum("ij,jk,ik->i", combination, covariance, combination, optimize=True)


def _lines_without(x: np.ndarray, y: np.ndarray, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Value at each model of lines through resamples of the others, shape (resample, model), some resamples at a time.

    None for two others.

    One resample of "all but one" is used for every model: it says how often the first of the others is drawn, the
    second and so on, whichever models these are.
    """
    models = len(x)
    if models < 4:
        return
    # Centred at the median, which a single distant point does not move, so that lines without that point keep their
    # precision.
    x_0, y_0 = np.median(x), np.median(y)
    dx, dy = x - x_0, y - y_0
    even = np.full((1, models - 1), 1 / (models - 1))
    least = _NO_SPREAD * (_sums_without(even, dx**2) - _sums_without(even, dx) ** 2)
    for count in batches(resamples, models):
        weights = drawn_counts(rng, count, models - 1) / (models - 1)
        mean_x, mean_y, mean_xx, mean_xy = (_sums_without(weights, v) for v in (dx, dy, dx**2, dx * dy))
        spread = mean_xx - mean_x**2
        spread[spread <= least] = np.nan
        slope = (mean_xy - mean_x * mean_y) / spread
        yield y_0 + mean_y + slope * (dx - mean_x)


def _sums_without(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weighted sums of the values of all models but one, for each of the m models, shape (resample, m).

    A row of weights belongs to the others in their order, in which the models after model j move up by one position:
    its sum is Σ_{i<j} w_i v_i + Σ_{i≥j} w_i v_{i+1}, from two running sums used for all models. Neither includes model
    j; subtracting it instead would lose precision for a distant model.

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


def _test_of(
    x: np.ndarray,
    y: np.ndarray,
    steep: tuple[np.ndarray, np.ndarray],
    slope: float,
    covariances: tuple[Covariance, Covariance] | None,
    counts: tuple[np.ndarray, ...],
    screen: bool,
    least_others: int,
) -> Callable[[np.ndarray, np.ndarray | None], ScatterTest]:
    """The scatter test of these models as a function of the baseline and the families."""
    if covariances is not None:
        apart = tuple(np.outer(one, one) for one in (slope * steep[0], steep[1]))
        sampling = apart[0] * covariances[0] + apart[1] * covariances[1]
        return lambda baseline, families: scatter_test(
            x,
            y,
            sampling=sampling,
            baseline=baseline,
            families=families,
            screen=screen,
            least_others=least_others,
        )
    original_correct, original_total, new_correct, new_total = counts

    def test(baseline: np.ndarray, families: np.ndarray | None) -> ScatterTest:
        # The others' scatter includes their sampling error; that of a model on fewer images is larger.
        extra = np.zeros(len(x))
        for steepness_there, correct, total in (
            (slope * steep[0], original_correct, original_total),
            (steep[1], new_correct, new_total),
        ):
            if not baseline.any():
                continue
            fewer = np.maximum(0, 1 - total / np.median(total[baseline]))
            extra += fewer * steepness_there**2 * binomial_variance(correct, total)
        return scatter_test(
            x, y, extra=extra, baseline=baseline, families=families, screen=screen, least_others=least_others
        )

    return test


def _numbered(families: Sequence[str | None]) -> np.ndarray:
    """A number per family, and a number of its own for each model without one."""
    names = [("", place) if family is None else (family, -1) for place, family in enumerate(families)]
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names])


@dataclass(frozen=True, eq=False)
class _Bounds:
    predicted: np.ndarray
    of_prediction: Interval[np.ndarray]
    of_distance: Interval[np.ndarray]


def _bounds(
    y: np.ndarray,
    on_line: np.ndarray,
    lines: np.ndarray,
    noise: np.ndarray,
    scale: str,
    level: float,
    rng: np.random.Generator,
) -> _Bounds:
    """Combine the noise of the images (a standard deviation on the scale) with the resampled lines' values."""
    noise = np.maximum(noise, _NO_NOISE)
    predicted_bounds, distance_bounds = np.full((2, 2, len(y)), np.nan)
    # Model by model: the draws of a model are contiguous, and its intermediate results stay in the processor's cache.
    for model, (values, errors) in enumerate(zip(lines, _standard_normal(lines.shape, rng), strict=True)):
        defined = np.isfinite(values)
        if not defined.any():
            continue
        values, errors = values[defined], errors[defined]
        drawn, line = from_scale(y[model] + noise[model] * errors, scale), from_scale(values, scale)
        predicted_bounds[:, model] = central_bounds(line, level)
        distance_bounds[:, model] = central_bounds(drawn - line, level)
    return _Bounds(from_scale(on_line, scale), Interval(*predicted_bounds), Interval(*distance_bounds))


def _judged(
    new_accuracy: np.ndarray,
    y: np.ndarray,
    bounds: _Bounds,
    test: ScatterTest,
    by_family: ScatterTest | None,
    screened: np.ndarray,
    beyond: _Reach,
    scale: str,
    level: float,
    resamples: int,
) -> EffectiveRobustness:
    on_line, reach = y - test.distance, test.reach(level)
    predicted = from_scale(on_line, scale)
    return EffectiveRobustness(
        scale=scale,
        predicted=bounds.predicted,
        predicted_interval=bounds.of_prediction,
        distance=new_accuracy - bounds.predicted,
        interval=bounds.of_distance,
        usual=Interval(*(from_scale(on_line + side * reach, scale) - predicted for side in (-1, 1))),
        scatter=test.scatter,
        p_value=test.p_value,
        p_holm=test.p_holm,
        p_bh=test.p_bh,
        p_family=np.full(len(y), np.nan) if by_family is None else by_family.p_holm,
        screened=screened,
        extrapolated=beyond.extrapolated,
        undetermined=beyond.undetermined,
        repeats=np.zeros(len(y), bool),
        level=level,
        resamples=resamples,
    )


def _standard_normal(shape: tuple[int, int], rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Normal draws of each model in turn, shape (resample,), in the order of drawing one resample for all models.

    For many models, they are regenerated for each one: kept for all, they would take more memory than everything else.
    """
    models, resamples = shape
    begin = rng.bit_generator.state
    size = max(1, _MOST_DRAWS // max(1, resamples))
    for start in range(0, models, size):
        rng.bit_generator.state = begin
        kept = slice(start, start + size)
        drawn = np.empty((len(range(models)[kept]), resamples))
        done = 0
        for count in batches(resamples, models):
            drawn[:, done : done + count] = rng.standard_normal((count, models)).T[kept]
            done += count
        yield from drawn
