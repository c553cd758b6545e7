"""Decomposition of the drop of each model."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from evalshift.analysis.figures.rows import rows
from evalshift.analysis.figures.style import (
    ASIDE,
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
from evalshift.analysis.plot_data.sizes import COLUMN, PAGE, SLIDE, Size
from evalshift.analysis.statistics.drop_decomposition import BOUND_LEVELS
from evalshift.analysis.summary import MetricSummary, PairSummary

_AROUND, _AROUND_NARROW = 1.05, 1.35  # inches: in a column the legend has one entry per line
# Offset of a term from the middle of its row, where two or three terms share it.
_APART = {2: 0.2, 3: 0.28}
# Longest name in letters, where the axes need the room.
_NAMES = {COLUMN: 20, SLIDE: 28}


def decomposition(
    summary: MetricSummary, terms: Axes, parts: Axes, most: int = PAGE.rows, longest: int = 34
) -> tuple[Axes, Axes]:
    """Draw the drop of each model, one row per model, split in two ways: by cause, and into a shared and an own part.

    `terms` shows adaptivity (where there are fresh images) and distribution shift, with the interval around 0 that the
    sampling error of the new set alone can reach; `parts` shows the drop predicted by the line of the other models, and
    the rest. Both axes are in points; models are in the order of the table. Of more than `most` models the first are
    drawn; names longer than `longest` letters are cut. Source: Recht et al. 2019, section 2.
    """
    table = summary.tables["decomposition"].frame.head(most)
    places = np.arange(len(table))
    _draw_terms(terms, table, places, summary.level)
    _draw_term(parts, table, "shared", places - _APART[2], MARK, "Shared: drop predicted by the line")
    _draw_term(parts, table, "own", places + _APART[2], LINE, "Own: effective robustness")
    terms.set_yticks(places, [shortened(name, longest) for name in table["model"]])
    for ax, title in ((terms, "Terms of the drop (points)"), (parts, "Across models (points)")):
        ax.axvline(0, color=QUIET, linewidth=font_points(0.6), zorder=0)
        ax.set(ylim=(len(places) - 0.4, -0.6), xlabel=title)
        ax.tick_params(axis="y", length=0, labelsize=font_points(6))
        ax.spines["left"].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(_points))
    parts.tick_params(axis="y", labelleft=False)
    return terms, parts


def decomposition_figure(pair: PairSummary, metric: str = "top1", size: Size | None = None) -> Figure:
    """Draw `decomposition` as a figure. The default size is PAGE."""
    size = size or PAGE
    summary = pair.metrics[metric]
    count, models = min(len(summary.table), size.rows), len(summary.table)
    of_all = f"; the best {count} of {models:,} models" if count < models else ""
    pair_words = f"{summary.outcomes.original} → {summary.outcomes.new}, top-{METRICS[metric]}{of_all}"
    caption = wrapped(pair_words, across(size))
    room = rows(count, size, _AROUND_NARROW if size == COLUMN else _AROUND, caption)
    with styled(size):
        # Laid out at the resolution of the file: at another one text has other widths, and long names would be cut off.
        figure = Figure(figsize=(size.width, room.height), layout="constrained", dpi=DPI)
        terms, parts = figure.subplots(1, 2, sharey=True)
        decomposition(summary, terms, parts, size.rows, _NAMES.get(size, 34))
        # Above the rows: any place inside may hold a model.
        if size == PAGE:
            for ax in (terms, parts):
                ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.3, handlelength=1.4)
        else:
            figure.legend(loc="outside upper left", handlelength=1.4, ncols=1 if size == COLUMN else 2)
        for ax in (terms, parts):
            ax.tick_params(axis="y", labelsize=room.name)
        figure.supxlabel(caption, fontsize=font_points(6.5), color=INK)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _draw_terms(ax: Axes, table: pd.DataFrame, places: np.ndarray, level: float) -> None:
    fresh = bool(table["fresh"].any())
    apart = _APART[3 if fresh else 2]
    for bound, width in zip(BOUND_LEVELS, (2.4, 0.8), strict=True):
        name = f"generalization_{100 * bound:g}"
        ax.hlines(
            places if fresh else places - apart,
            table[f"{name}_low"],
            table[f"{name}_high"],
            color=QUIET,
            linewidth=font_points(width),
            alpha=0.5,
            zorder=1,
            label=f"Sampling error of the new set, {100 * bound:g} %",
            gid=name.replace(".", "-"),
        )
    label = "Distribution shift" if table["fresh"].all() else "Distribution shift or adaptivity"
    _draw_term(ax, table, "distribution", places + apart, MARK, f"{label}, {100 * level:g} % CI")
    if fresh:
        _draw_term(
            ax, table, "adaptivity", places - apart, ASIDE, f"Adaptivity, with sampling error, {100 * level:g} % CI"
        )


def _draw_term(ax: Axes, table: pd.DataFrame, name: str, places: np.ndarray, colour: str, label: str) -> None:
    """Draw dots with intervals; undefined values are left out."""
    ends = table[f"{name}_low"], table[f"{name}_high"]
    ax.hlines(places, *ends, color=colour, linewidth=font_points(0.6), alpha=0.7, zorder=2, gid=f"{name}-intervals")
    ax.scatter(table[name], places, s=area(6), color=colour, linewidths=0, zorder=3, label=label, gid=name)


def _points(fraction: float, _: int | None = None) -> str:
    return f"{100 * fraction:z.6g}".replace("-", "−")
