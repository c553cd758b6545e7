"""The scatter plot in several panels: of several pairs, of both metrics, or on two scales."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from matplotlib.artist import Artist

from evalshift.analysis.figures.scatter import draw_scatter
from evalshift.analysis.figures.shown import Figure
from evalshift.analysis.figures.standouts import name_models
from evalshift.analysis.figures.style import DPI, INK, across, font_points, lay_out, literal, scale_of, styled, wrapped
from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.plot_data.scatter import (
    Limits,
    LinePlot,
    ScatterPlot,
    common_limits,
    equal_limits,
    scatter_plot,
)
from evalshift.analysis.plot_data.sizes import COLUMN, PAGE, Size
from evalshift.analysis.summary import PairSummary
from evalshift.analysis.summary.sentences import metric_words

_AROUND = 0.74  # inches: around all panels
_BETWEEN, _TITLE = 0.16, 0.11  # inches: between rows of panels, and per line of a title
_BESIDE = 0.55  # inches: left of all panels
_LEGEND = 0.5  # extra height of the legend in a column, where it has one entry per line
_KEY = 6  # width of a key of the legend, in letters
_SMALL = 9.0  # font size in points, where a slide has two rows of panels
_LETTER = 0.0082  # width of a letter of a title in inches per point


@dataclass(frozen=True, eq=False)
class _Panels:
    """Scatter plots in rows of `columns` panels, each with its limits, its title and the words before its slope."""

    plots: Sequence[ScatterPlot]
    limits: Sequence[tuple[Limits, Limits]]
    titles: Sequence[str]
    slopes: Sequence[str]
    columns: int
    x_label: str
    y_label: str
    everything: bool


def multiples_figure(
    pairs: Sequence[PairSummary],
    metric: str = "top1",
    scale: str = "linear",
    everything: bool = False,
    size: Size | None = None,
) -> Figure:
    """Draw `scatter` of each pair in a panel of its own.

    Each panel has its own range, in equal units, so that slopes can be compared by eye; its title gives the slope. The
    default size is PAGE. Layout after Recht et al. 2019, figures 1, 2 and 12.
    """
    size = size or PAGE
    plots = [scatter_plot(pair.metrics[metric], scale, everything) for pair in pairs]
    unit = plots[0].kind
    return _draw(
        _Panels(
            plots,
            equal_limits(plots),
            [pair.title for pair in pairs],
            ["slope"] * len(pairs),
            min(2 if size.name == COLUMN.name else 3, len(pairs)),
            f"Original accuracy ({unit})",
            f"New accuracy ({unit})",
            everything,
        ),
        size,
    )


def grid_figure(
    pairs: Sequence[PairSummary], scale: str = "linear", everything: bool = False, size: Size | None = None
) -> Figure | None:
    """Draw `scatter` of each pair, left to right, by each metric, top to bottom.

    Only pairs that have all metrics are drawn; None if there are none. The default size is PAGE. Layout after Recht et
    al. 2019, figures 12 and 13.
    """
    size = size or PAGE
    complete = [pair for pair in pairs if set(pair.metrics) == set(METRICS)]
    if not complete:
        return None
    if size.name == COLUMN.name and len(complete) > 2:
        size = replace(size, letters=size.letters * 2.3 / len(complete))
    plots = [scatter_plot(pair.metrics[metric], scale, everything) for metric in METRICS for pair in complete]
    titles = [pair.title for _ in METRICS for pair in complete]
    slopes = [f"{metric_words(metric)}: slope" for metric in METRICS for _ in complete]
    unit = "%" if scale == "linear" else f"%, {scale} scale"
    labels = f"Original accuracy ({unit})", f"New accuracy ({unit})"
    return _draw(_Panels(plots, equal_limits(plots), titles, slopes, len(complete), *labels, everything), size)


def scales_figure(
    pair: PairSummary,
    metric: str = "top1",
    scale: str = "probit",
    everything: bool = True,
    size: Size | None = None,
) -> Figure:
    """Draw `scatter` of one pair on linear axes and on those of `scale`, side by side, with the same models.

    Families that the lines leave out are in both, unless `everything` is False. The default size is PAGE. Layout after
    Recht et al. 2019, figure 6.
    """
    size = size or PAGE
    summary = pair.metrics[metric]
    plots = [scatter_plot(summary, one, everything) for one in ("linear", "probit" if scale == "linear" else scale)]
    limits = [(both, both) for both in (common_limits([plot]) for plot in plots)]
    unit = f"{metric_words(metric)}, %"
    titles = [f"{plot.scale.capitalize()} scale" for plot in plots]
    labels = f"Original accuracy ({unit}): {plots[0].original}", f"New accuracy ({unit}): {plots[0].new}"
    return _draw(
        _Panels(plots, limits, titles, ["slope"] * 2, 1 if size.name == COLUMN.name else 2, *labels, everything), size
    )


def _draw(panels: _Panels, size: Size) -> Figure:
    rows = ceil(len(panels.plots) / panels.columns)
    if size.height is not None and rows > 1:
        size = replace(size, letters=_SMALL)
    with styled(size):
        titles, measures = _titles_and_measures(panels, rows, size)
        layout = "compressed" if size.height is None else "constrained"
        figure = Figure(figsize=measures, layout=layout, dpi=DPI)
        axes = figure.subplots(rows, panels.columns, squeeze=False).ravel()
        handles = _draw_panels(axes, panels, titles)
        below, beside = (
            panels.x_label + _unseen(panels),
            wrapped(panels.y_label, int(measures[1] * 11 / scale_of(size))),
        )
        figure.supxlabel(below, fontsize=font_points(7), color=INK)
        figure.supylabel(beside, fontsize=font_points(7), color=INK)
        _place_legend(figure, axes[len(panels.plots) :], handles, panels, size)
        lay_out(figure, passes=2)
        figure.set_layout_engine("none")
        for ax, plot in zip(axes, panels.plots, strict=False):
            marked = np.flatnonzero(plot.highlighted)
            name_models(ax, [plot.names[row] for row in marked], plot.x[marked], plot.y[marked], len(marked))
    return figure


def _titles_and_measures(panels: _Panels, rows: int, size: Size) -> tuple[list[str], tuple[float, float]]:
    """Titles wrapped to the width of a panel, and width and height of the figure in inches."""
    columns, narrow, scale = panels.columns, size.name == COLUMN.name, scale_of(size)
    side = (size.width - _BESIDE * scale * narrow) / (columns if narrow else max(columns, 2))
    width = size.width if narrow else side * columns
    letters = int((width - _BESIDE * scale) / (columns * 1.15 * _LETTER * font_points(6.5)))
    titles = [
        wrapped(title, letters) + _slope(words, plot.line, letters)
        for title, words, plot in zip(panels.titles, panels.slopes, panels.plots, strict=True)
    ]
    if size.height is not None:
        return titles, (size.width, size.height)
    lines = max(title.count("\n") for title in titles)
    around = (_AROUND + _LEGEND * narrow + (rows - 1) * _BETWEEN + rows * (lines - 1) * _TITLE) * scale
    return titles, (width, rows * side + around)


def _draw_panels(axes: np.ndarray, panels: _Panels, titles: Sequence[str]) -> dict[str, Artist]:
    """Draw each plot on its axes; gives the entries of the common legend."""
    handles: dict[str, Artist] = {}
    for ax, plot, limits, title in zip(axes, panels.plots, panels.limits, titles, strict=False):
        for handle in draw_scatter(plot, ax, limits, everything=panels.everything):
            handles.setdefault(_label(handle, panels.plots), handle)
        ax.set_title(title, fontsize=font_points(6.5))
        ax.set(xlabel="", ylabel="")
    for ax in axes[len(panels.plots) :]:
        ax.set_visible(False)
    return handles


def _place_legend(figure: Figure, free: np.ndarray, handles: dict[str, Artist], panels: _Panels, size: Size) -> None:
    """Place the legend in the first free panel if it fits in one, else above all panels."""
    entries = {"handles": list(handles.values()), "labels": list(handles), "handlelength": 1.6}
    room = across(size) / panels.columns - _KEY
    if len(free) and max(map(len, handles)) <= room:
        free[0].set(visible=True)
        free[0].set_axis_off()
        free[0].legend(loc="center", **entries)
        return
    wide = _legend_columns(list(handles), size) if panels.columns > 1 else 2
    columns = 1 if size.name == COLUMN.name else wide
    figure.legend(loc="outside upper center", ncols=columns, columnspacing=1.2, **entries)


def _legend_columns(labels: Sequence[str], size: Size) -> int:
    """How many entries of the legend fit side by side, each as wide as the longest of its column."""
    for columns in range(5, 1, -1):
        widest = [max(map(len, labels[column::columns]), default=0) for column in range(columns)]
        if sum(widest) + _KEY * columns <= across(size):
            return columns
    return 1


def _slope(words: str, line: LinePlot | None, letters: int) -> str:
    """The last line of a title, or the last two where one has no room for it."""
    if line is None:
        return ""
    slope, bootstrap = f"{words} {line.slope}", f"bootstrap {line.bootstrap}"
    if not line.bootstrap:
        return f"\n{slope}"
    joint = ", " if len(slope) + len(bootstrap) + 2 <= letters else "\n"
    return f"\n{slope}{joint}{bootstrap}"


def _region_words(line: LinePlot) -> str:
    """What the regions of all panels are."""
    return f"{100 * line.level:g} % of {line.resamples:,} bootstrap lines"


def _label(handle: Artist, plots: Sequence[ScatterPlot]) -> str:
    """What the legend of all panels says of this mark, without the numbers of a single panel."""
    marked = {plot.names[row] for plot in plots for row in np.flatnonzero(plot.highlighted)}
    counts = {int((plot.in_line & ~plot.highlighted).sum()) for plot in plots}
    models = f"{counts.pop()} {'other ' if marked else ''}models" if len(counts) == 1 else "Models"
    scales = {plot.scale for plot in plots}
    words = {
        "models": f"{models}, {100 * plots[0].level:g} % CI",
        "highlighted": str(handle.get_label()) if len(marked) == 1 else "Highlighted models",
        "fit": f"{scales.pop().capitalize()} fit" if len(scales) == 1 else "Fit on the scale of the axes",
        "testbed-fit": next(
            (f"Line of {literal(plot.testbed.title)}" for plot in plots if plot.testbed is not None), ""
        ),
        "region": next((_region_words(plot.line) for plot in plots if plot.line is not None), ""),
    }
    return words.get(handle.get_gid() or "", str(handle.get_label()))


def _unseen(panels: _Panels) -> str:
    """A line that names the families that are neither in the lines nor shown."""
    if panels.everything:
        return ""
    families = dict.fromkeys(literal(family) for plot in panels.plots for family, _ in plot.left_out)
    return f"\nNot in the fits: {', '.join(families)}" if families else ""
