"""Whether a model lies farther from the line than such models scatter about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import special, stats

from evalshift.analysis.statistics.multiplicity import adjust

# A model this many robust standard deviations from the robust line is left out at first.
_NEAR = 3.0
# Far models decide the slope, and a slight curve of the testbed shows there first: the deviation allowed grows with the
# leverage, times this.
_AT_THE_ENDS = 4.0
_MAD_TO_SD = float(1 / special.ndtri(0.75))
# Models whose adjusted p-value is below this stay out of the lines through the others.
_OUTLYING = 0.05
# With fewer models than these a robust line can be drawn through any.
_FEWEST_SCREENED = 7
_MOST_STEPS = 20
_FEWEST_OTHERS = 3
# Families of one model each make the two moments one.
_SINGULAR = 1e10
# So many models are tested all at once.
_MANY = 200
# Squared, on the scale: less is rounding.
_NO_SCATTER = 1e-20

OnScale = Float[np.ndarray, " m"]
Coordinates = Float[np.ndarray, "k m"]
Covariance = Float[np.ndarray, "m m"]
Marked = Bool[np.ndarray, " m"]


@dataclass(frozen=True, eq=False)
class ScatterTest:
    """Each of m models held against the scatter of the others about their line; see `scatter_test`.

    distance  from the line through the others, on the scale
    error     standard deviation of the distance of a model like the others: their scatter, sampling error, the line
    scatter   τ, standard deviation of the others about their line beyond sampling error (from counts alone: with it)
    df        degrees of freedom of the t distribution
    p_value   two-sided, of a distance at least as large as this where the model belongs to the others
    p_holm, p_bh   the same adjusted over the models, by Holm and by Benjamini and Hochberg
    in_line   which models the lines go through: those of the baseline that do not lie far off

    NaN where fewer than `least_others` are left, or all of one original accuracy.
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
        """The same for these models alone; p-values are adjusted over them."""
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
        """How far from the line, on the scale, a share `level` of such models lies at most."""
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
    """Test, for each model, that it lies no farther from the line than the other models scatter about it.

    Takes original and new accuracies of m models on the scale of the line; with several original sets x has a row for
    each, and the line is the least-squares fit on all of them. `sampling` is the covariance, on the scale, of the
    sampling errors of new accuracy minus slope · original accuracy, where the models' correctness on shared images is
    known. The variance τ² of the models about their line then comes from the other models by moments: their squared
    residuals beyond what sampling explains, over k − 2 for k others (k − 1 less the number of original sets). Without
    `sampling` that variance holds both, and the statistics are externally studentised residuals; `extra` is what a
    model's sampling variance exceeds that of the others by, such as one evaluated on fewer images. Either way t has
    that many degrees of freedom.

    Lines go through the models that `baseline` marks (default all), never through the model itself. With `families`,
    equal values for models of one family, they go through no model of its family either; variance between and within
    families is then estimated apart, and the degrees of freedom are the number of other families minus 2. A model with
    fewer than `least_others` (3 or more) is not tested.

    With `screen`, models that are significantly far off stay out of the lines through the others, which they would tilt
    and whose scatter they would inflate: Theil and Sen's line is the first, models within three robust standard
    deviations of it (more at the ends of the line) give the first scatter, and then those whose p_bh is at least 0.05,
    until these no longer change.

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
    """The least-squares line of the marked models: `design` has rows (1, x), of zeros for the others; r, residuals."""

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
        # Its interval, which nothing here takes, is undefined where accuracies tie.
        with np.errstate(invalid="ignore"):
            line: Any = stats.theilslopes(y[baseline], x[0, baseline])
        return line.slope * x[0] + line.intercept
    # Half a second to import.
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
    """Distance, error, scatter and df of each model of the line, at once; None where they are worked out one by one.

    Of many models, from counts alone: leaving one out of a least-squares line divides its residual by 1 − h, h its
    leverage, and takes e²/(1 − h) from the sum of squares.
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
    """Which models the line goes through, and the models that are compared with it; without `alone`, not its own."""
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
    """None where too few models are marked (one more per further coordinate), or all have one x."""
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
    """How the distance of a model is made of all y."""
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
    """Variance between and within families, the former 0 where none are given, and the degrees of freedom.

    By moments: with M the matrix that makes residuals of y, E r'Br = tr(MBM T) for a variance T of y; B = 1 takes their
    sum of squares, and B = P, which averages over families, that between families.
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
    """Both variances, neither below 0: where one would be, the other alone explains its own moment."""
    if np.linalg.cond(expected) < _SINGULAR:
        between, within = np.linalg.solve(expected, excess)
        if between >= 0 and within >= 0:
            return float(between), float(within)
        if between >= 0:
            return max(0.0, float(excess[0] / expected[0, 0])), 0.0
    return 0.0, max(0.0, float(excess[0] / expected[0, 1]))
