"""Figures with a curve per model, one view per set: reliability diagrams and risk–coverage curves."""

import numpy as np

from evalshift.analysis.page.chart import Chart, axis, markers, plain, strokes, view
from evalshift.analysis.page.words import plotly_text
from evalshift.analysis.pair_statistics.missing import or_none, require
from evalshift.analysis.plot_data.model_curves import ModelCurves
from evalshift.analysis.plot_data.reliability import reliability_curves
from evalshift.analysis.plot_data.risk_coverage import risk_coverage_curves
from evalshift.analysis.summary import MetricSummary
from evalshift.formatting import counted, percent, points

_HEIGHT, _WIDEST = 460, 560  # pixels
_COLOURS = {"original": "--mark", "new": "--line"}


def reliability_chart(metric: MetricSummary) -> Chart | None:
    """Accuracy against confidence of each model, on either set; None where no model has probabilities on both."""
    return _chart(
        reliability_curves(metric),
        key="reliability",
        title="Calibration",
        finding=_over_confidence(metric) or "",
        result="Original set: {original}. New set: {new}{mean}.",
        caption="Accuracy against the mean probability of the first prediction (confidence), in bins of about equal "
        "size: a thin line per model, a thick one for all models pooled. On the diagonal a model is "
        "calibrated, below it over-confident. The table of calibration has each model's numbers with confidence "
        "intervals.",
    )


def risk_coverage_chart(metric: MetricSummary) -> Chart | None:
    """Error rate of each model on its most confident images; None where no model has probabilities on both sets."""
    return _chart(
        risk_coverage_curves(metric),
        key="risk_coverage",
        title="Selective prediction",
        result="Area under the risk–coverage curve: original set, {original}; new set, {new}{mean}.",
        caption="Error rate on the images on which a model is most confident, against their share (coverage): a thin "
        "line per model, a thick one for their mean. At 100 % it is one minus the accuracy. A model whose "
        "confidence identifies its errors has a low curve that rises late.",
    )


@or_none
def _over_confidence(metric: MetricSummary) -> str:
    before, after, _ = require(metric.statistics.calibration).mean
    return f"Over-confidence goes from {points(float(before.mean[0]))} to {points(float(after.mean[0]))} points"


def _chart(
    curves: ModelCurves | None, *, key: str, title: str, result: str, caption: str, finding: str = ""
) -> Chart | None:
    """One diagram per set; `result` has places for the words of either set and for what they are a mean over."""
    if curves is None:
        return None
    models, words = curves.models, {name: side.words for name, side in curves.sides.items()}
    mean = "" if models == 1 else f" (means over {counted(models, 'model')})"
    return Chart(
        key=key,
        title=title,
        finding=finding,
        result=result.format(**words, mean=mean),
        caption=f"{caption} Drawn are {curves.of_all}." if curves.of_all else caption,
        views=_views(curves),
        height=_HEIGHT,
        widest=_WIDEST,
    )


def _views(curves: ModelCurves) -> dict[str, dict]:
    """Either set: a thin line per model, the one that stands for all, and the diagonal for bins. Equal axes."""
    spans = [curves.span("x"), curves.span("y")]
    if curves.binned:
        spans = [(min(low for low, _ in spans), 1.0)] * 2
    ranges = [[100 * low - 1, 100 * high + 1] for low, high in spans]
    return {name: _view(curves, name, ranges) for name in curves.sides}


def _view(curves: ModelCurves, name: str, ranges: list[list[float]]) -> dict:
    side, colour, rows = curves.sides[name], _COLOURS[name], curves.rows.tolist()
    gap = np.full((len(curves.titles), 1), np.nan)
    x, y = (np.hstack([values, gap]) for values in (side.x, side.y))
    each = x.shape[1]
    named = [label.partition(" (")[0].lower() for label in curves.labels]
    texts = [
        f"<b>{plotly_text(title)}</b><br>{named[0]} {percent(along)} %, {named[1]} {percent(up)} %"
        for title, of_x, of_y in zip(curves.titles, x, y, strict=True)
        for along, up in zip(of_x, of_y, strict=True)
    ]
    of_models = plain(100 * x.ravel(), 2), plain(100 * y.ravel(), 2)
    together = plain(100 * side.together[0], 2), plain(100 * side.together[1], 2)
    # Points to hover over; those of bins can be seen.
    size, visible = (4, 0.3) if curves.binned else (3, 0.0)
    meta = {"rows": rows, "each": each}
    guide = [strokes([0, 100], [0, 100], "--quiet", line={"dash": "dash"})] if curves.binned else []
    return view(
        [
            *guide,
            strokes(*of_models, colour, rows=rows, each=each, opacity=0.35),
            markers(*of_models, colour, text=texts, marker={"size": size, "opacity": visible}, meta=meta),
            strokes(*together, colour, width=3),
            *([markers(*together, colour)] if curves.binned else []),
        ],
        height=_HEIGHT,
        xaxis=axis(curves.labels[0], range=ranges[0]),
        yaxis=axis(curves.labels[1], range=ranges[1]),
    )
