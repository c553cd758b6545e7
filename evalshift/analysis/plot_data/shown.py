"""Which models and classes a figure shows, and in which order; the same on the page and in print."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from evalshift.analysis.pair_statistics.missing import or_none, require
from evalshift.analysis.plot_data.ordering import alike_first, both_ends, first_of
from evalshift.analysis.summary import MetricSummary

_MOVERS = 8  # models that stand out for their rank changes, at most


@dataclass(frozen=True, eq=False)
class ShownRanks:
    """Ranks of m models of a table on either set: the first, and those that are highlighted.

    table      their rows, the best on the original set first: model k is in row k on the left
    right      the row of each on the right, in the order of the new set
    real       whose rank change is statistically significant; False where that is not known
    sets       confidence sets of ranks from the table `ranks`, of the models that have one; None if none has
    with_sets  row numbers in `table` of the models in `sets`, in that order
    rows       row numbers of the models in the whole table
    highlighted  which of them are highlighted
    """

    table: pd.DataFrame
    right: Int[np.ndarray, " m"]
    real: Bool[np.ndarray, " m"]
    sets: pd.DataFrame | None
    with_sets: Int[np.ndarray, " k"]
    rows: Int[np.ndarray, " m"]
    highlighted: Bool[np.ndarray, " m"]

    @property
    def movers(self) -> Bool[np.ndarray, " m"]:
        """The models with the largest rank changes, at most eight, each of two places or more.

        None where some changes are statistically significant: those are the ones to look at.
        """
        moved = self.table["delta_rank"].abs().to_numpy(int)
        if self.real.any() or len(moved) == 0:
            return np.zeros(len(moved), bool)
        least = max(2, int(np.sort(moved)[::-1][:_MOVERS][-1]))
        most = moved >= least
        return most if most.sum() <= _MOVERS else moved > least

    @property
    def new_order(self) -> Int[np.ndarray, " m"]:
        """Row numbers in `table`, from the best to the worst on the new set."""
        return np.argsort(self.right)


def shown_ranks(metric: MetricSummary, most: int) -> ShownRanks | None:
    """The best `most` models on the original set and their ranks on the new one; None for fewer than two models.

    Highlighted models are among them, whatever their rank.
    Tied models are ordered by their rank on the other set, then by name.
    """
    if len(metric.table) < 2:
        return None
    rows = first_of(len(metric.table), most, np.flatnonzero(metric.highlighted).tolist())
    table = metric.table.iloc[rows].reset_index(drop=True)
    right = np.empty(len(table), dtype=np.int64)
    right[table.sort_values(["new_rank", "original_rank", "model"]).index.to_numpy()] = np.arange(len(table))
    sets, with_sets = None, np.arange(0)
    if "ranks" in metric.tables:
        found = metric.tables["ranks"].frame.set_index("model", drop=False)
        with_sets = np.flatnonzero(table["model"].isin(found.index))
        sets = found.loc[table["model"].iloc[with_sets]]
    real = table["delta_rank_real"].fillna(False).to_numpy(bool)
    return ShownRanks(table, right, real, sets, with_sets, rows, metric.highlighted[rows])


def of_all_words(shown: Int[np.ndarray, " m"], models: int) -> str:
    """Which models of a table are shown, for a caption; nothing where it is all of them.

    >>> of_all_words(np.array([0, 1]), 5), of_all_words(np.array([0, 4]), 5), of_all_words(np.arange(5), 5)
    ('the best 2 of 5 models', 'the best 1 of 5 models, and the highlighted ones', '')
    """
    if len(shown) == models:
        return ""
    first = int(np.argmax(np.append(shown, models) != np.arange(len(shown) + 1)))
    beyond = ", and the highlighted ones" if first < len(shown) else ""
    return f"the best {first:,} of {models:,} models{beyond}"


@dataclass(frozen=True, eq=False)
class ShownRobustness:
    """Distances of models from the line fitted without them, the highest above it first.

    table   the table `robustness` with the columns `title` and `place`, where the model stands among the others: its
            distance, or the middle of its interval where that is not given; limited to models that have either
    level   confidence level of its intervals; tests are at one minus this level
    marked  the names of highlighted models
    """

    table: pd.DataFrame
    level: float
    marked: frozenset[str] = frozenset()

    @property
    def highlighted(self) -> Bool[np.ndarray, " m"]:
        """Who is highlighted."""
        return self.table["model"].isin(self.marked).to_numpy(bool)

    @property
    def off(self) -> Bool[np.ndarray, " m"]:
        """Whose distance is statistically significant after Holm's adjustment."""
        return (self.table["p_holm"].fillna(1) < 1 - self.level).to_numpy(bool)

    def farthest_first(self) -> "ShownRobustness":
        """The same, sorted by the absolute distance, the largest first, without models whose distance is not given."""
        table = self.table.sort_index().sort_values("distance", key=abs, ascending=False, kind="stable")
        table = table[table["distance"].notna()]
        return ShownRobustness(table, self.level, self.marked)

    def ends(self, most: int) -> "ShownRobustness":
        """The same, limited to the models at both ends and to highlighted ones if there are more than `most`."""
        rows = both_ends(len(self.table), most, np.flatnonzero(self.highlighted).tolist())
        return ShownRobustness(self.table.iloc[rows], self.level, self.marked)


def shown_robustness(metric: MetricSummary) -> ShownRobustness | None:
    """Effective robustness of all models that have a distance or its interval; None if there are none."""
    if "robustness" not in metric.tables:
        return None
    table = metric.tables["robustness"].frame
    table = table.assign(title=[metric.titles.model(model) for model in table["model"]])
    table = table.assign(place=table["distance"].fillna((table["distance_low"] + table["distance_high"]) / 2))
    table = table[np.isfinite(table["place"])].sort_values("place", ascending=False, kind="stable")
    return None if table.empty else ShownRobustness(table, metric.level, metric.outcomes.highlighted)


@dataclass(frozen=True, eq=False)
class ShownAgreement:
    """Pairwise agreement of m models, ordered so that similar models are next to each other.

    models    their titles, ordered by similarity on the original set
    values    "original" and "new" -> agreement of every two models, NaN where it is not defined
    highlighted  which of them are highlighted
    is_share  whether values are shares of images with the same top-1 prediction, in [0, 1]; else Cohen's κ, at most 1
    """

    models: tuple[str, ...]
    values: dict[str, Float[np.ndarray, "m m"]]
    is_share: bool
    highlighted: Bool[np.ndarray, " m"]

    @property
    def what(self) -> str:
        """Name of the values, in lower case."""
        return "share of images with the same top-1 prediction" if self.is_share else "error consistency (Cohen's κ)"

    @property
    def least(self) -> float:
        """The smallest agreement of two different models on either set."""
        return float(np.nanmin([matrix[np.triu_indices(len(matrix), k=1)] for matrix in self.values.values()]))

    @property
    def span(self) -> tuple[float, float]:
        """Range of the colours: from the smallest agreement of two different models on either set, to 1.

        One model that is unlike all others is left out of it where the range would be a quarter longer for it alone;
        values below the range are as its lower end. Starts at 0 if all agree fully.
        """
        least = self.least
        if len(self.models) > 3:
            without = max(self._least_without(model) for model in range(len(self.models)))
            least = without if 1 - without < 0.8 * (1 - least) else least
        return (least, 1.0) if least < 1 else (0.0, 1.0)

    def _least_without(self, model: int) -> float:
        rest = np.delete(np.arange(len(self.models)), model)
        above = np.triu_indices(len(rest), k=1)
        return float(np.nanmin([matrix[np.ix_(rest, rest)][above] for matrix in self.values.values()]))


@or_none
def shown_agreement(metric: MetricSummary, most: int) -> ShownAgreement | None:
    """The best `most` models, highlighted ones among them: agreement of top-1 predictions, or for top-5 of correctness.

    None for fewer than three models, and where κ is undefined for every pair on a set (no model makes an error).
    """
    found = {}
    for side, statistics in (("original", metric.statistics.original), ("new", metric.statistics.new)):
        pairs = require(require(statistics).pairs)
        found[side] = pairs.consistency.kappa if pairs.agreement is None else pairs.agreement
    models = metric.statistics.image_models
    rank = {model: place for place, model in enumerate(metric.table["model"])}
    best = np.array(sorted(range(len(models)), key=lambda place: rank[models[place]]), dtype=np.int64)
    marked = np.array([models[place] in metric.outcomes.highlighted for place in best], dtype=bool)
    first = best[first_of(len(best), most, np.flatnonzero(marked).tolist())]
    if len(first) < 3:
        return None
    order = first[alike_first(np.nan_to_num(found["original"][np.ix_(first, first)]))]
    values = {side: matrix[np.ix_(order, order)] for side, matrix in found.items()}
    apart = ~np.eye(len(order), dtype=bool)
    if not all(np.isfinite(matrix[apart]).any() for matrix in values.values()):
        return None
    return ShownAgreement(
        tuple(metric.titles.model(models[place]) for place in order),
        values,
        metric.outcomes.metric == "top1",
        np.array([models[place] in metric.outcomes.highlighted for place in order], dtype=bool),
    )
