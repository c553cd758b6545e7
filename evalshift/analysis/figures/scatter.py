"""Scatter plot of new against original accuracy, with the fitted line."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from evalshift.analysis.figures.shown import Figure
from evalshift.analysis.figures.standouts import name_models, standouts
from evalshift.analysis.figures.style import (
    ASIDE,
    DPI,
    GROUP_MARKERS,
    GROUPS,
    HIGHLIGHT,
    HIGHLIGHT_MARKER,
    LINE,
    MARK,
    QUIET,
    area,
    font_points,
    lay_out,
    literal,
    shortened,
    styled,
    wrapped,
)
from evalshift.analysis.plot_data.scatter import (
    Limits,
    LinePlot,
    Range,
    ScatterPlot,
    TestbedPlot,
    common_limits,
    own_limits,
    percent_at,
    position,
    scatter_plot,
)
from evalshift.analysis.plot_data.sizes import COLUMN, Size
from evalshift.analysis.summary import MetricSummary, PairSummary
from evalshift.errors import UsageError
from evalshift.formatting import counted

_LABEL = 30  # letters of a name in a legend
_LINE = 42  # letters of a line of the legend that fit above the axes
_FEW_NAMES = 6  # models that are all named
# Colours of a testbed's groups, none of which the models of a report have, and from how many models points are small.
_GROUPS = ("#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#8c6d31")
_MANY = 300
# Between a legend and the nearest model, in fractions of the axes.
_ROOM = 0.03
_WIDTH, _FEW_WIDTH = 1.1, 0.5  # of a line, in points; the latter for one through few models
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

    Positions are percentages, on axes of `scale`: "linear", "probit" or "logit". Both axes share their limits and
    their unit, so that slopes can be compared by eye. Highlighted models are stars.
    Families left out of the line have another colour; the limits then fit the models of the line, and models outside
    them are named below the axes. With `everything`, all models are shown, and the line is fitted to all. A published
    testbed that the models are compared with is drawn in grey behind them, with its line; fewer than five models then
    have no line of their own. Otherwise, a line through fewer than five models is drawn thin. `limits`, in percent,
    give several axes the same range.
    Layout after Recht et al. 2019, figures 1 and 6.
    """
    plot = scatter_plot(summary, scale, everything)
    low, high = limits or common_limits([plot])
    handles = draw_scatter(plot, ax, ((low, high), (low, high)), everything=everything)
    if legend:
        place_legend(ax, handles, plot)
    return ax


def scatter_figure(
    pair: PairSummary,
    metric: str = "top1",
    scale: str = "linear",
    everything: bool = False,
    size: Size | None = None,
    xlim: Range | None = None,
    ylim: Range | None = None,
) -> Figure:
    """Draw `scatter` as a figure. It is square except on a slide, which the axes fill, each with its own range.

    `xlim` and `ylim` are limits in percent; if only one is given, it applies to both axes. The default size is COLUMN.
    """
    size = size or COLUMN
    summary = pair.metrics[metric]
    plot = scatter_plot(summary, scale, everything)
    given = _checked(xlim or ylim, scale), _checked(ylim or xlim, scale)
    with styled(size):
        figure = Figure(figsize=(size.width, size.height or size.width), layout="constrained", dpi=DPI)
        ax = figure.add_subplot()
        same = common_limits([plot]) if size.height is None else None
        limits = (same, same) if same else own_limits(plot)
        limits = given[0] or limits[0], given[1] or limits[1]
        equal = size.height is None and limits[0] == limits[1]
        handles = draw_scatter(plot, ax, limits, everything=everything, equal=equal)
        # Laid out first: only then is it known how wide the axes are, and so which corner a legend leaves free.
        lay_out(figure)
        if place_legend(ax, handles, plot) == "above":
            if size.height is None:
                _heighten(figure, ax)
            lay_out(figure)
        # Otherwise each file repeats the same layout, which doubles the time.
        figure.set_layout_engine("none")
        marked = np.flatnonzero(plot.highlighted).tolist()
        few = len(plot.names) <= _FEW_NAMES
        notable = range(len(plot.names)) if few else standouts(summary)
        rows = [*marked, *(row for row in notable if row not in marked)]
        name_models(ax, [plot.names[row] for row in rows], plot.x[rows], plot.y[rows], len(marked), all_names=few)
    return figure


def _checked(limits: Range | None, scale: str) -> Limits | None:
    """Limits that the scale can show; UsageError for others."""
    if limits is None:
        return None
    low, high = (float(end) for end in limits)
    least, most = (-100.0, 200.0) if scale == "linear" else (0.0, 100.0)
    beyond = not least <= low < high <= most or (scale != "linear" and (low == least or high == most))
    if beyond:
        raise UsageError(
            "limits that the axis cannot show (`xlim`, `ylim`)",
            found=f"{low:g}, {high:g}",
            expected=f"two percentages between {least:g} and {most:g}, the lower one first"
            + ("" if scale == "linear" else f", neither of them 0 or 100 on the {scale} scale"),
        )
    return low, high


def use_scale(ax: Axes, scale: str) -> None:
    """Put both axes, in percent, on `scale`."""
    if scale == "linear":
        return
    functions = (lambda percent: position(percent, scale), lambda place: percent_at(place, scale))
    ax.set_xscale("function", functions=functions)
    ax.set_yscale("function", functions=functions)


def draw_scatter(
    plot: ScatterPlot,
    ax: Axes,
    limits: tuple[Limits, Limits],
    *,
    everything: bool = False,
    equal: bool = True,
) -> list[Artist]:
    """Draw a scatter within the limits (percent, original and new); returns what belongs in the legend, in order."""
    use_scale(ax, plot.scale)
    ax.set(xlim=limits[0], ylim=limits[1])
    if equal:
        ax.set_aspect("equal")
    handles = _draw_in_line(plot, ax, limits)
    families, unseen = _draw_left_out(plot, ax, limits, everything)
    low, high = max(limits[0][0], limits[1][0]), min(limits[0][1], limits[1][1])
    (identity,) = ax.plot(
        [low, high], [low, high], "--", color=QUIET, linewidth=font_points(0.8), zorder=1, label="y = x (no drop)"
    )
    handles += [*families, *([identity] if low < high else [])]
    if plot.line is not None:
        through = f" through {int(plot.framed.sum())} models" if plot.line.few else ""
        label = f"{plot.scale.capitalize()} fit{through}, slope {plot.line.slope}"
        drawn = _draw_line(plot.line, ax, LINE, ("fit", "region"), label)
        for shade in drawn[1:]:
            shade.set_label(f"{100 * plot.line.level:g} % bootstrap ({plot.line.resamples:,}) {plot.line.bootstrap}")
        handles += drawn
    if plot.testbed is not None:
        handles += _draw_testbed(plot.testbed, ax)
    _set_ticks(ax, plot.scale, limits)
    # What is not shown has a line of its own: an entry of the legend would have no marker.
    below = f"\nNot shown: {'; '.join(unseen)}" if unseen else ""
    ax.set_xlabel(f"Original accuracy ({plot.kind})\n{wrapped(plot.original)}{below}")
    ax.set_ylabel(f"New accuracy ({plot.kind})\n{wrapped(plot.new)}")
    return handles


def _draw_in_line(plot: ScatterPlot, ax: Axes, limits: tuple[Limits, Limits]) -> list[Artist]:
    """Highlighted models, and the others that the line goes through."""
    handles: list[Artist] = []
    if plot.highlighted.any():
        stars = _draw_models(ax, plot, np.flatnonzero(plot.highlighted), limits, HIGHLIGHT, "highlighted")
        stars.set_label(f"{_highlighted_label(plot)}, {100 * plot.level:g} % CI")
        handles.append(stars)
    others = plot.in_line & ~plot.highlighted
    if plot.groups:
        return handles + _draw_model_groups(plot, ax, limits)
    if others.any():
        dots = _draw_models(ax, plot, np.flatnonzero(others), limits, MARK, "models")
        dots.set_label(_models_label(int(others.sum()), plot.level, other=bool(plot.highlighted.any())))
        handles.append(dots)
    return handles


def _draw_model_groups(plot: ScatterPlot, ax: Axes, limits: tuple[Limits, Limits]) -> list[Artist]:
    """The models of each group, with its line."""
    handles: list[Artist] = []
    for place, group in enumerate(plot.groups):
        if not group.rows:
            continue
        colour, marker = (QUIET, ".") if group.number is None else (GROUPS[group.number], GROUP_MARKERS[group.number])
        dots = _draw_models(ax, plot, np.array(group.rows), limits, colour, f"group-{place}", marker)
        title = shortened(group.title, _LABEL)
        facts = counted(len(group.rows), "model") + (f", slope {group.line.slope}" if group.line else "")
        between = "\n" if len(title) + len(facts) > _LINE else " "
        dots.set_label(f"{literal(title)},{between}{facts}")
        handles.append(dots)
        if group.line is not None:
            (line,) = _draw_line(group.line, ax, colour, (f"group-{place}-fit", ""), "_nolegend_")
            line.set_zorder(3.2)  # above the markers: many models would hide it
    return handles


def _draw_left_out(
    plot: ScatterPlot, ax: Axes, limits: tuple[Limits, Limits], everything: bool
) -> tuple[list[Artist], list[str]]:
    """The families that the line leaves out: those with a model within the limits, and the names of the others."""
    handles: list[Artist] = []
    unseen: list[str] = []
    for family, members in plot.left_out:
        seen = [
            row
            for row in members
            if not plot.highlighted[row] and _within(plot.x[row], limits[0]) and _within(plot.y[row], limits[1])
        ]
        label = f"{literal(family)}, {len(members)} model{'' if len(members) == 1 else 's'}"
        drawn = [_draw_models(ax, plot, np.array([row]), limits, ASIDE, f"model-{row}") for row in seen]
        if drawn:
            drawn[0].set_label(label if everything else f"{label}, not in the fit")
            handles.append(drawn[0])
        else:
            unseen.append(label)
    return handles, unseen


def place_legend(ax: Axes, handles: list[Artist], plot: ScatterPlot) -> str:
    """Place the legend in a corner off the diagonal that no model reaches, else above the axes; returns where."""
    compact = {"handles": handles, "borderaxespad": 0.2, "handlelength": 1.6, "labelspacing": 0.35}
    legend, box = ax.legend(loc="upper left", **compact), ax.get_window_extent()
    taken = legend.get_window_extent()
    wide, tall = taken.width / box.width + _ROOM, taken.height / box.height + _ROOM
    left, right, bottom, top = _reach(ax, plot)
    if not ((left < wide) & (top > 1 - tall)).any():
        return "upper left"
    if not ((right > 1 - wide) & (bottom < tall)).any():
        ax.legend(loc="lower right", **compact)
        return "lower right"
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.01), **compact)
    return "above"


def _heighten(figure: Figure, ax: Axes) -> None:
    """Add the height of the legend above the axes to the figure, so that square axes keep its width."""
    legend = ax.get_legend()
    assert legend is not None
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + legend.get_window_extent().height / figure.dpi)


def _reach(ax: Axes, plot: ScatterPlot) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """How far each model with its error bars reaches: left, right, bottom, top, in fractions of the axes."""
    (x_low, x_high), (y_low, y_high) = ax.get_xlim(), ax.get_ylim()
    inside = (plot.x >= x_low) & (plot.x <= x_high) & (plot.y >= y_low) & (plot.y <= y_high)
    corners = []
    for place in (0, 1):
        x = np.clip(plot.x_ends[place][inside], x_low, x_high)
        y = np.clip(plot.y_ends[place][inside], y_low, y_high)
        if plot.testbed is not None:
            x, y = np.concatenate([x, plot.testbed.x]), np.concatenate([y, plot.testbed.y])
        corners.append((ax.transData + ax.transAxes.inverted()).transform(np.stack([x, y], axis=1)))
    (left, bottom), (right, top) = corners[0].T, corners[1].T
    return left, right, bottom, top


def _draw_models(
    ax: Axes,
    plot: ScatterPlot,
    rows: np.ndarray,
    limits: tuple[Limits, Limits],
    colour: str,
    gid: str,
    marker: str = "o",
) -> Artist:
    """Draw the models of these rows of the table; returns their markers."""
    x, y = plot.x[rows], plot.y[rows]
    for name, bars in zip(("original-intervals", "new-intervals"), _bars(plot, rows, limits), strict=True):
        drawn = LineCollection(
            list(bars),
            colors=colour,
            linewidths=font_points(0.5),
            alpha=0.55,
            zorder=2,
            gid=name if gid == "models" else f"{gid}-{name}",
        )
        # The limits are set. Looking whether the bars are within them would take longer than drawing these.
        ax.add_collection(drawn, autolim=False)
    if gid == "highlighted":
        return ax.scatter(x, y, s=area(40), marker=HIGHLIGHT_MARKER, color=colour, linewidths=0, zorder=3.5, gid=gid)
    return ax.scatter(x, y, s=area(7), marker=marker, color=colour, linewidths=0, zorder=3, gid=gid)


def _bars(
    plot: ScatterPlot, rows: np.ndarray, limits: tuple[Limits, Limits]
) -> tuple[Float[np.ndarray, "m 2 2"], Float[np.ndarray, "m 2 2"]]:
    """Both ends of the error bars of these rows, level and upright; those that leave the axes end at their edge."""
    x, y = plot.x[rows], plot.y[rows]
    level = [np.stack([end, y], axis=1) for end in _ends(x, plot.x_ends[:, rows], limits[0])]
    upright = [np.stack([x, end], axis=1) for end in _ends(y, plot.y_ends[:, rows], limits[1])]
    return np.stack(level, axis=1), np.stack(upright, axis=1)


def _ends(centre: np.ndarray, ends: np.ndarray, limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """Where error bars end: within the limits, or at their centre where that is beyond them."""
    low, high = np.clip(ends, *limits)
    return np.minimum(low, centre), np.maximum(high, centre)


def _draw_testbed(testbed: TestbedPlot, ax: Axes) -> list[Artist]:
    """Draw the testbed's models and line behind everything else."""
    name = literal(testbed.title)
    handles = _draw_groups(testbed, ax)
    grey = np.ones(len(testbed.x), bool)
    for group in testbed.groups[: len(_GROUPS)]:
        grey[list(group.rows)] = False
    dots = ax.scatter(
        testbed.x[grey],
        testbed.y[grey],
        s=area(5 if len(testbed.x) < _MANY else 1.5),
        color=QUIET,
        alpha=0.5,
        linewidths=0,
        zorder=0.9,
        gid="testbed",
        label=f"{name}, {counted(int(grey.sum()), 'other model' if handles else 'model')}",
    )
    handles += [dots] if grey.any() else []
    if testbed.line is None:
        return handles
    gids, label = ("testbed-fit", "testbed-region"), f"{name}, slope {testbed.line.slope}"
    return [*handles, *_draw_line(testbed.line, ax, QUIET, gids, label, below=True)[:1]]


def _draw_groups(testbed: TestbedPlot, ax: Axes) -> list[Artist]:
    """Draw the largest groups of the testbed's models in colours, each with its line."""
    handles: list[Artist] = []
    for number, (group, colour) in enumerate(zip(testbed.groups, _GROUPS, strict=False)):
        rows = list(group.rows)
        dots = ax.scatter(
            testbed.x[rows],
            testbed.y[rows],
            s=area(5 if len(testbed.x) < _MANY else 1.5),
            color=colour,
            alpha=0.6,
            linewidths=0,
            zorder=0.8,
            gid=f"testbed-group-{number}",
            label=f"{literal(group.title)}, {len(rows)} models",
        )
        handles.append(dots)
        if group.line is not None:
            few = replace(group.line, few=True, region=None)
            gids = f"testbed-group-{number}-fit", ""
            _draw_line(few, ax, colour, gids, "_", below=True)
    return handles


def _draw_line(
    line: LinePlot, ax: Axes, colour: str, gids: tuple[str, str], label: str, below: bool = False
) -> list[Artist]:
    """Draw a line, and its bootstrap region, if it has one; positions are clipped to what the scale can show."""
    shift = -2 if below else 0
    drawn: list[Artist] = [
        *ax.plot(
            line.x,
            line.y,
            color=colour,
            linewidth=font_points(_FEW_WIDTH if line.few else _WIDTH),
            zorder=2.5 + shift,
            label=label,
            gid=gids[0],
        )
    ]
    if line.region is not None:
        shade = ax.fill_between(
            line.x, *line.region, color=colour, alpha=0.22, linewidth=0, zorder=1.5 + shift, gid=gids[1]
        )
        drawn.append(shade)
    return drawn


def _models_label(count: int, level: float, other: bool = False) -> str:
    more = "other " if other else ""
    return f"{count} {more}models, {100 * level:g} % CI" if count > 1 else f"1 {more}model"


def _highlighted_label(plot: ScatterPlot) -> str:
    """The name of the only highlighted model, or how many there are."""
    rows = np.flatnonzero(plot.highlighted).tolist()
    return shortened(plot.names[rows[0]], _LABEL) if len(rows) == 1 else f"{len(rows)} highlighted models"


def _within(value: float, limits: Limits) -> bool:
    return bool(limits[0] <= value <= limits[1])


def _set_ticks(ax: Axes, scale: str, limits: tuple[Limits, Limits]) -> None:
    for axis, span in zip((ax.xaxis, ax.yaxis), limits, strict=True):
        percents = _linear_ticks(*span) if scale == "linear" else _curved_ticks(scale, *span)
        axis.set_major_locator(FixedLocator(percents.tolist()))
        axis.set_minor_locator(NullLocator())
        axis.set_ticklabels([f"{percent:.6g}" for percent in percents])


def _linear_ticks(low: float, high: float) -> np.ndarray:
    percents = np.array(MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
    return percents[(percents >= max(low, 0)) & (percents <= min(high, 100))]


def _curved_ticks(scale: str, low: float, high: float, apart: float = 0.08, enough: int = 5) -> np.ndarray:
    """Round percentages within the limits, at least `apart` from each other as a fraction of the axis."""
    first, last = position(np.array([low, high]), scale)
    chosen: dict[float, float] = {}
    for row in _LANDMARKS:
        for percent in row:
            place = float(position(np.array([percent]), scale)[0])
            distance = min((abs(place - other) for other in chosen.values()), default=np.inf)
            if first <= place <= last and distance >= apart * (last - first):
                chosen[percent] = place
        if len(chosen) >= enough:
            break
    return np.array(sorted(chosen))
