"""Selective prediction of a pair's models on both sets, how it changes, and new accuracies from confidence alone."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from evalshift.analysis.pair_statistics.basis import Basis
from evalshift.analysis.pair_statistics.calibration_shift import probabilities, with_probabilities
from evalshift.analysis.pair_statistics.missing import or_missing
from evalshift.analysis.statistics.confidence_estimates import ConfidenceEstimates, confidence_estimates
from evalshift.analysis.statistics.image_means import ChangeOfMeans, change_of_means
from evalshift.analysis.statistics.intervals import Interval, undefined_interval
from evalshift.analysis.statistics.selective import SelectivePrediction, accuracy_drop, selective_prediction


@dataclass(frozen=True, eq=False)
class SelectiveShift:
    """Selective prediction of m models on either set; NaN for models without probabilities on one of them.

    Where the sets share images, changes have no intervals.

    aurc       change, new − original
    drops      coverage -> original minus new accuracy, shape (m,), and its interval
    models     that have probabilities on both sets: positions among the m
    """

    original: SelectivePrediction
    new: SelectivePrediction
    aurc: ChangeOfMeans
    drops: dict[float, tuple[Float[np.ndarray, " m"], Interval[np.ndarray]]]
    models: tuple[int, ...]


@or_missing
def selective_shift(basis: Basis) -> SelectiveShift:
    """Risk and coverage of all models on either set, and their changes; Missing where no model has probabilities."""
    *sides, models = with_probabilities(basis)
    original, new = (selective_prediction(probabilities(side, models), side.correct()) for side in sides)
    aurc = change_of_means(original.aurc, new.aurc, basis.level)
    drops = {coverage: accuracy_drop(original, new, coverage, basis.level) for coverage in original.accuracy}
    if basis.overlap:
        aurc = replace(aurc, interval=undefined_interval(aurc.change), p_value=np.full_like(aurc.change, np.nan))
        drops = {coverage: (drop, undefined_interval(drop)) for coverage, (drop, _) in drops.items()}
    return SelectiveShift(original=original, new=new, aurc=aurc, drops=drops, models=models)


@or_missing
def estimates_from_confidence(basis: Basis) -> ConfidenceEstimates:
    """New accuracies of all models with probabilities on both sets, estimated without the new labels.

    Missing where no model has probabilities.
    """
    original, new, models = with_probabilities(basis)
    return confidence_estimates(probabilities(original, models), original.correct(), probabilities(new, models))
