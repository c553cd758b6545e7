"""What the figure of ranks shows, in print and on the page."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from evalshift.analysis.plot_data.ordering import first_of
from evalshift.analysis.summary import MetricSummary

_MOVERS = 8  # models that stand out for their rank changes, at most


@dataclass(frozen=True, eq=False)
class RanksOnSet:
    """m models on one test set.

    rank   1 for the most accurate of all models; tied models share the better rank
    place  the row that each is drawn in, 0 for the most accurate of those that are shown
    """

    rank: Int[np.ndarray, " m"]
    place: Int[np.ndarray, " m"]

    @property
    def order(self) -> Int[np.ndarray, " m"]:
        """The model of each row, from the first to the last."""
        return np.argsort(self.place)


@dataclass(frozen=True, eq=False)
class RankSet:
    """Confidence sets of m ranks, or of m rank changes: `low` to `high` around each value; NaN where there is none."""

    value: Float[np.ndarray, " m"]
    low: Float[np.ndarray, " m"]
    high: Float[np.ndarray, " m"]


@dataclass(frozen=True, eq=False)
class RankSets:
    """Confidence sets of the models that have per-image predictions; ranks are among these models.

    sides    "original" and "new" -> sets that contain all true ranks with the probability of the level
    change   the same of the rank changes
    """

    sides: dict[str, RankSet]
    change: RankSet

    @property
    def known(self) -> Bool[np.ndarray, " m"]:
        """Which models have confidence sets."""
        return np.isfinite(self.change.value)

    @property
    def highest(self) -> float:
        """The largest rank in any of the sets."""
        return max(float(np.nanmax(side.high)) for side in self.sides.values())


@dataclass(frozen=True, eq=False)
class RankPlot:
    """Ranks of m models on either set, the best on the original set first: the first, and those that are highlighted.

    rows         row numbers of the models in the table of all models
    names        their titles
    sides        "original" and "new"
    change       original minus new rank: above 0 for a model that is better on the new set
    significant  whose rank change is statistically significant; False where that is not known
    highlighted  which of them are highlighted
    sets         None where no model has confidence sets
    """

    rows: Int[np.ndarray, " m"]
    names: tuple[str, ...]
    sides: dict[str, RanksOnSet]
    change: Int[np.ndarray, " m"]
    significant: Bool[np.ndarray, " m"]
    highlighted: Bool[np.ndarray, " m"]
    sets: RankSets | None

    @property
    def movers(self) -> Bool[np.ndarray, " m"]:
        """The models with the largest rank changes, at most eight, each of two places or more.

        None where some changes are statistically significant: those are the ones to look at.
        """
        moved = np.abs(self.change)
        if self.significant.any() or len(moved) == 0:
            return np.zeros(len(moved), bool)
        least = max(2, int(np.sort(moved)[::-1][:_MOVERS][-1]))
        most = moved >= least
        return most if most.sum() <= _MOVERS else moved > least


def rank_plot(metric: MetricSummary, most: int) -> RankPlot | None:
    """The best `most` models on the original set and their ranks on the new one; None for fewer than two models.

    Highlighted models are among them, whatever their rank.
    Tied models are ordered by their rank on the other set, then by name.
    """
    if len(metric.table) < 2:
        return None
    rows = first_of(len(metric.table), most, np.flatnonzero(metric.highlighted).tolist())
    table = metric.table.iloc[rows].reset_index(drop=True)
    on_new = np.empty(len(table), dtype=np.int64)
    on_new[table.sort_values(["new_rank", "original_rank", "model"]).index.to_numpy()] = np.arange(len(table))
    return RankPlot(
        rows=rows,
        names=tuple(map(str, table["title"])),
        sides={
            "original": RanksOnSet(table["original_rank"].to_numpy(np.int64), np.arange(len(table))),
            "new": RanksOnSet(table["new_rank"].to_numpy(np.int64), on_new),
        },
        change=table["delta_rank"].to_numpy(np.int64),
        significant=table["delta_rank_real"].fillna(False).to_numpy(bool),
        highlighted=metric.highlighted[rows],
        sets=_rank_sets(metric, table["model"]),
    )


def _rank_sets(metric: MetricSummary, models: pd.Series) -> RankSets | None:
    if "ranks" not in metric.tables:
        return None
    frame = metric.tables["ranks"].frame.set_index("model").reindex(models)

    def of(name: str) -> RankSet:
        return RankSet(*(frame[f"{name}{end}"].to_numpy(float) for end in ("", "_low", "_high")))

    sets = RankSets({"original": of("original_rank"), "new": of("new_rank")}, of("change"))
    return sets if sets.known.any() else None
