"""Accuracy over a series of stored datasets, such as the revisions of one test set."""

import re
from collections.abc import Sequence

import numpy as np

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.outcomes.stored_pair import load_predictions
from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.analysis.tables.table import Column, StatisticTable, bounded, make_table, with_bounds
from evalshift.errors import AnalysisError
from evalshift.evaluate.store import Results
from evalshift.titles import title_of, titles_of


def series_of(results: Results, prefix: str) -> tuple[str, ...]:
    """The stored datasets called `prefix` and a number, in order of the numbers: imagenetv2-b-1, …, imagenetv2-b-33.

    Raises AnalysisError where there are fewer than two.
    """
    numbered = {name: re.fullmatch(re.escape(prefix) + r"(\d+)", name) for name in results.datasets()}
    names = sorted((name for name, found in numbered.items() if found), key=lambda name: int(name[len(prefix) :]))
    if len(names) < 2:
        raise AnalysisError(
            "a series needs at least two datasets",
            where=results.path,
            found=", ".join(names) or f'none called "{prefix}" and a number',
            fix="import the revisions first",
        )
    return tuple(names)


def set_series(
    results: Results, datasets: Sequence[str], metric: str = "top1", models: Sequence[str] = (), level: float = 0.95
) -> StatisticTable:
    """The table "revisions": accuracy of each model on each dataset of a series, in its order.

    models  those wanted; none for those that predicted on every dataset of the series
    Raises AnalysisError where no model is left.
    """
    loaded = {name: load_predictions(results, name)[0] for name in datasets}
    wanted = set(models) or set.intersection(*(set(one.models) for one in loaded.values()))
    rows = [
        (name, model, int(correct.sum()), len(correct))
        for name, predictions in loaded.items()
        for model, correct in zip(predictions.models, predictions.correct(metric), strict=True)
        if model in wanted
    ]
    if not rows:
        raise AnalysisError(
            "no model predicted on all datasets of the series", where=results.path, fix="name models with `models`"
        )
    correct, total = (np.array([row[place] for row in rows]) for place in (2, 3))
    interval = clopper_pearson(correct, total, level)
    return make_table(
        "revisions",
        "Accuracy by revision",
        {
            "dataset": [row[0] for row in rows],
            "model": [row[1] for row in rows],
            "correct": correct,
            "images": total,
            "accuracy": correct / total,
            **with_bounds("accuracy", interval, np.arange(len(rows))),
        },
        (
            Column("dataset", "Dataset", "dataset"),
            Column("model", "Model", "model"),
            Column("images", "Images", "count"),
            bounded("accuracy", f"Accuracy (top-{METRICS[metric]}, %)"),
        ),
        f"Intervals: {100 * level:.4g} % (Clopper–Pearson). Revisions share most of their images, so their "
        "accuracies differ more significantly than these intervals suggest.",
        titles=titles_of({}, {name: title_of(results.load_dataset(name).entry, name) for name in datasets}),
    )
