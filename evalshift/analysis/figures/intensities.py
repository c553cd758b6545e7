"""Histograms of the intensities of one or two datasets -> marks on an Axes, as figure 1 of the CINIC-10 paper."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalshift.analysis.figures.style import COLUMN_WIDTH, LINE, MARK, STYLE, literal

_COLOURS = (MARK, LINE)


@dataclass(frozen=True, eq=False)
class Intensities:
    """Which share of a dataset's pixels, channels taken together, has each intensity from 0 to 255, and their mean."""

    name: str
    shares: Float[np.ndarray, "256"]
    mean: float


def histogram(sets: Sequence[Intensities], ax: Axes) -> Axes:
    """A curve of steps for each of at most two sets, and its mean, in [0, 1], as a dashed line."""
    for one, colour in zip(sets, _COLOURS, strict=False):
        ax.stairs(100 * one.shares, np.arange(257), color=colour, alpha=0.25, fill=True, gid=f"area-{one.name}")
        ax.stairs(100 * one.shares, np.arange(257), color=colour, lw=0.8, label=literal(one.name), gid=one.name)
        ax.axvline(255 * one.mean, color=colour, lw=0.8, ls="--", gid=f"mean-{one.name}")
    ax.set_xlim(0, 256)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("intensity, all channels; dashed: mean")
    ax.set_ylabel("share of pixels (%)")
    ax.legend()
    return ax


def histogram_figure(sets: Sequence[Intensities]) -> Figure:
    """The same as a figure one column wide."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 0.62 * COLUMN_WIDTH), layout="constrained")
        histogram(sets, figure.add_subplot())
    return figure
