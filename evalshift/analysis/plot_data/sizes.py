"""What figures are made for: how wide they are, how large their letters, how many models they have a row for."""

from dataclasses import dataclass

from evalshift.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Size:
    """What a figure is made for.

    width    inches
    letters  points of its letters; smaller letters, lines and marks go along with them
    height   inches, where the place has a fixed shape; None where a figure takes what it needs, `tallest` at most
    tallest  inches
    rows     models at most, in a figure with a row for each
    """

    name: str
    width: float
    letters: float
    height: float | None
    tallest: float
    rows: int


# A paper of letter or A4 format is 9.2 inches high without its margins. Its figures have letters of one size, however
# wide they are.
COLUMN = Size("column", width=3.4, letters=7.0, height=None, tallest=9.2, rows=70)
PAGE = Size("page", width=7.0, letters=7.0, height=None, tallest=9.2, rows=70)
# 16:9. What can be read from the back of a room is few rows.
SLIDE = Size("slide", width=10.0, letters=14.0, height=5.625, tallest=5.625, rows=20)
SIZES = {size.name: size for size in (COLUMN, PAGE, SLIDE)}


def find_size(name: str) -> Size:
    """The size of this name; UsageError where there is none."""
    if name not in SIZES:
        raise UsageError(
            "figures are not drawn in this size",
            found=f'"{name}"',
            expected=", ".join(SIZES),
            fix=did_you_mean(name, SIZES),
        )
    return SIZES[name]
