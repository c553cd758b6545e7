"""Tables of what the probabilities of the first predictions say, and logits where they are stored."""

from typing import Any

import numpy as np

from evalshift.analysis.pair_statistics.calibration_shift import LikelihoodShift, ModelLikelihood
from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table, with_bounds
from evalshift.formatting import name_some


def calibration_table(data: TableData) -> StatisticTable:
    """Over-confidence, calibration error and Brier score of each model on both sets, and their changes."""
    found, order = require(data.statistics.calibration), data.image_order
    level = data.statistics.level
    columns = {"model": data.image_models}
    for side, one in (("original", found.original), ("new", found.new)):
        columns |= {
            f"{side}_images": one.confidence.images[order],
            f"{side}_confidence": one.confidence.mean[order],
            f"{side}_accuracy": one.accuracy.mean[order],
            f"{side}_over_confidence": one.over_confidence.mean[order],
            **with_bounds(f"{side}_over_confidence", one.over_confidence.interval(level, (-1.0, 1.0)), order),
            f"{side}_ece": one.ece[order],
            **with_bounds(f"{side}_ece", one.ece_interval, order),
            f"{side}_ece_plain": one.ece_plain[order],
            f"{side}_p_calibrated": one.p_value[order],
            f"{side}_brier": one.brier.mean[order],
            **with_bounds(f"{side}_brier", one.brier.interval(level, (0.0, 1.0)), order),
        }
    columns |= {
        "over_confidence_change": found.over_confidence.change[order],
        **with_bounds("over_confidence_change", found.over_confidence.interval, order),
        "p_value": found.over_confidence.p_value[order],
        "p_holm": found.p_holm[order],
        "ece_change": found.ece_change[order],
        **with_bounds("ece_change", found.ece_change_interval, order),
        "brier_change": found.brier.change[order],
        **with_bounds("brier_change", found.brier.interval, order),
    }
    return make_table(
        "calibration",
        "Calibration of the first prediction",
        columns,
        [
            Column("model", "Model", "model"),
            bounded("original_over_confidence", "Over-confidence, original (points)", "points"),
            bounded("new_over_confidence", "New", "points"),
            bounded("over_confidence_change", "Change", "points"),
            Column("p_holm", "p (Holm)", "p"),
            bounded("original_ece", "ECE, original (points)", "points"),
            bounded("new_ece", "New", "points"),
            bounded("ece_change", "Change", "points"),
            bounded("original_brier", "Brier, original", "number"),
            bounded("new_brier", "New", "number"),
        ],
        "Over-confidence: mean probability of the first prediction minus accuracy. ECE: mean distance of probability "
        "and accuracy over bins of about equal size, debiased; its interval begins at 0 if the model may be "
        "calibrated. Brier: mean squared difference of probability and correctness. p of no change in "
        f"over-confidence, adjusted over the models.{_of_shared_images(data)}{without_probabilities(data)}",
        empty="Bounds are empty where all images have the same value or nothing was resampled.",
    )


def _of_shared_images(data: TableData) -> str:
    if not data.statistics.overlap:
        return ""
    return (
        " The sets share images: intervals of changes in over-confidence and in the Brier score allow for that, the "
        "change of ECE has none."
    )


def without_probabilities(data: TableData) -> str:
    """Which models have no probabilities, as a sentence; empty where all have them."""
    known = set(require(data.statistics.calibration).models)
    names = [
        data.statistics.titles.model(model)
        for model, place in zip(data.image_models, data.image_order, strict=True)
        if place not in known
    ]
    return f" Empty, because probabilities are not stored on both sets: {name_some(names)}." if names else ""


def selective_table(data: TableData) -> StatisticTable:
    """Area under the risk–coverage curve and accuracy at fixed coverages of each model on both sets, and changes."""
    found, order = require(data.statistics.selective), data.image_order
    level, percents = data.statistics.level, {coverage: f"{100 * coverage:g}" for coverage in found.drops}
    columns: dict[str, Any] = {"model": data.image_models}
    for side, one in (("original", found.original), ("new", found.new)):
        columns |= {
            f"{side}_aurc": one.aurc.mean[order],
            **with_bounds(f"{side}_aurc", one.aurc.interval(level, (0.0, 1.0)), order),
            f"{side}_excess_aurc": one.excess_aurc[order],
        }
        for coverage, words in percents.items():
            columns |= {
                f"{side}_accuracy_at_{words}": one.accuracy[coverage].mean[order],
                **with_bounds(f"{side}_accuracy_at_{words}", one.accuracy_interval(coverage, level), order),
            }
    columns |= {"aurc_change": found.aurc.change[order], **with_bounds("aurc_change", found.aurc.interval, order)}
    for coverage, words in percents.items():
        drop, around = found.drops[coverage]
        columns |= {f"drop_at_{words}": drop[order], **with_bounds(f"drop_at_{words}", around, order)}
    at = [
        column
        for words in percents.values()
        for column in (
            bounded(f"original_accuracy_at_{words}", f"Accuracy at {words} %, original (%)"),
            bounded(f"new_accuracy_at_{words}", "New"),
        )
    ]
    return make_table(
        "selective",
        "Selective prediction",
        columns,
        [
            Column("model", "Model", "model"),
            bounded("original_aurc", "AURC, original (%)"),
            bounded("new_aurc", "New"),
            bounded("aurc_change", "Change (points)", "points"),
            *at,
        ],
        "AURC: area under the risk–coverage curve, the error rate on the most confident images averaged over all "
        "coverages (shares of images that are kept); lower is better. Accuracy at a coverage: on that share of the "
        f"most confident images of the same set.{data.no_intervals_of_changes}{without_probabilities(data)}",
        empty="The bounds of an area are empty if the model makes no error.",
    )


def likelihood_table(data: TableData) -> StatisticTable:
    """Negative log-likelihood and temperature of the models with logits."""
    found = require(data.statistics.likelihood)
    place = {model: position for position, model in enumerate(data.image_models)}
    rows = [_likelihood_row(one, data.statistics.level) for one in sorted(found.models, key=lambda o: place[o.model])]
    return make_table(
        "likelihood",
        "Negative log-likelihood and temperature",
        {key: [row[key] for row in rows] for key in rows[0]},
        [
            Column("model", "Model", "model"),
            bounded("original_nll", "NLL, original", "number"),
            bounded("new_nll", "New", "number"),
            bounded("nll_change", "Change", "number"),
            bounded("original_temperature", "Temperature, original", "number"),
            bounded("new_temperature", "New", "number"),
            bounded("scaled_nll", "New NLL at the original temperature", "number"),
        ],
        "Negative log-likelihood (NLL) of the labels per image, in nats, from stored logits. Temperature: the divisor "
        "of the logits that minimises NLL; above 1 for an over-confident model. If the original temperature is too low "
        f"for the new set, calibration does not transfer.{_without_logits(data, found)}",
        empty="A temperature is empty if none minimises the NLL, as on a set without mistakes; an NLL, if a label has "
        "probability 0.",
    )


def _likelihood_row(found: ModelLikelihood, level: float) -> dict[str, object]:
    row: dict[str, object] = {"model": found.model}
    for name, mean in (("original_nll", found.original), ("new_nll", found.new), ("scaled_nll", found.scaled)):
        around = mean.interval(level, (0.0, np.inf))
        row |= {name: float(mean.mean[0]), f"{name}_low": float(around.low[0]), f"{name}_high": float(around.high[0])}
    change = found.change
    row |= {
        "nll_change": float(change.change[0]),
        "nll_change_low": float(change.interval.low[0]),
        "nll_change_high": float(change.interval.high[0]),
    }
    for side, one in zip(("original", "new"), found.temperatures, strict=True):
        row |= {
            f"{side}_temperature": one.temperature,
            f"{side}_temperature_low": one.interval.low,
            f"{side}_temperature_high": one.interval.high,
        }
    return row


def _without_logits(data: TableData, found: LikelihoodShift) -> str:
    known = {one.model for one in found.models}
    names = [data.statistics.titles.model(model) for model in data.image_models if model not in known]
    reasons = sorted(set(found.unusable.values()))
    return (f" Without usable logits on both sets: {name_some(names)}." if names else "") + (
        f" ({'; '.join(reasons)}.)" if reasons else ""
    )
