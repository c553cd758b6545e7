"""Figures of the page with a curve per model, one view per set."""

import numpy as np

from evalshift.analysis.page.chart import axis, markers, plain, strokes, view
from evalshift.analysis.page.words import plotly_text
from evalshift.analysis.plot_data.model_curves import ModelCurves
from evalshift.formatting import percent

HEIGHT, WIDEST = 460, 560
_COLOURS = {"original": "--mark", "new": "--line"}


def curve_views(curves: ModelCurves, labels: tuple[str, str], diagonal: bool = False) -> dict[str, dict]:
    """Either set: a thin line per model, the one that stands for all, and the diagonal if it is asked for.

    Both sets have the same axes, in percent; `labels` are what stands on them.
    """
    spans = [curves.span("x"), curves.span("y")]
    if diagonal:
        spans = [(min(low for low, _ in spans), 1.0)] * 2
    ranges = [[100 * low - 1, 100 * high + 1] for low, high in spans]
    return {side: _view(curves, side, labels, ranges, diagonal) for side in curves.sides}


def _view(curves: ModelCurves, name: str, labels: tuple[str, str], ranges: list[list[float]], diagonal: bool) -> dict:
    side, colour, rows = curves.sides[name], _COLOURS[name], curves.rows.tolist()
    gap = np.full((len(curves.titles), 1), np.nan)
    x, y = (np.hstack([values, gap]) for values in (side.x, side.y))
    each = x.shape[1]
    named = [label.partition(" (")[0].lower() for label in labels]
    texts = [
        f"<b>{plotly_text(title)}</b><br>{named[0]} {percent(along)} %, {named[1]} {percent(up)} %"
        for title, of_x, of_y in zip(curves.titles, x, y, strict=True)
        for along, up in zip(of_x, of_y, strict=True)
    ]
    of_models = plain(100 * x.ravel(), 2), plain(100 * y.ravel(), 2)
    together = plain(100 * side.together[0], 2), plain(100 * side.together[1], 2)
    # Points to hover over; a curve of many has none that can be seen.
    size = 4 if each < 40 else 3
    visible = 0.3 if each < 40 else 0.0
    meta = {"rows": rows, "each": each}
    guide = [strokes([0, 100], [0, 100], "--quiet", line={"dash": "dash"})] if diagonal else []
    return view(
        [
            *guide,
            strokes(*of_models, colour, rows=rows, each=each, opacity=0.35),
            markers(*of_models, colour, text=texts, marker={"size": size, "opacity": visible}, meta=meta),
            strokes(*together, colour, width=3),
            *([markers(*together, colour)] if each < 40 else []),
        ],
        height=HEIGHT,
        xaxis=axis(labels[0], range=ranges[0]),
        yaxis=axis(labels[1], range=ranges[1]),
    )
