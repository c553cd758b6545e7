"""Models of one recipe, trained from several seeds: their mean and how far they spread."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evalshift.analysis.statistics.seeds import seed_spread
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table

# How the seed stands at the end of a model's name: erm-seed0, erm_seed_12, erm.seed=3.
_SEED = re.compile(r"[-_. ]?seed[-_=]?\d+$", re.IGNORECASE)

_NOTE = (
    "Mean and standard deviation (n − 1) over models that differ in their seed alone, on the same images: the "
    "effect of another training run. The intervals of the accuracies show the effect of other images."
)

_PARTED = (
    " SD from the test set: the scatter of seeds with equal true accuracy on this many images; on the distribution: "
    "the scatter of their true accuracies, with its interval."
)


def recipes(models: Sequence[str], declared: Mapping[str, Mapping[str, Any]]) -> dict[str, list[int]]:
    """The places of the models of each recipe that has at least two, in their order.

    A model's recipe is what its registry entry declares, else its name without the seed at its end.
    """
    found: dict[str, list[int]] = {}
    for place, model in enumerate(models):
        recipe = declared.get(model, {}).get("recipe") or (_SEED.sub("", model) if _SEED.search(model) else None)
        if recipe:
            found.setdefault(recipe, []).append(place)
    return {recipe: places for recipe, places in found.items() if len(places) > 1}


def recipes_of_set(models: Sequence[str], accuracy: np.ndarray) -> StatisticTable | None:
    """One row per recipe: mean and standard deviation over its seeds of accuracies on one set, shape (m,)."""
    found = recipes(models, {})
    if not found:
        return None
    columns = {
        "recipe": list(found),
        "seeds": [len(places) for places in found.values()],
        "mean": [np.mean(accuracy[places]) for places in found.values()],
        "sd": [np.std(accuracy[places], ddof=1) for places in found.values()],
    }
    shown = [
        Column("recipe", "Recipe", "text"),
        Column("seeds", "Seeds", "count"),
        Column("mean", "Mean (%)", "percent"),
        Column("sd", "± sd (points)", "points"),
    ]
    return make_table("recipes", "Recipes over their seeds", columns, shown, _NOTE)


def recipes_table(data: TableData) -> StatisticTable | None:
    """One row per recipe: mean and standard deviation over its seeds of both accuracies and of the drop."""
    outcomes = data.outcomes
    found = recipes(outcomes.models, outcomes.attributes)
    if not found:
        return None
    original = outcomes.original_correct / outcomes.original_total
    new = outcomes.new_correct / outcomes.new_total
    values = {"original": original, "new": new, "drop": original - new}
    columns = {"recipe": list(found), "seeds": [len(places) for places in found.values()]}
    for name, accuracy in values.items():
        columns[f"{name}_mean"] = [np.mean(accuracy[places]) for places in found.values()]
        columns[f"{name}_sd"] = [np.std(accuracy[places], ddof=1) for places in found.values()]
    parted = _parted(data, found)
    return make_table(
        "recipes",
        "Recipes over their seeds",
        columns | parted,
        [
            Column("recipe", "Recipe", "text"),
            Column("seeds", "Seeds", "count"),
            Column("original_mean", "Original, mean (%)", "percent"),
            Column("original_sd", "± sd (points)", "points"),
            Column("new_mean", "New, mean (%)", "percent"),
            Column("new_sd", "± sd (points)", "points"),
            Column("drop_mean", "Drop, mean (points)", "points"),
            Column("drop_sd", "± sd (points)", "points"),
            *(
                column
                for side in ("original", "new")
                if parted
                for column in (
                    Column(f"{side}_sd_test_set", f"{side.capitalize()}, SD from the test set", "hundredths"),
                    bounded(f"{side}_sd_distribution", "on its distribution", "hundredths"),
                )
            ),
        ],
        _NOTE + (_PARTED if parted else ""),
    )


def _parted(data: TableData, found: Mapping[str, Sequence[int]]) -> dict[str, list[float]]:
    """Columns of the seeds' standard deviation by its sources; none unless all these models have predictions."""
    place = {model: position for position, model in enumerate(data.statistics.image_models)}
    seeds = [[data.outcomes.models[one] for one in places] for places in found.values()]
    if data.predictions is None or not all(model in place for models in seeds for model in models):
        return {}
    columns: dict[str, list[float]] = {}
    for side, predictions in zip(("original", "new"), data.predictions, strict=True):
        correct = predictions.correct(data.statistics.metric)
        for models in seeds:
            spread = seed_spread(correct[[place[model] for model in models]], data.statistics.level)
            cells = {
                "test_set": spread.test_set,
                "distribution": spread.distribution,
                "distribution_low": spread.interval.low,
                "distribution_high": spread.interval.high,
            }
            for key, value in cells.items():
                columns.setdefault(f"{side}_sd_{key}", []).append(value)
    return columns
