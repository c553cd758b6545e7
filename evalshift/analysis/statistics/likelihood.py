"""Negative log-likelihood of the labels, and the temperature that minimises it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from evalshift.analysis.statistics.intervals import Interval, check_level

# Cells at once: in float32, they fit the processor's cache. A first fit to this many images saves passes over all.
_CELLS_AT_ONCE, _FIRST_FIT = 2**18, 5_000
# Up to this many converted logits are kept between passes: 1 GB, or 268,000 images with 1,000 classes.
_CELLS_KEPT = 2**28
# Replaces −∞: its weight is 0 at any temperature, and its products are finite.
_IMPOSSIBLE = np.float32(-1e30)
# Newton's method converges quadratically: after a step below the tolerance, the error is about its square.
_NARROWEST, _TOLERANCE, _MOST_STEPS = (1e-3, 1e3), 1e-4, 60


@dataclass(frozen=True)
class Temperature:
    """The divisor of the logits that makes the labels most likely; above 1 for an over-confident model.

    temperature, interval   NaN if no temperature is best, because every label has the highest logit or because the
                            logits are uninformative about the labels
    """

    temperature: float
    interval: Interval[float]


def label_likelihoods(
    logits: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], temperature: float = 1.0
) -> Float[np.ndarray, " n"]:
    """−ln of the probability of each image's label in the softmax of logits / temperature, at least 0.

    Infinite where the logit of the label is −∞. Labels are column numbers.
    Raises ValueError for labels outside the columns, numbers of rows that differ, and a temperature of 0 or less.

    >>> label_likelihoods(np.array([[0.0, 0.0], [np.log(3), 0.0]]), np.array([0, 1])).round(3)
    array([0.693, 1.386])
    """
    return LabelledLogits(logits, labels).likelihoods(temperature)


def fit_temperature(
    logits: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], level: float = 0.95
) -> Temperature:
    """The temperature with the least mean negative log-likelihood of the labels, from 0.001 to 1,000.

    Newton's method in 1/temperature, in which the negative log-likelihood is convex. The interval is that of an
    M-estimator (its sandwich variance), symmetric for the logarithm of the temperature.
    Raises what `label_likelihoods` raises, and ValueError for a level outside (0, 1).
    Source: Guo, Pleiss, Sun, Weinberger 2017, ICML, arXiv 1706.04599; Huber 1967, Fifth Berkeley Symposium 1, 221-233
    (sandwich).
    """
    check_level(level)
    return LabelledLogits(logits, labels).temperature(level)


class LabelledLogits:
    """Logits of n images with their labels: computes several of the numbers above from logits converted once.

    Raises ValueError for labels outside the columns, and numbers of rows that differ.
    """

    def __init__(self, logits: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"]) -> None:
        _check(logits, labels)
        self._logits, self._labels = logits, labels
        self._kept: list[tuple[np.ndarray, np.ndarray]] = []

    def __len__(self) -> int:
        return len(self._labels)

    def likelihoods(self, temperature: float = 1.0) -> Float[np.ndarray, " n"]:
        """See `label_likelihoods`."""
        if not temperature > 0:
            raise ValueError(f"temperature: found {temperature}; expected a number above 0")
        parts = [np.log(total) - own / temperature for own, total, *_ in self._sums(1 / temperature, moments=0)]
        return np.concatenate(parts) if parts else np.empty(0)

    def temperature(self, level: float = 0.95) -> Temperature:
        """See `fit_temperature`."""
        undefined = Temperature(math.nan, Interval(math.nan, math.nan))
        if not len(self):
            return undefined
        step = -(-len(self) // _FIRST_FIT)
        first = None if step == 1 else LabelledLogits(self._logits[::step], self._labels[::step])._solve(1.0)
        found = self._solve(1.0 if first is None else first.inverse)
        if found is None:
            return undefined
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.std(found.slopes) / math.sqrt(len(self)) / found.curvature / found.inverse
        factor = math.nan
        if np.isfinite(error) and error > 0:
            factor = math.exp(float(special.ndtri((1 + level) / 2)) * float(error))
        return Temperature(1 / found.inverse, Interval(1 / found.inverse / factor, factor / found.inverse))

    def _solve(self, start: float) -> "_Solution | None":
        """Root of the mean derivative of the negative log-likelihood by 1/temperature; None if it has none."""
        low, high = _NARROWEST
        inverse, before = start, None
        for _ in range(_MOST_STEPS):
            slopes, curvatures = self._slopes(inverse)
            slope, curvature = float(np.mean(slopes)), float(np.mean(curvatures))
            if not math.isfinite(slope):
                return None
            low, high = (inverse, high) if slope < 0 else (low, inverse)
            stepped = inverse - slope / curvature if curvature > 0 else math.inf
            # If Newton's method leaves the interval known to contain the root, take its geometric middle instead.
            following = stepped if low < stepped < high else math.sqrt(low * high)
            moved = following - inverse
            if abs(moved) <= _TOLERANCE * inverse:
                if following < 1.01 * _NARROWEST[0] or following > 0.99 * _NARROWEST[1]:
                    return None
                # Slopes and curvature after the step, to first order, which saves another pass.
                bend = 0.0 if before is None else (curvature - before[1]) / (inverse - before[0])
                return _Solution(following, slopes + curvatures * moved, curvature + bend * moved)
            before, inverse = (inverse, curvature), following
        return None

    def _slopes(self, inverse: float) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivative of each image's negative log-likelihood in 1/temperature."""
        slopes, curvatures = [], []
        for own, total, first, second in self._sums(inverse, moments=2):
            mean = first / total
            slopes.append(mean - own)
            curvatures.append(second / total - mean**2)
        return np.concatenate(slopes), np.concatenate(curvatures)

    def _sums(self, inverse: float, moments: int) -> Iterator[tuple[np.ndarray, ...]]:
        """For a batch of images, with z = logits − maximum: z of the label, and Σ zᵏ exp(z/temperature) for k from 0.

        NumPy sums rows pairwise, so that slopes keep seven digits in float32; likelihoods near 0 need more.
        """
        exact = np.float64 if moments == 0 else np.float32
        for own, batch in self._batches():
            weight = batch * np.float32(inverse)
            np.exp(weight, out=weight)
            sums = [weight.sum(axis=1, dtype=exact).astype(np.float64)]
            for _ in range(moments):
                weight *= batch
                sums.append(weight.sum(axis=1).astype(np.float64))
            yield own, *sums

    def _batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """z of the labels, which may be −∞, and z of all columns, made finite."""
        if self._kept:
            yield from self._kept
            return
        keep = self._logits.size <= _CELLS_KEPT
        rows = max(1, _CELLS_AT_ONCE // max(1, self._logits.shape[1]))
        kept = []
        for begin in range(0, len(self), rows):
            batch = _as_float32(self._logits[begin : begin + rows])
            batch -= batch.max(axis=1, keepdims=True)
            own = batch[np.arange(len(batch)), self._labels[begin : begin + rows]].astype(np.float64)
            np.maximum(batch, _IMPOSSIBLE, out=batch)
            if keep:
                kept.append((own, batch))
            yield own, batch
        self._kept = kept


@dataclass(frozen=True, eq=False)
class _Solution:
    """1/temperature of minimal negative log-likelihood, with each image's derivative there and the mean curvature."""

    inverse: float
    slopes: np.ndarray
    curvature: float


@cache
def _halves() -> np.ndarray:
    """Every half-precision number as float32, indexed by its bits: a look-up is six times as fast as NumPy's cast."""
    return np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)


def _as_float32(logits: np.ndarray) -> np.ndarray:
    """A float32 copy."""
    if logits.dtype == np.float16 and logits.dtype.isnative:
        return _halves()[np.ascontiguousarray(logits).view(np.uint16)]
    return logits.astype(np.float32)


def _check(logits: np.ndarray, labels: np.ndarray) -> None:
    if len(logits) != len(labels):
        raise ValueError(f"found {len(logits):,} rows of logits for {len(labels):,} labels; expected one row per label")
    outside = (labels < 0) | (labels >= logits.shape[1])
    if outside.any():
        raise ValueError(f"labels: found {labels[outside][0]}; expected 0 to {logits.shape[1] - 1}")
