"""Heat map of the agreement between models, with similar models next to each other."""

import numpy as np

from evalshift.analysis.page.chart import Chart, named_axis, plain, view
from evalshift.analysis.page.words import labels, plotly_text
from evalshift.analysis.plot_data.agreement import AgreementPlot, agreement_plot
from evalshift.analysis.summary import MetricSummary
from evalshift.formatting import counted, number, percent

MOST = 100
_COLOURS = [[0, "--heat-0"], [0.25, "--heat-1"], [0.5, "--heat-2"], [0.75, "--heat-3"], [1, "--heat-4"]]


def agreement_chart(metric: MetricSummary) -> Chart | None:
    """Agreement of every two models on either set, both in the order of the original one."""
    shown = agreement_plot(metric, MOST)
    if shown is None:
        return None
    names, models = shown.models, metric.statistics.image_models
    size = min(1000, max(420, 13 * len(names) + 190))
    return Chart(
        key="agreement",
        title="Agreement",
        finding=_finding(shown),
        result=_result(shown),
        caption=f"{shown.what[0].upper()}{shown.what[1:]} of every two models. Similar models are next to each other; "
        "both sets have the order of the original one."
        + (
            f" Values below {_said(shown, shown.span[0])} are in the lightest colour."
            if shown.least < shown.span[0]
            else ""
        )
        + ("" if len(names) == len(models) else f" The {len(names)} most accurate of {counted(len(models), 'model')}."),
        views={side: _view(shown, side, size) for side in shown.values},
        height=size,
        widest=size + 70,
    )


def _view(shown: AgreementPlot, side: str, size: int) -> dict:
    names, share = shown.models, shown.is_share
    low, high = shown.span
    short = labels(names, shown.highlighted)
    heat = {
        "type": "heatmap",
        "z": [plain(row, 3) for row in shown.values[side]],
        "x": [plotly_text(name) for name in names],
        "y": [plotly_text(name) for name in names],
        "zmin": low,
        "zmax": high,
        "colorscale": _COLOURS,
        "meta": {"rows": shown.rows.tolist(), "each": 0},
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
    along = named_axis(short) | {"type": "category", "showgrid": False, "tickfont": {"size": 9}}
    return view(
        [heat],
        height=size,
        margin={"l": 40, "r": 10, "t": 10, "b": 40},
        xaxis=along | {"range": [-0.5, len(names) - 0.5], "tickangle": -90},
        yaxis=along | {"range": [len(names) - 0.5, -0.5]},
    )


def _means(shown: AgreementPlot) -> dict[str, float]:
    above = np.triu_indices(len(shown.models), k=1)
    return {side: float(np.nanmean(matrix[above])) for side, matrix in shown.values.items()}


def _finding(shown: AgreementPlot) -> str:
    original, new = (_said(shown, mean) for mean in _means(shown).values())
    if shown.is_share:
        return f"Two models agree on {original} of the original and {new} of the new images on average"
    return f"Mean error consistency (κ) of two models: {original} on the original set, {new} on the new one"


def _result(shown: AgreementPlot) -> str:
    names, values, means = shown.models, shown.values, _means(shown)
    apart = np.where(np.eye(len(names), dtype=bool), -np.inf, np.nan_to_num(values["original"], nan=-np.inf))
    one, other = np.unravel_index(int(np.argmax(apart)), apart.shape)

    return (
        f"Mean {shown.what}: {_said(shown, means['original'])} on the original set, {_said(shown, means['new'])} on "
        f"the new set. Most similar on the original set: {names[one]} and {names[other]}, "
        f"{_said(shown, float(apart[one, other]))}."
    )


def _said(shown: AgreementPlot, value: float) -> str:
    return f"{percent(value)} %" if shown.is_share else number(value)
