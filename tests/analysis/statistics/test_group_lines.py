"""Lines by group: by hand, in closed form, against statsmodels, by a property."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.api import OLS, add_constant

from evalshift.analysis.statistics.group_lines import group_lines
from evalshift.analysis.statistics.line_fit import LEAST_LINE_MODELS


def two_groups(above: float, draw: np.random.Generator, models: int = 20) -> tuple[np.ndarray, np.ndarray, list[str]]:
    x = draw.uniform(0, 1, 2 * models)
    groups = ["few"] * models + ["many"] * models
    return x, x + np.repeat([0, above], models) + draw.normal(0, 0.01, 2 * models), groups


def test_by_hand():
    # Group a: y = x on 0 to 6. Group b: three models of family f at +2, three of family g at +4, about the mean 3:
    # family sums −3 and 3, variance (9 + 9)/36 · 2/1 = 1; the line of a is exact, t has 1 degree of freedom (12.706).
    x = np.array([0.0, 1, 2, 3, 4, 5, 6, 1, 2, 3, 1, 2, 3])
    y = x + np.array([0.0] * 7 + [2.0] * 3 + [4.0] * 3)
    families = [f"a{number}" for number in range(7)] + ["f"] * 3 + ["g"] * 3
    first, second = group_lines(x, y, ["a"] * 7 + ["b"] * 6, families).lines
    assert (first.name, first.slope, first.offset, first.above) == ("a", pytest.approx(1), pytest.approx(0), 0)
    assert math.isnan(first.above_interval.low)
    assert (second.name, second.at) == ("b", 2)
    assert second.above == pytest.approx(3)
    assert [second.above_interval.low, second.above_interval.high] == pytest.approx([3 - 12.706, 3 + 12.706], abs=1e-3)


def test_slopes_and_their_intervals_are_those_of_statsmodels():
    x, y, groups = two_groups(0.1, np.random.default_rng(1))
    line = group_lines(x, y, groups, groups).lines[1]
    theirs = OLS(y[20:], add_constant(x[20:])).fit()
    assert [line.offset, line.slope] == pytest.approx(np.asarray(theirs.params), rel=1e-9)
    assert [line.slope_interval.low, line.slope_interval.high] == pytest.approx(theirs.conf_int()[1], rel=1e-9)
    assert line.scatter == pytest.approx(math.sqrt(float(theirs.scale)))


def test_a_single_family_has_no_interval():
    x, y, groups = two_groups(0.1, np.random.default_rng(2))
    assert math.isnan(group_lines(x, y, groups, groups).lines[1].above_interval.low)


def test_models_each_of_their_own_family_have_the_interval_of_a_mean():
    x, y, groups = two_groups(0.5, np.random.default_rng(3), models=200)
    second = group_lines(x, y, groups, [None] * 400).lines[1]
    first: Any = stats.linregress(x[:200], y[:200])
    apart = (y - first.slope * x - first.intercept)[200:]
    narrowest = 2 * stats.t.isf(0.025, 199) * apart.std(ddof=1) / math.sqrt(200)
    assert narrowest < second.above_interval.high - second.above_interval.low < 1.5 * narrowest


def test_a_model_far_off_stays_out_of_the_line_of_its_group_and_is_found_there():
    x, y, groups = two_groups(0.1, np.random.default_rng(4))
    y[33] += 0.3
    found = group_lines(x, y, groups, groups)
    assert np.flatnonzero(found.p_holm < 0.05).tolist() == [33]
    assert found.distance[33] == pytest.approx(0.3, abs=0.03)
    assert 33 not in found.lines[1].models


def test_small_groups_and_models_without_one_have_no_line():
    x = np.arange(20.0)
    groups = ["a"] * 10 + ["b"] * LEAST_LINE_MODELS + [None] * (10 - LEAST_LINE_MODELS)
    found = group_lines(x, x, groups, [None] * 20)
    assert [line.name for line in found.lines] == ["a"]
    assert np.isnan(found.distance[10:]).all()


def test_a_level_out_of_range():
    with pytest.raises(ValueError, match="level"):
        group_lines(np.arange(3.0), np.arange(3.0), ["a"] * 3, [None] * 3, level=1.0)


@given(st.floats(0.5, 3), st.floats(-2, 2), st.integers(0, 2**32 - 1))
def test_another_unit_and_origin_of_accuracy_change_nothing_else(factor, origin, seed):
    x, y, groups = two_groups(0.2, np.random.default_rng(seed))
    plain, moved = (group_lines(x, one, groups, groups) for one in (y, factor * y + origin))
    assert moved.lines[1].above == pytest.approx(factor * plain.lines[1].above, rel=1e-6, abs=1e-9)
    assert moved.distance == pytest.approx(factor * plain.distance, rel=1e-6, abs=1e-9)
