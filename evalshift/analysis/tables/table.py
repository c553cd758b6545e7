"""A table of statistics: a DataFrame for machines, and how its rows and columns are read by people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.pair_statistics.basis import ONLY_COUNTS
from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.missing import require
from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.statistics.line_fit import Line
from evalshift.titles import UNTITLED, Titles


@dataclass(frozen=True)
class Column:
    """A column as it is read.

    key      of the DataFrame
    kind     "text", "prose" (text of many words), "model" and "dataset" (names, read as titles), "count", "percent" and
             "points" (of fractions), "change" (points with their sign), "hundredths" (of points), "number", "p",
             "flag", "written" (a number that is text already), "bounds" (the interval alone); "unit": as the column
             `unit` of the row says
    bounds   columns with its interval, if it has one
    """

    key: str
    title: str
    kind: str = "number"
    bounds: tuple[str, str] | None = None

    @property
    def is_text(self) -> bool:
        """Whether words stand in it, which are set to the left."""
        return self.kind in ("text", "prose", "model", "dataset")


@dataclass(frozen=True, eq=False)
class StatisticTable:
    """One table.

    frame     everything, unrounded: fractions, counts, flags; what is undefined is NaN
    columns   those that are read, in order; none where the table is for machines alone
    read      the rows that are read
    note      what the table shows
    empty     what an empty cell means, where there is one; else nothing
    titles    what models and datasets are called where the table is read; `frame` has their names
    highlighted  models whose rows are shaded where the format can
    """

    name: str
    title: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    read: pd.DataFrame
    note: str
    empty: str
    titles: Titles = UNTITLED
    highlighted: frozenset[str] = frozenset()

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns that are read, without reasons that no row has."""
        return tuple(column for column in self.columns if column.key != "missing" or (self.read["missing"] != "").any())

    @property
    def is_highlighted(self) -> list[bool]:
        """Which rows that are read are of a highlighted model."""
        if "model" not in self.read:
            return [False] * len(self.read)
        return self.read["model"].isin(self.highlighted).tolist()

    @property
    def words(self) -> str:
        """All that stands below the table."""
        return f"{self.note} {self.empty}".strip()


@dataclass(frozen=True, eq=False)
class TableData:
    """What tables are made from.

    models   the order of rows
    lines    the least-squares line on each scale
    predictions  what images and classes are called after
    included  tables that are requested beyond those that are always made
    """

    statistics: Statistics
    outcomes: Outcomes
    models: tuple[str, ...]
    lines: Mapping[str, Line | None]
    predictions: tuple[ImagePredictions, ImagePredictions] | None
    included: Sequence[str] = ()

    @property
    def no_intervals_of_changes(self) -> str:
        """A sentence on changes between the sets whose intervals are left out because these share images, or ""."""
        return " The sets share images: changes have no intervals." if self.statistics.overlap else ""

    @property
    def order(self) -> np.ndarray:
        """Where the models of the rows stand in arrays over all models."""
        place = {model: position for position, model in enumerate(self.outcomes.models)}
        return np.array([place[model] for model in self.models], dtype=np.int64)

    @property
    def image_models(self) -> list[str]:
        """The models of the rows that have predictions to each image."""
        known = set(self.statistics.image_models)
        return [model for model in self.models if model in known]

    @property
    def image_predictions(self) -> tuple[ImagePredictions, ImagePredictions]:
        """`predictions`; raises AnalysisError where there are only counts."""
        return require(ONLY_COUNTS if self.predictions is None else self.predictions)

    @property
    def class_names(self) -> list[str]:
        """What the classes are called; raises AnalysisError where there are only counts."""
        return list(self.image_predictions[0].class_names)

    @property
    def error_words(self) -> str:
        """The significance level of tests, as "5 %"."""
        return f"{100 * (1 - self.statistics.level):.3g} %"

    @property
    def image_order(self) -> np.ndarray:
        """Where these stand in arrays over the models with predictions."""
        place = {model: position for position, model in enumerate(self.statistics.image_models)}
        return np.array([place[model] for model in self.image_models], dtype=np.int64)


def make_table(
    name: str,
    title: str,
    columns: Mapping[str, Any] | pd.DataFrame,
    read: Sequence[Column],
    note: str,
    *,
    empty: str = "",
    titles: Titles | None = None,
    choose: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame,
) -> StatisticTable:
    """A table of these columns; `empty` says what an undefined number means, `choose` picks the rows read."""
    frame = pd.DataFrame(columns)
    undefined = bool(frame.select_dtypes("number").isna().to_numpy().any())
    return StatisticTable(
        name, title, frame, tuple(read), choose(frame), note, empty if undefined else "", titles or UNTITLED
    )


def with_bounds(name: str, interval: Interval[np.ndarray], order: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of an interval, its models sorted into the order of rows."""
    return {f"{name}_low": interval.low[order], f"{name}_high": interval.high[order]}


def bounded(key: str, title: str, kind: str = "percent") -> Column:
    """A column that is read with its interval."""
    return Column(key, title, kind, (f"{key}_low", f"{key}_high"))
