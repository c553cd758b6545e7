"""Height and font size of figures with one row per model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.text import Text

from evalshift.analysis.figures.style import HIGHLIGHT, QUIET, font_points, scale_of
from evalshift.analysis.plot_data.sizes import Size

_LINE = 0.11  # inches in a column
ROW, CLOSE_ROW = 0.16, 0.115  # inches in a column: rows with two markers, rows with one
_NAME, _NAME_IN_ROW = 6.0, 45.0  # font size of a name in points: at most, and per inch of its row


@dataclass(frozen=True)
class Rows:
    """The height of the figure in inches, and the font size of names in points."""

    height: float
    name: float


def rows(count: int, size: Size, around: float, caption: str, row: float = ROW) -> Rows:
    """Height of `count` rows of `row` inches, less where there is no room, plus `around` them; inches in a column.

    `around` includes the first line of the caption.
    """
    scale = scale_of(size)
    around += _LINE * caption.count("\n")
    left = (size.tallest - around * scale) / count
    taken = min(row * scale, left) if size.height is None else left
    height = around * scale + taken * count if size.height is None else size.height
    return Rows(height, min(_NAME * scale, _NAME_IN_ROW * taken))


def shade_rows(ax: Axes, highlighted: np.ndarray) -> None:
    """Draw a band behind the rows of highlighted models."""
    for place in np.flatnonzero(highlighted).tolist():
        ax.axhspan(place - 0.5, place + 0.5, color=HIGHLIGHT, alpha=0.1, linewidth=0, zorder=-1, gid="highlighted")


def draw_row_lines(ax: Axes, places: np.ndarray, alpha: float, zorder: float) -> None:
    """Draw a faint line across the axes in each row, which leads from the names to panels without names."""
    ends = np.stack([np.stack([np.full(len(places), end), places], axis=1) for end in (0, 1)], axis=1)
    # As one collection: the grid of an axis takes its labels along, which are drawn one by one.
    lines = LineCollection(
        list(ends),
        colors=QUIET,
        alpha=alpha,
        linewidths=font_points(0.3),
        capstyle="projecting",
        transform=ax.get_yaxis_transform(),
        zorder=zorder,
    )
    ax.add_collection(lines, autolim=False)


def mark_names(names: Sequence[Text], highlighted: np.ndarray) -> None:
    """Write the names of highlighted models in their colour and bold."""
    for text, marked in zip(names, highlighted.tolist(), strict=True):
        if marked:
            text.set(color=HIGHLIGHT, fontweight="bold")
