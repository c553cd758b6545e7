"""Scatter plot of new against original accuracy, the first figure of the page, and small multiples of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from evalshift.analysis.page import axes
from evalshift.analysis.page.chart import SERIES, Chart, axis, bars, markers, plain, strokes, view
from evalshift.analysis.page.families import Family
from evalshift.analysis.page.words import bounds, label, plotly_text
from evalshift.analysis.plot_data.scatter import GroupPlot, LinePlot, ScatterPlot, TestbedPlot, position, scatter_plot
from evalshift.analysis.statistics.scales import SCALES
from evalshift.analysis.summary import MetricSummary, PairSummary
from evalshift.analysis.summary.sentences import estimate_ci, estimated_slope, metric_words, r2_words
from evalshift.formatting import counted, number, percent, signed_count
from evalshift.titles import Titles

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
        facts={"ticks": {scale: axes.ticks(scale) for scale in scales}, "spans": spans},
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
                },
            )
            for pair in group
        ]
        rows.append((group[0].titles.dataset(original), charts))
    return rows


def point_texts(metric: MetricSummary) -> list[str]:
    """Hover text of each model, in the order of the table."""
    found = metric.tables.get("robustness")
    distance = {} if found is None else found.frame.set_index("model")["distance"].to_dict()
    return [_point_text(row, distance.get(row["model"]), metric.titles) for row in metric.table.to_dict("records")]


def _point_text(row: Mapping[Any, Any], distance: float | None, titles: Titles) -> str:
    family = [] if pd.isna(row["family"]) else [titles.family(row["family"])]
    about = [*family, *([] if pd.isna(row["year"]) else [str(row["year"])])]
    lines = [f"<b>{plotly_text(str(row['title']))}</b>", *([plotly_text(", ".join(about))] if about else [])]
    for side in ("original", "new"):
        interval = bounds(100 * row[f"{side}_low"], 100 * row[f"{side}_high"])
        lines.append(
            f"{side} {percent(row[f'{side}_accuracy'])} {interval} %, "
            f"{row[f'{side}_correct']:,} of {row[f'{side}_total']:,}, rank {row[f'{side}_rank']}"
        )
    change = signed_count(row["delta_rank"])
    lines.append(
        f"drop {percent(row['drop'])} {bounds(100 * row['drop_low'], 100 * row['drop_high'])}, Δ rank {change}"
    )
    if distance is not None and np.isfinite(distance):
        side = "above" if distance > 0 else "below"
        lines.append(f"{percent(abs(distance))} points {side} the line of the other models")
    return "<br>".join(lines)


def _view(metric: MetricSummary, scale: str, families: Sequence[Family], span: tuple[float, float]) -> dict[str, Any]:
    plot = scatter_plot(metric, scale)
    x, y, x_ends, y_ends = (position(part, scale) for part in (plot.x, plot.y, plot.x_ends, plot.y_ends))
    widest = axes.limits(x, y, x_ends, y_ends)
    texts = point_texts(metric)
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
        across = bars(axes.within(x_ends[:, rows], widest), y[rows])
        upright = bars(axes.within(y_ends[:, rows], widest), x[rows])
        soft = {"rows": rows, "width": 1, "opacity": 0.45}
        data.append(strokes(across[0], across[1], family.colour, **soft))
        data.append(strokes(upright[1], upright[0], family.colour, **soft))
    data += [
        markers(
            plain(x[list(family.rows)]),
            plain(y[list(family.rows)]),
            family.colour,
            text=[texts[row] for row in family.rows],
            rows=family.rows,
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
    upright = bars(axes.within(y_ends, span), x)
    data = [
        *_background(plot, span),
        strokes(upright[1], upright[0], "--mark", opacity=0.4),
        markers(
            plain(x),
            plain(y),
            ["--highlight" if mine else "--mark" for mine in plot.highlighted],
            text=point_texts(metric),
            rows=range(len(plot.highlighted)),
            marker={
                "size": [12 if mine else 5 for mine in plot.highlighted],
                "symbol": ["star" if mine else "circle" for mine in plot.highlighted],
            },
        ),
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
        testbed = plotly_text(plot.testbed.title)
        texts = [f"<b>{plotly_text(name)}</b><br>{testbed}" for name in plot.testbed.names]
        data += _cloud(plot.testbed, x, y, texts)
        data += _fit(plot.testbed.line, plot.scale, "--quiet", region=False)
        for group, colour in _coloured(plot.testbed):
            data += _fit(group.line and replace(group.line, few=True), plot.scale, colour, region=False)
    data += _fit(plot.line, plot.scale, "--line")
    data += _fit(plot.all_line, plot.scale, "--line", dash="dot", region=False)
    return data


def _coloured(testbed: TestbedPlot) -> list[tuple[GroupPlot, str]]:
    """The largest groups of a testbed, each with a colour of its own."""
    return list(zip(testbed.groups, SERIES, strict=False))


def _cloud(testbed: TestbedPlot, x: np.ndarray, y: np.ndarray, texts: list[str]) -> list[dict[str, Any]]:
    """The models of a testbed: in grey, or in the colours of their training data; smaller where they are many."""
    size, drawn, grey = 5 if len(x) < _MANY else 3, [], np.ones(len(x), bool)
    for group, colour in _coloured(testbed):
        rows = list(group.rows)
        grey[rows] = False
        named = [f"{texts[row]}, {plotly_text(group.title)}" for row in rows]
        drawn.append(markers(plain(x[rows]), plain(y[rows]), colour, text=named, marker={"size": size}, opacity=0.4))
    rest = np.flatnonzero(grey).tolist()
    if not rest:
        return drawn
    named = [texts[row] for row in rest]
    return [markers(plain(x[rest]), plain(y[rest]), "--quiet", text=named, marker={"size": size}, opacity=0.45), *drawn]


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
