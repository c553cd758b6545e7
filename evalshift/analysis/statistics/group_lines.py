"""The line of each group of models, such as those trained on the same data, and the distances between the lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.line_fit import LEAST_LINE_MODELS
from evalshift.analysis.statistics.model_scatter import scatter_test
from evalshift.analysis.statistics.multiplicity import adjust


@dataclass(frozen=True, eq=False)
class GroupLine:
    """One group of models and its least-squares line, on the scale of its coordinates.

    models      positions of those that the line goes through, of `members` in all
    slope, offset, scatter   of the line, and standard deviation of the models about it
    slope_interval  by the t distribution, models taken as independent
    above       mean distance of the models above the line of the first group; 0 for the first group
    above_interval  by the t distribution with one degree of freedom fewer than families, because models of a family are
                    not independent; NaN for the first group and for a single family
    at          mean original accuracy of the models, on the scale, at which `above` applies
    """

    name: str
    models: Int[np.ndarray, " k"]
    members: int
    slope: float
    offset: float
    scatter: float
    slope_interval: Interval[float]
    above: float
    above_interval: Interval[float]
    at: float


@dataclass(frozen=True, eq=False)
class GroupLines:
    """The lines of the groups, the largest group first, and the distance of each of m models from its group's line.

    distance   from the line through the other models of its group, on the scale; NaN for a model without group or line
    p_value, p_holm  as in `scatter_test`; adjusted over all models with a distance
    """

    lines: tuple[GroupLine, ...]
    distance: Float[np.ndarray, " m"]
    p_value: Float[np.ndarray, " m"]
    p_holm: Float[np.ndarray, " m"]


def group_lines(
    x: Float[np.ndarray, " m"],
    y: Float[np.ndarray, " m"],
    groups: Sequence[str | None],
    families: Sequence[str | None],
    level: float = 0.95,
) -> GroupLines:
    """A line for each group of at least `LEAST_LINE_MODELS` + 1 models that differ in original accuracy.

    Takes original and new accuracies on the scale of the line, and the group and the family of each model, None if
    unknown. Models that lie significantly far from the line of their group (see `scatter_test`) are left out of its
    fit. The interval of the mean distance of a group from the first group's line includes that line's error and allows
    for families: the variance is Σ_f (Σ_{i in f} (d_i − d))²/k² · F/(F − 1) for F families, where a model without one
    is a family of its own.
    Raises ValueError for a level outside (0, 1).
    Source: Miller et al. 2021, arXiv 2107.04649 (lines by training data); Liang and Zeger 1986, Biometrika 73(1)
    (the variance).

    >>> x = np.arange(14.0)
    >>> found = group_lines(x, x + np.repeat([0, 1.0], 7), ["a"] * 7 + ["b"] * 7, list("abcdefgabcdefg"))
    >>> [(line.name, round(line.slope, 3), round(line.above, 3)) for line in found.lines]
    [('a', 1.0, 0.0), ('b', 1.0, 1.0)]
    """
    check_level(level)
    distance, p_value = np.full((2, len(x)), np.nan)
    lines: list[GroupLine] = []
    for name, models in _by_size(groups):
        if len(models) <= LEAST_LINE_MODELS or np.ptp(x[models]) == 0:
            continue
        test = scatter_test(x[models], y[models], least_others=LEAST_LINE_MODELS)
        distance[models], p_value[models] = test.distance, test.p_value
        inside = models[test.in_line]
        if len(inside) <= LEAST_LINE_MODELS or np.ptp(x[inside]) == 0:
            continue
        lines.append(_line(name, inside, len(models), x, y, families, lines[0] if lines else None, level))
    return GroupLines(tuple(lines), distance, p_value, adjust(p_value, "holm"))


def _by_size(groups: Sequence[str | None]) -> list[tuple[str, np.ndarray]]:
    names = np.array(["" if group is None else group for group in groups], dtype=str)
    found = [(str(name), np.flatnonzero(names == name)) for name in np.unique(names) if name]
    return sorted(found, key=lambda group: (-len(group[1]), group[0]))


def _line(
    name: str,
    inside: np.ndarray,
    members: int,
    x: np.ndarray,
    y: np.ndarray,
    families: Sequence[str | None],
    first: GroupLine | None,
    level: float,
) -> GroupLine:
    fit: Any = stats.linregress(x[inside], y[inside])
    slope, offset = float(fit.slope), float(fit.intercept)
    df = len(inside) - 2
    scatter = float(np.sqrt(np.sum((y[inside] - slope * x[inside] - offset) ** 2) / df))
    reach = float(stats.t.isf((1 - level) / 2, df) * fit.stderr)
    at = float(x[inside].mean())
    above, bounds = 0.0, Interval(np.nan, np.nan)
    if first is not None:
        apart = y[inside] - first.slope * x[inside] - first.offset
        above = float(apart.mean())
        bounds = _mean_interval(apart, [families[model] for model in inside], _line_error(first, x, at), level)
    return GroupLine(
        name, inside, members, slope, offset, scatter, Interval(slope - reach, slope + reach), above, bounds, at
    )


def _line_error(line: GroupLine, x: np.ndarray, at: float) -> float:
    """Standard error of a line's value at one point."""
    own = x[line.models]
    return line.scatter * float(np.sqrt(1 / len(own) + (at - own.mean()) ** 2 / np.sum((own - own.mean()) ** 2)))


def _mean_interval(
    apart: np.ndarray, families: Sequence[str | None], line_error: float, level: float
) -> Interval[float]:
    names = [("", place) if family is None else (family, -1) for place, family in enumerate(families)]
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    if len(number) < 2:
        return Interval(np.nan, np.nan)
    mean = float(apart.mean())
    sums = np.bincount([number[name] for name in names], apart - mean)
    error = np.sqrt(np.sum(sums**2) / len(apart) ** 2 * len(sums) / (len(sums) - 1) + line_error**2)
    reach = float(stats.t.isf((1 - level) / 2, len(sums) - 1) * error)
    return Interval(mean - reach, mean + reach)
