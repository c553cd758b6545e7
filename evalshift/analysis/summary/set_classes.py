"""Accuracy per class on one stored dataset, sorted, as in figure 6 of Chrabaszcz et al. 2017."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalshift.analysis.outcomes import METRICS, ImagePredictions
from evalshift.analysis.outcomes.selection import matching
from evalshift.analysis.outcomes.stored_pair import load_predictions
from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.analysis.tables.table import Column, StatisticTable, bounded, make_table, with_bounds
from evalshift.errors import AnalysisError, unknown_name
from evalshift.evaluate.store import Results

# Of so many classes, all are read.
_FEW = 10


def set_classes(
    results: Results, dataset: str, models: Sequence[str] = (), metrics: Sequence[str] = ("top1", "top5")
) -> StatisticTable:
    """The table "class_accuracy": for each metric and model, the accuracy of each class and its rank, the best first.

    models   names or patterns of those wanted, or none for all with predictions on the dataset
    metrics  of "top1" and "top5"; top5 is left out for models whose five best predictions are not stored
    Classes of equal accuracy are in the order of their labels. Raises UsageError for a dataset or model that is not
    stored, and for another metric; AnalysisError where nothing is left.
    Source: Chrabaszcz, Loshchilov, Hutter 2017, figure 6.
    """
    for metric in metrics:
        if metric not in METRICS:
            raise unknown_name("unknown metric", metric, METRICS)
    predictions, _ = load_predictions(results, dataset)
    chosen = {name: matching(name, predictions.models) for name in models}
    for name, found in chosen.items():
        if not found:
            raise unknown_name("there are no predictions of this model", name, predictions.models)
    names = set(predictions.models if not models else [one for found in chosen.values() for one in found])
    wanted = [place for place, model in enumerate(predictions.models) if model in names]
    known = [metric for metric in metrics if METRICS[metric] <= predictions.top.shape[2]]
    parts = [_best_first(predictions.subset([place]), metric) for metric in known for place in wanted]
    if not parts:
        raise AnalysisError(
            "there are no accuracies per class", where=results.path, found=f"no predictions on {dataset}"
        )
    frame = pd.concat(parts, ignore_index=True)
    interval = clopper_pearson(frame["correct"].to_numpy(), frame["images"].to_numpy())
    return make_table(
        "class_accuracy",
        f"Accuracy by class on {dataset}",
        frame.assign(
            accuracy=frame["correct"] / frame["images"], **with_bounds("accuracy", interval, frame.index.to_numpy())
        ),
        (
            Column("metric", "Metric", "text"),
            Column("model", "Model", "model"),
            Column("rank", "Rank", "count"),
            Column("class", "Class", "text"),
            Column("images", "Images", "count"),
            bounded("accuracy", "Accuracy (%)"),
        ),
        "Ranks of classes by each model's accuracy, 1 the best; of many classes, the first, the last and three between "
        "are shown, and the CSV has all. Intervals: 95 % (Clopper–Pearson), of each class by itself: the best and the "
        "worst of many classes are partly sampling error.",
        choose=lambda whole: whole[whole["rank"].isin(_shown(int(whole["rank"].max())))],
    )


def _best_first(predictions: ImagePredictions, metric: str) -> pd.DataFrame:
    """The classes that have images, by the accuracy of one model, the best first."""
    total = np.bincount(predictions.labels, minlength=len(predictions.class_names))
    present = np.flatnonzero(total)
    counts = np.bincount(predictions.labels, predictions.correct(metric)[0], len(total)).astype(np.int64)[present]
    best_first = np.argsort(-counts / total[present], kind="stable")
    labels = present[best_first]
    return pd.DataFrame(
        {
            "metric": metric,
            "model": predictions.models[0],
            "rank": np.arange(1, len(labels) + 1),
            "class": [predictions.class_names[label] for label in labels],
            "correct": counts[best_first],
            "images": total[labels],
        }
    )


def _shown(classes: int) -> list[int]:
    """The ranks that are read: 1, 250, 500, 750 and 1,000 of 1,000; all of a few."""
    if classes <= _FEW:
        return list(range(1, classes + 1))
    return sorted({1, *(round(part * classes / 4) for part in (1, 2, 3)), classes})
