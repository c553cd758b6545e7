"""Accuracy per class on both sets, averaged over models."""

from evalshift.analysis.page.chart import Chart, axis, bars, height_of, markers, named_axis, plain, strokes, view
from evalshift.analysis.page.words import label, plotly_text
from evalshift.analysis.plot_data.classes import ClassesOnSet, ClassPlot, class_plot
from evalshift.analysis.summary import MetricSummary
from evalshift.formatting import counted, number

MOST = 60


def class_chart(metric: MetricSummary) -> Chart | None:
    """One dumbbell per class: mean accuracy of all models on either set, the largest drop first."""
    plot = class_plot(metric, MOST)
    if plot is None:
        return None
    return Chart(
        key="classes",
        title="Accuracy per class",
        finding=_declining(plot),
        result=_result(plot),
        caption=_caption(plot),
        views={"classes": _view(plot)},
        height=height_of(len(plot.names)),
    )


def _view(plot: ClassPlot) -> dict:
    places = list(range(len(plot.names)))
    x, y = bars((plot.original.accuracy, plot.new.accuracy), places)
    texts = [_text(plot, place) for place in places]
    return view(
        [
            strokes(x, y, "--quiet", width=2, opacity=0.55),
            markers(plain(plot.original.accuracy), places, "--mark", text=texts, marker={"size": 8}),
            markers(plain(plot.new.accuracy), places, "--line", text=texts, marker={"size": 8, "symbol": "diamond"}),
        ],
        height=height_of(len(places)),
        xaxis=axis("Mean accuracy of all models (%)", fixedrange=True),
        yaxis=named_axis([label(name) for name in plot.names]),
    )


def _text(plot: ClassPlot, place: int) -> str:
    lines = [f"<b>{plotly_text(plot.names[place])}</b>"]
    lines += [_on_set(side, found, place) for side, found in (("original", plot.original), ("new", plot.new))]
    lines.append(f"statistically significant: {counted(int(plot.fell[place]), 'model')} fall, {plot.rose[place]} rise")
    return "<br>".join(lines)


def _on_set(side: str, found: ClassesOnSet, place: int) -> str:
    return f"{side} {number(found.accuracy[place], 1)} %, {found.total[place]:,} images, rank {found.rank[place]}"


def _declining(plot: ClassPlot) -> str:
    of_all = f"{plot.declining:,} of {counted(plot.classes, 'class', 'classes')}"
    return f"{of_all} {'has' if plot.declining == 1 else 'have'} a lower mean accuracy on the new set"


def _result(plot: ClassPlot) -> str:
    before, after = plot.original.accuracy, plot.new.accuracy
    largest = "largest drop" if before[0] > after[0] else "smallest rise"
    return (
        f"{_declining(plot)}. "
        f"The {largest} is that of {plot.names[0]}, from {number(before[0], 1)} to {number(after[0], 1)} %; "
        f"{plot.names[-1]} goes from {number(before[-1], 1)} to {number(after[-1], 1)} %."
    )


def _caption(plot: ClassPlot) -> str:
    models = counted(plot.models, "model")
    shrunk = ", shrunk by as much as sampling error explains" if plot.shrunk else ""
    words = f"Blue circle: original; orange diamond: new. Means over {models}{shrunk}; the largest drop first."
    if not plot.left_out:
        return words
    half = len(plot.names) // 2
    return f"{words} The {half} classes with the largest and the {half} with the smallest drop, of {plot.classes:,}."
