"""Selective prediction: by hand, in closed form, against a plain loop and scikit-learn, by resampling, properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc

from evalshift.analysis.statistics.image_means import change_of_means
from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.analysis.statistics.selective import CURVE, accuracy_drop, selective_prediction


def sampled(models, images, seed=0, gain=1.0):
    """Models that are correct as often as they say, or less."""
    rng = np.random.default_rng([models, images, seed])
    prob = rng.uniform(0.4, 1, size=(models, images))
    return prob, rng.random((models, images)) < prob**gain


def test_five_images_by_hand():
    # Errors at places 2 and 5: risks 0, 1/2, 1/3, 1/4, 2/5.
    prob = np.array([[0.9, 0.8, 0.7, 0.6, 0.5]])
    found = selective_prediction(prob, np.array([[True, False, True, True, False]]), coverages=[0.2, 0.6, 1.0])
    assert found.aurc.mean == pytest.approx([(0 + 1 / 2 + 1 / 3 + 1 / 4 + 2 / 5) / 5])
    assert [found.accuracy[c].mean[0] for c in (0.2, 0.6, 1.0)] == pytest.approx([1, 2 / 3, 3 / 5])
    # Both errors last: 0, 0, 0, 1/4, 2/5.
    assert found.excess_aurc == pytest.approx([(1 / 2 + 1 / 3) / 5])
    assert found.risk[0, [19, 20, 59, 99]] == pytest.approx([0, 1 / 2, 1 / 3, 2 / 5])


def test_images_of_the_same_confidence_count_as_their_mean_over_all_orders():
    # One error among three equal ones: the risk is 1/3 from the first image on.
    found = selective_prediction(np.full((1, 3), 0.7), np.array([[True, False, True]]), coverages=[0.5])
    assert found.aurc.mean == pytest.approx([1 / 3])
    assert found.accuracy[0.5].mean == pytest.approx([2 / 3])


def test_errors_last_and_errors_first_in_closed_form():
    prob = np.linspace(1, 0.5, 10_000)[np.newaxis]
    last, first = np.arange(10_000) < 8000, np.arange(10_000) >= 2000
    best, worst = (selective_prediction(prob, one[np.newaxis]) for one in (last, first))
    # With error rate r: r + (1 − r) ln(1 − r), and r(1 − ln r).
    assert best.aurc.mean[0] == pytest.approx(0.2 + 0.8 * np.log(0.8), abs=1e-3)
    assert best.excess_aurc[0] == pytest.approx(0)
    assert worst.aurc.mean[0] == pytest.approx(0.2 * (1 - np.log(0.2)), abs=1e-3)


def test_the_area_is_that_of_scikit_learn_under_the_curve():
    prob, correct = sampled(1, 5000)
    found = selective_prediction(prob, correct)
    order = np.argsort(-prob[0])
    risk = np.cumsum(~correct[0][order]) / np.arange(1, 5001)
    assert found.aurc.mean[0] == pytest.approx(risk.mean())
    assert found.aurc.mean[0] == pytest.approx(auc(np.arange(1, 5001) / 5000, risk), abs=1e-3)


def test_standard_errors_are_those_of_resampled_images():
    prob, correct = sampled(1, 1500, gain=1.5)
    rng = np.random.default_rng(1)
    resampled = []
    for _ in range(400):
        places = rng.integers(1500, size=1500)
        one = selective_prediction(prob[:, places], correct[:, places])
        resampled.append([one.aurc.mean[0], *(one.accuracy[coverage].mean[0] for coverage in (0.5, 0.8, 0.95))])
    found = selective_prediction(prob, correct)
    errors = [found.aurc, *(found.accuracy[coverage] for coverage in (0.5, 0.8, 0.95))]
    assert [np.sqrt(one.variance[0]) for one in errors] == pytest.approx(np.std(resampled, axis=0), rel=0.12)


def test_intervals_hold_the_true_values():
    large = selective_prediction(*sampled(1, 400_000))
    found = selective_prediction(*sampled(500, 800))
    bounds = found.aurc.interval()
    assert np.mean((bounds.low <= large.aurc.mean) & (large.aurc.mean <= bounds.high)) > 0.92
    for coverage in (0.5, 0.8, 0.95):
        bounds, truth = found.accuracy_interval(coverage), large.accuracy[coverage].mean
        assert np.mean((bounds.low <= truth) & (truth <= bounds.high)) > 0.93


def test_at_full_coverage_the_accuracy_is_that_of_all_images():
    prob, correct = sampled(3, 400)
    found = selective_prediction(prob, correct, coverages=[1.0])
    assert found.accuracy[1.0].mean == pytest.approx(correct.mean(axis=1))
    exact = clopper_pearson(correct.sum(axis=1), np.full(3, 400))
    bounds = found.accuracy_interval(1.0)
    assert bounds.low == pytest.approx(exact.low, abs=1e-3)
    assert bounds.high == pytest.approx(exact.high, abs=1e-3)


def test_without_errors_the_interval_is_exact_for_the_images_that_are_kept():
    prob, correct = np.linspace(0.5, 1, 100)[np.newaxis], np.ones((1, 100), bool)
    found = selective_prediction(prob, correct)
    assert found.accuracy_interval(0.5).low[0] == pytest.approx(0.025 ** (1 / 50))
    assert found.accuracy_interval(0.5).high[0] == 1
    assert (found.aurc.mean[0], found.excess_aurc[0]) == (0, 0)
    assert np.isnan(found.aurc.interval().low[0])
    drop, around = accuracy_drop(found, found, 0.5)
    assert drop[0] == 0
    assert around.low[0] == pytest.approx(0.025 ** (1 / 50) - 1)


def test_images_without_a_probability_come_last_and_models_without_any_are_undefined():
    prob = np.array([[np.nan, 0.9, 0.8, 0.7], [np.nan] * 4])
    correct = np.array([[False, True, True, False], [True] * 4])
    found = selective_prediction(prob, correct, coverages=[0.5])
    assert found.risk[0, [24, 49, 74, 99]] == pytest.approx([0, 0, 1 / 3, 1 / 2])
    for values in (found.aurc.mean, found.excess_aurc, found.accuracy[0.5].mean, found.risk, *[found.aurc.variance]):
        assert np.isnan(values[1]).all()
    assert np.isnan(found.accuracy_interval(0.5).high[1])


@given(st.integers(2, 80), st.integers(0, 2**32 - 1), st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_order_does_not_matter_and_excess_is_never_negative(images, seed, steps):
    rng = np.random.default_rng(seed)
    prob = np.ceil(rng.random((1, images)) * steps) / steps  # with ties
    correct = rng.random((1, images)) < 0.7
    found = selective_prediction(prob, correct)
    order = rng.permutation(images)
    again = selective_prediction(prob[:, order], correct[:, order])
    assert again.aurc.mean == pytest.approx(found.aurc.mean)
    assert again.risk == pytest.approx(found.risk)
    assert found.excess_aurc[0] >= -1e-12
    assert found.risk[0, -1] == pytest.approx(1 - correct.mean())
    assert len(found.risk[0]) == len(CURVE)


def test_the_change_of_a_set_against_itself_is_0():
    found = selective_prediction(*sampled(2, 300))
    assert change_of_means(found.aurc, found.aurc).change.tolist() == [0, 0]


def test_impossible_coverages_are_refused():
    with pytest.raises(ValueError, match=r"found 0\.0; expected shares above 0"):
        selective_prediction(*sampled(1, 10), coverages=[0.0])
