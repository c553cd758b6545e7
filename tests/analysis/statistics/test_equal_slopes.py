"""The F test for equal slopes: by hand, at the edge, against statsmodels, and properties on random input."""

import numpy as np
import pytest

from evalshift.analysis.statistics.equal_slopes import equal_slopes
from evalshift.errors import AnalysisError


def test_by_hand() -> None:
    # Group 0: x −1, 0, 1 and y 0, 1, −1. Sxx 2, Sxy −1, Syy 2; R = 2 − 1/2 = 3/2, slope −1/2.
    # Group 1: x −1, 0, 1 and y 0, −1, 1. Sxx 2, Sxy 1, Syy 2; R = 3/2, slope 1/2.
    # Separate lines: R₀ = 3. Parallel: Sxy = 0, slope 0, R₁ = 4. F = (4 − 3)/1 / (3/(6 − 4)) = 2/3.
    x = np.array([-1.0, 0, 1, -1, 0, 1])
    found = equal_slopes(x, np.array([0.0, 1, -1, 0, -1, 1]), np.repeat([0, 1], 3))
    assert (found.f, found.df, found.residual_df, found.slope) == (pytest.approx(2 / 3), 1, 2, 0)
    # The upper tail of F(1, 2) at f is 1 − √(f/(f + 2)).
    assert found.p_value == pytest.approx(1 - np.sqrt((2 / 3) / (2 / 3 + 2)))


def test_the_same_scatter_about_parallel_lines_has_no_evidence() -> None:
    x = np.tile([0.0, 1, 2, 3], 2)
    y = x + np.tile([0.1, -0.1, -0.1, 0.1], 2) + np.repeat([0, 5], 4)
    found = equal_slopes(x, y, np.repeat([0, 1], 4))
    assert (found.f, found.p_value, found.slope) == (pytest.approx(0, abs=1e-12), pytest.approx(1), pytest.approx(1))


def test_lines_without_scatter_and_different_slopes_differ_for_certain() -> None:
    x = np.tile([0.0, 1, 2, 3], 2)
    found = equal_slopes(x, x * np.repeat([1, 2], 4), np.repeat([0, 1], 4))
    assert (found.f, found.p_value) == (np.inf, 0)


def test_equals_the_interaction_of_an_analysis_of_covariance_in_statsmodels() -> None:
    rng = np.random.default_rng(1)
    from statsmodels.api import OLS

    group = rng.integers(0, 4, 60)
    x = rng.normal(size=60)
    y = x * np.array([1, 1.2, 0.8, 1])[group] + group + rng.normal(0, 0.4, 60)
    offsets = (group[:, np.newaxis] == np.arange(4)).astype(float)
    slopes = offsets * x[:, np.newaxis]
    separate = OLS(y, np.hstack([offsets, slopes])).fit()
    f, p_value, df = separate.compare_f_test(OLS(y, np.hstack([offsets, x[:, np.newaxis]])).fit())
    found = equal_slopes(x, y, group)
    assert (found.f, found.p_value, found.df) == (pytest.approx(f), pytest.approx(p_value), df)


def test_depends_on_neither_unit_nor_offset_nor_the_numbers_of_groups() -> None:
    rng = np.random.default_rng(2)
    group, x, y = np.repeat([0, 1, 2], 8), rng.normal(size=24), rng.normal(size=24)
    found, other = equal_slopes(x, y, group), equal_slopes(100 * x + 3, 7 * y - group, 9 - group)
    assert (found.f, found.p_value) == (pytest.approx(other.f), pytest.approx(other.p_value))


def test_p_values_of_equal_slopes_are_uniform() -> None:
    rng = np.random.default_rng(3)
    group = np.repeat([0, 1, 2], 6)
    found = []
    for _ in range(400):
        x = rng.normal(size=18)
        found.append(equal_slopes(x, x + group + rng.normal(0, 0.3, 18), group).p_value)
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.09
    assert 0.43 < np.mean(found) < 0.57


@pytest.mark.parametrize(
    "x, y, group, reason",
    [
        ([0.0, 1, 2], [0.0, 1, 3], [0, 0, 0], "slopes are compared between groups"),
        ([0.0, 1, 2, 0, 1], [0.0, 1, 3, 1, 2], [0, 0, 0, 1, 1], "fewer than three models"),
        ([0.0, 1, 2, 1, 1, 1], [0.0, 1, 3, 1, 2, 3], [0, 0, 0, 1, 1, 1], "differ in original accuracy"),
        ([0.0, 1, 2, 0, 1, 2], [0.0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 1, 1], "on parallel lines"),
    ],
)
def test_undefined_where_groups_are_too_few_or_too_small(
    x: list[float], y: list[float], group: list[int], reason: str
) -> None:
    with pytest.raises(AnalysisError, match=reason):
        equal_slopes(np.array(x), np.array(y), np.array(group))
