"""The figure of the decomposition by its marks, and its texts by where they stand."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalshift.analysis.figures import decomposition, decomposition_figure, render
from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.summary import PairSummary, summarize_outcomes

Make = Callable[..., Outcomes]


def axes_of(pair: PairSummary) -> tuple[Axes, Axes]:
    terms, parts = Figure().subplots(1, 2, sharey=True)
    return decomposition(pair.metrics["top1"], terms, parts)


def dots(ax: Axes, name: str) -> np.ndarray:
    """Where the dots of a term stand, one row per model: points and row."""
    (found,) = [artist for artist in ax.get_children() if artist.get_gid() == name]
    return np.ma.filled(found.get_offsets(), np.nan)  # type: ignore[attr-defined]


def bars(ax: Axes, name: str) -> np.ndarray:
    """The ends of the intervals of a term, shape (model, end, 2)."""
    (found,) = [artist for artist in ax.get_children() if artist.get_gid() == name]
    return np.array(found.get_segments())  # type: ignore[attr-defined]


@pytest.fixture
def five(make_outcomes: Make) -> PairSummary:
    return summarize_outcomes({"top1": make_outcomes([95, 90, 84, 76, 60], [88, 80, 75, 66, 50], total=100)})


def test_marks_stand_where_the_table_says(five):
    table = five.metrics["top1"].tables["decomposition"].frame

    terms, parts = axes_of(five)

    for ax, name in ((terms, "distribution"), (parts, "shared"), (parts, "own")):
        assert dots(ax, name)[:, 0] == pytest.approx(table[name])
        ends = bars(ax, f"{name}-intervals")
        assert ends[:, 0, 0] == pytest.approx(table[f"{name}_low"])
        assert ends[:, 1, 0] == pytest.approx(table[f"{name}_high"])
    for level in ("95", "99-99"):
        ends = bars(terms, f"generalization_{level}")
        assert ends[:, 0, 0] == pytest.approx(table[f"generalization_{level.replace('-', '.')}_low"])


def test_one_row_per_model_in_the_order_of_the_table(five):
    terms, parts = axes_of(five)

    assert [label.get_text() for label in terms.get_yticklabels()] == ["a", "b", "c", "d", "e"]
    for ax, name in ((terms, "distribution"), (parts, "own")):
        assert np.round(dots(ax, name)[:, 1]).tolist() == [0, 1, 2, 3, 4]
    low, high = terms.get_ylim()
    assert low > high  # the best on the original set stands at the top


def test_axes_are_in_points_with_a_true_minus(five):
    terms, _ = axes_of(five)

    written = terms.xaxis.get_major_formatter()
    assert [written(place) for place in (-0.05, 0.0, 0.025)] == ["−5", "0", "2.5"]


def test_adaptivity_is_drawn_where_there_are_fresh_images(make_outcomes, five):
    assert not [artist for artist in axes_of(five)[0].get_children() if artist.get_gid() == "adaptivity"]
    right = np.arange(100) < np.array([[90], [85], [80], [70], [55]])
    fresh = ImagePredictions(
        dataset="fresh",
        models=tuple("abcde"),
        top=(~right).astype(np.int8)[:, :, np.newaxis],
        labels=np.zeros(100, dtype=np.int64),
        ids=tuple(map(str, range(100))),
        class_names=("right", "wrong"),
    )

    terms, _ = axes_of(summarize_outcomes({"top1": five.metrics["top1"].outcomes}, fresh=fresh, resamples=0))

    assert dots(terms, "adaptivity")[:, 0] == pytest.approx([0.05, 0.05, 0.04, 0.06, 0.05])
    labels = terms.get_legend_handles_labels()[1]
    assert "Distribution shift, 95 % CI" in labels
    assert "Adaptivity, with sampling error, 95 % CI" in labels


def test_one_model_has_terms_and_no_parts(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([80], [70], total=100)})

    figure = decomposition_figure(pair)

    terms, parts = figure.axes
    assert dots(terms, "distribution")[:, 0] == pytest.approx([0.1])
    assert not np.isfinite(dots(parts, "own")[:, 0]).any()
    assert render(figure, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("models", [3, 67])
def test_texts_lie_inside_the_figure_and_on_nothing(make_outcomes, models):
    names = tuple(f"a_rather_long_name_of_model_{place:02}" for place in range(models))
    correct = np.linspace(900, 400, models).astype(int)
    pair = summarize_outcomes({"top1": make_outcomes(correct, correct - 90, total=1000, models=names)}, resamples=50)

    figure = decomposition_figure(replace(pair, original="original " * 6, new="new " * 6))

    terms, parts = figure.axes
    boxes = [label.get_window_extent() for label in terms.get_yticklabels()]
    for box in boxes:
        assert box.x0 >= 0
        assert box.x1 <= terms.get_window_extent().x0
    gaps = [upper.y0 - lower.y1 for upper, lower in pairwise(boxes)]
    assert min(gaps) >= -1  # names may touch, in letters without a tail
    for ax in (terms, parts):
        legend = ax.get_legend()
        assert legend is not None
        box = legend.get_window_extent()
        assert box.y0 >= ax.get_window_extent().y1 - 1
        assert box.y1 <= figure.bbox.y1 + 1
        assert box.x1 <= figure.bbox.x1 + 1


def test_letters_that_the_font_lacks_are_no_reason_to_fail(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([9, 8], [8, 6], models=("中文", "b"))}, resamples=0)

    assert render(decomposition_figure(pair), "svg").startswith(b"<?xml")
