"""The quadratic term: by hand, closed form, statsmodels, as a property, by simulation, on the papers' data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from released import cifar10, imagenet, needs_cifar10, needs_imagenet
from scipy import special
from statsmodels.api import OLS

from evalshift.analysis.statistics.curvature import Curvature, curvature
from evalshift.analysis.statistics.effective_robustness import sampling_covariance
from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy
from evalshift.errors import AnalysisError


def points(models: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng([models, seed])
    x = draw.uniform(0.5, 0.9, models)
    return x, 0.3 + 0.4 * x**2 + draw.normal(0, 0.01, models)


def nothing(models: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((models, models)), np.zeros((models, models))


def of_released(released, scale: str) -> Curvature:
    original_correct, original_total, new_correct, new_total = released.counts
    return curvature(
        fitted_accuracy(original_correct, original_total, scale),
        fitted_accuracy(new_correct, new_total, scale),
        (sampling_covariance(released.correct[0]), sampling_covariance(released.correct[1])),
        scale=scale,
    )


class TestByHand:
    def test_four_models(self):
        # x = −3, −1, 1, 3 (twentieths, about 0.6), y = 0.5 + (1, −1, −1, 1) c with the cubic contrast (−1, 3, −3, 1) e:
        # quadratic contrast: Σy q / Σq² with q = (1, −1, −1, 1), in units of 8 twentieths²: c/(4/400) = 100 c.
        x = 0.6 + np.array([-3, -1, 1, 3]) / 20
        y = 0.5 + 0.02 * np.array([1, -1, -1, 1]) + 0.001 * np.array([-1, 3, -3, 1])
        found = curvature(x, y)
        assert found.quadratic == pytest.approx(100 * 0.02 / 1)
        # Width 0.3: the middle of the parabola lies 2 · 0.15² below the chord.
        assert found.bend == pytest.approx(-0.045)
        assert found.slope_highest - found.slope_lowest == pytest.approx(2 * 2 * 0.3)
        assert (found.models, found.clusters, found.images) == (4, 4, False)

    def test_the_interval_of_the_bend_is_that_of_the_quadratic_term(self):
        x, y = points(12)
        found = curvature(x, y)
        quarter = np.ptp(x) ** 2 / 4
        assert found.bend_interval.low == pytest.approx(-found.interval.high * quarter)
        assert found.bend_interval.high == pytest.approx(-found.interval.low * quarter)


class TestClosedForm:
    def test_models_that_share_all_their_sampling_error_are_not_corrected(self):
        # A common error moves all original accuracies alike, which shifts a parabola and leaves its curvature.
        x, y = points(12)
        alike = np.full((12, 12), 0.01**2)
        assert curvature(x, y, (alike, np.zeros((12, 12)))).quadratic == pytest.approx(curvature(x, y).quadratic)

    def test_without_sampling_error_it_is_least_squares_with_its_t_interval(self):
        x, y = points(15)
        theirs = OLS(y, np.vander(x, 3, increasing=True)).fit()
        found = curvature(x, y, nothing(15))
        assert found.quadratic == pytest.approx(theirs.params[2])
        assert found.df == pytest.approx(12)
        assert (found.interval.low, found.interval.high) == pytest.approx(tuple(theirs.conf_int()[2]))
        assert found.p_value == pytest.approx(theirs.pvalues[2])

    def test_a_straight_line_on_the_probit_scale_bends_on_the_linear_one(self):
        x = np.linspace(-0.5, 2, 9)
        y = 0.9 * x - 0.4 + 0.001 * np.array([1, -1, 1, -1, 0, 1, -1, 1, -1])
        found = {scale: curvature(special.ndtr(x), special.ndtr(y), scale=scale) for scale in SCALES}
        assert abs(found["probit"].quadratic) < 0.005
        assert found["probit"].p_value > 0.05 > found["linear"].p_value
        assert found["linear"].bend < -0.01


def test_from_counts_it_has_the_hc2_variance_of_statsmodels():
    x, y = points(20)
    theirs = OLS(y, np.vander(x - x.mean(), 3, increasing=True)).fit(cov_type="HC2", use_t=True)
    found = curvature(x, y)
    assert found.quadratic == pytest.approx(theirs.params[2])
    error = abs(found.quadratic / theirs.tvalues[2])
    assert theirs.bse[2] == pytest.approx(error)
    # By t with fewer degrees of freedom than its m − 3, as Bell and McCaffrey have them.
    assert found.df < 17
    assert found.interval.high - found.quadratic > 2.1 * theirs.bse[2]


@given(seed=st.integers(0, 1000), shift=st.floats(-0.2, 0.2), stretch=st.floats(0.2, 1))
@settings(max_examples=30)
def test_neither_order_nor_origin_matters_and_stretching_divides_by_its_square(seed, shift, stretch):
    x, y = points(10, seed)
    order = np.random.default_rng(seed).permutation(10)
    for covariances in (None, nothing(10)):
        one = curvature(x, y, covariances)
        other = curvature((stretch * (x - 0.7) + 0.5 + shift)[order], y[order], covariances)
        assert other.quadratic == pytest.approx(one.quadratic / stretch**2, rel=1e-6)
        assert other.p_value == pytest.approx(one.p_value, rel=1e-5)
        assert other.bend == pytest.approx(one.bend, rel=1e-6)


def test_noise_in_the_original_accuracies_does_not_flatten_the_curve():
    rng = np.random.default_rng(3)
    covered, corrected, plain = 0, [], []
    for _ in range(100):
        truth = rng.uniform(0.5, 0.9, 25)
        new = 0.2 + 0.5 * truth + 0.8 * (truth - 0.7) ** 2 + rng.normal(0, 0.01, 25)
        # Errors of 0.02 of which half the variance is shared.
        x = truth + 0.02 * (np.sqrt(0.5) * rng.normal() + np.sqrt(0.5) * rng.normal(size=25))
        covariance = 0.02**2 * (0.5 + 0.5 * np.eye(25))
        found = curvature(x, new, (covariance, np.zeros((25, 25))))
        covered += found.interval.low <= 0.8 <= found.interval.high
        corrected.append(found.quadratic)
        plain.append(curvature(x, new).quadratic)
    assert np.mean(corrected) == pytest.approx(0.8, abs=0.06)
    assert np.mean(plain) < np.mean(corrected)
    assert covered >= 88


def test_families_that_lie_together_widen_the_interval():
    rng = np.random.default_rng(8)
    family = np.repeat(np.arange(6), 4)
    x = np.linspace(0.5, 0.9, 6)[family] + rng.normal(0, 0.01, 24)
    y = x - 0.1 + rng.normal(0, 0.02, 6)[family] + rng.normal(0, 0.001, 24)
    names = [f"family {one}" for one in family]
    for covariances in (None, nothing(24)):
        alone, together = curvature(x, y, covariances), curvature(x, y, covariances, families=names)
        assert (alone.clusters, together.clusters) == (24, 6)
        assert np.ptp([together.interval.low, together.interval.high]) > 1.3 * np.ptp(
            [alone.interval.low, alone.interval.high]
        )


class TestUndefined:
    @pytest.mark.parametrize(
        "x, found",
        [
            ([0.5, 0.6, 0.7], "3 models with 3 distinct original accuracies"),
            ([0.5, 0.5, 0.7, 0.7], "4 models with 2 distinct original accuracies"),
        ],
    )
    def test_too_few_models(self, x, found):
        with pytest.raises(AnalysisError) as error:
            curvature(np.array(x), np.linspace(0.3, 0.6, len(x)))
        assert (error.value.problem, error.value.found) == ("no curve can be fitted", found)

    def test_models_on_a_parabola(self):
        x = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
        with pytest.raises(AnalysisError, match="exactly on the curve"):
            curvature(x, x**2)

    def test_original_accuracies_that_differ_by_their_sampling_error(self):
        x, y = points(10)
        with pytest.raises(AnalysisError, match="no curve with sampling error"):
            curvature(x, y, (0.1**2 * np.eye(10), np.zeros((10, 10))))


@needs_cifar10
def test_cifar10_is_straight_on_every_scale():
    for scale in SCALES:
        found = of_released(cifar10(), scale)
        assert found.images
        assert found.p_value > 0.2
        assert found.bend_interval.low < 0 < found.bend_interval.high


@needs_imagenet
def test_imagenet_bends_on_the_linear_scale_and_is_straight_on_the_logit_scale():
    linear, logit = of_released(imagenet(), "linear"), of_released(imagenet(), "logit")
    assert linear.p_value < 1e-10
    assert (linear.slope_lowest, linear.slope_highest) == pytest.approx((0.62, 1.24), abs=0.01)
    assert linear.bend == pytest.approx(-0.047, abs=0.001)
    assert logit.p_value > 0.5
