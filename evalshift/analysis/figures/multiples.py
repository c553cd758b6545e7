"""Small multiples of the scatter plot, one panel per pair."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evalshift.analysis.figures.scatter import scatter, span
from evalshift.analysis.figures.style import DPI, INK, font_points, literal, styled, wrapped
from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.plot_data.sizes import COLUMN, PAGE, Size
from evalshift.analysis.summary import MetricSummary, PairSummary
from evalshift.analysis.summary.sentences import slope_words

_AROUND, _BETWEEN = 0.74, 0.16  # inches: around all panels, and per further row of panels
_BESIDE = 0.55  # left of all panels
_LEGEND = 0.5  # extra height of the legend in a column, where it has one entry per line
_LINE = 0.11  # per line of a title; narrow panels have one line more
_SMALL = 9.0  # font size in points, where a slide has two rows of panels
_LETTER = 0.0082  # width of a letter of a title in inches per point


def multiples_figure(
    pairs: Sequence[PairSummary],
    metric: str = "top1",
    scale: str = "linear",
    everything: bool = False,
    size: Size | None = None,
) -> Figure:
    """Draw `scatter` of each pair in a panel of its own.

    All panels share limits and legend; the title of each gives the slope. The default size is PAGE.
    Layout after Recht et al. 2019, figures 1, 2 and 12.
    """
    summaries = [pair.metrics[metric] for pair in pairs]
    size = size or PAGE
    columns = min(2 if size == COLUMN else 3, len(pairs))
    rows = ceil(len(pairs) / columns)
    limits = span(summaries, scale, everything)
    narrow = size == COLUMN
    side = size.width / (columns if narrow else max(columns, 2))
    around = (rows - 1) * (_BETWEEN + _LINE * narrow) + _AROUND + _LEGEND * narrow
    if size.height is not None and rows > 1:
        size = replace(size, letters=_SMALL)
    with styled(size):
        measures = (side * columns, rows * side + around) if size.height is None else (size.width, size.height)
        figure = Figure(figsize=measures, layout="compressed" if size.height is None else "constrained", dpi=DPI)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for place, (ax, summary) in enumerate(zip(panels, summaries, strict=False)):
            scatter(summary, ax, scale=scale, everything=everything, limits=limits, legend=False)
            letters = int((measures[0] - font_points(_BESIDE)) / (columns * _LETTER * font_points(6.5)))
            ax.set_title(_title(summary, scale, everything, letters), fontsize=font_points(6.5))
            ax.set(xlabel="", ylabel="")
            ax.tick_params(axis="y", labelleft=place % columns == 0)
        for ax in panels[len(pairs) :]:
            ax.set_visible(False)
        unit = f"(top-{METRICS[metric]}, %{'' if scale == 'linear' else f', {scale} scale'})"
        figure.supxlabel(f"Original accuracy {unit}", fontsize=font_points(7), color=INK)
        figure.supylabel(f"New accuracy {unit}", fontsize=font_points(7), color=INK)
        handles = _handles(list(panels[: len(pairs)]), summaries, scale, everything)
        figure.legend(
            handles=list(handles.values()),
            labels=list(handles),
            loc="outside upper center",
            ncols=1 if narrow else 5 if size == PAGE and columns > 1 else 2,
            handlelength=1.6,
            columnspacing=1.2,
        )
        # Twice: the first pass places the titles, and only the second makes room for their height.
        figure.draw_without_rendering()
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _title(summary: MetricSummary, scale: str, everything: bool, letters: int) -> str:
    """The pair and the slope of its line."""
    line = (summary.all_lines if everything and summary.left_out else summary.lines).get(scale)
    slope = f"\nslope {slope_words(line)}" if line else ""
    return f"{wrapped(f'{summary.outcomes.original} → {summary.outcomes.new}', letters)}{slope}"


def _region_words(summaries: list[MetricSummary], scale: str) -> str:
    line = next(line for line in (summary.lines.get(scale) for summary in summaries) if line is not None)
    return f"{100 * line.level:g} % of {line.resamples:,} bootstrap lines"


def _handles(panels: list[Axes], summaries: list[MetricSummary], scale: str, everything: bool) -> dict[str, Artist]:
    """Legend entries of all panels by label, once each, without the numbers of a single panel."""
    counts = {int(summary.in_line.sum()) for summary in summaries}
    models = f"{counts.pop()} models" if len(counts) == 1 else "Models"
    words = {
        "models": f"{models}, {100 * summaries[0].level:g} % CI",
        "fit": f"{scale.capitalize()} fit",
        "region": _region_words(summaries, scale),
        "testbed-fit": "Its line",
    }
    handles: dict[str, Artist] = {}
    for ax in panels:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(words.get(handle.get_gid() or "", str(label)), handle)
    if not everything:
        for family in dict.fromkeys(family for summary in summaries for family in summary.left_out):
            handles[f"{literal(family)}: not in the fit"] = Line2D([], [], color="none")
    return handles
