"""Positions of accuracies on the axes of a scatter plot, in print and on the page: fractions, Φ⁻¹ or log-odds."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.statistics.line_fit import Line
from evalshift.analysis.statistics.scales import fitted_accuracy, from_scale, to_scale
from evalshift.analysis.summary import MetricSummary

_GRID = 60  # positions along a line, which is curved where it is clipped at 0 or 1


@dataclass(frozen=True, eq=False)
class Positions:
    """Positions of m models, in the order of the table.

    x, y            original and new accuracy, finite on every scale
    x_ends, y_ends  lower and upper confidence bounds; infinite on a curved scale where a bound is 0 or 1
    """

    x: Float[np.ndarray, " m"]
    y: Float[np.ndarray, " m"]
    x_ends: Float[np.ndarray, "2 m"]
    y_ends: Float[np.ndarray, "2 m"]


@dataclass(frozen=True, eq=False)
class LinePositions:
    """A fitted line at the positions `x`, and the bounds of its bootstrap region; None without resamples."""

    x: Float[np.ndarray, " position"]
    y: Float[np.ndarray, " position"]
    region: tuple[Float[np.ndarray, " position"], Float[np.ndarray, " position"]] | None


def position(accuracy: np.ndarray, scale: str) -> np.ndarray:
    """Transform fractions to `scale`.

    On the linear scale values may leave [0, 1], as those of a line do; on the others 0 and 1 become infinite.
    """
    if scale == "linear":
        return accuracy
    with np.errstate(divide="ignore"):
        return to_scale(np.clip(accuracy, 0, 1), scale)


def model_positions(metric: MetricSummary, scale: str) -> Positions:
    """Positions of the models of a report."""
    table = metric.table
    centres, ends = [], []
    for side in ("original", "new"):
        correct, total = (table[f"{side}_{what}"].to_numpy() for what in ("correct", "total"))
        centres.append(position(fitted_accuracy(correct, total, scale), scale))
        ends.append(np.stack([position(table[f"{side}_{end}"].to_numpy(), scale) for end in ("low", "high")]))
    return Positions(*centres, *ends)


def outcome_positions(outcomes: Outcomes, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """Original and new positions of other models, such as those of a published testbed."""
    original_correct, original_total, new_correct, new_total = outcomes.counts
    return (
        position(fitted_accuracy(original_correct, original_total, scale), scale),
        position(fitted_accuracy(new_correct, new_total, scale), scale),
    )


def line_positions(line: Line, x: np.ndarray, beyond: float) -> LinePositions:
    """A line over the range of the models at `x`, extended by `beyond` at either end, on the scale of its fit.

    It is not extrapolated further: no model supports it there.
    """
    grid = np.linspace(x.min() - beyond, x.max() + beyond, _GRID)
    accuracy = np.clip(from_scale(grid, line.scale), 0, 1)
    region = None
    if not np.isnan(line.slope_interval.low):
        around = line.region(accuracy)
        region = position(around.low, line.scale), position(around.high, line.scale)
    return LinePositions(position(accuracy, line.scale), position(line.predict(accuracy), line.scale), region)
