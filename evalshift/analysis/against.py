"""The models of a report against the line of a published testbed."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evalshift.analysis.fits import Line
from evalshift.analysis.outcomes import Outcomes, name_some
from evalshift.analysis.published import published_outcomes
from evalshift.analysis.robustness import EffectiveRobustness, effective_robustness_against
from evalshift.analysis.scales import SCALES
from evalshift.analysis.sentences import metric_words
from evalshift.analysis.statistic_tables.table import Column, StatisticTable, bounded, make_table
from evalshift.analysis.summary import MetricSummary, PairSummary, Summary, fit_outcomes
from evalshift.analysis.words import p_words, percent
from evalshift.errors import AnalysisError, did_you_mean
from evalshift.testbed.published import PublishedTestbed, load_published

# Percentiles and p-values of the distances move by less than a printed digit beyond that.
_RESAMPLES = 20_000


@dataclass(frozen=True, eq=False)
class Against:
    """The models of one metric of a pair, against the line of a published testbed.

    testbed   its name
    outcomes  its models in the line, as counts
    left_out  its families that are not in the line
    lines     scale -> its line
    models    the models that are held against it, in the order of the table
    distances how far each stands above the line on `scale`, see `effective_robustness_against`
    members   models of the report that are the testbed's own: same name, same counts
    """

    testbed: str
    outcomes: Outcomes
    left_out: tuple[str, ...]
    lines: dict[str, Line]
    scale: str
    models: tuple[str, ...]
    distances: EffectiveRobustness
    members: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """A row a model: model, predicted, distance (above 0 over the line), their bounds, p_value, p_holm, p_bh."""
        found = self.distances
        return pd.DataFrame(
            {
                "model": self.models,
                "predicted": found.predicted,
                "predicted_low": found.predicted_interval.low,
                "predicted_high": found.predicted_interval.high,
                "distance": found.distance,
                "distance_low": found.interval.low,
                "distance_high": found.interval.high,
                "p_value": found.p_value,
                "p_holm": found.p_holm,
                "p_bh": found.p_bh,
            }
        )

    def sentence(self) -> str:
        """Which models stand off the line, and by how much the farthest."""
        table, level = self.table, self.distances.level
        line = f"the line of {self.testbed} ({len(self.outcomes)} models, {self.scale} scale)"
        if len(table) == 1:
            row = table.iloc[0]
            return f"Against {line}, {row['model']} {_stands(row)}{_p_words(row)}."
        farthest = table.iloc[int(table["distance"].abs().to_numpy().argmax())]
        most = f"the farthest is {farthest['model']}, which {_stands(farthest)}{_p_words(farthest)}"
        if table["p_holm"].isna().all() or not self.distances.enough_resamples:
            return f"Against {line}, of {len(table)} models {most}."
        off = int((table["p_holm"] < 1 - level).sum())
        count = f"{off or 'none'} of {len(table)} models {'stands' if off == 1 else 'stand'} off it beyond chance"
        return f"Against {line}, {count} (Holm, {100 * (1 - level):.3g} %); {most}."


def hold_against(summary: Summary, name: str, without: Sequence[str] | str = ()) -> Summary:
    """The summary with the models of each pair held against the published testbed of that name.

    Its line is fitted on the same pair, without the families that its publication leaves out and those of `without`.
    A pair or metric that was not published, and models that are the testbed's own, are named in the notes.
    Raises UsageError on an unknown testbed, AnalysisError when it shares no pair with the summary.
    """
    testbed = load_published(name)
    if not any(testbed.table_of(pair.name) for pair in summary.pairs):
        raise AnalysisError(
            "nothing was published on these pairs to hold them against",
            where=testbed.name,
            found=", ".join(pair.name for pair in summary.pairs),
            expected=f"one of {', '.join(testbed.pairs)}",
            remedy=did_you_mean(summary.pairs[0].name, testbed.pairs)
            or "give the datasets these names in the registry, where they are these sets",
        )
    left_out = (without,) if isinstance(without, str) else tuple(without)
    return replace(summary, pairs=tuple(_pair_against(pair, summary, testbed, left_out) for pair in summary.pairs))


def _pair_against(
    pair: PairSummary, summary: Summary, testbed: PublishedTestbed, without: tuple[str, ...]
) -> PairSummary:
    table = testbed.table_of(pair.name)
    if table is None:
        return replace(pair, notes=(*pair.notes, f"{testbed.name} has nothing on this pair to hold models against."))
    notes: list[str] = []
    metrics: dict[str, MetricSummary] = {}
    published = published_outcomes(testbed, pair.name)
    families = {model.name: model.family for model in table.models}
    left_out = tuple(dict.fromkeys((*table.without, *without)))
    for name, metric in pair.metrics.items():
        if name not in published:
            metrics[name] = metric
            notes.append(f"{testbed.name} has no {metric_words(name)} accuracies on this pair.")
            continue
        try:
            metrics[name] = _metric_against(metric, published[name], families, left_out, testbed.name, summary, notes)
        except AnalysisError as error:
            metrics[name] = metric
            notes.append(f"No model is held against {testbed.name}: {error.problem} ({error.found}).")
    return replace(pair, metrics=metrics, notes=(*pair.notes, *dict.fromkeys(notes)))


def _metric_against(
    metric: MetricSummary,
    published: Outcomes,
    families: dict[str, str],
    left_out: tuple[str, ...],
    testbed: str,
    summary: Summary,
    notes: list[str],
) -> MetricSummary:
    own = metric.outcomes
    members = _members(own, published)
    if members:
        notes.append(f"Models of {testbed} itself are not held against it: {name_some(members)}.")
    rows = metric.table[~metric.table["model"].isin(members)]
    if rows.empty:
        return metric
    line_models = published.subset([i for i, model in enumerate(published.models) if families[model] not in left_out])
    lines = {
        scale: fit_outcomes(line_models, scale, summary.level, summary.resamples, summary.seed) for scale in SCALES
    }
    mark = zlib.crc32(f"{own.original}:{own.new}:{own.metric}:{summary.scale}:{testbed}".encode())
    original_correct, original_total, new_correct, new_total = (rows[name].to_numpy(np.int64) for name in _COUNTS)
    distances = effective_robustness_against(
        original_correct,
        original_total,
        new_correct,
        new_total,
        (
            line_models.original_correct,
            np.full(len(line_models), line_models.original_total),
            line_models.new_correct,
            np.full(len(line_models), line_models.new_total),
        ),
        scale=summary.scale,
        resamples=min(summary.resamples, _RESAMPLES),
        level=summary.level,
        rng=np.random.default_rng([summary.seed, mark]),
    )
    return replace(
        metric,
        against=Against(
            testbed=testbed,
            outcomes=line_models,
            left_out=tuple(family for family in left_out if family in families.values()),
            lines=lines,
            scale=summary.scale,
            models=tuple(rows["model"]),
            distances=distances,
            members=members,
        ),
    )


_COUNTS = ("original_correct", "original_total", "new_correct", "new_total")


def _members(own: Outcomes, published: Outcomes) -> tuple[str, ...]:
    """Models of the report with the name and the very counts of a published one."""
    if (own.original_total, own.new_total) != (published.original_total, published.new_total):
        return ()
    counts = {
        model: both
        for model, *both in zip(published.models, published.original_correct, published.new_correct, strict=True)
    }
    return tuple(
        model
        for model, *both in zip(own.models, own.original_correct, own.new_correct, strict=True)
        if counts.get(model) == both
    )


def distances_table(against: Against) -> StatisticTable:
    """The distances to be read, in points."""
    return make_table(
        "against",
        f"Against {against.testbed}",
        against.table,
        [
            Column("model", "Model", "text"),
            bounded("predicted", "Predicted (%)"),
            bounded("distance", "Distance", "points"),
            Column("p_holm", "p (Holm)", "p"),
            Column("p_bh", "p (BH)", "p"),
        ],
        f"Distance in percentage points above the line of {against.testbed} ({len(against.outcomes)} models, "
        f"{against.scale} scale), {100 * against.distances.level:g} % intervals in brackets.",
        empty="Without resamples there are no intervals and no p.",
    )


def _stands(row: pd.Series) -> str:
    """Where a model stands, as "stands 1.2 points above it [0.3, 2.1]"."""
    above = row["distance"] >= 0
    sign = 1 if above else -1
    words = f"stands {percent(sign * row['distance'])} points {'above' if above else 'below'} it"
    if np.isnan(row["distance_low"]):
        return words
    low, high = sorted((sign * row["distance_low"], sign * row["distance_high"]))
    return f"{words} [{percent(low)}, {percent(high)}]"


def _p_words(row: pd.Series) -> str:
    return "" if np.isnan(row["p_holm"]) else f", {p_words(row['p_holm'])}"
