"""Calibration: by hand, in closed form, against uncertainty-calibration and scikit-learn, by resampling, properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from evalshift.analysis.statistics.calibration import (
    calibration,
    debiased_error,
    ece_change,
    folded_mean,
    reliability_bins,
)


def found_of(prob, correct, seed=0, **choices):
    return calibration(np.asarray(prob), np.asarray(correct), rng=np.random.default_rng(seed), **choices)


def sampled(models, images, over, seed=0):
    """Models whose accuracy is their confidence minus `over`."""
    rng = np.random.default_rng([models, images, seed])
    prob = rng.uniform(0.4, 1, size=(models, images))
    return prob, rng.random((models, images)) < prob - over


def test_two_bins_by_hand():
    # 20 images at 0.6, of which 15 are correct, and 20 at 0.9, of which 16 are.
    prob = np.array([[0.6, 0.9] * 20])
    correct = np.array([[True, True] * 15 + [False, True] + [False, False] * 4])
    found = found_of(prob, correct)

    assert found.bins.images.tolist() == [[20, 20]]
    assert found.bins.confidence == pytest.approx(np.array([[0.6, 0.9]]))
    assert found.bins.accuracy == pytest.approx(np.array([[0.75, 0.8]]))
    assert found.over_confidence.mean == pytest.approx([0.75 - 31 / 40])
    assert found.brier.mean == pytest.approx([(15 * 0.16 + 5 * 0.36 + 16 * 0.01 + 4 * 0.81) / 40])
    assert found.ece_plain == pytest.approx([(0.15 + 0.1) / 2])
    # Sampling error adds: the mean of |x| for x ~ N(0.15, 0.75 · 0.25 / 20) and N(0.1, 0.8 · 0.2 / 20), less 0.125.
    spreads = np.sqrt([0.1875 / 20, 0.16 / 20])
    assert found.ece == pytest.approx([0.25 - folded_mean(np.array([0.15, 0.1]), spreads).mean()])


def test_the_mean_of_a_folded_normal_in_closed_form():
    # σ√(2/π) about 0, and |mean| far from it or without spread.
    values = folded_mean(np.array([0.0, 5.0, -5.0, -0.2]), np.array([2.0, 1e-3, 1e-3, 0.0]))
    assert values == pytest.approx([2 * np.sqrt(2 / np.pi), 5, 5, 0.2])


def test_a_model_that_is_sure_and_correct_has_no_error_and_no_interval():
    found = found_of(np.ones((1, 100)), np.ones((1, 100), bool))
    assert (found.ece[0], found.brier.mean[0], found.over_confidence.mean[0]) == (0, 0, 0)
    assert found.p_value[0] == 1
    assert np.isnan([found.ece_interval.low[0], found.ece_interval.high[0]]).all()
    assert np.isnan(found.brier.interval().low[0])


def test_all_sure_and_half_incorrect():
    found = found_of(np.ones((1, 100)), np.arange(100)[np.newaxis] % 2 == 0)
    assert found.ece_plain[0] == found.over_confidence.mean[0] == found.brier.mean[0] == 0.5
    assert found.p_value[0] == pytest.approx(1 / 1001)


def test_the_error_is_that_of_uncertainty_calibration():
    # uncertainty-calibration 0.1.4: bins = get_equal_bins(conf, 15); b = bin(list(zip(conf, correct)), bins);
    # plugin_ce(b, power=1), and normal_debiased_ce(b, power=1), which draws 1,000 times (numpy.random.seed(0)).
    conf = 0.3 + 0.7 * np.arange(300) / 299
    correct = (np.arange(300) * 7919 % 1000) / 1000 < np.sqrt(conf) * 0.9
    found = found_of(conf[np.newaxis], correct[np.newaxis])
    assert found.ece_plain[0] == pytest.approx(0.09655518394648831, abs=1e-12)
    assert found.ece[0] == pytest.approx(0.06745050703694591, abs=1e-3)


def test_bins_and_brier_score_are_those_of_scikit_learn():
    prob, correct = sampled(1, 1500, 0.1)
    found = found_of(prob, correct, bins=10)
    accuracy, confidence = calibration_curve(correct[0], prob[0], n_bins=10, strategy="quantile")
    assert found.bins.accuracy[0] == pytest.approx(accuracy)
    assert found.bins.confidence[0] == pytest.approx(confidence)
    assert found.brier.mean[0] == pytest.approx(brier_score_loss(correct[0], prob[0]))


def test_the_interval_is_that_of_drawn_images():
    """The fast bootstrap has the spread of one that draws the images themselves."""
    prob, correct = sampled(1, 3000, 0.1)
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(300):
        places = rng.integers(3000, size=3000)
        errors.append(debiased_error(reliability_bins(prob[:, places], correct[:, places]))[0])
    found = found_of(prob, correct, resamples=2000)
    half = (found.ece_interval.high[0] - found.ece_interval.low[0]) / 2
    assert half == pytest.approx(1.96 * np.std(errors), rel=0.12)


def test_intervals_hold_the_true_error_of_calibrated_and_of_over_confident_models():
    calibrated, over = (found_of(*sampled(400, 2000, by), resamples=400) for by in (0.0, 0.05))
    for found, truth in ((calibrated, 0.0), (over, 0.05)):
        held = (found.ece_interval.low <= truth) & (truth <= found.ece_interval.high)
        assert held.mean() > 0.91
    assert np.mean(calibrated.p_value < 0.05) == pytest.approx(0.05, abs=0.035)
    change, interval = ece_change(calibrated, over)
    assert change.mean() == pytest.approx(0.035, abs=0.01)  # the error of a calibrated model is a little too high
    assert np.mean((interval.low <= 0.05) & (interval.high >= 0.05)) > 0.91
    _, interval = ece_change(over, calibrated)
    assert np.mean((interval.low <= -0.05) & (interval.high >= -0.05)) > 0.91


def test_images_without_a_probability_are_left_out():
    prob, correct = sampled(2, 600, 0.1)
    prob[0, 300:] = np.nan
    prob[1] = np.nan
    found = found_of(prob, correct)
    alone = found_of(prob[:1, :300], correct[:1, :300])
    assert found.confidence.images.tolist() == [300, 0]
    assert found.ece[0] == alone.ece[0]
    assert found.accuracy.mean[0] == alone.accuracy.mean[0] == correct[0, :300].mean()
    for values in (found.ece, found.ece_interval.low, found.p_value, found.brier.mean, found.over_confidence.mean):
        assert np.isnan(values[1])


@given(st.integers(1, 400), st.integers(1, 20), st.integers(0, 2**32 - 1), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_bins_hold_all_images_whatever_their_order(images, bins, seed, steps):
    rng = np.random.default_rng(seed)
    prob = np.ceil(rng.random((1, images)) * steps) / steps  # with ties
    correct = rng.random((1, images)) < 0.7
    found = reliability_bins(prob, correct, bins)
    assert found.images.sum() == images
    assert found.images.shape[1] <= max(1, min(bins, images // 20))
    assert np.nansum(found.images * found.accuracy) == pytest.approx(correct.sum())
    assert np.nansum(found.images * found.confidence) == pytest.approx(prob.sum())
    assert (np.diff(found.confidence[0]) > 0).all()
    order = rng.permutation(images)
    again = reliability_bins(prob[:, order], correct[:, order], bins)
    assert again.images.tolist() == found.images.tolist()
    assert again.accuracy == pytest.approx(found.accuracy)


def test_float32_as_they_are_stored_gives_the_same():
    prob, correct = sampled(1, 500, 0.1)
    single = found_of(prob.astype(np.float32), correct)
    assert single.ece[0] == pytest.approx(found_of(prob, correct).ece[0], abs=1e-6)


def test_without_resamples_there_is_no_interval_and_no_p():
    found = found_of(*sampled(1, 200, 0.1), resamples=0)
    assert found.ece[0] > 0
    assert np.isnan([found.ece_interval.low[0], found.p_value[0]]).all()


def test_impossible_values_are_refused():
    prob, correct = np.array([[0.5, 1.5]]), np.array([[True, False]])
    with pytest.raises(ValueError, match=r"found 1\.5; expected fractions from 0 to 1"):
        found_of(prob, correct)
    with pytest.raises(ValueError, match="bins"):
        found_of(prob / 2, correct, bins=0)
