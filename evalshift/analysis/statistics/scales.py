"""Accuracy to and from the scales that lines are fitted on: linear, probit, logit."""

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from evalshift.analysis.statistics.intervals import check_counts

SCALES = ("linear", "probit", "logit")

_FORWARD = {"linear": np.positive, "probit": special.ndtri, "logit": special.logit}
_BACK = {"linear": np.positive, "probit": special.ndtr, "logit": special.expit}


def to_scale(accuracy: Float[np.ndarray, "*shape"], scale: str) -> Float[np.ndarray, "*shape"]:
    """Accuracies on a scale: themselves (linear), Φ⁻¹ of them (probit) or their log odds (logit).

    Takes fractions in [0, 1] of any shape; returns the same shape in float64. On the probit and logit scales, 0 becomes
    −∞ and 1 becomes ∞; NaN stays NaN.
    Raises ValueError for a scale not in `SCALES` and for the first accuracy outside [0, 1].
    Source: Recht et al. 2019, section 5.3 and appendix C.2 (probit).

    >>> to_scale(np.array([0.5, 0.975]), "probit").round(2)
    array([0.  , 1.96])
    """
    check_scale(scale)
    check_accuracies(accuracy, "accuracy")
    return _FORWARD[scale](accuracy.astype(np.float64))


def from_scale(value: Float[np.ndarray, "*shape"], scale: str) -> Float[np.ndarray, "*shape"]:
    """The inverse of `to_scale`, increasing on every scale; same shape, float64.

    Returns fractions in [0, 1] for probit and logit. Linear values are returned unchanged, so predictions of a line can
    lie outside [0, 1].
    Raises ValueError for a scale not in `SCALES`.

    >>> from_scale(np.array([-np.inf, 0.0, 1.96]), "probit").round(3)
    array([0.   , 0.5  , 0.975])
    """
    check_scale(scale)
    return _BACK[scale](value.astype(np.float64))


def fitted_accuracy(
    correct: Int[np.ndarray, " cell"], total: Int[np.ndarray, " cell"], scale: str
) -> Float[np.ndarray, " cell"]:
    """Accuracies k/n for fitting a line, made finite on `scale`.

    On the probit and logit scales, on which 0 and 1 lie at infinity, 0 and n correct become (k + ½)/(n + 1). The order
    of the counts is kept: n of n stays above n − 1 of n.
    Takes counts and returns fractions, shape (cell,).
    Raises ValueError for a scale not in `SCALES` and for the first cell with impossible counts.
    Source: the ½ is that of the empirical logit, Haldane 1956, Annals of Human Genetics 20(4), 309-311.

    >>> fitted_accuracy(np.array([0, 7, 10]), np.array([10, 10, 10]), "probit").round(3)
    array([0.045, 0.7  , 0.955])
    """
    check_scale(scale)
    check_counts(correct, total)
    accuracy = correct / total
    if scale == "linear":
        return accuracy
    return np.where((correct == 0) | (correct == total), (correct + 0.5) / (total + 1), accuracy)


def check_scale(scale: str) -> None:
    """Raise ValueError unless `scale` is one of `SCALES`."""
    if scale not in SCALES:
        raise ValueError(f'scale: found "{scale}"; expected one of {", ".join(SCALES)}')


def check_accuracies(accuracy: np.ndarray, name: str) -> None:
    """Raise ValueError naming the first value outside [0, 1]; NaN passes."""
    outside = (accuracy < 0) | (accuracy > 1)
    if outside.any():
        first = [int(i) for i in np.argwhere(outside)[0]]
        raise ValueError(f"{name}{first}: found {accuracy[tuple(first)]}; expected a fraction from 0 to 1")
