"""The table of every model against every other."""

import numpy as np

from evalshift.analysis.pair_statistics.compute import DropComparison
from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.pair_statistics.set_statistics import PairwiseStatistics
from evalshift.analysis.statistics.rank_sets import RankChanges
from evalshift.analysis.tables.table import StatisticTable, TableData, make_table
from evalshift.errors import AnalysisError

# Of more models the table is made only on request: a thousand make half a million rows, and 200 MB.
MOST_MODELS = 200

# Column -> its values over two models.
Matrices = dict[str, np.ndarray]


def pairs_table(data: TableData) -> StatisticTable:
    """One row per pair of models: both sets, and their drops."""
    statistics, order = data.statistics, data.image_order
    if len(order) > MOST_MODELS and "pairs" not in data.included:
        raise AnalysisError(f"of more than {MOST_MODELS} models it is made only when asked for (`include`)")
    first, second = (order[places] for places in np.triu_indices(len(order), k=1))
    models = np.array(statistics.image_models, dtype=object)
    matrices = {
        **_on_one_set("original", require(require(statistics.original).pairs)),
        **_on_one_set("new", require(require(statistics.new).pairs)),
        **_order(require(statistics.rank_changes)),
        **_drops(require(statistics.drop_differences)),
    }
    return make_table(
        "pairs",
        "Every pair of models",
        {
            "model_1": models[first],
            "model_2": models[second],
            **{column: matrix[first, second] for column, matrix in matrices.items()},
        },
        (),
        "Each pair of models on the same images; model_1 is more accurate on the original set.",
        empty="kappa is empty if both models are correct on all images or both on none; the p of a drop difference, if "
        "neither set has an image that only one of the two classifies correctly.",
    )


def _on_one_set(side: str, pairs: PairwiseStatistics) -> Matrices:
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
    return {f"{side}_{column}": matrix for column, matrix in matrices.items()}


def _order(changes: RankChanges) -> Matrices:
    return {"reversed": changes.reversed_pairs | changes.reversed_pairs.T}


def _drops(compared: DropComparison) -> Matrices:
    drops = compared.differences
    return {
        "drop_difference": drops.difference,
        "drop_difference_low": drops.interval.low,
        "drop_difference_high": drops.interval.high,
        "drop_p_value": drops.p_value,
        "drop_p_holm": compared.p_holm,
        "drop_p_bh": compared.p_bh,
    }
