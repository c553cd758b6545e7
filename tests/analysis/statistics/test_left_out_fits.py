"""Fits without each model: by hand, against statsmodels, and against fits made anew."""

import numpy as np
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from evalshift.analysis.statistics.left_out_fits import left_out_fits


def test_by_hand():
    # Without the last of (0, 0), (1, 1), (2, 2), (3, 4) the line is y = x, and 4 lies 1 above it.
    found = left_out_fits(np.array([[0.0, 1, 2, 3]]), np.array([0.0, 1, 2, 4]), np.ones(4, bool))
    assert found is not None
    np.testing.assert_allclose((found.distance[3], found.slopes[3, 0], found.df), (1, 1, 2))


def test_models_that_are_in_no_fit_are_compared_with_that_of_the_others():
    in_fit = np.array([True, True, True, False])
    found = left_out_fits(np.array([[0.0, 1, 2, 3]]), np.array([0.0, 1, 2, 9]), in_fit)
    assert found is not None
    np.testing.assert_allclose(found.distance, [0, 0, 0, 6], atol=1e-12)
    assert (found.residual[3], found.leverage[3]) == (0, 0)


def test_distances_are_the_press_residuals_of_statsmodels():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(3, 20)), rng.normal(size=20)
    found = left_out_fits(x, y, np.ones(20, bool))
    theirs = sm.OLS(y, sm.add_constant(x.T)).fit()
    assert found is not None
    np.testing.assert_allclose(found.distance, theirs.get_influence().resid_press)
    np.testing.assert_allclose(found.slope, theirs.params[1:])
    assert found.df == theirs.df_resid


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 2), st.integers(5, 9))
def test_each_row_is_a_fit_made_anew(seed, coordinates, models):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(coordinates, models)), rng.normal(size=models)
    in_fit = np.arange(models) > 0
    found = left_out_fits(x, y, in_fit)
    assert found is not None
    design = np.c_[np.ones(models), x.T]
    for model in range(models):
        others = in_fit & (np.arange(models) != model)
        if others.sum() <= coordinates + 1:
            continue
        beta = np.linalg.lstsq(design[others], y[others], rcond=None)[0]
        np.testing.assert_allclose(found.slopes[model], beta[1:], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(found.distance[model], y[model] - design[model] @ beta, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.combination @ y, found.distance, rtol=1e-6, atol=1e-8)


def test_coordinates_that_make_no_fit_give_none():
    assert left_out_fits(np.full((1, 4), 0.7), np.arange(4.0), np.ones(4, bool)) is None
    assert left_out_fits(np.array([[1.0, 2, 3, 4], [2, 4, 6, 8]]), np.arange(4.0), np.ones(4, bool)) is None
    assert left_out_fits(np.array([[1.0, 2, 3, 4]]), np.arange(4.0), np.zeros(4, bool)) is None


def test_a_model_without_which_there_is_no_fit_has_no_distance():
    found = left_out_fits(np.array([[1.0, 1, 1, 2]]), np.array([1.0, 2, 3, 9]), np.ones(4, bool))
    assert found is not None
    assert np.isnan(found.distance[3])
    assert np.isfinite(found.distance[:3]).all()
