"""Which places for names no line crosses, worked out for the lines near each: textalloc tries all lines with each."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import textalloc.non_overlapping_boxes as of_textalloc
from jaxtyping import Bool, Float

_NAME = "non_overlapping_with_lines"
_all_lines: Any = getattr(of_textalloc, _NAME, None)


@contextmanager
def quick_places() -> Iterator[None]:
    """Have textalloc hold names against the lines near them alone; it finds the same places."""
    if _all_lines is None:  # a version that does it otherwise
        yield
        return
    setattr(of_textalloc, _NAME, _without_lines)
    try:
        yield
    finally:
        setattr(of_textalloc, _NAME, _all_lines)


def _without_lines(
    lines_xyxy: Float[np.ndarray, "n 4"],
    candidates: Float[np.ndarray, "k 4"],
    xmargin: float,
    ymargin: float,
    axis: int = 1,
) -> Bool[np.ndarray, " _"]:
    """Which candidate boxes, with margins, no line crosses and none lies in; with `axis` 0, which lines are in none."""
    margin = np.array([xmargin, ymargin])
    low, high = candidates[:, :2] - margin, candidates[:, 2:] + margin
    ends = lines_xyxy[:, :2], lines_xyxy[:, 2:]
    first, last = np.minimum(*ends), np.maximum(*ends)
    near = np.ones((len(candidates), len(lines_xyxy)), bool)
    for x_or_y in (0, 1):
        near &= low[:, x_or_y, np.newaxis] <= last[:, x_or_y]
        near &= high[:, x_or_y, np.newaxis] >= first[:, x_or_y]
    taken = np.zeros(near.shape, bool)
    boxes, lines = np.nonzero(near)
    taken[boxes, lines] = _meet(low[boxes], high[boxes], ends[0][lines], ends[1][lines])
    return np.logical_not(np.any(taken, axis=axis))


def _meet(low: np.ndarray, high: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether each line crosses an edge of its box, or lies within it."""
    corners = (
        low,
        np.stack([low[:, 0], high[:, 1]], axis=1),
        high,
        np.stack([high[:, 0], low[:, 1]], axis=1),
    )
    found = np.all((low < start) & (high > start) & (low < end) & (high > end), axis=1)
    for corner, other in zip(corners, (*corners[1:], corners[0]), strict=True):
        apart = _left(corner, start, end) != _left(other, start, end)
        found |= apart & (_left(corner, other, start) != _left(corner, other, end))
    return found


def _left(one: np.ndarray, two: np.ndarray, three: np.ndarray) -> np.ndarray:
    """Whether the way from one to two to three turns left."""
    return (three[:, 1] - one[:, 1]) * (two[:, 0] - one[:, 0]) > (two[:, 1] - one[:, 1]) * (three[:, 0] - one[:, 0])
