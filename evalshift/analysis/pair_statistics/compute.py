"""All statistics of one metric of a pair as one frozen record: each a result, or the reason why it is not computed."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar, Unpack

import numpy as np
from jaxtyping import Bool, Float
from threadpoolctl import threadpool_limits

from evalshift.analysis.options import Choices, ReportOptions
from evalshift.analysis.outcomes import METRICS, ImagePredictions, Outcomes
from evalshift.analysis.pair_statistics.basis import NOT_RESAMPLED, ONLY_COUNTS, SHARED, Basis
from evalshift.analysis.pair_statistics.calibration_shift import (
    CalibrationShift,
    LikelihoodShift,
    Logits,
    calibration_shift,
    likelihood_shift,
)
from evalshift.analysis.pair_statistics.corrected_labels import CorrectedLabels, corrected_labels
from evalshift.analysis.pair_statistics.group_slopes import GroupSlopes, group_slopes
from evalshift.analysis.pair_statistics.item_response import difficulty_of_classes, item_response
from evalshift.analysis.pair_statistics.line_estimates import LineEstimates, line_estimates
from evalshift.analysis.pair_statistics.line_shape import LineShape, line_shape
from evalshift.analysis.pair_statistics.line_statistics import LineStatistics, line_statistics, without_line_statistics
from evalshift.analysis.pair_statistics.missing import Missing, attempt, or_else, require
from evalshift.analysis.pair_statistics.mistake_severity import MistakeSeverity, mistake_severity
from evalshift.analysis.pair_statistics.narrow import narrowed
from evalshift.analysis.pair_statistics.report_scale import on_one_scale
from evalshift.analysis.pair_statistics.selective_shift import (
    SelectiveShift,
    estimates_from_confidence,
    selective_shift,
)
from evalshift.analysis.pair_statistics.set_statistics import SetStatistics, set_statistics
from evalshift.analysis.pair_statistics.superclass_errors import SuperclassErrors, superclass_errors
from evalshift.analysis.statistics.agreement_line import AgreementLine, agreement_line
from evalshift.analysis.statistics.class_difficulties import ClassDifficulties
from evalshift.analysis.statistics.confidence_estimates import ConfidenceEstimates
from evalshift.analysis.statistics.difficulty_model import FittedDifficulty, fit_difficulty
from evalshift.analysis.statistics.drop_decomposition import Decomposition, SplitDrop, Term, decompose, split_drop
from evalshift.analysis.statistics.effective_robustness import EffectiveRobustness, effective_robustness
from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.statistics.item_response import AbilityChange
from evalshift.analysis.statistics.matched_models import MatchedModels, matched_models
from evalshift.analysis.statistics.mean_drop import MeanDrop, drop_margin, drop_margin_of_counts
from evalshift.analysis.statistics.multiplicity import adjust_pairs
from evalshift.analysis.statistics.near_duplicates import NearDuplicates, WithoutDuplicates, without_duplicates
from evalshift.analysis.statistics.overfitting_tests import YearTrend, year_trend
from evalshift.analysis.statistics.paired import DropDifferences, compare_drops
from evalshift.analysis.statistics.per_class import ClassDrops, class_drops
from evalshift.analysis.statistics.rank_sets import RankChanges, rank_change_sets
from evalshift.analysis.statistics.robustness_of_pairs import RobustnessOfPairs, robustness_of_pairs
from evalshift.analysis.statistics.scale_choice import better_scale, compare_scales
from evalshift.analysis.statistics.scales import fitted_accuracy
from evalshift.analysis.statistics.shared_image_drops import SharedImageDrops
from evalshift.analysis.statistics.shrunk_classes import ShrunkClasses, shrunk_classes
from evalshift.errors import AnalysisError
from evalshift.titles import UNTITLED, Titles

Result = TypeVar("Result")
NOT_ASKED = Missing("it is not part of this figure")
MOST_PAIRED = 150  # models that the page compares two of: with more it would be megabytes longer


@dataclass(frozen=True, eq=False)
class DropComparison:
    """Differences of all pairs' drops, and their p-values adjusted over the pairs by Holm and by Benjamini–Hochberg."""

    differences: DropDifferences
    p_holm: Float[np.ndarray, "m m"]
    p_bh: Float[np.ndarray, "m m"]


@dataclass(frozen=True, eq=False)
class Statistics:
    """All that is computed on one metric of a pair beyond the accuracies; see `compute_statistics`.

    models             all, in the order of the Outcomes; what needs only counts is of these
    image_models       those with predictions for each image, in the same order; what needs images is of these
    estimates          the line of new on original accuracy with its confidence intervals, by scale
    all_estimates      the line of all models, by scale; empty where no family is left out
    lines              other intervals and fits of the line
    shape              its curvature, images whose hit rate falls as accuracy rises, correlations by class
    robustness         each model against the line of the other models, on the scale of `lines`, or on the best
                       one where that fits far worse (see `scale_choice.better_scale`)
    matched            each model among those of the line that have its original accuracy, on the scale of `robustness`
    shared_images      whether it allows for the sampling error that models share on the same images
    overlap            whether the sets share images, so that what takes them as independent is left out
    same_images        whether they have all images in common, altered or labelled anew
    shared_drops       drops of the models with predictions, where both sets hold some of the same images; else None
    mean_drop          mean of the models' drops with its interval
    drop_margin        how far all drops together lie from the true ones at most, as a fraction, at `level`
    decomposition      of each drop; for models where `with_fresh` is true, with their predictions on the set `fresh`
    split              of each drop into what models share and what is the model's own
    year               whether later models fare worse than their original accuracy says
    original, new      how models compare, rank, agree and err on either set
    rank_changes       between the sets, with the pairs of models whose order is significantly reversed
    drop_differences   of all pairs of models
    robustness_of_pairs  of all pairs of `MOST_PAIRED` models or fewer, as `compare` gives them, on the scale of `lines`
    without_labels     new accuracies estimated from agreement alone; of top-1 predictions
    class_drops        of each model on each class
    shrunk_classes     mean accuracy over models of each class, shrunk by as much as sampling error explains
    calibration        of the first predictions' probabilities on either set
    selective          error rates on the images that models are most confident on
    confidence_estimates  new accuracies estimated from each model's confidence
    likelihood         of the labels, and temperatures, for models with logits
    superclass_errors  mistakes within the superclass, for each declaration of superclasses, if any
    mistake_severity   how far mistakes are from the true class; None where no tree of the classes is known
    corrected_labels   accuracies, ranks and drops by corrected labels; None where no set has any
    item_response      abilities of the models on either set; None where not asked for
    class_difficulties  of the classes, by the same model; None where not asked for
    difficulty         the difficulty model, and the line that it predicts
    group_slopes       the lines of the groups that models are coloured by; None where none was requested
    duplicates         original accuracies without the images that `near_duplicates` speaks of
    titles             what models and datasets are called in sentences
    """

    metric: str
    level: float
    models: tuple[str, ...]
    image_models: tuple[str, ...]
    estimates: dict[str, LineEstimates]
    all_estimates: dict[str, LineEstimates]
    lines: LineStatistics
    shape: LineShape
    robustness: EffectiveRobustness | Missing
    matched: MatchedModels | Missing
    shared_images: bool
    overlap: bool
    same_images: bool
    shared_drops: SharedImageDrops | None
    mean_drop: MeanDrop
    drop_margin: float
    decomposition: Decomposition
    with_fresh: Bool[np.ndarray, " m"]
    fresh: str | None
    split: SplitDrop | Missing
    year: YearTrend | Missing
    original: SetStatistics | Missing
    new: SetStatistics | Missing
    rank_changes: RankChanges | Missing
    drop_differences: DropComparison | Missing
    robustness_of_pairs: RobustnessOfPairs | Missing
    without_labels: AgreementLine | Missing
    class_drops: ClassDrops | Missing
    shrunk_classes: ShrunkClasses | Missing
    calibration: CalibrationShift | Missing
    selective: SelectiveShift | Missing
    confidence_estimates: ConfidenceEstimates | Missing
    likelihood: LikelihoodShift | Missing
    superclass_errors: tuple[SuperclassErrors, ...] | Missing
    mistake_severity: MistakeSeverity | Missing | None
    corrected_labels: CorrectedLabels | Missing | None
    item_response: AbilityChange | Missing | None
    class_difficulties: ClassDifficulties | Missing | None
    difficulty: FittedDifficulty | Missing
    duplicates: WithoutDuplicates | Missing
    near_duplicates: NearDuplicates | None
    group_slopes: GroupSlopes | None = None
    titles: Titles = UNTITLED


def compute_statistics(
    outcomes: Outcomes,
    predictions: tuple[ImagePredictions, ImagePredictions] | None = None,
    *,
    fresh: ImagePredictions | None = None,
    near_duplicates: NearDuplicates | None = None,
    logits: Logits | None = None,
    options: ReportOptions | None = None,
    **choices: Unpack[Choices],
) -> Statistics:
    """Compute all statistics of one metric of a pair.

    `predictions` on the original and the new set may be of fewer models than the outcomes, in the same order; `fresh`
    are predictions on other images of the original distribution, `logits` those of models on both sets by name, one
    column per class number; they are requested one model after the other. `choices` are those of `ReportOptions`, or
    `options` has them all. Each statistic has its own random generator, seeded by the seed and its name, so that no
    number depends on which others are computed. Families that are left out are no part of lines, of the difficulty
    model or of trends; they are compared with the line of the other models. Bootstraps take as many resamples as asked
    for, but at most `basis.IMAGE_RESAMPLES` of images and `basis.SECONDARY_RESAMPLES` of models.
    Degenerate models and images are no error: what they leave undefined is Missing, with the reason.
    """
    # The matrices are small: where other programs keep the cores busy, several threads wait for each other and take
    # five times as long as one.
    with threadpool_limits(1):
        options = options or ReportOptions(**choices)
        options, _ = on_one_scale(options, [outcomes.of_line(options.named)])
        basis = Basis(outcomes, predictions, options)
        return _statistics(basis, fresh, near_duplicates, logits)


def _statistics(
    basis: Basis, fresh: ImagePredictions | None, near_duplicates: NearDuplicates | None, logits: Logits | None
) -> Statistics:
    def asked(part: str, compute: Callable[[], Result]) -> Result | Missing:
        return compute() if basis.options.wants(part) else NOT_ASKED

    line = basis.of_line()
    robustness = asked("robustness", lambda: _robustness(basis, _tested_scale(line)))
    decomposition, with_fresh = _decomposition(basis, fresh)
    original, new = _sets(basis) if basis.options.wants("sets") else (NOT_ASKED, NOT_ASKED)
    every = basis.options.scope is None
    abilities = asked("item_response", lambda: item_response(basis))
    estimates = line_estimates(line) if every else {}
    return Statistics(
        metric=basis.outcomes.metric,
        level=basis.level,
        models=basis.outcomes.models,
        image_models=() if basis.predictions is None else basis.predictions[0].models,
        estimates=estimates,
        all_estimates={} if line is basis or not every else line_estimates(basis),
        lines=line_statistics(line) if every else without_line_statistics(basis.scale, NOT_ASKED),
        shape=line_shape(line, estimates) if every else LineShape({}, NOT_ASKED, NOT_ASKED, NOT_ASKED),
        robustness=robustness,
        matched=asked("matched", lambda: _matched(basis, robustness)),
        shared_images=basis.covariances is not None,
        overlap=basis.overlap,
        same_images=basis.same_images,
        shared_drops=basis.shared_drops,
        mean_drop=basis.mean_drop,
        drop_margin=_drop_margin(basis) if every else math.nan,
        decomposition=decomposition,
        with_fresh=with_fresh,
        fresh=fresh.dataset if fresh is not None and with_fresh.any() else None,
        split=attempt(lambda: _split(basis, require(robustness))),
        year=asked("year", lambda: _year(line)),
        original=original,
        new=new,
        rank_changes=asked("rank_changes", lambda: _rank_changes(basis)),
        drop_differences=asked(
            "drop_differences",
            lambda: _drop_differences(basis),
        ),
        robustness_of_pairs=asked("robustness_of_pairs", lambda: _robustness_of_pairs(basis)),
        without_labels=attempt(lambda: _without_labels(require(original), require(new))),
        shrunk_classes=asked("sets", lambda: _shrunk_classes(basis)),
        class_drops=attempt(lambda: _class_drops(basis, require(original), require(new))),
        calibration=asked("calibration", lambda: calibration_shift(basis)),
        selective=asked("selective", lambda: selective_shift(basis)),
        confidence_estimates=asked("confidence_estimates", lambda: estimates_from_confidence(basis)),
        likelihood=asked("likelihood", lambda: likelihood_shift(basis, logits)),
        superclass_errors=asked("superclass_errors", lambda: _superclass_errors(basis)),
        mistake_severity=asked("mistake_severity", lambda: mistake_severity(basis)),
        corrected_labels=asked("corrected_labels", lambda: corrected_labels(basis)),
        difficulty=asked("difficulty", lambda: line.of_images(fit_difficulty)),
        duplicates=asked("duplicates", lambda: _duplicates(basis, near_duplicates)),
        item_response=abilities,
        class_difficulties=asked("class_difficulties", lambda: difficulty_of_classes(basis, abilities)),
        near_duplicates=near_duplicates,
        group_slopes=group_slopes(basis),
        titles=basis.outcomes.titles,
    )


def _rank_changes(basis: Basis) -> RankChanges | Missing:
    return basis.of_images(
        lambda original, new: rank_change_sets(
            original, new, level=basis.level, independent=not basis.overlap, rng=basis.rng("rank changes")
        ),
        least=2,
    )


def _tested_scale(line: Basis) -> str:
    """The scale of effective robustness: the report's, or the one on which the line fits far better."""
    return or_else(attempt(lambda: better_scale(compare_scales(*line.counts), line.scale)), line.scale)


def _robustness(basis: Basis, scale: str) -> EffectiveRobustness | Missing:
    """Of each model against the others; of a duplicate, that of the model whose predictions it has."""
    kept, place = basis.outcomes.distinct()
    covariances = basis.covariances
    return attempt(
        lambda: effective_robustness(
            *(count[kept] for count in basis.counts),
            baseline=basis.in_line[kept],
            covariances=covariances and (covariances[0][np.ix_(kept, kept)], covariances[1][np.ix_(kept, kept)]),
            families=[basis.families[model] for model in kept] if basis.related else None,
            scale=scale,
            resamples=basis.resamples,
            level=basis.level,
            rng=basis.rng(f"robustness {scale}"),
        ).of(place)
    )


def _matched(basis: Basis, robustness: EffectiveRobustness | Missing) -> MatchedModels | Missing:
    return attempt(
        lambda: matched_models(
            basis.counts,
            in_line=basis.in_line,
            covariances=basis.covariances,
            scale=require(robustness).scale,
            level=basis.level,
        )
    )


def _drop_margin(basis: Basis) -> float:
    if basis.shared_drops is not None and basis.complete and basis.shared_drops.covariance.any():
        return basis.shared_drops.margin(rng=basis.rng("drop margin"))
    if basis.correct is None or not basis.complete or len(basis.outcomes) < 2:
        return drop_margin_of_counts(*basis.counts, level=basis.level)
    if any(len(np.unique(side)) == 1 for side in basis.correct):
        # All models correct on all images, or on none: no draw differs, though others' images would.
        return drop_margin_of_counts(*basis.counts, level=basis.level)
    return drop_margin(*basis.correct, level=basis.level, rng=basis.rng("drop margin"))


def _decomposition(basis: Basis, fresh: ImagePredictions | None) -> tuple[Decomposition, np.ndarray]:
    """With the fresh set for the models that have predictions on it, without for the others; and which have them."""
    without = decompose(*basis.counts, level=basis.level)
    models = basis.outcomes.models
    right: dict[str, int] = {}
    if fresh is not None and fresh.top.shape[2] >= METRICS[basis.outcomes.metric]:
        right = dict(zip(fresh.models, fresh.correct(basis.outcomes.metric).sum(axis=1).tolist(), strict=True))
    marked = np.array([model in right for model in models])
    if fresh is None or not marked.any():
        return without, marked
    correct = np.array([right[model] for model in models if model in right], dtype=np.int64)
    counts = [count[marked] for count in basis.counts]
    total = np.full(len(correct), len(fresh.labels))
    return _joined(
        without, decompose(*counts, fresh_correct=correct, fresh_total=total, level=basis.level), marked
    ), marked


def _joined(without: Decomposition, fresh: Decomposition, marked: np.ndarray) -> Decomposition:
    """The one, with the other's numbers for the models that are marked."""

    def put(into: np.ndarray, values: np.ndarray) -> np.ndarray:
        joined = into.copy()
        joined[marked] = values
        return joined

    def term(one: Term, other: Term) -> Term:
        bounds = Interval(put(one.interval.low, other.interval.low), put(one.interval.high, other.interval.high))
        return Term(put(one.estimate, other.estimate), bounds)

    return replace(
        without,
        adaptivity=term(without.adaptivity, fresh.adaptivity),
        adaptivity_p=put(without.adaptivity_p, fresh.adaptivity_p),
        distribution=term(without.distribution, fresh.distribution),
        fresh=bool(marked.all()),
    )


def _split(basis: Basis, robustness: EffectiveRobustness) -> SplitDrop:
    original_correct, original_total, new_correct, new_total = basis.counts
    return split_drop(original_correct / original_total, new_correct / new_total, robustness)


def _year(basis: Basis) -> YearTrend | Missing:
    if not basis.resamples:
        return NOT_RESAMPLED
    original_correct, original_total, new_correct, new_total = basis.counts
    return attempt(
        lambda: year_trend(
            original_correct / original_total,
            new_correct / new_total,
            basis.years,
            resamples=basis.resamples,
            rng=basis.rng("years"),
        )
    )


def _sets(basis: Basis) -> tuple[SetStatistics | Missing, SetStatistics | Missing]:
    if basis.predictions is None:
        return ONLY_COUNTS, ONLY_COUNTS
    original, new = (
        set_statistics(
            predictions,
            basis.outcomes.metric,
            level=basis.level,
            rank_rng=basis.rng(f"{side} ranks"),
            margin_rng=basis.rng(f"{side} margin"),
        )
        for side, predictions in zip(("original", "new"), basis.predictions, strict=True)
    )
    return original, new


def _drop_differences(basis: Basis) -> DropComparison | Missing:
    shared = basis.shared_drops
    return basis.of_images(
        lambda original, new: _adjusted(
            compare_drops(original, new, basis.level) if shared is None else shared.differences()
        ),
        least=2,
    )


def _robustness_of_pairs(basis: Basis) -> RobustnessOfPairs | Missing:
    if len(basis.outcomes) > MOST_PAIRED:
        return Missing(f"there are more than {MOST_PAIRED} models")
    return attempt(
        lambda: robustness_of_pairs(
            basis.counts,
            in_line=basis.in_line,
            covariances=basis.covariances,
            scale=basis.scale,
            level=basis.level,
        )
    )


def _adjusted(found: DropDifferences) -> DropComparison:
    p_holm, p_bh = adjust_pairs(found.p_value), adjust_pairs(found.p_value, "benjamini-hochberg")
    return narrowed(DropComparison(found, p_holm, p_bh))


def _without_labels(original: SetStatistics, new: SetStatistics) -> AgreementLine:
    if len(original.models) < 2:
        raise AnalysisError("agreement needs two models")
    before, after = require(original.pairs).agreement, require(new.pairs).agreement
    if before is None or after is None:
        raise AnalysisError("agreement is defined on top-1 predictions: see top-1")
    correct = original.classes.correct.sum(axis=1)
    accuracy = fitted_accuracy(correct, np.full(len(correct), original.images), "probit")
    return agreement_line(accuracy, before, after)


def _shrunk_classes(basis: Basis) -> ShrunkClasses | Missing:
    if basis.correct is None or basis.predictions is None:
        return ONLY_COUNTS
    original, new = (
        (correct, predictions.truth) for correct, predictions in zip(basis.correct, basis.predictions, strict=True)
    )
    names = [len(predictions.class_names) for predictions in basis.predictions]
    if names[0] != names[1]:
        return Missing("the sets have different classes")
    places = basis.shared_places
    if places is not None and basis.overlap and (original[1].ndim > 1 or new[1].ndim > 1):
        return Missing(SHARED)
    shared = places if basis.overlap else None
    return attempt(lambda: shrunk_classes(original, new, names[0], basis.level, shared))


def _class_drops(basis: Basis, original: SetStatistics, new: SetStatistics) -> ClassDrops:
    if not np.any((original.classes.total > 0) & (new.classes.total > 0)):
        raise AnalysisError("no class has images on both sets")
    found = class_drops(original.classes, new.classes, basis.level)
    if not basis.overlap:
        return found
    nothing = np.full_like(found.drop, np.nan)
    return replace(found, interval=Interval(nothing, nothing), p_value=nothing, p_holm=nothing, p_bh=nothing)


def _superclass_errors(basis: Basis) -> tuple[SuperclassErrors, ...] | Missing:
    if basis.predictions is None or not any(side.superclasses for side in basis.predictions):
        return ()
    if basis.outcomes.metric != "top1":
        return Missing("mistakes within the superclass are about first predictions: see top-1")
    return superclass_errors(basis.predictions, basis.level, overlap=basis.overlap)


def _duplicates(basis: Basis, known: NearDuplicates | None) -> WithoutDuplicates | Missing:
    if known is None:
        return Missing("the registry lists none for the original set (`near_duplicates`)")
    if basis.outcomes.metric != "top1":
        return Missing("the accuracy on near-duplicates is defined on top-1 predictions: see top-1")
    original_correct, original_total = basis.counts[:2]
    on_them = np.full(len(basis.outcomes), known.accuracy)
    return attempt(lambda: without_duplicates(original_correct, original_total, known.share, on_them, basis.level))
