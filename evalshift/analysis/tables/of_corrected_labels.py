"""Tables of corrected labels: accuracies and ranks by them, and how they differ from a set's own."""

from typing import Any

from evalshift.analysis.pair_statistics.corrected_labels import CorrectedLabels
from evalshift.analysis.pair_statistics.missing import either, require
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table, with_bounds

_SAME_IMAGES = "Both by the images that have corrected labels alone"


def corrected_labels_table(data: TableData) -> StatisticTable | None:
    """One row per set and model; None where no corrected labels are known."""
    found = require(data.statistics.corrected_labels)
    if found is None:
        return None
    order, columns = data.image_order, {}
    for side, one in found.sets:
        noise = one.noise
        cells: dict[str, Any] = {
            "set": [side] * len(order),
            "model": data.image_models,
            "images": [noise.images] * len(order),
            "plain_correct": noise.plain[order],
            "plain_accuracy": noise.plain[order] / noise.images,
            "corrected_correct": noise.corrected[order],
            "corrected_accuracy": noise.corrected[order] / noise.images,
            "difference": noise.difference[order],
            **with_bounds("difference", noise.interval, order),
            "plain_rank": noise.plain_rank[order],
            "corrected_rank": noise.corrected_rank[order],
            "rank_change": noise.rank_change[order],
            "reversed": (noise.reversed_pairs | noise.reversed_pairs.T).sum(axis=1)[order],
        }
        for key, values in cells.items():
            columns.setdefault(key, []).extend(values)
    return make_table(
        "corrected_labels",
        "Accuracy by corrected labels",
        columns,
        [
            Column("set", "Set", "text"),
            Column("model", "Model", "model"),
            Column("plain_accuracy", "Own labels (%)", "percent"),
            Column("corrected_accuracy", "Corrected labels (%)", "percent"),
            bounded("difference", "Difference (points)", "points"),
            Column("plain_rank", "Rank, own labels", "count"),
            Column("corrected_rank", "Corrected", "count"),
            Column("rank_change", "Change", "count"),
            Column("reversed", "Reversed pairs", "count"),
        ],
        f"{_SAME_IMAGES}; a prediction is correct if it is one of the corrected labels. Difference: corrected − own, "
        f"with {100 * data.statistics.level:g} % confidence intervals of paired proportions. Tied models share the "
        "better rank; the change is what no order of tied models explains. Reversed pairs: other models from which "
        f"this one differs significantly by both kinds of label, in opposite directions.{_drops_missing(found)}",
    )


def _drops_missing(found: CorrectedLabels) -> str:
    return either(found.drops, lambda drops: "", lambda reason: f" Drops are not computed: {reason}.")


def corrected_label_sets_table(data: TableData) -> StatisticTable | None:
    """One row per set that has corrected labels; None where there is none."""
    found = require(data.statistics.corrected_labels)
    if found is None:
        return None
    rows = [
        {
            "set": side,
            "images": one.errors.images,
            "without": one.errors.without,
            "several": one.errors.several,
            "contradicted": one.errors.contradicted,
            "share": one.errors.share,
            "share_low": one.errors.interval.low,
            "share_high": one.errors.interval.high,
        }
        for side, one in found.sets
    ]
    return make_table(
        "corrected_label_sets",
        "Corrected labels of the sets",
        {key: [row[key] for row in rows] for key in rows[0]},
        [
            Column("set", "Set", "text"),
            Column("images", "Images with corrected labels", "count"),
            Column("without", "Without, left out", "count"),
            Column("several", "With several", "count"),
            Column("contradicted", "Own label not among them", "count"),
            bounded("share", "Share (%)"),
        ],
        f"Share: images whose own label is not among the corrected ones, with its exact "
        f"{100 * data.statistics.level:g} % confidence interval.",
    )


def corrected_drops_table(data: TableData) -> StatisticTable | None:
    """One row per model; None where one of the sets has no corrected labels."""
    found = require(data.statistics.corrected_labels)
    if found is None or found.original is None or found.new is None:
        return None
    drops, order = require(found.drops), data.image_order
    return make_table(
        "corrected_drops",
        "Drop by corrected labels",
        {
            "model": data.image_models,
            "plain_drop": drops.plain[order],
            "corrected_drop": drops.corrected[order],
            "difference": drops.difference[order],
            **with_bounds("difference", drops.interval, order),
        },
        [
            Column("model", "Model", "model"),
            Column("plain_drop", "Own labels (points)", "points"),
            Column("corrected_drop", "Corrected labels (points)", "points"),
            bounded("difference", "Difference (points)", "points"),
        ],
        f"{_SAME_IMAGES}. Difference: drop by corrected labels minus drop by the sets' own, with "
        f"{100 * data.statistics.level:g} % confidence intervals.{data.no_intervals_of_changes}",
    )
