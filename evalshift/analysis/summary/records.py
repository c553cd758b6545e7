"""All that a report says, as one frozen Summary: computed once, then only drawn, tabulated and printed."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Unpack

import numpy as np
import pandas as pd

from evalshift._version import __version__
from evalshift.analysis.options import Choices, ReportOptions
from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.pair_statistics.compute import Statistics, compute_statistics
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.statistics.drops import drops
from evalshift.analysis.statistics.intervals import Interval, clopper_pearson
from evalshift.analysis.statistics.line_fit import Line, fit_line
from evalshift.analysis.statistics.line_intervals import LineEstimate
from evalshift.analysis.statistics.near_duplicates import NearDuplicates
from evalshift.analysis.statistics.ranks import rank, rank_changes
from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy
from evalshift.analysis.summary.findings import details, findings
from evalshift.analysis.summary.sentences import drop_sentence, line_sentence, rank_sentence
from evalshift.analysis.tables import StatisticTable, statistic_tables
from evalshift.analysis.tables.of_accuracies import accuracies_table
from evalshift.analysis.tables.published_line import Against
from evalshift.errors import AnalysisError
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
    against    the models against a published testbed's line, where that was asked for and is computed
    mean_drop  mean of the models' drops, a fraction, and `mean_drop_interval`; see `statistics.mean_drop`
    statistics  all else that is computed, on the report's scale
    tables      the same as tables by name; `missing` has the reason for each one that is not computed
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

    @property
    def in_line(self) -> np.ndarray:
        """Which rows of the table the lines are fitted to, as booleans."""
        return ~self.table["family"].isin(self.left_out).to_numpy()

    @property
    def accuracies(self) -> StatisticTable:
        """The table as it is read and written."""
        return accuracies_table(self.table, self.outcomes.metric, self.level, self.titles)

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

    def estimate(self, scale: str = "linear", *, everything: bool = False) -> LineEstimate | Missing:
        """The line on `scale` with the confidence intervals that the report gives first; see `line_estimates`.

        With `everything` the line of all models, those of `left_out` too.
        """
        statistics = self.statistics
        estimates = statistics.all_estimates if everything and self.left_out else statistics.estimates
        return estimates[scale].headline

    def headline(self, scale: str = "linear") -> tuple[str, ...]:
        """What was found, in sentences: the drop, the line on `scale`, a published line beside it, the ranks."""
        names = self.titles.dataset(self.outcomes.original), self.titles.dataset(self.outcomes.new)
        everything = (self.all_lines.get(scale), self.estimate(scale, everything=True)) if self.left_out else None
        line = line_sentence(self.lines.get(scale), self.estimate(scale), names, self.left_out_titles, everything)
        against = self.against.sentence() if self.against else None
        drop = drop_sentence(self.table, self.outcomes.metric, self.statistics.mean_drop)
        sentences = (drop, line, against, rank_sentence(self.table))
        return tuple(sentence for sentence in sentences if sentence)

    def findings(self) -> tuple[str, ...]:
        """What stands out besides: models off the line, what the drop is made of, the scale that fits."""
        return findings(self.statistics)

    def details(self) -> tuple[str, ...]:
        """What is worth a look beyond that."""
        return details(self.statistics)


@dataclass(frozen=True, eq=False)
class PairSummary:
    """One pair.

    metrics     "top1", and "top5" where it is available
    provenance  "datasets" -> name -> facts; "models" -> name -> dataset -> how its predictions came about
    notes       what was left out, and warnings
    expected_accuracy   found and published, as `expected_accuracy_table` has them; None where nothing was run
    """

    original: str
    new: str
    metrics: dict[str, MetricSummary]
    provenance: dict[str, dict] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    expected_accuracy: pd.DataFrame | None = None

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
    """A whole report: its pairs, and the choices that shaped its numbers. `created` is an ISO time in UTC."""

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

    @property
    def options(self) -> ReportOptions:
        """The same choices as one record; the families left out are each metric's own."""
        return ReportOptions(self.scale, self.metric, self.level, self.resamples, self.seed)


def put_together(
    pairs: Sequence[PairSummary],
    options: ReportOptions,
    *,
    command: str | None = None,
    notes: Sequence[str] = (),
) -> Summary:
    """The summary of these pairs, made now; UsageError for a family left out that none of their models belongs to."""
    options.check_families(
        family for pair in pairs for metric in pair.metrics.values() for family in metric.outcomes.families
    )
    return Summary(
        pairs=tuple(pairs),
        scale=options.scale,
        metric=options.metric,
        level=options.level,
        resamples=options.resamples,
        seed=options.seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        command=command,
        notes=tuple(notes),
    )


def summarize_outcomes(
    outcomes: Mapping[str, Outcomes],
    *,
    predictions: tuple[ImagePredictions, ImagePredictions] | None = None,
    fresh: ImagePredictions | None = None,
    near_duplicates: NearDuplicates | None = None,
    options: ReportOptions | None = None,
    ties: str = "shared",
    provenance: dict[str, dict] | None = None,
    notes: Sequence[str] = (),
    expected_accuracy: pd.DataFrame | None = None,
    **choices: Unpack[Choices],
) -> PairSummary:
    """The summary of one pair from its counts, by metric: for stored results and published counts alike.

    `predictions` on both sets give what needs each image, `fresh` and `near_duplicates` what the registry knows of the
    original set; see `compute_statistics`. `ties` is "shared" where models of equal accuracy share the better rank,
    "alphabetical" where they are numbered on. `choices` are those of `ReportOptions`, or `options` has them all.
    """
    options = options or ReportOptions(**choices)
    first = next(iter(outcomes.values()))
    metrics = {}
    for name, counts in outcomes.items():
        statistics = compute_statistics(
            counts, predictions, fresh=fresh, near_duplicates=near_duplicates, options=options
        )
        metrics[name] = _summarize_metric(counts, predictions, statistics, options, ties)
    # The same model is missing its line on every scale and metric for the same reason: said once.
    all_notes = dict.fromkeys((*notes, *(note for summary in metrics.values() for note in summary.notes)))
    return PairSummary(first.original, first.new, metrics, provenance or {}, tuple(all_notes), expected_accuracy)


def accuracy_table(outcomes: Outcomes, level: float = 0.95, ties: str = "shared") -> pd.DataFrame:
    """Accuracies, drops and ranks of m models with their intervals, as `MetricSummary.table` lists them.

    `ties` is "shared" or "alphabetical", see `ranks.rank`.
    """
    if ties not in ("shared", "alphabetical"):
        raise ValueError(f'ties: found "{ties}"; expected shared or alphabetical')
    names = outcomes.models if ties == "alphabetical" else None
    original_correct, original_total, new_correct, new_total = outcomes.counts
    original = clopper_pearson(original_correct, original_total, level)
    new = clopper_pearson(new_correct, new_total, level)
    drop = drops(original_correct, original_total, new_correct, new_total, level)
    table = pd.DataFrame(
        {
            "model": outcomes.models,
            "title": [outcomes.titles.model(model) for model in outcomes.models],
            "family": pd.array(outcomes.families, dtype="string"),
            "year": pd.array(outcomes.years, dtype="Int64"),
            "original_correct": original_correct,
            "original_total": original_total,
            "original_accuracy": original_correct / original_total,
            "original_low": original.low,
            "original_high": original.high,
            "new_correct": new_correct,
            "new_total": new_total,
            "new_accuracy": new_correct / new_total,
            "new_low": new.low,
            "new_high": new.high,
            "drop": drop.drop,
            "drop_low": drop.interval.low,
            "drop_high": drop.interval.high,
            "original_rank": rank(original_correct, names),
            "new_rank": rank(new_correct, names),
            "delta_rank": rank_changes(original_correct, new_correct, names),
        }
    )
    return table.sort_values(["original_rank", "new_rank", "model"], ignore_index=True)


def _summarize_metric(
    outcomes: Outcomes,
    predictions: tuple[ImagePredictions, ImagePredictions] | None,
    statistics: Statistics,
    options: ReportOptions,
    ties: str,
) -> MetricSummary:
    table = accuracy_table(outcomes, options.level, ties)
    table["delta_rank_real"] = _real_changes(statistics, table["model"].tolist())
    notes: list[str] = []
    left_out = options.left_out(outcomes)
    lines = _fit_lines(outcomes.of_line(left_out), options, notes)
    all_lines = _fit_lines(outcomes, options, notes) if left_out else {}
    tables, missing = statistic_tables(statistics, outcomes, table["model"].tolist(), lines, predictions)
    return MetricSummary(
        outcomes=outcomes,
        table=table,
        lines=lines,
        level=options.level,
        statistics=statistics,
        tables=tables,
        missing=missing,
        notes=tuple(dict.fromkeys(notes)),
        left_out=left_out,
        all_lines=all_lines,
    )


def _real_changes(statistics: Statistics, models: Sequence[str]) -> pd.Series:
    """Whether the rank of each model changes significantly; missing where that is not computed."""
    real: dict[str, bool] = {}
    if not isinstance(statistics.rank_changes, Missing):
        real = dict(zip(statistics.image_models, statistics.rank_changes.real.tolist(), strict=True))
    return pd.Series([real.get(model, pd.NA) for model in models], dtype="boolean")


def _fit_lines(outcomes: Outcomes, options: ReportOptions, notes: list[str]) -> dict[str, Line | None]:
    """The line on every scale, None where it cannot be fitted; `notes` takes up why, and what a line lacks."""
    lines: dict[str, Line | None] = {}
    for scale in SCALES:
        try:
            line = lines[scale] = fit_outcomes(outcomes, scale, options)
            if math.isnan(line.slope_interval.low):
                why = "it passes through two models, whatever is drawn" if line.models == 2 else "nothing was resampled"
                kind = "interval" if line.models == 2 else "bootstrap interval"
                notes.append(f"The line has no {kind}: {why}.")
        except AnalysisError as error:
            lines[scale] = None
            notes.append(f"No line is fitted: {error.problem}" + (f" ({error.found})." if error.found else "."))
    return lines


def fit_outcomes(outcomes: Outcomes, scale: str, options: ReportOptions) -> Line:
    """The line through these models on one scale; raises AnalysisError where they make none."""
    original_correct, original_total, new_correct, new_total = outcomes.counts
    return fit_line(
        fitted_accuracy(original_correct, original_total, scale),
        fitted_accuracy(new_correct, new_total, scale),
        scale=scale,
        resamples=options.resamples,
        level=options.level,
        rng=options.rng(outcomes, scale),
    )


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", name).strip("-.") or "set"
