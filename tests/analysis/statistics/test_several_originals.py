"""Fits on several original sets: by hand, in closed form, against statsmodels, by simulation, and a property."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from evalshift.analysis.statistics.image_sets import ImageSets
from evalshift.analysis.statistics.scales import to_scale
from evalshift.analysis.statistics.several_originals import robustness_over_originals
from evalshift.analysis.statistics.several_shifts import SetCounts
from evalshift.errors import AnalysisError


def counts(accuracies, total: int = 10_000) -> SetCounts:
    correct = np.round(np.asarray(accuracies) * total).astype(np.int64)
    return SetCounts(correct, np.full(len(correct), total))


FIRST = np.array([0.50, 0.60, 0.70, 0.80, 0.55, 0.65, 0.75, 0.85])
SECOND = np.array([0.80, 0.60, 0.75, 0.50, 0.70, 0.55, 0.65, 0.45])


def test_a_model_above_the_plane_of_the_others_by_hand():
    # All lie on new = 0.5 · first + 0.4 · second, but the last, which is 0.05 above that.
    new = 0.5 * FIRST + 0.4 * SECOND + 0.05 * (np.arange(8) == 7)
    found = robustness_over_originals([counts(FIRST), counts(SECOND)], counts(new), scale="linear")
    assert found.distance[7] == pytest.approx(0.05)
    assert found.predicted[7] == pytest.approx(0.605)
    assert found.interval.low[7] < 0.05 < found.interval.high[7]
    assert found.p_holm[7] < 1e-6
    without = robustness_over_originals(
        [counts(FIRST), counts(SECOND)], counts(new), scale="linear", in_fit=np.arange(8) < 7
    )
    assert without.coefficients == pytest.approx([0.5, 0.4])
    assert without.offset == pytest.approx(0, abs=1e-12)
    assert without.r2 == pytest.approx(1)
    # One set alone predicts far worse.
    assert without.errors[2] == pytest.approx(0, abs=1e-12)
    assert min(without.errors[:2]) > 0.03


def test_the_interval_of_exact_others_in_closed_form():
    """The plane is certain: what is left is the sampling error of the model itself, on all three sets."""
    new = 0.5 * FIRST + 0.4 * SECOND + 0.05 * (np.arange(8) == 7)
    sets = [counts(FIRST), counts(SECOND)]
    found = robustness_over_originals(sets, counts(new), scale="linear", in_fit=np.arange(8) < 7)
    p = FIRST[7], SECOND[7], new[7]
    variance = [one * (1 - one) / 10_000 for one in p]
    error = np.sqrt(0.25 * variance[0] + 0.16 * variance[1] + variance[2])
    assert found.interval.high[7] - found.distance[7] == pytest.approx(1.959964 * error, rel=1e-6)


@pytest.mark.parametrize("scale", ["linear", "probit", "logit"])
def test_distances_are_those_of_statsmodels_fitted_without_each_model(scale):
    rng = np.random.default_rng(1)
    first, second = rng.uniform(0.4, 0.9, (2, 12))
    new = 0.4 * first + 0.3 * second + rng.normal(0, 0.02, 12)
    sides = counts(first), counts(second), counts(new)
    found = robustness_over_originals(sides[:2], sides[2], scale=scale)
    x = np.stack([to_scale(side.accuracy, scale) for side in sides[:2]], axis=1)
    y = to_scale(sides[2].accuracy, scale)
    theirs = sm.OLS(y, sm.add_constant(x)).fit()
    np.testing.assert_allclose(found.coefficients, theirs.params[1:])
    assert (found.offset, found.r2) == pytest.approx((theirs.params[0], theirs.rsquared))
    influence = theirs.get_influence()
    np.testing.assert_allclose(to_scale(found.predicted, scale), y - influence.resid_press)
    # From counts, unless a model lies far off: externally studentised residuals.
    expected = 2 * sm.stats.stattools.stats.t.sf(np.abs(influence.resid_studentized_external), 12 - 3 - 1)
    np.testing.assert_allclose(found.p_value, expected, rtol=1e-6)


def drawn(seed: int) -> ImageSets:
    """Ten models on three sets of images of their own; skills on the first set do not decide those on the second."""
    rng = np.random.default_rng(seed)
    skill = np.linspace(0.2, 1.6, 10)
    other = 1 + 0.6 * np.cos(5 * skill)
    means = skill, other, 0.5 * skill + 0.4 * other - 0.3
    correct = tuple(rng.random((10, 300)) < ndtr(mean[:, np.newaxis] - rng.normal(size=300)) for mean in means)
    return ImageSets(correct, tuple(1000 * number + np.arange(300) for number in range(3)))


def test_intervals_are_as_wide_as_drawn_images_make_them():
    distances, stated = [], []
    for seed in range(150):
        sets = drawn(seed)
        counted = [SetCounts(one.sum(axis=1), np.full(10, 300)) for one in sets.correct]
        found = robustness_over_originals(counted[:2], counted[2], sets=sets, scale="linear")
        distances.append(found.distance)
        stated.append((found.interval.high - found.interval.low) / 2 / 1.96)
    ratio = np.median(stated, axis=0) / np.std(distances, axis=0)
    assert 0.8 < np.median(ratio) < 1.5


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_the_original_sets_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    first, second, new = (counts(rng.uniform(0.3, 0.9, 9)) for _ in range(3))
    one, other = (robustness_over_originals(sets, new) for sets in ((first, second), (second, first)))
    np.testing.assert_allclose(one.distance, other.distance, atol=1e-9)
    np.testing.assert_allclose(one.interval.low, other.interval.low, atol=1e-9)
    np.testing.assert_allclose(one.coefficients, other.coefficients[::-1], rtol=1e-6, atol=1e-9)


def test_what_makes_no_fit_is_refused():
    new = counts(0.5 * FIRST)
    with pytest.raises(AnalysisError, match="needs at least two"):
        robustness_over_originals([counts(FIRST)], new)
    with pytest.raises(AnalysisError, match="determine each other"):
        robustness_over_originals([counts(FIRST), counts(FIRST)], new)
    with pytest.raises(AnalysisError, match="too few models"):
        robustness_over_originals([counts(FIRST), counts(SECOND)], new, in_fit=np.arange(8) < 5)
