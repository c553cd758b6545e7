"""Histograms of the pixel intensities of one or two datasets, as in figure 1 of the CINIC-10 paper."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from evalshift.analysis.figures.shown import Figure
from evalshift.analysis.figures.style import DPI, LINE, MARK, font_points, literal, styled
from evalshift.analysis.plot_data.sizes import COLUMN, Size
from evalshift.titles import distinct

if TYPE_CHECKING:
    from evalshift.testbed.pixels import PixelStatistics

_COLOURS = (MARK, LINE)
# With so few distinct intensities, bins of width 1 would be needles with gaps between them.
_FEW_SHADES = 64
# The length of dashes and of gaps, in widths of the line.
_DASH = 4


def intensities(sets: Sequence["PixelStatistics"], ax: Axes) -> Axes:
    """Draw a step histogram of each dataset, at most two, with its title, and its mean as a dashed line.

    Pixels of all channels are pooled, so the mean is the mean over channels.
    """
    titles = distinct({one.dataset: one.title or one.dataset for one in sets})
    levels, edges = _bins(sets)
    for place, (one, colour) in enumerate(zip(sets, _COLOURS, strict=False)):
        shares = 100 * one.shares[levels]
        ax.stairs(shares, edges, color=colour, alpha=0.25, fill=True, gid=f"area-{one.dataset}")
        ax.stairs(shares, edges, color=colour, lw=font_points(0.8), label=literal(titles[one.dataset]), gid=one.dataset)
        mean = 255 * float(one.mean.mean())
        # The dashes of one stand in the gaps of the other, so that both are seen where they coincide.
        dashes = (_DASH * place, (_DASH, _DASH))
        ax.axvline(mean, color=colour, lw=font_points(0.8), ls=dashes, gid=f"mean-{one.dataset}")
    ax.set_xlim(0, 256)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("Intensity (0 to 255, all channels; dashed: mean)")
    ax.set_ylabel("Share of pixels (%)")
    ax.legend()
    return ax


def _bins(sets: Sequence["PixelStatistics"]) -> tuple[np.ndarray, np.ndarray]:
    """The intensities drawn and the edges of their bins; only those that occur, if they are few."""
    levels = np.flatnonzero(sum(one.shares for one in sets))
    if not 1 < len(levels) <= _FEW_SHADES:
        return np.arange(256), np.arange(257)
    between = (levels[1:] + levels[:-1] + 1) / 2
    return levels, np.concatenate([[levels[0]], between, [levels[-1] + 1]])


def intensities_figure(sets: Sequence["PixelStatistics"], size: Size | None = None) -> Figure:
    """Draw `intensities` as a figure. The default size is COLUMN."""
    size = size or COLUMN
    with styled(size):
        figure = Figure(figsize=(size.width, size.height or 0.62 * size.width), layout="constrained", dpi=DPI)
        intensities(sets, figure.add_subplot())
    return figure
