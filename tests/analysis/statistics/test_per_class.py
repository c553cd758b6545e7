"""Accuracy per class: counted by hand, against scipy and statsmodels, in simulation, and on real sets."""

import inspect
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from released import cifar10, imagenet, needs_cifar10, needs_imagenet
from scipy import stats

from evalshift.analysis.statistics.drops import drops
from evalshift.analysis.statistics.multiplicity import adjust
from evalshift.analysis.statistics.per_class import ClassAccuracies, class_accuracies, class_drops


def rng(name: str = "per class") -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def some_set(models: int, classes: int, images: int, name: str, accuracy: float = 0.7) -> ClassAccuracies:
    draw = rng(name)
    return class_accuracies(
        draw.uniform(size=(models, images)) < accuracy, draw.integers(0, classes, images), classes=classes
    )


class TestAccuracies:
    def test_by_hand(self):
        # Class 0: images 0, 1, 4; class 1: image 2; class 2: none; class 3: images 3 and 5.
        labels = np.array([0, 0, 1, 3, 0, 3])
        correct = np.array([[True, False, True, False, True, False], [True, True, True, True, True, False]])
        result = class_accuracies(correct, labels, classes=4)
        assert result.total.tolist() == [3, 1, 0, 2]
        assert result.correct.tolist() == [[2, 1, 0, 0], [3, 1, 0, 1]]
        assert result.accuracy == pytest.approx(np.array([[2 / 3, 1, np.nan, 0], [1, 1, np.nan, 0.5]]), nan_ok=True)
        assert result.rank.tolist() == [[2, 1, 4, 3], [1, 1, 4, 3]]
        assert result.order.tolist() == [[1, 0, 3, 2], [0, 1, 3, 2]]
        # One of one: from α/2 to 1; none of two: to 1 − (α/2)^(1/2).
        assert (result.interval.low[0, 1], result.interval.high[0, 1]) == pytest.approx((0.025, 1))
        assert (result.interval.low[0, 3], result.interval.high[0, 3]) == pytest.approx((0, 1 - math.sqrt(0.025)))
        assert np.isnan([result.interval.low[:, 2], result.interval.high[:, 2]]).all()

    @settings(max_examples=40)
    @given(st.integers(0, 4), st.integers(1, 8), st.integers(0, 60), st.integers(0, 1000))
    def test_classes_add_up_to_the_whole(self, models, classes, images, seed):
        draw = np.random.default_rng(seed)
        correct, labels = draw.uniform(size=(models, images)) < 0.6, draw.integers(0, classes, images)
        result = class_accuracies(correct, labels, classes=classes)
        assert result.correct.sum(axis=1).tolist() == correct.sum(axis=1).tolist()
        assert result.total.sum() == images
        for model in range(models):
            assert sorted(result.order[model]) == list(range(classes))
            sizes = result.total[result.order[model]]
            ordered = result.accuracy[model, result.order[model]][sizes > 0]
            assert (np.diff(ordered) <= 0).all()
            assert (result.rank[model] >= 1).all()

    @pytest.mark.parametrize(
        "labels, level, message",
        [
            ([0, 3, 1], 0.95, "labels[1]: found 3; expected 0 to 2"),
            ([0, 1, -1], 0.95, "labels[2]: found -1; expected 0 to 2"),
            ([0, 1], 0.95, "found predictions for 3 images and 2 labels; expected one label each"),
            ([0, 1, 2], 95.0, "level: found 95.0; expected a fraction between 0 and 1, such as 0.95"),
        ],
    )
    def test_impossible_input(self, labels, level, message):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            # Unwrapped: as it runs for users, without the tests' shape checker that would speak first.
            inspect.unwrap(class_accuracies)(np.ones((2, 3), bool), np.array(labels), classes=3, level=level)
        assert str(complaint.value) == message


class TestDrops:
    def test_by_hand(self):
        # Class 0: 8 of 8 against 3 of 8; class 1: 4 of 8 on both.
        labels = np.repeat([0, 1], 8)
        original = np.array([[True] * 8 + [True, False] * 4])
        new = np.array([[True] * 3 + [False] * 5 + [True, False] * 4])
        result = class_drops(class_accuracies(original, labels, 2), class_accuracies(new, labels, 2))
        assert result.drop.tolist() == [[5 / 8, 0]]
        # Fisher's exact test: 11 right of 16 in all. Ways to have 8 or 3 of them in the first eight: 2 · C(8, 3) of
        # C(16, 11) = 4368: 0.025641.
        assert result.p_value == pytest.approx(np.array([[2 * 56 / 4368, 1]]))
        assert result.p_holm == pytest.approx(np.array([[4 * 56 / 4368, 1]]))
        assert result.p_bh == pytest.approx(np.array([[4 * 56 / 4368, 1]]))

    def test_intervals_are_those_of_drops(self):
        original, new = some_set(3, 5, 400, "original"), some_set(3, 5, 100, "new", 0.5)
        result = class_drops(original, new, level=0.9)
        for model in range(3):
            theirs = drops(original.correct[model], original.total, new.correct[model], new.total, level=0.9)
            assert result.drop[model] == pytest.approx(theirs.drop)
            assert result.interval.low[model] == pytest.approx(theirs.interval.low)
            assert result.interval.high[model] == pytest.approx(theirs.interval.high)

    def test_p_values_agree_with_scipy_and_their_adjustment_with_statsmodels(self):
        original, new = some_set(4, 30, 1500, "original"), some_set(4, 30, 300, "new", 0.45)
        result = class_drops(original, new)
        for model in range(4):
            tables = np.stack(
                [
                    original.correct[model],
                    original.total - original.correct[model],
                    new.correct[model],
                    new.total - new.correct[model],
                ]
            )
            theirs = np.array([stats.fisher_exact(table.reshape(2, 2))[1] for table in tables.T], dtype=float)
            assert result.p_value[model] == pytest.approx(theirs, rel=1e-9)
            assert result.p_holm[model] == pytest.approx(adjust(theirs, "holm"), rel=1e-9)
            assert result.p_bh[model] == pytest.approx(adjust(theirs, "benjamini-hochberg"), rel=1e-9)

    def test_order_of_the_classes_is_compared_by_kendall(self):
        original, new = some_set(3, 12, 600, "original"), some_set(3, 12, 600, "new")
        result = class_drops(original, new)
        for model in range(3):
            theirs: Any = stats.kendalltau(original.accuracy[model], new.accuracy[model])
            assert result.rank_correlation[model] == pytest.approx(theirs.statistic)
        assert class_drops(original, original).rank_correlation == pytest.approx(np.ones(3))

    def test_few_false_alarms_and_a_planted_class_found(self):
        # 200 models on 20 classes, 500 and 100 images each, 80 % right in all classes of both sets but one.
        labels, new_labels = np.repeat(np.arange(20), 500), np.repeat(np.arange(20), 100)
        draw = rng("planted class")
        original = class_accuracies(draw.uniform(size=(200, 10_000)) < 0.8, labels, 20)
        accuracy = np.where(new_labels == 7, 0.5, 0.8)
        new = class_accuracies(draw.uniform(size=(200, 2000)) < accuracy, new_labels, 20)
        result = class_drops(original, new)
        others = np.arange(20) != 7
        assert np.mean((result.p_holm[:, others] < 0.05).any(axis=1)) < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200)
        assert np.mean(result.p_holm[:, 7] < 0.05) > 0.99
        inside = (result.interval.low[:, others] <= 0) & (result.interval.high[:, others] >= 0)
        assert inside.mean() == pytest.approx(0.95, abs=0.01)


class TestDegenerate:
    def test_a_class_that_one_set_lacks(self):
        labels = np.array([0, 0, 1, 1])
        correct = np.array([[True, False, True, True]])
        original = class_accuracies(correct, labels, 3)
        new = class_accuracies(correct, np.array([0, 0, 2, 2]), 3)
        result = class_drops(original, new)
        for values in (result.drop, result.interval.low, result.p_value, result.p_holm, result.p_bh):
            assert np.isnan(values).tolist() == [[False, True, True]]
        assert math.isnan(result.rank_correlation[0])

    def test_no_class_in_common(self):
        correct = np.array([[True, False]])
        result = class_drops(
            class_accuracies(correct, np.array([0, 0]), 2), class_accuracies(correct, np.array([1, 1]), 2)
        )
        assert np.isnan(result.p_holm).all()
        assert result.p_holm.shape == (1, 2)

    def test_equal_accuracies_have_no_order(self):
        one = class_accuracies(np.array([[True, True]]), np.array([0, 1]), 2)
        assert math.isnan(class_drops(one, one).rank_correlation[0])

    def test_no_models(self):
        none = class_accuracies(np.empty((0, 4), bool), np.array([0, 0, 1, 1]), 2)
        result = class_drops(none, none)
        assert result.drop.shape == result.p_bh.shape == (0, 2)
        assert result.rank_correlation.shape == (0,)

    def test_sets_of_different_models(self):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            class_drops(some_set(2, 3, 50, "a"), some_set(3, 3, 50, "b"))
        assert str(complaint.value) == "found (2, 3) and (3, 3) models and classes; expected the same on both sets"


@needs_cifar10
def test_on_cifar10_automobiles_fall_most():
    released = cifar10()
    original, new = (
        class_accuracies(correct, labels, 10)
        for correct, labels in zip(released.correct, (released.original_labels, released.new_labels), strict=True)
    )
    assert original.total.tolist() == [1000] * 10
    assert new.total.tolist() == [208, 212, 202, 212, 204, 218, 192, 210, 161, 202]
    result = class_drops(original, new)
    # 1 is automobile, 4 deer; what is best on the original set is not on the new one.
    assert (np.argmax(result.drop.mean(axis=0)), np.argmin(result.drop.mean(axis=0))) == (1, 4)
    assert result.drop.mean(axis=0)[[1, 4]] == pytest.approx([0.184, 0.036], abs=0.001)
    assert (result.p_holm[:, 1] < 0.05).all()
    assert 0.05 < result.rank_correlation.mean() < 0.5


@needs_imagenet
def test_on_imagenet_single_classes_are_too_small_to_tell_but_for_a_few():
    released = imagenet()
    original, new = (
        class_accuracies(correct, labels, 1000)
        for correct, labels in zip(released.correct, (released.original_labels, released.new_labels), strict=True)
    )
    assert (original.total == 50).all()
    assert (new.total == 10).all()
    result = class_drops(original, new)
    assert 1 <= (result.p_holm < 0.05).sum(axis=1).min() <= (result.p_holm < 0.05).sum(axis=1).max() <= 6
    # Yet nearly all classes fall, in the mean over models.
    assert np.mean(result.drop.mean(axis=0) > 0) > 0.75
