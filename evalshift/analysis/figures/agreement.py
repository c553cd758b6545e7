"""Heat map of the agreement between models."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from evalshift.analysis.figures.rows import mark_names
from evalshift.analysis.figures.shown import Figure
from evalshift.analysis.figures.style import (
    DPI,
    INK,
    across,
    font_points,
    lay_out,
    scale_of,
    shortened,
    styled,
    wrapped,
)
from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.plot_data.agreement import agreement_plot
from evalshift.analysis.plot_data.sizes import COLUMN, PAGE, Size
from evalshift.analysis.summary import MetricSummary, PairSummary

# Largest number of models in the figure.
MOST = 100
# From light to dark: readable with any colour vision, and in grayscale.
_COLOURS, _UNDEFINED = "YlGnBu", "#cccccc"
# Longest name in letters, width of a letter in inches per point; row height in inches and font size in points.
_NAME, _LETTER, _ROW, _CLOSE_ROW, _FEW = 26, 0.0082, (0.08, 6.0), (0.066, 5.2), 20
# Inches beside the panels, above and below them, between them, and per further line of the caption.
_BESIDE, _AROUND, _BETWEEN, _LINE = 0.85, 0.68, 0.2, 0.11


def agreement(summary: MetricSummary, original: Axes, new: Axes) -> tuple[Axes, Axes]:
    """Draw the agreement of every two models on either set; darker is higher.

    For top-1 it is the share of images with the same prediction; for top-5, error consistency (Cohen's κ of correct
    and incorrect), grey where undefined. Similar models are next to each other, in one order for rows and columns of
    both sets, taken from the original one. All names are written, or only those of highlighted models if there is no
    room for all. With more than `MOST` models, the most accurate are drawn. Both axes share one colour scale, see
    `AgreementPlot.span`: `original.images[0]` makes the colour bar.
    Raises ValueError for fewer than three models with per-image predictions, and if agreement is undefined.
    """
    shown = agreement_plot(summary, MOST)
    if shown is None:
        raise ValueError("agreement: found fewer than three models for which it is defined; expected three or more")
    low, high = shown.span
    count = len(shown.models)
    row, size = _room(count)
    box, figure = original.get_window_extent(), original.get_figure(root=True)
    assert figure is not None
    side = min(box.width, box.height) / figure.dpi
    # A somewhat smaller font if all names then fit, but none smaller than in a column.
    letters = float(np.clip(0.93 * side / (row * count), max(1.0, 0.85 * font_points(1)), font_points(1)))
    named = letters * row * count <= side
    for ax, side in ((original, "original"), (new, "new")):
        ax.imshow(
            shown.values[side], cmap=mpl.colormaps[_COLOURS], vmin=low, vmax=high, interpolation="nearest", gid=side
        )
        ax.set_facecolor(_UNDEFINED)
        ax.set_title(f"{side.capitalize()} set", fontsize=font_points(7))
        ax.set_xticks([])
        # Where there is no room for all names, those of highlighted models are written.
        rows = np.arange(count) if named else np.flatnonzero(shown.highlighted)
        ax.set_yticks(rows, [shortened(shown.models[row], _NAME) for row in rows])
        mark_names(ax.get_yticklabels(), shown.highlighted[rows])
        ax.tick_params(axis="y", left=False, length=0, labelsize=letters * size, labelleft=ax is original)
        ax.spines[:].set_visible(False)
    return original, new


def agreement_figure(pair: PairSummary, metric: str = "top1", size: Size | None = None) -> Figure | None:
    """Draw `agreement` as a figure; in a column, one set is above the other. None if agreement is undefined.

    The default size is PAGE.
    """
    size = size or PAGE
    summary = pair.metrics[metric]
    shown = agreement_plot(summary, MOST)
    if shown is None:
        return None
    count, of = len(shown.models), len(summary.statistics.image_models)
    of_all = f"; the {count} most accurate of {of:,} models" if count < of else ""
    pair_words = f"{pair.title}, top-{METRICS[metric]}{of_all}"
    caption, scale, rows = wrapped(pair_words, across(size)), scale_of(size), 2 if size.name == COLUMN.name else 1
    with styled(size):
        # The panels are square: more height would be empty.
        names = _LETTER * scale * _room(count)[1] * min(_NAME, max(map(len, shown.models)))
        side = (size.width - _BESIDE * scale - names) * rows / 2
        height = rows * side + (rows - 1) * _BETWEEN + (_AROUND + _LINE * caption.count("\n")) * scale
        figure = Figure(figsize=(size.width, size.height or height), layout="compressed", dpi=DPI)
        axes = figure.subplots(rows, 3 - rows)
        agreement(summary, *axes)
        axes[1].tick_params(axis="y", labelleft=rows > 1)
        bar = figure.colorbar(
            axes[0].images[0],
            ax=list(axes),
            shrink=0.8 / rows,
            aspect=24,
            pad=0.015,
            extend=_beyond(shown.least < shown.span[0], shown.span[1] < 1),
        )
        bar.outline.set_visible(False)
        bar.set_label(
            "Images with the same top-1 prediction (%)" if shown.is_share else "Error consistency (Cohen's κ)"
        )
        if shown.is_share:
            bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.6g}"))
        figure.supxlabel(caption, fontsize=font_points(6.5), color=INK)
        lay_out(figure)
        figure.set_layout_engine("none")
    return figure


def _beyond(below: bool, above: bool) -> str:
    """Which ends of the colour bar are pointed: those beyond which values lie."""
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]


def _room(models: int) -> tuple[float, float]:
    return _ROW if models <= _FEW else _CLOSE_ROW
