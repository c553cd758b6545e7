"""Drops between sets that share images: by hand, by bootstrap, in closed form, and by coverage."""

from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from evalshift.analysis.statistics.drops import drops
from evalshift.analysis.statistics.mean_drop import mean_drop
from evalshift.analysis.statistics.paired import compare_drops
from evalshift.analysis.statistics.shared_image_drops import shared_image_drops


def simulated(models: int, images: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Models on images, and on the same images altered, which are harder and alike in difficulty."""
    draw = np.random.default_rng(seed)
    hard = draw.standard_normal(images)
    skill = np.linspace(0.3, 1.2, models)[:, np.newaxis]
    return (
        hard + 0.5 * draw.standard_normal((models, images)) < skill,
        hard + 0.5 * draw.standard_normal((models, images)) < skill - 0.4,
    )


def test_by_hand():
    # Correct on images a, b, c of a, b, c, d, and on a, b of a, b, e: ¾ − ⅔ = 1/12. Images add (1 − ¾)/4 − (1 − ⅔)/3 =
    # −7/144 (a, b), 1/16 (c), −3/16 (d), 2/9 (e).
    found = shared_image_drops(
        np.array([[True, True, True, False]]),
        np.array([[True, True, False]]),
        (np.array([0, 1, 2, 3]), np.array([0, 1, 4])),
    )
    variance = 2 * (7 / 144) ** 2 + (1 / 16) ** 2 + (3 / 16) ** 2 + (2 / 9) ** 2
    assert (found.images, found.shared) == (5, 2)
    assert found.drop[0] == pytest.approx(1 / 12)
    assert found.covariance[0, 0] == pytest.approx(variance)
    assert found.interval.high[0] == pytest.approx(1 / 12 + stats.t.isf(0.025, 4) * np.sqrt(variance))


def test_without_shared_images_it_is_the_same_as_for_independent_sets():
    original, new = simulated(5, 3000)
    found = shared_image_drops(original, new, (np.arange(3000), np.arange(3000, 6000)))
    counts = original.sum(axis=1), np.full(5, 3000), new.sum(axis=1), np.full(5, 3000)
    assert found.interval.low == pytest.approx(drops(*counts).interval.low, abs=2e-4)
    theirs, ours = mean_drop(original, new), found.mean
    assert theirs is not None
    assert (ours.interval.low, ours.interval.high) == pytest.approx(
        (theirs.interval.low, theirs.interval.high), abs=1e-4
    )
    independent = compare_drops(original, new)
    off = ~np.eye(5, dtype=bool)
    assert found.differences().p_value[off] == pytest.approx(independent.p_value[off], abs=1e-9)
    assert found.differences().interval.low[off] == pytest.approx(independent.interval.low[off], abs=3e-4)
    assert np.isnan(found.differences().p_value[~off]).all()


def test_pairs_of_all_images_in_any_order_are_newcombes_pairs():
    original, new = simulated(3, 400)
    order = np.random.default_rng(1).permutation(400)
    found = shared_image_drops(original, new[:, order], (np.arange(400), order))
    assert found.shared == found.images == 400
    assert found.covariance == pytest.approx(np.cov(original.astype(float) - new, bias=True) / 400)
    counts = original.sum(axis=1), np.full(3, 400), new.sum(axis=1), np.full(3, 400)
    ours, apart = found.interval, drops(*counts).interval
    assert ((ours.high - ours.low) < 0.9 * (apart.high - apart.low)).all()
    for model in range(3):
        fell, rose = (original[model] & ~new[model]).sum(), (new[model] & ~original[model]).sum()
        test: Any = mcnemar([[0, fell], [rose, 0]], exact=False, correction=False)
        assert (ours.low[model] > 0) == (test.pvalue < 0.05)


def test_the_covariance_is_that_of_a_bootstrap_over_distinct_images():
    original, new = simulated(3, 300)
    new = new[:, 100:]
    found = shared_image_drops(original, new, (np.arange(300), np.arange(100, 300)))
    draw, resampled = np.random.default_rng(2), []
    for _ in range(4000):
        count = np.bincount(draw.integers(300, size=300), minlength=300)
        resampled.append(original @ count / 300 - new @ count[100:] / count[100:].sum())
    theirs = np.cov(np.array(resampled).T)
    assert np.diag(found.covariance) == pytest.approx(np.diag(theirs), rel=0.1)
    assert found.covariance == pytest.approx(theirs, abs=0.08 * theirs.max())


def test_intervals_and_margins_cover():
    held, together, mean = [], [], []
    big = simulated(4, 400_000, seed=99)
    truth = big[0].mean(axis=1) - big[1].mean(axis=1)
    for seed in range(300):
        original, new = simulated(4, 250, seed)
        found = shared_image_drops(original, new[:, 50:], (np.arange(250), np.arange(50, 250)))
        held.append((found.interval.low < truth) & (truth < found.interval.high))
        mean.append(found.mean.interval.low < truth.mean() < found.mean.interval.high)
        if seed < 150:
            margin = found.margin(draws=500, rng=np.random.default_rng(seed))
            together.append(np.abs(found.drop - truth).max() <= margin)
    # Standard errors of 0.7, 1.3 and 1.8 points.
    assert 0.92 < np.mean(held) < 0.98
    assert 0.91 < np.mean(mean) < 0.99
    assert 0.89 < np.mean(together) < 0.995


def test_no_image_that_adds_anything_and_an_image_twice():
    same = np.ones((2, 6), bool)
    found = shared_image_drops(same, same[:, :4], (np.arange(6), np.arange(4)))
    assert np.isnan(found.interval.low).all()
    paired = shared_image_drops(same, same, (np.arange(6), np.arange(6))).interval
    assert paired.high[0] == pytest.approx(0.3903, abs=1e-3)
    with pytest.raises(ValueError, match="found an image twice in one set; expected each once"):
        shared_image_drops(same, same, (np.zeros(6, int), np.arange(6)))
