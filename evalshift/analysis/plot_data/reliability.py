"""Reliability diagrams: confidence and accuracy of each model in bins of its images, on both sets."""

from collections.abc import Sequence

import numpy as np

from evalshift.analysis.pair_statistics.missing import or_none, require
from evalshift.analysis.plot_data.model_curves import CurveSide, ModelCurves, model_curves
from evalshift.analysis.statistics.calibration import BINS, Calibration, ReliabilityBins
from evalshift.analysis.summary import MetricSummary
from evalshift.formatting import points


@or_none
def reliability_curves(metric: MetricSummary, models: Sequence[str] | None = None) -> ModelCurves | None:
    """x confidence, y accuracy of the bins of all models with probabilities on both sets, or of those named.

    None where there is none; raises UsageError for a name that is not one of theirs.
    """
    found = require(metric.statistics.calibration)
    sides = {"original": found.original, "new": found.new}
    return model_curves(
        metric,
        found.models,
        models,
        side=lambda name, places: _side(sides[name], places),
        labels=("Confidence (%)", "Accuracy (%)"),
        binned=True,
    )


def _side(found: Calibration, places: np.ndarray) -> CurveSide:
    over, error = float(found.over_confidence.mean[places].mean()), float(found.ece[places].mean())
    return CurveSide(
        x=found.bins.confidence[places],
        y=found.bins.accuracy[places],
        together=_together(found.bins, places),
        words=f"ECE {points(error)}, over-confidence {points(over)} points",
    )


def _together(bins: ReliabilityBins, places: np.ndarray) -> np.ndarray:
    """All models' bins from the least to the most confident, joined to about as many bins of equal mass as one has."""
    images, confidence, accuracy = (values[places].ravel() for values in (bins.images, bins.confidence, bins.accuracy))
    order = np.argsort(np.where(images > 0, confidence, np.inf), kind="stable")[: int((images > 0).sum())]
    images, confidence, accuracy = images[order], confidence[order], accuracy[order]
    middle = (np.cumsum(images) - images / 2) / images.sum()
    wanted = min(BINS, bins.images.shape[1])
    _, starts = np.unique((middle * wanted).astype(np.int64), return_index=True)
    total = np.add.reduceat(images, starts)
    return np.array([np.add.reduceat(values * images, starts) / total for values in (confidence, accuracy)])
