"""What stands on an Axes, found by the id that it has in SVG files."""

import numpy as np
from matplotlib.axes import Axes


def ids(ax: Axes) -> set[str]:
    """The ids of all marks."""
    return {gid for mark in ax.collections if (gid := mark.get_gid())}


def dots(ax: Axes, gid: str) -> np.ndarray:
    """Where dots stand, shape (dot, 2)."""
    (found,) = [mark for mark in ax.collections if mark.get_gid() == gid]
    return np.ma.filled(found.get_offsets(), np.nan)


def strokes(ax: Axes, gid: str) -> np.ndarray:
    """Where lines begin and end, shape (line, end, 2)."""
    (found,) = [mark for mark in ax.collections if mark.get_gid() == gid]
    return np.array(found.get_segments())  # type: ignore[attr-defined]
