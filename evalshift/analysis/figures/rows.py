"""Height and font size of figures with one row per model."""

from dataclasses import dataclass

from evalshift.analysis.figures.style import scale_of
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
