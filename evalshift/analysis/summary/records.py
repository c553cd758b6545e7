"""All that a report says, as one frozen Summary: computed once, then only drawn, tabulated and printed."""

import re
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from evalshift.analysis.options import ReportOptions
from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.outcomes.correctness import SetCorrectness
from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.statistics.line_fit import Line
from evalshift.analysis.statistics.line_intervals import LineEstimate
from evalshift.analysis.statistics.scale_choice import ScaleChoice
from evalshift.analysis.summary.findings import chosen_scale_sentence, details, findings, unfit_scale_sentence
from evalshift.analysis.summary.highlighted import highlighted_sentences
from evalshift.analysis.summary.sentences import drop_sentence, line_sentence, rank_sentence
from evalshift.analysis.summary.several_sets import SeveralSets, several_sets
from evalshift.analysis.tables import StatisticTable
from evalshift.analysis.tables.of_accuracies import accuracies_table
from evalshift.analysis.tables.published_line import Against
from evalshift.titles import Titles, joined


@dataclass(frozen=True, eq=False)
class MetricSummary:
    """One metric of one pair.

    table      one row per model, best on the original set first; accuracies, bounds and drops are fractions.
               Columns: model, title, family, year; correct, total, accuracy, low, high for `original_` and `new_`;
               drop, drop_low, drop_high; original_rank, new_rank, delta_rank; delta_rank_real, whether the change is
               significant, missing where there are only counts
    lines      scale -> the least-squares line with its bootstrap over models, as in the paper; None where it cannot be
               fitted (`notes` says why)
    left_out   families whose models the lines leave out; they stay in the table and keep their ranks
    all_lines  scale -> the line through all models, those of `left_out` too; empty where none is left out
    against    the models against a published testbed's line, where that was requested and is computed
    mean_drop  mean of the models' drops, a fraction, and `mean_drop_interval`; see `statistics.mean_drop`
    statistics  all else that is computed, on the report's scale
    tables      the same as tables by name; `missing` has the reason for each one that is not computed
    correctness  which images of the original and of the new set each model with predictions classifies correctly
    scale_choice  how the scale was chosen, where that was left to the models of this pair and metric
    """

    outcomes: Outcomes
    table: pd.DataFrame
    lines: dict[str, Line | None]
    level: float
    statistics: Statistics
    tables: dict[str, StatisticTable]
    missing: dict[str, str]
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    all_lines: dict[str, Line | None] = field(default_factory=dict)
    against: Against | None = None
    correctness: tuple[SetCorrectness, SetCorrectness] | None = None
    scale_choice: ScaleChoice | None = None

    @property
    def scale(self) -> str:
        """The scale of the report, that of all statistics that need one."""
        return self.statistics.lines.scale

    @property
    def in_line(self) -> np.ndarray:
        """Which rows of the table the lines are fitted to, as booleans."""
        inside = dict(zip(self.outcomes.models, self.outcomes.in_line(self.left_out).tolist(), strict=True))
        return self.table["model"].map(inside).to_numpy(bool)

    @property
    def highlighted(self) -> np.ndarray:
        """Which rows of the table are of models that are named and marked wherever models are shown, as booleans."""
        return self.table["model"].isin(self.outcomes.highlighted).to_numpy()

    @property
    def groups(self) -> tuple[str | None, ...]:
        """The title of the group that each row of the table has its colour by, None where it is not known."""
        found = self.statistics.group_slopes
        names = tuple(None if one is None else self.titles.family(one) for one in self.outcomes.families)
        of_model = dict(zip(self.outcomes.models, names if found is None else found.groups.names, strict=True))
        return tuple(of_model[model] for model in self.table["model"])

    @property
    def accuracies(self) -> StatisticTable:
        """The table as it is read and written."""
        table = accuracies_table(self.table, self.outcomes.metric, self.level, self.titles)
        return replace(table, highlighted=self.outcomes.highlighted)

    @property
    def mean_drop(self) -> float:
        """Mean of the models' drops, a fraction."""
        return self.statistics.mean_drop.drop

    @property
    def mean_drop_interval(self) -> Interval[float]:
        """Its confidence interval; conservative from counts alone, see `statistics.mean_drop`."""
        return self.statistics.mean_drop.interval

    @property
    def titles(self) -> Titles:
        """What figures, tables and sentences call the models, their families and the datasets."""
        return self.outcomes.titles

    @property
    def left_out_titles(self) -> tuple[str, ...]:
        """The titles of the families that the lines leave out."""
        return tuple(map(self.titles.family, self.left_out))

    def estimate(self, scale: str | None = None, *, everything: bool = False) -> LineEstimate | Missing:
        """The line on `scale`, or on the report's, with the confidence intervals given first; see `line_estimates`.

        With `everything` the line of all models, those of `left_out` too.
        """
        statistics = self.statistics
        estimates = statistics.all_estimates if everything and self.left_out else statistics.estimates
        return estimates[scale or self.scale].headline

    def headline(self, scale: str | None = None) -> tuple[str, ...]:
        """What was found: that `scale` does not fit, highlighted models, drop, line, published line, ranks."""
        scale = scale or self.scale
        names = self.titles.dataset(self.outcomes.original), self.titles.dataset(self.outcomes.new)
        everything = (self.all_lines.get(scale), self.estimate(scale, everything=True)) if self.left_out else None
        line = line_sentence(self.lines.get(scale), self.estimate(scale), names, self.left_out_titles, everything)
        against = self.against.sentence() if self.against else None
        statistics = self.statistics
        mine = highlighted_sentences(
            self.table,
            self.highlighted,
            names,
            statistics.models,
            statistics.robustness,
            statistics.matched,
            self.level,
        )
        drop = drop_sentence(self.table, self.outcomes.metric, self.statistics.mean_drop)
        unfit = unfit_scale_sentence(self.statistics, scale)
        sentences = (unfit, *mine, drop, line, against, rank_sentence(self.table))
        return tuple(sentence for sentence in sentences if sentence)

    def findings(self) -> tuple[str, ...]:
        """What stands out besides: models off the line, what the drop is made of, the scale that fits."""
        return findings(self.statistics, self.scale_choice)

    def details(self) -> tuple[str, ...]:
        """What is worth a look beyond that."""
        return details(self.statistics)


@dataclass(frozen=True, eq=False)
class PairSummary:
    """One pair.

    metrics     "top1", and "top5" where it is available
    provenance  "datasets" -> name -> facts; "models" -> name -> dataset -> how its predictions came about
    notes       what was left out, and warnings
    problems    those of the notes that put numbers in doubt: accuracies that are not the published ones, implausible
                predictions, and stored predictions that cannot be used
    expected_accuracy   found and published, as `expected_accuracy_table` has them; None where nothing was run
    """

    original: str
    new: str
    metrics: dict[str, MetricSummary]
    provenance: dict[str, dict] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    expected_accuracy: pd.DataFrame | None = None
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.original}:{self.new}"

    @property
    def titles(self) -> Titles:
        """What models, families and datasets are called, whatever the metric."""
        return joined(metric.titles for metric in self.metrics.values())

    @property
    def is_titled(self) -> bool:
        """Whether either set has a title that differs from its name."""
        return any(self.titles.dataset(name) != name for name in (self.original, self.new))

    @property
    def title(self) -> str:
        """The pair by its titles, as "CIFAR-10 → CIFAR-10.1 v6"."""
        return self.titles.pair(self.original, self.new)

    @property
    def stem(self) -> str:
        """The pair's name as the beginning of a file name, safe on every system and inside LaTeX."""
        return f"{_safe(self.original)}_vs_{_safe(self.new)}"


@dataclass(frozen=True, eq=False)
class Summary:
    """A whole report: its pairs, and the choices that shaped its numbers.

    scale      "linear", "probit" or "logit"
    scale_choice  how it was chosen; None if the caller named it
    created    an ISO time in UTC
    reference  the model that corruption errors are normalised by, where one was named
    """

    pairs: tuple[PairSummary, ...]
    scale: str
    metric: str
    level: float
    resamples: int
    seed: int
    created: str
    version: str
    command: str | None = None
    notes: tuple[str, ...] = ()
    reference: str | None = None
    scale_choice: ScaleChoice | None = None

    @property
    def scale_sentence(self) -> str | None:
        """Which scale was chosen over several pairs, and why; None where one pair's findings say so, or none was."""
        return None if self.scale_choice is None or len(self.pairs) == 1 else chosen_scale_sentence(self.scale_choice)

    @property
    def options(self) -> ReportOptions:
        """The same choices as one record; the families left out are each metric's own."""
        return ReportOptions(self.scale, self.metric, self.level, self.resamples, self.seed)

    @cached_property
    def several_sets(self) -> dict[str, SeveralSets]:
        """What the pairs say together, by metric; nothing of a metric that fewer than two pairs have."""
        return several_sets(self.pairs, self.scale, self.level, self.reference)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", name).strip("-.") or "set"
