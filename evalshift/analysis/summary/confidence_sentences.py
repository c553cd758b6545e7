"""What the probabilities of the first predictions show, and accuracies without labels, as sentences."""

import numpy as np

from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.missing import either, or_none, require
from evalshift.formatting import counted, percent, points, points_ci


@or_none
def calibration_sentence(statistics: Statistics) -> str | None:
    """Whether models are more over-confident on the new images; the models' mean and its change."""
    found = require(statistics.calibration)
    before, after, change = found.mean
    models, level = len(found.models), statistics.level
    low, high = float(change.interval.low[0]), float(change.interval.high[0])
    interval = f", {points_ci(low, high, level)}" if np.isfinite(low) else ""
    significant = int(np.sum(np.nan_to_num(found.p_holm, nan=1.0) < 1 - level))
    several = f"; {significant} of {models} change significantly (Holm)" if models > 1 else ""
    return (
        "Over-confidence (mean probability of the first prediction minus accuracy) is "
        f"{points(float(before.mean[0]))} points on the original set and {points(float(after.mean[0]))} points on the "
        f"new set{f', mean over {models} models' if models > 1 else ''} (change {points(float(change.change[0]))} "
        f"points{interval}){several}."
    )


@or_none
def selective_sentence(statistics: Statistics) -> str | None:
    """How accurate models are on the half of the images that they are most confident on."""
    found = require(statistics.selective)
    coverage = min(found.original.accuracy)
    places = list(found.models)
    before, after = (float(side.accuracy[coverage].mean[places].mean()) for side in (found.original, found.new))
    mean = f", mean over {counted(len(places), 'model')}" if len(places) > 1 else ""
    return (
        f"On the {100 * coverage:g} % of the images on which a model is most confident, accuracy is "
        f"{percent(before)} % on the original set and {percent(after)} % on the new set{mean}."
    )


@or_none
def without_labels_sentence(statistics: Statistics) -> str | None:
    """How well agreement and confidence predict the new accuracies."""
    new = require(statistics.new)
    accuracy = new.classes.correct.sum(axis=1) / new.images
    agreed = either(statistics.without_labels, lambda found: {"agreement, ALine-D": found.aline_d}, lambda reason: {})
    confident = either(
        statistics.confidence_estimates,
        lambda found: {"confidence, ATC": found.atc, "confidence, DoC": found.doc},
        lambda reason: {},
    )
    errors = {title: np.abs(estimate - accuracy) for title, estimate in (agreed | confident).items()}
    told = [
        f"{points(float(np.nanmean(error)))} points ({title})"
        for title, error in errors.items()
        if np.isfinite(error).any()
    ]
    if not told:
        return None
    return f"Mean absolute error of new accuracies estimated without labels: {', '.join(told)}."
