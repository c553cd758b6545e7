"""Each model's mean accuracy over several new sets of one original, such as the corruptions of CIFAR-10-C."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from evalshift.analysis.summary.records import MetricSummary, PairSummary
from evalshift.analysis.tables.table import Column, StatisticTable, make_table


def means_table(pairs: Sequence[PairSummary], metric: str = "top1") -> StatisticTable | None:
    """One row per original set and model; None where no original set has two new ones.

    Each new set counts alike, whatever its size; a model takes part where it has predictions on all of them.
    Source: Hendrycks and Dietterich 2019, arXiv 1903.12261 (mean corruption error; theirs is divided by AlexNet's).
    """
    columns: dict[str, list[Any]] = {}
    for original, found in _by_original(pairs, metric).items():
        for row in _rows(original, found):
            for key, value in row.items():
                columns.setdefault(key, []).append(value)
    if not columns:
        return None
    return make_table(
        "means_over_sets",
        "Mean over new test sets",
        columns,
        [
            Column("original", "Original set", "text"),
            Column("model", "Model", "text"),
            Column("sets", "New sets", "count"),
            Column("original_accuracy", "Original (%)", "percent"),
            Column("mean_accuracy", "Mean of new (%)", "percent"),
            Column("mean_error", "Mean error (%)", "percent"),
            Column("mean_drop", "Mean drop (points)", "points"),
            Column("worst_set", "Worst set", "text"),
            Column("worst_accuracy", "Worst (%)", "percent"),
        ],
        "Means over the new sets of one original, each set counting alike. The mean error is not divided by that of "
        "another network, as the mean corruption error (mCE) of ImageNet-C is.",
    )


def _by_original(pairs: Sequence[PairSummary], metric: str) -> dict[str, list[tuple[str, MetricSummary]]]:
    """The new sets of each original set that has at least two."""
    found: dict[str, list[tuple[str, MetricSummary]]] = {}
    for pair in pairs:
        if metric in pair.metrics:
            found.setdefault(pair.original, []).append((pair.new, pair.metrics[metric]))
    return {original: sets for original, sets in found.items() if len(sets) > 1}


def _rows(original: str, sets: list[tuple[str, MetricSummary]]) -> list[dict[str, Any]]:
    """The models that are on all sets, by their mean accuracy."""
    before = _accuracies(sets[0][1], "original_accuracy")
    after = [_accuracies(metric, "new_accuracy") for _, metric in sets]
    rows = []
    for model in before:
        if not all(model in found for found in after):
            continue
        accuracy = np.array([found[model] for found in after], dtype=np.float64)
        worst = int(accuracy.argmin())
        row = {
            "original": original,
            "model": model,
            "sets": len(sets),
            "original_accuracy": before[model],
            "mean_accuracy": float(accuracy.mean()),
            "mean_error": float(1 - accuracy.mean()),
            "mean_drop": float(before[model] - accuracy.mean()),
            "worst_set": sets[worst][0],
            "worst_accuracy": float(accuracy[worst]),
        }
        rows.append(row)
    return sorted(rows, key=lambda row: (-row["mean_accuracy"], row["model"]))


def _accuracies(metric: MetricSummary, column: str) -> dict[str, float]:
    """An accuracy of each model, by its name."""
    return dict(zip(metric.table["model"].tolist(), metric.table[column].tolist(), strict=True))
