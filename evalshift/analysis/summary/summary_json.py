"""A summary as JSON."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from evalshift.analysis.pair_statistics.line_estimates import LineEstimates
from evalshift.analysis.pair_statistics.missing import either
from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.statistics.line_fit import Line
from evalshift.analysis.statistics.line_intervals import LineEstimate
from evalshift.analysis.statistics.scale_choice import ScaleChoice
from evalshift.analysis.summary.findings import chosen_scale_sentence
from evalshift.analysis.summary.records import MetricSummary, PairSummary, Summary
from evalshift.analysis.summary.several_sets import SeveralSets
from evalshift.analysis.tables.published_line import Against
from evalshift.analysis.tables.table import StatisticTable
from evalshift.publishing import publishable

SUMMARY_SCHEMA = 2
# Longer tables stand in CSV files alone: summary.json says how many rows they have.
_MOST_ROWS = 200
# A matrix of a hundred models on all of CIFAR-10-C.
_MOST_ROWS_OVER_SETS = 10_000


def to_json(summary: Summary, tables: Mapping[str, pd.DataFrame] | None = None) -> str:
    """The whole summary as JSON with a fixed order of keys; what is undefined or infinite is null.

    `tables` over all pairs go in beside it, by name.
    """
    written = {
        "schema_version": SUMMARY_SCHEMA,
        "evalshift": summary.version,
        "created": summary.created,
        "command": summary.command,
        "scale": summary.scale,
        "scale_choice": summary.scale_choice and _choice_facts(summary.scale_choice),
        "metric": summary.metric,
        "level": summary.level,
        "resamples": summary.resamples,
        "seed": summary.seed,
        "notes": summary.notes,
        **{name: table.to_dict("records") for name, table in (tables or {}).items()},
        "several_sets": {metric: _several_facts(found) for metric, found in summary.several_sets.items()},
        "pairs": [_pair_facts(pair, summary.scale) for pair in summary.pairs],
    }
    return json.dumps(_jsonable(written), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _choice_facts(choice: ScaleChoice) -> dict[str, Any]:
    return {
        "words": chosen_scale_sentence(choice),
        "least_error": choice.best if choice.errors else None,
        "errors": choice.errors,
        "pairs": choice.pairs,
    }


def _pair_facts(pair: PairSummary, scale: str) -> dict[str, Any]:
    return {
        "original": pair.original,
        "new": pair.new,
        "titles": {
            "models": {name: title for name, title in pair.titles.models.items() if title != name},
            "datasets": {name: title for name, title in pair.titles.datasets.items() if title != name},
            "families": {name: title for name, title in pair.titles.families.items() if title != name},
        },
        "notes": pair.notes,
        "metrics": {name: _metric_facts(metric, scale) for name, metric in pair.metrics.items()},
        "expected_accuracy": None if pair.expected_accuracy is None else pair.expected_accuracy.to_dict("records"),
        "provenance": publishable(pair.provenance),
    }


def _metric_facts(summary: MetricSummary, scale: str) -> dict[str, Any]:
    outcomes, statistics = summary.outcomes, summary.statistics
    return {
        "headline": summary.headline(scale),
        "findings": (*summary.findings(), *summary.details()),
        "models": len(outcomes),
        "original_total": outcomes.original_total,
        "new_total": outcomes.new_total,
        "highlighted": summary.table["model"][summary.highlighted].tolist(),
        "mean_drop": summary.mean_drop,
        "mean_drop_interval": summary.mean_drop_interval,
        "left_out": summary.left_out,
        "lines": {name: line and _line_facts(line) for name, line in summary.lines.items()},
        "all_lines": {name: line and _line_facts(line) for name, line in summary.all_lines.items()},
        "line_estimates": _all_estimate_facts(statistics.estimates),
        "all_line_estimates": _all_estimate_facts(statistics.all_estimates),
        "against": summary.against and _against_facts(summary.against),
        "table": summary.table.to_dict("records"),
        "statistics": {name: _table_facts(table) for name, table in summary.tables.items()},
        "missing": summary.missing,
    }


def _several_facts(found: SeveralSets) -> dict[str, Any]:
    return {
        "tables": {name: _table_facts(table, _MOST_ROWS_OVER_SETS) for name, table in found.tables.items()},
        "missing": found.missing,
    }


def _against_facts(against: Against) -> dict[str, Any]:
    return {
        "testbed": against.testbed,
        "testbed_title": against.title,
        "models": len(against.outcomes),
        "left_out": against.left_out,
        "members": against.members,
        "lines": {name: _line_facts(line) for name, line in against.lines.items()},
        "groups": {
            scale: {name: _line_facts(line) for name, line in lines.items()}
            for scale, lines in against.group_lines.items()
            if lines
        },
        "scale": against.scale,
        "resamples": against.distances.resamples,
        "table": against.table.to_dict("records"),
    }


def _table_facts(table: StatisticTable, most_rows: int = _MOST_ROWS) -> dict[str, Any]:
    short = len(table.frame) <= most_rows
    rows = {"rows": table.frame.to_dict("records")} if short else {"rows_in_csv": len(table.frame)}
    return {"title": table.title, "note": table.words, **rows}


def _line_facts(line: Line) -> dict[str, Any]:
    return {
        "slope": line.slope,
        "slope_interval": line.slope_interval,
        "offset": line.offset,
        "offset_interval": line.offset_interval,
        "r2": line.r2,
        "models": line.models,
        "level": line.level,
        "resamples": line.resamples,
    }


def _all_estimate_facts(estimates: Mapping[str, LineEstimates]) -> dict[str, Any]:
    return {
        scale: either(found.headline, _estimate_facts, lambda reason: {"missing": reason})
        for scale, found in estimates.items()
    }


def _estimate_facts(line: LineEstimate) -> dict[str, Any]:
    return {
        "slope": line.slope,
        "slope_interval": line.slope_interval,
        "slope_df": line.slope_df,
        "offset": line.offset,
        "offset_interval": line.offset_interval,
        "offset_df": line.offset_df,
        "between_models": line.between_models,
        "models": line.models,
        "clusters": line.clusters,
        "images_included": line.images,
        "level": line.level,
    }


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, Interval):
        return {"low": _jsonable(value.low), "high": _jsonable(value.high)}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
