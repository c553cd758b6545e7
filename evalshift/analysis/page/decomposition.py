"""Decomposition of the drop by cause, side by side on one axis of points; Recht et al. 2019, section 2."""

from typing import Any

import numpy as np

from evalshift.analysis.page.chart import Chart, axis, markers, plain, said_of_rows, strokes, view, whiskers
from evalshift.analysis.plot_data.decomposition import DecompositionPlot, TermPlot, decomposition_plot
from evalshift.analysis.summary import MetricSummary
from evalshift.analysis.summary.findings import decomposition_sentence
from evalshift.formatting import counted, number, points

_HEIGHT = 340


def decomposition_charts(metric: MetricSummary) -> list[Chart]:
    """One panel per term, with a common axis: adaptivity if it is known, distribution shift, sampling error."""
    plot = decomposition_plot(metric)
    span = _span(plot)
    return [_sampling(plot, term, span) if term.wide else _term(plot, term, span) for term in plot.by_cause]


def decomposition_finding(metric: MetricSummary) -> str:
    """What of the drop is not sampling error, in a few words."""
    found = metric.statistics
    margin, mean = found.drop_margin, found.mean_drop
    if mean.direction == 0 or not np.isfinite(margin):
        return "The change of accuracy is not statistically significant" if mean.direction == 0 else "Decomposition"
    change = "drop" if mean.direction > 0 else "rise"
    if mean.direction > 0 and found.fresh is not None:
        parts = (found.decomposition.adaptivity, found.decomposition.distribution)
        adaptivity, shift = (points(float(part.estimate[found.with_fresh].mean())) for part in parts)
        return f"Adaptive overfitting accounts for {adaptivity} points of the drop, the distribution shift for {shift}"
    return f"Sampling error accounts for at most {points(margin)} points of a {change} of {points(abs(mean.drop))}"


def cannot_be_told(metric: MetricSummary) -> str:
    """A sentence on which terms can be identified."""
    return decomposition_sentence(metric.statistics)


def _span(plot: DecompositionPlot) -> list[float]:
    spans = [term.span for term in plot.by_cause]
    low, high = min(low for low, _ in spans), max(high for _, high in spans)
    margin = 0.05 * (high - low) or 0.5
    return [low - margin, high + margin]


def _term(plot: DecompositionPlot, term: TermPlot, span: list[float]) -> Chart:
    rows = np.flatnonzero(np.isfinite(term.estimate)).tolist()
    x, value, low, high = (values[rows] for values in (plot.accuracy, term.estimate, term.low, term.high))
    said = said_of_rows(
        "drop ", f"<br>{term.title.lower()} ", " [", ", ", "]", numbers=(plot.drop[rows], value, low, high)
    )
    data = [
        _zero(plot),
        whiskers([low, high], x, "--mark", rows=rows, opacity=0.45),
        markers(plain(x), plain(value), _colours(plot, rows), said=said, rows=rows, marker=_kinds(plot, rows)),
    ]
    result = f"{term.title}: {number(float(value.mean()), 1)} points on average over {counted(len(rows), 'model')}."
    return _chart(term.key, term.title, result, data, span)


def _colours(plot: DecompositionPlot, rows: list[int]) -> list[str] | str:
    marked = plot.highlighted[rows]
    return np.where(marked, "--highlight", "--mark").tolist() if marked.any() else "--mark"


def _kinds(plot: DecompositionPlot, rows: list[int]) -> dict[str, Any]:
    """Symbols and sizes: one for all where no model is highlighted."""
    marked = plot.highlighted[rows]
    if not marked.any():
        return {"symbol": "circle", "size": 7}
    return {"symbol": np.where(marked, "star", "circle").tolist(), "size": np.where(marked, 13, 7).tolist()}


def _sampling(plot: DecompositionPlot, term: TermPlot, span: list[float]) -> Chart:
    assert term.wide is not None
    x, rows = plot.accuracy, list(range(len(plot.names)))
    data = [_zero(plot)]
    for ends, width, opacity in ((term.wide, 1, 0.6), ((term.low, term.high), 4, 0.5)):
        data.append(whiskers(ends, x, "--aside", rows=rows, width=width, opacity=opacity))
    narrow, wide = term.bars.split(" and ")
    said = said_of_rows(
        "sampling error of the new set<br>[",
        ", ",
        f"] at {narrow}<br>[",
        ", ",
        f"] at {wide}",
        numbers=(term.low, term.high, *term.wide),
    )
    data.append(markers(plain(x), [0] * len(rows), "--aside", said=said, rows=rows, marker={"size": 5}))
    widest = float(np.abs(np.stack(term.wide)).max())
    result = (
        f"Sampling error of the new set: 0 on average, and for no model more than {number(widest, 1)} points in either "
        f"direction ({wide})."
    )
    return _chart("sampling", term.title, result, data, span)


def _chart(key: str, title: str, result: str, data: list[dict], span: list[float]) -> Chart:
    panel = view(
        data,
        height=_HEIGHT,
        margin={"l": 44, "r": 8, "t": 8, "b": 44},
        xaxis=axis("Original accuracy (%)", fixedrange=True),
        yaxis=axis("Points", range=span, fixedrange=True),
    )
    return Chart(key=f"decomposition-{key}", title=title, result=result, caption="", views={key: panel}, height=_HEIGHT)


def _zero(plot: DecompositionPlot) -> dict:
    ends = [float(plot.accuracy.min()), float(plot.accuracy.max())]
    return strokes(ends, [0, 0], "--quiet", line={"dash": "dash"})
