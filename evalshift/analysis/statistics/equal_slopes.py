"""Whether the lines of several groups of models have the same slope."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from evalshift.errors import AnalysisError

# Residuals below this share of the variation are rounding errors.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class EqualSlopes:
    """The F test for equal slopes in g groups of n models.

    f, df, residual_df, p_value   statistic, degrees of freedom g − 1 and n − 2g, probability of a larger statistic
    slope                         the common slope
    groups, models                g and n
    """

    f: float
    df: int
    residual_df: int
    p_value: float
    slope: float
    groups: int
    models: int


def equal_slopes(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], group: Int[np.ndarray, " n"]) -> EqualSlopes:
    """Test whether one slope per group fits better than a common slope with one offset per group.

    Takes original and new accuracies on the scale of the lines, and a number for the group of each model. With residual
    sums of squares R₁ of the parallel lines and R₀ of the separate ones, F = (R₁ − R₀)/(g − 1) / (R₀/(n − 2g)). Models
    are assumed independent, with the same scatter in each group; p is too small if models of a family are correlated.
    Raises AnalysisError for a single group, for a group of fewer than three models or of equal original accuracies, and
    if all models lie exactly on parallel lines.
    Source: Huitema 2011, The Analysis of Covariance and Alternatives, 2nd edition, chapter 8 (homogeneity of regression
    slopes).

    >>> x = np.arange(12.0)
    >>> found = equal_slopes(x, np.where(x < 6, x, 2 * x) + x % 2, np.repeat([0, 1], 6))
    >>> found.df, found.residual_df, found.p_value < 0.01
    (1, 8, True)
    """
    members = [group == number for number in np.unique(group)]
    if len(members) < 2:
        raise AnalysisError("slopes are compared between groups", found="a single group with a line")
    if any(inside.sum() < 3 or np.ptp(x[inside]) == 0 for inside in members):
        raise AnalysisError("a group has fewer than three models, or none that differ in original accuracy")
    within = [_sums(x[inside], y[inside]) for inside in members]
    xx, xy, yy = np.sum(within, axis=0)
    separate = sum(own_yy - own_xy**2 / own_xx for own_xx, own_xy, own_yy in within)
    parallel = yy - xy**2 / xx
    df, residual_df = len(members) - 1, len(x) - 2 * len(members)
    if parallel <= _ROUNDING * yy:
        raise AnalysisError("all models lie on parallel lines")
    between = max(parallel - separate, 0.0) / df
    f = float(between / (separate / residual_df)) if separate > _ROUNDING * yy else np.inf
    return EqualSlopes(f, df, residual_df, float(stats.f.sf(f, df, residual_df)), float(xy / xx), len(members), len(x))


def _sums(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Sums of squares and products about the means of one group."""
    x, y = x - x.mean(), y - y.mean()
    return float(x @ x), float(x @ y), float(y @ y)
