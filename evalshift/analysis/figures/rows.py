"""How high a figure is that has a row for each model, and how large the names beside its rows."""

from dataclasses import dataclass

from evalshift.analysis.figures.style import scale_of
from evalshift.analysis.plot_data.sizes import Size

_LINE = 0.11  # inches in a column
ROW, CLOSE_ROW = 0.16, 0.115  # inches in a column: rows of two marks, rows of one
_NAME, _NAME_IN_ROW = 6.0, 45.0  # points of a name: at most, and for each inch of its row


@dataclass(frozen=True)
class Rows:
    """The height of the figure in inches, and the points of a name."""

    height: float
    name: float


def rows(count: int, size: Size, around: float, caption: str, row: float = ROW) -> Rows:
    """Room for `count` rows, each `row` high where there is place for that, and `around` them; inches in a column.

    `around` has one line of the caption in it.
    """
    scale = scale_of(size)
    around += _LINE * caption.count("\n")
    left = (size.tallest - around * scale) / count
    taken = min(row * scale, left) if size.height is None else left
    height = around * scale + taken * count if size.height is None else size.height
    return Rows(height, min(_NAME * scale, _NAME_IN_ROW * taken))
