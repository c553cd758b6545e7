"""The table of mistakes within the superclass."""

from typing import Any

import numpy as np

from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table
from evalshift.formatting import name_some


def hierarchical_errors_table(data: TableData) -> StatisticTable | None:
    """One row per declaration of superclasses and model; None where none is declared."""
    found = require(data.statistics.superclass_errors)
    if not found:
        return None
    order = data.image_order
    columns: dict[str, list[Any]] = {}
    for errors in found:
        cells: dict[str, Any] = {
            "superclasses": np.full(len(order), errors.superclasses.name, dtype=object),
            "model": np.array(data.image_models, dtype=object),
        }
        for side, one in (("original", errors.original), ("new", errors.new)):
            cells |= {
                f"{side}_mistakes": one.mistakes[order],
                f"{side}_within": one.within[order],
                f"{side}_share": one.share[order],
                f"{side}_share_low": one.interval.low[order],
                f"{side}_share_high": one.interval.high[order],
                f"{side}_expected": one.expected[order],
            }
        cells |= {
            "difference": errors.change.difference[order],
            "difference_low": errors.change.interval.low[order],
            "difference_high": errors.change.interval.high[order],
        }
        for key, values in cells.items():
            columns.setdefault(key, []).extend(values.tolist())
    names = "; ".join(f"{one.superclasses.name}: {name_some(one.superclasses.names)}" for one in found)
    return make_table(
        "hierarchical_errors",
        "Mistakes within the superclass",
        columns,
        [
            Column("superclasses", "Superclasses", "text"),
            Column("model", "Model", "model"),
            Column("original_mistakes", "Original mistakes", "count"),
            bounded("original_share", "Original share within (%)"),
            Column("original_expected", "Expected (%)", "percent"),
            Column("new_mistakes", "New mistakes", "count"),
            bounded("new_share", "New share within (%)"),
            Column("new_expected", "Expected (%)", "percent"),
            bounded("difference", "New − original (points)", "change"),
        ],
        "Share of the incorrect predictions that fall in the superclass of the image's class, on images whose class is "
        f"in one, with its exact {100 * data.statistics.level:g} % confidence interval. Expected: the share if "
        f"mistakes were spread equally over the other classes. Superclasses of {names}."
        f"{data.no_intervals_of_changes}",
        empty="A share is empty for a model without incorrect predictions.",
    )
