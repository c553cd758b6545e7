"""Which models and classes a figure shows, and in which order: the same on the page and in print."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.plot_data.ordering import alike_first, both_ends
from evalshift.analysis.summary import MetricSummary


@dataclass(frozen=True, eq=False)
class ShownRanks:
    """The first m models of a table, as they stand on either set.

    table      their rows, the best on the original set first: model k stands in row k on the left
    right      the row of each on the right, in the order of the new set
    real       whose rank changes beyond chance; False where that is not known
    sets       confidence sets of ranks as the table `ranks` has them, of those that have one; None where none has
    with_sets  whose they are: places in `table`, in the order of `sets`
    """

    table: pd.DataFrame
    right: Int[np.ndarray, " m"]
    real: Bool[np.ndarray, " m"]
    sets: pd.DataFrame | None
    with_sets: Int[np.ndarray, " k"]

    @property
    def new_order(self) -> Int[np.ndarray, " m"]:
        """Places in `table` from the best to the worst on the new set."""
        return np.argsort(self.right)


def shown_ranks(metric: MetricSummary, most: int) -> ShownRanks | None:
    """The best `most` models on the original set and where they stand on the new one; None for fewer than two models.

    Models of equal rank stand in the order of their ranks on the other set, then of their names.
    """
    if len(metric.table) < 2:
        return None
    table = metric.table.head(most)
    right = np.empty(len(table), dtype=np.int64)
    right[table.sort_values(["new_rank", "original_rank", "model"]).index.to_numpy()] = np.arange(len(table))
    sets, with_sets = None, np.arange(0)
    if "ranks" in metric.tables:
        found = metric.tables["ranks"].frame.set_index("model", drop=False)
        with_sets = np.flatnonzero(table["model"].isin(found.index))
        sets = found.loc[table["model"].iloc[with_sets]]
    real = table["delta_rank_real"].fillna(False).to_numpy(bool)
    return ShownRanks(table, right, real, sets, with_sets)


def shown_classes(metric: MetricSummary) -> pd.DataFrame | None:
    """The table `classes`, of those with images on both sets, the most fallen first; None where there are none."""
    if "classes" not in metric.tables:
        return None
    frame = metric.tables["classes"].frame
    frame = frame[np.isfinite(frame["drop"])].sort_values("drop", ascending=False, kind="stable")
    return None if frame.empty else frame


@dataclass(frozen=True, eq=False)
class ShownRobustness:
    """How far models lie from the line of the others, the highest above it first.

    table   the table `robustness`, of those whose distance is defined
    level   of its intervals; what is significant is so at one minus it
    """

    table: pd.DataFrame
    level: float

    @property
    def off(self) -> Bool[np.ndarray, " m"]:
        """Whose distance is statistically significant after Holm's adjustment."""
        return (self.table["p_holm"].fillna(1) < 1 - self.level).to_numpy(bool)

    def farthest_first(self) -> "ShownRobustness":
        """The same, those farthest from the line first, above or below it."""
        table = self.table.sort_index().sort_values("distance", key=abs, ascending=False, kind="stable")
        return ShownRobustness(table, self.level)

    def ends(self, most: int) -> "ShownRobustness":
        """The same of both ends, where there are more than `most` models."""
        return ShownRobustness(self.table.iloc[both_ends(len(self.table), most)], self.level)


def shown_robustness(metric: MetricSummary) -> ShownRobustness | None:
    """Effective robustness of all models that have one; None where none has."""
    if "robustness" not in metric.tables:
        return None
    table = metric.tables["robustness"].frame
    table = table[np.isfinite(table["distance"])].sort_values("distance", ascending=False, kind="stable")
    return None if table.empty else ShownRobustness(table, metric.level)


@dataclass(frozen=True, eq=False)
class ShownAgreement:
    """How alike m models answer, those that agree side by side.

    models   in the order of the original set
    values   "original" and "new" -> agreement of each with each, NaN where it is not defined
    answers  whether these are shares of images with the same first answer, in [0, 1]; else Cohen's κ, 1 at most
    """

    models: tuple[str, ...]
    values: dict[str, Float[np.ndarray, "m m"]]
    answers: bool

    @property
    def what(self) -> str:
        """What the values are, in words."""
        return "share of images with the same first answer" if self.answers else "agreement beyond chance, κ"

    @property
    def span(self) -> tuple[float, float]:
        """The least agreement of two different models on either set, and 1; from 0 where all agree wholly."""
        least = float(np.nanmin([matrix[np.triu_indices(len(matrix), k=1)] for matrix in self.values.values()]))
        return (least, 1.0) if least < 1 else (0.0, 1.0)


def shown_agreement(metric: MetricSummary, most: int) -> ShownAgreement | None:
    """The best `most` models, by first answers for top-1, by right and wrong for top-5.

    None for fewer than three, and where no two have an agreement on a set: models that are always right have no κ.
    """
    found = {}
    for side, statistics in (("original", metric.statistics.original), ("new", metric.statistics.new)):
        if isinstance(statistics, Missing) or isinstance(statistics.pairs, Missing):
            return None
        pairs = statistics.pairs
        found[side] = pairs.consistency.kappa if pairs.agreement is None else pairs.agreement
    models = metric.statistics.image_models
    rank = {model: place for place, model in enumerate(metric.table["model"])}
    first = np.array(sorted(range(len(models)), key=lambda place: rank[models[place]])[:most])
    if len(first) < 3:
        return None
    order = first[alike_first(np.nan_to_num(found["original"][np.ix_(first, first)]))]
    values = {side: matrix[np.ix_(order, order)] for side, matrix in found.items()}
    apart = ~np.eye(len(order), dtype=bool)
    if not all(np.isfinite(matrix[apart]).any() for matrix in values.values()):
        return None
    return ShownAgreement(tuple(models[place] for place in order), values, metric.outcomes.metric == "top1")
