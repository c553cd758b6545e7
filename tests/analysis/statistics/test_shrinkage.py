"""Shrunk accuracies: by hand, in closed form, against scipy's posterior, as a property, by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalshift.analysis.statistics.shrinkage import shrunk_accuracies


def test_two_groups_by_hand():
    # 9 and 3 of 10: between 10 · 2 · 0.3² = 1.8 on 1 df, within 10 (0.09 + 0.21) = 3 over 18 df, size 10:
    # correlation (1.8 − 1/6)/(1.8 + 9/6) = 49/99, weight 50/49. Posterior (0.6 · 50/49 + k)/(50/49 + 10).
    found = shrunk_accuracies(np.array([[9, 3]]), np.array([10, 10]))
    weight = 50 / 49
    assert found.estimate[0] == pytest.approx([(0.6 * weight + k) / (weight + 10) for k in (9, 3)])
    assert found.spread[0] == pytest.approx(np.sqrt(49 / 99 * 0.24))
    assert found.worst.tolist() == [1]


def test_groups_that_differ_by_sampling_alone_are_all_the_mean():
    found = shrunk_accuracies(np.array([[5, 5, 5]]), np.array([10, 10, 10]))
    assert found.estimate[0] == pytest.approx([0.5] * 3)
    assert (found.spread[0], found.worst[0]) == (0, 0)


def test_all_correct_and_none_correct():
    found = shrunk_accuracies(np.array([[5, 8], [0, 0]]), np.array([5, 8]))
    assert found.estimate == pytest.approx(np.array([[1, 1], [0, 0]]), abs=1e-6)
    # What 13 images alike say of all groups, not a point: (0.025)^(1/13) = 0.7529.
    assert found.interval.low == pytest.approx(np.array([[0.7529, 0.7529], [0, 0]]), abs=1e-4)
    assert found.interval.high == pytest.approx(np.array([[1, 1], [0.2471, 0.2471]]), abs=1e-4)


def test_groups_that_do_not_differ_have_the_interval_of_all_images():
    # 15, 16 and 15 of 20: less than sampling makes them differ. Clopper-Pearson of 46 of 60.
    found = shrunk_accuracies(np.array([[15, 16, 15]]), np.array([20, 20, 20]))
    around = stats.binomtest(46, 60).proportion_ci()
    assert found.spread[0] == 0
    assert found.interval.low[0] == pytest.approx([around.low] * 3)
    assert found.interval.high[0] == pytest.approx([around.high] * 3)


def test_many_images_are_not_shrunk():
    correct, total = np.array([[90_000, 50_000, 70_000]]), np.full(3, 100_000)
    assert shrunk_accuracies(correct, total).estimate[0] == pytest.approx(correct[0] / total, abs=1e-4)


def test_the_interval_is_that_of_scipys_beta_binomial_posterior():
    correct, total = np.array([[40, 31, 22, 44]]), np.array([50, 50, 30, 50])
    found = shrunk_accuracies(correct, total, level=0.9)
    mean, related = 137 / 180, found.spread[0] ** 2 / (137 / 180 * 43 / 180)
    weight = 1 / related - 1
    for group in range(4):
        posterior = stats.beta(
            weight * mean + correct[0, group], weight * (1 - mean) + total[group] - correct[0, group]
        )
        assert found.estimate[0, group] == pytest.approx(posterior.mean())
        assert (found.interval.low[0, group], found.interval.high[0, group]) == pytest.approx(posterior.interval(0.9))


@given(seed=st.integers(0, 1000), groups=st.integers(2, 12))
def test_estimates_lie_between_the_measured_accuracy_and_the_mean(seed, groups):
    rng = np.random.default_rng(seed)
    total = rng.integers(1, 40, groups)
    correct = rng.binomial(total, rng.random((3, groups)))
    found = shrunk_accuracies(correct, total)
    mean = correct.sum(axis=1, keepdims=True) / total.sum()
    low, high = np.minimum(mean, correct / total), np.maximum(mean, correct / total)
    assert (found.estimate >= low - 1e-9).all()
    assert (found.estimate <= high + 1e-9).all()


def test_groups_without_images_are_undefined():
    found = shrunk_accuracies(np.array([[5, 0, 2]]), np.array([8, 0, 8]))
    assert np.isnan(found.estimate[0]).tolist() == [False, True, False]
    alone = shrunk_accuracies(np.array([[5, 0]]), np.array([8, 0]))
    assert np.isnan(alone.of_worst(alone.estimate)).all()
    assert alone.worst.tolist() == [-1]


def test_the_worst_of_many_is_not_too_low_and_its_interval_covers():
    rng = np.random.default_rng(3)
    covered, errors, measured = 0, [], []
    for _ in range(100):
        truth = rng.beta(8, 2, 200)
        correct = rng.binomial(20, truth)[np.newaxis]
        found = shrunk_accuracies(correct, np.full(200, 20))
        worst = int(found.worst[0])
        covered += found.interval.low[0, worst] <= truth[worst] <= found.interval.high[0, worst]
        errors.append(found.estimate[0, worst] - truth[worst])
        measured.append(correct[0, worst] / 20 - truth[worst])
    assert np.mean(measured) < -0.05
    assert np.mean(errors) == pytest.approx(0, abs=0.02)
    assert covered >= 88
