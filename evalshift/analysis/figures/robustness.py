"""Effective robustness: the distance of each model above the line fitted without it."""

import numpy as np
from matplotlib.axes import Axes

from evalshift.analysis.figures.rows import CLOSE_ROW, mark_names, rows, shade_rows
from evalshift.analysis.figures.shown import Figure
from evalshift.analysis.figures.style import (
    DPI,
    HIGHLIGHT,
    HIGHLIGHT_MARKER,
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
from evalshift.analysis.plot_data.robustness import RobustnessPlot, robustness_plot
from evalshift.analysis.plot_data.scatter import Range
from evalshift.analysis.plot_data.sizes import COLUMN, Size
from evalshift.analysis.summary import MetricSummary, PairSummary

_AROUND, _ENTRY = 0.65, 0.12  # inches: around the rows, and per further line of the legend
_NAME = 30
# Models that the line does not reach; those whose distance is smaller than its error have no marker.
_BEYOND = "Beyond the range of the line"


def robustness(summary: MetricSummary, ax: Axes, most: int = COLUMN.rows) -> Axes:
    """Draw each model's distance above the line of the other models in points, the highest on top, with its interval.

    Behind each is the range in which such models scatter about the line. Statistically significant distances (Holm)
    are orange diamonds. Models beyond the range of the line have hollow markers; if such a distance is smaller than its
    standard error, only the interval is drawn. With more than `most` models, those at both ends and the highlighted
    ones are drawn.
    Raises ValueError if no model has a distance. Source: Taori et al. 2020, arXiv 2007.00644.
    """
    found = robustness_plot(summary)
    if found is None:
        raise ValueError("robustness: found no model with a defined distance from the line; expected one or more")
    shown = found.ends(most)
    places = np.arange(len(shown))
    _draw_usual(ax, shown)
    _draw_distances(ax, shown)
    ax.axvline(0, color=QUIET, linewidth=font_points(0.7), linestyle="--", zorder=1)
    ax.set_yticks(places, [shortened(name, _NAME) for name in shown.names])
    ax.tick_params(axis="y", left=False, length=0, labelsize=font_points(5.2))
    ax.spines["left"].set_visible(False)
    mark_names(ax.get_yticklabels(), shown.highlighted)
    shade_rows(ax, shown.highlighted)
    if shown.highlighted.any():
        ax.scatter(
            shown.distance[shown.highlighted],
            places[shown.highlighted],
            s=area(34),
            marker=HIGHLIGHT_MARKER,
            color=HIGHLIGHT,
            linewidths=0,
            zorder=4,
            label="Highlighted",
            gid="highlighted-models",
        )
    left_out = len(found) - len(shown)
    between = f"; {left_out:,} in between not shown" if left_out else ""
    ax.set(ylim=(len(places) - 0.4, -0.6), xlabel=f"Effective robustness (points{between})")
    return ax


def _draw_usual(ax: Axes, shown: RobustnessPlot) -> None:
    """Bars behind the distances: the range in which such models scatter."""
    if np.isfinite([shown.usual_low, shown.usual_high]).any():
        ax.hlines(
            np.arange(len(shown)),
            shown.usual_low,
            shown.usual_high,
            color=QUIET,
            alpha=0.25,
            linewidth=font_points(3.2),
            zorder=0,
            label=f"{100 * shown.level:g} % range of models about the line",
        )


def _draw_distances(ax: Axes, shown: RobustnessPlot) -> None:
    """Markers and confidence intervals, those of significant distances in another colour and shape."""
    places, known, labelled = np.arange(len(shown)), bool(np.isfinite(shown.low).any()), False
    for significant, colour, mark, label in (
        (False, MARK, "o", ""),
        (True, LINE, "D", "Statistically significant (Holm)"),
    ):
        own = shown.significant == significant
        if not own.any():
            continue
        low, high = shown.low[own], shown.high[own]
        bars = ax.hlines(places[own], low, high, color=colour, linewidth=font_points(0.8), alpha=0.6, zorder=2)
        if known and not labelled:
            bars.set_label(f"{100 * shown.level:g} % CI")
            labelled = True
        said = label if known else "Without confidence intervals"
        for beyond, face in ((False, colour), (True, "white")):
            drawn = own & (shown.extrapolated == beyond)
            if not drawn.any():
                continue
            ax.scatter(
                shown.distance[drawn],
                places[drawn],
                s=area(9),
                marker=mark,
                facecolors=face,
                edgecolors=colour,
                linewidths=font_points(0.6),
                zorder=3,
                label=_BEYOND if beyond else said or None,
            )


def robustness_figure(
    pair: PairSummary,
    metric: str = "top1",
    size: Size | None = None,
    xlim: Range | None = None,
) -> Figure | None:
    """Draw `robustness` as a figure; None if no model has a distance.

    `xlim` are limits in points. The default size is COLUMN.
    """
    size = size or COLUMN
    summary = pair.metrics[metric]
    found = robustness_plot(summary)
    if found is None:
        return None
    pair_words = f"{pair.title}, top-{METRICS[metric]}"
    caption = wrapped(pair_words, across(size))
    columns = 1 if size.width < 4 else 2
    entries = 2 + bool(found.significant.any()) + bool(found.extrapolated.any()) + bool(found.highlighted.any())
    around = _AROUND + _ENTRY * (-(-entries // columns) - 1)
    room = rows(min(len(found), size.rows), size, around, caption, CLOSE_ROW)
    with styled(size):
        figure = Figure(figsize=(size.width, room.height), layout="constrained", dpi=DPI)
        ax = robustness(summary, figure.add_subplot(), size.rows)
        ax.tick_params(axis="y", labelsize=room.name)
        if xlim is not None:
            ax.set_xlim(xlim)
        figure.legend(loc="outside upper center", handlelength=1, ncols=columns)
        ax.set_xlabel(wrapped(ax.get_xlabel(), across(size) * 3 // 4))
        figure.supxlabel(caption, fontsize=font_points(6.5), color=INK)
        lay_out(figure)
        figure.set_layout_engine("none")
    return figure
