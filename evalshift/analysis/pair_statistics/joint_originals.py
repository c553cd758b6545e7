"""The original sets of one new set together: what they predict of it, and who lies above that."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalshift.analysis.outcomes.correctness import number_images
from evalshift.analysis.pair_statistics.missing import Missing, attempt
from evalshift.analysis.pair_statistics.several_sets import ShiftedPair
from evalshift.analysis.statistics.image_sets import ImageSets
from evalshift.analysis.statistics.several_originals import SeveralOriginals, robustness_over_originals
from evalshift.analysis.statistics.several_shifts import SetCounts


@dataclass(frozen=True, eq=False)
class JointOriginals:
    """Effective robustness on one new set, of the models that have results on it and on all of its original sets."""

    new: str
    originals: tuple[str, ...]
    models: tuple[str, ...]
    original_accuracy: np.ndarray
    new_accuracy: np.ndarray
    found: SeveralOriginals


def joint_originals(pairs: Sequence[ShiftedPair], scale: str, level: float) -> JointOriginals | Missing:
    """What the original sets of these pairs, which have one new set, predict of it together."""
    models = _common(pairs)
    if not models:
        return Missing("no model has results on all of its original sets")
    places = [[pair.outcomes.models.index(model) for model in models] for pair in pairs]
    counts = [pair.outcomes.subset(place).counts for pair, place in zip(pairs, places, strict=True)]
    originals, new = [SetCounts(*one[:2]) for one in counts], SetCounts(*counts[0][2:])
    in_fit = np.stack([pair.baseline[place] for pair, place in zip(pairs, places, strict=True)]).all(axis=0)
    found = attempt(
        lambda: robustness_over_originals(
            originals, new, in_fit=np.asarray(in_fit), sets=_sets(pairs, models), scale=scale, level=level
        )
    )
    if isinstance(found, Missing):
        return found
    return JointOriginals(
        new=pairs[0].outcomes.new,
        originals=tuple(pair.outcomes.original for pair in pairs),
        models=models,
        original_accuracy=np.stack([one.accuracy for one in originals]),
        new_accuracy=new.accuracy,
        found=found,
    )


def _common(pairs: Sequence[ShiftedPair]) -> tuple[str, ...]:
    """The models of all pairs whose counts on the new set are the same in each."""
    known = [dict(zip(pair.outcomes.models, pair.outcomes.new_correct.tolist(), strict=True)) for pair in pairs]
    return tuple(model for model, count in known[0].items() if all(one.get(model) == count for one in known))


def _sets(pairs: Sequence[ShiftedPair], models: Sequence[str]) -> ImageSets | None:
    """Each original set and then the new one, image by image; None where a model is known by counts alone."""
    kept = [pair.correctness for pair in pairs if pair.correctness is not None]
    if len(kept) < len(pairs) or any(not set(models) <= set(side.models) for both in kept for side in both):
        return None
    sides = [*(both[0] for both in kept), kept[0][1]]
    return ImageSets(tuple(side.of_models(models) for side in sides), number_images(sides))
