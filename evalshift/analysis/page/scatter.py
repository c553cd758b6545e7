"""Scatter plot of new against original accuracy, the first figure of the page, and small multiples of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evalshift.analysis.page import axes
from evalshift.analysis.page.chart import SERIES, Chart, axis, markers, plain, strokes, view, whiskers
from evalshift.analysis.page.families import Family
from evalshift.analysis.page.words import label, plotly_text
from evalshift.analysis.plot_data.scatter import GroupPlot, LinePlot, ScatterPlot, TestbedPlot, position, scatter_plot
from evalshift.analysis.statistics.scales import SCALES
from evalshift.analysis.summary import MetricSummary, PairSummary
from evalshift.analysis.summary.sentences import estimate_ci, estimated_slope, metric_words, r2_words
from evalshift.formatting import counted, number

# Models of a testbed that are drawn smaller.
_MANY = 300


def scatter_chart(metric: MetricSummary, first: str, families: Sequence[Family]) -> Chart:
    """The scatter plot on every scale, `first` shown first: models with intervals, y = x, line, region, testbed."""
    scales = sorted(SCALES, key=lambda scale: scale != first)
    spans = {scale: spans_of([metric], scale) for scale in scales}
    return Chart(
        key="scatter",
        title=f"New against original {metric_words(metric.outcomes.metric)} accuracy",
        result=scatter_result(metric, first),
        caption=_caption(metric, first),
        views={scale: _view(metric, scale, families, spans[scale]["line"]) for scale in scales},
        facts={
            "ticks": {scale: axes.ticks(scale) for scale in scales},
            "spans": spans,
            **_testbed_names(metric, first),
        },
    )


def scatter_result(metric: MetricSummary, scale: str) -> str:
    """The finding of a scatter plot in words, also for readers who cannot see it."""
    below = int((metric.table["drop"] > 0).sum())
    count = len(metric.table)
    where = f"All {count}" if below == count > 1 else f"{below} of {count}"
    models = "model lies" if count == 1 else "models lie"
    line = metric.lines.get(scale)
    fit = " No line is fitted."
    if line is not None:
        estimate = metric.estimate(scale)
        around = estimate_ci(estimate)
        slope = f"{number(estimated_slope(line, estimate))}{f' ({around})' if around else ''}"
        fit = f" The fitted line has slope {', '.join((slope, *r2_words(line)))}."
    if line and scatter_plot(metric, scale).line is None:
        fit = ""  # few models are compared with the line of a testbed alone
    return f"{where} {models} below the line y = x: less accurate on the new set.{fit}"


def spans_of(metrics: Sequence[MetricSummary], scale: str) -> dict[str, tuple[float, float]]:
    """Limits of both axes: "line" for the models of the lines and a testbed behind them, "all" for every model."""
    spans = {}
    for name, everything in (("line", False), ("all", True)):
        plots = [scatter_plot(metric, scale, everything) for metric in metrics]
        spans[name] = axes.limits(*(position(part, scale) for plot in plots for part in plot.extent))
    return spans


def small_multiples(pairs: Sequence[PairSummary], metric: str, scale: str) -> list[tuple[str, list[Chart]]]:
    """One small scatter plot per pair, grouped by original set; those of one original set share their axes."""
    found: dict[str, list[PairSummary]] = {}
    for pair in pairs:
        if metric in pair.metrics:
            found.setdefault(pair.original, []).append(pair)
    rows = []
    for original, group in found.items():
        span = spans_of([pair.metrics[metric] for pair in group], scale)["line"]
        charts = [
            Chart(
                key=f"small-{pairs.index(pair) + 1}",
                title=pair.title,
                result=scatter_result(pair.metrics[metric], scale),
                caption="",
                views={scale: _small(pair.metrics[metric], scale, span)},
                facts={
                    "ticks": {scale: axes.ticks(scale)},
                    "spans": {scale: {"line": span, "all": span}},
                    "panel": f"p{pairs.index(pair) + 1}-{metric}",
                    **_testbed_names(pair.metrics[metric], scale),
                },
            )
            for pair in group
        ]
        rows.append((group[0].titles.dataset(original), charts))
    return rows


def _view(metric: MetricSummary, scale: str, families: Sequence[Family], span: tuple[float, float]) -> dict[str, Any]:
    plot = scatter_plot(metric, scale)
    x, y, x_ends, y_ends = (position(part, scale) for part in (plot.x, plot.y, plot.x_ends, plot.y_ends))
    widest = axes.limits(x, y, x_ends, y_ends)
    data = _background(plot, widest)
    by_title = {family.name: family.colour for family in families}
    for group in plot.groups:
        data += _fit(group.line, scale, by_title.get(group.title, "--quiet"), region=False)
    marked = np.flatnonzero(plot.highlighted).tolist()
    shown = [replace(family, rows=tuple(row for row in family.rows if row not in marked)) for family in families]
    if marked:
        shown.append(Family("Highlighted", tuple(marked), "--highlight", "star"))
    for family in shown:
        rows = list(family.rows)
        soft = {"rows": rows, "width": 1, "opacity": 0.45}
        data.append(
            whiskers(axes.within(x_ends[:, rows], widest), y[rows], family.colour, upright=False, **soft),
        )
        data.append(whiskers(axes.within(y_ends[:, rows], widest), x[rows], family.colour, **soft))
    data += [
        markers(
            plain(x[list(family.rows)]),
            plain(y[list(family.rows)]),
            family.colour,
            rows=family.rows,
            said="model",
            marker={"symbol": family.symbol, "size": 14 if family.colour == "--highlight" else 7},
            name=plotly_text(family.name),
        )
        for family in shown
    ]
    kind = f"{metric_words(plot.metric)} accuracy (%)"
    return view(
        data,
        xaxis=_square(scale, span, f"{label(plot.original, 44)}: {kind}", constrain="domain"),
        yaxis=_square(scale, span, f"{label(plot.new, 44)}: {kind}", constrain="domain", scaleanchor="x", scaleratio=1),
    )


def _small(metric: MetricSummary, scale: str, span: tuple[float, float]) -> dict[str, Any]:
    plot = scatter_plot(metric, scale)
    x, y, y_ends = (position(part, scale) for part in (plot.x, plot.y, plot.y_ends))
    rows, mine = range(len(plot.highlighted)), plot.highlighted
    # One for all where none is highlighted, of up to thousands.
    colours, symbols, sizes = (
        np.where(mine, star, plain_one).tolist() if mine.any() else plain_one
        for star, plain_one in (("--highlight", "--mark"), ("star", "circle"), (12, 5))
    )
    data = [
        *_background(plot, span),
        whiskers(axes.within(y_ends, span), x, "--mark", rows=rows, opacity=0.4),
        markers(plain(x), plain(y), colours, rows=rows, said="model", marker={"size": sizes, "symbol": symbols}),
    ]
    return view(
        data,
        margin={"l": 52, "r": 8, "t": 8, "b": 46},
        xaxis=_square(scale, span, "Original accuracy (%)", constrain="domain", fixedrange=True),
        yaxis=_square(
            scale, span, "New accuracy (%)", constrain="domain", scaleanchor="x", scaleratio=1, fixedrange=True
        ),
    )


def _square(scale: str, span: tuple[float, float], title: str, **more: Any) -> dict[str, Any]:
    curved = {} if scale == "linear" else {"tickmode": "array"}  # the script fills in those that fit
    return axis(title, range=list(span), **curved, **more)


def _background(plot: ScatterPlot, span: tuple[float, float]) -> list[dict[str, Any]]:
    data = [strokes(list(span), list(span), "--quiet", line={"dash": "dash"}, width=1.2)]
    if plot.testbed is not None:
        x, y = position(plot.testbed.x, plot.scale), position(plot.testbed.y, plot.scale)
        data += _cloud(plot.testbed, x, y)
        data += _fit(plot.testbed.line, plot.scale, "--quiet", region=False)
        for group, colour in _coloured(plot.testbed):
            data += _fit(group.line and replace(group.line, few=True), plot.scale, colour, region=False)
    data += _fit(plot.line, plot.scale, "--line")
    data += _fit(plot.all_line, plot.scale, "--line", dash="dot", region=False)
    return data


def _coloured(testbed: TestbedPlot) -> list[tuple[GroupPlot, str]]:
    """The largest groups of a testbed, each with a colour of its own."""
    return list(zip(testbed.groups, SERIES, strict=False))


def _cloud(testbed: TestbedPlot, x: np.ndarray, y: np.ndarray) -> list[dict[str, Any]]:
    """The models of a testbed: in grey, or in the colours of their training data; smaller where they are many."""
    size, drawn, grey = 5 if len(x) < _MANY else 3, [], np.ones(len(x), bool)

    def points(rows: list[int], colour: str, opacity: float, said: str) -> dict[str, Any]:
        of_testbed = {"testbed": rows, "then": f"<br>{plotly_text(said)}"}
        return markers(plain(x[rows]), plain(y[rows]), colour, said=of_testbed, marker={"size": size}, opacity=opacity)

    for group, colour in _coloured(testbed):
        grey[list(group.rows)] = False
        drawn.append(points(list(group.rows), colour, 0.4, f"{testbed.title}, {group.title}"))
    rest = np.flatnonzero(grey).tolist()
    return [points(rest, "--quiet", 0.45, testbed.title), *drawn] if rest else drawn


def _testbed_names(metric: MetricSummary, scale: str) -> dict[str, list[str]]:
    """The models of the testbed behind the points, once for all scales; nothing without one."""
    testbed = scatter_plot(metric, scale).testbed
    return {} if testbed is None else {"testbed": list(testbed.names)}


def _fit(
    line: LinePlot | None, scale: str, colour: str, *, dash: str = "solid", region: bool = True
) -> list[dict[str, Any]]:
    """The line over the range of its models, and its bootstrap region."""
    if line is None:
        return []
    grid, drawn = position(line.x, scale), []
    if region and line.region is not None:
        low, high = (position(bound, scale) for bound in line.region)
        outline = np.concatenate([grid, grid[::-1]]), np.concatenate([high, low[::-1]])
        drawn.append(
            strokes(plain(outline[0]), plain(outline[1]), colour, width=0, fill="toself", fillcolor=f"{colour}/0.2")
        )
    drawn.append(
        strokes(
            plain(grid), plain(position(line.y, scale)), colour, width=0.8 if line.few else 1.8, line={"dash": dash}
        )
    )
    return drawn


def metric_groups(metric: MetricSummary) -> str:
    """What models are coloured by, as "training data"."""
    found = metric.statistics.group_slopes
    return "family" if found is None else found.groups.title.lower()


def _caption(metric: MetricSummary, scale: str) -> str:
    level = f"{100 * metric.level:g} %"
    parts = [f"One point per model; bars are {level} Clopper–Pearson confidence intervals. Dashed: y = x, no drop."]
    plot = scatter_plot(metric, scale)
    line = plot.line
    if line is not None:
        fit = "Orange: the least-squares line"
        if line.region is not None:
            fit += f" with the central {level} of {line.resamples:,} bootstrap lines"
        fit += f" (thin: through only {counted(int(metric.in_line.sum()), 'model')})" if line.few else ""
        parts.append(f"{fit}.")
    if metric.highlighted.any():
        parts.append("Stars: highlighted models.")
    if metric.left_out:
        parts.append(f"{', '.join(metric.left_out_titles)}: not in the fit. Dotted: the line of all models.")
    if plot.groups:
        parts.append(f"Lines in colour: each group by {metric_groups(metric)}. {plot.slopes}".rstrip())
    if metric.against is not None:
        parts.append(f"Grey: the models of {metric.against.title} and their line.")
        groups = [] if plot.testbed is None else [group.title for group, _ in _coloured(plot.testbed)]
        if groups:
            parts[-1] = (
                f"Small points: the models of {metric.against.title}, in the colours of their training data "
                f"({', '.join(groups)}), with a line for each; grey: others, and the line of all."
            )
    return " ".join(parts)
