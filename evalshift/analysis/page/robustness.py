"""Effective robustness: the distance of each model above the line fitted without it; and the same by year."""

import numpy as np

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
    whiskers,
)
from evalshift.analysis.page.words import labels
from evalshift.analysis.pair_statistics.missing import either, require
from evalshift.analysis.plot_data.robustness import RobustnessPlot, robustness_plot
from evalshift.analysis.statistics.overfitting_tests import YearTrend
from evalshift.analysis.summary import MetricSummary
from evalshift.formatting import counted, number, signed_points

MOST = 80


def robustness_chart(metric: MetricSummary) -> Chart | None:
    """Distances above the line of the other models, the highest first, with intervals."""
    found = robustness_plot(metric)
    if found is None:
        return None
    shown = found.ends(MOST)
    return Chart(
        key="robustness",
        title="Effective robustness",
        finding=_finding(found),
        result=_result(found),
        caption=_caption(metric, len(found), len(shown)),
        views={"robustness": _view(shown)},
        height=height_of(len(shown)),
    )


def year_chart(metric: MetricSummary) -> Chart | None:
    """The same distances by year of the model; None with fewer than two known years."""
    found = robustness_plot(metric)
    if found is None:
        return None
    dated = found.with_year()
    if len(np.unique(dated.year)) < 2:
        return None
    return Chart(
        key="years",
        title="Effective robustness by year",
        result=_trend(metric, len(dated)),
        caption=f"Points above the line of the other models, with {100 * metric.level:g} % confidence intervals, by "
        "the year in the registry. Adaptive overfitting would make later models fall below the line.",
        views={"years": _years_view(dated)},
        height=360,
    )


def _view(shown: RobustnessPlot) -> dict:
    rows, places = shown.rows.tolist(), np.arange(len(shown))
    data = [strokes([0, 0], [-1, len(shown)], "--quiet", line={"dash": "dash"})]
    usual = [shown.usual_low, shown.usual_high]
    if np.isfinite(usual).any():
        data.append(strokes(*bars(usual, places), "--quiet", rows=rows, width=7, opacity=0.25))
    for significant, colour in ((False, "--mark"), (True, "--line")):
        own = np.flatnonzero(shown.significant == significant)
        if len(own):
            data += _distances(shown, own, colour)
    return view(
        data,
        height=height_of(len(shown)),
        xaxis=axis("Effective robustness (points)", fixedrange=True),
        yaxis=named_axis(labels(shown.names, shown.highlighted)),
    )


def _distances(shown: RobustnessPlot, own: np.ndarray, colour: str) -> list[dict]:
    """Confidence intervals and markers of the models in these rows."""
    places, rows = own.tolist(), shown.rows[own].tolist()
    x, y = bars([shown.low[own], shown.high[own]], own)
    marker = {
        "symbol": [_symbol(shown, place) for place in places],
        "size": [13 if shown.highlighted[place] else 7 for place in places],
    }
    return [
        strokes(x, y, colour, rows=rows, width=1.5, opacity=0.6),
        markers(plain(shown.distance[own]), places, colour, said="distance", rows=rows, marker=marker),
    ]


def _symbol(shown: RobustnessPlot, place: int) -> str:
    if shown.highlighted[place]:
        return "star"
    return ("diamond" if shown.significant[place] else "circle") + ("-open" if shown.extrapolated[place] else "")


def _years_view(dated: RobustnessPlot) -> dict:
    rows, years = dated.rows.tolist(), dated.year
    ticks = {"dtick": 1} if np.ptp(years) <= 9 else {"nticks": 8}
    colours = np.where(dated.significant, "--line", "--mark").tolist()
    data = [
        strokes([years.min() - 0.6, years.max() + 0.6], [0, 0], "--quiet", line={"dash": "dash"}),
        whiskers([dated.low, dated.high], years, "--mark", rows=rows, width=1, opacity=0.35),
        markers(years.tolist(), plain(dated.distance), colours, said="distance", rows=rows, opacity=0.75),
    ]
    return view(
        data,
        height=360,
        xaxis=axis("Year", **ticks, tickformat="d", range=[years.min() - 0.6, years.max() + 0.6]),
        yaxis=axis("Effective robustness (points)"),
    )


def _finding(found: RobustnessPlot) -> str:
    """How many models are off the line, or how far they reach where that is not tested."""
    if np.isnan(found.p_holm).all():
        low, high = (end / 100 for end in (found.position.min(), found.position.max()))
        return f"Models lie from {signed_points(low)} to {signed_points(high)} points off the line of the other models"
    above, below = (int((found.significant & side).sum()) for side in (found.position > 0, found.position <= 0))
    said = [f"{count:,} {word}" for count, word in ((above, "above"), (below, "below")) if count]
    if not said:
        return "No model is significantly above or below the line of the other models"
    verb = "model is" if above + below == 1 else "models are"
    first = said[0].replace(" ", f" {verb} significantly ", 1)
    return f"{' and '.join((first, *said[1:]))} the line of the other models"


def _result(found: RobustnessPlot) -> str:
    known = found.with_distance()
    ends = ""
    if len(known):
        ends = (
            f"Highest: {known.names[0]}, {number(known.distance[0], 1)} points; lowest: {known.names[-1]}, "
            f"{number(known.distance[-1], 1)} points."
        )
    if np.isnan(found.p_holm).all():
        return ends
    count = int(found.significant.sum())
    return (
        f"{_how_many(count, len(found))} significantly above or below the line of the other models (Holm). {ends}"
    ).strip()


def _how_many(count: int, models: int) -> str:
    if count == 0:
        return "No model is"
    return f"{count:,} of {counted(models, 'model')} {'is' if count == 1 else 'are'}"


def _caption(metric: MetricSummary, count: int, shown: int) -> str:
    words = (
        "New accuracy minus the accuracy predicted by the line of all other models "
        f"({require(metric.statistics.robustness).scale} scale), with {100 * metric.level:g} % confidence "
        "intervals. Grey bars: the range expected from the scatter of the other models. Orange diamonds: statistically "
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
    p = "" if np.isnan(found.p_value) else f" (one-sided test for a decline, p = {number(found.p_value, 3)})"
    return (
        f"At equal original accuracy, new accuracies {way} by {number(100 * abs(found.per_year))} points per year over "
        f"{counted(found.models, 'model')}{p}."
    )
