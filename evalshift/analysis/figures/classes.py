"""Accuracy on each class, on both sets, over all models."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalshift.analysis.figures.style import COLUMN_WIDTH, DPI, INK, LINE, MARK, QUIET, shortened, styled, wrapped
from evalshift.analysis.ordering import both_ends
from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.shown import shown_classes
from evalshift.analysis.summary import MetricSummary, PairSummary

# Classes in a figure at most, half of them from either end.
MOST = 60
_ROW, _CLOSE_ROW, _MANY = (0.17, 6.0), (0.12, 5.2), 30  # inches, and the size of names
_AROUND, _LINE = 0.85, 0.11
_NAME = 30
# How far from the middle of its row an interval lies, so that the two can be told apart.
_APART = 0.2


def classes(summary: MetricSummary, ax: Axes) -> Axes:
    """Draw the mean accuracy of all models on each class, the original joined with the new, the most fallen on top.

    Intervals are those of `classes` in `MetricSummary.tables`. Of more than `MOST` classes those that fall most and
    least (or rise) are drawn, with their number between them. Raises KeyError where the summary has no such table.
    """
    frame = shown_classes(summary)
    if frame is None:
        raise KeyError("classes")
    shown = frame.iloc[both_ends(len(frame), MOST)]
    between = len(frame) - len(shown)
    rows = np.arange(len(shown))
    if between:
        rows[len(shown) // 2 :] += 1
    before, after = (100 * shown[f"{side}_accuracy"].to_numpy() for side in ("original", "new"))
    ax.hlines(rows, before, after, color=QUIET, linewidth=1.4, alpha=0.55, zorder=2, gid="drops")
    level = f"{100 * summary.level:g} % interval"
    for side, where, colour, mark, size, apart in (
        ("original", before, MARK, "o", 10, -_APART),
        ("new", after, LINE, "D", 9, _APART),
    ):
        ends = (100 * shown[f"{side}_accuracy_{end}"].to_numpy() for end in ("low", "high"))
        ax.hlines(rows + apart, *ends, color=colour, linewidth=0.6, alpha=0.55, zorder=1, gid=f"{side}-intervals")
        ax.scatter(
            where, rows, s=size, marker=mark, color=colour, linewidths=0, zorder=3, label=f"{side}, {level}", gid=side
        )
    names = [shortened(name, _NAME) for name in shown["class"]]
    if between:
        rows, names = np.append(rows, len(shown) // 2), [*names, f"… {between:,} classes between …"]
    ax.set_yticks(rows, names)
    ax.tick_params(axis="y", length=0, labelsize=_room(len(shown))[1])
    ax.spines["left"].set_visible(False)
    models = len(summary.statistics.image_models)
    mean = "Accuracy" if models == 1 else f"Mean accuracy of {models:,} models"
    ax.set(ylim=(rows.max() + 0.6, -0.6), xlabel=f"{mean} (%)")
    return ax


def classes_figure(pair: PairSummary, metric: str = "top1") -> Figure | None:
    """`classes` on a figure of its own, as wide as a column of a paper; None where no class can be compared."""
    summary = pair.metrics[metric]
    frame = shown_classes(summary)
    if frame is None:
        return None
    count = min(len(frame), MOST) + (len(frame) > MOST)
    caption = wrapped(f"{summary.outcomes.original} → {summary.outcomes.new}, top-{METRICS[metric]}")
    height = _AROUND + _LINE * caption.count("\n") + _room(count)[0] * count
    with styled():
        figure = Figure(figsize=(COLUMN_WIDTH, height), layout="constrained", dpi=DPI)
        classes(summary, figure.add_subplot())
        figure.legend(loc="outside upper center", handlelength=1.2, ncols=2)
        figure.supxlabel(caption, fontsize=6.5, color=INK)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _room(rows: int) -> tuple[float, float]:
    return _ROW if rows <= _MANY else _CLOSE_ROW
