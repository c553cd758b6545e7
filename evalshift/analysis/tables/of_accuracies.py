"""The main table: accuracies, drops and ranks of all models."""

import pandas as pd

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.tables.table import Column, StatisticTable, make_table
from evalshift.titles import Titles

SIGNIFICANT = "* statistically significant"


def accuracies_table(table: pd.DataFrame, metric: str, level: float, titles: Titles | None = None) -> StatisticTable:
    """One row per model, best on the original set first; a star marks a Δ rank that is statistically significant.

    Follows tables 7 and 11 of Recht et al. 2019: accuracies in per cent to one decimal, rounded from the exact fraction
    of counts, with their interval. `table` as `MetricSummary` has it.
    """
    kind = f"top-{METRICS[metric]}"
    note = f"{100 * level:g} % Clopper-Pearson intervals in brackets; drop in percentage points."
    return make_table(
        "accuracies",
        f"{kind.capitalize()} accuracy",
        table,
        [
            Column("original_rank", "Rank", "count"),
            Column("model", "Model", "model"),
            Column("original_accuracy", f"Original {kind} (%)", "percent", ("original_low", "original_high")),
            Column("new_accuracy", f"New {kind} (%)", "percent", ("new_low", "new_high")),
            Column("drop", "Drop", "points"),
            Column("new_rank", "New rank", "count"),
            Column("delta_rank", "Δ rank", "written"),
        ],
        f"{note} {SIGNIFICANT}." if has_real_changes(table) else note,
        titles=titles,
        choose=_starred,
    )


def has_real_changes(table: pd.DataFrame) -> bool:
    """Whether any Δ rank of the table carries a star."""
    return bool(table["delta_rank_real"].fillna(False).any())


def _starred(frame: pd.DataFrame) -> pd.DataFrame:
    changes = frame["delta_rank"].astype(str).str.replace("-", "−")
    return frame.assign(delta_rank=changes.where(~frame["delta_rank_real"].fillna(False), changes + "*"))
