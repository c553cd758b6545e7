"""The figure of the decomposition by its marks, and its texts by where they stand."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalshift.analysis.figures import decomposition, decomposition_figure, render
from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.plot_data.decomposition import decomposition_plot
from evalshift.analysis.plot_data.sizes import SIZES
from evalshift.analysis.summary import PairSummary, summarize_outcomes

Make = Callable[..., Outcomes]


def axes_of(pair: PairSummary) -> dict[str, Axes]:
    """The panels by the term that each shows."""
    metric = pair.metrics["top1"]
    terms = decomposition_plot(metric).terms
    axes = decomposition(metric, Figure().subplots(1, len(terms), squeeze=False)[0])
    return {term.key: ax for term, ax in zip(terms, axes, strict=True)}


def dots(ax: Axes, name: str) -> np.ndarray:
    """Where the dots of a term stand, one row per model: points and row."""
    (found,) = [artist for artist in ax.get_children() if artist.get_gid() == name]
    return np.ma.filled(found.get_offsets(), np.nan)  # type: ignore[attr-defined]


def bars(ax: Axes, name: str) -> np.ndarray:
    """The ends of the intervals of a term, shape (model, end, 2)."""
    (found,) = [artist for artist in ax.get_children() if artist.get_gid() == name]
    return np.array(found.get_segments())  # type: ignore[attr-defined]


@pytest.fixture
def six(make_outcomes: Make) -> PairSummary:
    return summarize_outcomes({"top1": make_outcomes([95, 90, 84, 76, 68, 60], [88, 80, 75, 66, 60, 50], total=100)})


def test_marks_stand_where_the_table_says(six):
    table = six.metrics["top1"].tables["decomposition"].frame

    panels = axes_of(six)

    assert list(panels) == ["distribution", "generalization", "shared", "own"]
    for name in ("distribution", "shared", "own"):
        assert dots(panels[name], name)[:, 0] == pytest.approx(100 * table[name], nan_ok=True)
        ends = bars(panels[name], f"{name}-intervals")
        assert ends[:, 0, 0] == pytest.approx(100 * table[f"{name}_low"])
        assert ends[:, 1, 0] == pytest.approx(100 * table[f"{name}_high"])
    for level, wide in (("95", ""), ("99.99", "-wide")):
        ends = bars(panels["generalization"], f"generalization-intervals{wide}")
        assert ends[:, 0, 0] == pytest.approx(100 * table[f"generalization_{level}_low"])
        assert ends[:, 1, 0] == pytest.approx(100 * table[f"generalization_{level}_high"])


def test_each_panel_says_which_term_it_shows_in_a_colour_of_its_own(six):
    titles = {key: ax.title for key, ax in axes_of(six).items()}

    assert [title.get_text().replace("\n", " ").replace("\N{NO-BREAK SPACE}", " ") for title in titles.values()] == [
        "Distribution shift or adaptivity 95 % CI",
        "Sampling error 95 % and 99.99 %",
        "Shared by all models 95 % CI",
        "Own: effective robustness 95 % CI",
    ]
    assert len({title.get_color() for title in titles.values()}) == 4


def test_one_row_per_model_in_the_order_of_the_table(six):
    panels = axes_of(six)

    assert [label.get_text() for label in panels["distribution"].get_yticklabels()] == ["a", "b", "c", "d", "e", "f"]
    assert dots(panels["distribution"], "distribution")[:, 1].tolist() == [0, 1, 2, 3, 4, 5]
    # The own part of the first and the last is smaller than its standard error beyond the other models.
    assert dots(panels["own"], "own")[:, 1] == pytest.approx([np.nan, 1, 2, 3, 4, np.nan], nan_ok=True)
    low, high = panels["own"].get_ylim()
    assert low > high  # the best on the original set stands at the top


def test_axes_are_in_points_with_a_true_minus(six):
    written = axes_of(six)["own"].xaxis.get_major_formatter()
    assert [written(place) for place in (-5.0, 0.0, 2.5)] == ["−5", "0", "2.5"]


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_point_is_as_long_in_every_panel(six, size):
    figure = decomposition_figure(six, size=size)
    figure.draw_without_rendering()
    units = [ax.get_window_extent().width / np.ptp(ax.get_xlim()) for ax in figure.axes]
    np.testing.assert_allclose(units, units[0], rtol=0.02)


def test_adaptivity_is_drawn_where_there_are_fresh_images(make_outcomes, six):
    assert "adaptivity" not in axes_of(six)
    right = np.arange(100) < np.array([[90], [85], [80], [70], [62], [55]])
    fresh = ImagePredictions(
        dataset="fresh",
        models=tuple("abcdef"),
        top=(~right).astype(np.int8)[:, :, np.newaxis],
        labels=np.zeros(100, dtype=np.int64),
        ids=tuple(map(str, range(100))),
        class_names=("right", "wrong"),
    )

    panels = axes_of(summarize_outcomes({"top1": six.metrics["top1"].outcomes}, fresh=fresh, resamples=0))

    assert dots(panels["adaptivity"], "adaptivity")[:, 0] == pytest.approx([5, 5, 4, 6, 6, 5])
    assert panels["distribution"].get_title() == "Distribution shift\n95\N{NO-BREAK SPACE}% CI"


def test_one_model_has_causes_and_nothing_to_share(make_outcomes):
    figure = decomposition_figure(summarize_outcomes({"top1": make_outcomes([80], [70], total=100)}))

    distribution, _ = figure.axes
    assert dots(distribution, "distribution")[:, 0] == pytest.approx([10])
    assert render(figure, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("models", [3, 67])
def test_texts_lie_inside_the_figure_and_on_nothing(make_outcomes, models, size):
    names = tuple(f"a_rather_long_name_of_model_{place:02}" for place in range(models))
    correct = np.linspace(900, 400, models).astype(int)
    pair = summarize_outcomes({"top1": make_outcomes(correct, correct - 90, total=1000, models=names)}, resamples=50)

    figure = decomposition_figure(pair, size=size)

    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    for box in boxes:
        assert box.x0 >= 0
        assert box.x1 <= figure.axes[0].get_window_extent().x0
    gaps = [upper.y0 - lower.y1 for upper, lower in pairwise(boxes)]
    assert min(gaps) >= -1  # names may touch, in letters without a tail
    titles = [ax.title.get_window_extent() for ax in figure.axes]
    for left, right in pairwise(titles):
        assert left.x1 < right.x0
    for ax, title in zip(figure.axes, titles, strict=True):
        assert title.y0 >= ax.get_window_extent().y1 - 1
        assert title.y1 <= figure.bbox.y1 + 1
        assert title.x1 <= figure.bbox.x1 + 1
        low, high = ax.get_xlim()
        ticks = zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
        labels = [text.get_window_extent() for place, text in ticks if low <= place <= high]
        assert not any(one.overlaps(other) for one, other in pairwise(labels))


def test_letters_that_the_font_lacks_are_no_reason_to_fail(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([9, 8], [8, 6], models=("中文", "b"))}, resamples=0)

    assert render(decomposition_figure(pair), "svg").startswith(b"<?xml")
