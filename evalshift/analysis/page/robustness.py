"""Effective robustness: the distance of each model above the line fitted without it; and the same by year."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from evalshift.analysis.page.chart import (
    Chart,
    axis,
    bars,
    height_of,
    markers,
    named_axis,
    plain,
    strokes,
    view,
)
from evalshift.analysis.page.words import bounds, counted, labels, plotly_text
from evalshift.analysis.pair_statistics.missing import either, require
from evalshift.analysis.plot_data.shown import ShownRobustness, shown_robustness
from evalshift.analysis.statistics.overfitting_tests import YearTrend
from evalshift.analysis.summary import MetricSummary
from evalshift.formatting import EMPTY, number, percent

MOST = 80


def robustness_chart(metric: MetricSummary) -> Chart | None:
    """Distances above the line of the other models, the highest first, with intervals."""
    found = shown_robustness(metric)
    if found is None:
        return None
    chosen = found.ends(MOST)
    return Chart(
        key="robustness",
        title="Effective robustness",
        result=_result(found.table, found.off),
        caption=_caption(metric, len(found.table), len(chosen.table)),
        views={"robustness": _view(chosen.table, chosen.off, metric)},
        height=height_of(len(chosen.table)),
    )


def year_chart(metric: MetricSummary) -> Chart | None:
    """The same distances by year of the model; None with fewer than two known years."""
    found = shown_robustness(metric)
    if found is None:
        return None
    frame = found.table.sort_index().merge(metric.table[["model", "year"]], on="model")
    frame = frame[frame["year"].notna()]
    if frame["year"].nunique() < 2:
        return None
    return Chart(
        key="years",
        title="Effective robustness by year",
        result=_trend(metric, len(frame)),
        caption=f"Points above the line of the other models, with {100 * metric.level:g} % confidence intervals, by "
        "the year in the registry. Adaptive overfitting would make later models fall below the line.",
        views={"years": _years_view(frame, ShownRobustness(frame, metric.level).off, metric)},
        height=360,
    )


def _view(frame: pd.DataFrame, off: np.ndarray, metric: MetricSummary) -> dict:
    rows, texts, places = _rows(frame, metric), _texts(frame), np.arange(len(frame))
    marked = metric.highlighted[rows]
    data = [strokes([0, 0], [-1, len(frame)], "--quiet", line={"dash": "dash"})]
    usual = [100 * frame[f"usual_{end}"] for end in ("low", "high")]
    if np.isfinite(usual).any():
        data.append(strokes(*bars(usual, places), "--quiet", rows=rows, width=7, opacity=0.25))
    for beyond, colour in ((False, "--mark"), (True, "--line")):
        own = np.flatnonzero(off == beyond)
        if not len(own):
            continue
        part = frame.iloc[own]
        kept = [rows[place] for place in own]
        x, y = bars([100 * part["distance_low"], 100 * part["distance_high"]], places[own])
        data.append(strokes(x, y, colour, rows=kept, width=1.5, opacity=0.6))
        data.append(
            markers(
                plain(100 * part["distance"]),
                places[own].tolist(),
                colour,
                text=[texts[place] for place in own],
                rows=kept,
                marker={
                    "symbol": [
                        "star" if marked[place] else _symbol(beyond, outside)
                        for place, outside in zip(own, part["extrapolated"], strict=True)
                    ],
                    "size": [13 if marked[place] else 7 for place in own],
                },
            )
        )
    return view(
        data,
        height=height_of(len(frame)),
        xaxis=axis("Effective robustness (points)", fixedrange=True),
        yaxis=named_axis(labels(map(str, frame["title"]), marked)),
    )


def _symbol(significant: bool, extrapolated: bool) -> str:
    return ("diamond" if significant else "circle") + ("-open" if extrapolated else "")


def _years_view(frame: pd.DataFrame, off: np.ndarray, metric: MetricSummary) -> dict:
    rows, texts = _rows(frame, metric), _texts(frame)
    years = frame["year"].to_numpy(float)
    marked = {"dtick": 1} if np.ptp(years) <= 9 else {"nticks": 8}
    y, x = bars([100 * frame["distance_low"], 100 * frame["distance_high"]], years)
    data = [
        strokes([years.min() - 0.6, years.max() + 0.6], [0, 0], "--quiet", line={"dash": "dash"}),
        strokes(x, y, "--mark", rows=rows, width=1, opacity=0.35),
        markers(
            years.tolist(),
            plain(100 * frame["distance"]),
            ["--line" if beyond else "--mark" for beyond in off],
            text=texts,
            rows=rows,
            opacity=0.75,
        ),
    ]
    return view(
        data,
        height=360,
        xaxis=axis("Year", **marked, tickformat="d", range=[years.min() - 0.6, years.max() + 0.6]),
        yaxis=axis("Effective robustness (points)"),
    )


def _rows(frame: pd.DataFrame, metric: MetricSummary) -> list[int]:
    place = {model: row for row, model in enumerate(metric.table["model"])}
    return [place[model] for model in frame["model"]]


def _texts(frame: pd.DataFrame) -> list[str]:
    return [
        f"<b>{plotly_text(str(row['title']))}</b><br>{_distance_text(row)}"
        f"<br>p (Holm) {EMPTY if np.isnan(row['p_holm']) else number(row['p_holm'], 3)}"
        for row in frame.to_dict("records")
    ]


def _distance_text(row: Mapping[Any, Any]) -> str:
    interval = bounds(row["distance_low"], row["distance_high"]) if np.isfinite(row["distance_low"]) else ""
    value = EMPTY if np.isnan(row["distance"]) else percent(row["distance"])
    return f"{value} {interval} points" + ("<br>extrapolated" if row["extrapolated"] else "")


def _result(frame: pd.DataFrame, off: np.ndarray) -> str:
    known = frame[frame["distance"].notna()]
    ends = ""
    if len(known):
        best, worst = known.iloc[0], known.iloc[-1]
        ends = (
            f"Highest: {best['title']}, {percent(best['distance'])} points; lowest: {worst['title']}, "
            f"{percent(worst['distance'])} points."
        )
    if frame["p_holm"].isna().all():
        return ends
    count = int(off.sum())
    return (
        f"{count or 'None'} of {counted(len(frame), 'model')} {'is' if count == 1 else 'are'} significantly farther "
        f"from the line of the other models than such models scatter (Holm). {ends}"
    ).strip()


def _caption(metric: MetricSummary, count: int, shown: int) -> str:
    words = (
        "New accuracy minus the accuracy predicted by the line of all other models "
        f"({require(metric.statistics.robustness).scale} scale), with {100 * metric.level:g} % confidence "
        "intervals. Grey bars: the range in which as many of such models lie. Orange diamonds: statistically "
        "significant (Holm). Hollow: extrapolated beyond the other models' accuracies; without a marker where the "
        "distance is then smaller than its standard error."
    )
    return (
        words
        if shown == count
        else f"{words} The {shown // 2} highest and the {shown // 2} lowest of {count:,} models."
    )


def _trend(metric: MetricSummary, count: int) -> str:
    return either(
        metric.statistics.year,
        _trend_sentence,
        lambda reason: f"{counted(count, 'model')} by year; a trend over years is not computed: {reason}.",
    )


def _trend_sentence(found: YearTrend) -> str:
    way = "fall" if found.per_year < 0 else "rise"
    p = "" if np.isnan(found.p_value) else f" (one-sided test of a fall, p = {number(found.p_value, 3)})"
    return (
        f"At equal original accuracy, new accuracies {way} by {number(100 * abs(found.per_year))} points per year over "
        f"{counted(found.models, 'model')}{p}."
    )
