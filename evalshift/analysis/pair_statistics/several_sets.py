"""What the new sets of one original set say together of the models that all of them have."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.outcomes.correctness import SetCorrectness, numbers_of_images
from evalshift.analysis.outcomes.corruptions import CorruptedSet
from evalshift.analysis.outcomes.shared_images import overlaps_unseen
from evalshift.analysis.pair_statistics.missing import Missing, attempt, or_missing
from evalshift.analysis.statistics.errors_in_variables import binomial_variance
from evalshift.analysis.statistics.image_sets import ImageSets, combined_covariance
from evalshift.analysis.statistics.intervals import Interval, undefined_interval
from evalshift.analysis.statistics.line_fit import LEAST_LINE_MODELS
from evalshift.analysis.statistics.several_shifts import SetCounts, SeveralShifts, several_shifts
from evalshift.errors import AnalysisError


@dataclass(frozen=True, eq=False)
class ShiftedPair:
    """What is taken from the report of one pair and metric.

    correctness  on the original and the new set, image by image; None where only counts are stored
    in_line      which models the line goes through, in the order of the outcomes
    baseline     the same, with those that lie so far off that the line leaves them out
    corrupted    which corruption the new set is, if it is one
    """

    outcomes: Outcomes
    correctness: tuple[SetCorrectness, SetCorrectness] | None
    in_line: Bool[np.ndarray, " m"]
    baseline: Bool[np.ndarray, " m"]
    corrupted: CorruptedSet | None = None


@dataclass(frozen=True, eq=False)
class MeanOverSets:
    """Means over the p new sets of one original set, of the m models that have results on all of them.

    new            the new sets, in the order of the pairs
    models         in the order of the first pair
    accuracy       mean new accuracy, a fraction, with its interval; shape (m,)
    drop           original accuracy minus that, with its interval
    shifts         distances from the lines and their mean, or why there are none
    shared         names of sets that have images in common, two by two
    unseen         those that are known to have some, where it is not known which: intervals, which would
                   be too narrow, are then NaN
    """

    original: str
    metric: str
    new: tuple[str, ...]
    models: tuple[str, ...]
    original_accuracy: Float[np.ndarray, " m"]
    accuracy: Float[np.ndarray, " m"]
    accuracy_interval: Interval[np.ndarray]
    drop: Float[np.ndarray, " m"]
    drop_interval: Interval[np.ndarray]
    shifts: SeveralShifts | Missing
    shared: tuple[tuple[str, str], ...]
    unseen: tuple[tuple[str, str], ...] = ()


@or_missing
def mean_over_sets(pairs: Sequence[ShiftedPair], scale: str, level: float) -> MeanOverSets:
    """Means over the new sets of pairs with one original set; Missing where no model has results on all of them.

    Intervals of mean accuracies and drops are normal, with the covariance that shared images make; from counts alone
    the sets' sampling errors are taken as independent.
    """
    models = common_models(pairs)
    if not models:
        raise AnalysisError("no model has results on all of its new sets")
    original, new = counts_of(pairs, models)
    sets = sets_by_image(pairs, models, one="original")
    accuracy = np.stack([one.accuracy for one in new]).mean(axis=0)
    error = np.sqrt(_variances(original, new, sets))
    reach = stats.norm.isf((1 - level) / 2) * error
    drop = original.accuracy - accuracy
    names = (pairs[0].outcomes.original, *(one.outcomes.new for one in pairs))
    shared = () if sets is None else _shared(sets, names)
    # A new set of the original's images makes drops and distances vary less than they are taken to.
    unseen = tuple(two for two in itertools.combinations(names[1:], 2) if overlaps_unseen(*two) and two not in shared)
    if unseen:
        reach = np.full_like(reach, np.nan)
    places = [_places(pair.outcomes, models) for pair in pairs]
    baseline = np.stack([pair.baseline[place] for pair, place in zip(pairs, places, strict=True)]).all(axis=0)
    in_line = np.stack([pair.in_line[place] for pair, place in zip(pairs, places, strict=True)])
    return MeanOverSets(
        original=pairs[0].outcomes.original,
        metric=pairs[0].outcomes.metric,
        new=tuple(pair.outcomes.new for pair in pairs),
        models=models,
        original_accuracy=original.accuracy,
        accuracy=accuracy,
        accuracy_interval=Interval(accuracy - reach[0], accuracy + reach[0]),
        drop=drop,
        drop_interval=Interval(drop - reach[1], drop + reach[1]),
        shifts=attempt(
            lambda: _without_errors(
                unseen,
                several_shifts(
                    original,
                    new,
                    in_line=in_line,
                    baseline=np.asarray(baseline),
                    sets=sets,
                    least_others=LEAST_LINE_MODELS,
                    scale=scale,
                    level=level,
                ),
            )
        ),
        shared=shared,
        unseen=unseen,
    )


def _without_errors(unseen: Sequence[object], found: SeveralShifts) -> SeveralShifts:
    """Without intervals where images in common make the sets' errors correlated, and nobody knows how much.

    Cochran's Q then errs on the safe side: the distances differ less by chance than it takes them to.
    """
    if not unseen:
        return found
    around = undefined_interval(found.mean)
    return replace(found, interval=around, wider_interval=around)


def sets_by_image(
    pairs: Sequence[ShiftedPair], models: Sequence[str], one: Literal["original", "new"]
) -> ImageSets | None:
    """The sets of pairs with one original or one new set, image by image, in the order original, new.

    None where a model is known by counts alone on one of them.
    """
    kept = [pair.correctness for pair in pairs if pair.correctness is not None]
    if len(kept) < len(pairs) or any(not set(models) <= set(side.models) for both in kept for side in both):
        return None
    original, new = ([both[side] for both in kept] for side in (0, 1))
    sides = [original[0], *new] if one == "original" else [*original, new[0]]
    return ImageSets(tuple(side.of_models(models) for side in sides), numbers_of_images(sides))


def common_models(pairs: Sequence[ShiftedPair]) -> tuple[str, ...]:
    """The models of all pairs, in the order of the first, whose counts on the original set are the same in each."""
    known = [dict(zip(pair.outcomes.models, pair.outcomes.original_correct.tolist(), strict=True)) for pair in pairs]
    return tuple(model for model, count in known[0].items() if all(one.get(model) == count for one in known))


def _places(outcomes: Outcomes, models: Sequence[str]) -> list[int]:
    place = {model: position for position, model in enumerate(outcomes.models)}
    return [place[model] for model in models]


def counts_of(pairs: Sequence[ShiftedPair], models: Sequence[str]) -> tuple[SetCounts, list[SetCounts]]:
    """Counts of these models on the original set and on each new one."""
    taken = [pair.outcomes.subset(_places(pair.outcomes, models)).counts for pair in pairs]
    return SetCounts(*taken[0][:2]), [SetCounts(*counts[2:]) for counts in taken]


def _variances(original: SetCounts, new: Sequence[SetCounts], sets: ImageSets | None) -> np.ndarray:
    """Of the mean new accuracy and of the mean drop, shape (2, m)."""
    count = len(new)
    if sets is None:
        of_mean = sum(binomial_variance(one.correct, one.total) for one in new) / count**2
        return np.stack([of_mean, of_mean + binomial_variance(original.correct, original.total)])
    each = np.ones(len(original.correct))
    weights = {(0, 1 + number): each / count for number in range(count)}
    weights |= {(1, number): -weight for (_, number), weight in weights.items()} | {(1, 0): each}
    return np.maximum(0, np.diagonal(combined_covariance(sets, weights, 2), axis1=1, axis2=2).T)


def _shared(sets: ImageSets, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (names[one], names[other])
        for part in sets.parts
        for one in part.places
        for other in part.places
        if one < other and np.isin(sets.images[one], sets.images[other]).any()
    )
