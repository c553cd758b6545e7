"""Scales against hand values, scipy's distributions, and their own inverses."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy, from_scale, to_scale

accuracies = st.floats(1e-6, 1 - 1e-6)


def test_by_hand():
    # Φ(1.959964) = 0.975; log odds of 3/4 are ln((3/4)/(1/4)) = ln 3.
    assert to_scale(np.array([0.975, 0.5, 0.025]), "probit") == pytest.approx([1.959964, 0, -1.959964], abs=1e-6)
    assert to_scale(np.array([0.75, 0.5, 0.25]), "logit") == pytest.approx([math.log(3), 0, -math.log(3)])
    assert to_scale(np.array([0.75, 0.5, 0.25]), "linear").tolist() == [0.75, 0.5, 0.25]


@pytest.mark.parametrize("scale, distribution", [("probit", stats.norm), ("logit", stats.logistic)])
def test_agrees_with_scipys_distributions(scale, distribution):
    accuracy = np.linspace(0.001, 0.999, 999)
    np.testing.assert_allclose(to_scale(accuracy, scale), distribution.ppf(accuracy), atol=1e-12)
    value = np.linspace(-6, 6, 121)
    np.testing.assert_allclose(from_scale(value, scale), distribution.cdf(value), rtol=1e-12)


@pytest.mark.parametrize("scale", ["probit", "logit"])
def test_none_and_all_correct_lie_at_infinity(scale):
    ends = np.array([0.0, 1.0])
    assert to_scale(ends, scale).tolist() == [-math.inf, math.inf]
    assert from_scale(to_scale(ends, scale), scale).tolist() == [0, 1]


@pytest.mark.parametrize("scale", SCALES)
def test_undefined_stays_undefined(scale):
    assert np.isnan(to_scale(np.array([np.nan]), scale)).all()
    assert np.isnan(from_scale(np.array([np.nan]), scale)).all()


@pytest.mark.parametrize("scale", SCALES)
@given(accuracies)
def test_there_and_back(scale, accuracy):
    back = from_scale(to_scale(np.array([[accuracy]]), scale), scale)
    assert back.shape == (1, 1)
    assert back[0, 0] == pytest.approx(accuracy, rel=1e-9)


@pytest.mark.parametrize("scale", SCALES)
@given(accuracies, accuracies)
def test_every_scale_rises(scale, one, other):
    low, high = to_scale(np.array(sorted([one, other])), scale)
    assert low <= high
    assert low < high or other == pytest.approx(one, rel=1e-12)


@pytest.mark.parametrize("scale", SCALES)
def test_single_precision_comes_back_double(scale):
    assert to_scale(np.array([0.9], dtype=np.float32), scale).dtype == np.float64


def test_the_linear_scale_hands_out_no_second_name_for_the_callers_array():
    accuracy = np.array([0.5])
    to_scale(accuracy, "linear")[0] = 0.9
    assert accuracy[0] == 0.5


class TestFittedAccuracy:
    def test_only_none_and_all_correct_are_moved(self):
        correct, total = np.array([0, 1, 9, 10]), np.full(4, 10)
        # (0 + ½)/(10 + 1) = 1/22 and (10 + ½)/(10 + 1) = 21/22
        for scale in ("probit", "logit"):
            assert fitted_accuracy(correct, total, scale) == pytest.approx([1 / 22, 0.1, 0.9, 21 / 22])

    def test_linear_accuracies_are_the_plain_fractions(self):
        assert fitted_accuracy(np.array([0, 3, 10]), np.full(3, 10), "linear").tolist() == [0, 0.3, 1]

    @pytest.mark.parametrize("total", [1, 2, 10, 2021])
    @pytest.mark.parametrize("scale", SCALES)
    def test_more_correct_is_higher_and_finite_on_its_scale(self, scale, total):
        correct = np.arange(total + 1)
        fitted = fitted_accuracy(correct, np.full_like(correct, total), scale)
        value = to_scale(fitted, scale)
        assert np.isfinite(value).all()
        assert (np.diff(value) > 0).all()

    def test_impossible_counts(self):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            fitted_accuracy(np.array([5]), np.array([4]), "probit")
        assert str(complaint.value) == (
            "cell 0: found 5 correct of 4; expected a total of at least 1 and 0 <= correct <= total"
        )


class TestComplaints:
    def test_unknown_scale(self):
        one = np.array([1])
        calls = (
            lambda: to_scale(np.array([0.5]), "log"),
            lambda: from_scale(np.array([0.5]), "log"),
            lambda: fitted_accuracy(one, one, "log"),
        )
        for call in calls:
            with pytest.raises(ValueError) as complaint:  # noqa: PT011
                call()
            assert str(complaint.value) == 'scale: found "log"; expected one of linear, probit, logit'

    @pytest.mark.parametrize("scale", SCALES)
    @pytest.mark.parametrize("wrong", [-0.01, 1.5, 91.7])
    def test_accuracy_that_is_no_fraction(self, scale, wrong):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            to_scale(np.array([[0.5, 0.9], [wrong, 2.0]]), scale)
        assert str(complaint.value) == f"accuracy[1, 0]: found {wrong}; expected a fraction from 0 to 1"
