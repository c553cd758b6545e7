"""Stored predictions or published counts -> a comparison of chosen models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evalshift.analysis.comparison.records import Comparison, Differences, PairComparison
from evalshift.analysis.options import ReportOptions
from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.outcomes.present_titles import PresentTitles, present_titles, refuse_registry_of_published
from evalshift.analysis.outcomes.run_notes import run_notes
from evalshift.analysis.outcomes.selection import is_glob, matching
from evalshift.analysis.outcomes.shared_images import overlaps_unseen, shared_image_numbers, shared_images_note
from evalshift.analysis.outcomes.stored_pair import load_pair
from evalshift.analysis.pair_statistics.missing import Missing, attempt, either, require
from evalshift.analysis.pair_statistics.report_scale import on_one_scale
from evalshift.analysis.statistics.effective_robustness import sampling_covariance
from evalshift.analysis.statistics.intervals import Interval, clopper_pearson, difference_interval, square_and_add
from evalshift.analysis.statistics.matched_models import MatchedModels, matched_models
from evalshift.analysis.statistics.multiplicity import adjust_pairs
from evalshift.analysis.statistics.paired import compare_drops, compare_models
from evalshift.analysis.statistics.robustness_differences import RobustnessDifferences, robustness_differences
from evalshift.analysis.statistics.shared_image_drops import shared_image_drops
from evalshift.analysis.summary.published import published_outcomes
from evalshift.analysis.summary.stored import wanted_pairs
from evalshift.errors import AnalysisError, UsageError, unknown_name
from evalshift.evaluate.predictions import Provenance
from evalshift.evaluate.store import Results
from evalshift.formatting import name_some
from evalshift.testbed.published import PublishedTestbed, load_with_pairs

if TYPE_CHECKING:
    from evalshift.testbed.registry import Registry

_COUNTS_ALONE = (
    "Only counts are known for these models: differences are computed as if the models had seen different images, "
    "which makes their intervals too wide, and no paired test is made."
)


@dataclass(frozen=True, eq=False)
class _Source:
    """One stored or published pair; `families` are those that its publication leaves out of the line."""

    outcomes: Outcomes
    predictions: tuple[ImagePredictions, ImagePredictions] | None
    provenance: Mapping[str, tuple[Provenance, Provenance]]
    notes: tuple[str, ...] = ()
    families: tuple[str, ...] = ()


def compare(
    results: Results | str | Path = "results",
    *models: str,
    pairs: Sequence[str] | str | None = None,
    scale: str = "auto",
    metric: str = "top1",
    level: float = 0.95,
    without: Sequence[str] | str | None = None,
    published: str | None = None,
    registry: "str | Path | Registry | None" = None,
) -> Comparison:
    """Compare models on the same images: is one more accurate than the other, and is it more robust?

    results    a Results object, or a results folder
    models     two or more names or globs of models in `results`, or in the testbed `published`
    pairs      "original:new" each; by default, all pairs with at least two of the models
    scale      scale of the line: "linear", "probit", "logit", or "auto" for the one that a report of this pair uses
    metric     "top1" or "top5"
    level      level of all confidence intervals
    without    families to leave out of the line
    published  name of a published testbed, instead of results
    registry   a path or a Registry that gives the titles; by default, ./registry.yaml if it exists

    Accuracies are compared by McNemar's exact test, with Newcombe's interval for paired proportions; drops by their
    paired variances; effective robustness relative to the line of the models that are not compared. For more than two
    models, p-values are Holm-adjusted.

    Raises UsageError for an unknown model or pair, AnalysisError if no pair has two of the models.

    >>> found = compare("results", "resnet50", "vgg19", published="recht2019", pairs="imagenet:imagenetv2-topimages")
    >>> found.table["difference"].round(3).tolist()
    [0.038, 0.039, -0.002, 0.004]
    """
    options = ReportOptions(scale=scale, metric=metric, level=level, without=without)
    if len(set(models)) < 2 and not any(map(is_glob, models)):
        raise UsageError(
            "a comparison needs two models", found=", ".join(models) or "none", expected="two names, or a glob"
        )
    if published is not None:
        refuse_registry_of_published(registry, published)
        testbed = load_with_pairs(published)
        named = testbed.pairs if pairs is None else [pairs] if isinstance(pairs, str) else list(pairs)
        names = [testbed.pair_named(one) for one in named]
        load = partial(_published_sources, testbed)
    else:
        store = results if isinstance(results, Results) else Results(results)
        names, load = wanted_pairs(store, pairs), partial(_stored_sources, store, present_titles(registry))
    compared, refused = [], []
    for name in names:
        try:
            sources = load(name)
            if metric not in sources:
                raise AnalysisError(f"{metric} is not available on this pair", where=name, found=", ".join(sources))
            source = sources[metric]
            left_out = (*options.named, *(source.families if without is None else ()))
            compared.append(_compare_pair(source, models, options, left_out))
        except (AnalysisError, UsageError) as error:
            if pairs is not None or len(names) == 1:
                raise
            refused.append(error)
    if not compared:
        raise refused[0]
    return Comparison(tuple(compared))


def _published_sources(testbed: PublishedTestbed, pair: str) -> dict[str, _Source]:
    """The published counts of a pair, by metric."""
    found, table = published_outcomes(testbed, pair), testbed.table_of(pair)
    families = () if table is None else tuple(table.without)
    return {metric: _Source(outcomes, None, {}, families=families) for metric, outcomes in found.items()}


def _stored_sources(store: Results, titles: PresentTitles, pair: str) -> dict[str, _Source]:
    """The stored predictions of a pair, by metric."""
    stored = load_pair(store, pair)
    shared = shared_images_note(stored.original, stored.new)
    notes = tuple(note for note in (titles.note, shared) if note is not None)
    return {
        metric: _Source(titles.of(outcomes), stored.predictions, stored.provenance, notes)
        for metric, outcomes in stored.outcomes.items()
    }


@dataclass(frozen=True, eq=False)
class _Compared:
    """The compared models of a pair, in the order in which they were named.

    places       their positions among the models of the pair
    predictions  of these models on both sets; None where one of them has counts alone
    left_out     families left out of the line of effective robustness
    options      with the scale of this pair
    """

    source: _Source
    models: tuple[str, ...]
    places: np.ndarray
    predictions: tuple[ImagePredictions, ImagePredictions] | None
    left_out: Sequence[str]
    options: ReportOptions

    @property
    def counts(self) -> list[np.ndarray]:
        """Correct predictions and images on the original, then on the new set, of these models."""
        return [counts[self.places] for counts in self.source.outcomes.counts]

    def robustness(self) -> RobustnessDifferences:
        """Effective robustness and its differences; raises AnalysisError if no line can be fitted."""
        outcomes = self.source.outcomes
        mask = np.zeros(len(outcomes), bool)
        mask[self.places] = True
        found = robustness_differences(
            outcomes.counts,
            mask,
            in_line=outcomes.in_line(self.left_out),
            covariances=_covariances(self.source),
            scale=self.options.scale,
            level=self.options.level,
        )
        return found.of(np.argsort(np.argsort(self.places)))  # it is in the order of all models

    def matched(self) -> MatchedModels:
        """Each model compared with those of its original accuracy; raises AnalysisError if no line can be fitted."""
        outcomes = self.source.outcomes
        return matched_models(
            outcomes.counts,
            in_line=outcomes.in_line(self.left_out),
            of=self.places,
            covariances=_covariances(self.source),
            scale=self.options.scale,
            level=self.options.level,
        )

    def notes(self) -> tuple[str, ...]:
        """Notes on the results and on the method of comparison."""
        source = self.source
        provenance = {model: source.provenance[model] for model in self.models if model in source.provenance}
        counts_alone = () if self.predictions is not None else (_COUNTS_ALONE,)
        return (*source.notes, *run_notes(provenance), *counts_alone)


def _compare_pair(
    source: _Source, wanted: Sequence[str], options: ReportOptions, left_out: Sequence[str]
) -> PairComparison:
    outcomes, level = source.outcomes, options.level
    models = _named(wanted, outcomes)
    options, scale_choice = on_one_scale(options, [outcomes.of_line(left_out)])
    places = np.array([outcomes.models.index(model) for model in models])
    compared = _Compared(source, tuple(models), places, _predictions_of(source, models), left_out, options)
    original_correct, original_total, new_correct, new_total = compared.counts
    if compared.predictions is None:
        differences, only = _of_counts(original_correct, original_total, new_correct, new_total, level)
    else:
        differences, only = _of_images(compared.predictions, outcomes.metric, level)
    robustness = attempt(compared.robustness)
    differences["robustness"] = attempt(lambda: _of_robustness(require(robustness)))
    return PairComparison(
        original=outcomes.original,
        new=outcomes.new,
        titles=outcomes.titles,
        metric=outcomes.metric,
        scale=options.scale,
        level=level,
        models=compared.models,
        accuracies=(original_correct / original_total, new_correct / new_total),
        intervals=(
            clopper_pearson(original_correct, original_total, level),
            clopper_pearson(new_correct, new_total, level),
        ),
        distances=attempt(lambda: require(robustness).reported),
        matched=attempt(compared.matched),
        differences=differences,
        only=only,
        predictions=compared.predictions,
        line_models=either(robustness, lambda found: found.line_models, lambda reason: 0),
        scale_choice=scale_choice,
        notes=compared.notes(),
    )


def _named(wanted: Sequence[str], outcomes: Outcomes) -> list[str]:
    """The models of these names and globs, each once; raises UsageError for one that matches none."""
    chosen: dict[str, None] = {}
    for name in wanted:
        matches = matching(name, outcomes.models)
        if not matches:
            raise unknown_name(
                "there is no such model on this pair",
                name,
                outcomes.models,
                where=f"{outcomes.original}:{outcomes.new}",
                expected=name_some(outcomes.models),
            )
        chosen |= dict.fromkeys(matches)
    if len(chosen) < 2:
        raise UsageError(
            "a comparison needs two models",
            where=f"{outcomes.original}:{outcomes.new}",
            found=", ".join(chosen),
            expected="two names, or a glob that matches two models",
        )
    return list(chosen)


def _predictions_of(source: _Source, models: Sequence[str]) -> tuple[ImagePredictions, ImagePredictions] | None:
    """Predictions of these models on both sets, in their order; None where one of them has counts alone."""
    if source.predictions is None or not set(models) <= set(source.predictions[0].models):
        return None
    original, new = source.predictions
    places = [original.models.index(model) for model in models]
    return original.subset(places), new.subset(places)


def _covariances(source: _Source) -> tuple[np.ndarray, np.ndarray] | None:
    """Covariances of all models' accuracies on each set; None if one has only counts, or if the sets share images."""
    if source.predictions is None or source.predictions[0].models != source.outcomes.models:
        return None
    if shared_image_numbers(*source.predictions) is not None:
        return None
    if overlaps_unseen(source.outcomes.original, source.outcomes.new):
        return None
    original, new = (sampling_covariance(one.correct(source.outcomes.metric)) for one in source.predictions)
    return original, new


def _of_images(
    predictions: tuple[ImagePredictions, ImagePredictions], metric: str, level: float
) -> tuple[dict[str, Differences | Missing], tuple[np.ndarray, np.ndarray]]:
    original_correct, new_correct = (one.correct(metric) for one in predictions)
    original, new = compare_models(original_correct, level), compare_models(new_correct, level)
    images = shared_image_numbers(*predictions)
    drops = (
        compare_drops(original_correct, new_correct, level)
        if images is None
        else shared_image_drops(original_correct, new_correct, images, level).differences()
    )
    differences: dict[str, Differences | Missing] = {
        "original": _adjusted(original.difference, original.interval, original.p_value),
        "new": _adjusted(new.difference, new.interval, new.p_value),
        "drop": _adjusted(drops.difference, drops.interval, drops.p_value),
    }
    return differences, (original.only, new.only)


def _of_counts(
    original_correct: np.ndarray,
    original_total: np.ndarray,
    new_correct: np.ndarray,
    new_total: np.ndarray,
    level: float,
) -> tuple[dict[str, Differences | Missing], None]:
    """As if each model had its own images: Newcombe's intervals for independent proportions, and no tests."""
    original = _unpaired(original_correct, original_total, level)
    new = _unpaired(new_correct, new_total, level)
    drop = original.difference - new.difference
    interval = square_and_add(original.difference, original.interval, new.difference, new.interval)
    nothing = np.full_like(drop, np.nan)
    drops = Differences(drop, interval, nothing, nothing)
    return {"original": original, "new": new, "drop": drops}, None


def _of_robustness(found: RobustnessDifferences) -> Differences:
    return _adjusted(found.difference, found.interval, found.p_value)


def _unpaired(correct: np.ndarray, total: np.ndarray, level: float) -> Differences:
    first, second = np.indices((len(correct), len(correct))).reshape(2, -1)
    interval = difference_interval(correct[first], total[first], correct[second], total[second], level)
    shape = (len(correct), len(correct))
    accuracy = correct / total
    low, high = (
        np.where(np.eye(len(correct), dtype=bool), np.nan, one.reshape(shape)) for one in (interval.low, interval.high)
    )
    nothing = np.full(shape, np.nan)
    return Differences(accuracy[:, np.newaxis] - accuracy, Interval(low, high), nothing, nothing)


def _adjusted(difference: np.ndarray, interval: Interval[np.ndarray], p_value: np.ndarray) -> Differences:
    symmetric = np.fmax(p_value, p_value.T)  # the same numbers but for rounding
    return Differences(difference, interval, symmetric, adjust_pairs(symmetric))
