"""Places for names that no line crosses, found as textalloc finds them in a part of its time.

It draws the whole figure first, places each point of each line by itself, and tries all lines with each name.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import textalloc
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from textalloc import non_overlapping_boxes as of_boxes

_all_lines: Any = getattr(of_boxes, "non_overlapping_with_lines", None)
_one_by_one: Any = getattr(textalloc, "data_to_display", None)


@contextmanager
def quick_places(figure: Figure) -> Iterator[None]:
    """Have textalloc find the same places sooner; the figure must be laid out."""
    with ExitStack() as replaced:
        replaced.enter_context(_replaced(figure, "draw_without_rendering", lambda: None))
        if _all_lines is not None:  # another version may do it otherwise
            replaced.enter_context(_replaced(of_boxes, "non_overlapping_with_lines", _without_lines))
        if _one_by_one is not None:
            replaced.enter_context(_replaced(textalloc, "data_to_display", _placed))
        yield


@contextmanager
def _replaced(owner: Any, name: str, quick: Any) -> Iterator[None]:
    own = name in vars(owner)
    before = getattr(owner, name)
    setattr(owner, name, quick)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, before)
        else:
            delattr(owner, name)


def _placed(x: Any, y: Any, z: Any, ax: Axes, transform: Any = None) -> Any:
    """As `data_to_display`, with all points at once."""
    if z is not None or transform is not None:
        return _one_by_one(x, y, z, ax, transform)
    return (*ax.transData.transform(np.column_stack([x, y])).T, None)


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
