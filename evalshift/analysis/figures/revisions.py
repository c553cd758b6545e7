"""Accuracy by revision of a test set, as in figure 7 of Recht et al. 2019."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalshift.analysis.figures.shown import Figure
from evalshift.analysis.figures.style import ASIDE, DPI, LINE, MARK, QUIET, font_points, literal, styled
from evalshift.analysis.plot_data.sizes import COLUMN, Size

_COLOURS = (MARK, LINE, ASIDE, QUIET)


def revisions(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the accuracy of each model over the number at the end of its datasets' names, with its interval.

    Takes the frame of the table "revisions": dataset, model, accuracy, accuracy_low, accuracy_high as fractions.
    """
    number = frame["dataset"].str.extract(r"(\d+)$")[0].astype(int)
    best_first = frame.groupby("model")["accuracy"].mean().sort_values(ascending=False).index
    for place, model in enumerate(best_first):
        rows = frame[frame["model"] == model].assign(number=number).sort_values("number")
        accuracy = 100 * rows["accuracy"].to_numpy()
        around = np.stack(
            [accuracy - 100 * rows["accuracy_low"].to_numpy(), 100 * rows["accuracy_high"].to_numpy() - accuracy]
        )
        colour = _COLOURS[place % len(_COLOURS)]
        ax.errorbar(
            rows["number"].to_numpy(),
            accuracy,
            yerr=around,
            color=colour,
            marker="o",
            ms=font_points(2),
            lw=font_points(0.8),
            elinewidth=font_points(0.5),
            label=literal(str(model)),
            gid=str(model),
        )
    ax.set_xlabel("Revision of the test set")
    ax.set_ylabel("Accuracy (%)")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return ax


def revisions_figure(frame: pd.DataFrame, size: Size | None = None) -> Figure:
    """Draw `revisions` as a figure. The default size is COLUMN."""
    size = size or COLUMN
    with styled(size):
        figure = Figure(figsize=(size.width, size.height or 0.8 * size.width), layout="constrained", dpi=DPI)
        revisions(frame, figure.add_subplot())
    return figure
