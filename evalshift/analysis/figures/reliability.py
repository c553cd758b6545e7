"""Reliability diagrams of both sets."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalshift.analysis.figures.model_curves import curves_figure, draw_curves, needed
from evalshift.analysis.figures.style import QUIET, font_points
from evalshift.analysis.plot_data.model_curves import ModelCurves
from evalshift.analysis.plot_data.reliability import reliability_curves
from evalshift.analysis.plot_data.sizes import PAGE, Size
from evalshift.analysis.summary import MetricSummary, PairSummary


def reliability(
    summary: MetricSummary, original: Axes, new: Axes, models: Sequence[str] | None = None
) -> tuple[Axes, Axes]:
    """Draw accuracy against confidence in bins of each model's images, on either set.

    On the diagonal a model is calibrated, below it over-confident. Bins are those of `reliability_bins`. Up to seven
    models have a colour each; with more, their lines are thin, and a thick line is for the images of all models
    together.
    `models` are names, by default all models with probabilities on both sets. Both axes have the same limits.
    Raises ValueError where no model has probabilities, UsageError for a model that has none.
    """
    return _draw(needed(reliability_curves(summary, models), "reliability"), original, new)


def _draw(curves: ModelCurves, original: Axes, new: Axes) -> tuple[Axes, Axes]:
    low = 5 * np.floor(20 * min(curves.span("x")[0], curves.span("y")[0]))
    draw_curves(curves, (original, new))
    for ax in (original, new):
        style = {"color": QUIET, "linewidth": font_points(0.7), "linestyle": (0, (4, 3)), "zorder": 0}
        ax.plot([0, 100], [0, 100], gid="diagonal", label="_calibrated", **style)
        edge = 0.01 * (100 - low)
        ax.set(xlim=(low - edge, 100 + edge), ylim=(low - edge, 100 + edge))
    return original, new


def reliability_figure(
    pair: PairSummary, metric: str = "top1", size: Size | None = None, models: Sequence[str] | None = None
) -> Figure | None:
    """Draw `reliability` as a figure; None if no model has probabilities. The default size is PAGE."""
    return curves_figure(pair, metric, reliability_curves(pair.metrics[metric], models), _draw, size or PAGE)
