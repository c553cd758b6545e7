"""Figure sizes: width, font size, and the largest number of rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalshift.errors import unknown_name


@dataclass(frozen=True)
class Size:
    """Size of a figure.

    width    inches
    letters  font size in points; smaller text, lines and markers are scaled with it
    height   inches, for a fixed shape; None if a figure takes the height that it needs, at most `tallest`
    tallest  inches
    rows     largest number of models in a figure with one row per model
    settings of matplotlib (rcParams) over the style of all figures
    """

    name: str
    width: float
    letters: float
    height: float | None
    tallest: float
    rows: int
    settings: Mapping[str, Any] = field(default_factory=dict, compare=False)


# The text of a letter or A4 page is 9.2 inches high. All figures of a paper have one font size, whatever their width.
COLUMN = Size("column", width=3.4, letters=7.0, height=None, tallest=9.2, rows=70)
PAGE = Size("page", width=7.0, letters=7.0, height=None, tallest=9.2, rows=70)
# 16:9, with few rows: they must be readable from the back of a room.
SLIDE = Size("slide", width=10.0, letters=14.0, height=5.625, tallest=5.625, rows=20)
SIZES = {size.name: size for size in (COLUMN, PAGE, SLIDE)}


def find_size(name: str) -> Size:
    """The size of this name. Raises UsageError for an unknown name."""
    if name not in SIZES:
        raise unknown_name("unknown figure size", name, SIZES)
    return SIZES[name]
