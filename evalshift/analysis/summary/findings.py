"""What stands out in the statistics, in words: each sentence computed, and measured in what it claims."""

import numpy as np

from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.pair_statistics.set_statistics import PairwiseStatistics, SetStatistics
from evalshift.analysis.statistics.line_fit import Line
from evalshift.formatting import name_some, number, p_words, percent, points, span

# Models that a sentence names, of those that stand off the line.
_NAMED = 3


def findings(statistics: Statistics) -> tuple[str, ...]:
    """What a reader should know at once: who stands off the line, what the drop is made of, which scale is straight."""
    return _said(robustness_sentence(statistics), decomposition_sentence(statistics), scale_sentence(statistics))


def details(statistics: Statistics) -> tuple[str, ...]:
    """What is worth a look besides, for the page."""
    return _said(
        chance_sentence(statistics),
        pairs_sentence(statistics),
        hard_sentence(statistics),
        *superclass_sentences(statistics),
        without_labels_sentence(statistics),
        difficulty_sentence(statistics),
    )


def robustness_sentence(statistics: Statistics) -> str | None:
    """Which models stand off the line of the others beyond chance."""
    found = statistics.robustness
    if isinstance(found, Missing) or not np.isfinite(found.p_holm).any():
        return None
    off = np.nan_to_num(found.p_holm, nan=1.0) < 1 - statistics.level
    where = f"the line of the others beyond chance ({found.scale} scale, Holm over {len(off)} models)"
    if not found.enough_resamples:
        return f"Whether a model stands off {where} is more than {found.resamples:,} resamples can tell."
    if not off.any():
        farthest = int(np.nanargmax(np.abs(found.distance)))
        return (
            f"No model stands off {where}; the farthest is {statistics.models[farthest]}, "
            f"{_distance(found.distance[farthest])}."
        )
    sides = []
    for side, beyond in (("above", off & (found.distance > 0)), ("below", off & (found.distance <= 0))):
        order = np.flatnonzero(beyond)
        order = order[np.argsort(-np.abs(found.distance[order]), kind="stable")]
        if len(order):
            names = [f"{statistics.models[model]} by {points(float(abs(found.distance[model])))}" for model in order]
            count = "1 model stands" if len(order) == 1 else f"{len(order)} models stand"
            sides.append(f"{count} {side} (points: {name_some(names, _NAMED)})")
    return f"Off {where}: {'; '.join(sides)}."


def decomposition_sentence(statistics: Statistics) -> str:
    """What the drop is made of, and what cannot be told."""
    parts = statistics.decomposition
    bounds = parts.generalization.interval
    sampling = max(float(np.max(-bounds.low)), float(np.max(bounds.high)))
    chance = (
        f"sampling error of the new images makes at most {points(sampling)} points of any drop "
        f"({100 * statistics.level:g} %)"
    )
    if statistics.fresh is None:
        sign = _tuning_sign(statistics)
        return (
            f"{chance[0].upper()}{chance[1:]}; the rest is a harder distribution or tuning on the original set, which "
            f"only fresh images of its distribution could tell apart{sign}."
        )
    marked = statistics.with_fresh
    adaptivity, distribution = (
        f"{points(float(term.estimate[marked].mean()))} "
        f"{span(float(term.interval.low[marked].mean()), float(term.interval.high[marked].mean()))} points"
        for term in (parts.adaptivity, parts.distribution)
    )
    models = "" if marked.all() else f" for {int(marked.sum())} of {len(marked)} models"
    return (
        f"Against fresh images ({statistics.fresh}), tuning on the original set makes {adaptivity} of the mean drop"
        f"{models}, the other distribution {distribution}; {chance}."
    )


def _tuning_sign(statistics: Statistics) -> str:
    found = statistics.lines.diminishing
    if isinstance(found, Missing) or not np.isfinite(found.p_value):
        return ""
    if found.p_value < 1 - statistics.level:
        return f" (diminishing returns: slope {number(found.slope)} on the linear scale, {p_words(found.p_value)})"
    return f" (no sign of diminishing returns, {p_words(found.p_value)})"


def scale_sentence(statistics: Statistics) -> str | None:
    """Which scale predicts best a model that was left out."""
    fits = statistics.lines.scale_fits
    if isinstance(fits, Missing):
        return None
    known = sorted((fit for fit in fits if np.isfinite(fit.rms_error)), key=lambda fit: fit.rms_error)
    if len(known) < 2:
        return None
    errors = [f"{points(fit.rms_error, 2)} on the {fit.scale}" for fit in known]
    return f"A model left out is predicted to within {', '.join(errors[:-1])} and {errors[-1]} scale (points, rms)."


def chance_sentence(statistics: Statistics) -> str | None:
    """How far the slope could have come out otherwise."""
    both, images = statistics.lines.over_both, statistics.lines.over_images
    if not isinstance(both, Line) or not isinstance(images, Line):
        return None
    return (
        f"Other images would leave the slope between {_interval(images)}, other images and other models between "
        f"{_interval(both)} ({statistics.lines.scale} scale)."
    )


def _interval(line: Line) -> str:
    return f"{number(line.slope_interval.low)} and {number(line.slope_interval.high)}"


def pairs_sentence(statistics: Statistics) -> str | None:
    """How many pairs of models the images tell apart, and how small a difference they show."""
    sides = statistics.original, statistics.new
    told = []
    for found, words in zip(sides, ("original", "new"), strict=True):
        if not isinstance(found, SetStatistics) or not isinstance(found.pairs, PairwiseStatistics):
            return None
        above = np.triu_indices(len(found.models), k=1)
        apart = int(np.sum(found.pairs.p_holm[above] < 1 - statistics.level))
        smallest = found.pairs.detectable
        shown = "" if isinstance(smallest, Missing) else f", which show {points(smallest)} points with 80 % power"
        told.append(f"{apart:,} of {len(above[0]):,} pairs of models on the {found.images:,} {words} images{shown}")
    return f"Beyond chance (Holm) {told[0]}, and {told[1]}, differ."


def hard_sentence(statistics: Statistics) -> str | None:
    """How many images no model gets right."""
    sides = statistics.original, statistics.new
    missed = []
    for found, words in zip(sides, ("original", "new"), strict=True):
        if not isinstance(found, SetStatistics) or isinstance(found.missed_by_all, Missing):
            return None
        missed.append(f"{found.missed_by_all:,} of the {found.images:,} {words} images")
    return f"All models miss {missed[0]} and {missed[1]}."


def superclass_sentences(statistics: Statistics) -> list[str]:
    """How many of the mistakes are within the superclass, for each declaration of superclasses; means over models."""
    if isinstance(statistics.superclass_errors, Missing):
        return []
    said = []
    for found in statistics.superclass_errors:
        both = np.isfinite(found.change.difference)
        if not both.any():
            continue
        before, after, chance = (
            percent(float(values[both].mean()))
            for values in (found.original.share, found.new.share, found.new.expected)
        )
        said.append(
            f"Within the superclass ({found.superclasses.name}) are {before} % of the mistakes on the original set and "
            f"{after} % on the new set, mean over models; {chance} % if mistakes fell on any other class alike."
        )
    return said


def without_labels_sentence(statistics: Statistics) -> str | None:
    """How well agreement alone foretells the new accuracies."""
    found, new = statistics.without_labels, statistics.new
    if isinstance(found, Missing) or not isinstance(new, SetStatistics):
        return None
    error = np.abs(found.aline_d - new.classes.correct.sum(axis=1) / new.images)
    known = error[np.isfinite(error)]
    if not len(known):
        return None
    return (
        "From how the models agree, without labels, their new accuracies come out "
        f"{points(float(known.mean()))} points off on average (ALine-D)."
    )


def difficulty_sentence(statistics: Statistics) -> str | None:
    """The slope that the difficulty model foretells from single images."""
    found = statistics.difficulty
    if isinstance(found, Missing):
        return None
    return (
        "The difficulty model, fitted to single images, foretells a probit line of slope "
        f"{number(found.line.slope)} and offset {number(found.line.offset)}."
    )


def _said(*sentences: str | None) -> tuple[str, ...]:
    return tuple(sentence for sentence in sentences if sentence)


def _distance(distance: float) -> str:
    return f"{points(abs(distance))} points {'above' if distance > 0 else 'below'}"
