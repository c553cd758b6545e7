"""The main table: accuracies, drops and ranks of all models."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.tables.table import Column, StatisticTable, make_table
from evalshift.errors import unknown_name
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


# What a user may call the columns of the main table.
_COLUMNS = {
    "rank": Column("original_rank", "Rank", "count"),
    "model": Column("model", "Model", "model"),
    "family": Column("family", "Family", "text"),
    "year": Column("year", "Year", "written"),
    "original": Column("original_accuracy", "Original", "percent", ("original_low", "original_high")),
    "new": Column("new_accuracy", "New", "percent", ("new_low", "new_high")),
    "drop": Column("drop", "Drop", "points", ("drop_low", "drop_high")),
    "new-rank": Column("new_rank", "New rank", "count"),
    "delta-rank": Column("delta_rank", "Δ rank", "written"),
}
COLUMN_NAMES = tuple(_COLUMNS)
_PRINTED = ("rank", "model", "original", "new", "drop", "new-rank", "delta-rank")


def check_columns(columns: Sequence[str] | None) -> None:
    """UsageError for a column that the main table does not have."""
    for name in columns or ():
        if name not in _COLUMNS:
            raise unknown_name("unknown column (`columns`)", name, COLUMN_NAMES)


def printed_table(table: StatisticTable, columns: Sequence[str] | None = None) -> StatisticTable:
    """The main table as it is printed: drops with their interval, or chosen columns in their order.

    Raises UsageError for a column that there is not.
    """
    known = {column.key: column for column in table.columns}
    check_columns(columns)
    chosen = [_COLUMNS[name] for name in columns or _PRINTED]
    # The heading says the metric.
    return replace(table, columns=tuple(replace(one, title=known.get(one.key, one).title) for one in chosen))


def has_real_changes(table: pd.DataFrame) -> bool:
    """Whether any Δ rank of the table carries a star."""
    return bool(table["delta_rank_real"].fillna(False).any())


def _starred(frame: pd.DataFrame) -> pd.DataFrame:
    changes = frame["delta_rank"].astype(str).str.replace("-", "−")
    return frame.assign(delta_rank=changes.where(~frame["delta_rank_real"].fillna(False), changes + "*"))
