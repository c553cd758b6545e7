"""Means over images: by hand, at the edge, against scipy, and a property."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalshift.analysis.statistics.image_means import change_of_means, image_means, shared_covariance


def test_two_models_by_hand():
    # 0, 1, 1: mean 2/3, squares 4/9 + 1/9 + 1/9 = 2/3, over 2 and over 3 images 1/9. The other has 2 images alone.
    found = image_means(np.array([[0.0, 1.0, 1.0], [np.nan, 0.25, 0.75]]))
    assert found.mean == pytest.approx([2 / 3, 0.5])
    assert found.variance == pytest.approx([1 / 9, 0.125 / 2])
    assert found.images.tolist() == [3, 2]
    reach = stats.t.ppf(0.975, 2) / 3
    assert found.interval().low[0] == pytest.approx(2 / 3 - reach)
    assert found.interval(0.95, (0.0, 1.0)).low[0] == 0


def test_without_variance_there_is_no_interval_and_without_images_no_mean():
    found = image_means(np.array([[0.5, 0.5], [np.nan, 0.5], [np.nan, np.nan]]))
    assert found.mean.tolist()[:2] == [0.5, 0.5]
    assert np.isnan(found.mean[2])
    assert np.isnan(found.variance).all()
    assert np.isnan(found.interval().low).all()
    change = change_of_means(found, found)
    assert change.change.tolist()[:2] == [0, 0]
    assert np.isnan(change.interval.low).all()
    assert np.isnan(change.p_value).all()


def test_the_variance_of_one_set_is_enough_for_a_change():
    constant, varied = image_means(np.full((1, 5), 0.5)), image_means(np.array([[0.0, 1.0, 1.0, 1.0]]))
    change = change_of_means(constant, varied)
    reach = stats.t.ppf(0.975, 3) * np.sqrt(varied.variance)
    assert change.change == pytest.approx([0.25])
    assert change.interval.low == pytest.approx(0.25 - reach)


@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 2**32 - 1), st.floats(0.5, 0.99))
@settings(max_examples=40, deadline=None)
def test_a_change_is_welchs_test_of_scipy(one, other, seed, level):
    rng = np.random.default_rng(seed)
    original, new = rng.normal(size=(3, one)), rng.normal(0.2, 2, size=(3, other))
    found = change_of_means(image_means(original), image_means(new), level)
    expected: Any = stats.ttest_ind(new, original, axis=1, equal_var=False)
    bounds = expected.confidence_interval(level)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.interval.low == pytest.approx(bounds.low)
    assert found.interval.high == pytest.approx(bounds.high)


def test_a_level_outside_is_refused():
    means = image_means(np.array([[0.0, 1.0]]))
    with pytest.raises(ValueError, match="level"):
        means.interval(95.0)
    with pytest.raises(ValueError, match="level"):
        change_of_means(means, means, 1.0)


def test_images_in_both_sets_make_their_means_covariant():
    """Half of each set is in the other: the interval of the change covers no change in 95 % of draws."""
    rng = np.random.default_rng(11)
    shared = np.arange(100, 200), np.arange(100)
    covered = covered_apart = 0
    for _ in range(400):
        value = rng.normal(size=300)
        original, new = value[np.newaxis, :200], value[np.newaxis, 100:]
        means = image_means(original), image_means(new)
        found = change_of_means(*means, covariance=shared_covariance(original, new, shared)).interval
        apart = change_of_means(*means).interval
        covered += found.low[0] < 0 < found.high[0]
        covered_apart += apart.low[0] < 0 < apart.high[0]
    assert 0.92 < covered / 400 < 0.98
    assert covered_apart / 400 > 0.98


def test_the_same_images_with_the_same_values_do_not_change_and_have_no_interval():
    values = np.array([[0.0, 1.0, 1.0, np.nan]])
    means = image_means(values)
    every = np.arange(4), np.arange(4)
    found = change_of_means(means, means, covariance=shared_covariance(values, values, every))
    assert found.change[0] == 0
    assert np.isnan([found.interval.low[0], found.p_value[0]]).all()
