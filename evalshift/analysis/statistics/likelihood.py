"""Negative log-likelihood of the labels, and the temperature that makes logits most likely."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from evalshift.analysis.statistics.intervals import Interval, check_level

# Images at once: their logits in float32 stay in the processor's cache. A first fit to so many images saves passes.
_AT_ONCE = 1_024
_FIRST_FIT = 5_000
_NARROWEST, _TOLERANCE, _MOST_STEPS = (1e-3, 1e3), 1e-5, 60


@dataclass(frozen=True)
class Temperature:
    """What logits are divided by to make the labels most likely; above 1 for a model that is over-confident.

    temperature, interval   NaN where no temperature is best: every label has the highest logit, or the logits tell
                            nothing of the labels
    """

    temperature: float
    interval: Interval[float]


def label_likelihoods(
    logits: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], temperature: float = 1.0
) -> Float[np.ndarray, " n"]:
    """−ln of the probability of each image's label in the softmax of logits / temperature, at least 0.

    Infinite where the logit of the label is −∞. Labels are numbers of the columns.
    Raises ValueError for labels outside the columns, numbers of rows that differ, and a temperature of 0 or less.

    >>> label_likelihoods(np.array([[0.0, 0.0], [np.log(3), 0.0]]), np.array([0, 1])).round(3)
    array([0.693, 1.386])
    """
    _check(logits, labels)
    if not temperature > 0:
        raise ValueError(f"temperature: found {temperature}; expected a number above 0")
    parts = [np.log(total) - own / temperature for own, total, *_ in _sums(logits, labels, 1 / temperature, moments=0)]
    return np.concatenate(parts) if parts else np.empty(0)


def fit_temperature(
    logits: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], level: float = 0.95
) -> Temperature:
    """The temperature with the least mean negative log-likelihood of the labels, from 0.001 to 1,000.

    Newton's method for 1/temperature, in which the likelihood is convex. The interval is that of an M-estimator (its
    sandwich variance), symmetric for the logarithm of the temperature.
    Raises what `label_likelihoods` raises, and ValueError for a level outside (0, 1).
    Source: Guo, Pleiss, Sun, Weinberger 2017, ICML, arXiv 1706.04599; Huber 1967, Fifth Berkeley Symposium 1, 221-233
    (sandwich).
    """
    check_level(level)
    _check(logits, labels)
    undefined = Temperature(math.nan, Interval(math.nan, math.nan))
    if not len(logits):
        return undefined
    step = -(-len(logits) // _FIRST_FIT)
    start = 1.0 if step == 1 else _solve(logits[::step], labels[::step], 1.0) or 1.0
    inverse = _solve(logits, labels, start)
    if inverse is None:
        return undefined
    slopes, curvature = _slopes(logits, labels, inverse)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.std(slopes) / math.sqrt(len(slopes)) / curvature / inverse
    factor = (
        math.exp(float(special.ndtri((1 + level) / 2)) * float(error)) if np.isfinite(error) and error > 0 else math.nan
    )
    return Temperature(1 / inverse, Interval(1 / inverse / factor, factor / inverse))


def _solve(logits: np.ndarray, labels: np.ndarray, start: float) -> float | None:
    """1/temperature where the mean slope of the negative log-likelihood is 0; None where there is none."""
    low, high = _NARROWEST
    inverse = start
    for _ in range(_MOST_STEPS):
        slopes, curvature = _slopes(logits, labels, inverse)
        slope = float(np.mean(slopes))
        if not math.isfinite(slope):
            return None
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        stepped = inverse - slope / curvature if curvature > 0 else math.inf
        # Where Newton's method leaves what is known to hold the root, the middle of that on the logarithm's scale.
        following = stepped if low < stepped < high else math.sqrt(low * high)
        if abs(following - inverse) <= _TOLERANCE * inverse:
            at_an_end = following < 1.01 * _NARROWEST[0] or following > 0.99 * _NARROWEST[1]
            return None if at_an_end else following
        inverse = following
    return None


def _slopes(logits: np.ndarray, labels: np.ndarray, inverse: float) -> tuple[np.ndarray, float]:
    """Slope of each image's negative log-likelihood in 1/temperature, and the mean second derivative."""
    slopes, curvature = [], 0.0
    for own, total, first, second in _sums(logits, labels, inverse, moments=2):
        mean = first / total
        slopes.append(mean - own)
        curvature += float(np.sum(second / total - mean**2))
    return np.concatenate(slopes), curvature / len(logits)


def _sums(logits: np.ndarray, labels: np.ndarray, inverse: float, moments: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Of a batch of images, z being logits less the highest: z of the label, and Σ zᵏ exp(z/temperature), k from 0.

    Sums are taken in float64.
    """
    for begin in range(0, len(logits), _AT_ONCE):
        batch = logits[begin : begin + _AT_ONCE].astype(np.float32)
        batch -= batch.max(axis=1, keepdims=True)
        own = batch[np.arange(len(batch)), labels[begin : begin + _AT_ONCE]].astype(np.float64)
        weight = np.exp(batch * np.float32(inverse))
        if moments:
            # −∞ counts with weight 0.
            np.maximum(batch, np.finfo(np.float32).min, out=batch)
        sums = [weight.sum(axis=1, dtype=np.float64)]
        for _ in range(moments):
            weight *= batch
            sums.append(weight.sum(axis=1, dtype=np.float64))
        yield own, *sums


def _check(logits: np.ndarray, labels: np.ndarray) -> None:
    if len(logits) != len(labels):
        raise ValueError(f"found {len(logits):,} rows of logits for {len(labels):,} labels; expected one row per label")
    outside = (labels < 0) | (labels >= logits.shape[1])
    if outside.any():
        raise ValueError(f"labels: found {labels[outside][0]}; expected 0 to {logits.shape[1] - 1}")
