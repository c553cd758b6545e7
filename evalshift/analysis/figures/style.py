"""How all figures look, and how texts stand in them."""

import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl

from evalshift.analysis.plot_data.sizes import COLUMN, Size

DPI = 200  # of a PNG

# Okabe and Ito's colours, told apart by readers of every kind of colour vision.
INK, QUIET, MARK, LINE, ASIDE = "#222222", "#777777", "#0072B2", "#D55E00", "#009E73"

# As in a column of a paper; other sizes have all that is measured in points larger.
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: the same letters, and bytes, on every machine
    "font.size": COLUMN.letters,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "text.color": INK,
    "text.usetex": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 3.5,
    "ytick.major.pad": 3.5,
    "axes.labelpad": 4.0,
    "pdf.fonttype": 42,  # whole TrueType fonts: journals refuse type 3
    "svg.fonttype": "path",
    "svg.hashsalt": "evalshift",
}


_IN_POINTS = ("size", "width", "pad")


def scale_of(size: Size) -> float:
    """How much larger letters, lines and marks are than in a column."""
    return size.letters / COLUMN.letters


def style_of(size: Size) -> dict[Any, Any]:
    """`STYLE` with all that is measured in points in proportion to the letters of this size."""
    scale = scale_of(size)
    return {key: scale * value if key.endswith(_IN_POINTS) else value for key, value in STYLE.items()}


def points(in_column: float | int) -> float:
    """Points of a letter or a line in the style that holds, of what it takes in a column: all go with the letters."""
    return in_column * mpl.rcParams["font.size"] / COLUMN.letters


def area(in_column: float | int) -> float:
    """The area of a mark, as `scatter` takes it, in the style that holds, of what it is in a column."""
    return points(points(in_column))


def across(size: Size) -> int:
    """How many letters of ordinary width a line across the figure holds."""
    return int(size.width * 72 / (0.58 * size.letters))


@contextmanager
def styled(size: Size = COLUMN) -> Iterator[None]:
    """Draw in this style; a letter that the font lacks becomes a box, and is no reason for a warning."""
    with mpl.rc_context(style_of(size)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        yield


def literal(text: str) -> str:
    """Text that matplotlib shows as it stands: a dollar sign does not begin mathematics.

    >>> print(literal("cost_$5_$6"))
    cost_\\$5_\\$6
    """
    return text.replace("$", r"\$")


def shortened(name: str, longest: int) -> str:
    """A name for an axis, as it stands; one longer than there is room for ends after a word, or within a long one.

    >>> shortened("hammerhead, hammerhead shark (n01494475)", 30), shortened("a_name_that_is_rather_long", 15)
    ('hammerhead, hammerhead shark…', 'a_name_that_is…')
    """
    if len(name) <= longest:
        return literal(name)
    begun = name[: longest - 1]
    whole, _, _ = (begun + name[longest - 1]).rpartition(" ")
    return literal(f"{(whole if 2 * len(whole) > longest else begun).rstrip(' ,;(')}…")


def wrapped(name: str, width: int = 48) -> str:
    """A name as it stands, in lines of at most `width` letters."""
    return literal("\n".join(textwrap.wrap(name, width)))
