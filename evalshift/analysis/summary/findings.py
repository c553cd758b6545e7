"""Findings as sentences that claim no more than the statistics show."""

import numpy as np

from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.missing import either, or_else, or_none, require
from evalshift.analysis.pair_statistics.set_statistics import SetStatistics
from evalshift.analysis.statistics.diminishing_returns import DiminishingReturns
from evalshift.analysis.statistics.effective_robustness import EffectiveRobustness
from evalshift.analysis.statistics.line_intervals import LineEstimate
from evalshift.analysis.statistics.scale_choice import FEWEST_MODELS, ScaleChoice, better_scale
from evalshift.analysis.summary.confidence_sentences import (
    calibration_sentence,
    selective_sentence,
    without_labels_sentence,
)
from evalshift.analysis.summary.label_sentences import corrected_label_sentences
from evalshift.analysis.tables.of_abilities import not_converged
from evalshift.analysis.tables.of_matched_models import matched_sentence
from evalshift.formatting import ci_words, counted, name_some, number, p_words, percent, points, points_ci

# Number of models named in a sentence, among those significantly above or below the line.
_NAMED = 3


def findings(statistics: Statistics, chosen: ScaleChoice | None = None) -> tuple[str, ...]:
    """What a reader should know at once: effective robustness, what the drop is made of, the scale and its errors.

    `chosen` is how the scale was chosen for this metric of this pair; None where it was fixed, or chosen for others.
    """
    scale = scale_sentence(statistics)
    if chosen is not None and (chosen.errors or scale):
        scale = chosen_scale_sentence(chosen)
    return _said(
        robustness_sentence(statistics),
        decomposition_sentence(statistics),
        scale,
        # These are there only where somebody asked for them.
        *corrected_label_sentences(statistics),
        difficulty_of_sets_sentence(statistics),
    )


def details(statistics: Statistics) -> tuple[str, ...]:
    """Further findings, for the page."""
    return _said(
        chance_sentence(statistics),
        matched_sentence(statistics),
        pairs_sentence(statistics),
        hard_sentence(statistics),
        falling_images_sentence(statistics),
        curvature_sentence(statistics),
        *superclass_sentences(statistics),
        severity_sentence(statistics),
        calibration_sentence(statistics),
        selective_sentence(statistics),
        without_labels_sentence(statistics),
        difficulty_sentence(statistics),
    )


@or_none
def robustness_sentence(statistics: Statistics) -> str | None:
    """Which models are farther above or below the line fitted without them than such models scatter."""
    found = require(statistics.robustness)
    if not np.isfinite(found.p_holm).any():
        return None
    significant = (np.nan_to_num(found.p_holm, nan=1.0) < 1 - statistics.level) & ~found.repeats
    test = f"{found.scale} scale, Holm over {counted(found.tests, 'model')}"
    if not significant.any():
        none = f"No model lies significantly above or below the line of the other models ({test})"
        if np.isnan(found.reported).all():
            return f"{none}."
        farthest = int(np.nanargmax(np.abs(found.reported)))
        return (
            f"{none}; the farthest is {statistics.titles.model(statistics.models[farthest])}, "
            f"{_distance(found.distance[farthest])}{_extrapolated(found, farthest)}."
            f"{_extrapolation(found.extrapolated[farthest])}"
        )
    sides = []
    for side, beyond in (
        ("above", significant & (found.distance > 0)),
        ("below", significant & (found.distance <= 0)),
    ):
        order = np.flatnonzero(beyond)
        order = order[np.argsort(-np.abs(found.distance[order]), kind="stable")]
        if len(order):
            names = [
                f"{statistics.titles.model(statistics.models[model])}{_by(found, model)}{_extrapolated(found, model)}"
                for model in order.tolist()
            ]
            count = "1 model is" if len(order) == 1 else f"{counted(len(order), 'model')} are"
            sides.append(f"{count} significantly {side} the line (points: {name_some(names, _NAMED)})")
    return (
        f"{'; '.join(sides)}. Each model is compared with the line of the "
        f"other models and their scatter about it ({test})."
        f"{_extrapolation(bool(found.extrapolated[significant].any()))}"
    )


def _by(found: EffectiveRobustness, model: int) -> str:
    return "" if found.undetermined[model] else f" by {points(float(abs(found.distance[model])))}"


def _extrapolated(found: EffectiveRobustness, model: int) -> str:
    return " (extrapolated)" if found.extrapolated[model] else ""


def _extrapolation(any_extrapolated: bool) -> str:
    return " Extrapolated: the line is used beyond the other models' accuracies." if any_extrapolated else ""


def decomposition_sentence(statistics: Statistics) -> str:
    """What the mean drop is made of, and what these data do not show; nothing is attributed where there is no drop."""
    mean = statistics.mean_drop
    change = {1: "drop", 0: "change", -1: "rise"}[mean.direction]
    several = len(statistics.models) > 1
    chance = (
        f"At most {points(statistics.drop_margin)} points of {f'any {change}' if several else f'the {change}'} can be "
        f"sampling error of the images of both sets ({100 * statistics.level:g} %"
        f"{f', jointly for all {len(statistics.models):,} models' if several else ''})."
    )
    average = "average " if several else ""
    if mean.direction == 0:
        return f"{chance} The {average}change is not statistically significant, so no cause is attributed."
    if mean.direction < 0:
        return chance
    if statistics.fresh is not None:
        return f"{_measured_parts(statistics)} {chance}{_diminishing_returns(statistics)}"
    if statistics.same_images:
        return (
            f"{chance} The {average}drop is statistically significant. Both sets have the same images, so that it is "
            "the effect of altering these or their labels."
        )
    return (
        f"{chance} The {average}drop is statistically significant; it is consistent with a distribution shift, with "
        "adaptive overfitting, or with both, and only fresh images of the original distribution could separate them."
        f"{_diminishing_returns(statistics)}"
    )


def _measured_parts(statistics: Statistics) -> str:
    parts, marked = statistics.decomposition, statistics.with_fresh
    mean = float(parts.drop[marked].mean())
    adaptivity, distribution = (
        f"{points(float(term.estimate[marked].mean()))} points ("
        + points_ci(float(term.interval.low[marked].mean()), float(term.interval.high[marked].mean()), statistics.level)
        + ")"
        for term in (parts.adaptivity, parts.distribution)
    )
    models = "" if marked.all() else f", for {int(marked.sum())} of {counted(len(marked), 'model')}"
    return (
        f"Of the mean drop of {points(mean)} points, adaptive overfitting accounts for {adaptivity} and the "
        f"distribution shift for {distribution}, measured on fresh images of the original distribution "
        f"({statistics.titles.dataset(statistics.fresh or '')}{models})."
    )


def _diminishing_returns(statistics: Statistics) -> str:
    return either(
        statistics.lines.diminishing,
        lambda found: _test_of_diminishing_returns(found, statistics.level),
        lambda reason: f" Diminishing returns are not tested: {reason}.",
    )


def _test_of_diminishing_returns(found: DiminishingReturns, level: float) -> str:
    test = (
        f"slope {number(found.slope)} on the {found.scale} scale, {number(found.expected_slope)} expected from the "
        f"difficulty of the images, {p_words(found.p_value)}"
    )
    if found.p_value < 1 - level:
        flatter = "The line is flatter than the images' difficulty implies"
        return f" {flatter}, which is consistent with diminishing returns ({test})."
    return f" There is no evidence of diminishing returns ({test})."


@or_none
def unfit_scale_sentence(statistics: Statistics, scale: str) -> str | None:
    """That a line on another scale predicts far better than on this one; None where none does."""
    fits = require(statistics.lines.scale_fits)
    better = better_scale(fits, scale)
    if better == scale:
        return None
    error = {fit.scale: points(fit.rms_error, 2) for fit in fits}
    tested = _scale_of_robustness(statistics) if scale == statistics.lines.scale else None
    return (
        f"A line on the {better} scale predicts these models better than one on the {scale} scale: its leave-one-out "
        f"error is {error[better]} points, not {error[scale]}."
        f"{f' Effective robustness is given on the {tested} scale.' if tested else ''}"
    )


@or_none
def _scale_of_robustness(statistics: Statistics) -> str | None:
    """The scale of effective robustness, where that is computed."""
    return require(statistics.robustness).scale


@or_none
def scale_sentence(statistics: Statistics) -> str | None:
    """On which scale the line predicts best a model that it was fitted without."""
    fits = require(statistics.lines.scale_fits)
    known = sorted((fit for fit in fits if np.isfinite(fit.rms_error)), key=lambda fit: fit.rms_error)
    if len(known) < 2:
        return None
    errors = [f"{points(fit.rms_error, 2)} points on the {fit.scale}" for fit in known]
    return f"Leave-one-out error (root mean square): {', '.join(errors[:-1])} and {errors[-1]} scale."


def chosen_scale_sentence(chosen: ScaleChoice) -> str:
    """Which scale was chosen for the lines, and why."""
    if not chosen.errors:
        why = f"because fewer than {FEWEST_MODELS} models cannot show which scale fits best"
        return f"Lines are on the {chosen.scale} scale, {why}."
    error = {scale: points(value, 2) for scale, value in chosen.errors.items()}
    kind = "leave-one-out error" + ("" if chosen.pairs == 1 else f", geometric mean over {chosen.pairs} pairs,")
    if chosen.scale == chosen.best:
        others = " and ".join(f"{error[scale]} on the {scale}" for scale in error if scale != chosen.scale)
        return (
            f"Lines are on the {chosen.scale} scale, whose {kind} is the least: {error[chosen.scale]} points, "
            f"{others} scale."
        )
    return (
        f"Lines are on the {chosen.scale} scale: its {kind} of {error[chosen.scale]} points is within one standard "
        f"error of the least ({error[chosen.best]}, {chosen.best} scale)."
    )


@or_none
def chance_sentence(statistics: Statistics) -> str:
    """What the slope's interval becomes where models of one family are allowed to lie together off the line."""
    found = statistics.estimates[statistics.lines.scale]
    models, families = require(found.models_and_images), require(found.families_and_images)
    return (
        f"Slope with models treated as independent: {_slope_ci(models)}; with a variance between their "
        f"{families.clusters} families: {_slope_ci(families)} ({models.scale} scale)."
    )


def _slope_ci(line: LineEstimate) -> str:
    return ci_words(number(line.slope_interval.low), number(line.slope_interval.high), line.level)


@or_none
def curvature_sentence(statistics: Statistics) -> str | None:
    """Whether the points bend on the report's scale."""
    scale = statistics.lines.scale
    found = require(statistics.shape.curvature[scale])
    if not np.isfinite(found.p_value):
        return None
    significant = found.p_value < 1 - statistics.level
    ci = points_ci(found.bend_interval.low, found.bend_interval.high, found.level)
    bend = (
        f"{points(abs(found.bend))} points {'above' if found.bend > 0 else 'below'} the straight line between its ends"
    )
    test = f"{scale} scale, {p_words(found.p_value)}"
    if significant:
        return f"The line bends significantly ({test}): in the middle, a parabola is {bend} ({ci})."
    return f"The line does not bend significantly ({test}): in the middle, a parabola is {bend} ({ci})."


@or_none
def falling_images_sentence(statistics: Statistics) -> str:
    """On how many new images more accurate models are correct less often, and whether that holds for other models."""
    found = require(statistics.shape.new)
    images, correlation = found.images, require(found.held_out).correlation
    significant = f"{len(images.falling):,}" if len(images.falling) else "none"
    said = (
        f"On {images.negative:,} of the {images.decided:,} new images on which models differ, more accurate models are "
        f"correct less often, significantly on {significant} (Benjamini–Hochberg)"
    )
    if np.isnan(correlation):
        return f"{said}."
    return (
        f"{said}; on the images where that holds for half of the models, new and original accuracy of the other half "
        f"have a rank correlation of {number(correlation)}."
    )


@or_none
def pairs_sentence(statistics: Statistics) -> str:
    """How many pairs of models differ significantly, and how small a difference the images show."""
    original, new = (_significant_pairs(*side, statistics.level) for side in _sides(statistics))
    return f"Significantly different accuracies (McNemar's exact test, Holm): {original}, and {new}."


def _significant_pairs(words: str, found: SetStatistics, level: float) -> str:
    pairs = require(found.pairs)
    p_values = pairs.p_holm[np.triu_indices(len(found.models), k=1)]
    count = int(np.sum(p_values < 1 - level))
    detected = either(
        pairs.detectable, lambda least: f" ({points(least)} points are detected with 80 % power)", lambda reason: ""
    )
    return f"{count:,} of {counted(len(p_values), 'pair')} of models on the {found.images:,} {words} images{detected}"


def who_misses(models: int) -> str:
    """The beginning of a sentence on the images that no model classifies correctly.

    >>> who_misses(1), who_misses(3)
    ('The model misses', 'All models miss')
    """
    return "The model misses" if models == 1 else "All models miss"


@or_none
def hard_sentence(statistics: Statistics) -> str:
    """How many images all models miss."""
    original, new = (
        f"{require(found.missed_by_all):,} of the {found.images:,} {words} images"
        for words, found in _sides(statistics)
    )
    return f"{who_misses(len(statistics.image_models))} {original} and {new}."


def _sides(statistics: Statistics) -> tuple[tuple[str, SetStatistics], tuple[str, SetStatistics]]:
    return ("original", require(statistics.original)), ("new", require(statistics.new))


def superclass_sentences(statistics: Statistics) -> list[str]:
    """How many of the mistakes are within the superclass, for each declaration of superclasses; means over models."""
    said = []
    for found in or_else(statistics.superclass_errors, ()):
        both = np.isfinite(found.change.difference)
        if not both.any():
            continue
        before, after, chance = (
            percent(float(values[both].mean()))
            for values in (found.original.share, found.new.share, found.new.expected)
        )
        said.append(
            f"{before} % of the mistakes on the original set and {after} % on the new set are within the superclass "
            f"({found.superclasses.name}, mean over models); {chance} % if mistakes were spread equally over the "
            "other classes."
        )
    return said


@or_none
def severity_sentence(statistics: Statistics) -> str | None:
    """How far mistakes are from the true class in the class tree, mean over models."""
    found = require(statistics.mistake_severity)
    if found is None:
        return None
    both = np.isfinite(found.change.difference)
    if not both.any():
        return None
    before, after, chance = (
        number(float(values[both].mean()))
        for values in (found.original.distance, found.new.distance, found.new.expected)
    )
    return (
        f"Mistakes are {before} bits from the true class on the original set and {after} bits on the new set "
        f"({found.tree} tree, mean over models); {chance} bits if mistakes were spread equally over the other classes."
    )


@or_none
def difficulty_of_sets_sentence(statistics: Statistics) -> str | None:
    """How hard the images of both sets are for these models, by item response."""
    found = require(statistics.item_response)
    if found is None:
        return None
    original, new = (
        f"{number(side.value)} ({ci_words(number(side.interval.low), number(side.interval.high), statistics.level)})"
        for side in (found.original.difficulty, found.new.difficulty)
    )
    return (
        f"In standard deviations of the models' ability from their mean, the images' mean difficulty is {original} on "
        f"the original set and {new} on the new set (item response, linked by the models).{not_converged(statistics)}"
        f"{_classes_of_other_difficulty(statistics)}"
    )


def _classes_of_other_difficulty(statistics: Statistics) -> str:
    """Which classes became harder or easier than all images did; empty where that is not computed."""
    found = or_else(statistics.class_difficulties, None)
    if found is None:
        return ""
    tested = np.isfinite(found.p_holm)
    count = int(np.sum(found.p_holm[tested] < 1 - statistics.level))
    return (
        f" {count:,} of {counted(int(tested.sum()), 'class', 'classes')} "
        f"{'changes' if count == 1 else 'change'} in difficulty significantly more than the "
        "median class (Holm)."
    )


@or_none
def difficulty_sentence(statistics: Statistics) -> str:
    """The line that the difficulty model of the images predicts."""
    found = require(statistics.difficulty)
    return (
        "The difficulty model, fitted to the single images, predicts a line on the probit scale with slope "
        f"{number(found.line.slope)} and offset {number(found.line.offset)}."
    )


def _said(*sentences: str | None) -> tuple[str, ...]:
    return tuple(sentence for sentence in sentences if sentence)


def _distance(distance: float) -> str:
    return f"{points(abs(distance))} points {'above' if distance > 0 else 'below'}"
