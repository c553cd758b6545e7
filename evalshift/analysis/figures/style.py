"""How all figures look, and how texts stand in them."""

import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl

COLUMN_WIDTH = 3.4  # inches: one column of a two-column paper
PAGE_WIDTH = 7.0  # both of them
DPI = 200  # of a PNG

# Okabe and Ito's colours, told apart by readers of every kind of colour vision.
INK, QUIET, MARK, LINE, ASIDE = "#222222", "#777777", "#0072B2", "#D55E00", "#009E73"

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: the same letters, and bytes, on every machine
    "font.size": 7,
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
    "pdf.fonttype": 42,  # whole TrueType fonts: journals refuse type 3
    "svg.fonttype": "path",
    "svg.hashsalt": "evalshift",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in this style; a letter that the font lacks becomes a box, and is no reason for a warning."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
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
    """A name as it stands, broken where it is longer than `width` letters."""
    return literal("\n".join(textwrap.wrap(name, width)))
