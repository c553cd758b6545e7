"""Accuracy on each class, on both sets, over all models."""

import pandas as pd

from evalshift.analysis.page.chart import Chart, axis, height_of, named_axis, plain, points, strokes, view
from evalshift.analysis.page.words import counted, label, plotly_text
from evalshift.analysis.plot_data.ordering import both_ends
from evalshift.analysis.plot_data.shown import shown_classes
from evalshift.analysis.summary import MetricSummary
from evalshift.formatting import percent

MOST = 60


def class_chart(metric: MetricSummary) -> Chart | None:
    """A dumbbell a class: mean accuracy of all models on the original and on the new set, most fallen first."""
    frame = shown_classes(metric)
    if frame is None:
        return None
    chosen = frame.iloc[both_ends(len(frame), MOST)]
    return Chart(
        key="classes",
        title="Per class",
        result=_result(frame),
        caption=_caption(metric, len(frame), len(chosen)),
        views={"classes": _view(chosen)},
        height=height_of(len(chosen)),
    )


def _view(frame: pd.DataFrame) -> dict:
    count = len(frame)
    places = list(range(count))
    before, after = plain(100 * frame["original_accuracy"]), plain(100 * frame["new_accuracy"])
    x = [value for both in zip(before, after, strict=True) for value in (*both, None)]
    y = [value for place in places for value in (place, place, None)]
    texts = [
        f"<b>{plotly_text(str(row['class']))}</b><br>original {percent(row['original_accuracy'])} %, "
        f"{row['original_total']:,} images, rank {row['original_rank']:.0f}<br>new {percent(row['new_accuracy'])} %, "
        f"{row['new_total']:,} images, rank {row['new_rank']:.0f}<br>{counted(int(row['fell']), 'model')} fall beyond "
        f"chance, {row['rose']} rise"
        for row in frame.to_dict("records")
    ]
    return view(
        [
            strokes(x, y, "--quiet", width=2, opacity=0.55),
            points(before, places, "--mark", text=texts, marker={"size": 8}),
            points(after, places, "--line", text=texts, marker={"size": 8, "symbol": "diamond"}),
        ],
        height=height_of(count),
        xaxis=axis("mean accuracy of all models, %", fixedrange=True),
        yaxis=named_axis([label(str(name)) for name in frame["class"]]),
    )


def _result(frame: pd.DataFrame) -> str:
    most, least = frame.iloc[0], frame.iloc[-1]
    fallen = int((frame["drop"] > 0).sum())
    return (
        f"{fallen:,} of {counted(len(frame), 'class', 'classes')} are harder on the new set. {most['class']} falls "
        f"most, from {percent(most['original_accuracy'])} to {percent(most['new_accuracy'])} %; {least['class']} "
        f"goes from {percent(least['original_accuracy'])} to {percent(least['new_accuracy'])} %."
    )


def _caption(metric: MetricSummary, count: int, shown: int) -> str:
    models = counted(len(metric.statistics.image_models), "model")
    words = f"Blue circle: original; orange diamond: new; means over {models}, the classes that fall most first."
    return words if shown == count else f"{words} The {shown // 2} that fall most and least of {count:,} classes."
