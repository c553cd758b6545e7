"""The table of each model's worst class, with accuracies shrunk for having picked the lowest."""

from typing import Any

import numpy as np

from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.statistics.shrinkage import shrunk_accuracies
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table

# Rows that a person reads of a table too long to be read.
_READ_ROWS = 40


def worst_classes_table(data: TableData) -> StatisticTable:
    """One row per set and model: the class of lowest accuracy as measured, and that of the lowest shrunk accuracy."""
    columns: dict[str, list[Any]] = {}
    sides = require(data.statistics.original), require(data.statistics.new)
    assert data.predictions is not None
    names = data.predictions[0].class_names
    for side, found in zip(("original", "new"), sides, strict=True):
        classes = found.classes
        shrunk = shrunk_accuracies(classes.correct, classes.total, data.statistics.level)
        measured = np.nanargmin(np.where(classes.total > 0, classes.accuracy, np.inf), axis=1)
        values = [shrunk.of_worst(one) for one in (shrunk.estimate, shrunk.interval.low, shrunk.interval.high)]
        for model, row in zip(data.image_models, data.image_order, strict=True):
            worst = int(shrunk.worst[row])
            cells = {
                "set": side,
                "model": model,
                "worst_class": names[measured[row]],
                "worst_correct": int(classes.correct[row, measured[row]]),
                "worst_total": int(classes.total[measured[row]]),
                "worst_accuracy": classes.accuracy[row, measured[row]],
                "shrunk_class": names[worst] if worst >= 0 else "",
                "shrunk_accuracy": values[0][row],
                "shrunk_accuracy_low": values[1][row],
                "shrunk_accuracy_high": values[2][row],
                "spread": shrunk.spread[row],
            }
            for key, value in cells.items():
                columns.setdefault(key, []).append(value)
    return make_table(
        "worst_classes",
        "Worst class",
        columns,
        [
            Column("set", "Set", "text"),
            Column("model", "Model", "model"),
            Column("worst_class", "Lowest measured", "text"),
            Column("worst_total", "Images", "count"),
            Column("worst_accuracy", "Measured (%)", "percent"),
            Column("shrunk_class", "Lowest after shrinkage", "text"),
            bounded("shrunk_accuracy", "Shrunk (%)"),
            Column("spread", "Spread of classes (points)", "points"),
        ],
        "The lowest of many measured accuracies is biased downwards by sampling error. Shrunk: mean and equal-tailed "
        f"{100 * data.statistics.level:g} % interval of the class's accuracy if true accuracies of the classes "
        "follow a beta distribution. Spread: standard deviation of the true accuracies between classes. "
        f"Up to {_READ_ROWS} rows are shown; the CSV table contains all.",
        empty="Nothing is shrunk with fewer than two classes that have images.",
        choose=lambda frame: frame.head(_READ_ROWS),
    )
