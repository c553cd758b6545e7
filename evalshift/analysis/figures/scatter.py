"""Scatter plot of new against original accuracy, with the fitted line."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from evalshift.analysis.figures.standouts import name_models, standouts
from evalshift.analysis.figures.style import (
    ASIDE,
    DPI,
    LINE,
    MARK,
    QUIET,
    area,
    font_points,
    literal,
    styled,
    wrapped,
)
from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.plot_data.positions import line_positions, model_positions, outcome_positions
from evalshift.analysis.plot_data.sizes import COLUMN, Size
from evalshift.analysis.statistics.line_fit import Line
from evalshift.analysis.statistics.scales import to_scale
from evalshift.analysis.summary import MetricSummary, PairSummary
from evalshift.analysis.summary.sentences import bootstrap_span
from evalshift.formatting import number

if TYPE_CHECKING:
    from evalshift.analysis.tables.published_line import Against


# Percentages for ticks on a curved axis, the most familiar first; later rows fill in where a range is narrow.
_LANDMARKS = (
    (1, 10, 50, 90, 99),
    (20, 30, 40, 60, 70, 80, 5, 95),
    (0.1, 99.9, 2, 98, 0.5, 99.5),
    tuple(range(5, 100, 5)),
    tuple(range(1, 100)),
    tuple(np.arange(0.5, 100, 0.5)),
    tuple(np.round(np.arange(0.1, 100, 0.1), 1)),
    tuple(np.round(np.arange(0.01, 100, 0.01), 2)),
)


def scatter(
    summary: MetricSummary,
    ax: Axes,
    *,
    scale: str = "linear",
    everything: bool = False,
    limits: tuple[float, float] | None = None,
    legend: bool = True,
) -> Axes:
    """Draw new against original accuracy of every model, with intervals, y = x, the line and its bootstrap region.

    Positions are accuracies on `scale` (fractions, Φ⁻¹ or log-odds); ticks are percentages. Both axes share their
    limits and their unit, so that slopes can be compared by eye. Families left out of the line have another colour;
    the limits then follow the models of the line, and models outside are named in the legend. With `everything` all
    models are shown, and the line is fitted to all. A published testbed that the models are compared with is drawn in
    grey behind them, with its line. `limits`, on the scale, make several axes share one range.
    Layout after Recht et al. 2019, figures 1 and 6.
    """
    marks = _marks(summary, scale)
    inside = summary.in_line
    framed = _framed(summary, everything)
    behind = () if summary.against is None else outcome_positions(summary.against.outcomes, scale)
    low, high = limits or span([summary], scale, everything)
    handles: list[Artist] = []
    spans = []
    if inside.any():
        dots, bars = _draw_models(ax, marks, np.flatnonzero(inside), (low, high), MARK, "models")
        dots.set_label(_models_label(int(inside.sum()), summary.level))
        handles.append(dots)
        spans.append(bars)
    x, y = marks[:2]
    for family in summary.left_out:
        members = (summary.table["family"] == family).to_numpy(bool, na_value=False)
        seen = members & (np.minimum(x, y) >= low) & (np.maximum(x, y) <= high)
        entry: Artist = Line2D([], [], color="none")  # a legend entry without a marker
        for row in np.flatnonzero(seen):
            entry, bars = _draw_models(ax, marks, np.array([row]), (low, high), ASIDE, f"model-{row}")
            spans.append(bars)
        label = f"{literal(family)}, {members.sum()} model{'' if members.sum() == 1 else 's'}"
        entry.set_label(
            f"Not shown: {label}" if not seen.any() else label if everything else f"{label}, not in the fit"
        )
        handles.append(entry)
    (identity,) = ax.plot(
        [low, high], [low, high], "--", color=QUIET, linewidth=font_points(0.8), zorder=1, label="y = x (no drop)"
    )
    line = (summary.all_lines if everything and summary.left_out else summary.lines).get(scale)
    handles += [identity, *_draw_line(line, ax, scale, x[framed], low, high)]
    if summary.against is not None:
        handles += _draw_against(summary.against, ax, scale, low, high)
        spans.append(np.stack([np.stack(behind, axis=-1)] * 2, axis=1))
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    _set_ticks(ax, scale, low, high)
    _set_labels(summary, ax, scale)
    if legend:
        _place_legend(ax, handles, (np.concatenate(spans) - low) / (high - low))
    return ax


def scatter_figure(
    pair: PairSummary,
    metric: str = "top1",
    scale: str = "linear",
    everything: bool = False,
    size: Size | None = None,
) -> Figure:
    """Draw `scatter` as a figure, square except on a slide, where the legend is beside the axes.

    The default size is COLUMN.
    """
    size = size or COLUMN
    with styled(size):
        figure = Figure(figsize=(size.width, size.height or size.width), layout="constrained", dpi=DPI)
        ax = scatter(pair.metrics[metric], figure.add_subplot(), scale=scale, everything=everything)
        legend = ax.get_legend()
        if size.height is not None and legend is not None:
            legend.set_loc("upper left")
            legend.set_bbox_to_anchor((1.03, 1), ax.transAxes)
        # Laid out once: otherwise each file repeats the same layout, which doubles the time.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        metric_summary = pair.metrics[metric]
        rows = standouts(metric_summary)
        x, y = _marks(metric_summary, scale)[:2]
        name_models(ax, metric_summary.table["model"].iloc[rows].tolist(), x[rows], y[rows])
    return figure


def span(summaries: Sequence[MetricSummary], scale: str, everything: bool = False) -> tuple[float, float]:
    """Limits on the scale that contain what `scatter` shows of all summaries."""
    parts: list[np.ndarray] = []
    for summary in summaries:
        framed = _framed(summary, everything)
        parts += [part[..., framed] for part in _marks(summary, scale)]
        parts += [] if summary.against is None else outcome_positions(summary.against.outcomes, scale)
    return _limits(*parts)


def _framed(summary: MetricSummary, everything: bool) -> np.ndarray:
    """Rows of the table that set the limits: the models of the line, if there are any."""
    inside = summary.in_line
    return inside if inside.any() and not everything else np.ones(len(inside), bool)


def _marks(summary: MetricSummary, scale: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    found = model_positions(summary, scale)
    return found.x, found.y, found.x_ends, found.y_ends


def _limits(*marks: np.ndarray) -> tuple[float, float]:
    """Limits shared by both axes: all finite values, with a margin."""
    everything = np.concatenate([part.ravel() for part in marks])
    everything = everything[np.isfinite(everything)]
    low, high = everything.min(), everything.max()
    margin = 0.05 * (high - low) or 0.05
    return float(low - margin), float(high + margin)


def _finite(centre: np.ndarray, ends: np.ndarray, low: float, high: float) -> np.ndarray:
    """Lengths of error bars, shape (2, m); infinite ones end at the edge of the axes."""
    clipped = np.clip(ends, low, high)
    return np.maximum([centre - clipped[0], clipped[1] - centre], 0)


def _draw_models(
    ax: Axes,
    marks: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    rows: np.ndarray,
    limits: tuple[float, float],
    colour: str,
    gid: str,
) -> tuple[Artist, np.ndarray]:
    """Draw the models of these rows of the table; returns their markers, and the ends of their bars (bar, end, 2)."""
    x, y, x_ends, y_ends = (part[..., rows] for part in marks)
    bars = ax.errorbar(
        x,
        y,
        xerr=_finite(x, x_ends, *limits),
        yerr=_finite(y, y_ends, *limits),
        fmt="none",
        ecolor=colour,
        elinewidth=font_points(0.5),
        alpha=0.55,
        zorder=2,
    )
    for collection, name in zip(bars.lines[2], ("original-intervals", "new-intervals"), strict=True):
        collection.set_gid(name if gid == "models" else f"{gid}-{name}")
    dots = ax.scatter(x, y, s=area(7), color=colour, linewidths=0, zorder=3, gid=gid)
    return dots, np.concatenate([collection.get_segments() for collection in bars.lines[2]])


def _draw_line(line: Line | None, ax: Axes, scale: str, x: np.ndarray, low: float, high: float) -> list[Artist]:
    if line is None:
        return []
    label = f"{scale.capitalize()} fit, slope {number(line.slope)}"
    drawn = _draw_fit(line, ax, x, (low, high), LINE, "fit", "region", label)
    for shade in drawn[1:]:
        shade.set_label(f"{100 * line.level:g} % bootstrap ({line.resamples:,}) {bootstrap_span(line)}")
    return drawn


def _draw_against(against: "Against", ax: Axes, scale: str, low: float, high: float) -> list[Artist]:
    """Draw the testbed's models and line behind everything else."""
    x, y = outcome_positions(against.outcomes, scale)
    name = literal(against.title)
    dots = ax.scatter(
        x,
        y,
        s=area(5),
        color=QUIET,
        alpha=0.5,
        linewidths=0,
        zorder=0.9,
        gid="testbed",
        label=f"{name}, {len(x)} models",
    )
    line = against.lines[scale]
    label = f"{name}, slope {number(line.slope)}"
    return [dots, *_draw_fit(line, ax, x, (low, high), QUIET, "testbed-fit", "testbed-region", label, below=True)[:1]]


def _draw_fit(
    line: Line,
    ax: Axes,
    x: np.ndarray,
    limits: tuple[float, float],
    colour: str,
    gid: str,
    region_gid: str,
    label: str,
    below: bool = False,
) -> list[Artist]:
    """Draw the line over the range of the models at `x`, and its bootstrap region, if it has one."""
    curve, shift = line_positions(line, x, 0.03 * (limits[1] - limits[0])), -2 if below else 0
    drawn: list[Artist] = [
        *ax.plot(curve.x, curve.y, color=colour, linewidth=font_points(1.1), zorder=2.5 + shift, label=label, gid=gid)
    ]
    if curve.region is not None:
        shade = ax.fill_between(
            curve.x, *curve.region, color=colour, alpha=0.22, linewidth=0, zorder=1.5 + shift, gid=region_gid
        )
        drawn.append(shade)
    return drawn


def _models_label(count: int, level: float) -> str:
    return f"{count} models, {100 * level:g} % CI" if count > 1 else "1 model"


def _set_labels(summary: MetricSummary, ax: Axes, scale: str) -> None:
    outcomes = summary.outcomes
    unit = (
        f"(top-{METRICS[outcomes.metric]}, %)"
        if scale == "linear"
        else f"(top-{METRICS[outcomes.metric]}, %, {scale} scale)"
    )
    ax.set_xlabel(f"Original accuracy {unit}\n{wrapped(outcomes.original)}")
    ax.set_ylabel(f"New accuracy {unit}\n{wrapped(outcomes.new)}")


def _set_ticks(ax: Axes, scale: str, low: float, high: float) -> None:
    if scale == "linear":
        percents = np.array(MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10]).tick_values(100 * low, 100 * high))
        positions = percents / 100
        kept = (positions >= low) & (positions <= high) & (percents >= 0) & (percents <= 100)
        percents, positions = percents[kept], positions[kept]
    else:
        percents, positions = _curved_ticks(scale, low, high)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(FixedLocator(list(positions)))
        axis.set_ticklabels([f"{percent:.6g}" for percent in percents])


def _curved_ticks(
    scale: str, low: float, high: float, apart: float = 0.08, enough: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Round percentages within the limits, at least `apart` from each other as a fraction of the axis."""
    chosen: dict[float, float] = {}
    for row in _LANDMARKS:
        for percent in row:
            position = float(to_scale(np.array([percent / 100]), scale)[0])
            distance = min((abs(position - other) for other in chosen.values()), default=np.inf)
            if low <= position <= high and distance >= apart * (high - low):
                chosen[percent] = position
        if len(chosen) >= enough:
            break
    percents = sorted(chosen)
    return np.array(percents), np.array([chosen[percent] for percent in percents])


def _place_legend(ax: Axes, handles: list[Artist], bars: np.ndarray) -> None:
    """Place the legend in a corner off the diagonal that no error bar reaches, else above the axes.

    `bars` are the ends of the error bars in fractions of the axes, shape (bar, end, 2).
    """
    # Slightly more than its lines need; in a column the axes are 2.6 inches wide.
    box = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
    letters = font_points(1) * 2.6 / min(box.width, box.height)
    wide, tall = 0.72 * letters, (0.02 + 0.06 * len(handles)) * letters
    (left, bottom), (right, top) = bars.min(axis=1).T, bars.max(axis=1).T
    compact = {"handles": handles, "borderaxespad": 0.2, "handlelength": 1.6, "labelspacing": 0.35}
    if not ((left < wide) & (top > 1 - tall)).any():
        ax.legend(loc="upper left", **compact)
    elif not ((right > 1 - wide) & (bottom < tall)).any():
        ax.legend(loc="lower right", **compact)
    else:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.01), **compact)
