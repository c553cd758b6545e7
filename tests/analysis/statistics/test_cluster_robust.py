"""CR2 variances by hand, against statsmodels, by dense matrices, and by what they must not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from statsmodels.api import OLS, add_constant

from evalshift.analysis.statistics.cluster_robust import cluster_robust

SLOPE = np.array([[0.0, 1.0]])


def points(models: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng([models, seed])
    x = draw.uniform(0.5, 0.9, models)
    return x, 1.1 * x - 0.2 + draw.normal(0, 0.01, models)


def dense(
    x: np.ndarray, y: np.ndarray, group: np.ndarray, combination: np.ndarray, degree: int = 1
) -> tuple[float, float]:
    """The definition with whole matrices, as Pustejovsky and Tipton 2018 write it (identity as working covariance)."""
    design = np.vander(x, degree + 1, increasing=True)
    bread = np.linalg.inv(design.T @ design)
    residual_maker = np.eye(len(x)) - design @ bread @ design.T
    shares, columns = [], []
    for one in range(group.max() + 1):
        members = np.flatnonzero(group == one)
        block = residual_maker[np.ix_(members, members)]
        adjust = np.real(linalg.fractional_matrix_power(block, -0.5))
        weights = combination @ bread @ design[members].T @ adjust
        shares.append(float((weights @ (residual_maker @ y)[members]).item() ** 2))
        columns.append((weights @ residual_maker[members]).ravel())
    together = np.array(columns) @ np.array(columns).T
    return sum(shares), float(np.trace(together) ** 2 / np.sum(together**2))


def test_three_points_by_hand():
    # x̄ = 0.6, Σd² = 0.02, slope 0.03/0.02 = 1.5, residuals (1, −2, 1)/60, leverages 5/6, 1/3, 5/6. The middle point has
    # no weight: HC2 = 2 · (0.1/0.02)² · (1/60)²/(1 − 5/6) = 1/12. Both shares are one combination of y: 1 df.
    fit = cluster_robust(np.array([0.5, 0.6, 0.7]), np.array([0.3, 0.4, 0.6]), np.arange(3))
    variance, df = fit.variance(SLOPE)
    assert fit.coefficients[1] == pytest.approx(1.5)
    assert fit.residuals == pytest.approx(np.array([1, -2, 1]) / 60)
    assert (variance[0], df[0]) == pytest.approx((1 / 12, 1))


@pytest.mark.parametrize("models", [4, 9, 40])
def test_points_of_their_own_have_the_hc2_variance_of_statsmodels(models):
    x, y = points(models)
    theirs = OLS(y, add_constant(x)).fit(cov_type="HC2")
    fit = cluster_robust(x, y, np.arange(models))
    variance, _ = fit.variance(np.eye(2))
    assert np.sqrt(variance) == pytest.approx(np.asarray(theirs.bse), rel=1e-9)
    assert fit.coefficients == pytest.approx(np.asarray(theirs.params), rel=1e-9)


def test_two_groups_of_x_have_welchs_variance_and_degrees_of_freedom():
    # With x of 0 or 1 the slope is a difference of two means: HC2 is s₁²/n₁ + s₂²/n₂, and Bell–McCaffrey's degrees of
    # freedom are Welch's for equal variances: (1/n₁ + 1/n₂)²/(1/(n₁²(n₁ − 1)) + 1/(n₂²(n₂ − 1))).
    x, y = np.repeat([0.0, 1.0], [3, 7]), np.random.default_rng(1).uniform(0.4, 0.6, 10)
    variance, df = cluster_robust(x, y, np.arange(10)).variance(SLOPE)
    assert variance[0] == pytest.approx(y[:3].var(ddof=1) / 3 + y[3:].var(ddof=1) / 7)
    assert df[0] == pytest.approx((1 / 3 + 1 / 7) ** 2 / (1 / (9 * 2) + 1 / (49 * 6)))


@given(models=st.integers(6, 25), groups=st.integers(3, 6), seed=st.integers(0, 100))
@settings(max_examples=40)
def test_it_is_the_definition_by_whole_matrices(models, groups, seed):
    x, y = points(models, seed)
    group = np.random.default_rng(seed).permutation(np.arange(models) % groups)
    fit = cluster_robust(x, y, group)
    combinations = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.75]])
    variance, df = fit.variance(combinations)
    for place, combination in enumerate(combinations):
        assert (variance[place], df[place]) == pytest.approx(dense(x, y, group, combination), rel=1e-5)


@given(seed=st.integers(0, 100), shift=st.floats(-5, 5))
@settings(max_examples=40)
def test_neither_order_nor_origin_matters(seed, shift):
    x, y = points(12, seed)
    group, order = np.arange(12) % 4, np.random.default_rng(seed).permutation(12)
    first = cluster_robust(x, y, group).variance(SLOPE)
    other = cluster_robust(x[order] + shift, y[order] - shift, (3 - group)[order]).variance(SLOPE)
    assert np.concatenate(first) == pytest.approx(np.concatenate(other), rel=1e-6)


@given(models=st.integers(7, 20), groups=st.integers(4, 7), seed=st.integers(0, 100))
@settings(max_examples=20)
def test_a_parabola_is_the_definition_by_whole_matrices(models, groups, seed):
    x, y = points(models, seed)
    x = x - x.mean()
    group = np.random.default_rng(seed).permutation(np.arange(models) % groups)
    fit = cluster_robust(x, y, group, degree=2)
    variance, df = fit.variance(np.eye(3))
    assert fit.coefficients == pytest.approx(np.polynomial.polynomial.polyfit(x, y, 2))
    for place, combination in enumerate(np.eye(3)):
        theirs = dense(x, y, group, combination, degree=2)
        assert (variance[place], df[place]) == pytest.approx(theirs, rel=1e-4)
