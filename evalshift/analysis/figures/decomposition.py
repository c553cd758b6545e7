"""Decomposition of the drop of each model, one panel per term."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from evalshift.analysis.figures.rows import draw_row_lines, mark_names, rows, shade_rows
from evalshift.analysis.figures.shown import Figure
from evalshift.analysis.figures.style import (
    ASIDE,
    DPI,
    HIGHLIGHT_MARKER,
    INK,
    LINE,
    MARK,
    QUIET,
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
from evalshift.analysis.plot_data.decomposition import DecompositionPlot, TermPlot, decomposition_plot
from evalshift.analysis.plot_data.ordering import describe_shown
from evalshift.analysis.plot_data.sizes import COLUMN, PAGE, SLIDE, Size
from evalshift.analysis.summary import MetricSummary, PairSummary

_AROUND = 1.0  # inches
# A colour of its own for each term; the last is the purple of Okabe and Ito.
_COLOURS = {"adaptivity": ASIDE, "distribution": MARK, "generalization": QUIET, "own": LINE, "shared": "#CC79A7"}
# Longest name in letters.
_NAMES = {COLUMN.name: 24, SLIDE.name: 28}
# Letters of a title across the narrowest panel, by size; a panel is as wide as its range, but holds its title.
_LETTERS = {COLUMN.name: 12, SLIDE.name: 14}
_PERCENT = "\N{NO-BREAK SPACE}%"
_LETTER = 0.0082  # width of a letter in inches per point


def decomposition(
    summary: MetricSummary,
    axes: Sequence[Axes] | np.ndarray,
    most: int = PAGE.rows,
    longest: int = 34,
    letters: int = 18,
) -> list[Axes]:
    """Draw the terms of each model's drop in points, one row per model and one panel per term.

    By cause: adaptivity (if there are fresh images), distribution shift, and the interval around 0 that sampling error
    of the new set alone can reach. Across models: the drop predicted by the line of the other models, and the rest.
    Each panel has its term as its title and its own colour. There are as many `axes` as `decomposition_plot` has terms;
    models are in the order of the table. With more than `most` models, the first are drawn; names longer than `longest`
    letters are shortened, and titles are wrapped at `letters`. Source: Recht et al. 2019, section 2.
    """
    plot, axes = decomposition_plot(summary, most), list(axes)
    places = np.arange(len(plot.names))
    for ax, term in zip(axes, plot.terms, strict=True):
        _draw_term(ax, term, places, plot.highlighted)
        ax.set_title(
            f"{wrapped(term.title, letters)}\n{wrapped(term.bars.replace(' %', _PERCENT), letters)}",
            fontsize=font_points(_title_size(letters)),
            color=_COLOURS[term.key],
            loc="center",
        )
        ax.axvline(0, color=QUIET, linewidth=font_points(0.6), zorder=0)
        ax.set(ylim=(len(places) - 0.4, -0.6))
        ax.set_yticks([])
        ax.tick_params(axis="y", left=False, length=0, labelsize=font_points(6))
        draw_row_lines(ax, places, alpha=0.2, zorder=0.5)
        ax.spines["left"].set_visible(False)
        ax.xaxis.set_major_formatter(FuncFormatter(_points))
    axes[0].set_yticks(places, [shortened(name, longest) for name in plot.names])
    mark_names(axes[0].get_yticklabels(), plot.highlighted)
    for ax in axes:
        shade_rows(ax, plot.highlighted)
    return axes


def decomposition_figure(pair: PairSummary, metric: str = "top1", size: Size | None = None) -> Figure:
    """Draw `decomposition` as a figure. The default size is PAGE."""
    size = size or PAGE
    summary = pair.metrics[metric]
    plot = decomposition_plot(summary, size.rows)
    count, of_all = len(plot.names), describe_shown(plot.rows, len(summary.table))
    words = "; ".join(filter(None, (f"Points. {pair.title}, top-{METRICS[metric]}", of_all)))
    caption = wrapped(words, across(size))
    room = rows(count, size, _AROUND, caption)
    longest = _NAMES.get(size.name, 34)
    with styled(size):
        names = _LETTER * room.name * min(longest, max(map(len, plot.names)))
        width = size.width - names - 0.3 * scale_of(size)
        letters = _LETTERS.get(size.name, 18)
        limits = _limits(plot, width, letters * _LETTER * font_points(_title_size(letters)))
        # Laid out at the resolution of the file: at another one text has other widths, and long names would be cut off.
        figure = Figure(figsize=(size.width, room.height), layout="constrained", dpi=DPI)
        axes = figure.subplots(1, len(limits), width_ratios=[high - low for low, high in limits], squeeze=False)[0]
        decomposition(summary, axes, size.rows, longest, letters)
        total = sum(high - low for low, high in limits)
        for ax, (low, high) in zip(axes, limits, strict=True):
            ax.set_xlim(low, high)
            bins = max(1, int(width * (high - low) / total / (0.55 * scale_of(size))))
            ax.xaxis.set_major_locator(MaxNLocator(nbins=bins, steps=[1, 2, 5, 10], min_n_ticks=1))
            ax.tick_params(axis="y", labelsize=room.name)
        figure.supxlabel(caption, fontsize=font_points(6.5), color=INK)
        lay_out(figure)
        figure.set_layout_engine("none")
    return figure


def _title_size(letters: int) -> float:
    """Font size of a title in points in a column: the longest word fits into a narrow panel."""
    return 6.0 if letters > _LETTERS[COLUMN.name] else 5.2


def _limits(plot: DecompositionPlot, width: float, least: float) -> list[tuple[float, float]]:
    """The range of each panel in points, so that a point is as long in all; none is narrower than `least` inches."""
    spans = [term.span for term in plot.terms]
    reach = max(high - low for low, high in spans) or 1.0
    spans = [(low - 0.06 * reach, high + 0.06 * reach) for low, high in spans]
    total = sum(high - low for low, high in spans)
    shortest = total * least / max(width, least * len(spans))
    return [_widened(low, high, shortest) for low, high in spans]


def _widened(low: float, high: float, shortest: float) -> tuple[float, float]:
    missing = max(0.0, shortest - (high - low)) / 2
    return low - missing, high + missing


def _draw_term(ax: Axes, term: TermPlot, places: np.ndarray, highlighted: np.ndarray) -> None:
    """Draw dots with intervals, and of sampling error the intervals alone; undefined values are left out.

    Highlighted models have stars.
    """
    colour = _COLOURS[term.key]
    if term.wide is not None:
        for (low, high), width, gid in (((term.low, term.high), 2.4, ""), (term.wide, 0.8, "-wide")):
            line = {"linewidth": font_points(width), "alpha": 0.5, "zorder": 1}
            ax.hlines(places, low, high, color=colour, gid=f"{term.key}-intervals{gid}", **line)
        return
    line = {"linewidth": font_points(0.6), "alpha": 0.7, "zorder": 2}
    ax.hlines(places, term.low, term.high, color=colour, gid=f"{term.key}-intervals", **line)
    others = ~highlighted
    dots = {"color": colour, "linewidths": 0, "zorder": 3}
    ax.scatter(term.estimate[others], places[others], s=area(6), gid=term.key, **dots)
    if highlighted.any():
        stars = {"s": area(34), "marker": HIGHLIGHT_MARKER, "gid": f"{term.key}-highlighted"}
        ax.scatter(term.estimate[highlighted], places[highlighted], **dots, **stars)


def _points(value: float, _: int | None = None) -> str:
    return f"{value:z.6g}".replace("-", "−")
