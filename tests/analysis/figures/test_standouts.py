"""Names in the scatter: whose they are, and that they hide nothing."""

import itertools

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from evalshift.analysis.figures import render, scatter_figure
from evalshift.analysis.figures.standouts import name_models, standouts
from evalshift.analysis.plot_data.sizes import SIZES
from evalshift.analysis.summary import PairSummary, summarize_outcomes

# Twelve models on a line of slope 1, 4 points below y = x, but for one that is 15 points above the line.
ON_LINE = [(500 + 40 * k, 460 + 40 * k) for k in range(11)]


def summarized(make_outcomes, accuracies: list[tuple[int, int]], models: list[str] | None = None) -> PairSummary:
    original, new = zip(*accuracies, strict=True)
    outcomes = make_outcomes(list(original), list(new), total=1000, **({"models": tuple(models)} if models else {}))
    return summarize_outcomes({"top1": outcomes}, resamples=20_000)


def names_of(pair: PairSummary) -> list[str]:
    metric = pair.metrics["top1"]
    return [metric.table["model"].iloc[row] for row in standouts(metric)]


def written(figure: Figure) -> dict[str, Bbox]:
    return {text.get_text(): text.get_window_extent() for text in figure.axes[0].texts}


def hidden(ax: Axes, box: Bbox) -> bool:
    """Whether a box lies on a mark, a bar, a line, the legend, or beyond the axes."""
    inside = ax.get_window_extent()
    if not (inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1):
        return True
    legend = ax.get_legend()
    if legend is not None and box.overlaps(legend.get_window_extent()):
        return True
    for collection in ax.collections:
        gid = collection.get_gid() or ""
        if gid.endswith("intervals"):
            pieces = [np.asarray(segment) for segment in collection.get_segments()]  # pyright: ignore
        elif gid == "models" or gid.startswith("model-"):
            pieces = [np.asarray(collection.get_offsets())[:, None, :]][0]
        else:
            continue
        for piece in pieces:
            place = ax.transData.transform(piece)
            if box.overlaps(Bbox([place.min(axis=0), place.max(axis=0)])):
                return True
    # The dashed diagonal and the fit; leaders, which are shorter, begin at their own names.
    for line in ax.lines[:2]:
        ends = ax.transData.transform(line.get_xydata())
        between = np.concatenate([np.linspace(a, b, 200) for a, b in itertools.pairwise(ends)])
        if box.count_contains(between):
            return True
    return False


def test_a_significant_model_comes_first_then_the_largest_and_the_smallest_drop(make_outcomes):
    accuracies = [*ON_LINE, (700, 810)]
    models = [f"m{k}" for k in range(11)] + ["above"]
    pair = summarized(make_outcomes, accuracies, models)
    table = pair.metrics["top1"].table.set_index("model")
    assert names_of(pair) == ["above", table["drop"].idxmax()]  # it has the smallest drop as well


def test_without_such_a_model_the_farthest_alone_is_named_as_in_the_sentences(make_outcomes):
    # About the line by 12 images to either side, and one by 20: no farther than such models scatter.
    accuracies = [(original, new + (12 if place % 2 else -12)) for place, (original, new) in enumerate(ON_LINE)]
    accuracies[4] = (660, 600)
    pair = summarized(make_outcomes, accuracies, [f"m{k}" for k in range(11)])
    assert pair.metrics["top1"].tables["robustness"].frame["p_holm"].min() > 0.05
    assert names_of(pair)[0] == "m4"


def test_no_more_names_than_there_is_use_for(make_outcomes):
    # Sixty models within two images of a line, and four far off it.
    rows = [(400 + 8 * k, 360 + 8 * k + k % 3 - 1) for k in range(60)]
    rows += [(500, 600), (600, 420), (700, 790), (800, 640)]
    metric = summarized(make_outcomes, rows, [f"m{k}" for k in range(64)]).metrics["top1"]
    assert len(standouts(metric)) > 3
    assert len(standouts(metric, most=3)) == 3


def test_one_model_is_named_once(make_outcomes):
    assert len(standouts(summarized(make_outcomes, [(500, 400)]).metrics["top1"])) == 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", ["linear", "probit"])
def test_names_hide_nothing_and_stay_within_the_axes(make_outcomes, size: str, scale: str):
    figure = scatter_figure(summarized(make_outcomes, [*ON_LINE, (700, 810)]), scale=scale, size=SIZES[size])
    boxes = written(figure)
    assert len(boxes) >= 1
    assert not any(hidden(figure.axes[0], box) for box in boxes.values())


def test_the_check_above_can_fail(make_outcomes):
    ax = scatter_figure(summarized(make_outcomes, ON_LINE)).axes[0]
    (models,) = [collection for collection in ax.collections if collection.get_gid() == "models"]
    x, y = np.asarray(models.get_offsets())[5]
    assert hidden(ax, ax.text(x, y, "over a mark").get_window_extent())
    assert hidden(ax, ax.text(0.3, 0.28, "over y = x", transform=ax.transAxes).get_window_extent())
    assert hidden(ax, ax.text(0.95, 0.1, "over the end", transform=ax.transAxes).get_window_extent())


def test_a_name_without_room_is_left_out_without_a_word(capsys):
    ax = Figure(figsize=(2, 2)).add_subplot(xlim=(0, 1), ylim=(0, 1))
    x, y = (part.ravel() for part in np.meshgrid(np.linspace(0, 1, 40), np.linspace(0, 1, 40)))
    ax.scatter(x, y)
    assert name_models(ax, ["a model"], np.array([0.5]), np.array([0.5])) == []
    assert capsys.readouterr().out == ""


def test_names_of_models_beyond_the_axes_are_left_out():
    ax = Figure().add_subplot(xlim=(0, 1), ylim=(0, 1))
    ax.scatter([0.5], [0.5])
    assert name_models(ax, ["beyond", "within"], np.array([1.5, 0.5]), np.array([0.5, 0.5])) == ["within"]


def test_names_are_text_and_the_same_place_each_time(make_outcomes):
    models = [f"m{k}" for k in range(11)] + ["<b>$x$</b>"]
    pair = summarized(make_outcomes, [*ON_LINE, (700, 810)], models)
    first, again = (render(scatter_figure(pair), "svg") for _ in range(2))
    assert first == again
    assert "<b>$x$</b>" in {text.get_text().replace(r"\$", "$") for text in scatter_figure(pair).axes[0].texts}
