"""The overview of several pairs: a matrix of models and new sets for each original set."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from evalshift.analysis.pair_statistics.missing import or_none, require
from evalshift.analysis.pair_statistics.several_sets import MeanOverSets
from evalshift.analysis.summary import Summary
from evalshift.analysis.summary.several_sets import SeveralSets
from evalshift.analysis.tables.published_line import Against
from evalshift.formatting import percent, points, signed_points, span

# The colour is full at the distance that this share of cells stay within, or at a point where all are nearer.
_WITHIN = 0.95
_LEAST_REACH = 0.01
# Rows that the page has; more would make it slow to open.
MOST_ROWS = 200


@dataclass(frozen=True)
class Cell:
    """One model on one new set; fractions. `heat` is −100 to 100, the distance as a share of the matrix's reach."""

    accuracy: float
    drop: float
    distance: float | None
    heat: int
    words: str


@dataclass(frozen=True)
class Row:
    """One model: its cells, None where it has no results on the set, and its means over the sets if it has all."""

    model: str
    title: str
    original: float
    cells: tuple[Cell | None, ...]
    mean_accuracy: float | None
    mean_distance: tuple[float, float | None, float | None] | None


@dataclass(frozen=True)
class Matrix:
    """The new sets of one original set.

    heads   title of each new set, and the number of its pair from 1
    reach   the distance of full colour
    means   whether any row has means
    hidden  models beyond `MOST_ROWS`
    line    the line that distances are from
    """

    original: str
    title: str
    heads: tuple[tuple[str, int], ...]
    rows: tuple[Row, ...]
    reach: float
    means: bool
    hidden: int
    line: str = "the line of the other models on the set"


def matrices(summary: Summary) -> list[Matrix]:
    """One per original set that is in several pairs, or in one; of the report's metric. None for a single pair.

    Models that are compared with a published testbed stand among its models nearest to them in original accuracy, and
    distances are then from its line.
    """
    found = summary.several_sets.get(summary.metric)
    if found is None:
        return []
    numbers = {(pair.original, pair.new): number for number, pair in enumerate(summary.pairs, 1)}
    made = [_matrix(found, original, numbers) for original in dict.fromkeys(found.cells["original"])]
    return [_among_published(one, _published(summary, one.original)) for one in made]


def _published(summary: Summary, original: str) -> dict[int, Against]:
    """The testbed that models are compared with, by the number of the pair."""
    found = {}
    for number, pair in enumerate(summary.pairs, 1):
        metric = pair.metrics.get(summary.metric)
        if pair.original == original and metric is not None and metric.against is not None:
            found[number] = metric.against
    return found


def _among_published(matrix: Matrix, published: dict[int, Against]) -> Matrix:
    """The matrix with distances from the testbed's line, and with its models, as many as there is room for."""
    if not published:
        return matrix
    against = next(iter(published.values()))
    columns = [_distances(published.get(number)) for _, number in matrix.heads]
    known = np.abs([cell[2] for column in columns for cell in column.values() if np.isfinite(cell[2])])
    reach = max(_LEAST_REACH, float(np.quantile(known, _WITHIN)) if len(known) else 0.0)
    own = [_measured(row, published, matrix.heads, reach) for row in matrix.rows]
    near = np.array([row.original for row in own])
    originals = {model: one[0] for column in reversed(columns) for model, one in column.items()}
    others = dict.fromkeys(model for column in columns for model in column)
    nearest = sorted(others, key=lambda model: float(np.abs(near - originals[model]).min()))
    shown = [
        _published_row(model, originals[model], against, columns, reach)
        for model in nearest[: max(0, MOST_ROWS - len(own))]
    ]
    return replace(
        matrix,
        rows=(*own, *sorted(shown, key=lambda row: -row.original)),
        reach=reach,
        means=False,
        hidden=matrix.hidden,
        line=f"the line of {against.title}, whose models nearest in original accuracy follow",
    )


def _distances(against: Against | None) -> dict[str, tuple[float, float, float]]:
    """Original and new accuracy of each model of the testbed, and its distance from the line through the others."""
    if against is None or against.testbed_distances is None:
        return {}
    outcomes = against.outcomes
    accuracies = outcomes.original_correct / outcomes.original_total, outcomes.new_correct / outcomes.new_total
    values = zip(*accuracies, against.testbed_distances, strict=True)
    return {model: (float(x), float(y), float(d)) for model, (x, y, d) in zip(outcomes.models, values, strict=True)}


def _measured(row: Row, published: dict[int, Against], heads: tuple[tuple[str, int], ...], reach: float) -> Row:
    """The row with distances from the testbed's lines, where it has one."""
    cells = []
    for cell, (_, number) in zip(row.cells, heads, strict=True):
        against = published.get(number)
        if cell is not None and against is not None and row.model in against.models:
            found = against.table.set_index("model").loc[row.model]
            facts = {
                "new_accuracy": cell.accuracy,
                "drop": cell.drop,
                **{name: found[name] for name in ("distance", "distance_low", "distance_high")},
            }
            cell = _cell(facts, reach)
        cells.append(cell)
    return replace(row, cells=tuple(cells), mean_accuracy=None, mean_distance=None)


def _published_row(
    model: str, original: float, against: Against, columns: list[dict[str, tuple[float, float, float]]], reach: float
) -> Row:
    found = [column.get(model) for column in columns]
    cells = [
        None
        if one is None
        else _cell(
            {
                "new_accuracy": one[1],
                "drop": one[0] - one[1],
                "distance": one[2],
                "distance_low": np.nan,
                "distance_high": np.nan,
            },
            reach,
        )
        for one in found
    ]
    title = f"{against.outcomes.titles.model(model)} ({against.title})"
    return Row(f"{against.testbed}:{model}", title, original, tuple(cells), None, None)


def _matrix(found: SeveralSets, original: str, numbers: dict[tuple[str, str], int]) -> Matrix:
    cells = found.cells[found.cells["original"] == original]
    sets = list(dict.fromkeys(cells["new"]))
    known = cells["distance"].abs().dropna()
    reach = max(_LEAST_REACH, float(known.quantile(_WITHIN)) if len(known) else 0.0)
    means = next((one for one in found.means if one.original == original), None)
    accuracy = {} if means is None else dict(zip(means.models, means.accuracy.tolist(), strict=True))
    originals = cells.groupby("model", sort=False)["original_accuracy"].first()
    models = sorted(
        originals.index,
        key=lambda model: (model not in accuracy, -accuracy.get(model, 0), -float(originals[model])),
    )
    parts = dict(iter(cells[cells["model"].isin(models[:MOST_ROWS])].groupby("model", sort=False)))
    return Matrix(
        original,
        found.titles.dataset(original),
        tuple((found.titles.dataset(name), numbers[original, name]) for name in sets),
        tuple(_row(found, model, parts[model], sets, reach, means) for model in models[:MOST_ROWS]),
        reach,
        bool(accuracy),
        max(0, len(models) - MOST_ROWS),
    )


def _row(
    found: SeveralSets, model: Any, part: pd.DataFrame, sets: list[str], reach: float, means: MeanOverSets | None
) -> Row:
    by_set = {row["new"]: row for row in part.to_dict("records")}
    accuracy, distance = None, None
    if means is not None and model in means.models:
        place = means.models.index(model)
        accuracy = float(means.accuracy[place])
        distance = _mean_distance(means, place)
    return Row(
        model,
        found.titles.model(model),
        float(part["original_accuracy"].iloc[0]),
        tuple(_cell(by_set[name], reach) if name in by_set else None for name in sets),
        accuracy,
        distance,
    )


@or_none
def _mean_distance(means: MeanOverSets, place: int) -> tuple[float, float | None, float | None] | None:
    """The mean distance of one model with its interval, None where either is not defined."""
    shifts = require(means.shifts)
    mean, low, high = (float(one[place]) for one in (shifts.mean, shifts.interval.low, shifts.interval.high))
    if not np.isfinite(mean):
        return None
    return (mean, low, high) if np.isfinite(low) else (mean, None, None)


def _cell(row: dict[Any, Any], reach: float) -> Cell:
    distance = float(row["distance"])
    words = f"{percent(row['new_accuracy'])} %, drop {points(row['drop'])}"
    if not np.isfinite(distance):
        return Cell(row["new_accuracy"], row["drop"], None, 0, words)
    around = "" if np.isnan(row["distance_low"]) else f" {span(row['distance_low'], row['distance_high'])}"
    words += f", effective robustness {signed_points(distance)}{around}"
    return Cell(row["new_accuracy"], row["drop"], distance, round(100 * float(np.clip(distance / reach, -1, 1))), words)
