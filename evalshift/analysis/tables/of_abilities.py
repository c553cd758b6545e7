"""Tables of item response: abilities of models, and difficulties of images and classes."""

from typing import Any

import numpy as np
import pandas as pd

from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table, with_bounds
from evalshift.formatting import counted

_READ_CLASSES = 20
_LINKED = (
    "Unit: the standard deviation of the models' abilities, 0 is their mean, on either set. The sets share no images: "
    "that the average ability of the models is the same on both is an assumption, not a finding."
)


def item_response_table(data: TableData) -> StatisticTable | None:
    """One row per model; None where it was not asked for."""
    found = require(data.statistics.item_response)
    if found is None:
        return None
    order = data.image_order
    columns: dict[str, Any] = {"model": data.image_models}
    for side, one in (("original", found.original), ("new", found.new)):
        columns[f"{side}_ability"] = one.ability[order]
        columns |= with_bounds(f"{side}_ability", one.interval, order)
    columns["change"] = found.change[order]
    columns |= with_bounds("change", found.interval, order)
    return make_table(
        "item_response",
        "Ability of models (item response)",
        columns,
        [
            Column("model", "Model", "model"),
            bounded("original_ability", "Original ability", "number"),
            bounded("new_ability", "New ability", "number"),
            bounded("change", "New − original", "number"),
        ],
        f"Two-parameter logistic model, with {100 * data.statistics.level:g} % confidence intervals for sampling "
        f"error of the images. {_LINKED}{not_converged(data.statistics)}",
        empty="An ability is empty for a model with none or all correct on one of the sets.",
    )


def item_response_sets_table(data: TableData) -> StatisticTable | None:
    """One row per set; None where it was not asked for."""
    found = require(data.statistics.item_response)
    if found is None:
        return None
    columns: dict[str, list[Any]] = {}
    for side, one in (("original", found.original), ("new", found.new)):
        cells: dict[str, Any] = {"set": side}
        for name in ("difficulty", "spread", "discrimination"):
            estimate = getattr(one, name)
            cells |= {
                name: estimate.value,
                f"{name}_low": estimate.interval.low,
                f"{name}_high": estimate.interval.high,
            }
        cells |= {"variation": one.variation, "steps": one.steps, "converged": one.converged}
        for key, value in cells.items():
            columns.setdefault(key, []).append(value)
    return make_table(
        "item_response_sets",
        "Difficulty of images (item response)",
        columns,
        [
            Column("set", "Set", "text"),
            bounded("difficulty", "Mean difficulty", "number"),
            bounded("spread", "Standard deviation", "number"),
            bounded("discrimination", "Discrimination", "number"),
            Column("variation", "SD of its log"),
        ],
        f"{_LINKED} Discrimination: log-odds per unit of ability, of an image of mean difficulty."
        f"{not_converged(data.statistics)}",
    )


def not_converged(statistics: Statistics) -> str:
    """Which fits had not converged, as a sentence; empty where all had."""
    found = require(statistics.item_response)
    if found is None:
        return ""
    sides = [f"{side} set" for side, one in (("original", found.original), ("new", found.new)) if not one.converged]
    steps = max(found.original.steps, found.new.steps)
    of = " and of the ".join(sides)
    return f" The fit of the {of} had not converged after {steps} steps: its numbers are approximate." if sides else ""


def item_response_classes_table(data: TableData) -> StatisticTable | None:
    """One row per class with two images on both sets, those that became harder or easier first; None if not asked."""
    found = require(data.statistics.class_difficulties)
    if found is None:
        return None
    known = np.flatnonzero(np.isfinite(found.p_holm))
    order = known[np.lexsort((known, -np.abs(found.change.change[known]), found.change.p_value[known]))]
    columns: dict[str, Any] = {"class": [data.class_names[label] for label in order], "label": order}
    for side, one in (("original", found.original), ("new", found.new)):
        columns |= {f"{side}_images": one.images[order].astype(np.int64), f"{side}_difficulty": one.mean[order]}
        columns |= with_bounds(f"{side}_difficulty", one.interval(data.statistics.level), order)
    columns |= {
        "change": found.change.change[order],
        **with_bounds("change", found.change.interval, order),
        "p_value": found.change.p_value[order],
        "p_holm": found.p_holm[order],
    }
    frame = pd.DataFrame(columns)
    significant = int((frame["p_holm"] < 1 - data.statistics.level).sum())
    return make_table(
        "item_response_classes",
        "Difficulty of classes (item response)",
        frame,
        [
            Column("class", "Class", "text"),
            bounded("original_difficulty", "Original difficulty", "number"),
            bounded("new_difficulty", "New difficulty", "number"),
            bounded("change", "New − original", "number"),
            Column("p_holm", "p (Holm)", "p"),
        ],
        "Mean difficulty of a class's images minus that of all images of the set, in standard deviations of the "
        f"models' ability. New − original is beyond the median class: above 0 the class became harder by more. "
        f"{significant:,} of {counted(len(frame), 'class', 'classes')} change significantly (Holm)."
        + (f" The first {_READ_CLASSES} are shown; the CSV table contains all." if len(frame) > _READ_CLASSES else ""),
        choose=lambda frame: frame.head(_READ_CLASSES),
    )
