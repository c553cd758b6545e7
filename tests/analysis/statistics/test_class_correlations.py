"""Correlations by class: by hand, in closed form, against scipy, as a property, on the papers' data."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from released import cifar10, needs_cifar10
from scipy import stats

from evalshift.analysis.statistics.class_correlations import ClassCorrelations, class_correlations
from evalshift.analysis.statistics.per_class import class_accuracies
from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy, to_scale
from evalshift.errors import AnalysisError

# Four models with 5, 6, 7 and 8 of 10; on class 0 they rise alike, on class 1 they fall by half as much, on class 2 all
# are equally accurate, and class 3 has no new images.
ORIGINAL = np.array([5, 6, 7, 8])
NEW = np.array([[2, 8, 3, 0], [4, 7, 3, 0], [6, 6, 3, 0], [8, 5, 3, 0]])
TOTAL = np.array([20, 20, 20, 0])


def of(new: np.ndarray, total: np.ndarray, **choices) -> ClassCorrelations:
    return class_correlations(ORIGINAL, 10, new, total, new, total, **choices)


class TestByHand:
    def test_correlations_and_slopes(self):
        found = of(NEW, TOTAL)
        assert found.correlation == pytest.approx(np.array([1, -1, np.nan, np.nan]), nan_ok=True)
        # 10 points more on all images go with 2 of 20 images, 10 points, and with −1 of 20, −5 points.
        assert found.slope == pytest.approx(np.array([1, -0.5, 0, np.nan]), nan_ok=True)
        assert found.own == pytest.approx(np.array([1, 1, np.nan, np.nan]), nan_ok=True)

    def test_fishers_interval(self):
        # r = 0.6: x = (−3, −1, 1, 3), y = (−1, −3, 3, 1), Σxy = 12, Σx² = Σy² = 20. Interval tanh(atanh 0.6 ± z).
        found = of(np.array([[4], [2], [8], [6]]), np.array([10]))
        assert found.correlation[0] == pytest.approx(0.6)
        middle, reach = 0.5 * np.log(1.6 / 0.4), 1.959964
        assert found.interval.low[0] == pytest.approx(np.tanh(middle - reach), abs=1e-6)
        assert found.interval.high[0] == pytest.approx(np.tanh(middle + reach), abs=1e-6)


def test_a_class_with_all_images_has_the_correlation_of_the_sets():
    found = class_correlations(
        ORIGINAL, 10, ORIGINAL[:, np.newaxis], np.array([10]), np.array([[2], [5], [4], [7]]), np.array([10])
    )
    assert found.own[0] == pytest.approx(found.correlation[0])


@pytest.mark.parametrize("scale", SCALES)
def test_it_is_scipys_correlation_and_p_value(scale):
    rng = np.random.default_rng(7)
    original, new = rng.integers(40, 95, 12), rng.integers(0, 51, (12, 6))
    total = np.full(6, 50)
    found = class_correlations(original, 100, new, total, new[:, ::-1], total, scale=scale)
    x = to_scale(fitted_accuracy(original, np.full(12, 100), scale), scale)
    for one in range(6):
        y = to_scale(fitted_accuracy(new[:, 5 - one], np.full(12, 50), scale), scale)
        theirs: Any = stats.pearsonr(x, y)
        assert (found.correlation[one], found.p_value[one]) == pytest.approx((theirs.statistic, theirs.pvalue))
        bounds = theirs.confidence_interval()
        assert (found.interval.low[one], found.interval.high[one]) == pytest.approx((bounds.low, bounds.high))


@given(seed=st.integers(0, 1000))
def test_the_order_of_models_and_classes_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    original, new, total = rng.permutation(9) + 40, rng.integers(0, 21, (9, 5)), np.array([20, 20, 30, 40, 20])
    models, classes = rng.permutation(9), rng.permutation(5)
    one = class_correlations(original, 50, new, total, new, total, scale="probit")
    other = class_correlations(
        original[models],
        50,
        new[models][:, classes],
        total[classes],
        new[models][:, classes],
        total[classes],
        scale="probit",
    )
    assert one.correlation[classes] == pytest.approx(other.correlation, nan_ok=True)
    assert one.p_holm[classes] == pytest.approx(other.p_holm, nan_ok=True)
    known = np.isfinite(one.correlation)
    assert (one.interval.low[known] <= one.correlation[known]).all()
    assert (one.p_holm[known] >= one.p_bh[known]).all()


@pytest.mark.parametrize(
    "models, reason", [(slice(0, 3), "needs at least 4 models"), ([0, 0, 0, 0], "the same original accuracy")]
)
def test_where_it_is_undefined(models, reason):
    with pytest.raises(AnalysisError, match=reason):
        class_correlations(ORIGINAL[models], 10, NEW[models], TOTAL, NEW[models], TOTAL)


@needs_cifar10
def test_every_class_of_cifar10_goes_with_original_accuracy():
    released = cifar10()
    original, new = (
        class_accuracies(correct, labels, 10)
        for correct, labels in zip(released.correct, (released.original_labels, released.new_labels), strict=True)
    )
    found = class_correlations(
        released.counts[0], 10_000, original.correct, original.total, new.correct, new.total, scale="probit"
    )
    assert found.correlation.min() > 0.9
    assert (found.p_holm < 0.001).all()
    # Airplanes gain most per point, trucks least but one.
    assert (found.slope[2], found.slope[8]) == pytest.approx((2.38, 1.05), abs=0.01)
