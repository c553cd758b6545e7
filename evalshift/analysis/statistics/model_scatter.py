"""Tests whether a model lies farther from the line than the scatter of the other models about it explains."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import special, stats

from evalshift.analysis.statistics.multiplicity import adjust

# Models this many robust standard deviations from the robust line are left out of the first fit.
_NEAR = 3.0
# Models at the ends determine the slope, and a slight curvature of the testbed appears there first: the allowed
# deviation grows with the leverage times this.
_AT_THE_ENDS = 4.0
_MAD_TO_SD = float(1 / special.ndtri(0.75))
# Models whose adjusted p-value is below this are left out of the lines through the other models.
_OUTLYING = 0.05
# With fewer models, a robust line fits any of them.
_FEWEST_SCREENED = 7
_MOST_STEPS = 20
_FEWEST_OTHERS = 3
# With one model per family, the two moments are the same.
_SINGULAR = 1e10
# From this number of models, all are tested at once.
_MANY = 200
# Squared, on the scale: less is rounding error.
_NO_SCATTER = 1e-20

OnScale = Float[np.ndarray, " m"]
Coordinates = Float[np.ndarray, "k m"]
Covariance = Float[np.ndarray, "m m"]
Marked = Bool[np.ndarray, " m"]


@dataclass(frozen=True, eq=False)
class ScatterTest:
    """Each of m models compared with the scatter of the others about their line; see `scatter_test`.

    distance  from the line through the others, on the scale
    error     standard deviation of the distance of a model like the others: scatter, sampling error and error of the
              line
    scatter   τ, standard deviation of the others about their line, without sampling error (from counts alone: with it)
    df        degrees of freedom of the t distribution
    p_value   two-sided, for the null hypothesis that the model scatters like the others
    p_holm, p_bh   adjusted over the models, by Holm and by Benjamini and Hochberg
    in_line   which models the lines are fitted to: those of the baseline that do not lie far from it

    NaN if fewer than `least_others` others are left, or if all of them have the same original accuracy.
    """

    distance: OnScale
    error: OnScale
    scatter: OnScale
    df: OnScale
    p_value: OnScale
    p_holm: OnScale
    p_bh: OnScale
    in_line: Marked

    def of(self, models: Int[np.ndarray, " k"]) -> "ScatterTest":
        """The test for these models alone; p-values are adjusted over them."""
        p_value = self.p_value[models]
        return ScatterTest(
            distance=self.distance[models],
            error=self.error[models],
            scatter=self.scatter[models],
            df=self.df[models],
            p_value=p_value,
            p_holm=adjust(p_value, "holm"),
            p_bh=adjust(p_value, "benjamini-hochberg"),
            in_line=self.in_line[models],
        )

    def reach(self, level: float) -> OnScale:
        """Distance from the line, on the scale, within which a share `level` of such models lies."""
        return self.error * stats.t.isf((1 - level) / 2, self.df)


def scatter_test(
    x: OnScale | Coordinates,
    y: OnScale,
    *,
    sampling: Covariance | None = None,
    extra: OnScale | None = None,
    baseline: Marked | None = None,
    families: np.ndarray | None = None,
    screen: bool = True,
    least_others: int = _FEWEST_OTHERS,
) -> ScatterTest:
    """Test each model against the scatter of the other models about their line.

    Takes original and new accuracies of m models on the scale of the line; for several original sets, x has one row per
    set, and the line is the least-squares fit on all of them. `sampling` is the covariance, on the scale, of the
    sampling errors of new accuracy minus slope · original accuracy, if the models' correctness on shared images is
    known. The variance τ² of the models about their line is then estimated from the other models by moments: their
    squared residuals in excess of sampling error, divided by k − 2 for k others (k − 1 minus the number of original
    sets). Without `sampling`, that variance includes both, and the statistics are externally studentised residuals;
    `extra` is the amount by which a model's sampling variance exceeds that of the others, for example for a model
    evaluated on fewer images. In both cases, this divisor is the number of degrees of freedom of t.

    Lines are fitted to the models marked by `baseline` (default all), but never to the model itself. With `families`,
    equal values for models of one family, they also exclude its family; the variances between and within families are
    then estimated separately, and the degrees of freedom are the number of other families minus 2. A model with fewer
    than `least_others` others (3 or more) is not tested.

    With `screen`, models that are significantly far from the line are left out of the lines through the others, which
    they would tilt and whose scatter they would inflate. The first line is Theil and Sen's; models within three robust
    standard deviations of it (more at the ends of the line) give the first scatter, followed by the models whose p_bh
    is at least 0.05, until these no longer change.

    Source: R. D. Cook and S. Weisberg, Residuals and Influence in Regression, 1982, section 2.2.1 (externally
    studentised residuals); L. V. Hedges, Psychological Bulletin 93(2), 1983, 388-395 (variance by moments); P. K. Sen,
    Journal of the American Statistical Association 63(324), 1968, 1379-1389 (the first line).

    >>> x, y = np.array([0.0, 1, 2, 3, 4, 5, 6, 7]), np.array([0.1, 0.9, 2.1, 2.9, 4.1, 4.9, 6.1, 9.0])
    >>> scatter_test(x, y).p_holm.round(4)
    array([1.e+00, 1.e+00, 1.e+00, 1.e+00, 1.e+00, 1.e+00, 1.e+00, 4.e-04])
    """
    problem = _Problem(
        x=np.atleast_2d(x),
        y=y,
        sampling=sampling,
        extra=np.zeros(len(y)) if extra is None else extra,
        families=None if families is None else np.unique(families, return_inverse=True)[1],
        least_others=max(least_others, _FEWEST_OTHERS),
    )
    baseline = np.ones(len(y), bool) if baseline is None else baseline
    if not screen or baseline.sum() < _FEWEST_SCREENED:
        return _tested(problem, baseline)
    in_line = _near_robust_line(problem.x, y, baseline)
    for _ in range(_MOST_STEPS):
        near = baseline & ~(_tested(problem, in_line).p_bh < _OUTLYING)
        if np.array_equal(near, in_line):
            break
        in_line = near
    return _tested(problem, in_line)


@dataclass(frozen=True, eq=False)
class _Problem:
    x: np.ndarray
    y: np.ndarray
    sampling: np.ndarray | None
    extra: np.ndarray
    families: np.ndarray | None
    least_others: int


@dataclass(frozen=True, eq=False)
class _Line:
    """Least-squares line of the marked models: `design` has rows (1, x), zeros for the others; r: residuals."""

    marked: np.ndarray
    design: np.ndarray
    inverse: np.ndarray
    value: np.ndarray
    residual: np.ndarray

    @property
    def count(self) -> int:
        return int(self.marked.sum())

    @property
    def df(self) -> int:
        return self.count - self.design.shape[1]


def _near_robust_line(x: np.ndarray, y: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """The models of the baseline within `_NEAR` robust standard deviations of the Theil-Sen line."""
    if (np.ptp(x[:, baseline], axis=1) == 0).any():
        return baseline
    residual = np.abs(y - _robust_line(x, y, baseline))
    spread = _MAD_TO_SD * np.median(residual[baseline])
    apart = x - x[:, baseline].mean(axis=1, keepdims=True)
    leverage = np.sum(apart * (np.linalg.pinv(apart[:, baseline] @ apart[:, baseline].T) @ apart), axis=0)
    allowed = _NEAR * spread * np.sqrt(1 + _AT_THE_ENDS * leverage)
    return baseline & ~(residual > np.maximum(allowed, np.sqrt(_NO_SCATTER)))


def _robust_line(x: np.ndarray, y: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Value at each model of the Theil-Sen line; on several coordinates, of the fit by Tukey's biweight."""
    if len(x) == 1:
        # Through the medians of x and y. The median of y - slope * x ("joint") follows the crowd of a curved testbed:
        # the few models at its lower end, such as AlexNet on ImageNet, would lie far from it. The interval, which is
        # not used here, is undefined for tied accuracies.
        with np.errstate(invalid="ignore"):
            line: Any = stats.theilslopes(y[baseline], x[0, baseline], method="separate")
        return line.slope * x[0] + line.intercept
    # Imported here because it takes half a second.
    import statsmodels.api as sm

    design = np.stack([np.ones(len(y)), *x], axis=1)
    found: Any = sm.RLM(y[baseline], design[baseline], M=sm.robust.norms.TukeyBiweight()).fit()
    return design @ found.params


def _tested(problem: _Problem, in_line: np.ndarray) -> ScatterTest:
    distance, error, scatter, df = np.full((4, len(problem.y)), np.nan)
    apart = _without_each(problem, in_line)
    if apart is not None:
        distance[in_line], error[in_line], scatter[in_line], df[in_line] = apart
    for others, models in _groups(problem, in_line, alone=apart is None):
        line = _line(problem, others)
        if line is None:
            continue
        between, within, freedom = _variances(problem, line)
        for model in models.tolist():
            combination = _combination(problem, line, model)
            distance[model] = combination @ problem.y
            error[model] = np.sqrt(_variance(problem, combination, between, within) + problem.extra[model])
        scatter[models], df[models] = np.sqrt(between + within), freedom
    with np.errstate(invalid="ignore"):
        p_value = 2 * stats.t.sf(np.abs(distance) / np.sqrt(np.maximum(error**2, _NO_SCATTER)), df)
    return ScatterTest(
        distance, error, scatter, df, p_value, adjust(p_value, "holm"), adjust(p_value, "benjamini-hochberg"), in_line
    )


def _without_each(problem: _Problem, in_line: np.ndarray) -> np.ndarray | None:
    """Distance, error, scatter and df of all models of the line at once; None if they are computed one by one.

    For many models and from counts alone: leaving a model with leverage h out of a least-squares line divides its
    residual e by 1 − h, and reduces the sum of squares by e²/(1 − h).
    """
    count = int(in_line.sum())
    if count < _MANY or len(problem.x) > 1 or problem.families is not None or problem.sampling is not None:
        return None
    x, y = problem.x[0, in_line], problem.y[in_line]
    dx = x - x.mean()
    spread = dx @ dx
    kept = 1 - 1 / count - dx**2 / spread if spread else np.zeros(count)
    if kept.min() < 0.5:
        return None
    residual = y - y.mean() - dx * ((dx @ y) / spread)
    squares = residual @ residual - residual**2 / kept
    variance = np.maximum(squares, 0) / (count - 3)
    error = np.sqrt(variance / kept + problem.extra[in_line])
    return np.stack([residual / kept, error, np.sqrt(variance), np.full(count, count - 3.0)])


def _groups(problem: _Problem, in_line: np.ndarray, alone: bool = True) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Which models each line is fitted to, and the models compared with it; without `alone`, excluding their family."""
    if problem.families is not None:
        for family in range(problem.families.max() + 1):
            own = problem.families == family
            yield in_line & ~own, np.flatnonzero(own)
        return
    for model in np.flatnonzero(in_line) if alone else ():
        others = in_line.copy()
        others[model] = False
        yield others, np.array([model])
    if not in_line.all():
        yield in_line, np.flatnonzero(~in_line)


def _line(problem: _Problem, others: np.ndarray) -> _Line | None:
    """None if too few models are marked (one more per additional coordinate), or all have the same x."""
    coordinates = len(problem.x)
    if others.sum() < problem.least_others + coordinates - 1 or (np.ptp(problem.x[:, others], axis=1) == 0).any():
        return None
    apart = problem.x - problem.x[:, others].mean(axis=1, keepdims=True)
    design = others[:, np.newaxis] * np.stack([np.ones_like(problem.y), *apart], axis=1)
    products = design.T @ design
    if coordinates == 1:
        inverse = np.diag(1 / np.diag(products))  # the columns are orthogonal
    elif np.linalg.cond(products) < _SINGULAR:
        inverse = np.linalg.inv(products)
    else:
        return None
    value = inverse @ design.T @ problem.y
    return _Line(others, design, inverse, value, others * problem.y - design @ value)


def _combination(problem: _Problem, line: _Line, model: int) -> np.ndarray:
    """Weights of all y in the distance of a model from the line."""
    at = np.array([1.0, *(problem.x[:, model] - problem.x[:, line.marked].mean(axis=1))])
    combination = -line.design @ (line.inverse @ at)
    combination[model] += 1
    return combination


def _variance(problem: _Problem, combination: np.ndarray, between: float, within: float) -> float:
    variance = within * (combination @ combination)
    if problem.families is not None:
        variance += between * np.sum(np.bincount(problem.families, combination) ** 2)
    if problem.sampling is not None:
        variance += combination @ problem.sampling @ combination
    return max(0.0, float(variance))


def _variances(problem: _Problem, line: _Line) -> tuple[float, float, int]:
    """Variances between families (0 without families) and within them, and the degrees of freedom.

    By moments: with M the residual-making matrix, E r'Br = tr(MBM T) for residuals r = My and a variance T of y; B = 1
    gives their sum of squares, and B = P, which averages over families, that between families.
    """
    total, sampled = float(line.residual @ line.residual), 0.0
    crossed = np.zeros((2, 2))
    if problem.sampling is not None:
        crossed = line.design.T @ problem.sampling @ line.design
        sampled = float(np.diag(problem.sampling)[line.marked].sum() - np.trace(line.inverse @ crossed))
    excess = total - sampled
    if problem.families is None:
        return 0.0, max(0.0, excess / line.df), line.df
    family = problem.families
    size = np.bincount(family[line.marked], minlength=family.max() + 1).astype(float)
    present = size > 0
    freedom = max(1, int(present.sum()) - line.design.shape[1])
    sums = np.stack([np.bincount(family, column, len(size)) for column in line.design.T], axis=1)[present]
    means = sums / size[present, np.newaxis]
    projected, joint = sums.T @ means, sums.T @ sums  # X'PX, X'ZX
    of_families = np.bincount(family, line.residual, len(size))[present]
    excess_between = np.sum(of_families**2 / size[present])
    if problem.sampling is not None:
        member = line.marked[:, np.newaxis] * (family[:, np.newaxis] == np.flatnonzero(present))
        averaged = problem.sampling @ (member / size[present])
        mixed = np.einsum("ij,ik->jk", line.design, averaged) @ sums  # X'SPX
        excess_between -= float(
            np.sum(member * averaged)
            - 2 * np.trace(line.inverse @ mixed)
            + np.trace(line.inverse @ projected @ line.inverse @ crossed)
        )
    expected = np.array(
        [
            [line.count - np.trace(line.inverse @ joint), line.df],
            [
                line.count
                - 2 * np.trace(line.inverse @ joint)
                + np.trace(line.inverse @ projected @ line.inverse @ joint),
                present.sum() - np.trace(line.inverse @ projected),
            ],
        ]
    )
    return *_solved(expected, np.array([excess, excess_between])), freedom


def _solved(expected: np.ndarray, excess: np.ndarray) -> tuple[float, float]:
    """Both variances, at least 0: if one would be negative, it is 0, and the other alone explains its own moment."""
    if np.linalg.cond(expected) < _SINGULAR:
        between, within = np.linalg.solve(expected, excess)
        if between >= 0 and within >= 0:
            return float(between), float(within)
        if between >= 0:
            return max(0.0, float(excess[0] / expected[0, 0])), 0.0
    return 0.0, max(0.0, float(excess[0] / expected[0, 1]))
