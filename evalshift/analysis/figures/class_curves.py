"""Accuracy by class, sorted, as in figure 6 of Chrabaszcz et al. 2017."""

import pandas as pd
from matplotlib.axes import Axes

from evalshift.analysis.figures.shown import Figure
from evalshift.analysis.figures.style import ASIDE, DPI, LINE, MARK, QUIET, font_points, literal, styled
from evalshift.analysis.plot_data.sizes import COLUMN, PAGE, Size

_COLOURS = (MARK, LINE, ASIDE, QUIET)
_DASHES = ("-", "--", ":", "-.")
_TITLES = {"top1": "Top-1", "top5": "Top-5"}


def class_curves(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the accuracy of each class over its rank, with one curve per model.

    Takes rows of one metric of the table "class_accuracy": model, rank, accuracy as a fraction. Each model has its own
    ranks, so all curves fall. With more than four models, curves also differ in their dashes.
    """
    for place, (model, rows) in enumerate(frame.groupby("model", sort=False)):
        ax.plot(
            rows["rank"].to_numpy(),
            100 * rows["accuracy"].to_numpy(),
            color=_COLOURS[place % len(_COLOURS)],
            ls=_DASHES[place // len(_COLOURS) % len(_DASHES)],
            lw=font_points(1),
            label=literal(str(model)),
            gid=str(model),
        )
    ax.set_ylim(0, 102)
    ax.set_xlim(1, max(2, int(frame["rank"].max())))
    ax.set_xlabel("Rank of the class, by each model's accuracy")
    return ax


def class_curves_figure(frame: pd.DataFrame, size: Size | None = None) -> Figure:
    """Draw `class_curves` as a figure, one panel per metric. The default size is PAGE for two metrics, else COLUMN."""
    metrics = list(dict.fromkeys(frame["metric"]))
    size = size or (PAGE if len(metrics) > 1 else COLUMN)
    with styled(size):
        height = size.height or 0.72 * size.width / len(metrics)
        figure = Figure(figsize=(size.width, height), layout="constrained", dpi=DPI)
        for ax, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
            class_curves(frame[frame["metric"] == metric], ax)
            ax.set_ylabel(f"{_TITLES[metric]} accuracy (%)")
        if len(frame["model"].unique()) > 1:
            figure.axes[0].legend(loc="lower left")
    return figure
