"""Rank changes of the models, with confidence sets of ranks."""

import numpy as np
import pandas as pd

from evalshift.analysis.page.chart import Chart, axis, height_of, markers, named_axis, strokes, view
from evalshift.analysis.page.words import labels, plotly_text
from evalshift.analysis.plot_data.shown import ShownRanks, of_all_words, shown_ranks
from evalshift.analysis.summary import MetricSummary
from evalshift.analysis.summary.sentences import rank_words

MOST = 80


def bump_chart(metric: MetricSummary) -> Chart | None:
    """Ranks on both sets, joined; beside them the confidence sets, if there are per-image predictions."""
    shown = shown_ranks(metric, MOST)
    if shown is None:
        return None
    count = len(shown.table)
    return Chart(
        key="ranks",
        title="Rank changes",
        result=_result(metric),
        caption=_caption(metric, shown.sets is not None, of_all_words(shown.rows, len(metric.table))),
        views={"ranks": _view(shown)},
        height=height_of(count),
    )


def _view(shown: ShownRanks) -> dict:
    table, right, real, sets = shown.table, shown.right, shown.real, shown.sets
    count = len(table)
    left = np.arange(count)
    texts = _texts(table, sets)
    data = []
    for beyond, colour, width, opacity in ((False, "--quiet", 1, 0.6), (True, "--line", 2, 1)):
        rows = np.flatnonzero(real == beyond)
        if len(rows):
            x = [value for _ in rows for value in (0, 1, None)]
            y = [value for row in rows for value in (int(left[row]), int(right[row]), None)]
            data.append(strokes(x, y, colour, rows=rows.tolist(), width=width, opacity=opacity, xaxis="x2"))
    colours = ["--line" if beyond else "--mark" for beyond in real]
    for at, ranks, axis_name in ((0, left, "y"), (1, right, "y2")):
        data.append(
            markers(
                [at] * count,
                ranks.tolist(),
                ["--highlight" if mine else colour for mine, colour in zip(shown.highlighted, colours, strict=True)],
                text=texts,
                rows=range(count),
                marker={
                    "symbol": ["star" if mine else "circle" for mine in shown.highlighted],
                    "size": [13 if mine else 7 for mine in shown.highlighted],
                },
                xaxis="x2",
                yaxis=axis_name,
            )
        )
    if sets is not None:
        for side, ranks, x_axis, y_axis in (("original", left, "x", "y"), ("new", right, "x3", "y2")):
            data += _sets(sets, shown.with_sets.tolist(), side, ranks, colours, texts, x_axis, y_axis)
    names = labels(map(str, table["title"]), shown.highlighted)
    flank = 0.24 if sets is not None else 0.0
    last = count if sets is None else sets[["original_rank_high", "new_rank_high"]].to_numpy().max()
    aside = axis("Confidence set of the rank", range=[0, float(last) + 1], fixedrange=True, nticks=4)
    plan = {
        "height": height_of(count),
        "margin": {"l": 40, "r": 40, "t": 30, "b": 44},
        "xaxis2": axis(
            "",
            domain=[flank + 0.02, 0.98 - flank],
            range=[-0.06, 1.06],
            tickvals=[0, 1],
            ticktext=["Original", "New"],
            fixedrange=True,
            showgrid=False,
            side="top",
            ticks="",
        ),
        "yaxis": named_axis(names),
        "yaxis2": named_axis([names[row] for row in shown.new_order])
        | {"overlaying": "y", "side": "right", "anchor": "free", "position": 1},
    }
    if sets is not None:
        plan |= {
            "xaxis": aside | {"domain": [0, flank]},
            "xaxis3": aside | {"domain": [1 - flank, 1], "anchor": "y2"},
        }
    else:
        plan |= {"xaxis": axis("", domain=[0, 0.01], visible=False)}
    return view(data, **plan)


def _sets(sets, rows, side, ranks, colours, texts, x_axis, y_axis) -> list[dict]:
    low, high, rank = (sets[f"{side}_rank{end}"].astype(float).tolist() for end in ("_low", "_high", ""))
    drawn = []
    for colour in ("--mark", "--line"):
        own = [place for place, row in enumerate(rows) if colours[row] == colour]
        x = [value for place in own for value in (low[place], high[place], None)]
        y = [value for place in own for value in (int(ranks[rows[place]]), int(ranks[rows[place]]), None)]
        kept = [rows[place] for place in own]
        drawn.append(strokes(x, y, colour, rows=kept, width=3, opacity=0.45, xaxis=x_axis, yaxis=y_axis))
    y = [int(ranks[row]) for row in rows]
    drawn.append(
        markers(
            rank,
            y,
            [colours[row] for row in rows],
            text=[texts[row] for row in rows],
            rows=rows,
            marker={"size": 5},
            xaxis=x_axis,
            yaxis=y_axis,
        )
    )
    return drawn


def _texts(table: pd.DataFrame, sets: pd.DataFrame | None) -> list[str]:
    found = {} if sets is None else sets.to_dict("index")
    texts = []
    for row in table.to_dict("records"):
        own = found.get(row["model"])
        change = f"{row['delta_rank']:+d}".replace("-", "−") if row["delta_rank"] else "0"
        lines = [f"<b>{plotly_text(str(row['title']))}</b>"]
        for side in ("original", "new"):
            reach = "" if own is None else f" [{own[f'{side}_rank_low']:.0f}, {own[f'{side}_rank_high']:.0f}]"
            lines.append(f"{side} rank {row[f'{side}_rank']}{reach}")
        reach = "" if own is None else f" [{own['change_low']:.0f}, {own['change_high']:.0f}]".replace("-", "−")
        lines.append(
            f"Δ rank {change}{reach}{', statistically significant' if own is not None and own['real'] else ''}"
        )
        texts.append("<br>".join(lines))
    return texts


def _result(metric: MetricSummary) -> str:
    known = metric.table["delta_rank_real"].dropna()
    words = f"{rank_words(metric.table)}."
    if len(known) == 0:
        return f"{words} Significance of rank changes is not computed from counts alone."
    real = int(known.sum())
    return f"{words} {real or 'None'} of the changes {'are' if real != 1 else 'is'} statistically significant."


def _caption(metric: MetricSummary, with_sets: bool, of_all: str) -> str:
    words = "Models in order of their accuracy on the original set (left) and on the new set (right)."
    if with_sets:
        words += (
            f" Bars are simultaneous confidence sets: they contain all true ranks of a set with a probability of "
            f"{100 * metric.level:g} %. Orange: the rank change is statistically significant."
        )
    if of_all:
        words += f" {of_all[0].upper()}{of_all[1:]}."
    return words
