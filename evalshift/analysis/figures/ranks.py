"""Rank changes of the models, with confidence sets of ranks."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath, text_to_path
from matplotlib.ticker import MaxNLocator

from evalshift.analysis.figures.rows import draw_row_lines, mark_names, rows
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
from evalshift.analysis.plot_data.ordering import describe_shown
from evalshift.analysis.plot_data.ranks import RankPlot, RankSets, rank_plot
from evalshift.analysis.plot_data.sizes import COLUMN, PAGE, Size
from evalshift.analysis.summary import MetricSummary, PairSummary
from evalshift.formatting import counted

if TYPE_CHECKING:
    from matplotlib.axes._secondary_axes import SecondaryAxis

_AROUND = 0.85  # inches
_NAME = 30
_MIDDLE = 0.75  # of the width, for names and lines between the confidence sets
_SMALLEST = 0.75  # font size of names at least, as a fraction of what it may be
_STAR_PAD = 5.5  # points between an axis and its names, where stars are on it
# Colours of markers and lines, width and opacity of lines.
_KINDS = {"quiet": (QUIET, QUIET, 0.6, 0.45), "mover": (MARK, MARK, 1.3, 1.0), "significant": (LINE, LINE, 1.3, 1.0)}


def ranks(
    summary: MetricSummary,
    ax: Axes,
    sides: tuple[Axes, Axes] | None = None,
    most: int = PAGE.rows,
    longest: int = _NAME,
) -> Axes:
    """Draw each model's rank on the original set (left) connected with its rank on the new set (right).

    Statistically significant changes are orange, others grey; if none is known to be significant, the largest are blue.
    Names, of at most `longest` letters, carry ranks; tied models share one. The axes `sides`, left and right of `ax`,
    show simultaneous confidence sets of ranks: with a probability of the level they contain all true ranks of a set.
    They need per-image predictions. With more than `most` models, the best on the original set and the highlighted ones
    are drawn. Raises ValueError for fewer than two models.
    Source: Mogstad, Romano, Shaikh, Wilhelm 2024, Review of Economic Studies 91(1), 476-518 (the sets).
    """
    shown = rank_plot(summary, most)
    if shown is None:
        raise ValueError(f"ranks: found {counted(len(summary.table), 'model')}; expected at least two")
    places = [side.place for side in shown.sides.values()]
    ends = np.stack([np.stack([np.full(len(rows), at), rows], 1) for at, rows in enumerate(places)], 1)
    _draw_changes(ax, shown, ends)
    if shown.highlighted.any():
        _draw_highlighted(ax, shown, ends)
    ax.set(xlim=(0, 1), ylim=(len(ends) - 0.4, -0.6), xticks=[0, 1], xticklabels=["Original", "New"])
    ax.tick_params(axis="x", length=0)
    # Outward, below the names: in a column centred ones would touch.
    for text, side in zip(ax.get_xticklabels(), ("right", "left"), strict=True):
        text.set_horizontalalignment(side)
    ax.spines[["left", "bottom"]].set_visible(False)
    _name_rows(ax, shown, "original", "left", longest)
    _name_rows(ax.secondary_yaxis("right"), shown, "new", "right", longest)
    if sides is not None and shown.sets is not None:
        for side, name in zip(sides, shown.sides, strict=True):
            _draw_sets(side, shown, shown.sets, name, summary.level)
    return ax


def _draw_changes(ax: Axes, shown: RankPlot, ends: np.ndarray) -> None:
    """Lines and markers of all models, by how notable their rank change is; `ends` are (model, set, x and y)."""
    kinds = {"quiet": ~shown.significant & ~shown.movers, "mover": shown.movers, "significant": shown.significant}
    for kind, own in kinds.items():
        if not own.any():
            continue
        colour, stroke, width, alpha = _KINDS[kind]
        label = {
            "significant": "Statistically significant rank changes",
            "mover": f"Largest rank changes, {np.abs(shown.change)[own].min()} places or more",
        }.get(kind)
        ax.add_collection(_lines(ends[own], stroke, width, alpha, f"changes-{kind}"))
        ax.scatter(
            *ends[own].swapaxes(0, 1).reshape(-1, 2).T,
            s=area(9),
            color=colour,
            linewidths=0,
            zorder=3,
            label=label,
            gid=f"ranks-{kind}",
            clip_on=False,
        )


def _draw_highlighted(ax: Axes, shown: RankPlot, ends: np.ndarray) -> None:
    calm = shown.highlighted & ~shown.significant
    ax.add_collection(_lines(ends[calm], HIGHLIGHT, 1.3, 1.0, "changes-highlighted"))
    ax.scatter(
        *ends[shown.highlighted].reshape(-1, 2).T,
        s=area(34),
        marker=HIGHLIGHT_MARKER,
        color=HIGHLIGHT,
        linewidths=0,
        zorder=4,
        label="Highlighted",
        gid="highlighted-models",
        clip_on=False,
    )


def _name_rows(ax: "Axes | SecondaryAxis", shown: RankPlot, name: str, spine: str, longest: int) -> None:
    """Names of at most `longest` letters and ranks of one set, in its order, beside the axes."""
    side = shown.sides[name]
    names = [_named(shown.names[model], int(side.rank[model]), spine, longest) for model in side.order]
    ax.set_yticks(np.arange(len(names)), names)
    beside = font_points(_STAR_PAD) if shown.highlighted.any() else mpl.rcParams["ytick.major.pad"]
    ax.tick_params(axis="y", left=False, right=False, length=0, labelsize=font_points(6), pad=beside)
    ax.spines[spine].set_visible(False)
    for text, notable in zip(ax.get_yticklabels(), (shown.movers | shown.significant)[side.order], strict=True):
        text.set_fontweight("bold" if notable else "normal")
    mark_names(ax.get_yticklabels(), shown.highlighted[side.order])


def ranks_figure(pair: PairSummary, metric: str = "top1", size: Size | None = None) -> Figure | None:
    """Draw `ranks` as a figure; None for a single model.

    A column has no room for confidence sets. The default size is PAGE if there are confidence sets, else COLUMN.
    """
    summary = pair.metrics[metric]
    shown = rank_plot(summary, (size or PAGE).rows)
    if shown is None:
        return None
    size = size or (COLUMN if shown.sets is None else PAGE)
    of_all = describe_shown(shown.rows, len(summary.table))
    pair_words = "; ".join(filter(None, (f"{pair.title}, top-{METRICS[metric]}", of_all)))
    caption = wrapped(pair_words, across(size))
    room = rows(len(shown.names), size, _AROUND, caption)
    alone = shown.sets is None or size.name == COLUMN.name
    with styled(size):
        letters, longest = _names_that_fit(shown, size.width * (1 if alone else _MIDDLE), room.name)
        figure = Figure(figsize=(size.width, room.height), layout="constrained", dpi=DPI)
        if alone:
            middle = ranks(summary, figure.add_subplot(), most=size.rows, longest=longest)
            if shown.significant.any() or shown.movers.any() or shown.highlighted.any():
                figure.legend(loc="outside upper center")
        else:
            left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.2, 1))
            ranks(summary, middle, (left, right), size.rows, longest)
            handles = [handle for ax in (middle, left) for handle in ax.get_legend_handles_labels()[0]]
            figure.legend(handles=handles, loc="outside upper center", ncols=2)
        figure.supxlabel(caption, fontsize=font_points(6.5), color=INK)
        for side in (middle, *middle.child_axes):
            side.tick_params(axis="y", labelsize=letters)
        lay_out(figure)
        figure.set_layout_engine("none")
    return figure


def _names_that_fit(shown: RankPlot, width: float, letters: float) -> tuple[float, int]:
    """Font size of names in points, at most `letters`, and their length, where both sides share `width` inches.

    Long names are first written smaller, then shortened: a sixth of the width is for the lines between them.
    """
    names = [shortened(name, _NAME) for name in shown.names]
    widest = _widest([f"{name}  {len(names)}" for name in names])
    room = 72 * width * 5 / 12  # points
    fitting = max(min(letters, room / widest), _SMALLEST * letters)
    cut = min(1.0, room / (fitting * widest))
    return fitting, max(4, int(cut * max(map(len, names))))


def _widest(texts: Sequence[str]) -> float:
    """Width of the widest of these texts in bold, as multiples of its font size."""
    bold = FontProperties(weight="bold", size=1)
    # Outlines are exact, and slow: those of the texts alone that, with the room around letters, are nearly as wide.
    rough = [text_to_path.get_text_width_height_descent(text, bold, ismath=False)[0] for text in texts]
    near = [text for text, width in zip(texts, rough, strict=True) if width > 0.95 * max(rough) - 0.5]
    return max(map(_bold_width, near))


@lru_cache(10_000)  # the figures of several pairs mostly have the same names
def _bold_width(text: str) -> float:
    return TextPath((0, 0), text, size=1, prop=FontProperties(weight="bold", size=1)).get_extents().width


def _lines(ends: np.ndarray, colour: str, width: float, alpha: float, gid: str) -> LineCollection:
    return LineCollection(list(ends), colors=colour, linewidths=font_points(width), alpha=alpha, zorder=2, gid=gid)


def _named(model: str, rank: int, side: str, longest: int) -> str:
    """A name and its rank, the rank next to the markers."""
    name = shortened(model, longest)
    return f"{name}  {rank}" if side == "left" else f"{rank}  {name}"


def _draw_sets(ax: Axes, shown: RankPlot, sets: RankSets, name: str, level: float) -> None:
    """The confidence sets of one set, each in the row of its model."""
    side, rows = sets.sides[name], shown.sides[name].place
    for kind, colour in ((False, MARK), (True, LINE)):
        own = sets.known & (shown.significant == kind)
        if own.any():
            ends = np.stack([np.stack([side.low, rows], 1), np.stack([side.high, rows], 1)], 1)[own]
            bars = _lines(ends, colour, 1.6, 0.4, f"sets-{'significant' if kind else 'quiet'}")
            if (
                kind == shown.significant[sets.known].all()
            ):  # only one kind gets a legend entry, whether both occur or not
                bars.set_label(f"{100 * level:g} % confidence sets of ranks")
            ax.add_collection(bars)
            ax.scatter(side.value[own], rows[own], s=area(5), color=colour, linewidths=0, zorder=3, clip_on=False)
    # The names are at the middle axes: faint lines lead there.
    count, highest = len(shown.names), int(sets.highest)
    ax.set_yticks([])
    draw_row_lines(ax, np.arange(count), alpha=0.25, zorder=1.5)
    ax.spines["left"].set_visible(False)
    ax.set(xlim=(0.4, highest + 0.6), ylim=(count - 0.4, -0.6), xlabel=f"{name.capitalize()} rank")
    ax.set_xticks(_rank_ticks(highest))


def _rank_ticks(highest: int) -> list[int]:
    """1, and round ranks that are not too close to it."""
    ticks = MaxNLocator(nbins=4, integer=True).tick_values(0, highest)
    return [1, *(int(tick) for tick in ticks if 1 + 0.2 * highest < tick <= highest or 1 < tick <= highest < 5)]
