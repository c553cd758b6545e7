"""What a report of several pairs says of them together: tables over all its new sets, by metric."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.outcomes.corruptions import corrupted_set
from evalshift.analysis.pair_statistics.corruption_benchmarks import CorruptionBenchmark, corruption_benchmarks
from evalshift.analysis.pair_statistics.joint_originals import JointOriginals, joint_originals
from evalshift.analysis.pair_statistics.missing import Missing, computed, either, reasons
from evalshift.analysis.pair_statistics.several_sets import MeanOverSets, ShiftedPair, mean_over_sets
from evalshift.analysis.tables.of_corruptions import corruption_errors_table, corruptions_table
from evalshift.analysis.tables.of_originals import several_originals_table
from evalshift.analysis.tables.of_several_sets import mean_over_sets_table, shifts_table
from evalshift.analysis.tables.table import StatisticTable
from evalshift.titles import Titles, joined

if TYPE_CHECKING:
    from evalshift.analysis.summary.records import MetricSummary, PairSummary

Result = TypeVar("Result")

_CELLS = ("original_accuracy", "new_accuracy", "drop")
_DISTANCE = ("distance", "distance_low", "distance_high", "p_holm")


@dataclass(frozen=True, eq=False)
class SeveralSets:
    """One metric over all pairs that have it.

    cells    one row per pair and model, as the table "shifts" has them; `distance` is that of the pair's own table
    means    of each original set that has several new sets
    corruptions  of each benchmark of corruptions
    joint    of each new set that has several original sets
    tables   by name; `missing` has the reason for each one that is not computed
    """

    metric: str
    cells: pd.DataFrame
    means: tuple[MeanOverSets, ...]
    corruptions: tuple[CorruptionBenchmark, ...]
    joint: tuple[JointOriginals, ...]
    titles: Titles
    tables: dict[str, StatisticTable] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def several_sets(
    pairs: Sequence["PairSummary"], scale: str, level: float, reference: str | None = None
) -> dict[str, SeveralSets]:
    """All that several pairs say together, by metric; nothing of a metric that fewer than two pairs have.

    `reference` is the model that corruption errors are normalised by; see `corruption_benchmarks`.
    """
    found = {}
    for metric in METRICS:
        kept = [pair for pair in pairs if metric in pair.metrics]
        if len(kept) > 1:
            found[metric] = _of_metric(kept, metric, scale, level, reference)
    return found


def _of_metric(
    pairs: Sequence["PairSummary"], metric: str, scale: str, level: float, reference: str | None
) -> SeveralSets:
    titles = joined(pair.titles for pair in pairs)
    cells = pd.concat([_cells(pair, pair.metrics[metric]) for pair in pairs], ignore_index=True)
    tables, missing = {"shifts": shifts_table(cells, titles, level, scale)}, {}
    shifted = [_shifted(pair, metric) for pair in pairs]
    of_original, of_new = _grouped(shifted, "original"), _grouped(shifted, "new")
    means, why = _computed({name: mean_over_sets(group, scale, level) for name, group in of_original.items()}, titles)
    if means:
        tables["mean_over_sets"] = mean_over_sets_table(means, titles, level, scale)
    else:
        missing["mean_over_sets"] = why or "no original set has several new sets"
    found = tuple(one for group in of_original.values() for one in corruption_benchmarks(group, reference, level))
    if found:
        tables["corruption_errors"] = corruption_errors_table(found, titles, level)
        tables["corruptions"] = corruptions_table(found, titles)
    else:
        missing["corruption_errors"] = "no two new sets of one original set are corruptions of one benchmark"
    joint, why = _computed({name: joint_originals(group, scale, level) for name, group in of_new.items()}, titles)
    if joint:
        tables["several_originals"] = several_originals_table(joint, titles, level)
    else:
        missing["several_originals"] = why or "no new set has several original sets"
    return SeveralSets(metric, cells, means, found, joint, titles, tables, missing)


def _grouped(pairs: Sequence[ShiftedPair], side: str) -> dict[str, list[ShiftedPair]]:
    """The pairs that have one set in common on this side, by its name; those of at least two pairs."""
    groups: dict[str, list[ShiftedPair]] = {}
    for pair in pairs:
        groups.setdefault(getattr(pair.outcomes, side), []).append(pair)
    return {name: group for name, group in groups.items() if len(group) > 1}


def _computed(results: Mapping[str, Result | Missing], titles: Titles) -> tuple[tuple[Result, ...], str]:
    """The results that there are, and in words why others are not."""
    why = [f"{titles.dataset(name)}: {reason}" for name, reason in reasons(results).items()]
    return tuple(computed(results).values()), "; ".join(why)


def _shifted(pair: "PairSummary", metric: str) -> ShiftedPair:
    summary = pair.metrics[metric]
    baseline = summary.outcomes.in_line(summary.left_out)
    screened = either(
        summary.statistics.robustness, lambda found: found.screened, lambda reason: np.zeros(len(baseline), bool)
    )
    entry = pair.provenance.get("datasets", {}).get(pair.new, {}).get("entry") or {}
    corrupted = corrupted_set(pair.new, entry)
    return ShiftedPair(summary.outcomes, summary.correctness, baseline & ~screened, baseline, corrupted)


def _cells(pair: "PairSummary", summary: "MetricSummary") -> pd.DataFrame:
    frame = summary.table[["model", *_CELLS]].assign(**dict.fromkeys(_DISTANCE, np.nan))
    found = summary.tables.get("robustness")
    if found is not None:
        distances = found.frame.set_index("model")[list(_DISTANCE)].reindex(frame["model"])
        frame[list(_DISTANCE)] = distances.to_numpy()
    frame.insert(0, "original", pair.original)
    frame.insert(1, "new", pair.new)
    return frame
