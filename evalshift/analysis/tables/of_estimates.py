"""Table of new accuracies estimated without labels, beside the true ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from evalshift.analysis.pair_statistics.missing import Missing, require
from evalshift.analysis.statistics.agreement_line import AgreementLine
from evalshift.analysis.statistics.confidence_estimates import ConfidenceEstimates
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, make_table
from evalshift.errors import AnalysisError
from evalshift.formatting import EMPTY, number, points

# Key, title, and the methods whose tables show it.
_METHODS = (("aline_d", "ALine-D"), ("aline_s", "ALine-S"), ("atc", "ATC"), ("doc", "DoC"))


def without_labels_table(data: TableData) -> StatisticTable:
    """One row per model: estimates from the agreement of models and from each one's confidence, with their errors."""
    agreed, confident, order = data.statistics.without_labels, data.statistics.confidence_estimates, data.image_order
    if isinstance(agreed, Missing) and isinstance(confident, Missing):
        raise AnalysisError(f"{agreed.reason}; {confident.reason}" if agreed != confident else agreed.reason)
    new = require(data.statistics.new)
    accuracy = new.classes.correct.sum(axis=1) / new.images
    columns: dict[str, Any] = {"model": data.image_models, "new_accuracy": accuracy[order]}
    read = [Column("model", "Model", "model"), Column("new_accuracy", "New (%)", "percent")]
    nothing = np.full(len(accuracy), np.nan)
    for key, title in _METHODS:
        estimate = getattr(agreed if key.startswith("aline") else confident, key, nothing)
        columns |= {key: estimate[order], f"{key}_error": (estimate - accuracy)[order]}
        if estimate is not nothing:
            read += [Column(key, f"{title} (%)", "percent"), Column(f"{key}_error", "Error (points)", "points")]
    return make_table(
        "without_labels",
        "New accuracy without labels",
        columns,
        read,
        "Estimated without the new set's labels; error is estimate minus truth."
        + (_agreement_words(agreed) if isinstance(agreed, AgreementLine) else f" No ALine: {agreed.reason}.")
        + (_CONFIDENCE_WORDS if isinstance(confident, ConfidenceEstimates) else f" No ATC, no DoC: {confident.reason}.")
        + _mean_errors(columns),
        empty="ALine-D is empty for a model whose pairs leave it open, ATC and DoC for one without probabilities.",
    )


_CONFIDENCE_WORDS = (
    " ATC: share of new images above the confidence that as many original images exceed as are correct. DoC: original "
    "accuracy less the difference of mean confidences."
)


def _agreement_words(found: AgreementLine) -> str:
    r2 = EMPTY if np.isnan(found.r2) else number(found.r2, 3)
    return (
        " ALine: from how the models agree on either set; the line of agreement goes through "
        f"{found.pairs:,} pairs of models: slope {found.slope:.2f}, R² {r2}, probit scale."
    )


def _mean_errors(columns: Mapping[str, Any]) -> str:
    """The mean absolute error of each method, as a sentence."""
    errors = [(title, np.abs(columns[f"{key}_error"])) for key, title in _METHODS]
    told = [f"{title} {points(float(np.nanmean(error)))}" for title, error in errors if np.isfinite(error).any()]
    return f" Mean absolute error (points): {', '.join(told)}." if told else ""
