"""Each model's drop, and what it is made of."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from evalshift.analysis.decomposition import BOUND_LEVELS
from evalshift.analysis.figures.style import ASIDE, DPI, INK, LINE, MARK, PAGE_WIDTH, QUIET, shortened, styled, wrapped
from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.summary import MetricSummary, PairSummary

# Inches a model takes, and the size of its name: room for two terms that do not touch. Many models stand closer.
_ROW, _CLOSE_ROW, _MANY = (0.16, 6.0), (0.115, 5.2), 40
_AROUND = 1.05
# How far from the middle of its row a term stands, where two or three share it.
_APART = {2: 0.2, 3: 0.28}
_NAME = 34


def decomposition(summary: MetricSummary, terms: Axes, parts: Axes) -> tuple[Axes, Axes]:
    """Draw each model's drop, a row a model, in two ways: by the terms of section 2 of the paper, and across models.

    On `terms` adaptivity (where there are fresh images) and distribution, with the interval that sampling error of the
    new set alone can reach around 0; on `parts` what the model shares with the others, and its own part. Both axes are
    in points and have 0 in common; the order of models is that of the table. Source: Recht et al. 2019, section 2.
    """
    table = summary.tables["decomposition"].frame
    rows = np.arange(len(table))
    _draw_terms(terms, table, rows, summary.level)
    _draw_term(parts, table, "shared", rows - _APART[2], MARK, "shared: drop that the line of the others has here")
    _draw_term(parts, table, "own", rows + _APART[2], LINE, "own: how far the model stands above that line")
    terms.set_yticks(rows, [shortened(name, _NAME) for name in table["model"]])
    for ax, title in ((terms, "Terms of the drop (points)"), (parts, "Across models (points)")):
        ax.axvline(0, color=QUIET, linewidth=0.6, zorder=0)
        ax.set(ylim=(len(rows) - 0.4, -0.6), xlabel=title)
        ax.tick_params(axis="y", length=0, labelsize=_room(len(rows))[1])
        ax.spines["left"].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(_points))
    parts.tick_params(axis="y", labelleft=False)
    return terms, parts


def decomposition_figure(pair: PairSummary, metric: str = "top1") -> Figure:
    """`decomposition` on a figure of its own, as wide as a page of a paper and as high as its models need."""
    summary = pair.metrics[metric]
    count = len(summary.table)
    with styled():
        # Laid out as it is rendered: at another resolution letters have other widths, and long names would be cut off.
        figure = Figure(figsize=(PAGE_WIDTH, _AROUND + _room(count)[0] * count), layout="constrained", dpi=DPI)
        terms, parts = figure.subplots(1, 2, sharey=True)
        decomposition(summary, terms, parts)
        for ax in (terms, parts):
            handles, labels = ax.get_legend_handles_labels()
            # Above the rows: inside there is no place that no model may take.
            ax.legend(handles, labels, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.3, handlelength=1.4)
        outcomes = summary.outcomes
        figure.supxlabel(
            f"{wrapped(outcomes.original)} → {wrapped(outcomes.new)}, top-{METRICS[metric]}", fontsize=6.5, color=INK
        )
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _room(models: int) -> tuple[float, float]:
    return _ROW if models <= _MANY else _CLOSE_ROW


def _draw_terms(ax: Axes, table: pd.DataFrame, rows: np.ndarray, level: float) -> None:
    fresh = bool(table["fresh"].any())
    apart = _APART[3 if fresh else 2]
    for bound, width in zip(BOUND_LEVELS, (2.4, 0.8), strict=True):
        name = f"generalization_{100 * bound:g}"
        ax.hlines(
            rows if fresh else rows - apart,
            table[f"{name}_low"],
            table[f"{name}_high"],
            color=QUIET,
            linewidth=width,
            alpha=0.5,
            zorder=1,
            label=f"sampling error of the new set, {100 * bound:g} %",
            gid=name.replace(".", "-"),
        )
    label = "distribution" if table["fresh"].all() else "distribution, tuning not told apart"
    _draw_term(ax, table, "distribution", rows + apart, MARK, f"{label}, {100 * level:g} %")
    if fresh:
        _draw_term(ax, table, "adaptivity", rows - apart, ASIDE, f"adaptivity: tuning and luck, {100 * level:g} %")


def _draw_term(ax: Axes, table: pd.DataFrame, name: str, rows: np.ndarray, colour: str, label: str) -> None:
    """Dots with their intervals; what is undefined is not drawn."""
    ends = table[f"{name}_low"], table[f"{name}_high"]
    ax.hlines(rows, *ends, color=colour, linewidth=0.6, alpha=0.7, zorder=2, gid=f"{name}-intervals")
    ax.scatter(table[name], rows, s=6, color=colour, linewidths=0, zorder=3, label=label, gid=name)


def _points(fraction: float, _: int | None = None) -> str:
    return f"{100 * fraction:z.6g}".replace("-", "−")
