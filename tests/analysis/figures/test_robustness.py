"""The figure of effective robustness by its marks: order, positions, colours, names."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from evalshift.analysis.figures import render, robustness, robustness_figure
from evalshift.analysis.plot_data.sizes import SIZES
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.summary.published import summarize_published


@pytest.fixture(scope="module")
def six(make_outcomes):
    """Five models on the line y = x − 0.2, and c, 20 points above it; a and f are beyond the other models."""
    outcomes = make_outcomes([900, 800, 750, 700, 600, 500], [700, 600, 750, 500, 400, 300], total=1000)
    return summarize_outcomes({"top1": outcomes}, resamples=0)


@pytest.fixture(scope="module")
def many(make_outcomes):
    """A hundred models on one line, but for the third on the original set, which stands 20 points above it."""
    correct = np.arange(900, 800, -1)
    new = correct - 200
    new[2] += 200
    names = tuple(f"model {number}" for number in range(100))
    outcomes = make_outcomes(correct.tolist(), new.tolist(), total=1000, models=names)
    return summarize_outcomes({"top1": outcomes}, resamples=5000)


def drawn(pair):
    """The axes, and where the points stand, by colour."""
    ax = robustness(pair.metrics["top1"], Figure().add_subplot())
    dots = [one for one in ax.collections if isinstance(one, PathCollection)]
    return ax, {to_hex(np.asarray(one.get_facecolor())[0].tolist()): np.asarray(one.get_offsets()) for one in dots}


def test_the_highest_stands_on_top_at_its_distance(six):
    ax, points = drawn(six)

    assert ax.get_yticklabels()[0].get_text() == "c"
    assert points["#d55e00"][0] == pytest.approx([20, 0])
    assert ax.get_xlabel() == "Effective robustness (points)"


def test_models_beyond_the_others_are_hollow(make_outcomes):
    # The second lies within the range of the others; the first and the last beyond it, far from their line.
    outcomes = make_outcomes([950, 800, 760, 740, 700, 660, 400], [950, 602, 558, 541, 499, 462, 400], total=1000)
    pair = summarize_outcomes({"top1": outcomes}, resamples=200)
    ax = robustness(pair.metrics["top1"], Figure().add_subplot())
    table = pair.metrics["top1"].tables["robustness"].frame.set_index("model")
    names = [text.get_text() for text in ax.get_yticklabels()]
    hollow = set()
    for dots in (one for one in ax.collections if isinstance(one, PathCollection)):
        colours = np.broadcast_to(np.asarray(dots.get_facecolor()), (len(np.asarray(dots.get_offsets())), 4))
        for place, colour in zip(np.asarray(dots.get_offsets())[:, 1], colours, strict=True):
            hollow |= {names[int(place)]} if to_hex(colour.tolist()) == "#ffffff" else set()
    assert hollow == set(table.index[table["extrapolated"] & table["distance"].notna()])
    assert {"a", "g"} <= hollow


@pytest.fixture(scope="module")
def published():
    (pair,) = summarize_published("recht2019", "cifar10:cifar10.1-v4", scale="probit", resamples=200).pairs
    return pair


@pytest.mark.parametrize("size", SIZES)
def test_the_legend_names_hollow_markers_and_is_not_cut(published, size):
    figure = robustness_figure(published, size=replace(SIZES[size], letters=SIZES[size].letters * 8 / 7))

    assert figure is not None
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "95 % range of models about the line",
        "95 % CI",
        "Beyond the range of the line",
    ]
    marker = legend.legend_handles[2]
    assert isinstance(marker, PathCollection)
    assert to_hex(np.asarray(marker.get_facecolor())[0].tolist()) == "#ffffff"
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert box.y1 <= figure.bbox.y1
    assert not box.overlaps(figure.axes[0].get_window_extent())


def test_a_model_significantly_off_the_line_is_an_orange_diamond(many):
    ax, points = drawn(many)

    assert points["#d55e00"].shape == (1, 2)
    assert points["#d55e00"][0] == pytest.approx([20, 0], abs=0.1)
    assert ax.get_yticklabels()[0].get_text() == "model 2"


def test_of_many_models_both_ends_are_drawn_and_the_rest_is_counted(many):
    ax, points = drawn(many)

    assert sum(len(where) for where in points.values()) == 70
    assert ax.get_xlabel() == "Effective robustness (points; 30 in between not shown)"


def test_intervals_are_those_of_the_table(many):
    ax, _ = drawn(many)
    table = many.metrics["top1"].tables["robustness"].frame.set_index("model")
    spans = [span for one in ax.collections if isinstance(one, LineCollection) for span in one.get_segments()]

    highest = max(spans, key=lambda span: span[1, 0])
    wanted = 100 * table.loc["model 2", ["distance_low", "distance_high"]].to_numpy(float)
    assert np.asarray(highest)[:, 0] == pytest.approx(wanted)


def test_names_stand_as_they_are(make_outcomes):
    names = ("a $x$ b", "<script>alert(1)</script>", "c" * 40, "d", "e", "f")
    pair = summarize_outcomes(
        {"top1": make_outcomes([90, 75, 80, 70, 60, 50], [60, 70, 58, 48, 41, 30], total=100, models=names)},
        resamples=0,
    )
    figure = robustness_figure(pair)

    assert figure is not None
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels[0] == "<script>alert(1)</script>"
    assert {r"a \$x\$ b", "c" * 29 + "…"} <= set(labels)
    assert b"<script" not in render(figure, "svg")


def test_without_others_to_be_compared_with_there_is_no_figure(make_outcomes):
    assert robustness_figure(summarize_outcomes({"top1": make_outcomes([9], [7])}, resamples=0)) is None


def test_three_models_have_no_figure(make_outcomes):
    outcomes = make_outcomes([90, 80, 60], [60, 70, 50], total=100)
    assert robustness_figure(summarize_outcomes({"top1": outcomes}, resamples=200)) is None


def test_without_resamples_there_are_no_intervals_and_the_legend_says_so(six, many):
    for pair, entry in ((six, "Without confidence intervals"), (many, "95 % CI")):
        figure = robustness_figure(pair)
        assert figure is not None
        assert entry in [text.get_text() for text in figure.legends[0].get_texts()]
