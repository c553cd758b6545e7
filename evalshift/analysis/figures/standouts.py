"""Names of notable models, placed beside their markers without overlap."""

from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.patheffects import withStroke

from evalshift.analysis.figures.style import HIGHLIGHT, INK, QUIET, font_points, shortened
from evalshift.analysis.pair_statistics.compute import NOT_ASKED
from evalshift.analysis.plot_data.robustness import robustness_plot
from evalshift.analysis.summary import MetricSummary
from evalshift.errors import AnalysisError

_MOST = 8
_ALWAYS = 12  # highlighted models with a name in any case
_NAME = 26
_FARTHEST, _FARTHEST_HIGHLIGHTED = 0.2, 0.35  # distance of names from their markers, as a fraction of the axes
_FRAME = 0.02  # distance of names from the edges of the axes, as a fraction of them
# The legend is filled with this many lines, so that no name is placed in it.
_HATCHES = 40


def standouts(summary: MetricSummary, most: int = _MOST) -> list[int]:
    """Rows of the table of the models that the findings name, at most `most`.

    Those with statistically significant effective robustness (Holm), the largest distance first, or the one with the
    largest distance if there are none; then the largest and the smallest drop.
    Raises AnalysisError for a summary that was made for panels of several pairs.
    """
    if summary.missing.get("robustness") == NOT_ASKED.reason:
        raise AnalysisError(
            "the models off the line are not known: these statistics are those of panels of several pairs",
            where=f"{summary.outcomes.original}:{summary.outcomes.new}",
            fix="report on this pair alone (`pairs`), or without `only`",
        )
    table = summary.table
    rows: list[int] = []
    if found := robustness_plot(summary):
        farthest = found.farthest_first()
        rows += farthest.rows[farthest.significant].tolist() or farthest.rows[:1].tolist()
    framed = np.flatnonzero(summary.in_line) if summary.in_line.any() else np.arange(len(table))
    drops = table["drop"].to_numpy()[framed]
    rows += [int(framed[drops.argmax()]), int(framed[drops.argmin()])]
    return list(dict.fromkeys(rows))[:most]


def name_models(
    ax: Axes, names: Sequence[str], x: np.ndarray, y: np.ndarray, highlighted: int = 0, all_names: bool = False
) -> list[str]:
    """Write names beside the markers at `x`, `y` where they cover no marker, bar, line or name; returns those written.

    The first `highlighted` names are in the colour of their markers. Of them a dozen are written in any case, beside
    their markers where there is no free place; so are the others with `all_names`.

    The axes must be final: laid out, with limits and markers. A name with no free place within a fifth of the axes is
    left out. A thin line connects a name that is farther away with its marker. Placed by textalloc, each in turn at
    the nearest of 200 candidate positions that is free.
    """
    first, others = np.arange(min(highlighted, len(names))), np.arange(highlighted, len(names))
    written = _placed(ax, names, x, y, first, _FARTHEST_HIGHLIGHTED)
    _write_missing(ax, names, x, y, written, first[:_ALWAYS])
    for text in filter(None, written.values()):
        text.set_color(HIGHLIGHT)
    # After them, so that they keep clear of them.
    written |= _placed(ax, names, x, y, others, _FARTHEST)
    if all_names:
        _write_missing(ax, names, x, y, written, others)
    return [text.get_text() for text in written.values() if text is not None]


def _placed(
    ax: Axes, names: Sequence[str], x: np.ndarray, y: np.ndarray, places: np.ndarray, farthest: float
) -> dict[int, Any]:
    """Write the names at these places that are within the axes; each with its text, None where it has no free place."""
    # Slow to import, and few figures have names.
    from textalloc import allocate

    from evalshift.analysis.figures.clear_places import quick_places

    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    shown = places[(left <= x[places]) & (x[places] <= right) & (bottom <= y[places]) & (y[places] <= top)]
    if not len(shown):
        return {}
    marks = np.concatenate([np.asarray(one.get_offsets()) for one in ax.collections if isinstance(one, PathCollection)])
    lines = _lines(ax)
    # Corners of where names may be: a little within the axes, whose scale may be curved.
    corners = (ax.transAxes + ax.transData.inverted()).transform([[_FRAME, _FRAME], [1 - _FRAME, 1 - _FRAME]])
    figure = ax.get_figure(root=True)
    assert figure is not None
    with quick_places(figure), redirect_stdout(None):  # it prints where it finds no place
        texts: list[Any] = allocate(
            ax,
            x[shown],
            y[shown],
            [shortened(names[int(place)], _NAME) for place in shown],
            x_scatter=marks[:, 0],
            y_scatter=marks[:, 1],
            x_lines=[line[:, 0] for line in lines],
            y_lines=[line[:, 1] for line in lines],
            textsize=font_points(6),
            textcolor=INK,
            linecolor=QUIET,
            linewidth=font_points(0.4),
            margin=0.012,
            min_distance=0.012,
            max_distance=farthest,
            draw_all=False,
            xlims=(corners[0, 0], corners[1, 0]),
            ylims=(corners[0, 1], corners[1, 1]),
            avoid_label_lines_overlap=True,
            avoid_crossing_label_lines=True,
            zorder=4,
        )[2]
    return dict(zip(shown.tolist(), texts, strict=True))


def _write_missing(
    ax: Axes, names: Sequence[str], x: np.ndarray, y: np.ndarray, written: dict[int, Any], places: np.ndarray
) -> None:
    """Write the names at these places that are within the axes and found no free place beside their markers."""
    for place in map(int, places):
        if written.get(place, True) is None:
            written[place] = _beside(ax, shortened(names[place], _NAME), float(x[place]), float(y[place]))


def _beside(ax: Axes, name: str, x: float, y: float) -> Any:
    """Write a name to the side of its marker on which there is more room."""
    across = float((ax.transData + ax.transAxes.inverted()).transform([[x, y]])[0, 0])
    sign, side = (1, "left") if across < 0.5 else (-1, "right")
    return ax.annotate(
        name,
        (x, y),
        (sign * font_points(3), font_points(1)),
        textcoords="offset points",
        ha=side,
        va="bottom",  # clear of its own error bar
        path_effects=[withStroke(linewidth=font_points(1.5), foreground="white")],
        fontsize=font_points(6),
        zorder=4,
    )


def _lines(ax: Axes) -> list[np.ndarray]:
    """What a name must not cross besides markers: lines, error bars, legend, names; in data units, (position, 2)."""
    lines = [np.asarray(line.get_xydata()) for line in ax.lines]
    for collection in ax.collections:
        if isinstance(collection, LineCollection):
            lines += [np.asarray(segment) for segment in collection.get_segments()]
    legend = ax.get_legend()
    if legend is not None:
        box = legend.get_window_extent().transformed(ax.transData.inverted())
        lines += [np.array([[box.x0, height], [box.x1, height]]) for height in np.linspace(box.y0, box.y1, _HATCHES)]
    for text in ax.texts:
        box = text.get_window_extent().transformed(ax.transData.inverted())
        lines += [
            np.array([[box.x0, height], [box.x1, height]]) for height in np.linspace(box.y0, box.y1, _HATCHES // 8)
        ]
    return lines
