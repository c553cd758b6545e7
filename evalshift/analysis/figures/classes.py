"""Accuracy per class on both sets, averaged over models."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalshift.analysis.figures.rows import rows
from evalshift.analysis.figures.style import (
    DPI,
    INK,
    LINE,
    MARK,
    QUIET,
    across,
    area,
    font_points,
    shortened,
    styled,
    wrapped,
)
from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.plot_data.ordering import both_ends
from evalshift.analysis.plot_data.shown import shown_classes
from evalshift.analysis.plot_data.sizes import COLUMN, Size
from evalshift.analysis.summary import MetricSummary, PairSummary

_AROUND = 0.85  # inches
_NAME = 30
# Offset of an interval from the middle of its row, so that the two do not overlap.
_APART = 0.2


def classes(summary: MetricSummary, ax: Axes, most: int = COLUMN.rows) -> Axes:
    """Draw the mean accuracy of all models per class, original joined with new, the largest drop on top.

    Intervals are those of the table `classes` in `MetricSummary.tables`. Of more than `most` classes those with the
    largest and the smallest drops are drawn; a row between them gives the number left out. Raises KeyError where the
    summary has no such table.
    """
    frame = shown_classes(summary)
    if frame is None:
        raise KeyError("classes")
    shown = frame.iloc[both_ends(len(frame), most)]
    between = len(frame) - len(shown)
    places = np.arange(len(shown))
    if between:
        places[len(shown) // 2 :] += 1
    before, after = (100 * shown[f"{side}_accuracy"].to_numpy() for side in ("original", "new"))
    ax.hlines(places, before, after, color=QUIET, linewidth=font_points(1.4), alpha=0.55, zorder=2, gid="drops")
    level = f"{100 * summary.level:g} % CI"
    for side, where, colour, mark, size, apart in (
        ("original", before, MARK, "o", 10, -_APART),
        ("new", after, LINE, "D", 9, _APART),
    ):
        ends = (100 * shown[f"{side}_accuracy_{end}"].to_numpy() for end in ("low", "high"))
        ax.hlines(
            places + apart,
            *ends,
            color=colour,
            linewidth=font_points(0.6),
            alpha=0.55,
            zorder=1,
            gid=f"{side}-intervals",
        )
        ax.scatter(
            where,
            places,
            s=area(size),
            marker=mark,
            color=colour,
            linewidths=0,
            zorder=3,
            label=f"{side.capitalize()}, {level}",
            gid=side,
        )
    names = [shortened(name, _NAME) for name in shown["class"]]
    if between:
        places, names = np.append(places, len(shown) // 2), [*names, f"… {between:,} more classes …"]
    ax.set_yticks(places, names)
    ax.tick_params(axis="y", length=0, labelsize=font_points(5.2))
    ax.spines["left"].set_visible(False)
    models = len(summary.statistics.image_models)
    mean = "Accuracy" if models == 1 else f"Mean accuracy of {models:,} models"
    ax.set(ylim=(places.max() + 0.6, -0.6), xlabel=f"{mean} (%)")
    return ax


def classes_figure(pair: PairSummary, metric: str = "top1", size: Size | None = None) -> Figure | None:
    """Draw `classes` as a figure; None where no class has images in both sets. The default size is COLUMN."""
    size = size or COLUMN
    summary = pair.metrics[metric]
    frame = shown_classes(summary)
    if frame is None:
        return None
    count = min(len(frame), size.rows) + (len(frame) > size.rows)
    pair_words = f"{pair.title}, top-{METRICS[metric]}"
    caption = wrapped(pair_words, across(size))
    room = rows(count, size, _AROUND, caption)
    with styled(size):
        figure = Figure(figsize=(size.width, room.height), layout="constrained", dpi=DPI)
        ax = classes(summary, figure.add_subplot(), size.rows)
        ax.tick_params(axis="y", labelsize=room.name)
        figure.legend(loc="outside upper center", handlelength=1.2, ncols=2)
        figure.supxlabel(caption, fontsize=font_points(6.5), color=INK)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure
