"""Accuracy by revision of a test set, as in figure 7 of Recht et al. 2019."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evalshift.analysis.figures.shown import Figure
from evalshift.analysis.figures.style import ASIDE, DPI, LINE, MARK, QUIET, font_points, literal, styled
from evalshift.analysis.plot_data.sizes import COLUMN, Size

_COLOURS = (MARK, LINE, ASIDE, QUIET)


def revisions(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the accuracy of each model, with its interval, over the number at the end of the datasets' names.

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


# Columns of the table "revisions" with shares of a revision, and what they are called in the figure.
_SHARES = {"classes_accepted": "Classes accepted", "kept": "Images kept"}


def reviewing(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Draw how far reviewing had come at each revision: classes accepted, and images kept to the last one.

    Takes the frame of the table "revisions" with `classes_accepted` or `kept`, fractions; NaN where it is unknown.
    """
    rows = frame.drop_duplicates("dataset")
    number = rows["dataset"].str.extract(r"(\d+)$")[0].astype(int).to_numpy()
    for (key, label), colour in zip(_SHARES.items(), (MARK, ASIDE), strict=True):
        if key in rows:
            known = rows[key].notna().to_numpy()
            ax.plot(
                number[known],
                100 * rows[key].to_numpy()[known],
                color=colour,
                marker="s",
                ms=font_points(1.5),
                lw=font_points(0.8),
                label=label,
                gid=key,
            )
    ax.set_xlabel("Revision of the test set")
    ax.set_ylabel("Share (%)")
    ax.legend(loc="lower right")
    return ax


def revisions_figure(frame: pd.DataFrame, size: Size | None = None) -> Figure:
    """Draw `revisions` as a figure, with `reviewing` below it if its shares are known. The default size is COLUMN."""
    size = size or COLUMN
    shares = any(key in frame for key in _SHARES)
    height = size.height or (1.3 if shares else 0.8) * size.width
    with styled(size):
        figure = Figure(figsize=(size.width, height), layout="constrained", dpi=DPI)
        if shares:
            above, below = figure.subplots(2, sharex=True, height_ratios=(3, 2))
            revisions(frame, above).set_xlabel("")
            reviewing(frame, below)
        else:
            revisions(frame, figure.add_subplot())
    return figure
