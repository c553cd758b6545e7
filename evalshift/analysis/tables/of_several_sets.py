"""Tables over several pairs: accuracies and distances of each model on each new set, and their means."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalshift.analysis.pair_statistics.missing import either, reasons
from evalshift.analysis.pair_statistics.several_sets import MeanOverSets
from evalshift.analysis.statistics.several_shifts import SeveralShifts
from evalshift.analysis.tables.table import Column, StatisticTable, bounded, make_table
from evalshift.formatting import points, signed_points
from evalshift.titles import Titles

# New sets that are read side by side; a page of paper has no room for more.
_READ_SETS = 8
# What is NaN where there are no lines.
_OF_SHIFTS = (
    *("mean_distance", "mean_distance_low", "mean_distance_high", "wider_low", "wider_high"),
    *("between", "q", "q_p", "i_squared", "p_value", "p_holm"),
)


def shifts_table(cells: pd.DataFrame, titles: Titles, level: float, scale: str) -> StatisticTable:
    """One row per original set, new set and model; read as a matrix of models and new sets.

    `cells` has the columns original, new, model, original_accuracy, new_accuracy, drop, distance and its bounds.
    """
    pairs = list(dict.fromkeys(zip(cells["original"], cells["new"], strict=True)))
    several = len({original for original, _ in pairs}) > 1
    shown = pairs[:_READ_SETS]
    hidden = "" if len(pairs) <= _READ_SETS else f" {_READ_SETS} of {len(pairs)} new sets are shown; the CSV has all."
    columns = [Column("model", "Model", "model")]
    for number, (original, new) in enumerate(shown):
        columns.append(
            Column(f"set_{number}", titles.pair(original, new) if several else titles.dataset(new), "written")
        )
    return StatisticTable(
        "shifts",
        "Accuracy and effective robustness on each new set",
        cells,
        tuple(columns),
        _matrix(cells, shown),
        "New accuracy in percent; in parentheses effective robustness, in points above the line of the other models on "
        f"that set ({scale} scale). {100 * level:g} % confidence intervals are in the CSV table.{hidden}",
        "An empty cell: the model has no results on the set, or no line of other models there.",
        titles,
    )


def _matrix(cells: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Models in the order of their mean new accuracy, those on all sets first; each new set as text."""
    found: dict[str, dict[str, str]] = {}
    for row in cells.to_dict("records"):
        if (row["original"], row["new"]) in pairs:
            place = pairs.index((row["original"], row["new"]))
            found.setdefault(row["model"], {})[f"set_{place}"] = _cell(row["new_accuracy"], row["distance"])
    of_model = cells.groupby("model")["new_accuracy"].agg(["count", "mean"])
    order = of_model.sort_values(["count", "mean"], ascending=False, kind="stable").index
    keys = [f"set_{place}" for place in range(len(pairs))]
    rows = [{"model": model, **{key: found[model].get(key, "–") for key in keys}} for model in order if model in found]
    return pd.DataFrame(rows, columns=["model", *keys])


def _cell(accuracy: float, distance: float) -> str:
    if np.isnan(distance):
        return points(accuracy)
    return f"{points(accuracy)} ({signed_points(distance)})"


def mean_over_sets_table(found: Sequence[MeanOverSets], titles: Titles, level: float, scale: str) -> StatisticTable:
    """One row per original set and model, highest mean accuracy first."""
    frames = [_means(one) for one in found]
    several = [Column("original", "Original", "dataset")] if len(found) > 1 else []
    without = reasons({one.original: one.shifts for one in found})
    unlined = [f"{titles.dataset(original)}: {reason}" for original, reason in without.items()]
    with_intervals = not all(one.unseen for one in found)
    intervals = f", with {100 * level:g} % confidence intervals" if with_intervals else ""
    two = (
        "; its first interval is for these sets, the second for sets like these, of which they are a sample"
        if with_intervals
        else ""
    )
    note = (
        f"Unweighted means over the new sets ({_counted(found)}) of models that have results on all of "
        f"them{intervals}; drops and distances in points. "
        f"Distance: above the lines fitted without the model ({scale} scale){two}. "
        "Between sets: standard deviation of a model's distances beyond sampling error. "
        f"p (Q): test of no difference between sets (Cochran's Q). {_error_words(found, titles)}"
    )
    if unlined:
        note += f" No mean distance: {'; '.join(unlined)}."
    return make_table(
        "mean_over_sets",
        "Means over the new sets",
        pd.concat(frames, ignore_index=True),
        [
            *several,
            Column("model", "Model", "model"),
            Column("original_accuracy", "Original (%)", "percent"),
            bounded("mean_accuracy", "Mean new accuracy (%)"),
            bounded("mean_drop", "Mean drop", "points"),
            bounded("mean_distance", "Mean distance", "change"),
            Column("mean_distance", "Sets like these", "bounds", ("wider_low", "wider_high")),
            Column("between", "Between sets", "points"),
            Column("q_p", "p (Q)", "p"),
            Column("p_holm", "p (Holm)", "p"),
        ],
        note,
        empty="An empty cell is not defined: a line needs five other models that differ in accuracy.",
        titles=titles,
    )


def _error_words(found: Sequence[MeanOverSets], titles: Titles) -> str:
    return " ".join(filter(None, (_words_of_shared(found, titles), _words_of_unseen(found, titles))))


def _words_of_unseen(found: Sequence[MeanOverSets], titles: Titles) -> str:
    unseen = [f"{titles.dataset(one)} and {titles.dataset(other)}" for each in found for one, other in each.unseen]
    if not unseen:
        return ""
    return (
        "Means have no intervals, and Q and the spread between sets err on the safe side, where sets share images and "
        "it is not known which: "
        f"{', '.join(unseen[:3])}{' …' if len(unseen) > 3 else ''}."
    )


def _words_of_shared(found: Sequence[MeanOverSets], titles: Titles) -> str:
    shared = [f"{titles.dataset(one)} and {titles.dataset(other)}" for each in found for one, other in each.shared]
    known = [one for one in found if not one.unseen]
    if all(either(one.shifts, lambda shifts: shifts.shared_images, lambda reason: True) for one in known):
        if not shared:
            return "" if len(known) < len(found) else "No images are known to be shared between sets."
        return f"Images in common are accounted for: {', '.join(shared[:3])}{' …' if len(shared) > 3 else ''}."
    return "From counts alone, sets are treated as independent, and models as evaluated on different images."


def _counted(found: Sequence[MeanOverSets]) -> str:
    counts = sorted({len(one.new) for one in found})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _means(one: MeanOverSets) -> pd.DataFrame:
    nothing = np.full(len(one.models), np.nan)
    frame = pd.DataFrame(
        {
            "original": one.original,
            "model": one.models,
            "sets": len(one.new),
            "original_accuracy": one.original_accuracy,
            "mean_accuracy": one.accuracy,
            "mean_accuracy_low": one.accuracy_interval.low,
            "mean_accuracy_high": one.accuracy_interval.high,
            "mean_drop": one.drop,
            "mean_drop_low": one.drop_interval.low,
            "mean_drop_high": one.drop_interval.high,
            **either(one.shifts, _shift_cells, lambda reason: dict.fromkeys(_OF_SHIFTS, nothing)),
        }
    )
    return frame.sort_values("mean_accuracy", ascending=False, kind="stable", ignore_index=True)


def _shift_cells(shifts: SeveralShifts) -> dict[str, np.ndarray]:
    return {
        "mean_distance": shifts.mean,
        "mean_distance_low": shifts.interval.low,
        "mean_distance_high": shifts.interval.high,
        "wider_low": shifts.wider_interval.low,
        "wider_high": shifts.wider_interval.high,
        "between": shifts.between,
        "q": shifts.q,
        "q_p": shifts.q_p,
        "i_squared": shifts.i_squared,
        "p_value": shifts.p_value,
        "p_holm": shifts.p_holm,
    }
