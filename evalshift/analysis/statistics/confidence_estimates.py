"""Accuracy on new images without their labels, from the confidence of one model."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from evalshift.analysis.statistics.calibration import check_probabilities
from evalshift.formatting import counted
from evalshift.shapes import Correct


@dataclass(frozen=True, eq=False)
class ConfidenceEstimates:
    """New accuracy of m models estimated without labels, NaN for models without probabilities.

    atc         average thresholded confidence: share of new images above the threshold, in [0, 1]
    threshold   confidence above which the share of original images equals original accuracy
    doc         difference of confidences: original accuracy minus (original − new mean confidence), cut to [0, 1]
    confidence  mean confidence on the new images, the estimate of a calibrated model
    """

    atc: Float[np.ndarray, " m"]
    threshold: Float[np.ndarray, " m"]
    doc: Float[np.ndarray, " m"]
    confidence: Float[np.ndarray, " m"]


def confidence_estimates(
    original_prob: Float[np.ndarray, "m n"], original_correct: Correct, new_prob: Float[np.ndarray, "m _"]
) -> ConfidenceEstimates:
    """Estimate each model's accuracy on new images from its probabilities on both sets and the original labels.

    Takes probabilities of the first predictions, in [0, 1] or NaN if there is none, and which original predictions are
    correct. An image without a probability is incorrect: it counts as below any threshold and as confidence 0. If
    several original images have exactly the threshold's confidence, the same fraction of the new images at that
    confidence counts as above.
    Raises ValueError for probabilities outside [0, 1], and for sizes that differ.
    Source: Garg et al. 2022, ICLR, arXiv 2201.04234 (ATC with maximum confidence); Guillory et al. 2021, ICCV, arXiv
    2107.03315 (DoC); Hendrycks and Gimpel 2017, ICLR, arXiv 1610.02136 (mean confidence).

    >>> original, correct = np.array([[0.9, 0.8, 0.6, 0.4]]), np.array([[True, True, False, False]])
    >>> found = confidence_estimates(original, correct, np.array([[0.95, 0.5, 0.5, 0.4]]))
    >>> found.threshold, found.atc, found.doc.round(4)
    (array([0.6]), array([0.25]), array([0.4125]))
    """
    check_probabilities(original_prob, original_correct)
    check_probabilities(new_prob, np.ones_like(new_prob, dtype=bool))
    if len(original_prob) != len(new_prob):
        raise ValueError(
            f"found {len(original_prob)} and {counted(len(new_prob), 'model')}; expected the same on both sets"
        )
    rows = [_estimates(*one) for one in zip(original_prob, original_correct, new_prob, strict=True)]
    return ConfidenceEstimates(*np.array(rows, dtype=np.float64).reshape(-1, 4).T)


def _estimates(
    original: Float[np.ndarray, " n"], correct: Bool[np.ndarray, " n"], new: Float[np.ndarray, " _"]
) -> tuple[float, float, float, float]:
    if not (np.isfinite(original).any() and np.isfinite(new).any()):
        return np.nan, np.nan, np.nan, np.nan
    accuracy = float(correct.mean())
    before, after = (np.where(np.isfinite(prob), prob, 0).mean(dtype=np.float64) for prob in (original, new))
    threshold, part = _threshold(np.where(np.isfinite(original), original, -1), int(correct.sum()))
    with np.errstate(invalid="ignore"):
        atc = np.mean(new > threshold) + part * np.mean(new == threshold)
    return float(atc), threshold, float(np.clip(accuracy - (before - after), 0, 1)), float(after)


def _threshold(confidence: np.ndarray, correct: int) -> tuple[float, float]:
    """The confidence that `correct` images exceed, and the fraction of images at it that counts as above."""
    ordered = np.sort(confidence)[::-1]
    if correct == len(ordered):
        return float(ordered[-1]), 1.0
    threshold = ordered[correct]
    above, same = int(np.sum(ordered > threshold)), int(np.sum(ordered == threshold))
    return float(threshold), (correct - above) / same
