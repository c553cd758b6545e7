"""Table of new accuracies estimated without labels, beside the true ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.missing import either, reasons, require
from evalshift.analysis.statistics.agreement_line import AgreementLine
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, make_table
from evalshift.errors import AnalysisError
from evalshift.formatting import EMPTY, number, points

_METHODS = {"aline_d": "ALine-D", "aline_s": "ALine-S", "atc": "ATC", "doc": "DoC"}


def without_labels_table(data: TableData) -> StatisticTable:
    """One row per model: estimates from the agreement of models and from each one's confidence, with their errors."""
    statistics, order = data.statistics, data.image_order
    known = _estimates(statistics)
    if not known:
        both = {"agreement": statistics.without_labels, "confidence": statistics.confidence_estimates}
        raise AnalysisError("; ".join(dict.fromkeys(reasons(both).values())))
    new = require(statistics.new)
    accuracy = new.classes.correct.sum(axis=1) / new.images
    columns: dict[str, Any] = {"model": data.image_models, "new_accuracy": accuracy[order]}
    read = [Column("model", "Model", "model"), Column("new_accuracy", "New (%)", "percent")]
    nothing = np.full(len(accuracy), np.nan)
    for key, title in _METHODS.items():
        estimate = known.get(key, nothing)
        columns |= {key: estimate[order], f"{key}_error": (estimate - accuracy)[order]}
        if key in known:
            read += [Column(key, f"{title} (%)", "percent"), Column(f"{key}_error", "Error (points)", "points")]
    return make_table(
        "without_labels",
        "New accuracy without labels",
        columns,
        read,
        "Estimated without the new set's labels; error is estimate minus truth."
        + either(statistics.without_labels, _agreement_words, lambda reason: f" No ALine: {reason}.")
        + either(
            statistics.confidence_estimates,
            lambda found: _CONFIDENCE_WORDS,
            lambda reason: f" No ATC, no DoC: {reason}.",
        )
        + _mean_errors(columns),
        empty="ALine-D is empty for a model whose pairs do not determine it; ATC and DoC without probabilities.",
    )


def _estimates(statistics: Statistics) -> dict[str, np.ndarray]:
    """New accuracies of the models by each method that is computed."""
    agreed = either(
        statistics.without_labels,
        lambda found: {"aline_d": found.aline_d, "aline_s": found.aline_s},
        lambda reason: {},
    )
    confident = either(
        statistics.confidence_estimates, lambda found: {"atc": found.atc, "doc": found.doc}, lambda reason: {}
    )
    return agreed | confident


_CONFIDENCE_WORDS = (
    " ATC: share of new images above the confidence threshold at which the share of original images above it equals "
    "their accuracy. DoC: original accuracy minus the difference of mean confidences."
)


def _agreement_words(found: AgreementLine) -> str:
    r2 = EMPTY if np.isnan(found.r2) else number(found.r2, 3)
    return (
        " ALine: from the agreement of the models on both sets; the line of agreement is fitted to "
        f"{found.pairs:,} pairs of models: slope {found.slope:.2f}, R² {r2}, probit scale."
    )


def _mean_errors(columns: Mapping[str, Any]) -> str:
    """The mean absolute error of each method, as a sentence."""
    errors = [(title, np.abs(columns[f"{key}_error"])) for key, title in _METHODS.items()]
    told = [f"{title} {points(float(np.nanmean(error)))}" for title, error in errors if np.isfinite(error).any()]
    return f" Mean absolute error (points): {', '.join(told)}." if told else ""
