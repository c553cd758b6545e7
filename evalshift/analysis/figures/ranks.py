"""Rank changes of the models, with confidence sets of ranks."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from evalshift.analysis.figures.rows import mark_names, rows
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
    shortened,
    styled,
    wrapped,
)
from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.plot_data.shown import ShownRanks, of_all_words, shown_ranks
from evalshift.analysis.plot_data.sizes import COLUMN, PAGE, Size
from evalshift.analysis.summary import MetricSummary, PairSummary

_AROUND = 0.85  # inches
_NAME = 30
# Colours of markers and lines, width and opacity of lines.
_KINDS = {"quiet": (QUIET, QUIET, 0.6, 0.45), "mover": (MARK, MARK, 1.3, 1.0), "significant": (LINE, LINE, 1.3, 1.0)}


def ranks(summary: MetricSummary, ax: Axes, sides: tuple[Axes, Axes] | None = None, most: int = PAGE.rows) -> Axes:
    """Draw each model's rank on the original set, left, joined with its rank on the new set, right; the best on top.

    Statistically significant changes are orange, others grey; where none is, or none is known to be, the largest are
    blue. Names carry ranks; tied models share one. The axes
    `sides`, left and right of `ax`, show simultaneous confidence sets of ranks: with a probability of the level they
    contain all true ranks of a set. They need per-image predictions. Of more than `most` models the best on the
    original set, and highlighted ones, are drawn. Raises ValueError for fewer than two models.
    Source: Mogstad, Romano, Shaikh, Wilhelm 2024, Review of Economic Studies 91(1), 476-518 (the sets).
    """
    shown = shown_ranks(summary, most)
    if shown is None:
        raise ValueError(f"ranks: found {len(summary.table)} models; expected at least two")
    count = len(shown.table)
    places = np.arange(count)
    kinds = {"quiet": ~shown.real & ~shown.movers, "mover": shown.movers, "significant": shown.real}
    for kind, own in kinds.items():
        if not own.any():
            continue
        colour, stroke, width, alpha = _KINDS[kind]
        joins = np.stack([np.stack([np.zeros(count), places], 1), np.stack([np.ones(count), shown.right], 1)], 1)
        ax.add_collection(_lines(joins[own], stroke, width, alpha, f"changes-{kind}"))
        ends = np.concatenate([joins[own, 0], joins[own, 1]])
        label = {
            "significant": "Statistically significant rank changes",
            "mover": f"Largest rank changes, {shown.table['delta_rank'].abs()[own].min()} places or more",
        }.get(kind)
        ax.scatter(
            *ends.T, s=area(9), color=colour, linewidths=0, zorder=3, label=label, gid=f"ranks-{kind}", clip_on=False
        )
    if shown.highlighted.any():
        ends = np.stack([np.stack([np.zeros(count), places], 1), np.stack([np.ones(count), shown.right], 1)], 1)
        calm = shown.highlighted & ~shown.real
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
    ax.set(xlim=(0, 1), ylim=(count - 0.4, -0.6), xticks=[0, 1], xticklabels=["Original", "New"])
    ax.tick_params(axis="x", length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    for side, name, column, order in (
        (ax, "left", "original_rank", places),
        (ax.secondary_yaxis("right"), "right", "new_rank", shown.new_order),
    ):
        table = shown.table.iloc[order]
        side.set_yticks(places, [_named(*one, name) for one in zip(table["title"], table[column], strict=True)])
        side.tick_params(axis="y", length=0, labelsize=font_points(6))
        side.spines[name].set_visible(False)
        for text, mover in zip(side.get_yticklabels(), (shown.movers | shown.real)[order], strict=True):
            text.set_fontweight("bold" if mover else "normal")
        mark_names(side.get_yticklabels(), shown.highlighted[order])
    if sides is not None:
        _draw_sets(shown, sides, summary.level)
    return ax


def ranks_figure(pair: PairSummary, metric: str = "top1", size: Size | None = None) -> Figure | None:
    """Draw `ranks` as a figure; None for a single model.

    A column has no room for confidence sets. The default size is PAGE where there are confidence sets, else COLUMN.
    """
    summary = pair.metrics[metric]
    shown = shown_ranks(summary, (size or PAGE).rows)
    if shown is None:
        return None
    count = len(shown.table)
    size = size or (COLUMN if shown.sets is None else PAGE)
    of_all = of_all_words(shown.rows, len(summary.table))
    pair_words = "; ".join(filter(None, (f"{pair.title}, top-{METRICS[metric]}", of_all)))
    caption = wrapped(pair_words, across(size))
    room = rows(count, size, _AROUND, caption)
    with styled(size):
        figure = Figure(figsize=(size.width, room.height), layout="constrained", dpi=DPI)
        if shown.sets is None or size.name == COLUMN.name:
            middle = ranks(summary, figure.add_subplot(), most=size.rows)
            if shown.real.any() or shown.movers.any() or shown.highlighted.any():
                figure.legend(loc="outside upper center")
        else:
            left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.2, 1))
            ranks(summary, middle, (left, right), size.rows)
            handles = [handle for ax in (middle, left) for handle in ax.get_legend_handles_labels()[0]]
            figure.legend(handles=handles, loc="outside upper center", ncols=2)
        figure.supxlabel(caption, fontsize=font_points(6.5), color=INK)
        for side in (middle, *middle.child_axes):
            side.tick_params(axis="y", labelsize=room.name)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _lines(ends: np.ndarray, colour: str, width: float, alpha: float, gid: str) -> LineCollection:
    return LineCollection(list(ends), colors=colour, linewidths=font_points(width), alpha=alpha, zorder=2, gid=gid)


def _named(model: str, rank: int, side: str) -> str:
    """A name and its rank, the rank next to the markers."""
    name = shortened(model, _NAME)
    return f"{name}  {rank}" if side == "left" else f"{rank}  {name}"


def _draw_sets(shown: ShownRanks, sides: tuple[Axes, Axes], level: float) -> None:
    assert shown.sets is not None
    count = len(shown.table)
    real = shown.real[shown.with_sets]
    highest = int(shown.sets[["original_rank_high", "new_rank_high"]].to_numpy().max())
    for ax, side, places in zip(sides, ("original", "new"), (np.arange(count), shown.right), strict=True):
        rows = places[shown.with_sets]
        low, high, rank = (shown.sets[f"{side}_rank{end}"].to_numpy(float) for end in ("_low", "_high", ""))
        for beyond, colour in ((False, MARK), (True, LINE)):
            own = real == beyond
            if own.any():
                ends = np.stack([np.stack([low, rows], 1), np.stack([high, rows], 1)], 1)[own]
                bars = _lines(ends, colour, 1.6, 0.4, f"sets-{'significant' if beyond else 'quiet'}")
                if beyond == real.all():  # only one kind gets a legend entry, whether both occur or not
                    bars.set_label(f"{100 * level:g} % confidence sets of ranks")
                ax.add_collection(bars)
                ax.scatter(rank[own], rows[own], s=area(5), color=colour, linewidths=0, zorder=3, clip_on=False)
        # The names are at the middle axes: faint lines lead there.
        ax.set_yticks(np.arange(count), [])
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", color=QUIET, alpha=0.25, linewidth=font_points(0.3))
        ax.spines["left"].set_visible(False)
        ax.set(xlim=(0.4, highest + 0.6), ylim=(count - 0.4, -0.6), xlabel=f"{side.capitalize()} rank")
        ax.set_xticks(_rank_ticks(highest))


def _rank_ticks(highest: int) -> list[int]:
    """1, and round ranks that are not too close to it."""
    ticks = MaxNLocator(nbins=4, integer=True).tick_values(0, highest)
    return [1, *(int(tick) for tick in ticks if 1 + 0.2 * highest < tick <= highest or 1 < tick <= highest < 5)]
