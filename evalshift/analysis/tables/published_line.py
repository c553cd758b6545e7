"""The line of a published testbed and the models compared with it: as a table, and in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.statistics.effective_robustness import EffectiveRobustness
from evalshift.analysis.statistics.line_fit import Line
from evalshift.analysis.statistics.matched_models import MatchedModels
from evalshift.analysis.tables.of_matched_models import rank_words
from evalshift.analysis.tables.of_models import extrapolated_words
from evalshift.analysis.tables.table import Column, StatisticTable, bounded, make_table
from evalshift.formatting import counted, name_some, p_words, percent, points_ci
from evalshift.testbed.timm_names import TRAINING_DATA
from evalshift.titles import UNTITLED, Titles


@dataclass(frozen=True, eq=False)
class SameData:
    """Models of a report against the testbed's models that were trained on the same data; arrays over the models.

    data      what each was trained on; None where that is not known
    models    how many models of the testbed were trained on it; 0 where too few were for a line
    distances  above the line through these, a fraction, with `bounds`; NaN without a line
    p_holm    of the distances, adjusted over all models that have one
    """

    data: tuple[str | None, ...]
    models: np.ndarray
    distances: np.ndarray
    bounds: tuple[np.ndarray, np.ndarray]
    p_holm: np.ndarray


@dataclass(frozen=True, eq=False)
class Against:
    """The models of one metric of a pair, against the line of a published testbed.

    testbed   its name; `title` is what it is called where this is read
    outcomes  its models in the line, as counts
    left_out  its families that are not in the line
    lines     scale -> its line
    models    the models that are compared with it, in the order of the table
    distances how far each is above the line on `scale`, see `effective_robustness_against`
    matched   each of `models` among the testbed's models of the same original accuracy
    members   models of the report that are the testbed's own: same name, same counts
    titles    what the models of the report are called where they are read of
    highlighted  those that are marked wherever models are shown
    groups    what models of the testbed were trained on -> the positions of these, the largest group first
    group_lines  scale -> what they were trained on -> their line
    testbed_distances  how far each of the testbed's models is above the line through its others, a fraction
    same_data  the models against those trained on the same data; None where no model's data are known there
    """

    testbed: str
    title: str
    outcomes: Outcomes
    left_out: tuple[str, ...]
    lines: dict[str, Line]
    scale: str
    models: tuple[str, ...]
    distances: EffectiveRobustness
    matched: MatchedModels
    members: tuple[str, ...]
    titles: Titles = UNTITLED
    highlighted: frozenset[str] = frozenset()
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)
    group_lines: Mapping[str, Mapping[str, Line]] = field(default_factory=dict)
    testbed_distances: np.ndarray | None = None
    same_data: SameData | None = None

    @property
    def left_out_titles(self) -> tuple[str, ...]:
        """The titles of its families that are not in the line."""
        return tuple(map(self.outcomes.titles.family, self.left_out))

    @property
    def table(self) -> pd.DataFrame:
        """One row per model: predicted accuracy, distance (positive above the line), their bounds, and p-values."""
        found, same, matched = self.distances, self.same_data, self.matched
        more = (
            {}
            if same is None
            else {
                "training_data": same.data,
                "same_data_models": same.models,
                "same_data_distance": same.distances,
                "same_data_distance_low": same.bounds[0],
                "same_data_distance_high": same.bounds[1],
                "same_data_p_holm": same.p_holm,
            }
        )
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
                "same_accuracy_models": matched.count,
                "same_accuracy_rank": matched.rank,
                "same_accuracy_rank_low": matched.interval.low,
                "same_accuracy_rank_high": matched.interval.high,
                **more,
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

    @property
    def same_accuracy_words(self) -> str:
        """What a rank among the models of the same accuracy is."""
        return _SAME_ACCURACY_WORDS

    def sentence(self) -> str:
        """How many models are significantly above or below the line, and how far the farthest is."""
        table, level = self.table, self.distances.level
        line = f"the line of {self.title} ({counted(len(self.outcomes), 'model')}, {self.scale} scale)"
        if len(table) == 1:
            row = table.iloc[0]
            words = f"Against {line}, {self.titles.model(row['model'])} {_distance(row, level)}{_p_words(row)}."
            return words + self._same_data_words(row) + self._rank_words()
        sizes = table["distance"].abs().fillna(-1).to_numpy()
        if sizes.max() < 0:
            return f"{_all_undetermined(line)}."
        farthest = table.iloc[int(sizes.argmax())]
        name = self.titles.model(farthest["model"])
        most = f"the farthest is {name}, which {_distance(farthest, level)}{_p_words(farthest)}"
        ahead = self._ahead_words()
        if table["p_holm"].isna().all():
            return f"Against {line}, of {counted(len(table), 'model')} {most}.{ahead}"
        off = int((table["p_holm"] < 1 - level).sum())
        verb = "is" if off == 1 else "are"
        count = f"{off or 'none'} of {counted(len(table), 'model')} {verb} significantly above or below it"
        return f"Against {line}, {count} (Holm, {100 * (1 - level):.3g} %); {most}.{ahead}"

    def _same_data_words(self, row: pd.Series) -> str:
        """How far a single model is from the line of models trained on the same data; empty where there is none."""
        if self.same_data is None or np.isnan(row["same_data_distance"]):
            return ""
        distance = row["same_data_distance"]
        sign = 1 if distance >= 0 else -1
        ends = (sign * row["same_data_distance_low"], sign * row["same_data_distance_high"])
        around = "" if np.isnan(ends[0]) else f" ({points_ci(*ends, self.distances.level)})"
        return (
            f" It is {percent(sign * distance)} points {'above' if sign > 0 else 'below'} the line of the "
            f"{row['same_data_models']:,} models trained on {_data_title(row['training_data'])}{around}."
        )

    def _ahead_words(self) -> str:
        """Which of several models are more robust than all models of their accuracy; empty where none is."""
        found = self.matched
        names = [f"{self.titles.model(self.models[one])} (of {found.count[one]:,})" for one in found.most_robust]
        if not names:
            return ""
        return f" Significantly more robust than all of its models of the same accuracy (Holm): {name_some(names)}."

    def _rank_words(self) -> str:
        """Where a single model stands among those of its accuracy; empty where there are none."""
        words = rank_words(self.matched, 0)
        return f" In effective robustness, it has {words}." if words else ""


def _data_title(name: str | None) -> str:
    return "" if name is None else TRAINING_DATA.get(name, name)


def _all_undetermined(line: str) -> str:
    return (
        f"All original accuracies are beyond those of {line}, where it does not determine how far models are above or "
        "below (standard errors exceed the distances)"
    )


_SAME_ACCURACY_WORDS = (
    "Rank: by effective robustness, among the models whose original accuracy does not differ significantly and itself."
)
_SAME_DATA = [
    Column("same_data", "Training data", "text"),
    Column("same_data_models", "Models trained on it", "count"),
    bounded("same_data_distance", "Distance from their line", "points"),
    Column("same_data_p_holm", "p (Holm) there", "p"),
]
_SAME_DATA_WORDS = " The last columns compare each model with the models trained on the same data alone."


def distances_table(against: Against) -> StatisticTable:
    """The distances to be read, in points."""
    same = against.same_data
    frame = against.table
    if same is not None:
        frame["same_data"] = [_data_title(name) for name in same.data]
    made = make_table(
        "against",
        f"Against {against.title}",
        frame,
        [
            Column("model", "Model", "model"),
            bounded("predicted", "Predicted (%)"),
            bounded("distance", "Distance", "points"),
            *([Column("extrapolated", "Extrapolated", "flag")] if against.distances.extrapolated.any() else []),
            Column("p_holm", "p (Holm)", "p"),
            Column("p_bh", "p (BH)", "p"),
            Column("same_accuracy_models", "Models of the same accuracy", "count"),
            bounded("same_accuracy_rank", "Rank among them", "count"),
            *(_SAME_DATA if same is not None else []),
        ],
        f"Distance in percentage points above the line of {against.title} ({counted(len(against.outcomes), 'model')}, "
        f"{against.scale} scale), {100 * against.distances.level:g} % intervals in brackets."
        f"{against.extrapolated_words}{against.screened_words} {against.same_accuracy_words}"
        f"{'' if same is None else _SAME_DATA_WORDS}",
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
