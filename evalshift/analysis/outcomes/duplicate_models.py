"""Models that are stored under two names: the same predictions on both sets of a pair."""

from collections.abc import Mapping, Sequence

import numpy as np

from evalshift.analysis.outcomes.records import ImagePredictions
from evalshift.formatting import name_some

# Models that err on fewer images than these may agree by chance, as perfect ones do.
_FEWEST_ERRORS = 5
# Probabilities of one network on two machines differ by less.
_SAME_PROBABILITY = 0.01


def duplicate_models(original: ImagePredictions, new: ImagePredictions) -> dict[str, str]:
    """Models with the very predictions of an earlier one, and the name of that one.

    That is the same top-1 prediction for each image of both sets, at least five of them incorrect, and the same
    probabilities within 0.01 where both models have them. Models that predict one class whatever the image, as broken
    ones do, are not compared.
    """
    errors = np.sum([np.count_nonzero(~one.correct(), axis=1) for one in (original, new)], axis=0)
    first: dict[tuple[bytes, bytes], list[int]] = {}
    found: dict[str, str] = {}
    for place, model in enumerate(original.models):
        if errors[place] < _FEWEST_ERRORS or np.ptp(original.predicted[place]) == 0:
            continue
        alike = first.setdefault((original.predicted[place].tobytes(), new.predicted[place].tobytes()), [])
        twin = next((other for other in alike if _same_probabilities((original, new), other, place)), None)
        if twin is None:
            alike.append(place)
        else:
            found[model] = original.models[twin]
    return found


def duplicates_note(duplicates: Mapping[str, str]) -> str:
    """A sentence that names some of the duplicates, of which there is at least one."""
    named = [f"{model} those of {first}" for model, first in duplicates.items()]
    have = "has" if len(named) == 1 else "have"
    return (
        f"{len(named)} {'model' if len(named) == 1 else 'models'} {have} the same predictions on both sets as another: "
        f"{name_some(named)}. Lines and effective robustness count them once."
    )


def _same_probabilities(sides: Sequence[ImagePredictions], one: int, other: int) -> bool:
    for side in sides:
        if side.prob is None:
            continue
        with np.errstate(invalid="ignore"):
            apart = np.abs(side.prob[one] - side.prob[other])  # NaN where either has none
        if (apart > _SAME_PROBABILITY).any():
            return False
    return True
