"""Tables of what the predictions to each image say: pairs of models, sets, classes, hard images."""

from typing import Any

import numpy as np
import pandas as pd

from evalshift.analysis.pair_statistics.missing import Missing, require
from evalshift.analysis.pair_statistics.set_statistics import HARDEST_SHARE, SetStatistics
from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table


def pairs_table(data: TableData) -> StatisticTable:
    """One row per pair of models: both sets, and their drops."""
    statistics = data.statistics
    sides = {"original": statistics.original, "new": statistics.new}
    order = data.image_order
    first, second = (order[index] for index in np.triu_indices(len(order), k=1))
    columns: dict[str, Any] = {
        "model_1": np.array(statistics.image_models, dtype=object)[first],
        "model_2": np.array(statistics.image_models, dtype=object)[second],
    }
    for side, found in sides.items():
        pairs = require(require(found).pairs)
        compared = pairs.comparison
        matrices = {
            "only_1": compared.only,
            "only_2": compared.only.T,
            "difference": compared.difference,
            "difference_low": compared.interval.low,
            "difference_high": compared.interval.high,
            "p_value": compared.p_value,
            "p_holm": pairs.p_holm,
            "p_bh": pairs.p_bh,
            **({} if pairs.agreement is None else {"agreement": pairs.agreement}),
            "consistency": pairs.consistency.observed,
            "kappa": pairs.consistency.kappa,
            "dominance": pairs.dominance.observed,
            "dominance_expected": pairs.dominance.expected,
        }
        columns |= {f"{side}_{name}": matrix[first, second] for name, matrix in matrices.items()}
    changes, drops = require(statistics.rank_changes), require(statistics.drop_differences)
    columns["reversed"] = (changes.reversed_pairs | changes.reversed_pairs.T)[first, second]
    columns |= {
        "drop_difference": drops.differences.difference[first, second],
        "drop_difference_low": drops.differences.interval.low[first, second],
        "drop_difference_high": drops.differences.interval.high[first, second],
        "drop_p_value": drops.differences.p_value[first, second],
        "drop_p_holm": drops.p_holm[first, second],
        "drop_p_bh": drops.p_bh[first, second],
    }
    return make_table(
        "pairs",
        "Every pair of models",
        columns,
        (),
        "Each model against each on the same images; model_1 stands higher on the original set.",
        empty="kappa is empty where both models are correct on all images or both on none; the p of a drop difference "
        "where neither set has an image that only one of the two classifies correctly.",
    )


# Rows that a person reads of a table too long to be read.
_READ_ROWS = 10


def sets_table(data: TableData) -> StatisticTable:
    """One figure a row, on either set."""
    original, new = require(data.statistics.original), require(data.statistics.new)
    sides = [_set_figures(found, data.statistics.level) for found in (original, new)]
    rows = [(*before, after[2]) for before, after in zip(*sides, strict=True)]

    def numbers(place: int) -> list[float]:
        return [np.nan if isinstance(row[place], Missing) else float(row[place]) for row in rows]

    return make_table(
        "sets",
        "How the models compare and err together",
        {
            "statistic": [row[0] for row in rows],
            "unit": [row[1] for row in rows],
            "original": numbers(2),
            "new": numbers(3),
            "missing": [next((side.reason for side in row[2:] if isinstance(side, Missing)), "") for row in rows],
        },
        [
            Column("statistic", "", "text"),
            Column("original", "Original", "unit"),
            Column("new", "New", "unit"),
            Column("missing", "Not computed because", "text"),
        ],
        f"{len(data.image_models)} models with predictions for each image; shares and κ are means over pairs of them. "
        f"Two differ significantly by McNemar's exact test at {_error(data)}, adjusted over all pairs.",
        empty="Without a reason beside it, a figure is empty where all models are correct on all images or on none.",
    )


def _set_figures(found: SetStatistics, level: float) -> list[tuple[str, str, Any]]:
    """Name, unit and value (or why it is missing) of each figure of one set."""
    pairs, hard, hardest = found.pairs, found.hard, found.hardest
    joint = found.joint
    reach = found.ranks.interval.high - found.ranks.interval.low + 1

    def of_pairs(value: Any) -> Any:
        return pairs if isinstance(pairs, Missing) else value(pairs)

    return [
        ("images", "count", found.images),
        ("pairs of models", "count", len(found.models) * (len(found.models) - 1) // 2),
        ("significantly different, Holm", "count", of_pairs(lambda p: _below(p.p_holm, level))),
        ("significantly different, Benjamini–Hochberg", "count", of_pairs(lambda p: _below(p.p_bh, level))),
        ("ranks in a model's rank set, median", "number", np.median(reach)),
        ("discordant images, median pair", "percent", of_pairs(lambda p: p.discordance)),
        ("smallest difference shown with 80 % power", "points", of_pairs(lambda p: p.detectable)),
        ("same top-1 prediction", "percent", of_pairs(lambda p: _mean(p.agreement))),
        ("both correct or both incorrect", "percent", of_pairs(lambda p: _mean(p.consistency.observed))),
        ("… if they erred independently", "percent", of_pairs(lambda p: _mean(p.consistency.expected))),
        ("Cohen's κ", "number", of_pairs(lambda p: _mean(p.consistency.kappa))),
        ("worse correct where better incorrect", "percent", of_pairs(lambda p: _mean(p.dominance.observed))),
        ("… if they erred independently", "percent", of_pairs(lambda p: _mean(p.dominance.expected))),
        ("margin of all accuracies, Hoeffding", "points", found.union_margin),
        ("… with the models' similarity", "points", found.cover_margin),
        ("… jointly, approximate", "points", joint.margin),
        ("models with independent errors they count for", "number", joint.independent_models),
        ("images that all models miss", "count", found.missed_by_all),
        ("images that more than half miss", "count", hard if isinstance(hard, Missing) else len(hard)),
        (
            f"hardest {100 * HARDEST_SHARE:g} %, with all as hard as the last",
            "count",
            hardest if isinstance(hardest, Missing) else len(hardest),
        ),
        (
            "… missed by at least so many models",
            "count",
            hardest if isinstance(hardest, Missing) else int(hardest.missed.min()),
        ),
    ]


def _error(data: TableData) -> str:
    return f"{100 * (1 - data.statistics.level):.3g} %"


def _mean(matrix: np.ndarray | None) -> float | Missing:
    """Mean over pairs of models; NaN where none is defined."""
    if matrix is None:
        return Missing("agreement is defined on top-1 predictions: see top-1")
    above = matrix[np.triu_indices(len(matrix), k=1)]
    defined = above[np.isfinite(above)]
    return float(defined.mean()) if len(defined) else float("nan")


def _below(p_values: np.ndarray, level: float) -> int:
    return int(np.sum(p_values[np.triu_indices(len(p_values), k=1)] < 1 - level))


def classes_table(data: TableData) -> StatisticTable:
    """One row per class: its accuracy on both sets, over models."""
    original, new = require(data.statistics.original), require(data.statistics.new)
    drops = require(data.statistics.class_drops)
    assert data.predictions is not None
    fell, rose = (
        np.sum((drops.p_holm < 1 - data.statistics.level) & (sign * drops.drop > 0), axis=0) for sign in (1, -1)
    )
    before, after = original.classes.accuracy.mean(axis=0), new.classes.accuracy.mean(axis=0)
    return make_table(
        "classes",
        "Accuracy per class",
        {
            "class": list(data.predictions[0].class_names),
            "original_total": original.classes.total,
            "new_total": new.classes.total,
            "original_accuracy": before,
            **_mean_bounds("original_accuracy", original.classes.interval),
            "new_accuracy": after,
            **_mean_bounds("new_accuracy", new.classes.interval),
            "drop": before - after,
            "original_rank": _rank_of_means(before),
            "new_rank": _rank_of_means(after),
            "fell": fell,
            "rose": rose,
        },
        [
            Column("class", "Class", "text"),
            Column("original_total", "Original images", "count"),
            Column("new_total", "New images", "count"),
            bounded("original_accuracy", "Original (%)"),
            bounded("new_accuracy", "New (%)"),
            Column("drop", "Drop (points)", "points"),
            Column("original_rank", "Original rank", "count"),
            Column("new_rank", "New rank", "count"),
            Column("fell", "Models that fall", "count"),
            Column("rose", "that rise", "count"),
        ],
        f"Means over {len(data.image_models)} models, the classes that fall most first; bounds are means of the "
        "models' own, which errs on the wide side. A model falls or rises on a class where Fisher's exact test says so "
        f"at {_error(data)}, by Holm over its classes; the CSV table model_classes has them one by one.",
        empty="A class without images on a set has no accuracy there, and no rank.",
        choose=lambda frame: frame.sort_values("drop", ascending=False, kind="stable").head(2 * _READ_ROWS),
    )


def _mean_bounds(name: str, interval: Interval[np.ndarray]) -> dict[str, np.ndarray]:
    """Around the mean over models: no mean spreads more than the mean of the spreads, however alike the models are."""
    return {f"{name}_low": interval.low.mean(axis=0), f"{name}_high": interval.high.mean(axis=0)}


def _rank_of_means(accuracy: np.ndarray) -> pd.Series:
    # Sums of the same accuracies in another order differ in their last digits, which is no difference in rank.
    return pd.Series(np.round(accuracy, 12)).rank(method="min", ascending=False)


def model_classes_table(data: TableData) -> StatisticTable:
    """One row per model and class."""
    original, new = require(data.statistics.original), require(data.statistics.new)
    drops = require(data.statistics.class_drops)
    assert data.predictions is not None
    order, names = data.image_order, list(data.predictions[0].class_names)

    def cells(matrix: np.ndarray) -> np.ndarray:
        return matrix[order].ravel()

    return make_table(
        "model_classes",
        "Accuracy per model and class",
        {
            "model": np.repeat(np.array(data.image_models, dtype=object), len(names)),
            "class": names * len(order),
            "original_correct": cells(original.classes.correct),
            "original_total": np.tile(original.classes.total, len(order)),
            "new_correct": cells(new.classes.correct),
            "new_total": np.tile(new.classes.total, len(order)),
            "drop": cells(drops.drop),
            "drop_low": cells(drops.interval.low),
            "drop_high": cells(drops.interval.high),
            "p_value": cells(drops.p_value),
            "p_holm": cells(drops.p_holm),
            "p_bh": cells(drops.p_bh),
        },
        (),
        "Drop of each class with Newcombe's interval, Fisher's exact test, adjusted over the classes of the model.",
        empty="A class without images on either set has no drop.",
    )


def hard_images_table(data: TableData) -> StatisticTable:
    """The images that more than half of the models miss, and what they take them for."""
    parts = []
    for side, found in enumerate((data.statistics.original, data.statistics.new)):
        hard = require(require(found).hard)
        assert data.predictions is not None
        predictions = data.predictions[side]
        names = predictions.class_names
        parts.append(
            {
                "set": [("original", "new")[side]] * len(hard),
                "image": [predictions.ids[image] for image in hard.image],
                "position": hard.image,
                "class": [names[label] for label in hard.label],
                "missed": hard.missed,
                "models": [hard.models] * len(hard),
                "favourite": [names[favourite] if favourite >= 0 else "" for favourite in hard.favourite],
                "votes": hard.votes,
            }
        )
    return make_table(
        "hard_images",
        "Hard images",
        {key: [value for part in parts for value in part[key]] for key in parts[0]},
        [
            Column("set", "Set", "text"),
            Column("image", "Image", "text"),
            Column("class", "Class", "text"),
            Column("missed", "Missed by", "count"),
            Column("favourite", "Taken for", "text"),
            Column("votes", "by", "count"),
        ],
        f"Images that more than half of {len(data.image_models)} models miss, the hardest first, and their most "
        f"frequent incorrect prediction. Up to {_READ_ROWS} of each set are shown; the CSV table holds all.",
        choose=lambda frame: frame.groupby("set", sort=False).head(_READ_ROWS),
    )
