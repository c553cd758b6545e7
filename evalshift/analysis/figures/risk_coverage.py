"""Risk–coverage curves of both sets."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalshift.analysis.figures.model_curves import curves_figure, draw_curves, needed
from evalshift.analysis.plot_data.model_curves import ModelCurves
from evalshift.analysis.plot_data.risk_coverage import risk_coverage_curves
from evalshift.analysis.plot_data.sizes import PAGE, Size
from evalshift.analysis.summary import MetricSummary, PairSummary


def risk_coverage(
    summary: MetricSummary, original: Axes, new: Axes, models: Sequence[str] | None = None
) -> tuple[Axes, Axes]:
    """Draw the error rate of each model on its most confident images against their share, on either set.

    At 100 % coverage it is one minus the accuracy. Up to seven models have a colour each; with more, their lines are
    thin, and a thick line is their mean. `models` are names, by default all models with probabilities on both sets.
    Both axes have the same limits.
    Raises ValueError where no model has probabilities, UsageError for a model that has none.
    """
    return _draw(needed(risk_coverage_curves(summary, models), "risk_coverage"), original, new)


def _draw(curves: ModelCurves, original: Axes, new: Axes) -> tuple[Axes, Axes]:
    draw_curves(curves, (original, new))
    top = max(1.0, 105 * curves.span("y")[1])
    for ax in (original, new):
        ax.set(xlim=(0, 101), ylim=(-0.02 * top, top))
    return original, new


def risk_coverage_figure(
    pair: PairSummary, metric: str = "top1", size: Size | None = None, models: Sequence[str] | None = None
) -> Figure | None:
    """Draw `risk_coverage` as a figure; None if no model has probabilities. The default size is PAGE."""
    return curves_figure(pair, metric, risk_coverage_curves(pair.metrics[metric], models), _draw, size or PAGE)
