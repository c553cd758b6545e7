"""Style of all figures, and helpers for text in them."""

import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from evalshift.analysis.figures.quick_lines import quick_lines
from evalshift.analysis.figures.text_layout import quick_text
from evalshift.analysis.plot_data.sizes import COLUMN, Size
from evalshift.publishing import visible_text

DPI = 200  # of a PNG

# The palette of Okabe and Ito, distinguishable with any colour vision.
INK, QUIET, MARK, LINE, ASIDE = "#222222", "#777777", "#0072B2", "#D55E00", "#009E73"

# Groups of models, in the order of the legend. Each has a marker of its own, so that none depends on its colour.
GROUPS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#F0E442")
GROUP_MARKERS = ("o", "s", "D", "^", "v", "p", "h")

# A highlighted model: wine of Tol's muted palette, dark enough for text, and a marker that nothing else has.
HIGHLIGHT, HIGHLIGHT_MARKER = "#882255", "*"

# For one column of a paper; other sizes scale everything measured in points.
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: the same glyphs, and bytes, on every machine
    "font.size": COLUMN.letters,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titley": 1.0,  # where it would be put anyway, by measuring every tick label of every figure
    "figure.facecolor": "white",
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "text.color": INK,
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
    "pdf.fonttype": 42,  # embed TrueType fonts: journals refuse type 3
    "svg.fonttype": "path",
    "svg.hashsalt": "evalshift",
}


# Beyond any style: LaTeX would run what somebody named a model.
ALWAYS = {"text.usetex": False}
_IN_POINTS = ("size", "width", "pad")


def scale_of(size: Size) -> float:
    """Scale of text, lines and markers relative to a column."""
    return size.letters / COLUMN.letters


def style_of(size: Size) -> dict[Any, Any]:
    """`STYLE` with everything measured in points scaled to the font size of this figure size, and its settings."""
    scale = scale_of(size)
    scaled = {key: scale * value if key.endswith(_IN_POINTS) else value for key, value in STYLE.items()}
    return scaled | dict(size.settings) | ALWAYS


def font_points(in_column: float | int) -> float:
    """Convert points in a column to points in the current style: everything is scaled with the font size."""
    return in_column * mpl.rcParams["font.size"] / COLUMN.letters


def area(in_column: float | int) -> float:
    """Convert the area of a marker, as `scatter` takes it, from a column to the current style."""
    return font_points(font_points(in_column))


def across(size: Size) -> int:
    """Number of letters of average width that fit across the figure."""
    return int(size.width * 72 / (0.58 * size.letters))


@contextmanager
def styled(size: Size = COLUMN) -> Iterator[None]:
    """Draw in this style. A glyph that the font lacks is drawn as a box, without a warning."""
    with mpl.rc_context(style_of(size)), warnings.catch_warnings(), quick_text(), quick_lines():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        yield


def literal(text: str) -> str:
    """Escape text for matplotlib: a dollar sign does not start math mode, and nothing turns the order of letters.

    >>> print(literal("cost_$5_$6"))
    cost_\\$5_\\$6
    """
    return visible_text(text).replace("$", r"\$")


def shortened(name: str, longest: int) -> str:
    """Shorten a name to at most `longest` letters, preferably after a word; escaped for matplotlib.

    >>> shortened("hammerhead, hammerhead shark (n01494475)", 30), shortened("a_name_that_is_rather_long", 15)
    ('hammerhead, hammerhead shark…', 'a_name_that_is…')
    """
    if len(name) <= longest:
        return literal(name)
    begun = name[: longest - 1]
    whole, _, _ = (begun + name[longest - 1]).rpartition(" ")
    return literal(f"{(whole if 2 * len(whole) > longest else begun).rstrip(' ,;(')}…")


def wrapped(name: str, width: int = 48) -> str:
    """Wrap a name to lines of at most `width` letters; escaped for matplotlib."""
    return literal("\n".join(textwrap.wrap(name, width)))


def lay_out(figure: Figure, passes: int = 1) -> None:
    """Place axes, labels and legends, as drawing would first do, and in half of its time.

    passes   2 where titles wrap: the first pass places them, and only the second makes room for their height
    """
    for _ in range(passes):
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)
    for ax in figure.axes:
        ax.apply_aspect()
