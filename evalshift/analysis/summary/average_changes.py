"""How accuracies change on average from an original set to each of its new ones, side by side."""

from collections.abc import Sequence

import pandas as pd

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.summary.records import PairSummary
from evalshift.analysis.summary.sentences import metric_words
from evalshift.analysis.tables.table import Column, StatisticTable, bounded, make_table
from evalshift.titles import joined

_FIGURES = ("models", "change", "change_low", "change_high")


def average_changes(pairs: Sequence[PairSummary]) -> pd.DataFrame:
    """New minus original accuracy, averaged over all models of each pair: one row per pair, fractions.

    Columns: original, new; for each metric that a pair has models, change, change_low, change_high, with its name and
    an underscore before them. A pair without the metric has NA there. The bounds are those of
    `MetricSummary.mean_drop_interval`.
    Source: Recht et al. 2019, table 2.
    """
    metrics = [name for name in METRICS if any(name in pair.metrics for pair in pairs)]
    rows = []
    for pair in pairs:
        row: dict[str, object] = {"original": pair.original, "new": pair.new}
        for name in metrics:
            summary = pair.metrics.get(name)
            values = (
                (pd.NA,) * len(_FIGURES)
                if summary is None
                else (
                    len(summary.outcomes),
                    -summary.mean_drop,
                    -summary.mean_drop_interval.high,
                    -summary.mean_drop_interval.low,
                )
            )
            row |= {f"{name}_{figure}": value for figure, value in zip(_FIGURES, values, strict=True)}
        rows.append(row)
    columns = ["original", "new", *(f"{name}_{figure}" for name in metrics for figure in _FIGURES)]
    frame = pd.DataFrame(rows, columns=columns)
    kinds = {
        f"{name}_{figure}": "Int64" if figure == "models" else "Float64" for name in metrics for figure in _FIGURES
    }
    return frame.astype(kinds)


def changes_table(pairs: Sequence[PairSummary], level: float) -> StatisticTable:
    """The same to be read."""
    changes = average_changes(pairs)
    columns = [Column("original", "Original", "dataset"), Column("new", "New", "dataset")]
    for name in (name for name in METRICS if f"{name}_change" in changes):
        words = metric_words(name).capitalize()
        columns += [
            Column(f"{name}_models", f"{words} models", "count"),
            bounded(f"{name}_change", f"{words} change", "change"),
        ]
    return make_table(
        "average_changes",
        "Average change in accuracy, in points",
        changes,
        columns,
        f"New minus original, over all models of a pair, with {100 * level:g} % intervals in brackets; "
        "conservative where only counts are known.",
        titles=joined(pair.titles for pair in pairs),
        empty="A pair without a metric has no change.",
    )
