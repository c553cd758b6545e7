"""Accuracy per class on both sets, averaged over models."""

import pandas as pd

from evalshift.analysis.page.chart import Chart, axis, height_of, markers, named_axis, plain, strokes, view
from evalshift.analysis.page.words import counted, label, plotly_text
from evalshift.analysis.plot_data.ordering import both_ends
from evalshift.analysis.plot_data.shown import shown_classes
from evalshift.analysis.summary import MetricSummary
from evalshift.formatting import percent

MOST = 60


def class_chart(metric: MetricSummary) -> Chart | None:
    """One dumbbell per class: mean accuracy of all models on either set, the largest drop first."""
    frame = shown_classes(metric)
    if frame is None:
        return None
    chosen = frame.iloc[both_ends(len(frame), MOST)]
    return Chart(
        key="classes",
        title="Accuracy per class",
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
        f"{row['new_total']:,} images, rank {row['new_rank']:.0f}<br>statistically significant: "
        f"{counted(int(row['fell']), 'model')} fall, {row['rose']} rise"
        for row in frame.to_dict("records")
    ]
    return view(
        [
            strokes(x, y, "--quiet", width=2, opacity=0.55),
            markers(before, places, "--mark", text=texts, marker={"size": 8}),
            markers(after, places, "--line", text=texts, marker={"size": 8, "symbol": "diamond"}),
        ],
        height=height_of(count),
        xaxis=axis("Mean accuracy of all models (%)", fixedrange=True),
        yaxis=named_axis([label(str(name)) for name in frame["class"]]),
    )


def _result(frame: pd.DataFrame) -> str:
    most, least = frame.iloc[0], frame.iloc[-1]
    fallen = int((frame["drop"] > 0).sum())
    largest = "largest drop" if most["drop"] > 0 else "smallest rise"
    return (
        f"{fallen:,} of {counted(len(frame), 'class', 'classes')} have a lower mean accuracy on the new set. The "
        f"{largest} is that of {most['class']}, from {percent(most['original_accuracy'])} to "
        f"{percent(most['new_accuracy'])} %; {least['class']} goes from {percent(least['original_accuracy'])} to "
        f"{percent(least['new_accuracy'])} %."
    )


def _caption(metric: MetricSummary, count: int, shown: int) -> str:
    models = counted(len(metric.statistics.image_models), "model")
    words = f"Blue circle: original; orange diamond: new. Means over {models}; the largest drop first."
    if shown == count:
        return words
    half = shown // 2
    return f"{words} The {half} classes with the largest and the {half} with the smallest drop, of {count:,}."
