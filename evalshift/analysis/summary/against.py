"""A report's models, compared with the line of a published testbed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from evalshift.analysis.options import ReportOptions
from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.statistics.draws import affordable
from evalshift.analysis.statistics.effective_robustness import EffectiveRobustness, effective_robustness_against
from evalshift.analysis.statistics.line_fit import LEAST_LINE_MODELS, Line
from evalshift.analysis.statistics.matched_models import MatchedModels, matched_models
from evalshift.analysis.statistics.model_scatter import scatter_test
from evalshift.analysis.statistics.multiplicity import adjust
from evalshift.analysis.statistics.scales import fitted_accuracy, from_scale, to_scale
from evalshift.analysis.summary.published import published_outcomes
from evalshift.analysis.summary.records import MetricSummary, PairSummary, Summary
from evalshift.analysis.summary.sentences import metric_words
from evalshift.analysis.summary.summarize import fit_outcomes
from evalshift.analysis.tables.published_line import Against, SameData
from evalshift.errors import AnalysisError, did_you_mean
from evalshift.formatting import name_some
from evalshift.testbed.published import PublishedTestbed, load_with_pairs
from evalshift.testbed.timm_names import data_of_entry, names_of_weights

# With more resamples, percentiles and p-values of the distances move by less than a printed digit.
_RESAMPLES = 20_000
# Models times resamples: a large testbed needs fewer bootstrap resamples, because its line has a narrow interval.
_MOST_DRAWN = 10_000_000


def check_against(name: str, pairs: Sequence[str]) -> PublishedTestbed:
    """The published testbed of that name; raises AnalysisError if it has results on none of these pairs.

    Raises UsageError for an unknown testbed.
    """
    testbed = load_with_pairs(name)
    if not any(map(testbed.table_of, pairs)):
        raise AnalysisError(
            "nothing was published on these pairs to compare with",
            where=testbed.name,
            found=", ".join(pairs),
            expected=f"one of {', '.join(testbed.pairs)}",
            fix=did_you_mean(pairs[0], testbed.pairs)
            or "give the datasets these names in the registry, where they are these sets",
        )
    return testbed


def hold_against(summary: Summary, name: str, without: Sequence[str] | str = ()) -> Summary:
    """The summary with the models of each pair compared with the published testbed of that name.

    Its line is fitted on the same pair, without the families that its publication leaves out and those of `without`.
    A pair or metric that was not published, and models that are the testbed's own, are named in the notes.
    Raises UsageError for an unknown testbed, AnalysisError if it shares no pair with the summary.
    """
    testbed = check_against(name, [pair.name for pair in summary.pairs])
    options = replace(summary.options, without=without)
    return replace(
        summary,
        pairs=tuple(_pair_against(pair, testbed, options) for pair in summary.pairs),
        notes=(*summary.notes, f"Counts of {testbed.title}: {testbed.citation}"),
    )


def _pair_against(pair: PairSummary, testbed: PublishedTestbed, options: ReportOptions) -> PairSummary:
    table = testbed.table_of(pair.name)
    if table is None:
        note = f"{testbed.title} has no results on this pair to compare models with."
        return replace(pair, notes=(*pair.notes, note))
    notes: list[str] = []
    metrics: dict[str, MetricSummary] = {}
    published = published_outcomes(testbed, pair.name)
    options = replace(options, without=(*table.without, *options.named))
    for name, metric in pair.metrics.items():
        if name not in published:
            metrics[name] = metric
            notes.append(f"{testbed.title} has no {metric_words(name)} accuracies on this pair.")
            continue
        try:
            metrics[name] = _metric_against(metric, published[name], testbed, options, notes)
        except AnalysisError as error:
            metrics[name] = metric
            notes.append(f"No model is compared with {testbed.title}: {error.problem} ({error.found}).")
    return replace(pair, metrics=metrics, notes=(*pair.notes, *dict.fromkeys(notes)))


def _metric_against(
    metric: MetricSummary,
    published: Outcomes,
    testbed: PublishedTestbed,
    options: ReportOptions,
    notes: list[str],
) -> MetricSummary:
    own = metric.outcomes
    members = _members(own, published)
    notes += _notes_on_models(own, published, members, testbed.title)
    rows = metric.table[~metric.table["model"].isin(members)]
    if rows.empty:
        return metric
    left_out = options.left_out(published)
    line_models = published.of_line(left_out)
    options = replace(options, resamples=affordable(options.resamples, len(line_models), _MOST_DRAWN))
    # Before any line: where there is none, the error is this one's.
    distances = _distances(rows, line_models, options, options.rng(own, f"{options.scale}:{testbed.name}"))
    groups = _groups(line_models)
    return replace(
        metric,
        against=Against(
            testbed=testbed.name,
            title=testbed.title,
            outcomes=line_models,
            left_out=left_out,
            lines={scale: fit_outcomes(line_models, scale, options) for scale in options.line_scales},
            scale=options.scale,
            models=tuple(rows["model"]),
            distances=distances,
            matched=_matched(rows, line_models, options),
            members=members,
            titles=own.titles,
            highlighted=own.highlighted,
            groups=groups,
            group_lines=_group_lines(line_models, groups, options),
            testbed_distances=_testbed_distances(line_models, options.scale),
            same_data=_same_data(rows, own, line_models, groups, options),
        ),
    )


def _notes_on_models(own: Outcomes, published: Outcomes, members: Sequence[str], title: str) -> list[str]:
    """Which models of the report are in the testbed's line, too, and which are not compared with it."""
    notes = []
    if twins := _twins(own, published, members):
        notes.append(
            f"Models that by name or weights are in the line of {title} too, with the accuracies published "
            f"there: {name_some(twins)}."
        )
    if members:
        notes.append(f"Models of {title} itself are not compared with it: {name_some(members)}.")
    return notes


def _distances(
    rows: pd.DataFrame, testbed: Outcomes, options: ReportOptions, rng: np.random.Generator
) -> EffectiveRobustness:
    """Effective robustness of the models in these rows relative to the line of a testbed's models."""
    original_correct, original_total, new_correct, new_total = (rows[name].to_numpy(np.int64) for name in _COUNTS)
    return effective_robustness_against(
        original_correct,
        original_total,
        new_correct,
        new_total,
        testbed.counts,
        scale=options.scale,
        resamples=min(options.resamples, _RESAMPLES),
        level=options.level,
        rng=rng,
    )


def _group_lines(
    testbed: Outcomes, groups: Mapping[str, np.ndarray], options: ReportOptions
) -> dict[str, dict[str, Line]]:
    """Scale → group → the line of its models, without a bootstrap."""
    options = replace(options, resamples=0)
    subsets = {name: testbed.subset(places.tolist()) for name, places in groups.items()}
    return {
        scale: {name: fit_outcomes(subset, scale, options) for name, subset in subsets.items()}
        for scale in options.line_scales
    }


def _matched(rows: pd.DataFrame, testbed: Outcomes, options: ReportOptions) -> MatchedModels:
    own = [rows[name].to_numpy(np.int64) for name in _COUNTS]
    counts = [np.concatenate(both) for both in zip(own, testbed.counts, strict=True)]
    places = np.arange(len(counts[0]))
    return matched_models(
        (counts[0], counts[1], counts[2], counts[3]),
        in_line=places >= len(rows),
        of=places[: len(rows)],
        scale=options.scale,
        level=options.level,
    )


def _testbed_distances(testbed: Outcomes, scale: str) -> np.ndarray:
    original_correct, original_total, new_correct, new_total = testbed.counts
    x = to_scale(fitted_accuracy(original_correct, original_total, scale), scale)
    y = to_scale(fitted_accuracy(new_correct, new_total, scale), scale)
    return new_correct / new_total - from_scale(y - scatter_test(x, y, least_others=LEAST_LINE_MODELS).distance, scale)


def _groups(testbed: Outcomes) -> dict[str, np.ndarray]:
    """Positions of the models in the line by training data, the largest group first."""
    data = np.array([testbed.attributes.get(model, {}).get("training_data") or "" for model in testbed.models], str)
    found = {str(name): np.flatnonzero(data == name) for name in np.unique(data) if name}
    found = {
        name: places
        for name, places in found.items()
        if len(places) >= LEAST_LINE_MODELS and len(np.unique(testbed.original_correct[places])) > 1
    }
    return dict(sorted(found.items(), key=lambda group: (-len(group[1]), group[0])))


def _same_data(
    rows: pd.DataFrame, own: Outcomes, testbed: Outcomes, groups: dict[str, np.ndarray], options: ReportOptions
) -> SameData | None:
    """Each model compared with those trained on the same data; None if these are unknown, or without a line."""
    known = {
        model.partition("@")[0]: facts["training_data"]
        for model, facts in testbed.attributes.items()
        if "training_data" in facts
    }
    # Accuracies imported under the name of the testbed's own weights belong to these weights.
    data = [data_of_entry(own.attributes.get(model, {})) or known.get(model) for model in rows["model"]]
    if not set(groups) & set(data):
        return None
    distance, low, high, p_value = np.full((4, len(rows)), np.nan)
    count = np.zeros(len(rows), np.int64)
    for name in dict.fromkeys(one for one in data if one in groups):
        places = [place for place, one in enumerate(data) if one == name]
        group = testbed.subset(groups[name].tolist())
        try:
            found = _distances(rows.iloc[places], group, options, options.rng(own, f"{options.scale}:{name}"))
        except AnalysisError:
            continue
        distance[places], p_value[places] = found.reported, found.p_value
        low[places], high[places] = found.interval.low, found.interval.high
        count[places] = len(group)
    return SameData(tuple(data), count, distance, (low, high), adjust(p_value, "holm"))


def _twins(own: Outcomes, published: Outcomes, members: Sequence[str]) -> list[str]:
    """Models of the report with the name or weights of a published one, as "mine (resnet50.tv_in1k)"."""
    bare = (one.partition("@")[0] for one in published.models)  # without the image size
    known = {one.lower(): one for one in bare}
    found = {
        model: next((known[name] for name in (model.lower(), *names_of_weights(facts)) if name in known), None)
        for model, facts in ((model, own.attributes.get(model, {})) for model in own.models if model not in members)
    }
    twins = {own.titles.model(model): twin for model, twin in found.items() if twin is not None}
    return [name if name == twin else f"{name} ({twin})" for name, twin in twins.items()]


_COUNTS = ("original_correct", "original_total", "new_correct", "new_total")


def _members(own: Outcomes, published: Outcomes) -> tuple[str, ...]:
    """Models of the report with the name and the same counts as a published one."""
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
