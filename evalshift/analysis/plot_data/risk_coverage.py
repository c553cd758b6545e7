"""Risk–coverage curves: the error rate of each model on its most confident images, on both sets."""

from collections.abc import Sequence

import numpy as np

from evalshift.analysis.pair_statistics.missing import or_none, require
from evalshift.analysis.plot_data.model_curves import CurveSide, ModelCurves, model_curves
from evalshift.analysis.statistics.selective import CURVE, SelectivePrediction
from evalshift.analysis.summary import MetricSummary
from evalshift.formatting import points


@or_none
def risk_coverage_curves(metric: MetricSummary, models: Sequence[str] | None = None) -> ModelCurves | None:
    """x coverage, y error rate of all models with probabilities on both sets, or of those named.

    The curve that stands for all is the mean over models. None where there is no model; raises UsageError for a name
    that is not one of theirs.
    """
    found = require(metric.statistics.selective)
    sides = {"original": found.original, "new": found.new}
    return model_curves(
        metric,
        found.models,
        models,
        side=lambda name, places: _side(sides[name], places),
        labels=("Coverage (%)", "Error rate (%)"),
        binned=False,
    )


def _side(found: SelectivePrediction, places: np.ndarray) -> CurveSide:
    risk = found.risk[places]
    return CurveSide(
        x=np.broadcast_to(CURVE, risk.shape).copy(),
        y=risk,
        together=np.array([CURVE, risk.mean(axis=0)]),
        words=f"AURC {points(float(found.aurc.mean[places].mean()))} %",
    )
