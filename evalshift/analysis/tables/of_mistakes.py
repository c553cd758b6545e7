"""The table of how far mistakes are from the true class."""

from typing import Any

from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table, with_bounds


def mistake_severity_table(data: TableData) -> StatisticTable | None:
    """One row per model; None where no tree of the classes is known."""
    found = require(data.statistics.mistake_severity)
    if found is None:
        return None
    order = data.image_order
    columns: dict[str, Any] = {"model": data.image_models}
    for side, one in (("original", found.original), ("new", found.new)):
        columns |= {
            f"{side}_mistakes": one.mistakes[order],
            f"{side}_distance": one.distance[order],
            **with_bounds(f"{side}_distance", one.interval, order),
            f"{side}_expected": one.expected[order],
            f"{side}_height": one.height[order],
        }
    columns["difference"] = found.change.difference[order]
    columns |= with_bounds("difference", found.change.interval, order)
    level = f"{100 * data.statistics.level:g} %"
    return make_table(
        "mistake_severity",
        "Severity of mistakes",
        columns,
        [
            Column("model", "Model", "model"),
            Column("original_mistakes", "Original mistakes", "count"),
            bounded("original_distance", "Original distance (bits)", "number"),
            Column("original_expected", "Expected (bits)"),
            Column("original_height", "Height (edges)"),
            Column("new_mistakes", "New mistakes", "count"),
            bounded("new_distance", "New distance (bits)", "number"),
            Column("new_expected", "Expected (bits)"),
            Column("new_height", "Height (edges)"),
            bounded("difference", "New − original (bits)", "number"),
        ],
        f"Mean distance of the incorrect predictions from the true class in the tree of {found.tree}, with its {level} "
        "confidence interval: log2 of the number of classes below their lowest common ancestor, 0 bits if correct. "
        "Expected: the distance if mistakes were spread equally over the other classes. Height: mean height of the "
        "lowest common ancestor above the classes."
        f"{data.no_intervals_of_changes}",
        empty="A distance is empty for a model without incorrect predictions, its interval for a model with only one.",
    )
