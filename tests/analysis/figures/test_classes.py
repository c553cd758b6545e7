"""The dumbbell chart by its marks: order, positions, intervals, names, and texts by where they stand."""

from itertools import pairwise

import numpy as np
import pytest
from marks import dots, strokes
from matplotlib.figure import Figure

from evalshift.analysis.figures import classes, classes_figure, render
from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.analysis.summary import PairSummary, summarize_outcomes


def predicted_by(right, images=10, names=None) -> PairSummary:
    """One model or several, right on so many of each class's images: `right[side][model][class]`."""
    sides = [np.array(side) for side in right]
    models, count = sides[0].shape
    names = tuple(f"class {number}" for number in range(count)) if names is None else names
    labels = np.repeat(np.arange(count), images)
    stored_predictions = []
    for dataset, counts in zip(("old", "new"), sides, strict=True):
        hit = np.arange(images) < counts[:, :, np.newaxis]
        own = np.arange(count)[:, np.newaxis]
        top = np.where(hit, own, (own + 1) % count).reshape(models, -1, 1)
        ids = tuple(map(str, range(len(labels))))
        stored_predictions.append(ImagePredictions(dataset, tuple("abc"[:models]), top, labels, ids, names))
    outcomes = Outcomes(
        original="old",
        new="new",
        metric="top1",
        models=tuple("abc"[:models]),
        original_correct=sides[0].sum(axis=1),
        new_correct=sides[1].sum(axis=1),
        original_total=len(labels),
        new_total=len(labels),
        attributes={},
    )
    return summarize_outcomes(
        {"top1": outcomes}, predictions=(stored_predictions[0], stored_predictions[1]), resamples=0
    )


@pytest.fixture(scope="module")
def three():
    """Class 1 falls by 50 points in the mean of two models, class 2 by 5, and class 0 rises by 10."""
    return predicted_by([[[8, 9, 6], [6, 9, 6]], [[9, 5, 6], [7, 3, 5]]], names=("bird", "cat", "deer"))


@pytest.fixture(scope="module")
def hundred():
    """Class k of 100 falls from 99 of 100 images to 99 − k, the last one rises from 50 to 60."""
    before, after = [99] * 99 + [50], [99 - number for number in range(99)] + [60]
    return predicted_by([[before], [after]], images=100)


def drawn(pair):
    return classes(pair.metrics["top1"], Figure().add_subplot())


def test_the_most_fallen_stands_on_top_at_its_accuracies(three):
    ax = drawn(three)

    assert [text.get_text() for text in ax.get_yticklabels()] == ["cat", "deer", "bird"]
    assert dots(ax, "original") == pytest.approx(np.array([[90, 0], [60, 1], [70, 2]]))
    assert dots(ax, "new") == pytest.approx(np.array([[40, 0], [55, 1], [80, 2]]))
    drops = strokes(ax, "drops")
    assert drops[:, :, 0] == pytest.approx(np.array([[90, 40], [60, 55], [70, 80]]))
    assert ax.get_ylim() == (2.6, -0.6)
    assert ax.get_xlabel() == "Mean accuracy of 2 models (%)"


def test_intervals_are_means_over_models_beside_their_marks(three):
    ax = drawn(three)

    # Of cat on the new set, 5 and 3 of 10.
    both = clopper_pearson(np.array([5, 3]), np.array([10, 10]))
    ends = strokes(ax, "new-intervals")[0]
    assert ends[:, 0] == pytest.approx([100 * both.low.mean(), 100 * both.high.mean()])
    assert ends[:, 1] == pytest.approx([0.2, 0.2])
    assert strokes(ax, "original-intervals")[:, 0, 1] == pytest.approx([-0.2, 0.8, 1.8])


def test_of_many_classes_both_ends_are_drawn_and_the_rest_is_counted(hundred):
    ax = drawn(hundred)

    names = [text.get_text() for text in ax.get_yticklabels()]
    rows = ax.get_yticks().tolist()
    assert len(names) == 71
    assert names[:2] == ["class 98", "class 97"]
    assert (names[-1], rows[-1]) == ("… 30 more classes …", 35)
    assert (names[35], rows[35]) == ("class 33", 36)  # the row above is that of the classes between
    assert (names[69], rows[69]) == ("class 99", 70)
    assert dots(ax, "new")[-1].tolist() == [60, 70]
    figure = classes_figure(hundred)
    assert figure is not None
    assert figure.get_figheight() < 9.3  # of a page


def test_one_class_of_one_model():
    ax = drawn(predicted_by([[[9, 0]], [[6, 0]]], names=("only", "none")))

    assert ax.get_xlabel() == "Accuracy (%)"
    assert dots(ax, "new").tolist() == [[60, 0], [0, 1]]


def test_a_class_that_a_set_lacks_is_not_drawn(kept_letters):
    from evalshift.analysis.summary.stored import summarize

    (pair,) = summarize(kept_letters.results, resamples=0).pairs

    # Both sets have images of a and b alone.
    assert [text.get_text() for text in drawn(pair).get_yticklabels()] == ["b", "a"]


def test_names_stand_as_they_are_and_end_after_a_word():
    names = ("a $x$ b", "<script>alert(1)</script>", "hammerhead, hammerhead shark (n01494475)")
    figure = classes_figure(predicted_by([[[9, 8, 7]], [[5, 5, 5]]], names=names))

    assert figure is not None
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == [r"a \$x\$ b", "<script>alert(1)</script>", "hammerhead, hammerhead shark…"]
    assert b"<script" not in render(figure, "svg")


def test_texts_lie_inside_the_figure_and_on_nothing(hundred):
    figure = classes_figure(hundred)

    assert figure is not None
    (ax,) = figure.axes
    boxes = sorted((label.get_window_extent() for label in ax.get_yticklabels()), key=lambda box: -box.y0)
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= ax.get_window_extent().x0
    assert min(upper.y0 - lower.y1 for upper, lower in pairwise(boxes)) >= -1  # letters without a tail may touch
    (legend,) = figure.legends
    for box in (legend.get_window_extent(), ax.xaxis.label.get_window_extent(), figure.texts[0].get_window_extent()):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
    assert legend.get_window_extent().y0 >= ax.get_window_extent().y1


def test_with_counts_alone_there_is_no_figure(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([9, 8], [7, 6])}, resamples=0)

    assert classes_figure(pair) is None
    with pytest.raises(KeyError, match="classes"):
        classes(pair.metrics["top1"], Figure().add_subplot())
