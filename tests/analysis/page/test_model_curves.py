"""Reliability diagrams and risk–coverage curves of the page: where curves are, and what is said of them."""

import pytest
from confident import confident_pair, counts_of

from evalshift.analysis.page.model_curves import reliability_chart, risk_coverage_chart
from evalshift.analysis.summary import MetricSummary, summarize_outcomes


@pytest.fixture(scope="module")
def metric() -> MetricSummary:
    pair = confident_pair(4)
    return summarize_outcomes({"top1": counts_of(pair)}, predictions=pair, resamples=0).metrics["top1"]


def test_reliability_has_a_curve_per_model_and_set(metric):
    chart = reliability_chart(metric)
    assert chart is not None
    assert chart.names == ("original", "new")
    diagonal, models, *_ = chart.views["new"]["data"]
    assert diagonal["line"]["dash"] == "dash"
    bins = metric.statistics.calibration.new.bins
    place = metric.statistics.image_models.index(metric.table["model"][0])
    width = bins.confidence.shape[1]
    assert models["meta"] == {"rows": [0, 1, 2, 3], "each": width + 1}
    assert models["x"][:width] == pytest.approx(100 * bins.confidence[place], abs=0.01)
    assert models["x"][width] is None
    assert chart.result.startswith("Original set: ECE ")
    assert chart.result.endswith(" points (means over 4 models).")
    axes = [view["layout"] for view in chart.views.values()]
    assert axes[0]["xaxis"]["range"] == axes[1]["xaxis"]["range"] == axes[0]["yaxis"]["range"]


def test_risk_and_coverage_end_at_the_error_rate(metric):
    chart = risk_coverage_chart(metric)
    assert chart is not None
    models, hover, _ = chart.views["original"]["data"]
    assert models["y"][99] == pytest.approx(100 * (1 - metric.table["original_accuracy"][0]), abs=0.01)
    assert hover["hovertext"][99].startswith("<b>model ")
    assert "coverage 100.0 %, error rate" in hover["hovertext"][99]


def test_counts_alone_have_neither(make_outcomes):
    found = summarize_outcomes({"top1": make_outcomes([9, 8], [7, 6])}, resamples=0).metrics["top1"]
    assert reliability_chart(found) is None
    assert risk_coverage_chart(found) is None
