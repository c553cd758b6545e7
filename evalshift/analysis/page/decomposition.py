"""Decomposition of the drop by cause, side by side on one axis of points; Recht et al. 2019, section 2."""

import numpy as np
import pandas as pd

from evalshift.analysis.page.chart import Chart, axis, bars, markers, plain, strokes, view
from evalshift.analysis.page.words import bounds, plotly_text
from evalshift.analysis.summary import MetricSummary
from evalshift.analysis.summary.findings import decomposition_sentence
from evalshift.formatting import percent

_HEIGHT = 340


def decomposition_charts(metric: MetricSummary) -> list[Chart]:
    """One panel per term, with a common axis: adaptivity if it is known, distribution shift, sampling error."""
    frame = metric.tables["decomposition"].frame
    fresh = bool(frame["fresh"].any())
    span = _span(frame)
    rest = "Distribution shift" if fresh else "Adaptivity and distribution shift"
    charts = [_term(frame, metric, "adaptivity", "Adaptivity", span)] if fresh else []
    return [
        *charts,
        _term(frame, metric, "distribution", rest, span),
        _sampling(frame, metric, span),
    ]


def cannot_be_told(metric: MetricSummary) -> str:
    """A sentence on which terms can be identified."""
    return decomposition_sentence(metric.statistics)


def _span(frame: pd.DataFrame) -> list[float]:
    columns = [
        f"{name}_{end}"
        for name in ("adaptivity", "distribution", "generalization", "generalization_99.99")
        for end in ("low", "high")
    ]
    values = 100 * frame[columns].to_numpy(float)
    low, high = np.nanmin(values), np.nanmax(values)
    margin = 0.05 * (high - low) or 0.5
    return [float(min(low, 0) - margin), float(max(high, 0) + margin)]


def _term(frame: pd.DataFrame, metric: MetricSummary, name: str, title: str, span: list[float]) -> Chart:
    known = frame[np.isfinite(frame[name])]
    x = 100 * metric.table.set_index("model").loc[known["model"], "original_accuracy"].to_numpy()
    rows = _rows(known, metric)
    texts = [
        f"<b>{plotly_text(str(row['model']))}</b><br>drop {percent(row['drop'])}<br>{title.lower()} "
        f"{percent(row[name])} {bounds(row[f'{name}_low'], row[f'{name}_high'])}"
        for row in known.to_dict("records")
    ]
    y, at = bars([100 * known[f"{name}_low"], 100 * known[f"{name}_high"]], x)
    mean = float(known[name].mean())
    data = [
        _zero(metric),
        strokes(at, y, "--mark", rows=rows, opacity=0.45),
        markers(plain(x), plain(100 * known[name]), "--mark", text=texts, rows=rows),
    ]
    return Chart(
        key=f"decomposition-{name}",
        title=title,
        result=f"{title}: {percent(mean)} points on average over {len(known)} models.",
        caption="",
        views={name: _panel(data, metric, span)},
        height=_HEIGHT,
    )


def _sampling(frame: pd.DataFrame, metric: MetricSummary, span: list[float]) -> Chart:
    x = 100 * metric.table.set_index("model").loc[frame["model"], "original_accuracy"].to_numpy()
    rows = _rows(frame, metric)
    data = [_zero(metric)]
    for name, width, opacity in (("generalization_99.99", 1, 0.6), ("generalization", 4, 0.5)):
        y, at = bars([100 * frame[f"{name}_low"], 100 * frame[f"{name}_high"]], x)
        data.append(strokes(at, y, "--aside", rows=rows, width=width, opacity=opacity))
    texts = [
        f"<b>{plotly_text(str(row['model']))}</b><br>sampling error of the new set"
        f"<br>{bounds(row['generalization_low'], row['generalization_high'])} at {100 * metric.level:g} %"
        f"<br>{bounds(row['generalization_99.99_low'], row['generalization_99.99_high'])} at 99.99 %"
        for row in frame.to_dict("records")
    ]
    data.append(markers(plain(x), [0] * len(frame), "--aside", text=texts, rows=rows, marker={"size": 5}))
    widest = float(frame[["generalization_99.99_low", "generalization_99.99_high"]].abs().to_numpy().max())
    return Chart(
        key="decomposition-sampling",
        title="Sampling error",
        result=f"Sampling error of the new set: 0 on average, and for no model more than {percent(widest)} points in "
        "either direction (99.99 %).",
        caption="",
        views={"sampling": _panel(data, metric, span)},
        height=_HEIGHT,
    )


def _panel(data: list[dict], metric: MetricSummary, span: list[float]) -> dict:
    return view(
        data,
        height=_HEIGHT,
        margin={"l": 44, "r": 8, "t": 8, "b": 44},
        xaxis=axis("Original accuracy (%)", fixedrange=True),
        yaxis=axis("Points", range=span, fixedrange=True),
    )


def _zero(metric: MetricSummary) -> dict:
    accuracy = 100 * metric.table["original_accuracy"]
    return strokes([float(accuracy.min()), float(accuracy.max())], [0, 0], "--quiet", line={"dash": "dash"})


def _rows(frame: pd.DataFrame, metric: MetricSummary) -> list[int]:
    place = {model: row for row, model in enumerate(metric.table["model"])}
    return [place[model] for model in frame["model"]]
