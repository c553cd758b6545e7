"""The drop split into its causes: adaptive overfitting, distribution shift, and sampling error."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from evalshift.analysis.statistics.effective_robustness import EffectiveRobustness
from evalshift.analysis.statistics.intervals import Interval, check_counts, clopper_pearson, difference_interval
from evalshift.shapes import Accuracies, Counts

# The two levels at which section 2 of the paper bounds the sampling error of the new set.
BOUND_LEVELS = (0.95, 0.9999)


@dataclass(frozen=True, eq=False)
class Term:
    """One part of the drops of m models, as fractions: estimate and interval; NaN where it is not identified."""

    estimate: Accuracies
    interval: Interval[np.ndarray]


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The drops of m models as adaptivity + distribution + generalization; see `decompose`.

    drop                    original minus new accuracy, as measured
    adaptivity              measured original accuracy minus that on the original distribution; NaN without a fresh set
                            adaptivity_p            one-sided, for the null hypothesis that the model is no more
                            accurate on the original images than on fresh ones; NaN without a fresh set
    distribution            accuracy on the original minus that on the new distribution; includes adaptivity if `fresh`
                            is False
    generalization          accuracy on the new distribution minus measured new accuracy: sampling error, expected to be
                            0
    generalization_bounds   its bounds at each of `BOUND_LEVELS`
    fresh                   whether a fresh set was given
    level                   of the intervals of the three terms
    """

    drop: Accuracies
    adaptivity: Term
    adaptivity_p: Accuracies
    distribution: Term
    generalization: Term
    generalization_bounds: dict[float, Interval[np.ndarray]]
    fresh: bool
    level: float


@dataclass(frozen=True, eq=False)
class SplitDrop:
    """The drops of m models split into a shared and a model-specific part: drop = shared − own.

    shared   original accuracy minus the new accuracy that the line of the other models predicts there: the shift that
             models share; its interval includes the line's uncertainty
    own      new accuracy minus that of the line: the model's effective robustness, with its interval
    """

    drop: Accuracies
    shared: Term
    own: Term


def decompose(
    original_correct: Counts,
    original_total: Counts,
    new_correct: Counts,
    new_total: Counts,
    *,
    fresh_correct: Counts | None = None,
    fresh_total: Counts | None = None,
    level: float = 0.95,
) -> Decomposition:
    """Each model's drop as adaptivity, distribution and generalization gap, with intervals at `level`.

    Takes counts over m models; `fresh` counts come from other images of the original distribution, on which no model
    was tuned. The measured original accuracy enters the drop as it is. Adaptivity therefore includes the original set's
    sampling error as well as tuning, and its interval covers the sampling error of the fresh set alone
    (Clopper–Pearson); adaptivity_p tests whether sampling error suffices (Fisher's exact test). The interval of
    distribution covers the sampling error of the fresh and the new set (Newcombe), that of generalization the sampling
    error of the new set. Without fresh counts, only the sum of adaptivity and distribution is known, with the sampling
    error of the new set.
    Raises ValueError for impossible counts or level, and if only one of the fresh counts is given.
    Source: Recht et al. 2019, section 2.

    >>> parts = decompose(np.array([930]), np.array([1000]), np.array([850]), np.array([1000]))
    >>> parts.drop.round(3), parts.distribution.interval.low.round(3), parts.distribution.interval.high.round(3)
    (array([0.08]), array([0.058]), array([0.104]))
    """
    check_counts(original_correct, original_total, where="original set, model")
    check_counts(new_correct, new_total, where="new set, model")
    on_new = clopper_pearson(new_correct, new_total, level)
    original, new = original_correct / original_total, new_correct / new_total
    if fresh_correct is None or fresh_total is None:
        if fresh_correct is not None or fresh_total is not None:
            raise ValueError("fresh: found one of fresh_correct and fresh_total; expected both or neither")
        adaptivity_p = np.full(original.shape, np.nan)
        adaptivity = Term(adaptivity_p, Interval(adaptivity_p, adaptivity_p))
        distribution = Term(original - new, Interval(original - on_new.high, original - on_new.low))
    else:
        check_counts(fresh_correct, fresh_total, where="fresh set, model")
        on_fresh = clopper_pearson(fresh_correct, fresh_total, level)
        fresh = fresh_correct / fresh_total
        adaptivity_p = _no_better_p(original_correct, original_total, fresh_correct, fresh_total)
        adaptivity = Term(original - fresh, Interval(original - on_fresh.high, original - on_fresh.low))
        distribution = Term(fresh - new, difference_interval(fresh_correct, fresh_total, new_correct, new_total, level))
    bounds = {wanted: clopper_pearson(new_correct, new_total, wanted) for wanted in BOUND_LEVELS}
    return Decomposition(
        drop=original - new,
        adaptivity=adaptivity,
        adaptivity_p=adaptivity_p,
        distribution=distribution,
        generalization=Term(np.zeros_like(new), Interval(on_new.low - new, on_new.high - new)),
        generalization_bounds={wanted: Interval(b.low - new, b.high - new) for wanted, b in bounds.items()},
        fresh=fresh_correct is not None,
        level=level,
    )


def split_drop(original_accuracy: Accuracies, new_accuracy: Accuracies, robustness: EffectiveRobustness) -> SplitDrop:
    """Each model's drop as the shift that the other models' line explains and its own distance from that line.

    Takes accuracies of m models as fractions and the result of `effective_robustness` for the same models. A model's
    own part is NaN where an extrapolated line leaves it undetermined.
    Source: Recht et al. 2019, section 3.3 (the line); Taori et al. 2020, arXiv 2007.00644 (the distance).
    """
    line = robustness.predicted_interval
    return SplitDrop(
        drop=original_accuracy - new_accuracy,
        shared=Term(
            original_accuracy - robustness.predicted,
            Interval(original_accuracy - line.high, original_accuracy - line.low),
        ),
        own=Term(robustness.reported, robustness.interval),
    )


def _no_better_p(correct_1: np.ndarray, total_1: np.ndarray, correct_2: np.ndarray, total_2: np.ndarray) -> np.ndarray:
    """One-sided Fisher's exact test: P(at least `correct_1` correct in the first sample) given all margins."""
    return stats.hypergeom.sf(correct_1 - 1, total_1 + total_2, correct_1 + correct_2, total_1)
