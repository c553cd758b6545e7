"""A comparison of chosen models as records, and as a table, text and JSON."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from markupsafe import escape

from evalshift.analysis.comparison.verdict import matrix_verdict, verdict
from evalshift.analysis.outcomes import ImagePredictions
from evalshift.analysis.pair_statistics.missing import Missing, computed, or_else, reasons
from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.statistics.matched_models import MatchedModels
from evalshift.analysis.statistics.scale_choice import ScaleChoice
from evalshift.analysis.summary.findings import chosen_scale_sentence
from evalshift.errors import AnalysisError, UsageError, unknown_name
from evalshift.formatting import counted, name_some
from evalshift.shapes import Accuracies
from evalshift.titles import Titles


@dataclass(frozen=True, eq=False)
class Differences:
    """Pairwise differences of one quantity between c models: entry [i, j] is model i minus model j.

    difference   fractions
    interval     of the difference; NaN on the diagonal
    p_value      for the null hypothesis of no difference; NaN on the diagonal, and everywhere without a test
    p_holm       adjusted over the pairs of chosen models
    """

    difference: Float[np.ndarray, "c c"]
    interval: Interval[np.ndarray]
    p_value: Float[np.ndarray, "c c"]
    p_holm: Float[np.ndarray, "c c"]

    def is_significant(self, first: int, second: int, level: float) -> bool:
        """Whether two models differ significantly: by the adjusted p-value, or by the interval without a test."""
        p_value = float(self.p_holm[first, second])
        if not math.isnan(p_value):
            return p_value < 1 - level
        return bool(self.interval.low[first, second] > 0 or self.interval.high[first, second] < 0)


@dataclass(frozen=True, eq=False)
class PairComparison:
    """Chosen models on one pair.

    models        c names, in the order in which they were chosen
    accuracies    on the original and on the new set, shape (c,) each, and their intervals
    distances     effective robustness of each, a fraction, or the reason why it is not computed
    matched       each compared with models of its original accuracy in the line, or the reason why it is not computed
    differences   in "original" and "new" accuracy, "drop" and effective "robustness", or the reason why one is missing
    only          per set, images that one model classifies correctly and another does not; None from counts alone
    predictions   of the chosen models on both sets; None from counts alone
    line_models   number of other models in the line of effective robustness
    scale_choice  how its scale was chosen; None if the caller named it
    """

    original: str
    new: str
    titles: Titles
    metric: str
    scale: str
    level: float
    models: tuple[str, ...]
    accuracies: tuple[Accuracies, Accuracies]
    intervals: tuple[Interval[np.ndarray], Interval[np.ndarray]]
    distances: Accuracies | Missing
    matched: MatchedModels | Missing
    differences: Mapping[str, Differences | Missing]
    only: tuple[Int[np.ndarray, "c c"], Int[np.ndarray, "c c"]] | None
    predictions: tuple[ImagePredictions, ImagePredictions] | None
    line_models: int
    notes: tuple[str, ...]
    scale_choice: ScaleChoice | None = None

    @property
    def scale_sentence(self) -> str | None:
        """Which scale was chosen for the line, and why; None if the caller named it, and without a line."""
        if self.scale_choice is None or or_else(self.distances, None) is None:
            return None
        return chosen_scale_sentence(self.scale_choice)

    @property
    def name(self) -> str:
        """The pair as "original:new"."""
        return f"{self.original}:{self.new}"

    @cached_property
    def verdict(self) -> str:
        """The result in two sentences: accuracy, then robustness."""
        return verdict(self, 0, 1) if len(self.models) == 2 else matrix_verdict(self)

    @property
    def accuracy_table(self) -> pd.DataFrame:
        """One row per model, fractions: accuracies with their intervals, drop, effective robustness.

        `same_accuracy_models` counts the other models of its original accuracy, 0 if unknown; `same_accuracy_rank` is
        its rank in effective robustness among these and itself, with its confidence set.
        """
        original, new = self.accuracies
        matched = or_else(self.matched, None)
        return pd.DataFrame(
            {
                "model": self.models,
                "original_accuracy": original,
                "original_low": self.intervals[0].low,
                "original_high": self.intervals[0].high,
                "new_accuracy": new,
                "new_low": self.intervals[1].low,
                "new_high": self.intervals[1].high,
                "drop": original - new,
                "robustness": or_else(self.distances, np.nan),
                "same_accuracy_models": 0 if matched is None else matched.count,
                "same_accuracy_rank": _known(matched, lambda found: found.rank),
                "same_accuracy_rank_low": _known(matched, lambda found: found.interval.low),
                "same_accuracy_rank_high": _known(matched, lambda found: found.interval.high),
            }
        )

    @property
    def table(self) -> pd.DataFrame:
        """One row per two models and quantity, fractions: the first minus the second, with interval and p-values.

        `only_1` and `only_2` count the images that only the first or only the second classifies correctly.
        """
        rows = []
        for first, second in combinations(range(len(self.models)), 2):
            for quantity, found in computed(self.differences).items():
                side = {"original": 0, "new": 1}.get(quantity)
                only = None if side is None or self.only is None else self.only[side]
                rows.append(
                    {
                        "model_1": self.models[first],
                        "model_2": self.models[second],
                        "quantity": quantity,
                        "difference": found.difference[first, second],
                        "low": found.interval.low[first, second],
                        "high": found.interval.high[first, second],
                        "p_value": found.p_value[first, second],
                        "p_holm": found.p_holm[first, second],
                        "only_1": None if only is None else int(only[first, second]),
                        "only_2": None if only is None else int(only[second, first]),
                    }
                )
        return pd.DataFrame(rows).astype({"only_1": "Int64", "only_2": "Int64"})

    def images(self, first: str | None = None, second: str | None = None) -> pd.DataFrame:
        """The images that only one of two models classifies correctly, in the order of the sets.

        One row per image: dataset, id, label, correct (the name of the correct model), and the class predicted by each
        of the two. By default, compares the first two models.
        Raises UsageError for a model that is not compared, AnalysisError if only counts are known.
        """
        names = [first or self.models[0], second or self.models[1]]
        for name in names:
            if name not in self.models:
                raise unknown_name(
                    "this model is not in the comparison", name, self.models, expected=name_some(self.models)
                )
        if self.predictions is None:
            raise AnalysisError(
                "the images that two models differ on are not known",
                where=self.name,
                found="counts alone",
                expected="stored predictions of both models on both sets",
            )
        parts = [_differing(one, names, self.metric) for one in self.predictions]
        return pd.concat(parts, ignore_index=True)

    def facts(self) -> dict[str, Any]:
        """Everything except the images, as a JSON-serializable dict."""
        return {
            "original": self.original,
            "new": self.new,
            "metric": self.metric,
            "scale": self.scale,
            "scale_choice": self.scale_sentence,
            "level": self.level,
            "verdict": self.verdict,
            "line_models": self.line_models,
            "models": _records(self.accuracy_table),
            "differences": _records(self.table),
            "missing": reasons(self.differences),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """Chosen models, compared on one or several pairs. With several, index first: `comparison["original:new"]`."""

    pairs: tuple[PairComparison, ...]

    def __getitem__(self, pair: str) -> "Comparison":
        names = [one.name for one in self.pairs]
        if pair not in names:
            raise unknown_name("this comparison does not contain this pair", pair, names)
        return Comparison((self.pairs[names.index(pair)],))

    def __repr__(self) -> str:
        return f"Comparison({' against '.join(self.pairs[0].models)}; {', '.join(one.name for one in self.pairs)})"

    def _repr_html_(self) -> str:
        return "\n".join(
            f"<p><b>{escape(one.name)}</b> {escape(one.verdict)}</p>{one.table.to_html(index=False, border=0)}"
            for one in self.pairs
        )

    @property
    def verdict(self) -> str:
        """The result in two sentences for each pair."""
        if len(self.pairs) == 1:
            return self.pairs[0].verdict
        return "\n".join(f"{one.name}: {one.verdict}" for one in self.pairs)

    @property
    def table(self) -> pd.DataFrame:
        """Like `PairComparison.table`, with the pair as first column."""
        return pd.concat([one.table.assign(pair=one.name)[["pair", *one.table]] for one in self.pairs])

    def images(self, first: str | None = None, second: str | None = None) -> pd.DataFrame:
        """As `PairComparison.images`; also raises UsageError if several pairs are compared."""
        if len(self.pairs) != 1:
            raise UsageError(
                f"this comparison holds {counted(len(self.pairs), 'pair')}, so it has no single table of images",
                found=", ".join(one.name for one in self.pairs),
                fix=f"name one: comparison[{json.dumps(self.pairs[0].name)}].images(...)",
            )
        return self.pairs[0].images(first, second)

    def to_json(self) -> str:
        """Everything except the images, as JSON; undefined values are null."""
        written = {"schema_version": 1, "pairs": [one.facts() for one in self.pairs]}
        return json.dumps(written, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _known(matched: MatchedModels | None, ranks: Callable[[MatchedModels], np.ndarray]) -> Any:
    """Ranks of models that have others of their accuracy; missing for the rest."""
    if matched is None:
        return pd.NA
    return pd.Series(ranks(matched), dtype="Int64").where(matched.count > 0)


def _differing(predictions: ImagePredictions, names: list[str], metric: str) -> pd.DataFrame:
    places = [predictions.models.index(name) for name in names]
    first, second = predictions.correct(metric)[places]
    rows = np.flatnonzero(first != second)
    classes = np.array(predictions.class_names, dtype=object)

    def named(numbers: np.ndarray) -> list[str]:
        return [str(classes[one]) if 0 <= one < len(classes) else str(one) for one in numbers.tolist()]

    return pd.DataFrame(
        {
            "dataset": predictions.dataset,
            "id": [predictions.ids[row] for row in rows],
            "label": named(predictions.labels[rows]),
            "correct": np.where(first[rows], *names),
            **{
                f"predicted_{number}": named(predictions.predicted[place][rows])
                for number, place in enumerate(places, start=1)
            },
        }
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
