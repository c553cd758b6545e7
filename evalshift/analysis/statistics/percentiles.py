"""The central part of many draws."""

import numpy as np
from jaxtyping import Float

# Approximate size of the sample that shows where the tails begin.
_SAMPLE = 2000
# The sample is trusted within this many standard deviations; beyond, all draws are partitioned.
_MARGIN = 5


def central_bounds(draws: Float[np.ndarray, "... draw"], level: float) -> Float[np.ndarray, "2 ..."]:
    """The bounds of the central `level` of the draws along the last axis; NaN where there are none.

    Bit-identical to `numpy.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=-1)` and four times as fast for
    100,000 draws: only the tails, located by a sample, are partitioned.

    >>> central_bounds(np.arange(101.0), 0.9)
    array([ 5., 95.])
    """
    if draws.shape[-1] == 0:
        return np.full((2, *draws.shape[:-1]), np.nan)
    if draws.shape[-1] < 4 * _SAMPLE:
        return _quantiles(draws, level)
    bounds = np.empty((2, *draws.shape[:-1]))
    for row in np.ndindex(draws.shape[:-1]):
        found = None if np.isnan(draws[row].max()) else _bounds_from_tails(draws[row], level)
        bounds[(slice(None), *row)] = _quantiles(draws[row], level) if found is None else found
    return bounds


def _quantiles(draws: np.ndarray, level: float) -> np.ndarray:
    return np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=-1)


def _bounds_from_tails(draws: np.ndarray, level: float) -> tuple[float, float] | None:
    sample = np.sort(draws[:: len(draws) // _SAMPLE])
    expected = len(sample) * (1 - level) / 2
    within = int(expected + _MARGIN * np.sqrt(expected)) + 2
    if 2 * within >= len(sample):
        return None
    low, high = draws[draws <= sample[within]], draws[draws >= sample[-1 - within]]
    bounds = (
        _interpolated(low, (1 - level) / 2, len(draws), 0),
        _interpolated(high, (1 + level) / 2, len(draws), len(draws) - len(high)),
    )
    return None if bounds[0] is None or bounds[1] is None else (bounds[0], bounds[1])


def _interpolated(tail: np.ndarray, share: float, count: int, smaller: int) -> float | None:
    """The quantile of `count` draws of which `smaller` are below the tail; None if it is not in the tail."""
    place = (count - 1) * share
    first = int(np.floor(place))
    if first < smaller or first + 1 >= smaller + len(tail):
        return None
    tail.partition((first - smaller, first + 1 - smaller))
    below, above = tail[first - smaller : first + 2 - smaller]
    # From the nearer end, like numpy.
    weight = place - first
    return above - (above - below) * (1 - weight) if weight >= 0.5 else below + (above - below) * weight
