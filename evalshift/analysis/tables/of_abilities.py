"""Tables of item response: abilities of models, and difficulties of images."""

from typing import Any

from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table, with_bounds

_LINKED = (
    "Unit: the standard deviation of the models' abilities, 0 is their mean, on either set. The sets share no images: "
    "that models are equally able on both on average is an assumption, not a finding."
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
        f"Two-parameter logistic model, with {100 * data.statistics.level:g} % confidence intervals of samples of "
        f"images. {_LINKED}",
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
        cells["variation"] = one.variation
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
            Column("variation", "Sd of its log"),
        ],
        f"{_LINKED} Discrimination: log-odds per unit of ability, of an image of mean difficulty.",
    )
