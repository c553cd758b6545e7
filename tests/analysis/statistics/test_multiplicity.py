"""Adjusted p-values by hand, against R, by simulation, and as properties of any family of tests."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from evalshift.analysis.statistics.multiplicity import METHODS, adjust, adjust_pairs

# statsmodels collects garbage on each call of Holm's method, a tenth of a second here: few examples are enough.
few = settings(max_examples=10, deadline=None)
THEIRS = {"holm": "holm", "benjamini-hochberg": "fdr_bh"}
families = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(np.array)
methods = st.sampled_from(METHODS)

# R 4.2.2: p <- c(0.01, 0.02, 0.03, 0.04, 0.05, 0.001, 0.8); p.adjust(p, "holm"); p.adjust(p, "BH")
P_VALUES = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.001, 0.8])
BY_R = {
    "holm": [0.06, 0.10, 0.12, 0.12, 0.12, 0.007, 0.8],
    "benjamini-hochberg": [0.035, 0.0466666667, 0.0525, 0.056, 0.0583333333, 0.007, 0.8],
}


class TestAdjust:
    def test_by_hand(self):
        # Sorted 0.01, 0.03, 0.04. Holm: 3 · 0.01, 2 · 0.03, 1 · 0.04 and never falling: 0.03, 0.06, 0.06.
        # Benjamini-Hochberg: 3/1 · 0.01, 3/2 · 0.03, 3/3 · 0.04 and never above the next: 0.03, 0.04, 0.04.
        p_values = np.array([0.01, 0.04, 0.03])
        assert adjust(p_values).tolist() == pytest.approx([0.03, 0.06, 0.06])
        assert adjust(p_values, "benjamini-hochberg").tolist() == pytest.approx([0.03, 0.04, 0.04])

    @pytest.mark.parametrize("method", METHODS)
    def test_agrees_with_r(self, method):
        assert adjust(P_VALUES, method).tolist() == pytest.approx(BY_R[method], abs=1e-10)

    @pytest.mark.late
    @few
    @given(families, methods)
    def test_agrees_with_statsmodels(self, p_values, method):
        theirs = np.asarray(multipletests(p_values, method=THEIRS[method])[1])
        np.testing.assert_allclose(adjust(p_values, method), theirs, rtol=1e-12)

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("p_value", [0.0, 0.3, 1.0])
    def test_one_test_is_left_as_it_is(self, method, p_value):
        assert adjust(np.array([p_value]), method).tolist() == [p_value]

    @given(families, methods)
    def test_adjusted_p_values_are_larger_and_in_the_same_order(self, p_values, method):
        adjusted = adjust(p_values, method)
        assert (adjusted >= p_values).all()
        assert (adjusted <= 1).all()
        assert (np.diff(adjusted[np.argsort(p_values)]) >= 0).all()

    @given(families)
    def test_holm_is_stricter_than_benjamini_hochberg_and_milder_than_bonferroni(self, p_values):
        holm, discovery = adjust(p_values), adjust(p_values, "benjamini-hochberg")
        assert (discovery <= holm + 1e-12).all()
        assert (holm <= np.minimum(1, len(p_values) * p_values) + 1e-12).all()

    @given(families, methods, st.data())
    def test_nan_stays_and_counts_as_no_test(self, p_values, method, data):
        places = data.draw(st.lists(st.integers(0, len(p_values)), max_size=5))
        holed = np.insert(p_values, places, np.nan)
        adjusted = adjust(holed, method)
        assert np.isnan(adjusted).tolist() == np.isnan(holed).tolist()
        np.testing.assert_array_equal(adjusted[~np.isnan(adjusted)], adjust(p_values, method))

    @pytest.mark.parametrize("shape", [(0,), (3,), (2, 0), (2, 3)])
    def test_nothing_to_test(self, shape):
        adjusted = adjust(np.full(shape, np.nan))
        assert adjusted.shape == shape
        assert np.isnan(adjusted).all()

    def test_keeps_the_share_of_false_findings(self):
        # 20 z tests that share half their variance, 10 of them of nothing; the other 10 are shifted by 3.
        draw = np.random.default_rng(7)
        noise = np.sqrt(0.5) * draw.standard_normal((1000, 1)) + np.sqrt(0.5) * draw.standard_normal((1000, 20))
        found = np.array(
            [adjust(p_values, "benjamini-hochberg") <= 0.05 for p_values in norm.sf(noise + np.repeat([0, 3], 10))]
        )
        assert (found[:, :10].sum(axis=1) / np.maximum(found.sum(axis=1), 1)).mean() < 0.05
        assert found[:, 10:].mean() > 0.7

    @pytest.mark.parametrize(
        "p_values, method, message",
        [
            ([0.5], "bonferroni", 'method: found "bonferroni"; expected one of holm, benjamini-hochberg'),
            ([0.5, 1.5, -1], "holm", "p_values[1]: found 1.5; expected a fraction from 0 to 1"),
        ],
    )
    def test_complaints(self, p_values, method, message):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            adjust(np.array(p_values, dtype=float), method)
        assert str(complaint.value) == message


class TestAdjustPairs:
    @pytest.mark.parametrize("method", METHODS)
    def test_each_pair_is_one_test(self, method):
        # Models 0..3 and the six pairs above the diagonal, row by row.
        p_values = np.full((4, 4), np.nan)
        above = np.triu_indices(4, k=1)
        p_values[above] = p_values.T[above] = P_VALUES[:6]
        adjusted = adjust_pairs(p_values, method)
        assert adjusted[above].tolist() == adjust(P_VALUES[:6], method).tolist()
        np.testing.assert_array_equal(adjusted, adjusted.T)
        assert np.isnan(np.diagonal(adjusted)).all()

    def test_the_diagonal_is_no_test(self):
        p_values = np.array([[0.0, 0.02], [0.02, 1.0]])
        np.testing.assert_array_equal(adjust_pairs(p_values), [[np.nan, 0.02], [0.02, np.nan]])

    @pytest.mark.parametrize("models", [0, 1])
    def test_no_pairs(self, models):
        adjusted = adjust_pairs(np.full((models, models), np.nan))
        assert adjusted.shape == (models, models)
        assert np.isnan(adjusted).all()

    def test_an_asymmetric_matrix(self):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            adjust_pairs(np.array([[np.nan, 0.1], [0.2, np.nan]]))
        assert str(complaint.value) == (
            "p_values: found a matrix that is not symmetric; expected the same p-value for i, j and j, i"
        )
