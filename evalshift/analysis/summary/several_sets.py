"""What a report of several pairs says of them together: tables over all its new sets, by metric."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.pair_statistics.several_sets import MeanOverSets, ShiftedPair, mean_over_sets
from evalshift.analysis.tables.of_several_sets import mean_over_sets_table, shifts_table
from evalshift.analysis.tables.table import StatisticTable
from evalshift.titles import Titles, joined

if TYPE_CHECKING:
    from evalshift.analysis.summary.records import MetricSummary, PairSummary

_CELLS = ("original_accuracy", "new_accuracy", "drop")
_DISTANCE = ("distance", "distance_low", "distance_high", "p_holm")


@dataclass(frozen=True, eq=False)
class SeveralSets:
    """One metric over all pairs that have it.

    cells    one row per pair and model, as the table "shifts" has them; `distance` is that of the pair's own table
    means    of each original set that has several new sets
    tables   by name; `missing` has the reason for each one that is not computed
    """

    metric: str
    cells: pd.DataFrame
    means: tuple[MeanOverSets, ...]
    titles: Titles
    tables: dict[str, StatisticTable] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def several_sets(pairs: Sequence["PairSummary"], scale: str, level: float) -> dict[str, SeveralSets]:
    """All that several pairs say together, by metric; nothing of a metric that fewer than two pairs have."""
    found = {}
    for metric in METRICS:
        kept = [pair for pair in pairs if metric in pair.metrics]
        if len(kept) > 1:
            found[metric] = _of_metric(kept, metric, scale, level)
    return found


def _of_metric(pairs: Sequence["PairSummary"], metric: str, scale: str, level: float) -> SeveralSets:
    titles = joined(pair.titles for pair in pairs)
    cells = pd.concat([_cells(pair, pair.metrics[metric]) for pair in pairs], ignore_index=True)
    tables, missing = {"shifts": shifts_table(cells, titles, level, scale)}, {}
    means = _means(pairs, metric, scale, level)
    kept = tuple(one for one in means.values() if isinstance(one, MeanOverSets))
    if kept:
        tables["mean_over_sets"] = mean_over_sets_table(kept, titles, level, scale)
    else:
        reasons = [f"{titles.dataset(name)}: {one.reason}" for name, one in means.items() if isinstance(one, Missing)]
        missing["mean_over_sets"] = "; ".join(reasons) or "no original set has several new sets"
    return SeveralSets(metric, cells, kept, titles, tables, missing)


def _means(pairs: Sequence["PairSummary"], metric: str, scale: str, level: float) -> dict[str, MeanOverSets | Missing]:
    groups: dict[str, list[ShiftedPair]] = {}
    for pair in pairs:
        groups.setdefault(pair.original, []).append(_shifted(pair.metrics[metric]))
    return {name: mean_over_sets(group, scale, level) for name, group in groups.items() if len(group) > 1}


def _shifted(summary: "MetricSummary") -> ShiftedPair:
    baseline = summary.outcomes.in_line(summary.left_out)
    robustness = summary.statistics.robustness
    screened = np.zeros(len(baseline), bool) if isinstance(robustness, Missing) else robustness.screened
    return ShiftedPair(summary.outcomes, summary.correctness, baseline & ~screened, baseline)


def _cells(pair: "PairSummary", summary: "MetricSummary") -> pd.DataFrame:
    frame = summary.table[["model", *_CELLS]].assign(**dict.fromkeys(_DISTANCE, np.nan))
    found = summary.tables.get("robustness")
    if found is not None:
        distances = found.frame.set_index("model")[list(_DISTANCE)].reindex(frame["model"])
        frame[list(_DISTANCE)] = distances.to_numpy()
    frame.insert(0, "original", pair.original)
    frame.insert(1, "new", pair.new)
    return frame
