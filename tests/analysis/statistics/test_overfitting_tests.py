"""Diminishing returns and the fall with time: by hand, against statsmodels, planted, and where there is nothing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages import says
from released import cifar10, imagenet, needs_cifar10, needs_imagenet
from statsmodels.api import OLS, add_constant

from evalshift.analysis.statistics.bootstraps import two_way_bootstrap
from evalshift.analysis.statistics.difficulty_model import Difficulty, simulate
from evalshift.analysis.statistics.line_fit import fit_line
from evalshift.analysis.statistics.overfitting_tests import (
    diminishing_returns,
    diminishing_returns_of_counts,
    year_trend,
)
from evalshift.errors import AnalysisError


def rng(name: str = "adaptivity") -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


class TestSlope:
    def test_p_is_the_share_of_resampled_slopes_from_one_up(self):
        x = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
        line = fit_line(x, 0.9 * x + np.array([0.02, -0.02, 0, -0.02, 0.02]), resamples=999, rng=rng())
        result = diminishing_returns(line)
        assert result.p_value == (np.sum(line.slopes >= 1 - 1e-9) + 1) / (len(line.slopes) + 1)
        assert 0.01 < result.p_value < 0.9
        assert (result.slope, result.models, result.resamples) == (line.slope, 5, 999)

    @settings(max_examples=30)
    @given(st.floats(0.2, 0.95), st.floats(1.05, 1.8))
    def test_a_line_without_scatter_is_certain(self, flat, steep):
        x = np.array([0.45, 0.48, 0.51, 0.54])
        for slope, kept in ((flat, 0), (steep, 1)):
            line = fit_line(x, slope * x, resamples=100, rng=rng())
            drawn = len(line.slopes)
            assert diminishing_returns(line).p_value == (kept * drawn + 1) / (drawn + 1)

    def test_without_resamples_there_is_no_p(self):
        line = fit_line(np.array([0.5, 0.6, 0.7]), np.array([0.4, 0.5, 0.55]), resamples=0, rng=rng())
        assert math.isnan(diminishing_returns(line).p_value)

    def test_another_scale_is_refused(self):
        line = fit_line(np.array([0.5, 0.6, 0.7]), np.array([0.4, 0.5, 0.55]), scale="probit", resamples=0, rng=rng())
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            diminishing_returns(line)
        assert str(complaint.value) == (
            'line: found one on the probit scale; expected "linear", where a slope of 1 keeps gains'
        )

    def test_false_alarms_with_images_drawn_too_are_few_and_without_them_many(self):
        # Two sets of one distribution: the slope is 1 on all images, and models share what chance does to it.
        draw, two_way, models_alone = rng("alarms"), [], []
        for _ in range(80):
            skill = draw.uniform(3, 5, 30)
            original = simulate(skill, Difficulty(0.0, 2.0), 4000, draw)
            new = simulate(skill, Difficulty(0.0, 2.0), 1000, draw)
            two_way.append(diminishing_returns(two_way_bootstrap(original, new, resamples=200, rng=draw)).p_value)
            line = fit_line(original.mean(axis=1), new.mean(axis=1), resamples=200, rng=draw)
            models_alone.append(diminishing_returns(line).p_value)
        assert np.mean(np.array(two_way) < 0.05) < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 80)
        assert np.mean(np.array(models_alone) < 0.05) > 0.12

    def test_planted_diminishing_returns_are_found(self):
        # What models above 70 % gain, they gain half by tuning: 30 points more on the old set are 15 on the new one.
        draw, found = rng("planted"), []
        for _ in range(40):
            truth = draw.uniform(0.5, 0.75, 30)
            images = draw.uniform(size=5000)
            tuned = np.where(truth > 0.6, truth + (truth - 0.6), truth)
            original = draw.uniform(size=(30, 5000)) < tuned[:, np.newaxis]
            new = images < truth[:, np.newaxis]
            line = two_way_bootstrap(original, new, resamples=200, rng=draw)
            found.append(diminishing_returns(line).p_value < 0.05)
        assert np.mean(found) > 0.95


class TestSlopeOfCounts:
    def test_correction_by_hand(self):
        # x = 0.6, 0.7, 0.8 on 100 images: binomial variances 0.0024, 0.0021, 0.0016, in sum 0.0061, of which deviations
        # from the mean keep 2/3: 0.0040667. Σdx² = 0.02, Σdxdy = 0.01: slope 0.5, and 0.01/(0.02 − 0.0040667) = 0.6276.
        total = np.full(3, 100)
        result = diminishing_returns_of_counts(
            np.array([60, 70, 80]), total, np.array([40, 50, 50]), total, resamples=0, rng=rng()
        )
        assert result.slope == pytest.approx(0.01 / (0.02 - 0.0061 * 2 / 3))
        assert math.isnan(result.p_value)

    def test_with_endless_images_it_is_least_squares(self):
        draw = rng("endless")
        x = draw.uniform(0.5, 0.9, 20)
        y = 0.9 * x + draw.normal(0, 0.02, 20)
        total = np.full(20, 10**12)
        counts = np.rint(x * 1e12).astype(int), total, np.rint(y * 1e12).astype(int), total
        result = diminishing_returns_of_counts(*counts, resamples=20_000, rng=rng())
        line = fit_line(x, y, resamples=20_000, rng=rng())
        assert result.slope == pytest.approx(line.slope, rel=1e-9)
        assert result.p_value == pytest.approx(np.mean(line.slopes >= 1), abs=0.01)

    def test_noise_in_the_original_accuracies_is_not_taken_for_tuning(self):
        # 200 images a set: noise alone makes the slope 0.8.
        draw, slopes, alarms, plain = rng("noise"), [], [], []
        total = np.full(30, 200)
        for _ in range(200):
            truth = draw.uniform(0.6, 0.9, 30)
            counts = draw.binomial(total, truth), total, draw.binomial(total, truth), total
            result = diminishing_returns_of_counts(*counts, resamples=500, rng=draw)
            slopes.append(result.slope)
            alarms.append(result.p_value < 0.05)
            line = fit_line(counts[0] / 200, counts[2] / 200, resamples=500, rng=draw)
            plain.append(diminishing_returns(line).p_value < 0.05)
        assert np.median(slopes) == pytest.approx(1, abs=0.03)
        assert np.mean(alarms) < 0.1
        assert np.mean(plain) > 0.25

    def test_nothing_but_noise_has_no_slope(self):
        total = np.full(4, 50)
        counts = np.array([25, 26, 25, 24]), total, np.array([20, 22, 24, 26]), total
        result = diminishing_returns_of_counts(*counts, resamples=200, rng=rng())
        assert math.isnan(result.slope)
        assert result.p_value > 0.5

    @pytest.mark.parametrize(
        "correct, found", [([5, 7], "2 models with 2 distinct"), ([5, 5, 5], "3 models with 1 distinct")]
    )
    def test_too_little_to_go_by(self, correct, found):
        correct = np.array(correct)
        total = np.full(len(correct), 10)
        with pytest.raises(AnalysisError) as complaint:
            diminishing_returns_of_counts(correct, total, correct, total, rng=rng())
        says(complaint.value, where="slope of new on original accuracy", found=f"{found} original accuracies")

    def test_impossible_counts(self):
        total = np.full(3, 10)
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            diminishing_returns_of_counts(np.array([5, 6, 7]), total, np.array([4, 5, 12]), total, rng=rng())
        assert str(complaint.value) == (
            "cell 2: found 12 correct of 10; expected a total of at least 1 and 0 <= correct <= total"
        )


class TestYears:
    def some_models(self, fall: float, name: str = "years") -> tuple[np.ndarray, np.ndarray, list[float]]:
        """Accuracy rises by 2 points a year; what it is worth on the new set changes by `fall` a year."""
        draw = rng(name)
        year = draw.integers(2012, 2020, 40).astype(float)
        x = 0.6 + 0.02 * (year - 2012) + draw.normal(0, 0.03, 40)
        return x, 1.1 * x - 0.2 + fall * (year - 2016) + draw.normal(0, 0.005, 40), year.tolist()

    def test_by_hand(self):
        # y = x − 0.2 − 0.01 · (year − 2010), without error: so is every resample in which x and year vary apart.
        x, years = (
            np.array([0.5, 0.6, 0.55, 0.8, 0.7, 0.64, 0.58, 0.9]),
            [2010, 2011, 2014, 2015, 2016, 2012, 2018, 2019],
        )
        y = x - 0.2 - 0.01 * (np.array(years) - 2010)
        result = year_trend(x, y, years, resamples=199, rng=rng())
        assert result.per_year == pytest.approx(-0.01)
        assert result.p_value == 1 / 200
        assert result.models == 8

    def test_agrees_with_statsmodels(self):
        x, y, years = self.some_models(-0.004)
        theirs = OLS(y, add_constant(np.column_stack([x, np.array(years) - 2016]))).fit()
        result = year_trend(x, y, years, resamples=0, rng=rng())
        assert result.per_year == pytest.approx(theirs.params[2], rel=1e-8)
        assert math.isnan(result.p_value)

    def test_a_fall_is_found_and_nothing_is_not(self):
        draws = range(150)
        null = [year_trend(*self.some_models(0.0, name=f"null {i}"), resamples=300, rng=rng()).p_value for i in draws]
        fall = [
            year_trend(*self.some_models(-0.004, name=f"fall {i}"), resamples=300, rng=rng()).p_value for i in draws
        ]
        assert np.mean(np.array(null) < 0.05) < 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / 150)
        assert np.mean(np.array(fall) < 0.05) > 0.95

    def test_models_without_a_year_are_left_out(self):
        x, y, years = self.some_models(-0.004)
        whole = year_trend(x[:30], y[:30], years[:30], resamples=100, rng=rng())
        with_gaps = [*years[:30], *[None] * 5, *[math.nan] * 5]
        assert year_trend(x, y, with_gaps, resamples=100, rng=rng()) == whole

    @given(st.permutations(range(12)))
    def test_the_order_of_the_models_does_not_matter(self, order):
        x, y, years = self.some_models(-0.004)
        x, y, years = x[:12], y[:12], years[:12]
        one = year_trend(x, y, years, resamples=0, rng=rng())
        other = year_trend(x[order], y[order], [years[i] for i in order], resamples=0, rng=rng())
        assert one.per_year == pytest.approx(other.per_year, rel=1e-6)

    @pytest.mark.parametrize(
        "years, found",
        [
            ([2012, 2013, 2014, None, None], "3 models with a year, of 3 distinct years"),
            ([2012, 2012, 2012, 2012, 2012], "5 models with a year, of 1 distinct years"),
            # Years that rise as the accuracies do tell them.
            ([2010, 2011, 2012, 2013, 2014], "5 models with a year, of 5 distinct years"),
        ],
    )
    def test_years_that_tell_nothing(self, years, found):
        x = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
        with pytest.raises(AnalysisError) as complaint:
            year_trend(x, x - 0.1, years, rng=rng())
        says(complaint.value, where="new accuracy on original accuracy and year", found=found)

    def test_a_year_less(self):
        x = np.array([0.5, 0.6, 0.7, 0.8])
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            year_trend(x, x, [2012, 2013, 2014], rng=rng())
        assert str(complaint.value) == "years: found 3 for 4 models; expected one of each a model"


@needs_cifar10
def test_no_diminishing_returns_on_cifar10():
    original, new = cifar10().correct
    assert diminishing_returns(two_way_bootstrap(original, new, resamples=500, rng=rng())).p_value == 1


@needs_imagenet
def test_no_diminishing_returns_on_imagenet():
    released = imagenet().without("fv_")
    line = two_way_bootstrap(*released.correct, resamples=300, rng=rng())
    assert diminishing_returns(line).p_value > 0.95
    counted = diminishing_returns_of_counts(*released.counts, resamples=2000, rng=rng())
    assert counted.slope == pytest.approx(1.1112, abs=0.0001)
    assert counted.p_value == 1
