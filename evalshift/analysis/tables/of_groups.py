"""Tables of groups of images: accuracy by group, and each model's worst."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalshift.analysis.outcomes import ImagePredictions
from evalshift.analysis.statistics.groups import GroupAccuracies, group_accuracies, groupings
from evalshift.analysis.statistics.shrinkage import shrunk_accuracies
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table

# Rows that a person reads of a table too long to be read.
_READ_ROWS = 40


@dataclass(frozen=True, eq=False)
class GroupData:
    """What these tables are made from.

    sides   each set's name in the table, and the predictions on it, of the same models
    models  the order of rows
    """

    sides: tuple[tuple[str, ImagePredictions], ...]
    models: tuple[str, ...]
    metric: str
    level: float

    @property
    def rows(self) -> list[tuple[str, int]]:
        """Each model, and its place in arrays over models."""
        place = {model: position for position, model in enumerate(self.sides[0][1].models)}
        return [(model, place[model]) for model in self.models]


def data_of_pair(data: TableData) -> GroupData:
    """Both sets of a pair, called original and new."""
    sides = tuple(zip(("original", "new"), data.predictions or (), strict=False))
    return GroupData(sides, tuple(data.image_models), data.statistics.metric, data.statistics.level)


def worst_groups_table(data: TableData | GroupData) -> StatisticTable | None:
    """One row per set, grouping and model: all images, and the group that it does worst on."""
    data = data_of_pair(data) if isinstance(data, TableData) else data
    columns: dict[str, list[Any]] = {}
    for side, found, correct in _found(data):
        names, bounds = found.grouping.groups, found.worst_interval
        shrunk = shrunk_accuracies(found.accuracies.correct, found.accuracies.total, data.level)
        estimates = [shrunk.of_worst(one) for one in (shrunk.estimate, shrunk.interval.low, shrunk.interval.high)]
        for model, row in data.rows:
            worst = found.worst[row]
            cells = {
                "set": side,
                "grouping": found.grouping.name,
                "model": model,
                "accuracy": float(correct[row].mean()),
                "worst_group": names[worst],
                "worst_correct": int(found.accuracies.correct[row, worst]),
                "worst_total": int(found.accuracies.total[worst]),
                "worst_accuracy": float(found.worst_accuracy[row]),
                "worst_accuracy_low": float(bounds.low[row]),
                "worst_accuracy_high": float(bounds.high[row]),
                "mean_of_groups": float(np.nanmean(found.accuracies.accuracy[row])),
                "shrunk_group": names[shrunk.worst[row]] if shrunk.worst[row] >= 0 else "",
                "shrunk_accuracy": float(estimates[0][row]),
                "shrunk_accuracy_low": float(estimates[1][row]),
                "shrunk_accuracy_high": float(estimates[2][row]),
            }
            for key, value in cells.items():
                columns.setdefault(key, []).append(value)
    if not columns:
        return None
    return make_table(
        "worst_groups",
        "Worst group",
        columns,
        [
            Column("set", "Set", "text"),
            Column("grouping", "Groups by", "text"),
            Column("model", "Model", "model"),
            Column("accuracy", "All images (%)", "percent"),
            Column("mean_of_groups", "Mean of groups (%)", "percent"),
            Column("worst_group", "Worst group", "text"),
            Column("worst_total", "Images", "count"),
            bounded("worst_accuracy", "Worst group (%)"),
            Column("shrunk_group", "Lowest after shrinkage", "text"),
            bounded("shrunk_accuracy", "Shrunk (%)"),
        ],
        f"The group of images with the lowest accuracy of each model, with its exact {100 * data.level:g} % "
        "confidence interval, which does not account for the selection of the lowest: among many small groups, the "
        "worst is biased downwards. Shrunk: mean and interval if true accuracies of groups follow a beta distribution. "
        f"Up to {_READ_ROWS} rows are shown; the CSV table contains all.",
        choose=lambda frame: frame.head(_READ_ROWS),
    )


def groups_table(data: TableData | GroupData) -> StatisticTable | None:
    """One row per set, grouping, group and model."""
    data = data_of_pair(data) if isinstance(data, TableData) else data
    columns: dict[str, list[Any]] = {}
    for side, found, _ in _found(data):
        for group, name in enumerate(found.grouping.groups):
            for model, row in data.rows:
                cells = {
                    "set": side,
                    "grouping": found.grouping.name,
                    "group": name,
                    "model": model,
                    "correct": int(found.accuracies.correct[row, group]),
                    "total": int(found.accuracies.total[group]),
                    "accuracy": float(found.accuracies.accuracy[row, group]),
                    "accuracy_low": float(found.accuracies.interval.low[row, group]),
                    "accuracy_high": float(found.accuracies.interval.high[row, group]),
                }
                for key, value in cells.items():
                    columns.setdefault(key, []).append(value)
    if not columns:
        return None
    return make_table(
        "groups",
        "Accuracy by group",
        columns,
        [
            Column("set", "Set", "text"),
            Column("grouping", "Groups by", "text"),
            Column("group", "Group", "text"),
            Column("model", "Model", "model"),
            Column("correct", "Correct", "count"),
            Column("total", "Images", "count"),
            bounded("accuracy", "Accuracy (%)"),
        ],
        f"Groups by the attributes of the images, with exact {100 * data.level:g} % confidence intervals, "
        f"group by group.{_not_grouped(data)} Up to {_READ_ROWS} rows are shown; the CSV table contains all.",
        choose=lambda frame: frame.head(_READ_ROWS),
    )


def _found(data: GroupData) -> Iterator[tuple[str, GroupAccuracies, np.ndarray]]:
    """Each grouping of either set, and which images each model classifies correctly."""
    for side, predictions in data.sides:
        if not predictions.attributes:
            continue
        correct = predictions.correct(data.metric)
        for grouping in groupings(predictions.attributes, predictions.labels, predictions.class_names)[0]:
            yield side, group_accuracies(correct, grouping, data.level), correct


def _not_grouped(data: GroupData) -> str:
    """Why some attributes make no groups, as sentences."""
    reasons: dict[str, str] = {}
    for _, predictions in data.sides:
        reasons |= groupings(predictions.attributes, predictions.labels, predictions.class_names)[1]
    return "".join(f" Not by {name}: {reason}." for name, reason in reasons.items())
