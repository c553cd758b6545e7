"""The table of selection frequencies: their mean on each set, and how accuracy rises with them."""

from typing import Any

import numpy as np

from evalshift.analysis.outcomes import ImagePredictions
from evalshift.analysis.statistics.groups import selection_frequency
from evalshift.analysis.statistics.selection_frequencies import slopes_on_frequency
from evalshift.analysis.tables.of_groups import GroupData, data_of_pair
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table


def frequencies_table(data: TableData | GroupData) -> StatisticTable | None:
    """One row per set whose images have selection frequencies, and model."""
    data = data_of_pair(data) if isinstance(data, TableData) else data
    columns: dict[str, list[Any]] = {}
    first: float | None = None
    for side, predictions in data.sides:
        frequency = _frequency(predictions)
        if frequency is None:
            continue
        known = ~np.isnan(frequency)
        correct, mean = predictions.correct(data.metric)[:, known], float(frequency[known].mean())
        first = mean if first is None else first
        found = slopes_on_frequency(correct, frequency[known], data.level)
        for model, row in data.rows:
            accuracy = float(correct[row].mean())
            cells = {
                "set": side,
                "model": model,
                "images": int(known.sum()),
                "mean_frequency": mean,
                "accuracy": accuracy,
                "slope": float(found.slope[row]) / 10,
                "slope_low": float(found.interval.low[row]) / 10,
                "slope_high": float(found.interval.high[row]) / 10,
                "at_first_mean": accuracy + float(found.slope[row]) * (first - mean),
            }
            for key, value in cells.items():
                columns.setdefault(key, []).append(value)
    if not columns:
        return None
    return make_table(
        "selection_frequencies",
        "Selection frequencies",
        columns,
        [
            Column("set", "Set", "text"),
            Column("mean_frequency", "Mean frequency", "number"),
            Column("model", "Model", "model"),
            Column("images", "Images", "count"),
            Column("accuracy", "Accuracy (%)", "percent"),
            bounded("slope", "Per 0.1 of frequency (points)", kind="points"),
            Column("at_first_mean", "At the mean frequency of the first set (%)", "percent"),
        ],
        "Accuracy of each model regressed on the selection frequency of the images by least squares, with its "
        f"{100 * data.level:g} % confidence interval, and the accuracy that this line gives at the mean frequency of "
        "the first set. Noise in the frequencies makes the slope too small, so that more of a drop can be due to them. "
        "In ImageNetV2 mean frequencies are 0.73 (MatchedFrequency), 0.85 (Threshold0.7) and 0.93 (TopImages), against "
        "0.71 for ImageNet's validation set (Recht et al. 2019, table 2).",
        empty="all images have the same frequency",
    )


def _frequency(predictions: ImagePredictions) -> np.ndarray | None:
    for name, values in predictions.attributes.items():
        if (found := selection_frequency(name, values)) is not None:
            return found if (~np.isnan(found)).sum() >= 3 else None
    return None
