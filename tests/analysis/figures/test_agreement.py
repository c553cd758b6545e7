"""The heat map of agreement by its marks: values, order, colours, colour bar, names, and texts by where they stand."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from evalshift.analysis.figures import agreement, agreement_figure, render
from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.summary import PairSummary, summarize_outcomes


def predicted_by(top, new_top=None, models=None, metric="top1") -> PairSummary:
    """Models with these top-1 predictions, shape (m, n), on images of classes 0, 1, 2, 0, …; on both sets alike."""
    sides = [np.array(top), np.array(top if new_top is None else new_top)]
    count, images = sides[0].shape
    models = tuple("abcdefgh"[:count]) if models is None else models
    labels = np.arange(images) % 3
    ids, names = tuple(map(str, range(images))), ("bird", "cat", "deer", "dog", "frog", "horse", "ship")
    rest = np.broadcast_to([3, 4, 5, 6], (count, images, 4))  # further predictions, never correct
    stored_predictions = [
        ImagePredictions(dataset, models, np.dstack([side, rest]), labels, ids, names)
        for dataset, side in zip(("old", "new"), sides, strict=True)
    ]
    correct = [(side == labels).sum(axis=1) for side in sides]
    outcomes = Outcomes("old", "new", metric, models, correct[0], correct[1], images, images, {})
    return summarize_outcomes(
        {metric: outcomes}, predictions=(stored_predictions[0], stored_predictions[1]), resamples=0
    )


@pytest.fixture(scope="module")
def four():
    """Of six images a and c predict five alike, b and d too; all others agree on fewer."""
    a, b = [0, 1, 2, 0, 1, 2], [0, 1, 2, 1, 2, 0]
    return predicted_by([a, b, [*a[:5], 0], [*b[:5], 1]], [a, a, a, b])


@cache
def many(models, images=60):
    """Models that miss the more images the later they come, each an own part of them."""
    right = np.arange(images) % 3
    rng = np.random.default_rng(7)
    top = np.where(rng.random((models, images)) < np.linspace(0.1, 0.6, models)[:, np.newaxis], (right + 1) % 3, right)
    return predicted_by(top, models=tuple(f"a_rather_long_name_of_model_{place:03}" for place in range(models)))


def drawn(pair, metric="top1"):
    original, new = Figure().subplots(1, 2)
    return agreement(pair.metrics[metric], original, new)


def shades(ax) -> np.ndarray:
    (image,) = ax.images
    return np.ma.filled(image.get_array(), np.nan)


def test_values_stand_in_one_order_that_puts_like_by_like(four):
    original, new = drawn(four)

    names = [text.get_text() for text in original.get_yticklabels()]
    assert set(names[:2]) in ({"a", "c"}, {"b", "d"})
    row = {name: place for place, name in enumerate(names)}
    # By hand: a and c differ in the last image, a and b in the last three; on the new set d alone is another.
    assert shades(original)[row["a"], row["c"]] == pytest.approx(5 / 6)
    assert shades(original)[row["a"], row["b"]] == pytest.approx(3 / 6)
    assert shades(new)[row["a"], row["b"]] == pytest.approx(1)
    assert shades(new)[row["a"], row["d"]] == pytest.approx(3 / 6)
    assert np.diag(shades(original)).tolist() == [1] * 4


def test_both_sets_share_their_colours_from_the_least_agreement_on(four):
    original, new = drawn(four)

    least = min(shades(original).min(), shades(new).min())
    assert original.images[0].get_clim() == new.images[0].get_clim() == (pytest.approx(least), 1)
    assert [ax.get_title() for ax in (original, new)] == ["Original set", "New set"]


def test_models_that_all_agree_are_all_of_the_darkest_colour():
    original, _ = drawn(predicted_by([[0, 1, 1]] * 3))

    assert original.images[0].get_clim() == (0, 1)
    assert np.unique(shades(original)).tolist() == [1]


def test_error_consistency_for_top5_and_grey_is_undefined():
    right = np.arange(30) % 3
    wrong = np.where(np.arange(30) < 10, (right + 1) % 3, right)
    pair = predicted_by([right, right, wrong, np.roll(wrong, 3)], metric="top5")

    original, _ = drawn(pair, "top5")

    # Models that are always correct agree with each other no better than chance would have it: 0/0.
    assert np.isnan(shades(original)).sum() == 4
    assert original.get_facecolor() == pytest.approx((0.8, 0.8, 0.8, 1))
    figure = agreement_figure(pair, "top5")
    assert figure is not None
    assert figure.axes[2].get_ylabel() == "Error consistency (Cohen's κ)"


def test_the_colour_bar_is_in_percent(four):
    figure = agreement_figure(four)

    assert figure is not None
    figure.draw_without_rendering()
    bar = figure.axes[2]
    assert bar.get_ylabel() == "Images with the same top-1 prediction (%)"
    assert [text.get_text() for text in bar.get_yticklabels()][-1] == "100"


@pytest.mark.parametrize("models, named", [(3, 3), (36, 36), (70, 0), (120, 0)])
def test_all_names_are_written_or_none_and_lie_on_nothing(models, named):
    figure = agreement_figure(many(models))

    assert figure is not None
    original, new, bar = figure.axes
    boxes = [label.get_window_extent() for label in original.get_yticklabels()]
    assert len(boxes) == named
    if named:
        assert min(box.x0 for box in boxes) >= 0
        assert max(box.x1 for box in boxes) <= original.get_window_extent().x0
        assert min(upper.y0 - lower.y1 for upper, lower in pairwise(boxes)) >= -1  # letters without a tail may touch
    ends = [ax.get_window_extent() for ax in (original, new)]
    assert ends[0].width == pytest.approx(ends[0].height)
    assert ends[0].width == pytest.approx(ends[1].width)
    assert ends[0].x1 <= ends[1].x0
    assert ends[1].x1 <= bar.get_window_extent().x0
    assert bar.yaxis.label.get_window_extent().x1 <= figure.bbox.x1
    assert original.title.get_window_extent().y1 <= figure.bbox.y1


def test_of_more_models_the_most_accurate_are_drawn():
    figure = agreement_figure(many(120))

    assert figure is not None
    assert shades(figure.axes[0]).shape == (100, 100)
    assert figure.get_supxlabel() == "old → new, top-1; the 100 most accurate of 120 models"


def test_names_stand_as_they_are():
    models = ("a $x$ b", "<script>alert(1)</script>", "c" * 40)
    figure = agreement_figure(predicted_by([[0, 1, 2], [0, 1, 1], [0, 0, 0]], models=models))

    assert figure is not None
    labels = {text.get_text() for text in figure.axes[0].get_yticklabels()}
    assert labels == {r"a \$x\$ b", "<script>alert(1)</script>", "c" * 25 + "…"}
    assert b"<script" not in render(figure, "svg")


def test_two_models_and_counts_alone_have_no_map(make_outcomes):
    counted = summarize_outcomes({"top1": make_outcomes([9, 8, 7], [7, 6, 5])}, resamples=0)

    for pair in (predicted_by([[0, 1, 2], [0, 1, 1]]), counted):
        assert agreement_figure(pair) is None
        with pytest.raises(
            ValueError, match="agreement: found fewer than three models for which it is defined; expected three or more"
        ):
            drawn(pair)


def test_without_any_agreement_that_is_defined_there_is_no_map():
    assert agreement_figure(predicted_by([[0, 1, 2]] * 3, metric="top5"), "top5") is None
