"""Variance over seeds: by hand, in closed form, against all pairs of images, as a property, by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalshift.analysis.statistics.seeds import seed_spread
from evalshift.errors import AnalysisError


def test_two_seeds_by_hand():
    # 4 and 2 of 4 correct: variance 0.125; on two images they differ, variance 0.5 each, mean 0.25 over 4 images:
    # 0.0625 from the test set, 4/3 (0.125 − 0.0625) = 1/12 from the distribution.
    found = seed_spread(np.array([[True] * 4, [True, True, False, False]]))
    assert (found.mean, found.sd) == pytest.approx((0.75, np.sqrt(0.125)))
    assert (found.test_set, found.distribution) == pytest.approx((0.25, np.sqrt(1 / 12)))


def test_seeds_that_agree_on_every_image_have_no_variance():
    found = seed_spread(np.tile(np.arange(10) < 7, (4, 1)))
    assert (found.sd, found.test_set, found.distribution) == (0, 0, 0)
    assert (found.interval.low, found.interval.high) == (0, 0)


def test_the_interval_is_that_of_a_variance_where_images_are_many():
    rng = np.random.default_rng(0)
    correct = rng.random((6, 20_000)) < np.linspace(0.6, 0.8, 6)[:, np.newaxis]
    found, variance = seed_spread(correct), correct.mean(axis=1).var(ddof=1)
    bounds = np.sqrt(5 * variance / stats.chi2.ppf([0.975, 0.025], 5))
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(bounds), rel=0.02)


@given(seed=st.integers(0, 500), seeds=st.integers(2, 6), images=st.integers(2, 12))
def test_it_is_the_mean_covariance_of_all_pairs_of_images(seed, seeds, images):
    correct = np.random.default_rng(seed).random((seeds, images)) < 0.6
    covariance = np.cov(correct.astype(float), rowvar=False, ddof=1)
    pairs = covariance[~np.eye(images, dtype=bool)].mean()
    found = seed_spread(correct)
    assert found.distribution == pytest.approx(np.sqrt(max(0, pairs)), abs=1e-7)
    assert found.test_set == pytest.approx(np.sqrt(np.trace(covariance)) / images)
    assert found.interval.low <= found.distribution + 1e-12
    assert found.distribution <= found.interval.high + 1e-12


def test_independent_errors_are_of_the_test_set_alone_and_the_interval_covers():
    rng = np.random.default_rng(5)
    covered, squares = 0, []
    for _ in range(200):
        truth, difficulty = rng.normal(0, 0.01, 6), rng.beta(3, 1, 800)
        found = seed_spread(rng.random((6, 800)) < np.clip(difficulty + truth[:, np.newaxis], 0, 1))
        covered += found.interval.low <= 0.01 <= found.interval.high
        squares.append(found.distribution**2)
    assert covered >= 180
    assert np.sqrt(np.mean(squares)) == pytest.approx(0.01, rel=0.25)


def test_one_seed_is_refused():
    with pytest.raises(AnalysisError, match="two seeds and two images"):
        seed_spread(np.ones((1, 5), dtype=bool))
