"""The line of a published testbed and the models held against it: as a table, and in words."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.statistics.effective_robustness import EffectiveRobustness
from evalshift.analysis.statistics.line_fit import Line
from evalshift.analysis.tables.of_models import extrapolated_words
from evalshift.analysis.tables.table import Column, StatisticTable, bounded, make_table
from evalshift.formatting import counted, name_some, p_words, percent, points_ci
from evalshift.titles import UNTITLED, Titles


@dataclass(frozen=True, eq=False)
class Against:
    """The models of one metric of a pair, against the line of a published testbed.

    testbed   its name; `title` is what it is called where this is read
    outcomes  its models in the line, as counts
    left_out  its families that are not in the line
    lines     scale -> its line
    models    the models that are compared with it, in the order of the table
    distances how far each is above the line on `scale`, see `effective_robustness_against`
    members   models of the report that are the testbed's own: same name, same counts
    titles    what the models of the report are called where they are read of
    highlighted  those that are marked wherever models are shown
    """

    testbed: str
    title: str
    outcomes: Outcomes
    left_out: tuple[str, ...]
    lines: dict[str, Line]
    scale: str
    models: tuple[str, ...]
    distances: EffectiveRobustness
    members: tuple[str, ...]
    titles: Titles = UNTITLED
    highlighted: frozenset[str] = frozenset()

    @property
    def left_out_titles(self) -> tuple[str, ...]:
        """The titles of its families that are not in the line."""
        return tuple(map(self.outcomes.titles.family, self.left_out))

    @property
    def table(self) -> pd.DataFrame:
        """One row per model: predicted accuracy, distance (positive above the line), their bounds, and p-values."""
        found = self.distances
        return pd.DataFrame(
            {
                "model": self.models,
                "predicted": found.predicted,
                "predicted_low": found.predicted_interval.low,
                "predicted_high": found.predicted_interval.high,
                "distance": found.reported,
                "distance_low": found.interval.low,
                "distance_high": found.interval.high,
                "extrapolated": found.extrapolated,
                "p_value": found.p_value,
                "p_holm": found.p_holm,
                "p_bh": found.p_bh,
            }
        )

    @property
    def screened(self) -> tuple[str, ...]:
        """Models of the testbed so far off that distances are measured from the line without them."""
        return tuple(self.outcomes.models[place] for place in np.flatnonzero(self.distances.screened))

    @property
    def screened_words(self) -> str:
        """The same in a sentence; empty where there are none."""
        names = list(map(self.outcomes.titles.model, self.screened))
        return f" Outliers of {self.title} are left out of the line: {name_some(names)}." if names else ""

    @property
    def extrapolated_words(self) -> str:
        """What is said of models beyond the accuracies of the testbed; empty where there are none."""
        return extrapolated_words(self.distances, f"all models of {self.title}")

    def sentence(self) -> str:
        """How many models are significantly above or below the line, and how far the farthest is."""
        table, level = self.table, self.distances.level
        line = f"the line of {self.title} ({counted(len(self.outcomes), 'model')}, {self.scale} scale)"
        if len(table) == 1:
            row = table.iloc[0]
            return f"Against {line}, {self.titles.model(row['model'])} {_distance(row, level)}{_p_words(row)}."
        sizes = table["distance"].abs().fillna(-1).to_numpy()
        if sizes.max() < 0:
            return f"{_all_undetermined(line)}."
        farthest = table.iloc[int(sizes.argmax())]
        name = self.titles.model(farthest["model"])
        most = f"the farthest is {name}, which {_distance(farthest, level)}{_p_words(farthest)}"
        if table["p_holm"].isna().all():
            return f"Against {line}, of {counted(len(table), 'model')} {most}."
        off = int((table["p_holm"] < 1 - level).sum())
        verb = "is" if off == 1 else "are"
        count = f"{off or 'none'} of {counted(len(table), 'model')} {verb} significantly above or below it"
        return f"Against {line}, {count} (Holm, {100 * (1 - level):.3g} %); {most}."


def _all_undetermined(line: str) -> str:
    return (
        f"All original accuracies are beyond those of {line}, where it does not determine how far models are above or "
        "below (standard errors exceed the distances)"
    )


def distances_table(against: Against) -> StatisticTable:
    """The distances to be read, in points."""
    made = make_table(
        "against",
        f"Against {against.title}",
        against.table,
        [
            Column("model", "Model", "model"),
            bounded("predicted", "Predicted (%)"),
            bounded("distance", "Distance", "points"),
            *([Column("extrapolated", "Extrapolated", "flag")] if against.distances.extrapolated.any() else []),
            Column("p_holm", "p (Holm)", "p"),
            Column("p_bh", "p (BH)", "p"),
        ],
        f"Distance in percentage points above the line of {against.title} ({counted(len(against.outcomes), 'model')}, "
        f"{against.scale} scale), {100 * against.distances.level:g} % intervals in brackets."
        f"{against.extrapolated_words}{against.screened_words}",
        empty="Without resamples there are no intervals.",
        titles=against.titles,
    )
    return replace(made, highlighted=against.highlighted)


def _distance(row: pd.Series, level: float) -> str:
    """Where a model lies, as "is 1.2 points above it (95 % CI 0.3 to 2.1)"."""
    if np.isnan(row["distance"]):
        return (
            "has an original accuracy beyond those of its models, where the line does not determine how far it is "
            "above or below (the standard error exceeds the distance)"
        )
    above = row["distance"] >= 0
    sign = 1 if above else -1
    words = f"is {percent(sign * row['distance'])} points {'above' if above else 'below'} it"
    words += ", extrapolated beyond its models" if row["extrapolated"] else ""
    if np.isnan(row["distance_low"]):
        return words
    return f"{words} ({points_ci(sign * row['distance_low'], sign * row['distance_high'], level)})"


def _p_words(row: pd.Series) -> str:
    return "" if np.isnan(row["p_holm"]) else f", {p_words(row['p_holm'])}"
