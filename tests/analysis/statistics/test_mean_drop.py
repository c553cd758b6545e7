"""The mean drop and the joint margin: by hand, in closed form, against statsmodels, and by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from released import cifar10, imagenet, needs_cifar10, needs_imagenet
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from evalshift.analysis.statistics.difficulty_model import Difficulty, simulate
from evalshift.analysis.statistics.drops import drops
from evalshift.analysis.statistics.mean_drop import (
    drop_margin,
    drop_margin_of_counts,
    mean_drop,
    mean_drop_of_counts,
)


def some(models: int, images: int, rate: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([models, images, seed]).random((models, images)) < rate


def test_two_models_by_hand():
    # Shares correct: 1, ½, ½, 0 and 1, 0. Means ½ and ½; variances 1/6 over 4 images and ½ over 2, with n − 1.
    original = np.array([[True, True, False, False], [True, False, True, False]])
    new = np.array([[True, False], [True, False]])
    found = mean_drop(original, new)
    assert found is not None
    error = np.sqrt(1 / 24 + 1 / 4)
    df = (1 / 24 + 1 / 4) ** 2 / ((1 / 24) ** 2 / 3 + (1 / 4) ** 2 / 1)
    reach = stats.t.ppf(0.975, df) * error
    assert (found.drop, found.interval.low, found.interval.high) == pytest.approx((0, -reach, reach))
    assert (found.direction, found.conservative, found.models) == (0, False, 2)


def test_models_that_agree_on_every_image_are_one_model():
    original, new = some(1, 300, 0.8), some(1, 200, 0.6, 1)
    one, five = mean_drop(original, new), mean_drop(np.repeat(original, 5, axis=0), np.repeat(new, 5, axis=0))
    assert one is not None
    assert five is not None
    assert (five.interval.low, five.interval.high) == pytest.approx((one.interval.low, one.interval.high))


def test_it_is_the_unequal_variance_interval_of_statsmodels():
    original, new = some(6, 250, 0.85), some(6, 90, 0.7, 1)
    found = mean_drop(original, new, level=0.9)
    assert found is not None
    theirs = CompareMeans(DescrStatsW(original.mean(axis=0)), DescrStatsW(new.mean(axis=0)))
    low, high = theirs.tconfint_diff(alpha=0.1, usevar="unequal")
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high))
    assert found.direction == 1


def test_images_that_show_no_variance_give_none():
    assert mean_drop(np.ones((3, 50), bool), some(3, 50, 0.5)) is None
    assert mean_drop(some(3, 50, 0.5), some(3, 1, 0.5)) is None


def test_from_counts_the_bounds_of_the_models_are_averaged_and_said_to_be_conservative():
    counts = np.array([90, 80]), np.full(2, 100), np.array([70, 66]), np.full(2, 100)
    found, own = mean_drop_of_counts(*counts), drops(*counts)
    assert (found.drop, found.conservative) == (pytest.approx(0.17), True)
    assert found.interval.low == pytest.approx(own.interval.low.mean())
    assert found.interval.high == pytest.approx(own.interval.high.mean())
    one = mean_drop_of_counts(counts[0][:1], counts[1][:1], counts[2][:1], counts[3][:1])
    assert not one.conservative


@needs_cifar10
@needs_imagenet
def test_the_released_predictions():
    # Independent computation: √(var/n + var/n) of the images' mean correctness, 1.96 times: 1.090 and 0.789 points.
    for released, reach in ((cifar10("v4"), 0.01090), (imagenet(), 0.00789)):
        found = mean_drop(*released.correct)
        assert found is not None
        assert (found.interval.high - found.interval.low) / 2 == pytest.approx(reach, abs=2e-5)


class TestMargin:
    def test_one_model_has_its_normal_margin(self):
        original, new = some(1, 4000, 0.9), some(1, 1000, 0.6, 1)
        variance = original.var() / 4000 + new.var() / 1000
        margin = drop_margin(original, new, draws=100_000, rng=np.random.default_rng(0))
        assert margin == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(variance), rel=0.02)

    def test_independent_models_have_sidaks_margin(self):
        original, new = some(20, 4000, 0.5), some(20, 4000, 0.5, 1)
        each = stats.norm.ppf((1 + 0.95 ** (1 / 20)) / 2) * np.sqrt(2 * 0.25 / 4000)
        margin = drop_margin(original, new, draws=50_000, rng=np.random.default_rng(0))
        assert margin == pytest.approx(each, rel=0.03)

    def test_counts_have_bonferronis(self):
        counts = np.array([90, 80]), np.full(2, 100), np.array([70, 66]), np.full(2, 100)
        own = drops(*counts, level=0.975)
        farthest = max(np.max(own.drop - own.interval.low), np.max(own.interval.high - own.drop))
        assert drop_margin_of_counts(*counts) == pytest.approx(farthest)

    def test_it_holds_for_all_models_at_once(self):
        draw, held = np.random.default_rng(3), 0
        skill = np.linspace(0, 3, 8)
        sets = [Difficulty(mean, 2.0) for mean in (0.0, 1.0)]
        truth = [simulate(skill, one, 400_000, draw).mean(axis=1) for one in sets]
        for _ in range(200):
            sides = [simulate(skill, one, 500, draw) for one in sets]
            margin = drop_margin(*sides, draws=1000, rng=draw)
            errors = sides[0].mean(axis=1) - sides[1].mean(axis=1) - (truth[0] - truth[1])
            held += np.abs(errors).max() <= margin
        assert 0.9 <= held / 200 <= 0.99


@given(seed=st.integers(0, 200), models=st.integers(1, 6), level=st.sampled_from([0.5, 0.9, 0.99]))
@settings(max_examples=40)
def test_the_mean_is_that_of_the_models_and_its_interval_no_wider_than_theirs_on_average(seed, models, level):
    original, new = some(models, 200, 0.8, seed), some(models, 150, 0.6, seed + 1)
    found = mean_drop(original, new, level)
    if found is None:
        return
    counts = original.sum(axis=1), np.full(models, 200), new.sum(axis=1), np.full(models, 150)
    bound = mean_drop_of_counts(*counts, level=level)
    assert found.drop == pytest.approx(bound.drop)
    assert found.interval.high - found.interval.low <= 1.03 * (bound.interval.high - bound.interval.low)
