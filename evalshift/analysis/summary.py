"""All that a report says, as one frozen Summary: computed once, then only drawn, tabulated and printed."""

import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from evalshift import __version__
from evalshift.analysis.duplicates import NearDuplicates
from evalshift.analysis.findings import details, findings
from evalshift.analysis.fits import Line, fit_line
from evalshift.analysis.gaps import drops
from evalshift.analysis.intervals import Interval, clopper_pearson
from evalshift.analysis.missing import Missing
from evalshift.analysis.outcomes import METRICS, ImageAnswers, Outcomes, StoredPair, load_pair, seen_alike
from evalshift.analysis.ranks import rank, rank_changes
from evalshift.analysis.review import review_pair
from evalshift.analysis.scales import SCALES, fitted_accuracy
from evalshift.analysis.sentences import drop_sentence, line_sentence, metric_words, rank_sentence
from evalshift.analysis.statistic_tables import StatisticTable, statistic_tables
from evalshift.analysis.statistic_tables.of_accuracies import accuracies_table
from evalshift.analysis.statistics import Statistics, compute_statistics
from evalshift.errors import AnalysisError, UsageError, did_you_mean
from evalshift.evaluate.store import Results

if TYPE_CHECKING:
    from evalshift.analysis.against import Against

SUMMARY_SCHEMA = 2
# Longer tables stand in CSV files alone: summary.json says how many rows they have.
_MOST_ROWS = 200
# Percentiles move by less than the third digit long before; memory and time grow on.
MOST_RESAMPLES = 10_000_000


@dataclass(frozen=True, eq=False)
class MetricSummary:
    """One metric of one pair.

    table      a row a model, best on the original set first; accuracies, bounds and drops are fractions.
               Columns: model, family, year; correct, total, accuracy, low, high for `original_` and `new_`;
               drop, drop_low, drop_high; original_rank, new_rank, delta_rank; delta_rank_real, whether the change is
               beyond chance, missing where there are only counts
    lines      scale -> the fitted line; None where it cannot be fitted (`notes` says why)
    left_out   families whose models the lines leave out; they stay in the table and keep their ranks
    all_lines  scale -> the line through all models, those of `left_out` too; empty where none is left out
    against    the models against a published testbed's line, where that was asked for and can be had
    mean_drop  mean of the models' drops, a fraction; `mean_drop_interval` averages their bounds, which errs on the wide
               side however alike the models are: no mean spreads more than the mean of the spreads
    statistics  all else that is computed, on the report's scale
    tables      the same as tables by name; `missing` has the reason for each one that cannot be had
    """

    outcomes: Outcomes
    table: pd.DataFrame
    lines: dict[str, Line | None]
    mean_drop: float
    mean_drop_interval: Interval
    level: float
    statistics: Statistics
    tables: dict[str, StatisticTable]
    missing: dict[str, str]
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    all_lines: dict[str, Line | None] = field(default_factory=dict)
    against: "Against | None" = None

    @property
    def in_line(self) -> np.ndarray:
        """Which rows of the table the lines are fitted to, as booleans."""
        return ~self.table["family"].isin(self.left_out).to_numpy()

    @property
    def accuracies(self) -> StatisticTable:
        """The table as it is read and written."""
        return accuracies_table(self.table, self.outcomes.metric, self.level)

    def headline(self, scale: str = "linear") -> tuple[str, ...]:
        """What was found, in sentences: the drop, the line on `scale`, a published line beside it, the ranks."""
        line = line_sentence(self.lines.get(scale), self.left_out, self.all_lines.get(scale))
        against = self.against.sentence() if self.against else None
        sentences = (drop_sentence(self), line, against, rank_sentence(self.table))
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

    metrics     "top1", and "top5" where it can be had
    provenance  "datasets" -> name -> facts; "models" -> name -> dataset -> how its predictions came about
    notes       what was left out, and warnings
    gate        the accuracies beside the published ones, as `gate.gate_table` has them; None where nothing was run
    """

    original: str
    new: str
    metrics: dict[str, MetricSummary]
    provenance: dict[str, dict] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    gate: pd.DataFrame | None = None

    @property
    def name(self) -> str:
        return f"{self.original}:{self.new}"

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


def summarize(
    results: Results,
    pairs: Sequence[str] | str | None = None,
    *,
    scale: str = "linear",
    metric: str = "top1",
    level: float = 0.95,
    resamples: int = 100_000,
    seed: int = 0,
    without: Sequence[str] | str = (),
    command: str | None = None,
) -> Summary:
    """Work out everything a report says on stored results.

    `pairs` are "original:new"; without them, all that were run here: one that cannot be answered then becomes a note.
    Lines are fitted on every scale; `scale` is that of all other statistics that need one. `without` names families of
    models that the lines leave out. `level` of all intervals lies in (0, 1); `resamples` and `seed` belong to the
    bootstraps. Each statistic has a generator of its own, so that its numbers do not depend on what else is asked for.
    Raises UsageError on an unknown scale, metric or family and on numbers out of range, AnalysisError when the results
    hold nothing to compare, StoreError when they cannot be read.
    """
    check_choices(scale=scale, metric=metric, level=level, resamples=resamples, seed=seed)
    wanted = _wanted_pairs(results, pairs)
    summaries: list[PairSummary] = []
    refused: list[AnalysisError] = []
    for pair in wanted:
        try:
            stored = load_pair(results, pair)
            _require_metric(stored, metric)
        except AnalysisError as error:
            if pairs is not None:
                raise
            refused.append(error)
            continue
        review = review_pair(stored, level)
        summaries.append(
            summarize_outcomes(
                stored.outcomes,
                answers=stored.answers,
                fresh=stored.fresh,
                near_duplicates=_near_duplicates(stored),
                scale=scale,
                level=level,
                resamples=resamples,
                seed=seed,
                without=without,
                provenance=_provenance(stored),
                notes=(*stored.notes, *review.notes),
                gate=review.gate,
            )
        )
    if not summaries:
        raise refused[0]
    check_families(without, summaries)
    return Summary(
        pairs=tuple(summaries),
        scale=scale,
        metric=metric,
        level=level,
        resamples=resamples,
        seed=seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        command=command,
        notes=tuple(f"{error.where} is not in this report: {error.problem} ({error.found})." for error in refused),
    )


def summarize_outcomes(
    outcomes: Mapping[str, Outcomes],
    *,
    answers: tuple[ImageAnswers, ImageAnswers] | None = None,
    fresh: ImageAnswers | None = None,
    near_duplicates: NearDuplicates | None = None,
    scale: str = "linear",
    level: float = 0.95,
    resamples: int = 100_000,
    seed: int = 0,
    without: Sequence[str] | str = (),
    ties: str = "shared",
    provenance: dict[str, dict] | None = None,
    notes: Sequence[str] = (),
    gate: pd.DataFrame | None = None,
) -> PairSummary:
    """The summary of one pair from its counts, by metric: for stored results and published counts alike.

    `answers` on both sets give what needs each image, `fresh` and `near_duplicates` what the registry knows of the
    original set; see `statistics.compute_statistics`. `without` names families that the lines leave out. `ties` is
    "shared" where models of equal accuracy share the better rank, "alphabetical" where they are numbered on.
    """
    first = next(iter(outcomes.values()))
    without = (without,) if isinstance(without, str) else tuple(dict.fromkeys(without))
    metrics = {}
    for name, counts in outcomes.items():
        families = {counts.attributes.get(model, {}).get("family") for model in counts.models}
        left_out = tuple(family for family in without if family in families)
        statistics = compute_statistics(
            counts,
            answers,
            fresh=fresh,
            near_duplicates=near_duplicates,
            left_out=left_out,
            scale=scale,
            level=level,
            resamples=resamples,
            seed=seed,
        )
        metrics[name] = _summarize_metric(counts, answers, statistics, resamples, seed, left_out, ties)
    # The same model is missing its line on every scale and metric for the same reason: said once.
    all_notes = dict.fromkeys((*notes, *(note for summary in metrics.values() for note in summary.notes)))
    return PairSummary(first.original, first.new, metrics, provenance or {}, tuple(all_notes), gate)


def accuracy_table(outcomes: Outcomes, level: float = 0.95, ties: str = "shared") -> pd.DataFrame:
    """Accuracies, drops and ranks of m models with their intervals, as `MetricSummary.table` lists them.

    `ties` is "shared" or "alphabetical", see `ranks.rank`.
    """
    if ties not in ("shared", "alphabetical"):
        raise ValueError(f'ties: found "{ties}"; expected shared or alphabetical')
    names = outcomes.models if ties == "alphabetical" else None
    original_total = np.full(len(outcomes), outcomes.original_total)
    new_total = np.full(len(outcomes), outcomes.new_total)
    original = clopper_pearson(outcomes.original_correct, original_total, level)
    new = clopper_pearson(outcomes.new_correct, new_total, level)
    drop = drops(outcomes.original_correct, original_total, outcomes.new_correct, new_total, level)
    facts = [outcomes.attributes.get(model, {}) for model in outcomes.models]
    table = pd.DataFrame(
        {
            "model": outcomes.models,
            "family": pd.array([fact.get("family") for fact in facts], dtype="string"),
            "year": pd.array([fact.get("year") for fact in facts], dtype="Int64"),
            "original_correct": outcomes.original_correct,
            "original_total": original_total,
            "original_accuracy": outcomes.original_correct / original_total,
            "original_low": original.low,
            "original_high": original.high,
            "new_correct": outcomes.new_correct,
            "new_total": new_total,
            "new_accuracy": outcomes.new_correct / new_total,
            "new_low": new.low,
            "new_high": new.high,
            "drop": drop.drop,
            "drop_low": drop.interval.low,
            "drop_high": drop.interval.high,
            "original_rank": rank(outcomes.original_correct, names),
            "new_rank": rank(outcomes.new_correct, names),
            "delta_rank": rank_changes(outcomes.original_correct, outcomes.new_correct, names),
        }
    )
    return table.sort_values(["original_rank", "new_rank", "model"], ignore_index=True)


def to_json(summary: Summary, tables: Mapping[str, pd.DataFrame] | None = None) -> str:
    """The whole summary as JSON with a fixed order of keys; what is undefined or infinite is null.

    `tables` over all pairs go in beside it, by name.
    """
    written = {
        "schema_version": SUMMARY_SCHEMA,
        "evalshift": summary.version,
        "created": summary.created,
        "command": summary.command,
        "scale": summary.scale,
        "metric": summary.metric,
        "level": summary.level,
        "resamples": summary.resamples,
        "seed": summary.seed,
        "notes": summary.notes,
        **{name: table.to_dict("records") for name, table in (tables or {}).items()},
        "pairs": [_pair_facts(pair, summary.scale) for pair in summary.pairs],
    }
    return json.dumps(_jsonable(written), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def check_choices(*, scale: str, metric: str, level: float, resamples: int, seed: int) -> None:
    """Raises UsageError when one of a report's choices is out of its range."""
    for word, value, allowed in (("scale", scale, SCALES), ("metric", metric, tuple(METRICS))):
        if value not in allowed:
            raise UsageError(
                f"there is no such {word}",
                found=f'"{value}"',
                expected=", ".join(allowed),
                remedy=did_you_mean(str(value), allowed),
            )
    for word, value, holds, expected in (
        ("level", level, 0 < level < 1, "a fraction between 0 and 1, such as 0.95"),
        (
            "number of resamples",
            resamples,
            resamples == 0 or 2 <= resamples <= MOST_RESAMPLES,  # a single one would pass for certainty
            f"0 for no intervals, or 2 to {MOST_RESAMPLES:,}",
        ),
        ("seed", seed, seed >= 0, "0 or more"),
    ):
        if not holds:
            raise UsageError(f"the {word} is out of range", found=value, expected=expected)


def _wanted_pairs(results: Results, pairs: Sequence[str] | str | None) -> list[str]:
    named = results.pairs() if pairs is None else [pairs] if isinstance(pairs, str) else pairs
    wanted = list(dict.fromkeys(seen_alike(results, pair) for pair in named))
    if not wanted:
        raise AnalysisError(
            "no pair has been run here" if pairs is None else "no pair was named",
            where=results.path,
            found="no results",
            expected="predictions of at least one pair",
            remedy="`evalshift run` first, or name another folder with --results",
        )
    return wanted


def _require_metric(stored: StoredPair, metric: str) -> None:
    if metric not in stored.outcomes:
        raise AnalysisError(
            f"{metric_words(metric)} accuracy cannot be had on this pair",
            where=f"{stored.original.name}:{stored.new.name}",
            found=next(
                (note.rstrip(".") for note in stored.notes if note.startswith(metric_words(metric).capitalize())),
                f"{len(stored.original.class_names)} classes"
                if stored.original.class_names
                else "counts of top-1 alone",
            ),
            expected=f"more than {METRICS[metric]} classes and as many answers stored for every model",
            remedy="use --metric top1",
        )


def check_families(without: Sequence[str] | str, pairs: Sequence[PairSummary]) -> None:
    """UsageError for a family to leave out that no model of these pairs belongs to."""
    families = {
        family
        for pair in pairs
        for metric in pair.metrics.values()
        for family in metric.table["family"].dropna().unique()
    }
    for family in (without,) if isinstance(without, str) else without:
        if family not in families:
            raise UsageError(
                "no model of this family is in the report",
                found=f'"{family}"',
                expected=", ".join(sorted(families)) or "models whose registry entry names a family",
                remedy=did_you_mean(family, families),
            )


def _summarize_metric(
    outcomes: Outcomes,
    answers: tuple[ImageAnswers, ImageAnswers] | None,
    statistics: Statistics,
    resamples: int,
    seed: int,
    left_out: tuple[str, ...],
    ties: str,
) -> MetricSummary:
    level = statistics.level
    table = accuracy_table(outcomes, level, ties)
    table["delta_rank_real"] = _real_changes(statistics, table["model"].tolist())
    families = [outcomes.attributes.get(model, {}).get("family") for model in outcomes.models]
    notes: list[str] = []
    kept = [place for place, family in enumerate(families) if family not in left_out]
    lines = _fit_lines(outcomes.subset(kept), level, resamples, seed, notes)
    all_lines = _fit_lines(outcomes, level, resamples, seed, notes) if left_out else {}
    tables, missing = statistic_tables(statistics, outcomes, table["model"].tolist(), lines, answers)
    return MetricSummary(
        outcomes=outcomes,
        table=table,
        lines=lines,
        mean_drop=float(table["drop"].mean()),
        mean_drop_interval=Interval(float(table["drop_low"].mean()), float(table["drop_high"].mean())),
        level=level,
        statistics=statistics,
        tables=tables,
        missing=missing,
        notes=tuple(dict.fromkeys(notes)),
        left_out=left_out,
        all_lines=all_lines,
    )


def _real_changes(statistics: Statistics, models: Sequence[str]) -> pd.Series:
    """Whether the rank of each model changes beyond chance; missing where that cannot be told."""
    real: dict[str, bool] = {}
    if not isinstance(statistics.rank_changes, Missing):
        real = dict(zip(statistics.image_models, statistics.rank_changes.real.tolist(), strict=True))
    return pd.Series([real.get(model, pd.NA) for model in models], dtype="boolean")


def _fit_lines(outcomes: Outcomes, level: float, resamples: int, seed: int, notes: list[str]) -> dict[str, Line | None]:
    """The line on every scale, None where it cannot be fitted; `notes` takes up why, and what a line lacks."""
    lines: dict[str, Line | None] = {}
    for scale in SCALES:
        try:
            line = lines[scale] = fit_outcomes(outcomes, scale, level, resamples, seed)
            if math.isnan(line.slope_interval.low):
                why = "it passes through two models, whatever is drawn" if line.models == 2 else "nothing was resampled"
                notes.append(f"The line has no interval: {why}.")
        except AnalysisError as error:
            lines[scale] = None
            notes.append(f"No line is fitted: {error.problem}" + (f" ({error.found})." if error.found else "."))
    return lines


def fit_outcomes(outcomes: Outcomes, scale: str, level: float, resamples: int, seed: int) -> Line:
    """The line through these models on one scale; raises AnalysisError where they make none."""
    # Seeded by what is fitted, so that a line is the same whatever else the report holds.
    mark = zlib.crc32(f"{outcomes.original}:{outcomes.new}:{outcomes.metric}:{scale}".encode())
    return fit_line(
        fitted_accuracy(outcomes.original_correct, np.full(len(outcomes), outcomes.original_total), scale),
        fitted_accuracy(outcomes.new_correct, np.full(len(outcomes), outcomes.new_total), scale),
        scale=scale,
        resamples=resamples,
        level=level,
        rng=np.random.default_rng([seed, mark]),
    )


def _near_duplicates(stored: StoredPair) -> NearDuplicates | None:
    written = stored.original.entry.get("near_duplicates")
    return None if written is None else NearDuplicates(**written)


def _provenance(stored: StoredPair) -> dict[str, dict]:
    return {
        "datasets": {
            dataset.name: {
                "images": len(dataset),
                "classes": dataset.classes,
                "fingerprint": dataset.fingerprint,
                "entry": dataset.entry,
            }
            for dataset in (stored.original, stored.new)
        },
        "models": {
            model: {both.dataset: both.model_dump(mode="json") for both in pair}
            for model, pair in stored.provenance.items()
        },
    }


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", name).strip("-.") or "set"


def _pair_facts(pair: PairSummary, scale: str) -> dict[str, Any]:
    return {
        "original": pair.original,
        "new": pair.new,
        "notes": pair.notes,
        "metrics": {name: _metric_facts(metric, scale) for name, metric in pair.metrics.items()},
        "gate": None if pair.gate is None else pair.gate.to_dict("records"),
        "provenance": pair.provenance,
    }


def _metric_facts(summary: MetricSummary, scale: str) -> dict[str, Any]:
    outcomes = summary.outcomes
    return {
        "headline": summary.headline(scale),
        "findings": (*summary.findings(), *summary.details()),
        "models": len(outcomes),
        "original_total": outcomes.original_total,
        "new_total": outcomes.new_total,
        "mean_drop": summary.mean_drop,
        "mean_drop_interval": summary.mean_drop_interval,
        "left_out": summary.left_out,
        "lines": {name: line and _line_facts(line) for name, line in summary.lines.items()},
        "all_lines": {name: line and _line_facts(line) for name, line in summary.all_lines.items()},
        "against": summary.against and _against_facts(summary.against),
        "table": summary.table.to_dict("records"),
        "statistics": {name: _table_facts(table) for name, table in summary.tables.items()},
        "missing": summary.missing,
    }


def _against_facts(against: "Against") -> dict[str, Any]:
    return {
        "testbed": against.testbed,
        "models": len(against.outcomes),
        "left_out": against.left_out,
        "members": against.members,
        "lines": {name: _line_facts(line) for name, line in against.lines.items()},
        "scale": against.scale,
        "resamples": against.distances.resamples,
        "table": against.table.to_dict("records"),
    }


def _table_facts(table: StatisticTable) -> dict[str, Any]:
    short = len(table.frame) <= _MOST_ROWS
    rows = {"rows": table.frame.to_dict("records")} if short else {"rows_in_csv": len(table.frame)}
    return {"title": table.title, "note": table.words, **rows}


def _line_facts(line: Line) -> dict[str, Any]:
    return {
        "slope": line.slope,
        "slope_interval": line.slope_interval,
        "offset": line.offset,
        "offset_interval": line.offset_interval,
        "r2": line.r2,
        "models": line.models,
        "level": line.level,
        "resamples": line.resamples,
    }


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, Interval):
        return {"low": _jsonable(value.low), "high": _jsonable(value.high)}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
