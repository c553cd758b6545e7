"""Reliability diagrams: accuracy against confidence of each model, on either set."""

from evalshift.analysis.page.chart import Chart
from evalshift.analysis.page.model_curves import HEIGHT, WIDEST, curve_views
from evalshift.analysis.page.words import counted
from evalshift.analysis.pair_statistics.missing import or_none, require
from evalshift.analysis.plot_data.reliability import reliability_curves
from evalshift.analysis.summary import MetricSummary
from evalshift.formatting import points


def reliability_chart(metric: MetricSummary) -> Chart | None:
    """One diagram per set; None where no model has probabilities on both sets."""
    curves = reliability_curves(metric)
    if curves is None:
        return None
    sides, models = curves.sides, len(curves.titles)
    mean = "" if models == 1 else f" (means over {counted(models, 'model')})"
    return Chart(
        key="reliability",
        title="Calibration",
        finding=_finding(metric),
        result=f"Original set: {sides['original'].words}. New set: {sides['new'].words}{mean}.",
        caption="Accuracy against the mean probability of the first prediction (confidence), in bins of about as many "
        "images each: a thin line per model, a thick one for all models' images together. On the diagonal a model is "
        "calibrated, below it over-confident. The table of calibration has each model's numbers with confidence "
        "intervals.",
        views=curve_views(curves, ("Confidence (%)", "Accuracy (%)"), diagonal=True),
        height=HEIGHT,
        widest=WIDEST,
    )


@or_none
def _over_confidence(metric: MetricSummary) -> str:
    before, after, _ = require(metric.statistics.calibration).mean
    return f"Over-confidence goes from {points(float(before.mean[0]))} to {points(float(after.mean[0]))} points"


def _finding(metric: MetricSummary) -> str:
    return _over_confidence(metric) or ""
