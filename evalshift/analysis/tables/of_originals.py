"""The table of effective robustness over several original sets."""

from collections.abc import Sequence

import pandas as pd

from evalshift.analysis.pair_statistics.joint_originals import JointOriginals
from evalshift.analysis.tables.table import Column, StatisticTable, bounded, make_table
from evalshift.formatting import number, points
from evalshift.titles import Titles


def several_originals_table(found: Sequence[JointOriginals], titles: Titles, level: float) -> StatisticTable:
    """One row per new set and model, the farthest above the joint fit first."""
    several = [Column("new", "New", "dataset")] if len(found) > 1 else []
    return make_table(
        "several_originals",
        "Effective robustness over several original sets",
        pd.concat([_rows(one) for one in found], ignore_index=True),
        [
            *several,
            Column("model", "Model", "model"),
            Column("new_accuracy", "New (%)", "percent"),
            Column("predicted", "Predicted (%)", "percent"),
            bounded("distance", "Distance", "change"),
            Column("p_value", "p", "p"),
            Column("p_holm", "p (Holm)", "p"),
        ],
        f"{' '.join(_words(one, titles) for one in found)} Distance: new accuracy above this fit to the other "
        f"models, in points, with {100 * level:g} % confidence intervals; p: test of whether the distance exceeds the "
        "scatter of such models.",
        empty="An empty cell is not defined: too few other models.",
        titles=titles,
    )


def _words(one: JointOriginals, titles: Titles) -> str:
    """The fit, and how much better it predicts than each original set alone."""
    found = one.found
    terms = " + ".join(
        f"{number(slope)} · {titles.dataset(name)}"
        for slope, name in zip(found.coefficients, one.originals, strict=True)
    )
    alone = ", ".join(
        f"{points(error, 2)} from {titles.dataset(name)}"
        for error, name in zip(found.errors[:-1], one.originals, strict=True)
    )
    return (
        f"{titles.dataset(one.new)} = {number(found.offset)} + {terms} on the {found.scale} scale "
        f"(R² = {number(found.r2, 3)}; leave-one-out error {points(float(found.errors[-1]), 2)} points, alone {alone})."
    )


def _rows(one: JointOriginals) -> pd.DataFrame:
    found = one.found
    frame = pd.DataFrame(
        {
            "new": one.new,
            "originals": ", ".join(one.originals),
            "model": one.models,
            **{f"accuracy_{name}": row for name, row in zip(one.originals, one.original_accuracy, strict=True)},
            "new_accuracy": one.new_accuracy,
            "predicted": found.predicted,
            "distance": found.distance,
            "distance_low": found.interval.low,
            "distance_high": found.interval.high,
            "p_value": found.p_value,
            "p_holm": found.p_holm,
        }
    )
    return frame.sort_values("distance", ascending=False, kind="stable", ignore_index=True)
