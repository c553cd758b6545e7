"""The part of a summary that its figures are drawn from: all that the processes that draw them are sent."""

from copy import copy
from dataclasses import replace
from typing import Any, TypeVar

from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.missing import Missing, or_missing, require
from evalshift.analysis.pair_statistics.set_statistics import SetStatistics
from evalshift.analysis.plot_data.scopes import FIGURE_NAMES
from evalshift.analysis.summary import MetricSummary, PairSummary, Summary

_STATISTICS = ("level", "models", "image_models", "lines", "calibration", "selective", "group_slopes")

Record = TypeVar("Record")


def drawn_part(summary: Summary) -> Summary:
    """The same summary without what no figure shows: of a thousand models a tenth of its bytes is left.

    Most of a summary are matrices of every model against every other, of which a figure shows one per set. What is left
    out is no attribute any more, so that a figure that needs it cannot be drawn without a word.
    """
    return replace(summary, pairs=tuple(map(_of_pair, summary.pairs)))


def _of_pair(pair: PairSummary) -> PairSummary:
    metrics = {name: _of_metric(metric) for name, metric in pair.metrics.items()}
    return replace(pair, metrics=metrics, provenance={}, expected_accuracy=None)


def _of_metric(metric: MetricSummary) -> MetricSummary:
    tables = {name: table for name, table in metric.tables.items() if name in FIGURE_NAMES}
    return replace(metric, statistics=_of_statistics(metric.statistics), tables=tables, correctness=None)


def _of_statistics(statistics: Statistics) -> Statistics:
    sets = {side: _of_set(getattr(statistics, side)) for side in ("original", "new")}
    return _only(statistics, *_STATISTICS, **sets)


@or_missing
def _of_set(found: SetStatistics | Missing) -> SetStatistics:
    statistics = require(found)
    pairs = require(statistics.pairs)
    return _only(statistics, pairs=_only(pairs, "agreement", consistency=_only(pairs.consistency, "kappa")))


def _only(record: Record, *names: str, **changed: Any) -> Record:
    """The record with these fields and those changed alone."""
    part = copy(record)
    kept = {name: value for name, value in vars(record).items() if name in names}
    vars(part).clear()
    vars(part).update(kept, **changed)
    return part
