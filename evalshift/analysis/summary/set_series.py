"""Accuracy over a series of stored datasets, such as the revisions of one test set."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.outcomes.stored_pair import load_predictions
from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.analysis.tables.table import Column, StatisticTable, bounded, make_table, with_bounds
from evalshift.errors import AnalysisError
from evalshift.evaluate.importers.releases.reviews import Review
from evalshift.evaluate.rows import are_positions
from evalshift.evaluate.store import Results, StoredDataset
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
    results: Results,
    datasets: Sequence[str],
    metric: str = "top1",
    models: Sequence[str] = (),
    level: float = 0.95,
    reviews: Mapping[str, Review] | None = None,
) -> StatisticTable:
    """The table "revisions": accuracy of each model on each dataset of a series, in its order.

    models   those wanted; none for those that predicted on every dataset of the series
    reviews  of some of the datasets, for the shares of classes and images that had been reviewed
    Where images have names, it says how many of each dataset are in the last one too. Raises AnalysisError where no
    model is left.
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
    stored = [results.load_dataset(name) for name in datasets]
    shares = {**_kept(stored), **({} if reviews is None else _reviewed(stored, reviews))}
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
            **{key: [share.get(row[0], np.nan) for row in rows] for key, share in shares.items()},
        },
        (
            Column("dataset", "Dataset", "dataset"),
            Column("model", "Model", "model"),
            Column("images", "Images", "count"),
            bounded("accuracy", f"Accuracy (top-{METRICS[metric]}, %)"),
            *(Column(key, _SHARES[key][0], "percent") for key in shares),
        ),
        f"Intervals: {100 * level:.4g} % (Clopper–Pearson). Revisions share most of their images, so their "
        "accuracies differ more significantly than these intervals suggest."
        + "".join(f" {_SHARES[key][0].removesuffix(' (%)')}: {_SHARES[key][1]}." for key in shares),
        empty="Empty where no review is known.",
        titles=titles_of({}, {one.name: title_of(one.entry, one.name) for one in stored}),
    )


# Shares of each revision: heading, and what it counts.
_SHARES = {
    "kept": ("Images kept (%)", "images that are in the last revision too"),
    "classes_reviewed": ("Classes reviewed (%)", "classes whose images were looked at, in this pass or before"),
    "classes_accepted": ("Classes accepted (%)", "those of which no image was to be replaced"),
    "images_reviewed": ("Images reviewed (%)", "images of the reviewed classes"),
}


def _kept(stored: Sequence[StoredDataset]) -> dict[str, dict[str, float]]:
    """The share of each dataset's images that are in the last one; nothing where ids merely count the images."""
    if any(are_positions(one.ids) for one in stored):
        return {}
    last = set(stored[-1].ids)
    return {"kept": {one.name: float(np.mean([name in last for name in one.ids])) for one in stored}}


def _reviewed(stored: Sequence[StoredDataset], reviews: Mapping[str, Review]) -> dict[str, dict[str, float]]:
    """Shares of reviewed and accepted classes, and of images of reviewed classes."""
    known = [one for one in stored if one.name in reviews]
    return {
        "classes_reviewed": {one.name: float(reviews[one.name].reviewed.mean()) for one in known},
        "classes_accepted": {one.name: float(reviews[one.name].accepted.mean()) for one in known},
        "images_reviewed": {one.name: float(reviews[one.name].reviewed[one.labels].mean()) for one in known},
    }
