"""Tables of accuracies and drops with the sampling error of images that come in clusters."""

from typing import Any

import numpy as np

from evalshift.analysis.outcomes import ImagePredictions
from evalshift.analysis.pair_statistics.basis import SHARED
from evalshift.analysis.statistics.clustered import ClusteredAccuracies, clustered_accuracies, clustered_drop
from evalshift.analysis.statistics.clusterings import clusterings
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table
from evalshift.errors import AnalysisError

# Rows that a person reads of a table too long to be read.
_READ_ROWS = 40


def clusters_table(data: TableData) -> StatisticTable | None:
    """One row per set, attribute with clusters, and model; None where no attribute has clusters."""
    columns: dict[str, list[Any]] = {}
    for side, predictions in zip(("original", "new"), data.predictions or (), strict=False):
        for name, found in _clustered(predictions, data).items():
            for model, row in zip(data.image_models, data.image_order, strict=True):
                cells = {
                    "set": side,
                    "clusters_by": name,
                    "model": model,
                    "clusters": found.clusters,
                    "images": found.images,
                    "accuracy": found.accuracy[row],
                    "accuracy_low": found.interval.low[row],
                    "accuracy_high": found.interval.high[row],
                    "error": found.error[row],
                    "design_effect": found.design_effect[row],
                    "df": found.df,
                }
                for key, value in cells.items():
                    columns.setdefault(key, []).append(value)
    if not columns:
        return None
    return make_table(
        "clusters",
        "Accuracy with images in clusters",
        columns,
        [
            Column("set", "Set", "text"),
            Column("clusters_by", "Clusters by", "text"),
            Column("model", "Model", "model"),
            Column("clusters", "Clusters", "count"),
            Column("images", "Images", "count"),
            bounded("accuracy", "Accuracy (%)"),
            Column("design_effect", "Design effect"),
        ],
        f"{100 * data.statistics.level:g} % confidence intervals with whole clusters of images as the sampling unit "
        "(Korn and Graubard). Design effect: variance relative to that of as many independent images; at 4, intervals "
        "are about twice as wide as in the main table, which treats images as independent. "
        f"Up to {_READ_ROWS} rows are shown; the CSV table contains all.",
        empty="A model that is correct on all images, or on none, has no design effect.",
        choose=lambda frame: frame.head(_READ_ROWS),
    )


def clustered_drops_table(data: TableData) -> StatisticTable | None:
    """One row per model: the drop with clusters on either set; None where neither set has any."""
    if data.predictions is None or not any(clusterings(predictions.attributes) for predictions in data.predictions):
        return None
    if data.statistics.overlap:
        raise AnalysisError(SHARED)
    (original_name, original), (new_name, new) = (_strongest(predictions, data) for predictions in data.predictions)
    order, around = data.image_order, clustered_drop(original, new)
    by = "; ".join(f"{side} by {name}" for side, name in (("original", original_name), ("new", new_name)) if name)
    return make_table(
        "clustered_drops",
        "Drop with images in clusters",
        {
            "model": data.image_models,
            "drop": (original.accuracy - new.accuracy)[order],
            "drop_low": around.low[order],
            "drop_high": around.high[order],
            "original_clusters_by": [original_name] * len(order),
            "new_clusters_by": [new_name] * len(order),
        },
        [Column("model", "Model", "model"), bounded("drop", "Drop (points)", "points")],
        f"{100 * data.statistics.level:g} % confidence intervals with clusters of images ({by}: the attribute with the "
        "largest design effect); in a set without clusters, images are treated as independent.",
    )


def _clustered(predictions: ImagePredictions, data: TableData) -> dict[str, ClusteredAccuracies]:
    found = clusterings(predictions.attributes)
    if not found:
        return {}
    correct = predictions.correct(data.statistics.metric)
    return {name: clustered_accuracies(correct, cluster, data.statistics.level) for name, cluster in found.items()}


def _strongest(predictions: ImagePredictions, data: TableData) -> tuple[str, ClusteredAccuracies]:
    """The attribute with the largest mean error, and its accuracies; each image for itself where none has clusters."""
    found = _clustered(predictions, data)
    if found:
        return max(found.items(), key=lambda item: float(item[1].error.mean()))
    correct = predictions.correct(data.statistics.metric)
    return "", clustered_accuracies(correct, np.arange(correct.shape[1]), data.statistics.level)
