"""Falling hit rates: by hand, in closed form, against scipy, as a property, by simulation, on the papers' data."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from released import cifar10, imagenet, needs_cifar10, needs_imagenet
from scipy import stats

from evalshift.analysis.statistics import image_trends as module
from evalshift.analysis.statistics.image_trends import held_out_trend, image_trends
from evalshift.errors import AnalysisError

ACCURACY = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
# Images: all correct; none; the two worst models; the two best; the best alone; the worst and the best.
CORRECT = np.array(
    [
        [1, 0, 1, 0, 0, 1],
        [1, 0, 1, 0, 0, 0],
        [1, 0, 0, 0, 0, 0],
        [1, 0, 0, 1, 0, 0],
        [1, 0, 0, 1, 1, 1],
    ],
    dtype=bool,
)


class TestByHand:
    def test_trends_and_p_values(self):
        # Of 10 pairs of models one has rank sum 3, two sum to 6 or more of ...: P(sum ≤ 6) with ranks 1 and 5 is 6/10.
        found = image_trends(ACCURACY, CORRECT)
        assert found.trend == pytest.approx(np.array([np.nan, np.nan, -1, 1, 1, 0]), nan_ok=True)
        assert found.p_value == pytest.approx(np.array([np.nan, np.nan, 0.1, 1, 1, 0.6]), nan_ok=True)
        assert found.correct.tolist() == [5, 0, 2, 2, 1, 2]
        assert (found.decided, found.negative, found.nominal) == (4, 1, 0)

    def test_by_chance_counts_what_p_values_can_attain(self):
        # At level 0.85 two of five correct attain p = 0.1 (of three images), one of five none (least p 0.2).
        found = image_trends(ACCURACY, CORRECT, level=0.85)
        assert found.by_chance == pytest.approx(3 * 0.1)
        assert found.nominal == 1
        # Four images are tested: p_bh is 0.4.
        assert found.p_bh[2] == pytest.approx(0.4)
        assert found.falling.tolist() == []

    def test_the_strongest_come_first(self):
        accuracy = np.arange(20) / 20
        falls, strongly = accuracy < 0.6, accuracy < 0.5
        found = image_trends(accuracy, np.stack([falls, strongly, ~falls], axis=1))
        assert found.falling.tolist() == [1, 0]


class TestClosedForm:
    @pytest.mark.parametrize("models", [8, 30])
    def test_the_worst_half_alone_has_one_of_all_choices(self, models):
        accuracy = np.arange(models) / models
        found = image_trends(accuracy, (accuracy < 0.5)[:, np.newaxis])
        assert found.p_value[0] == pytest.approx(
            1 / np.prod(np.arange(models // 2 + 1, models + 1) / np.arange(1, models // 2 + 1))
        )

    def test_equal_accuracies_leave_nothing_to_tell(self):
        with pytest.raises(AnalysisError, match="same original accuracy"):
            image_trends(np.full(5, 0.7), CORRECT)


class TestAgainstOthers:
    def test_scipy_without_ties(self):
        rng = np.random.default_rng(5)
        accuracy, correct = rng.permutation(30) / 30, rng.random((30, 40)) < 0.4
        found = image_trends(accuracy, correct)
        for image in range(40):
            hit, missed = accuracy[correct[:, image]], accuracy[~correct[:, image]]
            theirs = stats.mannwhitneyu(hit, missed, alternative="less", method="exact")
            assert found.p_value[image] == pytest.approx(theirs.pvalue)
            assert found.trend[image] == pytest.approx(2 * theirs.statistic / (len(hit) * len(missed)) - 1)

    def test_scipy_for_many_models(self):
        rng = np.random.default_rng(6)
        accuracy, correct = np.round(rng.random(150), 2), rng.random((150, 20)) < 0.4
        found = image_trends(accuracy, correct)
        for image in range(20):
            hit, missed = accuracy[correct[:, image]], accuracy[~correct[:, image]]
            theirs = stats.mannwhitneyu(hit, missed, alternative="less", method="asymptotic")
            assert found.p_value[image] == pytest.approx(theirs.pvalue, rel=1e-9)
        assert found.by_chance == pytest.approx(20 * 0.05, rel=0.03)

    def test_all_subsets_with_ties(self):
        accuracy = np.array([0.5, 0.6, 0.6, 0.7, 0.7, 0.7, 0.9])
        correct = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)
        found, ranks = image_trends(accuracy, correct), stats.rankdata(accuracy)
        for image in range(3):
            sums = np.array([ranks[list(chosen)].sum() for chosen in combinations(range(7), 3)])
            assert found.p_value[image] == pytest.approx(np.mean(sums <= ranks[correct[:, image]].sum()))


@given(seed=st.integers(0, 1000), models=st.integers(3, 25))
def test_reversing_accuracies_reverses_trends_whatever_the_order_of_models(seed, models):
    rng = np.random.default_rng(seed)
    accuracy, correct = rng.integers(0, 12, models) / 12, rng.random((models, 8)) < 0.5
    if np.ptp(accuracy) == 0:
        return
    order = rng.permutation(models)
    one, other = image_trends(accuracy, correct), image_trends((1 - accuracy)[order], correct[order])
    assert one.trend == pytest.approx(-other.trend, nan_ok=True)
    both = np.isfinite(one.p_value)
    # The two tails share the observed sum alone.
    assert (one.p_value[both] + other.p_value[both] >= 1 - 1e-12).all()
    assert (np.abs(one.trend[both]) <= 1 + 1e-12).all()


def test_counting_and_the_normal_distribution_agree_for_many_models(monkeypatch):
    rng = np.random.default_rng(2)
    accuracy, correct = rng.random(80), rng.random((80, 300)) < 0.3
    counted = image_trends(accuracy, correct)
    monkeypatch.setattr(module, "_MOST_COUNTED", 10)
    normal = image_trends(accuracy, correct)
    assert normal.p_value == pytest.approx(counted.p_value, abs=0.004)
    assert normal.by_chance == pytest.approx(counted.by_chance, rel=0.05)


class TestHeldOut:
    def test_images_that_fall_for_all_models_fall_for_the_other_half(self):
        rng = np.random.default_rng(1)
        accuracy = np.linspace(0.5, 0.9, 40)
        falling = rng.random((40, 200)) < (1.3 - accuracy)[:, np.newaxis]
        rising = rng.random((40, 800)) < accuracy[:, np.newaxis]
        found = held_out_trend(accuracy, np.concatenate([falling, rising], axis=1))
        assert found.correlation < -0.5

    def test_chance_alone_gives_no_negative_correlation(self):
        rng = np.random.default_rng(4)
        accuracy = np.linspace(0.5, 0.9, 40)
        independent = [held_out_trend(accuracy, rng.random((40, 500)) < 0.7).correlation for _ in range(20)]
        assert np.mean(independent) == pytest.approx(0, abs=0.12)
        # Where every hit rate rises, so it does on the images picked.
        rising = rng.random((40, 1000)) < accuracy[:, np.newaxis]
        assert held_out_trend(accuracy, rising).correlation > 0.3

    def test_two_halves_take_ten_models(self):
        with pytest.raises(AnalysisError) as error:
            held_out_trend(ACCURACY, CORRECT)
        assert error.value.found == "5 models"

    def test_images_that_nobody_misses_pick_none(self):
        found = held_out_trend(np.linspace(0.5, 0.9, 10), np.ones((10, 4), dtype=bool))
        assert found.images == 0
        assert np.isnan(found.correlation)


def test_sizes_that_differ_are_refused():
    with pytest.raises(ValueError, match="4 accuracies and predictions of 5 models"):
        image_trends(ACCURACY[:4], CORRECT)


@needs_cifar10
def test_cifar10_has_fewer_falling_images_than_chance():
    released = cifar10()
    found = image_trends(released.correct[0].mean(axis=1), released.correct[1])
    assert (found.decided, found.negative, found.nominal, len(found.falling)) == (1128, 106, 16, 0)
    assert found.nominal < found.by_chance / 2


@needs_imagenet
def test_imagenet_has_images_on_which_better_models_are_worse():
    released = imagenet().without("fv")
    accuracy = released.correct[0].mean(axis=1)
    found = image_trends(accuracy, released.correct[1])
    assert (found.decided, found.negative, len(found.falling)) == (6693, 1087, 20)
    assert held_out_trend(accuracy, released.correct[1]).correlation == pytest.approx(-0.51, abs=0.01)
