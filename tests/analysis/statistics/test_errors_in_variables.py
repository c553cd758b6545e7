"""York's line against published numbers, in closed form, by minimisation, and on points that err as it assumes."""

import inspect
import math
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from messages import says
from released import imagenet, needs_imagenet
from scipy import optimize
from statsmodels.api import WLS, add_constant

from evalshift.analysis.statistics.errors_in_variables import binomial_variance, own_variance, steepness, york_line
from evalshift.analysis.statistics.line_fit import fit_line
from evalshift.analysis.statistics.scales import SCALES, to_scale
from evalshift.errors import AnalysisError

# Pearson's points with York's weights, as in York et al. 2004.
PEARSON_X = np.array([0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4])
PEARSON_Y = np.array([5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5])
YORK_X_WEIGHT = np.array([1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1])
YORK_Y_WEIGHT = np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500])


def rng(name: str = "york") -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def points(models: int, noise: float = 0.01) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Accuracies near a line of slope 1.1, and their variances, all different."""
    draw = rng(f"points {models}")
    truth = draw.uniform(0.55, 0.85, models)
    deviations = draw.uniform(noise / 2, noise, (2, models))
    x, y = truth + draw.normal(0, deviations[0]), 1.1 * truth - 0.2 + draw.normal(0, deviations[1])
    return x, y, deviations[0] ** 2, deviations[1] ** 2


class TestYork:
    def test_pearsons_data_with_yorks_weights(self):
        # A tenth of the data's units, which keeps them inside [0, 1]. Slope −0.4805 and intercept 5.4799 in York et
        # al. 2004. All digits: the tests of the R package bfsl 0.2.0, bfsl(x, y, 1/sqrt(w_x), 1/sqrt(w_y)); scipy.odr
        # agrees to six (ODR(RealData(x, y, sx=w_x**-0.5, sy=w_y**-0.5), unilinear, beta0=[-0.5, 5]).run()).
        line = york_line(PEARSON_X / 10, PEARSON_Y / 10, 0.01 / YORK_X_WEIGHT, 0.01 / YORK_Y_WEIGHT)
        assert (line.slope, 10 * line.offset) == pytest.approx((-0.480533407, 5.479910224), abs=1e-9)
        assert (line.slope_error, 10 * line.offset_error) == pytest.approx((0.0579850090, 0.294970735), abs=1e-9)
        assert line.reduced_chi2 == pytest.approx(1.483294149, abs=1e-9)
        # The points scatter more than their weights say: 1.959964 · 0.057985 · √1.483294 = 0.138413.
        assert line.slope_interval.high - line.slope == pytest.approx(0.138413, abs=1e-6)
        assert line.predict(np.array([0.5])) == pytest.approx([0.547991 - 0.240267], abs=1e-6)

    def test_equal_variances_give_demings_closed_form(self):
        # δ = y variance/x variance; slope = (s_yy − δ s_xx + √((s_yy − δ s_xx)² + 4 δ s_xy²))/(2 s_xy).
        x, y, _, _ = points(12)
        covariance, ratio = np.cov(x, y), 2.5
        tilt = covariance[1, 1] - ratio * covariance[0, 0]
        slope = (tilt + math.sqrt(tilt**2 + 4 * ratio * covariance[0, 1] ** 2)) / (2 * covariance[0, 1])
        line = york_line(x, y, np.full(12, 1e-4), np.full(12, ratio * 1e-4))
        assert line.slope == pytest.approx(slope, rel=1e-10)
        assert line.offset == pytest.approx(y.mean() - slope * x.mean(), rel=1e-10)

    def test_without_noise_in_the_original_accuracies_it_is_weighted_least_squares(self):
        x, y, _, y_variance = points(12)
        line = york_line(x, y, np.full(12, 1e-20), y_variance)
        theirs = WLS(y, add_constant(x), weights=cast(Any, 1 / y_variance)).fit(cov_type="fixed scale")
        assert [line.offset, line.slope] == pytest.approx(list(theirs.params), rel=1e-9)
        assert [line.offset_error, line.slope_error] == pytest.approx(list(theirs.bse), rel=1e-6)

    @pytest.mark.parametrize("scale", SCALES)
    def test_no_other_line_is_nearer(self, scale):
        # χ² = Σ (y − a − bx)²/(y variance + b² x variance), minimised over both by Nelder and Mead's method.
        x, y, x_variance, y_variance = points(9)
        line = york_line(x, y, x_variance, y_variance, scale=scale)
        on_scale = to_scale(x, scale), to_scale(y, scale)
        variances = x_variance * steepness(x, scale) ** 2, y_variance * steepness(y, scale) ** 2

        def chi2(line):
            slope, offset = line
            residual = on_scale[1] - offset - slope * on_scale[0]
            return np.sum(residual**2 / (variances[1] + slope**2 * variances[0]))

        found = optimize.minimize(chi2, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
        assert [line.slope, line.offset] == pytest.approx(list(found.x), abs=1e-6)
        assert line.reduced_chi2 == pytest.approx(found.fun / 7, rel=1e-9)

    @given(st.integers(3, 25), st.floats(0.1, 10), st.integers(0, 2**32 - 1))
    def test_swapping_the_sets_turns_the_line_over(self, models, ratio, seed):
        # Least squares has two lines, of y on x and of x on y; a line that treats both alike has one.
        draw = np.random.default_rng(seed)
        truth = draw.uniform(0.3, 0.7, models)
        x, y = truth + draw.normal(0, 0.01, models), truth + draw.normal(0, 0.01, models)
        assume(np.corrcoef(x, y)[0, 1] > 0.8)
        x_variance, y_variance = np.full(models, 1e-4), np.full(models, ratio * 1e-4)
        one, other = york_line(x, y, x_variance, y_variance), york_line(y, x, y_variance, x_variance)
        assert one.slope * other.slope == pytest.approx(1, rel=1e-8)
        assert other.offset == pytest.approx(-one.offset / one.slope, abs=1e-8)
        assert one.reduced_chi2 == pytest.approx(other.reduced_chi2, rel=1e-6, abs=1e-12)

    def test_it_is_not_flattened_and_covers_its_level(self):
        # 24 models between 60 and 90 % on 200 images per set, each on its own images: noise flattens least squares
        # to about 1/(1 + 0.00088/0.0075) = 0.9 of the slope.
        draw, models, images = rng("flattened"), 24, np.full(24, 200)
        york, plain, held = [], [], []
        for _ in range(300):
            truth = draw.uniform(0.6, 0.9, models)
            correct = draw.binomial(images, truth), draw.binomial(images, 1.1 * truth - 0.15)
            x, y = correct[0] / images, correct[1] / images
            line = york_line(x, y, binomial_variance(correct[0], images), binomial_variance(correct[1], images))
            york.append(line.slope)
            plain.append(np.polyfit(x, y, 1)[0])
            held.append(line.slope_interval.low <= 1.1 <= line.slope_interval.high)
        assert np.mean(york) == pytest.approx(1.1, abs=0.035)
        assert np.mean(plain) < 1.02
        assert 0.92 < np.mean(held) < 0.99

    def test_two_models(self):
        line = york_line(np.array([0.5, 0.7]), np.array([0.3, 0.6]), np.full(2, 1e-4), np.full(2, 1e-4))
        assert (line.slope, line.offset) == pytest.approx((1.5, -0.45))
        # Var(slope) = 2 (10⁻⁴ + 1.5² · 10⁻⁴)/0.2² = 0.01625.
        assert line.slope_error == pytest.approx(math.sqrt(0.01625))
        assert math.isnan(line.reduced_chi2)
        assert line.slope_interval.low < 1.5 < line.slope_interval.high


class TestVariances:
    def test_binomial_by_hand(self):
        # 0.8 · 0.2/100; none of 9 stands for 0.05, all of 9 for 0.95: 0.0475/9.
        variance = binomial_variance(np.array([80, 0, 9]), np.array([100, 9, 9]))
        assert variance == pytest.approx([0.0016, 0.0475 / 9, 0.0475 / 9])

    def test_own_variance_by_hand(self):
        # Means over models: 1, ½, ½, 0. Model 0 differs by 0, ½, −½, 0 and model 1 by 0, −½, ½, 0: variance 1/8 each.
        correct = np.array([[True, True, False, False], [True, False, True, False]])
        assert own_variance(correct) == pytest.approx([1 / 32, 1 / 32])

    def test_models_that_prediction_alike_differ_by_the_least_that_can_be_told(self):
        correct = np.array([[True, False, True, True]] * 3)
        assert own_variance(correct).tolist() == [1 / 144] * 3

    def test_own_variance_is_that_of_the_distance_from_the_mean_model(self):
        draw, images = rng("own"), 400
        easy = draw.uniform(size=(2000, images))
        accuracy = np.array([(easy < p).mean(axis=1) for p in (0.4, 0.6, 0.9)])
        apart = accuracy - accuracy.mean(axis=0)
        expected = np.mean([own_variance(np.array([row < p for p in (0.4, 0.6, 0.9)])) for row in easy[:200]], axis=0)
        assert apart.var(axis=1) == pytest.approx(expected, rel=0.1)

    @pytest.mark.parametrize("scale", SCALES)
    def test_steepness_is_the_derivative(self, scale):
        accuracy = np.array([0.01, 0.3, 0.5, 0.99])
        step = 1e-6
        numeric = (to_scale(accuracy + step, scale) - to_scale(accuracy - step, scale)) / (2 * step)
        assert steepness(accuracy, scale) == pytest.approx(numeric, rel=1e-6)

    @needs_imagenet
    def test_models_share_much_of_their_sampling_error(self):
        original, _ = imagenet().without("fv_").correct
        counts, total = original.sum(axis=1), np.full(64, 50_000)
        assert np.mean(np.sqrt(own_variance(original) / binomial_variance(counts, total))) == pytest.approx(
            0.61, abs=0.01
        )


@needs_imagenet
@pytest.mark.parametrize("scale, slope, york", [("linear", 1.110, 1.117), ("probit", 0.968, 0.968)])
def test_on_imagenet_it_is_close_to_least_squares(scale, slope, york):
    original_correct, original_total, new_correct, new_total = imagenet().without("fv_").counts
    x, y = original_correct / original_total, new_correct / new_total
    variances = binomial_variance(original_correct, original_total), binomial_variance(new_correct, new_total)
    assert fit_line(x, y, scale=scale, resamples=0, rng=rng()).slope == pytest.approx(slope, abs=0.0005)
    assert york_line(x, y, *variances, scale=scale).slope == pytest.approx(york, abs=0.0005)


class TestComplaints:
    def test_variances_that_are_none(self):
        x, y, x_variance, y_variance = points(3)
        y_variance[1] = 0
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            york_line(x, y, x_variance, y_variance)
        assert str(complaint.value) == "new_variance[1]: found 0.0; expected a variance above 0"

    def test_a_model_less(self):
        # Unwrapped: as it runs for users, without the tests' shape checker that would speak first.
        x, y, x_variance, y_variance = points(3)
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            inspect.unwrap(york_line)(x, y, x_variance[:2], y_variance)
        assert str(complaint.value) == "original_variance: found 2 for 3 models; expected one per model"

    def test_nothing_but_noise(self):
        # Accuracies that do not go together: the nearest line stands upright, and its slope runs away.
        x, y = np.array([0.5, 0.5 + 1e-6, 0.5]), np.array([0.2, 0.5, 0.8])
        with pytest.raises(AnalysisError) as complaint:
            york_line(x, y, np.full(3, 1e-2), np.full(3, 1e-2))
        says(
            complaint.value,
            where="line of new on original accuracy, errors in both coordinates",
            found="a slope that diverges",
        )
