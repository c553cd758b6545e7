"""Models of one recipe, trained from several seeds: their mean and how far they spread."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evalshift.analysis.tables.table import Column, StatisticTable, TableData, make_table

# How the seed stands at the end of a model's name: erm-seed0, erm_seed_12, erm.seed=3.
_SEED = re.compile(r"[-_. ]?seed[-_=]?\d+$", re.IGNORECASE)

_NOTE = (
    "Mean and standard deviation (n − 1) over models that differ in their seed alone, on the same images: what another "
    "training run changes. Intervals of the accuracies tell what other images would change."
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
    return make_table(
        "recipes",
        "Recipes over their seeds",
        columns,
        [
            Column("recipe", "Recipe", "text"),
            Column("seeds", "Seeds", "count"),
            Column("original_mean", "Original, mean (%)", "percent"),
            Column("original_sd", "± sd (points)", "points"),
            Column("new_mean", "New, mean (%)", "percent"),
            Column("new_sd", "± sd (points)", "points"),
            Column("drop_mean", "Drop, mean (points)", "points"),
            Column("drop_sd", "± sd (points)", "points"),
        ],
        _NOTE,
    )
