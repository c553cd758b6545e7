"""Counts and predictions of a pair -> its summary: accuracies, lines, statistics, tables."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Unpack

import numpy as np
import pandas as pd

from evalshift._version import __version__
from evalshift.analysis.options import Choices, ReportOptions
from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.outcomes.correctness import packed
from evalshift.analysis.pair_statistics.calibration_shift import Logits
from evalshift.analysis.pair_statistics.compute import Statistics, compute_statistics
from evalshift.analysis.pair_statistics.missing import either
from evalshift.analysis.pair_statistics.report_scale import on_one_scale
from evalshift.analysis.statistics.draws import affordable
from evalshift.analysis.statistics.drops import drops
from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.analysis.statistics.line_fit import Line, fit_line
from evalshift.analysis.statistics.near_duplicates import NearDuplicates
from evalshift.analysis.statistics.ranks import rank, rank_changes
from evalshift.analysis.statistics.scale_choice import ScaleChoice
from evalshift.analysis.statistics.scales import fitted_accuracy
from evalshift.analysis.statistics.shared_image_drops import SharedImageDrops
from evalshift.analysis.summary.records import MetricSummary, PairSummary, Summary
from evalshift.analysis.tables import statistic_tables
from evalshift.errors import AnalysisError

# Models times resamples of a line: fewer resamples of more than 200 models.
_MOST_DRAWN = 20_000_000


def put_together(
    pairs: Sequence[PairSummary],
    options: ReportOptions,
    *,
    command: str | None = None,
    notes: Sequence[str] = (),
    scale_choice: ScaleChoice | None = None,
) -> Summary:
    """The summary of these pairs, made now; UsageError where no model is of a family left out, or is the reference."""
    options.check_families(
        family for pair in pairs for metric in pair.metrics.values() for family in metric.outcomes.families
    )
    options.check_labels(metric.outcomes for pair in pairs for metric in pair.metrics.values())
    options.check_reference(
        model for pair in pairs for metric in pair.metrics.values() for model in metric.outcomes.models
    )
    if scale_choice is not None and len(pairs) == 1:
        metrics = dict(pairs[0].metrics)
        metrics[options.metric] = replace(metrics[options.metric], scale_choice=scale_choice)
        pairs = [replace(pairs[0], metrics=metrics)]
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
        reference=options.reference,
        scale_choice=scale_choice,
    )


def summarize_outcomes(
    outcomes: Mapping[str, Outcomes],
    *,
    predictions: tuple[ImagePredictions, ImagePredictions] | None = None,
    fresh: ImagePredictions | None = None,
    near_duplicates: NearDuplicates | None = None,
    logits: Logits | None = None,
    options: ReportOptions | None = None,
    ties: str = "shared",
    provenance: dict[str, dict] | None = None,
    own: Iterable[str] = (),
    notes: Sequence[str] = (),
    expected_accuracy: pd.DataFrame | None = None,
    **choices: Unpack[Choices],
) -> PairSummary:
    """The summary of one pair from its counts, by metric: for stored results and published counts alike.

    `predictions` on both sets give what needs each image, `fresh` and `near_duplicates` what the registry knows of the
    original set, `logits` of models on both sets their likelihoods; see `compute_statistics`. `ties` is "shared" where
    models of equal accuracy share the better rank, "alphabetical" where they are numbered on; `own` are models of the
    user's own registry file. `choices` are those of
    `ReportOptions`, or `options` has them all.
    """
    options = options or ReportOptions(**choices)
    one = outcomes.get(options.metric) or next(iter(outcomes.values()))
    options, _ = on_one_scale(options, [one.of_line(options.named)])
    first = next(iter(outcomes.values()))
    metrics = {}
    scope = options.scope
    for name, counts in outcomes.items():
        if scope is not None and name not in scope.metrics:
            continue
        counts = options.labelled(replace(counts, highlighted=options.highlighted(counts, own)))
        statistics = compute_statistics(
            counts, predictions, fresh=fresh, near_duplicates=near_duplicates, logits=logits, options=options
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
    if statistics.shared_drops is not None:
        table[["drop_low", "drop_high"]] = _shared_bounds(statistics, statistics.shared_drops, table["model"].tolist())
    table["delta_rank_real"] = _real_changes(statistics, table["model"].tolist())
    notes: list[str] = []
    left_out = options.left_out(outcomes)
    lines = _fit_lines(outcomes.of_line(left_out), options, notes)
    all_lines = _fit_lines(outcomes.of_line(()), options, notes) if left_out else {}
    only = None if options.scope is None else options.scope.tables
    tables, missing = statistic_tables(
        statistics, outcomes, table["model"].tolist(), lines, predictions, only, options.include
    )
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
        correctness=predictions and (packed(predictions[0], outcomes.metric), packed(predictions[1], outcomes.metric)),
    )


def _shared_bounds(statistics: Statistics, drops: SharedImageDrops, models: Sequence[str]) -> np.ndarray:
    """Bounds of drops between sets that share images, shape (m, 2); NaN for models of counts alone."""
    place = {model: number for number, model in enumerate(statistics.image_models)}
    bounds = np.stack([drops.interval.low, drops.interval.high], axis=1)
    return np.stack([bounds[place[model]] if model in place else np.full(2, np.nan) for model in models])


def _real_changes(statistics: Statistics, models: Sequence[str]) -> pd.Series:
    """Whether the rank of each model changes significantly; missing where that is not computed."""
    real: dict[str, bool] = either(
        statistics.rank_changes,
        lambda changes: dict(zip(statistics.image_models, changes.real.tolist(), strict=True)),
        lambda reason: {},
    )
    return pd.Series([real.get(model, pd.NA) for model in models], dtype="boolean")


def _fit_lines(outcomes: Outcomes, options: ReportOptions, notes: list[str]) -> dict[str, Line | None]:
    """The line on every scale, None where it cannot be fitted; `notes` takes up why, and what a line lacks."""
    lines: dict[str, Line | None] = {}
    for scale in options.line_scales:
        try:
            line = lines[scale] = fit_outcomes(outcomes, scale, options)
            if math.isnan(line.slope_interval.low):
                why = "it passes through two models in every resample" if line.models == 2 else "nothing was resampled"
                kind = "interval" if line.models == 2 else "bootstrap interval"
                notes.append(f"The line has no {kind}: {why}.")
        except AnalysisError as error:
            lines[scale] = None
            notes.append(f"No line is fitted: {error.found or error.problem}.")
    return lines


def fit_outcomes(outcomes: Outcomes, scale: str, options: ReportOptions) -> Line:
    """The line through these models on one scale; raises AnalysisError where they make none."""
    original_correct, original_total, new_correct, new_total = outcomes.counts
    return fit_line(
        fitted_accuracy(original_correct, original_total, scale),
        fitted_accuracy(new_correct, new_total, scale),
        scale=scale,
        resamples=affordable(options.resamples, len(outcomes), _MOST_DRAWN),
        level=options.level,
        rng=options.rng(outcomes, scale),
    )
