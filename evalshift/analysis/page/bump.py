"""Rank changes of the models, with confidence sets of ranks."""

from typing import Any

import numpy as np

from evalshift.analysis.page.chart import Chart, axis, bars, height_of, markers, named_axis, strokes, view
from evalshift.analysis.page.words import labels, plotly_text
from evalshift.analysis.plot_data.ordering import describe_shown
from evalshift.analysis.plot_data.ranks import RankPlot, RankSet, RankSets, rank_plot
from evalshift.analysis.summary import MetricSummary
from evalshift.analysis.summary.sentences import rank_words
from evalshift.formatting import counted, signed_count

MOST = 80


def bump_chart(metric: MetricSummary) -> Chart | None:
    """Ranks on both sets, joined; beside them the confidence sets, if there are per-image predictions."""
    shown = rank_plot(metric, MOST)
    if shown is None:
        return None
    return Chart(
        key="ranks",
        title="Rank changes",
        finding=_finding(metric),
        result=_result(metric),
        caption=_caption(metric, shown.sets is not None, describe_shown(shown.rows, len(metric.table))),
        views={"ranks": _view(shown)},
        height=height_of(len(shown.names)),
    )


def _view(shown: RankPlot) -> dict:
    colours = ["--line" if significant else "--mark" for significant in shown.significant]
    texts = [_hover(shown, model) for model in range(len(shown.names))]
    data = [*_changes(shown), *_ends(shown, colours, texts)]
    if shown.sets is not None:
        for name, x_axis, y_axis in (("original", "x", "y"), ("new", "x3", "y2")):
            data += _sets(shown, shown.sets, name, colours, texts, {"xaxis": x_axis, "yaxis": y_axis})
    return view(data, **_plan(shown))


def _changes(shown: RankPlot) -> list[dict]:
    """A line per model from its place on the original to that on the new set."""
    places = [side.place for side in shown.sides.values()]
    data = []
    for significant, colour, width, opacity in ((False, "--quiet", 1, 0.6), (True, "--line", 2, 1)):
        own = np.flatnonzero(shown.significant == significant)
        if len(own):
            x = [value for _ in own for value in (0, 1, None)]
            y = [value for model in own for value in (*(int(place[model]) for place in places), None)]
            data.append(strokes(x, y, colour, rows=shown.rows[own].tolist(), width=width, opacity=opacity, xaxis="x2"))
    return data


def _ends(shown: RankPlot, colours: list[str], texts: list[str]) -> list[dict]:
    """A marker per model on either set."""
    mine = shown.highlighted.tolist()
    marker = {
        "symbol": ["star" if highlighted else "circle" for highlighted in mine],
        "size": [13 if highlighted else 7 for highlighted in mine],
    }
    return [
        markers(
            [at] * len(texts),
            side.place.tolist(),
            ["--highlight" if highlighted else colour for highlighted, colour in zip(mine, colours, strict=True)],
            text=texts,
            rows=shown.rows.tolist(),
            marker=marker,
            xaxis="x2",
            yaxis=axis_name,
        )
        for at, (side, axis_name) in enumerate(zip(shown.sides.values(), ("y", "y2"), strict=True))
    ]


def _plan(shown: RankPlot) -> dict:
    """The layout: ranks in the middle, confidence sets on either side."""
    names, sets = labels(shown.names, shown.highlighted), shown.sets
    flank = 0.0 if sets is None else 0.24
    plan = {
        "height": height_of(len(names)),
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
        "yaxis2": named_axis([names[model] for model in shown.sides["new"].order])
        | {"overlaying": "y", "side": "right", "anchor": "free", "position": 1},
    }
    if sets is None:
        return plan | {"xaxis": axis("", domain=[0, 0.01], visible=False)}
    beside = axis("Rank", range=[0, sets.highest + 1], fixedrange=True, nticks=3, tickangle=0)
    return plan | {
        "xaxis": beside | {"domain": [0, flank]},
        "xaxis3": beside | {"domain": [1 - flank, 1], "anchor": "y2"},
    }


def _sets(
    shown: RankPlot, sets: RankSets, name: str, colours: list[str], texts: list[str], axes: dict[str, Any]
) -> list[dict]:
    """The confidence sets of one set as bars, and the ranks in them."""
    side, place = sets.sides[name], shown.sides[name].place
    models = np.flatnonzero(sets.known)
    drawn = []
    for colour in ("--mark", "--line"):
        own = [model for model in models if colours[model] == colour]
        x, y = bars([side.low[own], side.high[own]], place[own])
        drawn.append(strokes(x, y, colour, rows=shown.rows[own].tolist(), width=3, opacity=0.45, **axes))
    dots = markers(
        side.value[models].tolist(),
        place[models].tolist(),
        [colours[model] for model in models],
        text=[texts[model] for model in models],
        rows=shown.rows[models].tolist(),
        marker={"size": 5},
        **axes,
    )
    return [*drawn, dots]


def _hover(shown: RankPlot, model: int) -> str:
    sets = shown.sets
    lines = [f"<b>{plotly_text(shown.names[model])}</b>"]
    for name, side in shown.sides.items():
        lines.append(f"{name} rank {side.rank[model]}{'' if sets is None else _reach(sets.sides[name], model)}")
    change = signed_count(int(shown.change[model]))
    reach = "" if sets is None else _reach(sets.change, model)
    lines.append(f"Δ rank {change}{reach}{', statistically significant' if shown.significant[model] else ''}")
    return "<br>".join(lines)


def _reach(found: RankSet, model: int) -> str:
    if np.isnan(found.low[model]):
        return ""
    return f" [{found.low[model]:.0f}, {found.high[model]:.0f}]".replace("-", "−")


def _finding(metric: MetricSummary) -> str:
    """How many models keep their rank, and whether a change is significant."""
    table, known = metric.table, metric.table["delta_rank_real"].dropna()
    kept = int((table["delta_rank"] == 0).sum())
    words = (
        "All models keep their rank"
        if kept == len(table)
        else f"{kept:,} of {counted(len(table), 'model')} keep their rank"
    )
    if len(known) == 0 or kept == len(table):
        return words
    real = int(known.sum())
    return f"{words}; {f'{real:,}' if real else 'no'} rank change{'s are' if real > 1 else ' is'} significant"


def _result(metric: MetricSummary) -> str:
    known = metric.table["delta_rank_real"].dropna()
    words = f"{rank_words(metric.table)}."
    if not metric.table["delta_rank"].any():
        return words
    if len(known) == 0:
        return f"{words} Significance of rank changes is not computed from counts alone."
    real = int(known.sum())
    changes = counted(real, "rank change") if real else "No rank change"
    return f"{words} {changes} {'is' if real < 2 else 'are'} statistically significant."


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
