"""Likelihood and temperature: by hand, in closed form, against scipy and scikit-learn, and properties."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from scipy.special import logsumexp, softmax
from sklearn.metrics import log_loss

from evalshift.analysis.statistics import likelihood
from evalshift.analysis.statistics.likelihood import LabelledLogits, fit_temperature, label_likelihoods


def sampled(images, classes, temperature, seed=0):
    """Logits whose softmax at this temperature gave the labels."""
    rng = np.random.default_rng([images, classes, seed])
    logits = 3 * rng.normal(size=(images, classes))
    return logits, np.argmax(logits / temperature + rng.gumbel(size=logits.shape), axis=1)


def test_two_images_by_hand():
    # exp: 3 of 3 + 1, and 1 of 1 + 1.
    found = label_likelihoods(np.array([[np.log(3), 0.0], [5.0, 5.0]]), np.array([0, 1]))
    assert found == pytest.approx([-np.log(3 / 4), np.log(2)])


def test_a_temperature_divides_the_logits():
    logits, labels = sampled(50, 4, 1.0)
    assert label_likelihoods(logits, labels, 2.5) == pytest.approx(label_likelihoods(logits / 2.5, labels), rel=1e-5)


def test_the_temperature_of_two_classes_in_closed_form():
    # All logits differ by 1 and 3 of 4 labels are the higher: σ(1/T) = 3/4, so 1/T = ln 3.
    logits, labels = np.array([[1.0, 0.0]] * 40), np.array([0, 0, 0, 1] * 10)
    found = fit_temperature(logits, labels)
    assert found.temperature == pytest.approx(1 / np.log(3), rel=1e-5)
    # The slope of one image is σ − [label is 0], its mean derivative σ(1 − σ) = 3/16: error of 1/T √(3/16/40) / (3/16).
    factor = np.exp(1.959964 * np.sqrt(3 / 16 / 40) / (3 / 16) / np.log(3))
    assert found.interval.high == pytest.approx(found.temperature * factor, rel=1e-4)
    assert found.interval.low == pytest.approx(found.temperature / factor, rel=1e-4)


def test_likelihood_is_the_log_loss_of_scikit_learn():
    logits, labels = sampled(300, 5, 1.0)
    prob = softmax(logits, axis=1)
    assert label_likelihoods(logits, labels).mean() == pytest.approx(log_loss(labels, prob), rel=1e-5)


def test_the_temperature_is_where_scipy_finds_the_least_likelihood():
    logits, labels = sampled(3000, 10, 1.7)
    rows = np.arange(3000)

    def mean(temperature):
        return np.mean(logsumexp(logits / temperature, axis=1) - logits[rows, labels] / temperature)

    least = minimize_scalar(mean, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-8})
    assert fit_temperature(logits, labels).temperature == pytest.approx(least.x, rel=1e-4)


def test_many_images_of_which_a_first_fit_takes_a_part():
    logits, labels = sampled(12_000, 5, 0.6)
    whole = fit_temperature(logits.astype(np.float16), labels)
    assert whole.interval.low < 0.6 < whole.interval.high
    rescaled = fit_temperature(10 * logits, labels)
    assert rescaled.temperature == pytest.approx(10 * whole.temperature, rel=1e-3)


def test_intervals_hold_the_true_temperature():
    found = [fit_temperature(*sampled(400, 4, 1.5, seed)).interval for seed in range(200)]
    assert np.mean([one.low <= 1.5 <= one.high for one in found]) > 0.9


@pytest.mark.parametrize("label", [0, 2], ids=["always the highest", "always the lowest"])
def test_where_no_temperature_is_best_it_is_undefined(label):
    logits = np.array([[3.0, 2.0, 1.0]] * 30)
    found = fit_temperature(logits, np.full(30, label))
    assert np.isnan([found.temperature, found.interval.low]).all()


def test_impossible_classes_count_for_nothing_and_an_impossible_label_is_infinite():
    logits = np.array([[1.0, 0.0, -np.inf]] * 8)
    labels = np.array([0, 0, 0, 1] * 2)
    assert label_likelihoods(logits, labels) == pytest.approx(label_likelihoods(logits[:, :2], labels))
    assert fit_temperature(logits, labels).temperature == pytest.approx(1 / np.log(3), rel=1e-5)
    assert label_likelihoods(logits, np.full(8, 2))[0] == np.inf
    assert np.isnan(fit_temperature(logits, np.full(8, 2)).temperature)


def test_logits_that_are_converted_once_or_at_each_pass_give_the_same_numbers():
    """Half precision as it is stored, NaN-free but for −∞; and the least likelihood to six digits."""
    logits, labels = sampled(6_000, 12, 1.4)
    half = logits.astype(np.float16)
    half[:50, 11] = -np.inf
    labels[:50] %= 11
    kept = LabelledLogits(half, labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likelihood, "_CELLS_KEPT", 0)
        patch.setattr(likelihood, "_CELLS_AT_ONCE", 1_000)
        again = LabelledLogits(half, labels)
        assert again.temperature() == kept.temperature()
        assert np.array_equal(again.likelihoods(1.3), kept.likelihoods(1.3))
    assert kept.temperature() == fit_temperature(half.astype(np.float32), labels)
    exact = half.astype(np.float64)

    def slope(inverse):
        weight = softmax(exact * inverse, axis=1)
        held = np.where(np.isfinite(exact), exact, 0.0)
        return np.mean((weight * held).sum(axis=1) - exact[np.arange(6_000), labels])

    root: Any = brentq(slope, 0.1, 10, xtol=1e-12)
    assert kept.temperature().temperature == pytest.approx(1 / root, rel=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(-50, 50), st.floats(0.2, 5))
@settings(max_examples=30, deadline=None)
def test_a_number_added_to_all_logits_changes_nothing(seed, added, temperature):
    logits, labels = sampled(40, 3, 1.0, seed)
    shifted = label_likelihoods(logits + added, labels, temperature)
    assert shifted == pytest.approx(label_likelihoods(logits, labels, temperature), abs=1e-4)
    assert (shifted >= 0).all()


def test_impossible_values_are_refused():
    logits = np.zeros((2, 3))
    with pytest.raises(ValueError, match="found 3; expected 0 to 2"):
        label_likelihoods(logits, np.array([0, 3]))
    with pytest.raises(ValueError, match="temperature: found 0"):
        label_likelihoods(logits, np.array([0, 1]), 0.0)
