"""Figures with a curve per model: a panel for either set, on the same axes."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evalshift.analysis.figures.style import (
    DPI,
    INK,
    LINE,
    MARK,
    across,
    area,
    font_points,
    lay_out,
    scale_of,
    shortened,
    styled,
    wrapped,
)
from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.plot_data.model_curves import CurveSide, ModelCurves
from evalshift.analysis.plot_data.sizes import COLUMN, Size
from evalshift.analysis.summary import PairSummary

_COLOURS = {"original": MARK, "new": LINE}
# So few models have a colour and a name each, of Okabe and Ito's palette.
_NAMED = 7
_SERIES = (MARK, LINE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK)
_NAME = 28
# Inches above and below the panels, per line of the legend and of the caption, and beside both panels.
_AROUND, _LINE, _BESIDE = 0.88, 0.125, 0.55


def needed(curves: ModelCurves | None, name: str) -> ModelCurves:
    """The curves. Raises ValueError where there are none; `name` is the figure's."""
    if curves is None:
        raise ValueError(f"{name}: found no model with probabilities on both sets; expected at least one")
    return curves


def draw_curves(curves: ModelCurves, axes: tuple[Axes, Axes]) -> None:
    """Draw either set's curves on its Axes, in percent; the points of bins are marked.

    Up to seven models have a colour and a name each. Of more, the lines are thin, and a thick one is of all together.
    """
    few = len(curves.titles) <= _NAMED
    for ax, (name, side) in zip(axes, curves.sides.items(), strict=True):
        for place, title in enumerate(curves.titles):
            style: dict[str, Any] = (
                {
                    "color": _SERIES[place],
                    "linewidth": font_points(1.0),
                    "label": shortened(title, _NAME),
                }
                if few
                else {"color": _COLOURS[name], "linewidth": font_points(0.5), "alpha": 0.3}
            )
            ax.plot(
                100 * side.x[place], 100 * side.y[place], gid=f"model-{place}", **style, **_marks(few and curves.binned)
            )
        if not few:
            _draw_together(ax, name, side, curves.binned, curves.models)
        mean = "" if curves.models == 1 else "mean "
        ax.set_title(f"{name.capitalize()} set\n{mean}{side.words}", fontsize=font_points(6.5))
        ax.set(xlabel=curves.labels[0], ylabel=curves.labels[1])
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))


def curves_figure(
    pair: PairSummary,
    metric: str,
    curves: ModelCurves | None,
    draw: Callable[[ModelCurves, Axes, Axes], object],
    size: Size,
) -> Figure | None:
    """A figure of two square panels, one above the other in a column, with the legend above and the caption below.

    None where there are no curves.
    """
    if curves is None:
        return None
    rows = 2 if size == COLUMN else 1
    columns = 1 if size == COLUMN else 2 if len(curves.titles) > _NAMED else 4
    entries = len(curves.titles) if len(curves.titles) <= _NAMED else 2
    words = "; ".join(filter(None, (f"{pair.title}, top-{METRICS[metric]}", curves.of_all)))
    caption, scale = wrapped(words, across(size)), scale_of(size)
    lines = -(-entries // columns) + caption.count("\n")
    with styled(size):
        panel = (size.width - _BESIDE * scale * (3 - rows)) / (3 - rows)
        height = size.height or min(size.tallest, rows * panel + (_AROUND * rows + _LINE * lines) * scale)
        figure = Figure(figsize=(size.width, height), layout="constrained", dpi=DPI)
        axes = figure.subplots(rows, 3 - rows).ravel()
        draw(curves, axes[0], axes[1])
        handles = {str(line.get_label()): line for ax in axes for line in ax.lines if str(line.get_label())[0] != "_"}
        figure.legend(handles=list(handles.values()), loc="outside upper center", ncols=columns, handlelength=1.6)
        figure.supxlabel(caption, fontsize=font_points(6.5), color=INK)
        lay_out(figure, passes=2)
        figure.set_layout_engine("none")
    return figure


def _draw_together(ax: Axes, name: str, side: CurveSide, binned: bool, models: int) -> None:
    x, y = 100 * side.together
    together = f"All {models:,} models together" if binned else f"Mean of {models:,} models"
    label = f"{together}, {name} set"
    style: dict[str, Any] = {"color": _COLOURS[name], "linewidth": font_points(1.4), "gid": "together", "label": label}
    ax.plot(x, y, **style, **_marks(binned))


def _marks(marked: bool) -> dict[str, Any]:
    return {"marker": "o", "markersize": np.sqrt(area(7))} if marked else {}
