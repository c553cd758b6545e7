"""The table of single figures of each test set: how its models compare and have correlated errors."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from evalshift.analysis.pair_statistics.missing import Missing, attempt, or_else, reasons, require
from evalshift.analysis.pair_statistics.set_statistics import HARDEST_SHARE, PairwiseStatistics, SetStatistics
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, make_table
from evalshift.errors import AnalysisError
from evalshift.formatting import counted


def sets_table(data: TableData) -> StatisticTable:
    """One row per figure, on either set."""
    statistics = data.statistics
    original, new = (_values(require(found), statistics.level) for found in (statistics.original, statistics.new))
    return make_table(
        "sets",
        "Agreement and differences of the models",
        {
            "statistic": [figure.name for figure in _FIGURES],
            "unit": [figure.unit for figure in _FIGURES],
            "original": [or_else(value, np.nan) for value in original],
            "new": [or_else(value, np.nan) for value in new],
            "missing": [_reason(*values) for values in zip(original, new, strict=True)],
        },
        [
            Column("statistic", "", "text"),
            Column("original", "Original", "unit"),
            Column("new", "New", "unit"),
            Column("missing", "Not computed because", "text"),
        ],
        f"{counted(len(data.image_models), 'model')} with predictions for each image; shares and κ are means over "
        "pairs of them. "
        f"Two differ significantly by McNemar's exact test at {data.error_words}, adjusted over all pairs.",
        empty="Without a stated reason, a value is empty if all models are correct on all images or on none.",
    )


def _values(found: SetStatistics, level: float) -> list[float | Missing]:
    return [attempt(partial(figure.of, found, level)) for figure in _FIGURES]


def _reason(original: float | Missing, new: float | Missing) -> str:
    return next(iter(reasons({"original": original, "new": new}).values()), "")


@dataclass(frozen=True)
class _Figure:
    """One row.

    unit    as the kind of a `Column`
    value   from the statistics of a set and the confidence level; raises AnalysisError where it is not computed
    """

    name: str
    unit: str
    value: Callable[[SetStatistics, float], float]

    def of(self, found: SetStatistics, level: float) -> float:
        """The value as a number that a column of counts and fractions holds."""
        return float(self.value(found, level))


def _of_set(value: Callable[[SetStatistics], float]) -> Callable[[SetStatistics, float], float]:
    return lambda found, level: value(found)


def _of_pairs(value: Callable[[PairwiseStatistics], float]) -> Callable[[SetStatistics, float], float]:
    return lambda found, level: value(require(found.pairs))


def _significant(p_values: Callable[[PairwiseStatistics], np.ndarray]) -> Callable[[SetStatistics, float], float]:
    return lambda found, level: int(np.sum(_over_pairs(p_values(require(found.pairs))) < 1 - level))


def _mean(matrix: np.ndarray | None) -> float:
    """Mean over pairs of models; NaN where none is defined."""
    if matrix is None:
        raise AnalysisError("agreement is defined on top-1 predictions: see top-1")
    values = _over_pairs(matrix)
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _over_pairs(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.triu_indices(len(matrix), k=1)]


def _number_of_pairs(found: SetStatistics) -> int:
    return len(found.models) * (len(found.models) - 1) // 2


def _median_rank_set(found: SetStatistics) -> float:
    return float(np.median(found.ranks.interval.high - found.ranks.interval.low + 1))


_FIGURES = (
    _Figure("images", "count", _of_set(lambda found: found.images)),
    _Figure("pairs of models", "count", _of_set(_number_of_pairs)),
    _Figure("significantly different, Holm", "count", _significant(lambda pairs: pairs.p_holm)),
    _Figure("significantly different, Benjamini–Hochberg", "count", _significant(lambda pairs: pairs.p_bh)),
    _Figure("ranks in a model's rank set, median", "number", _of_set(_median_rank_set)),
    _Figure("discordant images, median pair", "percent", _of_pairs(lambda pairs: pairs.discordance)),
    _Figure("detectable difference with 80 % power", "points", _of_pairs(lambda pairs: require(pairs.detectable))),
    _Figure("same top-1 prediction", "percent", _of_pairs(lambda pairs: _mean(pairs.agreement))),
    _Figure("both correct or both incorrect", "percent", _of_pairs(lambda pairs: _mean(pairs.consistency.observed))),
    _Figure("… if they erred independently", "percent", _of_pairs(lambda pairs: _mean(pairs.consistency.expected))),
    _Figure("Cohen's κ", "number", _of_pairs(lambda pairs: _mean(pairs.consistency.kappa))),
    _Figure(
        "worse correct where better incorrect", "percent", _of_pairs(lambda pairs: _mean(pairs.dominance.observed))
    ),
    _Figure("… if they erred independently", "percent", _of_pairs(lambda pairs: _mean(pairs.dominance.expected))),
    _Figure("margin of all accuracies, Hoeffding", "points", _of_set(lambda found: found.union_margin)),
    _Figure("… with the models' similarity", "points", _of_set(lambda found: require(found.cover_margin))),
    _Figure("… jointly, approximate", "points", _of_set(lambda found: found.joint.margin)),
    _Figure(
        "effective number of independent models",
        "number",
        _of_set(lambda found: found.joint.independent_models),
    ),
    _Figure("… its Monte Carlo standard error", "number", _of_set(lambda found: found.joint.independent_models_error)),
    _Figure("images that all models miss", "count", _of_set(lambda found: require(found.missed_by_all))),
    _Figure("images that more than half miss", "count", _of_set(lambda found: require(found.missed_by_most))),
    _Figure(
        f"hardest {100 * HARDEST_SHARE:g} %, including ties",
        "count",
        _of_set(lambda found: len(require(found.hardest))),
    ),
    _Figure(
        "… each missed by at least",
        "count",
        _of_set(lambda found: int(require(found.hardest).missed.min())),
    ),
)
