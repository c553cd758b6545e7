"""Each model compared with the models of the same original accuracy: which of them is more robust."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import special

from evalshift.analysis.statistics.effective_robustness import Covariance
from evalshift.analysis.statistics.errors_in_variables import binomial_variance, steepness
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.line_fit import LEAST_LINE_MODELS
from evalshift.analysis.statistics.multiplicity import adjust
from evalshift.analysis.statistics.scales import fitted_accuracy, from_scale, to_scale
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Counts

# The accuracies of two models with the same correctness on every image differ only by rounding.
_NO_NOISE = 1e-9


@dataclass(frozen=True, eq=False)
class MatchedModels:
    """k of m models, each compared with the models of the same original accuracy; see `matched_models`.

    models    positions of the k models among the m
    matched   [i, j]: model j has the same original accuracy as the i-th of the k, and is in the line
    rank      by effective robustness among the matched models and itself: 1 for the highest, ties share the better rank
    interval  best (low) and worst (high) rank consistent with the tests; simultaneous at `level`
    ahead_of, behind  numbers of matched models that are significantly less and more robust than the model
    advantage  effective robustness minus the mean of the matched models', a fraction; NaN without matched models
    advantage_interval  for the sampling error of the images, given these matched models
    tests     number of pairs tested together (Holm); `differing` of them differ significantly
    """

    scale: str
    level: float
    models: Int[np.ndarray, " k"]
    matched: Bool[np.ndarray, "k m"]
    rank: Int[np.ndarray, " k"]
    interval: Interval[np.ndarray]
    ahead_of: Int[np.ndarray, " k"]
    behind: Int[np.ndarray, " k"]
    advantage: Float[np.ndarray, " k"]
    advantage_interval: Interval[np.ndarray]
    tests: int
    differing: int

    @property
    def count(self) -> Int[np.ndarray, " k"]:
        """Number of other models with the same original accuracy as each."""
        return self.matched.sum(axis=1)

    @property
    def most_robust(self) -> Int[np.ndarray, " b"]:
        """Positions, among the k, of models that are significantly more robust than all their matched models."""
        return np.flatnonzero((self.count > 0) & (self.ahead_of == self.count))


def matched_models(
    counts: tuple[Counts, Counts, Counts, Counts],
    *,
    in_line: Bool[np.ndarray, " m"] | None = None,
    of: Int[np.ndarray, " k"] | None = None,
    covariances: tuple[Covariance, Covariance] | None = None,
    scale: str = "linear",
    level: float = 0.95,
) -> MatchedModels:
    """Rank each model by effective robustness among the models whose original accuracy does not differ significantly.

    Takes original correct and total and new correct and total over m models. `in_line` marks the models of the line
    (default all); only these are matched with others. `of` gives the positions of the models to rank (default all);
    only their pairs are tested. `covariances` are those of the original and of the new accuracies over the images that
    the models share (`sampling_covariance`); from counts alone, sampling errors are taken as independent, which matches
    more models and finds fewer differences.

    Two models match if their original accuracies do not differ significantly at `level`, each pair tested on its own.
    Remaining differences are controlled for: models are compared by their distance from a common least-squares line on
    `scale`, with the sampling error on both sets and that of the slope, and normal quantiles. The p-values are adjusted
    by Holm over all pairs. The scatter of models about the line is not included: the comparison is between these
    particular models, not between kinds of models.

    Memory grows with the number of matched pairs, time with m²: 0.1 s for 1,500 models.
    Raises AnalysisError if the line has fewer than five models or a single original accuracy, ValueError for a level
    outside (0, 1) and an unknown scale.
    Source: Taori et al. 2020, arXiv 2007.00644 (the distance); Holm 1979, Scandinavian Journal of Statistics 6(2).

    >>> n = np.full(6, 10_000)
    >>> original, new = np.array([6000, 6510, 6500, 6490, 8000, 9000]), np.array([4000, 4700, 5200, 4690, 7000, 8200])
    >>> found = matched_models((original, n, new, n))
    >>> found.count, found.rank, found.ahead_of
    (array([0, 2, 2, 2, 0, 0]), array([1, 3, 1, 2, 1, 1]), array([0, 0, 2, 0, 0, 0]))
    """
    check_level(level)
    models = len(counts[0])
    line = np.ones(models, bool) if in_line is None else in_line
    of = np.arange(models) if of is None else of
    points = _Points.of(counts, line, covariances, scale)
    matched = _matched(counts, of, line, covariances, level)
    row, other = np.nonzero(matched)
    own = of[row]
    apart = points.distance[own] - points.distance[other]
    error = np.sqrt(np.maximum(points.variance(own, other), _NO_NOISE**2))
    pairs, number = _each_once(own, other)
    p_value = 2 * special.ndtr(-np.abs(apart) / error)
    significant = adjust(p_value[pairs], "holm")[number] < 1 - level
    ahead_of, behind, above = (
        np.bincount(row[those], minlength=len(of))
        for those in (significant & (apart > 0), significant & (apart < 0), apart < 0)
    )
    count = matched.sum(axis=1)
    advantage, interval = _advantages(counts, points, of, matched, level)
    return MatchedModels(
        scale=scale,
        level=level,
        models=of,
        matched=matched,
        rank=1 + above,
        interval=Interval(1 + behind, 1 + count - ahead_of),
        ahead_of=ahead_of,
        behind=behind,
        advantage=advantage,
        advantage_interval=interval,
        tests=len(pairs),
        differing=int(significant[pairs].sum()),
    )


@dataclass(frozen=True, eq=False)
class _Points:
    """Models about their line, on the scale.

    x, y      original and new accuracies
    distance  y − slope · x; differences of these are those of distances from the line
    own       sampling variance of each distance; `shared`: their covariance, if known
    slope_variance  of the slope, from the scatter of the models about the line
    """

    scale: str
    x: np.ndarray
    y: np.ndarray
    distance: np.ndarray
    own: np.ndarray
    shared: np.ndarray | None
    slope_variance: float

    @classmethod
    def of(
        cls,
        counts: tuple[Counts, Counts, Counts, Counts],
        line: np.ndarray,
        covariances: tuple[Covariance, Covariance] | None,
        scale: str,
    ) -> "_Points":
        original, new = fitted_accuracy(*counts[:2], scale), fitted_accuracy(*counts[2:], scale)
        x, y = to_scale(original, scale), to_scale(new, scale)
        apart = x[line] - x[line].mean() if line.any() else np.zeros(0)
        spread = float(apart @ apart)
        if line.sum() < LEAST_LINE_MODELS or np.ptp(x[line]) == 0:
            raise AnalysisError(
                "too few models for a line, along which models of nearly the same accuracy are compared",
                where=f"models of the same accuracy, {scale} scale",
                found=f"{counted(int(line.sum()), 'model')}, {len(np.unique(x[line]))} different original accuracies",
                expected=f"at least {LEAST_LINE_MODELS} models that differ in original accuracy",
                fix="evaluate more models on both test sets",
            )
        slope = float(apart @ y[line]) / spread
        residual = y[line] - y[line].mean() - slope * apart
        slope_variance = float(residual @ residual) / (int(line.sum()) - 2) / spread
        steep = slope * steepness(original, scale), steepness(new, scale)
        shared = None
        if covariances is None:
            own = steep[0] ** 2 * binomial_variance(*counts[:2]) + steep[1] ** 2 * binomial_variance(*counts[2:])
        else:
            shared = np.outer(steep[0], steep[0]) * covariances[0]
            shared += np.outer(steep[1], steep[1]) * covariances[1]
            own = np.diag(shared)
        return cls(scale, x, y, y - slope * x, own, shared, slope_variance)

    def variance(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Variance of the differences between the distances of these pairs of models."""
        common = 0 if self.shared is None else 2 * self.shared[first, second]
        tilt = (self.x[first] - self.x[second]) ** 2 * self.slope_variance
        return self.own[first] + self.own[second] - common + tilt


def _matched(
    counts: tuple[Counts, Counts, Counts, Counts],
    of: np.ndarray,
    line: np.ndarray,
    covariances: tuple[Covariance, Covariance] | None,
    level: float,
) -> np.ndarray:
    """[i, j]: whether model j is in the line and has the same original accuracy as the i-th model of `of`."""
    accuracy = counts[0] / counts[1]
    if covariances is None:
        own = binomial_variance(*counts[:2])
        variance = own[of, np.newaxis] + own
    else:
        own = np.diag(covariances[0])
        variance = np.maximum(own[of, np.newaxis] + own - 2 * covariances[0][of], 0)
    reach = special.ndtri((1 + level) / 2) * np.sqrt(variance)
    matched = line & (np.abs(accuracy[of, np.newaxis] - accuracy) <= reach + _NO_NOISE)
    matched[np.arange(len(of)), of] = False
    return matched


def _each_once(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First position of each pair of models, in either order, and each pair's number among these."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    _, place, number = np.unique(low * (high.max(initial=0) + 1) + high, return_index=True, return_inverse=True)
    return place, number


def _advantages(
    counts: tuple[Counts, Counts, Counts, Counts], points: _Points, of: np.ndarray, matched: np.ndarray, level: float
) -> tuple[np.ndarray, Interval[np.ndarray]]:
    """Height of each model above the mean of its matched models, moved along the line to its original accuracy."""
    count = matched.sum(axis=1)
    weights = matched / np.where(count > 0, count, np.nan)[:, np.newaxis]
    above = points.distance[of] - weights @ points.distance
    if points.shared is None:
        variance = points.own[of] + weights**2 @ points.own
    else:
        of_mean = weights @ points.shared
        variance = points.own[of] - 2 * of_mean[np.arange(len(of)), of] + (of_mean * weights).sum(axis=1)
    variance = variance + (points.x[of] - weights @ points.x) ** 2 * points.slope_variance
    reach = special.ndtri((1 + level) / 2) * np.sqrt(np.maximum(variance, 0))
    accuracy = (counts[2] / counts[3])[of]
    at = points.y[of]
    advantage, low, high = (
        accuracy - from_scale(at - value, points.scale) for value in (above, above - reach, above + reach)
    )
    return advantage, Interval(low, high)
