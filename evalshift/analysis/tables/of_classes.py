"""Tables of the accuracy per class: over all models, and of each model."""

from typing import Any

import numpy as np
import pandas as pd

from evalshift.analysis.pair_statistics.missing import or_else, require
from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.statistics.per_class import ClassDrops
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table
from evalshift.formatting import counted

_READ_ROWS = 20


def classes_table(data: TableData) -> StatisticTable:
    """One row per class: its accuracy on both sets, over models."""
    return make_table(
        "classes",
        "Accuracy per class",
        _means_over_models(data),
        [
            Column("class", "Class", "text"),
            Column("original_total", "Original images", "count"),
            Column("new_total", "New images", "count"),
            bounded("original_accuracy", "Original (%)"),
            bounded("new_accuracy", "New (%)"),
            Column("drop", "Drop (points)", "points"),
            bounded("shrunk_drop", "Shrunk drop (points)", "points"),
            Column("original_rank", "Original rank", "count"),
            Column("new_rank", "New rank", "count"),
            Column("fell", "Models that fall", "count"),
            Column("rose", "that rise", "count"),
        ],
        f"Means over {counted(len(data.image_models), 'model')}, the largest shrunk drops first; bounds of "
        "accuracies are means of the models' bounds, which is conservative. The largest of many measured drops is "
        "partly sampling error. "
        "Shrunk: what is left of a drop, from how much classes differ beyond that. A model falls or rises on a class "
        f"if Fisher's exact test is significant at {data.error_words} (Holm over its classes); the CSV table "
        f"model_classes has one row per model and class.{_untested(data)}",
        empty="A class without images on a set has no accuracy there, and no rank.",
        choose=lambda frame: by_drop(frame).head(_READ_ROWS),
    )


def _untested(data: TableData) -> str:
    return " Falls and rises are not tested: the sets share images." if data.statistics.overlap else ""


def model_classes_table(data: TableData) -> StatisticTable:
    """One row per model and class."""
    return make_table(
        "model_classes",
        "Accuracy per model and class",
        _single_models(data),
        (),
        "Drop on each class with Newcombe's interval; Fisher's exact test, adjusted over the classes of the model.",
        empty="A class without images on either set has no drop.",
    )


def _means_over_models(data: TableData) -> dict[str, Any]:
    original, new = require(data.statistics.original).classes, require(data.statistics.new).classes
    drops = require(data.statistics.class_drops)
    before, after = original.accuracy.mean(axis=0), new.accuracy.mean(axis=0)
    return {
        "class": data.class_names,
        "original_total": original.total,
        "new_total": new.total,
        "original_accuracy": before,
        **_mean_bounds("original_accuracy", original.interval),
        "new_accuracy": after,
        **_mean_bounds("new_accuracy", new.interval),
        "drop": before - after,
        **_shrunk(data),
        "original_rank": _rank_of_means(before),
        "new_rank": _rank_of_means(after),
        "fell": _significant(drops, 1, data.statistics.level),
        "rose": _significant(drops, -1, data.statistics.level),
    }


def by_drop(frame: pd.DataFrame) -> pd.DataFrame:
    """The classes with the largest drop first: the shrunk ones, or the measured ones where none are computed."""
    column = "shrunk_drop" if frame["shrunk_drop"].notna().any() else "drop"
    return frame.sort_values(column, ascending=False, kind="stable")


def _shrunk(data: TableData) -> dict[str, Any]:
    """Shrunk accuracies and drops of the classes with their bounds; NaN where they are not computed."""
    found = or_else(data.statistics.shrunk_classes, None)
    columns: dict[str, Any] = {}
    for name in ("original", "new", "drop"):
        value, around = (np.nan, Interval(np.nan, np.nan))
        if found is not None:
            value, around = getattr(found, name), getattr(found, f"{name}_interval")
        columns |= {f"shrunk_{name}": value, f"shrunk_{name}_low": around.low, f"shrunk_{name}_high": around.high}
    return columns


def _mean_bounds(name: str, interval: Interval[np.ndarray]) -> dict[str, np.ndarray]:
    """Around the mean over models: no mean spreads more than the mean of the spreads, however alike the models are."""
    return {f"{name}_low": interval.low.mean(axis=0), f"{name}_high": interval.high.mean(axis=0)}


def _rank_of_means(accuracy: np.ndarray) -> pd.Series:
    # Sums of the same accuracies in another order differ in their last digits, which is no difference in rank.
    return pd.Series(np.round(accuracy, 12)).rank(method="min", ascending=False)


def _significant(drops: ClassDrops, sign: int, level: float) -> np.ndarray:
    """On each class, how many models have a significant drop (`sign` 1) or rise (−1); NaN where that is not tested."""
    if np.isnan(drops.p_holm).all():
        return np.full(drops.drop.shape[1], np.nan)
    return np.sum((drops.p_holm < 1 - level) & (sign * drops.drop > 0), axis=0)


def _single_models(data: TableData) -> dict[str, Any]:
    original, new = require(data.statistics.original).classes, require(data.statistics.new).classes
    drops, order, names = require(data.statistics.class_drops), data.image_order, data.class_names

    def cells(matrix: np.ndarray) -> np.ndarray:
        return matrix[order].ravel()

    return {
        "model": np.repeat(np.array(data.image_models, dtype=object), len(names)),
        "class": names * len(order),
        "original_correct": cells(original.correct),
        "original_total": np.tile(original.total, len(order)),
        "new_correct": cells(new.correct),
        "new_total": np.tile(new.total, len(order)),
        "drop": cells(drops.drop),
        "drop_low": cells(drops.interval.low),
        "drop_high": cells(drops.interval.high),
        "p_value": cells(drops.p_value),
        "p_holm": cells(drops.p_holm),
        "p_bh": cells(drops.p_bh),
    }
