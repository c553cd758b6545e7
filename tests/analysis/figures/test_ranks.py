"""The bump chart by its marks: places, joins, rank sets, colours, names, and texts by where they stand."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from marks import dots, ids, strokes
from matplotlib.figure import Figure

from evalshift.analysis.figures import ranks, ranks_figure, render
from evalshift.analysis.outcomes import ImagePredictions
from evalshift.analysis.plot_data.sizes import COLUMN, SIZES
from evalshift.analysis.summary import summarize_outcomes


def predicted_by(make_outcomes, original, new, models=None):
    """A pair of 1,000 images per set, of which each model is right on the first so many."""
    models = tuple("abcdefgh"[: len(original)]) if models is None else models
    sides = []
    for dataset, counts in (("old", original), ("new", new)):
        right = np.arange(1000) < np.array(counts)[:, np.newaxis]
        labels = np.zeros(1000, dtype=np.int64)
        top = (~right).astype(np.int8)[:, :, np.newaxis]
        sides.append(ImagePredictions(dataset, models, top, labels, tuple(map(str, range(1000))), ("right", "wrong")))
    outcomes = make_outcomes(original, new, total=1000, models=models)
    return summarize_outcomes({"top1": outcomes}, predictions=(sides[0], sides[1]), resamples=0)


@pytest.fixture(scope="module")
def crossed(make_outcomes):
    """a falls from the first place to the last significantly; c and d lie three images apart on either set."""
    return predicted_by(make_outcomes, [950, 900, 803, 800], [600, 800, 703, 700])


@pytest.fixture(scope="module")
def counted(make_outcomes):
    """Three models of which the first two change places, known by counts alone."""
    return summarize_outcomes({"top1": make_outcomes([90, 80, 60], [60, 70, 50], total=100)}, resamples=0)


def drawn(pair):
    """The three axes, from left to right."""
    left, middle, right = Figure().subplots(1, 3)
    ranks(pair.metrics["top1"], middle, (left, right))
    return left, middle, right


def test_places_are_joined_from_the_original_to_the_new_set(counted):
    ax = ranks(counted.metrics["top1"], Figure().add_subplot())

    joins = strokes(ax, "changes-quiet")
    assert joins.tolist() == [[[0, 0], [1, 1]], [[0, 1], [1, 0]], [[0, 2], [1, 2]]]
    assert "changes-significant" not in ids(ax)  # with counts alone nobody knows
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 1), (2.6, -0.6))
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a  1", "b  2", "c  3"]
    (right,) = ax.child_axes
    assert [text.get_text() for text in right.get_yticklabels()] == ["1  b", "2  a", "3  c"]


def test_significant_changes_have_a_colour_of_their_own(crossed):
    _, ax, _ = drawn(crossed)

    assert strokes(ax, "changes-significant").tolist() == [[[0, 0], [1, 3]], [[0, 1], [1, 0]]]
    assert strokes(ax, "changes-quiet").tolist() == [[[0, 2], [1, 1]], [[0, 3], [1, 2]]]
    assert dots(ax, "ranks-significant").tolist() == [[0, 0], [0, 1], [1, 3], [1, 0]]


def test_rank_sets_stand_beside_the_places(crossed):
    left, _, right = drawn(crossed)

    # c and d are three images apart on either set: ranks 3 and 4 on the old one, 2 and 3 on the new, stay open.
    assert strokes(left, "sets-quiet").tolist() == [[[3, 2], [4, 2]], [[3, 3], [4, 3]]]
    assert strokes(right, "sets-quiet").tolist() == [[[2, 1], [3, 1]], [[2, 2], [3, 2]]]
    assert strokes(left, "sets-significant").tolist() == [[[1, 0], [1, 0]], [[2, 1], [2, 1]]]


@pytest.mark.parametrize("letters, size", [(7, "column"), (8, "column"), (7, "page"), (14, "slide")])
def test_long_names_are_cut_by_nothing_and_leave_room_for_the_lines(make_outcomes, letters, size):
    names = tuple(f"shake_shake_26_2x96d_SSI_{place:02}" for place in range(12))
    pair = predicted_by(
        make_outcomes, [900 - 10 * place for place in range(12)], [700 - place for place in range(12)], names
    )
    figure = ranks_figure(pair, size=replace(SIZES[size], letters=letters))

    assert figure is not None
    (ax,) = (one for one in figure.axes if one.child_axes)
    texts = [text for one in (ax, *ax.child_axes) for text in one.get_yticklabels()]
    boxes = [text.get_window_extent() for text in (*texts, *ax.get_xticklabels())]
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
    assert len({text.get_text() for text in texts}) == 24  # none is shortened to what another is
    assert ax.get_window_extent().width > 0.08 * figure.bbox.width


def test_original_and_new_do_not_touch_in_a_column(make_outcomes):
    figure = ranks_figure(predicted_by(make_outcomes, [950, 900], [600, 800], ("a" * 28, "b" * 28)), size=COLUMN)

    assert figure is not None
    original, new = (text.get_window_extent() for text in figure.axes[0].get_xticklabels())
    assert original.x1 + 3 < new.x0


def test_equal_accuracies_share_a_rank_and_have_a_row_each(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([9, 9, 8], [7, 7, 7])}, resamples=0)

    ax = ranks(pair.metrics["top1"], Figure().add_subplot())

    assert [text.get_text() for text in ax.get_yticklabels()] == ["a  1", "b  1", "c  3"]
    assert [text.get_text() for text in ax.child_axes[0].get_yticklabels()] == ["1  a", "1  b", "1  c"]


def test_of_many_models_the_best_are_drawn_and_the_others_counted(make_outcomes):
    names = tuple(f"model {number}" for number in range(100))
    correct = np.arange(900, 800, -1)
    pair = summarize_outcomes({"top1": make_outcomes(correct, correct - 90, total=1000, models=names)}, resamples=0)

    figure = ranks_figure(pair)

    assert figure is not None
    assert len(figure.axes[0].get_yticklabels()) == 70
    assert figure.get_supxlabel() == "old → new, top-1; the best 70 of 100 models"
    assert figure.get_figheight() < 9.3  # of a page


@pytest.mark.parametrize("models", [2, 36, 70])
def test_texts_lie_inside_the_figure_and_on_nothing(make_outcomes, models):
    names = tuple(f"a_rather_long_name_of_model_{place:02}" for place in range(models))
    correct = np.linspace(900, 400, models).astype(int).tolist()
    pair = predicted_by(make_outcomes, correct, correct[::-1], names)

    figure = ranks_figure(pair)

    assert figure is not None
    left, middle, right = figure.axes
    names = (middle.get_yticklabels(), middle.child_axes[0].get_yticklabels())
    for labels, low, high in (
        (names[0], left.get_window_extent().x1, middle.get_window_extent().x0),
        (names[1], middle.get_window_extent().x1, right.get_window_extent().x0),
    ):
        boxes = [label.get_window_extent() for label in labels]
        assert low <= min(box.x0 for box in boxes)
        assert max(box.x1 for box in boxes) <= high
        assert min(upper.y0 - lower.y1 for upper, lower in pairwise(boxes)) >= -1  # letters without a tail may touch
    for text in (left.xaxis.label, right.xaxis.label, *figure.texts):
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


def test_names_stand_as_they_are(make_outcomes):
    models = ("a $x$ b", "<script>alert(1)</script>", "c" * 40)
    figure = ranks_figure(predicted_by(make_outcomes, [900, 800, 600], [800, 700, 500], models))

    assert figure is not None
    labels = [text.get_text() for text in figure.axes[1].get_yticklabels()]
    assert labels == [r"a \$x\$ b  1", "<script>alert(1)</script>  2", f"{'c' * 29}…  3"]
    assert b"<script" not in render(figure, "svg")


def test_one_model_has_no_rank_to_change(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([9], [7])}, resamples=0)

    assert ranks_figure(pair) is None
    with pytest.raises(ValueError, match="ranks: found 1 model; expected at least two"):
        ranks(pair.metrics["top1"], Figure().add_subplot())


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_same_figure_has_the_same_bytes_each_time(crossed, kind):
    figure, again = ranks_figure(crossed), ranks_figure(crossed)

    assert figure is not None
    assert again is not None
    assert render(figure, kind) == render(figure, kind) == render(again, kind)
