"""Accuracy on one stored dataset with and without the images that were found to be near-duplicates."""

from collections.abc import Collection

import numpy as np

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.outcomes.stored_pair import load_predictions
from evalshift.analysis.statistics.near_duplicates import OnDuplicates, accuracy_on_duplicates
from evalshift.analysis.tables.table import Column, StatisticTable, bounded, make_table, with_bounds
from evalshift.errors import AnalysisError, UsageError
from evalshift.evaluate.store import Results
from evalshift.formatting import counted


def set_duplicates(
    results: Results, dataset: str, duplicates: Collection[str], metric: str = "top1", level: float = 0.95
) -> tuple[StatisticTable, OnDuplicates]:
    """The table "near_duplicates" of all models on a stored dataset, the best first, and its numbers in that order.

    duplicates  ids of the images that are near-duplicates
    Raises UsageError for a dataset that is not stored or another metric, AnalysisError for an id that it lacks.
    """
    if metric not in METRICS:
        raise UsageError("unknown metric", found=metric, expected=", ".join(METRICS))
    predictions, _ = load_predictions(results, dataset)
    missing = set(duplicates) - set(predictions.ids)
    if missing:
        raise AnalysisError(
            "the stored predictions are of other images",
            where=f"{results.path}, {dataset}",
            found=f"no image {min(missing)}",
            fix="review the dataset that was evaluated",
        )
    correct = predictions.correct(metric)
    order = np.argsort(-correct.mean(axis=1), kind="stable")
    flagged = np.array([name in set(duplicates) for name in predictions.ids])
    found = accuracy_on_duplicates(correct[order], flagged, level)
    table = make_table(
        "near_duplicates",
        "Accuracy with and without near-duplicates",
        {
            "model": [predictions.models[place] for place in order],
            "accuracy": correct[order].mean(axis=1),
            "on_duplicates": found.duplicates,
            "without": found.accuracy,
            **with_bounds("without", found.interval, np.arange(len(order))),
            "inflation": found.inflation,
        },
        (
            Column("model", "Model", "model"),
            Column("accuracy", "All images (%)", "percent"),
            Column("on_duplicates", "Near-duplicates (%)", "percent"),
            bounded("without", "Other images (%)"),
            Column("inflation", "Difference (points)", "change"),
        ),
        f"{int(flagged.sum()):,} of {counted(len(flagged), 'image')} are near-duplicates. Intervals: "
        f"{100 * level:.4g} % "
        "(Clopper–Pearson).",
    )
    return table, found
