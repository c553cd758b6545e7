"""Lines by hand, in closed form, against numpy and scipy, and as properties of any testbed."""

import inspect
import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import says
from scipy import stats

from evalshift.analysis.statistics.line_fit import Line, fit_line
from evalshift.analysis.statistics.scales import SCALES, from_scale, to_scale
from evalshift.errors import AnalysisError


def rng(name: str = "fits") -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def some_models(models: int) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies near a line of slope 1.1, all inside (0, 1)."""
    draw = rng("some models")
    original = draw.uniform(0.55, 0.85, models)
    return original, 1.1 * original - 0.2 + draw.normal(0, 0.01, models)


@pytest.fixture(scope="module")
def line_of_40() -> Line:
    return fit_line(*some_models(40), resamples=5000, rng=rng())


class TestLeastSquares:
    def test_by_hand(self):
        # x̄ = 0.6, ȳ = 0.4; Σdx² = 0.02, Σdxdy = 0.02 + 0 + 0.01 = 0.03; slope 1.5, offset 0.4 − 0.9 = −0.5.
        # Residuals −0.05, 0.1, −0.05: R² = 1 − 0.015/0.06 = 0.75.
        line = fit_line(np.array([0.5, 0.6, 0.7]), np.array([0.2, 0.5, 0.5]), resamples=0, rng=rng())
        assert (line.slope, line.offset, line.r2) == pytest.approx((1.5, -0.5, 0.75))
        assert line.models == 3
        assert line.predict(np.array([0.6, 1.0])) == pytest.approx([0.4, 1.0])

    @pytest.mark.parametrize("scale", SCALES)
    def test_agrees_with_scipy_linregress(self, scale):
        original, new = some_models(67)
        line = fit_line(original, new, scale=scale, resamples=0, rng=rng())
        theirs: Any = stats.linregress(to_scale(original, scale), to_scale(new, scale))
        assert (line.slope, line.offset) == pytest.approx((theirs.slope, theirs.intercept), rel=1e-10)
        assert line.r2 == pytest.approx(theirs.rvalue**2, rel=1e-10)

    def test_accuracies_that_differ_in_the_ninth_digit(self):
        # Exact rational arithmetic on the same floats says what the slope is.
        original = 0.9 + 1e-9 * np.array([0, 1, 2, 3, 5.0])
        new = 0.8 + 1e-9 * np.array([0, 2, 1, 4, 4.0])
        x, y = [Fraction(v) for v in original], [Fraction(v) for v in new]
        mean_x, mean_y = sum(x) / 5, sum(y) / 5
        slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)
        line = fit_line(original, new, resamples=0, rng=rng())
        assert line.slope == pytest.approx(float(slope), rel=1e-9)
        assert line.offset == pytest.approx(float(mean_y - slope * mean_x), rel=1e-9)

    @given(
        mean=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
        sigma=st.tuples(st.floats(0.1, 3), st.floats(0.1, 3)),
    )
    def test_gaussian_difficulty_gives_a_line_on_the_probit_scale(self, mean, sigma):
        # Recht et al. 2019, section 5.3: P(correct | τ) = Φ(s − τ) and τ ~ N(μ, σ²) give accuracy
        # Φ((s − μ)/√(σ² + 1)), so u = √(σ1² + 1)/√(σ2² + 1) and v = (μ1 − μ2)/√(σ2² + 1).
        skill = np.linspace(-2, 2, 12)
        first, second = (stats.norm.cdf((skill - m) / math.sqrt(s**2 + 1)) for m, s in zip(mean, sigma, strict=True))
        line = fit_line(first, second, scale="probit", resamples=0, rng=rng())
        slope = math.sqrt(sigma[0] ** 2 + 1) / math.sqrt(sigma[1] ** 2 + 1)
        offset = (mean[0] - mean[1]) / math.sqrt(sigma[1] ** 2 + 1)
        assert (line.slope, line.offset, line.r2) == pytest.approx((slope, offset, 1), abs=1e-9)
        assert line.predict(first) == pytest.approx(second, abs=1e-9)

    def test_the_order_of_the_models_does_not_matter(self):
        original, new = some_models(20)
        order = rng().permutation(20)
        one = fit_line(original, new, resamples=0, rng=rng())
        other = fit_line(original[order], new[order], resamples=0, rng=rng())
        assert (one.slope, one.offset, one.r2) == pytest.approx((other.slope, other.offset, other.r2), rel=1e-12)


class TestBootstrap:
    def test_each_draw_is_the_fit_of_its_resample(self):
        # All 256 ordered resamples of four models, by numpy.polyfit; the 4 that draw one model have no line.
        original, new = np.array([0.5, 0.6, 0.75, 0.8]), np.array([0.3, 0.45, 0.5, 0.64])
        exact = []
        for drawn in itertools.product(range(4), repeat=4):
            if len(set(drawn)) > 1:
                exact.append(np.polyfit(original[list(drawn)], new[list(drawn)], 1))
        exact = np.round(exact, 9)
        lines, often = np.unique(exact, axis=0, return_counts=True)
        line = fit_line(original, new, resamples=50_000, rng=rng())
        ours, how_often = np.unique(
            np.round(np.column_stack([line.slopes, line.offsets]), 9), axis=0, return_counts=True
        )
        np.testing.assert_allclose(ours, lines, atol=2e-9)
        expected = often / 252 * len(line.slopes)
        # Each count is binomial: within five standard deviations of what exact enumeration expects.
        assert (np.abs(how_often - expected) < 5 * np.sqrt(expected)).all()

    def test_intervals_are_percentiles_of_the_draws(self, line_of_40):
        ordered = np.sort(line_of_40.slopes)
        # 5000 draws: the 2.5th percentile lies 0.975 of the way from draw 124 to draw 125, counted from 0.
        low = ordered[124] + 0.975 * (ordered[125] - ordered[124])
        high = ordered[4874] + 0.025 * (ordered[4875] - ordered[4874])
        assert (line_of_40.slope_interval.low, line_of_40.slope_interval.high) == pytest.approx((low, high), rel=1e-12)
        assert line_of_40.offset_interval.low == pytest.approx(np.percentile(line_of_40.offsets, 2.5))
        assert line_of_40.slopes.shape == line_of_40.offsets.shape == (5000,)

    @pytest.mark.parametrize("models", [5, 67, 1500])
    def test_draws_are_those_of_scipy_line_by_line(self, models):
        original, new = some_models(models)
        theirs: Any = stats.bootstrap(
            (original, new),
            lambda x, y: np.polyfit(x, y, 1),
            paired=True,
            vectorized=False,
            method="percentile",
            n_resamples=200,
            rng=rng("scipy"),
        )
        line = fit_line(original, new, resamples=200, rng=rng("scipy"))
        np.testing.assert_allclose([line.slopes, line.offsets], theirs.bootstrap_distribution, rtol=1e-9)

    def test_agrees_with_the_normal_theory_of_least_squares(self):
        # With 400 models and even noise the bootstrap's spread nears the textbook standard error of the slope.
        original, new = some_models(400)
        line = fit_line(original, new, resamples=20_000, rng=rng())
        theirs: Any = stats.linregress(original, new)
        assert line.slopes.std() == pytest.approx(theirs.stderr, rel=0.15)
        assert line.offsets.std() == pytest.approx(theirs.intercept_stderr, rel=0.15)

    @pytest.mark.parametrize("models, least, most", [(5, 0.82, 0.95), (40, 0.88, 0.97)])
    def test_covers_the_true_slope_a_little_less_often_than_its_level(self, models, least, most):
        draw = rng(f"coverage of {models}")
        held = []
        for _ in range(400):
            original = draw.uniform(0.6, 0.9, models)
            new = 1.1 * original - 0.2 + draw.normal(0, 0.01, models)
            interval = fit_line(original, new, resamples=500, rng=draw).slope_interval
            held.append(interval.low <= 1.1 <= interval.high)
        assert least < np.mean(held) < most

    def test_same_chance_same_draws(self):
        one, other, third = (fit_line(*some_models(10), resamples=100, rng=rng(name)) for name in ("a", "a", "b"))
        assert one.slopes.tolist() == other.slopes.tolist()
        assert one == other
        assert one.slopes.tolist() != third.slopes.tolist()

    def test_a_higher_level_gives_a_wider_interval(self):
        narrow, wide = (fit_line(*some_models(10), resamples=1000, level=level, rng=rng()) for level in (0.5, 0.99))
        assert wide.slope_interval.low < narrow.slope_interval.low < narrow.slope
        assert narrow.slope < narrow.slope_interval.high < wide.slope_interval.high

    def test_resamples_of_one_model_are_left_out(self):
        # Three models: 3 of 27 resamples draw one model three times.
        line = fit_line(np.array([0.5, 0.6, 0.7]), np.array([0.2, 0.5, 0.5]), resamples=9000, rng=rng())
        assert np.isfinite(line.slopes).all()
        assert np.isfinite(line.offsets).all()
        left_out = 9000 - len(line.slopes)
        assert left_out == pytest.approx(1000, abs=5 * math.sqrt(9000 * 1 / 9 * 8 / 9))
        # Of the 24 left, the steepest (slope 3) and the flattest (slope 0) come up 6 times each.
        assert (line.slope_interval.low, line.slope_interval.high) == pytest.approx((0, 3), abs=1e-9)

    def test_models_that_share_an_accuracy_count_as_one_there(self):
        # Nine of ten at 0.7: a third of the resamples, 0.9^10, never draw the tenth and have no slope.
        original = np.array([0.7] * 9 + [0.8])
        line = fit_line(original, np.linspace(0.5, 0.6, 10), resamples=2000, rng=rng())
        assert len(line.slopes) == pytest.approx(2000 * (1 - 0.9**10), abs=5 * math.sqrt(2000 * 0.35 * 0.65))
        assert np.isfinite([line.slope_interval.low, line.slope_interval.high]).all()


class TestRegion:
    def test_percentiles_of_the_lines_at_each_point(self, line_of_40):
        x = np.linspace(0.5, 0.9, 9)
        region = line_of_40.region(x)
        for i, point in enumerate(x):
            low, high = np.percentile(line_of_40.slopes * point + line_of_40.offsets, [2.5, 97.5])
            assert (region.low[i], region.high[i]) == pytest.approx((low, high), rel=1e-12)

    @pytest.mark.parametrize("scale", ["probit", "logit"])
    def test_maps_back_from_the_fitted_scale(self, scale):
        line = fit_line(*some_models(30), scale=scale, resamples=1000, rng=rng())
        x = np.linspace(0.01, 0.99, 11)
        region = line.region(x)
        drawn = np.outer(to_scale(x, scale), line.slopes) + line.offsets[np.newaxis]
        low, high = np.percentile(drawn, [2.5, 97.5], axis=1)
        np.testing.assert_allclose(region.low, from_scale(low, scale), rtol=1e-12)
        np.testing.assert_allclose(region.high, from_scale(high, scale), rtol=1e-12)
        assert ((region.low < line.predict(x)) & (line.predict(x) < region.high)).all()

    @pytest.mark.parametrize("scale", ["probit", "logit"])
    def test_reaches_exactly_none_and_all_correct(self, scale):
        line = fit_line(*some_models(30), scale=scale, resamples=1000, rng=rng())
        ends = np.array([0.0, 1.0])
        region = line.region(ends)
        assert line.predict(ends).tolist() == region.low.tolist() == region.high.tolist() == [0, 1]

    def test_many_points_are_one_prediction(self, line_of_40):
        # 300 points of 5,000 lines do not fit one chunk.
        x = np.linspace(0, 1, 300)
        whole = line_of_40.region(x)
        pieces = [line_of_40.region(x[i : i + 1]) for i in range(300)]
        assert whole.low.tolist() == [piece.low[0] for piece in pieces]
        assert whole.high.tolist() == [piece.high[0] for piece in pieces]

    def test_narrowest_where_the_models_are(self, line_of_40):
        region = line_of_40.region(np.array([0.0, 0.7, 1.0]))
        width = region.high - region.low
        assert width[1] < width[2] < width[0]

    def test_linear_predictions_are_not_cut_off(self):
        line = fit_line(np.array([0.5, 0.6, 0.7]), np.array([0.2, 0.5, 0.5]), resamples=0, rng=rng())
        assert line.predict(np.array([0.0])) == pytest.approx([-0.5])

    def test_no_points(self, line_of_40):
        none = np.array([], dtype=float)
        assert line_of_40.predict(none).shape == line_of_40.region(none).low.shape == (0,)


class TestUndefined:
    def check_no_intervals(self, line):
        for interval in (line.slope_interval, line.offset_interval):
            assert math.isnan(interval.low)
            assert math.isnan(interval.high)
        region = line.region(np.array([0.0, 0.5]))
        assert np.isnan([region.low, region.high]).all()
        assert len(line.slopes) == len(line.offsets) == 0

    @pytest.mark.parametrize("resamples", [0, 1000])
    def test_two_models_make_a_line_but_no_interval(self, resamples):
        line = fit_line(np.array([0.5, 0.7]), np.array([0.3, 0.6]), resamples=resamples, rng=rng())
        assert (line.slope, line.offset) == pytest.approx((1.5, -0.45))
        assert np.isnan(line.r2)  # every line through two models fits them
        self.check_no_intervals(line)

    def test_no_resamples_no_interval(self):
        line = fit_line(*some_models(10), resamples=0, rng=rng())
        assert math.isfinite(line.slope)
        self.check_no_intervals(line)

    def test_only_undefined_resamples(self):
        # Two resamples of three models draw one model each in 1 of 81 cases: then there is nothing to go by.
        points = np.array([0.5, 0.6, 0.7]), np.array([0.2, 0.5, 0.5])
        lines = [fit_line(*points, resamples=2, rng=np.random.default_rng(seed)) for seed in range(300)]
        empty = [line for line in lines if len(line.slopes) == 0]
        assert empty
        for line in empty:
            self.check_no_intervals(line)

    def test_the_same_new_accuracy_everywhere_makes_no_line(self):
        # Least squares would be sure of a slope of 0, whatever models are drawn.
        with pytest.raises(AnalysisError) as complaint:
            fit_line(np.array([0.5, 0.6, 0.7]), np.full(3, 0.4), resamples=100, rng=rng())
        says(
            complaint.value,
            where="line of new on original accuracy, linear scale",
            found="3 models with 1 distinct new accuracy",
        )


FINITE = "scale; expected a finite value (scales.fitted_accuracy gives one)"


class TestComplaints:
    @pytest.mark.parametrize(
        "original, found",
        [
            ([], "0 models with 0 distinct original accuracies"),
            ([0.9], "1 model with 1 distinct original accuracy"),
            ([0.9, 0.9, 0.9], "3 models with 1 distinct original accuracy"),
        ],
    )
    def test_no_line(self, original, found):
        original = np.array(original, dtype=float)
        with pytest.raises(AnalysisError) as complaint:
            fit_line(original, np.linspace(0.2, 0.5, len(original)), scale="probit", rng=rng())
        says(complaint.value, where="line of new on original accuracy, probit scale", found=found)

    @pytest.mark.parametrize(
        "options, message",
        [
            ({"scale": "log"}, 'scale: found "log"; expected one of linear, probit, logit'),
            ({"level": 95.0}, "level: found 95.0; expected a fraction between 0 and 1, such as 0.95"),
            ({"resamples": -1}, "resamples: found -1; expected 0 for no intervals, or at least 2"),
            ({"resamples": 1}, "resamples: found 1; expected 0 for no intervals, or at least 2"),
        ],
    )
    def test_impossible_options(self, options, message):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            fit_line(*some_models(5), **options, rng=rng())
        assert str(complaint.value) == message

    @pytest.mark.parametrize(
        "original, new, scale, message",
        [
            ([0.5, 91.7], [0.4, 0.5], "linear", "original_accuracy[1]: found 91.7; expected a fraction from 0 to 1"),
            ([0.5, 0.6], [-0.1, 0.5], "logit", "new_accuracy[0]: found -0.1; expected a fraction from 0 to 1"),
            ([0.5, 1.0], [0.4, 0.5], "probit", f"original_accuracy[1]: found 1.0, which is inf on the probit {FINITE}"),
            ([0.5, 0.6], [0.0, 0.5], "logit", f"new_accuracy[0]: found 0.0, which is -inf on the logit {FINITE}"),
            (
                [0.5, math.nan],
                [0.4, 0.5],
                "linear",
                f"original_accuracy[1]: found nan, which is nan on the linear {FINITE}",
            ),
        ],
    )
    def test_impossible_accuracies(self, original, new, scale, message):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            fit_line(np.array(original), np.array(new), scale=scale, rng=rng())
        assert str(complaint.value) == message

    def test_different_numbers_of_models(self):
        # Unwrapped: as it runs for users, without the tests' shape checker that would speak first.
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            inspect.unwrap(fit_line)(np.array([0.5, 0.6, 0.7]), np.array([0.5, 0.6]), rng=rng())
        assert str(complaint.value) == "found 3 original and 2 new accuracies; expected one per model"

    @pytest.mark.parametrize("method", ["predict", "region"])
    def test_points_outside_the_unit_interval(self, line_of_40, method):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            getattr(line_of_40, method)(np.array([0.5, 70.0]))
        assert str(complaint.value) == "accuracy[1]: found 70.0; expected a fraction from 0 to 1"


def test_a_region_that_was_asked_for_before_is_the_same_and_cannot_be_written_to() -> None:
    original = np.array([0.5, 0.6, 0.7, 0.8])
    line = fit_line(original, original - 0.1, resamples=1000, rng=np.random.default_rng(0))
    first = line.region(original)
    other = line.region(original + 0.1)
    again = line.region(original)
    np.testing.assert_array_equal(again.low, first.low)
    assert not np.array_equal(other.low, first.low)
    with pytest.raises(ValueError, match="read-only"):
        first.low[0] = 0
