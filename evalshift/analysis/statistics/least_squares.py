"""Least-squares lines, many at once."""

import numpy as np
from jaxtyping import Float

# If the variance of x is below this share of its mean square, sums of squares are too imprecise for a line.
_TOO_FEW_DIGITS = 1e-4


def weighted_least_squares(
    x: Float[np.ndarray, "#line model"], y: Float[np.ndarray, "#line model"], weights: Float[np.ndarray, "#line model"]
) -> Float[np.ndarray, "2 line"]:
    """Slopes and offsets of many lines at once, each with its own points or its own weights (0 or more) or both.

    NaN if all x with positive weight are equal, and if none has positive weight.

    >>> weighted_least_squares(np.array([[0.0, 1.0, 2.0]]), np.array([[1.0, 3.0, 4.0]]), np.array([[1.0, 1.0, 0.0]]))
    array([[2.],
           [1.]])
    """
    if len(x) == len(y) == 1:
        return _of_the_same_points(x[0], y[0], weights)
    return _by_deviations(x, y, weights)


def _of_the_same_points(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """From the weighted sums of 1, x, y, x² and xy, in one matrix product; from deviations where sums are imprecise."""
    # Centred at the median, which a single distant point does not move, so that lines without that point keep their
    # precision.
    x_0, y_0 = np.median(x), np.median(y)
    dx, dy = x - x_0, y - y_0
    total, *sums = (weights @ np.stack([np.ones_like(x), dx, dy, dx**2, dx * dy], axis=1)).T
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_x, mean_y, mean_xx, mean_xy = (each / total for each in sums)
        spread = mean_xx - mean_x**2
        slope = (mean_xy - mean_x * mean_y) / spread
        lines = np.stack([slope, y_0 + mean_y - slope * (x_0 + mean_x)])
        lost = ~(spread > _TOO_FEW_DIGITS * mean_xx)
    if lost.any():
        lines[:, lost] = _by_deviations(x[np.newaxis], y[np.newaxis], weights[lost])
    return lines


def _by_deviations(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    # First, deviations from a point with positive weight: if all such x are equal, these are exactly 0.
    anchor = weights.argmax(axis=-1)[:, np.newaxis]
    x_0, y_0 = (
        np.take_along_axis(np.broadcast_to(v, (len(anchor), v.shape[1])) if len(v) == 1 else v, anchor, -1)
        for v in (x, y)
    )
    dx, dy = x - x_0, y - y_0
    total = weights.sum(axis=-1)[:, np.newaxis]
    total = np.where(total > 0, total, np.nan)
    shift_x, shift_y = (np.einsum("...i,...i->...", weights, d)[:, np.newaxis] / total for d in (dx, dy))
    dx -= shift_x
    weighted = weights * dx
    spread = np.einsum("...i,...i->...", weighted, dx)
    slope = np.full_like(spread, np.nan)
    np.divide(np.einsum("...i,...i->...", weighted, dy), spread, out=slope, where=spread > 0)
    return np.stack([slope, (y_0 + shift_y)[:, 0] - slope * (x_0 + shift_x)[:, 0]])
