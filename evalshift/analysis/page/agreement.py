"""How alike the models answer: a heat map whose order puts those that agree side by side."""

import numpy as np

from evalshift.analysis.missing import Missing
from evalshift.analysis.ordering import alike_first
from evalshift.analysis.page.chart import Chart, named_axis, plain, view
from evalshift.analysis.page.words import label, plotly_text
from evalshift.analysis.set_statistics import SetStatistics
from evalshift.analysis.summary import MetricSummary
from evalshift.analysis.tables import percent
from evalshift.analysis.words import number

MOST = 100
_COLOURS = [[0, "--heat-0"], [0.25, "--heat-1"], [0.5, "--heat-2"], [0.75, "--heat-3"], [1, "--heat-4"]]


def agreement_chart(metric: MetricSummary) -> Chart | None:
    """Agreement beyond chance of all pairs of models, on either set, both in the order of the original one."""
    sides = {"original": metric.statistics.original, "new": metric.statistics.new}
    found = {}
    for side, statistics in sides.items():
        if not isinstance(statistics, SetStatistics) or isinstance(statistics.pairs, Missing):
            return None
        pairs = statistics.pairs
        found[side] = pairs.consistency.kappa if pairs.agreement is None else pairs.agreement
    models = metric.statistics.image_models
    rank = {model: place for place, model in enumerate(metric.table["model"])}
    first = np.array(sorted(range(len(models)), key=lambda place: rank[models[place]])[:MOST])
    if len(first) < 3:
        return None
    order = first[alike_first(np.nan_to_num(found["original"][np.ix_(first, first)]))]
    names = [models[place] for place in order]
    answers = isinstance(metric.statistics.original, SetStatistics) and metric.outcomes.metric == "top1"
    what = "share of images with the same first answer" if answers else "agreement beyond chance, κ"
    values = {side: matrix[np.ix_(order, order)] for side, matrix in found.items()}
    off = {side: matrix[np.triu_indices(len(order), k=1)] for side, matrix in values.items()}
    span = [float(np.nanmin([np.nanmin(part) for part in off.values()])), 1.0]
    size = min(1000, max(420, 13 * len(order) + 190))
    return Chart(
        key="agreement",
        title="Agreement",
        result=_result(values, names, what, answers),
        caption=f"{what[0].upper()}{what[1:]}, every model against every other; models that agree stand side by side, "
        "in the order of the original set on both."
        + ("" if len(order) == len(models) else f" The {len(order)} most accurate of {len(models):,} models."),
        views={side: _view(matrix, names, span, answers, size) for side, matrix in values.items()},
        height=size,
        widest=size + 70,
    )


def _view(matrix: np.ndarray, names: list[str], span: list[float], share: bool, size: int) -> dict:
    shown = [plain(row, 3) for row in matrix]
    short = [label(name) for name in names]
    heat = {
        "type": "heatmap",
        "z": shown,
        "x": [plotly_text(name) for name in names],
        "y": [plotly_text(name) for name in names],
        "zmin": span[0],
        "zmax": span[1],
        "colorscale": _COLOURS,
        "hovertemplate": f"%{{y}}<br>%{{x}}<br>%{{z:{'.1%' if share else '.2f'}}}<extra></extra>",
        "colorbar": {
            "thickness": 12,
            "len": 0.5,
            "outlinewidth": 0,
            "tickformat": ".0%" if share else ".1f",
            "y": 1,
            "yanchor": "top",
        },
    }
    side = named_axis(short) | {"type": "category", "showgrid": False, "tickfont": {"size": 9}}
    return view(
        [heat],
        height=size,
        margin={"l": 40, "r": 10, "t": 10, "b": 40},
        xaxis=side | {"range": [-0.5, len(names) - 0.5], "tickangle": -90},
        yaxis=side | {"range": [len(names) - 0.5, -0.5]},
    )


def _result(values: dict[str, np.ndarray], names: list[str], what: str, share: bool) -> str:
    means = {side: float(np.nanmean(matrix[np.triu_indices(len(names), k=1)])) for side, matrix in values.items()}
    apart = np.where(np.eye(len(names), dtype=bool), -np.inf, np.nan_to_num(values["original"], nan=-np.inf))
    one, other = np.unravel_index(int(np.argmax(apart)), apart.shape)

    def said(value: float) -> str:
        return f"{percent(value)} %" if share else number(value)

    return (
        f"Mean {what}: {said(means['original'])} on the original set, {said(means['new'])} on the new one. Most alike "
        f"on the original set: {names[one]} and {names[other]}, {said(float(apart[one, other]))}."
    )
