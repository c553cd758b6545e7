"""The decline over the years: by hand, against statsmodels, planted, and where there is nothing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import says
from statsmodels.api import OLS, add_constant

from evalshift.analysis.statistics.overfitting_tests import year_trend
from evalshift.errors import AnalysisError


def rng(name: str = "adaptivity") -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


class TestYears:
    def some_models(self, fall: float, name: str = "years") -> tuple[np.ndarray, np.ndarray, list[float]]:
        """Accuracy rises by 2 points per year; what it is worth on the new set changes by `fall` a year."""
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
            ([2012, 2012, 2012, 2012, 2012], "5 models with a year, of 1 distinct year"),
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
        assert str(complaint.value) == "years: found 3 for 4 models; expected one per model"
