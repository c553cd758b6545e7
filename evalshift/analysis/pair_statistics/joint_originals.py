"""The original sets of one new set together: what they predict of it, and who lies above that."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalshift.analysis.pair_statistics.missing import or_missing
from evalshift.analysis.pair_statistics.several_sets import ShiftedPair, sets_by_image
from evalshift.analysis.statistics.several_originals import SeveralOriginals, robustness_over_originals
from evalshift.analysis.statistics.several_shifts import SetCounts
from evalshift.errors import AnalysisError


@dataclass(frozen=True, eq=False)
class JointOriginals:
    """Effective robustness on one new set, of the models that have results on it and on all of its original sets."""

    new: str
    originals: tuple[str, ...]
    models: tuple[str, ...]
    original_accuracy: np.ndarray
    new_accuracy: np.ndarray
    found: SeveralOriginals


@or_missing
def joint_originals(pairs: Sequence[ShiftedPair], scale: str, level: float) -> JointOriginals:
    """What the original sets of these pairs, which have one new set, predict of it together; Missing where nothing."""
    models = _common(pairs)
    if not models:
        raise AnalysisError("no model has results on all of its original sets")
    places = [[pair.outcomes.models.index(model) for model in models] for pair in pairs]
    counts = [pair.outcomes.subset(place).counts for pair, place in zip(pairs, places, strict=True)]
    originals, new = [SetCounts(*one[:2]) for one in counts], SetCounts(*counts[0][2:])
    in_fit = np.stack([pair.baseline[place] for pair, place in zip(pairs, places, strict=True)]).all(axis=0)
    sets = sets_by_image(pairs, models, one="new")
    return JointOriginals(
        new=pairs[0].outcomes.new,
        originals=tuple(pair.outcomes.original for pair in pairs),
        models=models,
        original_accuracy=np.stack([one.accuracy for one in originals]),
        new_accuracy=new.accuracy,
        found=robustness_over_originals(originals, new, in_fit=np.asarray(in_fit), sets=sets, scale=scale, level=level),
    )


def _common(pairs: Sequence[ShiftedPair]) -> tuple[str, ...]:
    """The models of all pairs whose counts on the new set are the same in each."""
    known = [dict(zip(pair.outcomes.models, pair.outcomes.new_correct.tolist(), strict=True)) for pair in pairs]
    return tuple(model for model, count in known[0].items() if all(one.get(model) == count for one in known))
