"""Every two models of a pair compared, as data for the script of the page, which shows two pinned ones side by side."""

from typing import Any

import numpy as np

from evalshift.analysis.page.chart import plain
from evalshift.analysis.pair_statistics.compute import MOST_PAIRED
from evalshift.analysis.pair_statistics.missing import or_none, require
from evalshift.analysis.pair_statistics.set_statistics import SetStatistics
from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.summary import MetricSummary


@or_none
def pairwise_view(metric: MetricSummary) -> dict[str, Any] | None:
    """Differences in points with intervals and p-values of every two of m models; None where there are no predictions.

    Matrices are flat lists of the entries [i, j] with i < j, row by row; `only` has the entries [j, i] behind them.
    Models are numbered by `rows`, their rows in the table. Effective robustness is above the line through all but the
    two, on `scale`; its `distance` has the entries [j, i] behind those of [i, j] too.
    """
    models = metric.statistics.image_models
    if not 2 <= len(models) <= MOST_PAIRED:
        return None
    found = require(metric.statistics.drop_differences).differences
    place = {model: row for row, model in enumerate(metric.table["model"])}
    sides = (
        (metric.statistics.original, metric.outcomes.original),
        (metric.statistics.new, metric.outcomes.new),
    )
    return {
        "rows": [place[model] for model in models],
        "level": metric.level,
        "sets": [_of_set(require(side), metric.titles.dataset(name)) for side, name in sides],
        "drop": _differences(found.difference, found.interval, found.p_value),
        "robustness": _robustness(metric, models),
    }


def _of_set(side: SetStatistics, title: str) -> dict[str, Any]:
    compared = require(side.pairs).comparison
    above = np.triu_indices(len(compared.only), k=1)
    accuracy = side.classes.correct.sum(axis=1) / side.images
    return {
        "title": title,
        "images": side.images,
        "accuracy": plain(100 * accuracy, 3),
        **_differences(compared.difference, compared.interval, compared.p_value),
        "only": [*compared.only[above].tolist(), *compared.only.T[above].tolist()],
    }


def _differences(difference: np.ndarray, interval: Interval[np.ndarray], p_value: np.ndarray) -> dict[str, list]:
    above = np.triu_indices(len(difference), k=1)
    return {
        "difference": plain(100 * difference[above], 3),
        "low": plain(100 * interval.low[above], 3),
        "high": plain(100 * interval.high[above], 3),
        "p": [None if np.isnan(p) else float(f"{p:.3g}") for p in p_value[above]],
    }


@or_none
def _robustness(metric: MetricSummary, models: tuple[str, ...]) -> dict[str, Any] | None:
    found = require(metric.statistics.robustness_of_pairs)
    place = {model: row for row, model in enumerate(metric.statistics.models)}
    both = np.ix_(*[[place[model] for model in models]] * 2)
    distance, above = found.distance[both], np.triu_indices(len(models), k=1)
    interval = Interval(found.interval.low[both], found.interval.high[both])
    return {
        "scale": metric.statistics.lines.scale,
        "distance": plain(100 * np.concatenate([distance[above], distance.T[above]]), 3),
        **_differences(found.difference[both], interval, found.p_value[both]),
    }
