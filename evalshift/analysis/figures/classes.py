"""Accuracy per class on both sets, averaged over models."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from evalshift.analysis.figures.rows import rows
from evalshift.analysis.figures.shown import Figure
from evalshift.analysis.figures.style import (
    DPI,
    INK,
    LINE,
    MARK,
    QUIET,
    across,
    area,
    font_points,
    lay_out,
    shortened,
    styled,
    wrapped,
)
from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.plot_data.classes import ClassesOnSet, ClassPlot, class_plot
from evalshift.analysis.plot_data.scatter import Range
from evalshift.analysis.plot_data.sizes import COLUMN, Size
from evalshift.analysis.summary import MetricSummary, PairSummary

_AROUND = 0.85  # inches
_NAME = 30
# Offset of an interval from the middle of its row, so that the two do not overlap.
_APART = 0.2


def classes(summary: MetricSummary, ax: Axes, most: int = COLUMN.rows) -> Axes:
    """Draw the mean accuracy of all models per class, original connected with new, the largest drop on top.

    Accuracies and intervals are the shrunk ones of the table `classes` in `MetricSummary.tables`, if there are any.
    With more than `most` classes, those with the largest and the smallest drops are drawn; a row between them gives the
    number left out. Raises KeyError if the summary has no such table.
    """
    plot = class_plot(summary, most)
    if plot is None:
        raise KeyError("classes")
    places = _places(plot)
    ax.hlines(
        places,
        plot.original.accuracy,
        plot.new.accuracy,
        color=QUIET,
        linewidth=font_points(1.4),
        alpha=0.55,
        zorder=2,
        gid="drops",
    )
    level = f"{100 * plot.level:g} % CI"
    _draw_set(ax, plot.original, places, -_APART, color=MARK, marker="o", s=area(10), label=f"Original, {level}")
    _draw_set(ax, plot.new, places, _APART, color=LINE, marker="D", s=area(9), label=f"New, {level}")
    _name_rows(ax, plot, places)
    mean = "Accuracy" if plot.models == 1 else f"Mean accuracy of {plot.models:,} models"
    shrunk = ", shrunk" if plot.shrunk else ""
    ax.set(ylim=(places.max() + 0.6, -0.6), xlabel=f"{mean} (%{shrunk})")
    return ax


def _places(plot: ClassPlot) -> np.ndarray:
    """The row of each class; one is left free for the number of classes that are not shown."""
    places = np.arange(len(plot.names))
    if plot.left_out:
        places[len(places) // 2 :] += 1
    return places


def _draw_set(ax: Axes, found: ClassesOnSet, places: np.ndarray, apart: float, **marks: Any) -> None:
    side = marks["label"].split(",")[0].lower()
    ax.hlines(
        places + apart,
        found.low,
        found.high,
        color=marks["color"],
        linewidth=font_points(0.6),
        alpha=0.55,
        zorder=1,
        gid=f"{side}-intervals",
    )
    ax.scatter(found.accuracy, places, linewidths=0, zorder=3, gid=side, **marks)


def _name_rows(ax: Axes, plot: ClassPlot, places: np.ndarray) -> None:
    names = [shortened(name, _NAME) for name in plot.names]
    if plot.left_out:
        places, names = np.append(places, len(plot.names) // 2), [*names, f"… {plot.left_out:,} more classes …"]
    ax.set_yticks(places, names)
    ax.tick_params(axis="y", left=False, length=0, labelsize=font_points(5.2))
    ax.spines["left"].set_visible(False)


def classes_figure(
    pair: PairSummary,
    metric: str = "top1",
    size: Size | None = None,
    xlim: Range | None = None,
) -> Figure | None:
    """Draw `classes` as a figure; None if no class has images in both sets. The default size is COLUMN.

    `xlim` are limits in percent.
    """
    size = size or COLUMN
    summary = pair.metrics[metric]
    plot = class_plot(summary, size.rows)
    if plot is None:
        return None
    count = len(plot.names) + (plot.left_out > 0)
    pair_words = f"{pair.title}, top-{METRICS[metric]}; {plot.shown_words}"
    caption = wrapped(pair_words, across(size))
    room = rows(count, size, _AROUND, caption)
    with styled(size):
        figure = Figure(figsize=(size.width, room.height), layout="constrained", dpi=DPI)
        ax = classes(summary, figure.add_subplot(), size.rows)
        ax.tick_params(axis="y", labelsize=room.name)
        if xlim is not None:
            ax.set_xlim(xlim)
        figure.legend(loc="outside upper center", handlelength=1.2, ncols=2)
        figure.supxlabel(caption, fontsize=font_points(6.5), color=INK)
        lay_out(figure)
        figure.set_layout_engine("none")
    return figure
