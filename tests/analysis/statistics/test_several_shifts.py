"""Means over new sets: by hand, in closed form, against statsmodels, by simulation, and properties."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from released import cifar10, needs_cifar10
from scipy.special import ndtr
from statsmodels.stats.meta_analysis import combine_effects

from evalshift.analysis.statistics.effective_robustness import effective_robustness, sampling_covariance
from evalshift.analysis.statistics.errors_in_variables import binomial_variance
from evalshift.analysis.statistics.image_sets import ImageSets
from evalshift.analysis.statistics.several_shifts import SetCounts, _heterogeneity, several_shifts
from evalshift.errors import AnalysisError


def counts(*accuracies: float, total: int = 1000) -> SetCounts:
    correct = np.round(np.array(accuracies) * total).astype(np.int64)
    return SetCounts(correct, np.full(len(correct), total))


def images(seed: int, models: int = 8, shared: bool = False, sizes=(400, 300, 300)) -> ImageSets:
    """Correctness of models of rising skill on images of normal difficulty, each set harder than the one before."""
    rng = np.random.default_rng(seed)
    skill = np.linspace(0.2, 1.8, models)[:, np.newaxis]
    first = rng.normal(size=sizes[0])
    correct, numbers = [], []
    for number, size in enumerate(sizes):
        difficulty = first[:size] if shared else rng.normal(size=size)
        correct.append(rng.random((models, size)) < ndtr(skill - 0.4 * number - difficulty))
        numbers.append(np.arange(size) + (0 if shared else 1000 * number))
    return ImageSets(tuple(correct), tuple(numbers))


def of_images(sets: ImageSets, **choices):
    original, *new = (SetCounts(one.sum(axis=1), np.full(len(one), one.shape[1])) for one in sets.correct)
    return several_shifts(original, new, sets=sets, **choices)


def test_distances_and_their_mean_by_hand():
    # On the first set the others of the last model lie on y = x − 0.1, and it 0.04 above that; on the second on
    # y = x − 0.2, and it 0.02 above: 0.03 on average.
    original = counts(0.5, 0.6, 0.7, 0.8)
    found = several_shifts(original, [counts(0.4, 0.5, 0.6, 0.74), counts(0.3, 0.4, 0.5, 0.62)])
    assert found.distance[:, 3] == pytest.approx([0.04, 0.02])
    assert found.mean[3] == pytest.approx(0.03)
    assert found.interval.low[3] < 0.03 < found.interval.high[3]
    # Standard deviation over the sets 0.02/√2, less than sampling error alone makes of 1,000 images.
    assert found.between[3] == 0
    assert not found.shared_images


def test_covariance_from_counts_in_closed_form():
    """Where the others lie on their line exactly: slope² times the variance on the original set, and the new one's."""
    original, first, second = counts(0.5, 0.6, 0.7, 0.8), counts(0.4, 0.5, 0.6, 0.74), counts(0.2, 0.4, 0.6, 0.9)
    found = several_shifts(original, [first, second], in_line=np.array([[True, True, True, False]] * 2))
    before = binomial_variance(original.correct, original.total)[3]
    own = [binomial_variance(one.correct, one.total)[3] for one in (first, second)]
    expected = [[before + own[0], 2 * before], [2 * before, 4 * before + own[1]]]
    np.testing.assert_allclose(found.covariance[3], expected, rtol=1e-9)
    assert found.mean[3] == pytest.approx(0.07)


def test_the_same_new_set_twice_is_one_set():
    sets = images(1, sizes=(400, 300))
    twice = ImageSets((*sets.correct, sets.correct[1]), (*sets.images, sets.images[1]))
    found = of_images(twice)
    np.testing.assert_allclose(found.mean, found.distance[0])
    np.testing.assert_allclose(found.covariance, np.broadcast_to(found.covariance[:, :1, :1], (8, 2, 2)), rtol=1e-9)
    np.testing.assert_array_equal(found.between, 0)
    assert np.isnan(found.q).all()  # two copies cannot differ


def test_sampling_error_of_one_set_is_that_of_effective_robustness():
    """Against the covariance of models' accuracies, put together by matrices: the line's part is what is left."""
    sets = images(2)
    found = of_images(sets)
    before, after = (sampling_covariance(one) for one in sets.correct[:2])
    x, y = (one.mean(axis=1) for one in sets.correct[:2])
    for model in range(8):
        others = np.arange(8) != model
        design = np.c_[np.ones(7), x[others]]
        solve = np.linalg.solve(design.T @ design, design.T)
        combination = np.zeros(8)
        combination[others], combination[model] = -np.array([1, x[model]]) @ solve, 1
        slope = (solve @ y[others])[1]
        sampling = combination @ (after + slope**2 * before) @ combination
        assert found.covariance[model, 0, 0] >= sampling * (1 - 1e-9)
        assert found.covariance[model, 0, 0] < 2.5 * sampling


@pytest.mark.parametrize("scale, shared", [("linear", False), ("probit", True)])
def test_the_covariance_is_that_of_distances_over_drawn_images(scale, shared):
    """By simulation: models and their skill stay, images are new ones each time, and distances vary and covary."""
    drawn = [of_images(images(100 + seed, shared=shared), scale=scale) for seed in range(120)]
    distances = np.array([one.distance for one in drawn])
    empirical = np.array([np.cov(distances[:, :, model].T) for model in range(8)])
    stated = np.mean([one.covariance for one in drawn], axis=0)
    # Here the line's part is small but not 0: models scatter by sampling error alone, of which moments see a rest.
    ratio = stated.mean(axis=(1, 2)) / empirical.mean(axis=(1, 2))
    assert 0.85 < np.median(ratio) < 1.3
    between = stated[:, 0, 1] / np.sqrt(stated[:, 0, 0] * stated[:, 1, 1])
    correlation = empirical[:, 0, 1] / np.sqrt(empirical[:, 0, 0] * empirical[:, 1, 1])
    np.testing.assert_allclose(between, correlation, atol=0.25)
    assert np.median(correlation) > 0.3  # the shared original set is no small matter


def test_heterogeneity_is_that_of_statsmodels_where_sets_are_independent():
    rng = np.random.default_rng(5)
    distance, variance = rng.normal(0, 0.02, 6), rng.uniform(1e-4, 4e-4, 6)
    q, q_p, i_squared = _heterogeneity(distance[:, np.newaxis], np.diag(variance)[np.newaxis])
    theirs: Any = combine_effects(distance, variance)
    assert q[0] == pytest.approx(theirs.q)
    assert q_p[0] == pytest.approx(theirs.test_homogeneity().pvalue)
    assert i_squared[0] == pytest.approx(max(0, theirs.i2))


@pytest.mark.parametrize("spread, found", [(0.0, False), (0.35, True)])
def test_a_model_that_is_robust_on_one_set_alone_is_heterogeneous(spread, found):
    sets = images(7, models=12, sizes=(3000, 3000, 3000))
    new = sets.correct[1].copy()
    new[5] |= np.random.default_rng(0).random(3000) < spread
    result = of_images(ImageSets((sets.correct[0], new, sets.correct[2]), sets.images))
    assert (result.q_p[5] < 1e-4) == found
    assert (result.between[5] > 0.05) == found
    assert np.all((result.i_squared >= 0) & (result.i_squared <= 1))
    # Sets like these may well be others than these: their mean is known less well.
    assert result.wider_interval.low[5] <= result.interval.low[5] + 1e-3


@settings(max_examples=6, deadline=None)
@given(st.permutations([0, 1, 2]), st.sampled_from(["linear", "probit", "logit"]))
def test_the_order_of_the_sets_does_not_matter(order, scale):
    sets = images(3, sizes=(200, 150, 150, 150))
    found = of_images(sets, scale=scale)
    places = [0, *(1 + place for place in order)]
    other = of_images(
        ImageSets(tuple(sets.correct[place] for place in places), tuple(sets.images[place] for place in places)),
        scale=scale,
    )
    np.testing.assert_allclose(other.mean, found.mean)
    np.testing.assert_allclose(other.q, found.q, rtol=1e-6)
    for one, another in ((other.interval, found.interval), (other.wider_interval, found.wider_interval)):
        np.testing.assert_allclose((one.low, one.high), (another.low, another.high))


@needs_cifar10
@pytest.mark.parametrize("scale", ["linear", "probit"])
def test_released_models_on_both_versions_of_cifar10_1(scale):
    """The distances are those of the pairs alone, and their intervals about as wide as bootstraps over models make."""
    v4, v6 = cifar10("v4"), cifar10("v6")
    correct = (v4.correct[0], v4.correct[1], v6.correct[1])
    numbers = tuple(100_000 * number + np.arange(one.shape[1]) for number, one in enumerate(correct))
    found = of_images(ImageSets(correct, numbers), scale=scale)
    alone = effective_robustness(
        *v4.counts,
        covariances=(sampling_covariance(v4.correct[0]), sampling_covariance(v4.correct[1])),
        scale=scale,
        screen=False,
        resamples=2000,
        rng=np.random.default_rng(0),
    )
    np.testing.assert_allclose(found.distance[0], alone.distance, atol=1e-12)
    error = (alone.interval.high - alone.interval.low) / 2 / 1.96
    np.testing.assert_allclose(np.sqrt(found.covariance[:, 0, 0]) / error, 1, atol=0.25)
    from_counts = several_shifts(
        SetCounts(*v4.counts[:2]), [SetCounts(*v4.counts[2:]), SetCounts(*v6.counts[2:])], scale=scale
    )
    np.testing.assert_allclose(from_counts.mean, found.mean)
    assert np.median(from_counts.interval.high - from_counts.interval.low) > np.median(
        found.interval.high - found.interval.low
    )


def test_too_few_sets_and_models_without_a_line_are_refused():
    original = counts(0.5, 0.6, 0.7, 0.8)
    with pytest.raises(AnalysisError, match="needs at least two"):
        several_shifts(original, [original])
    with pytest.raises(AnalysisError, match="at least 3 models that differ"):
        several_shifts(counts(0.5, 0.5, 0.5), [counts(0.4, 0.5, 0.6)] * 2)
    with pytest.raises(ValueError, match="level"):
        several_shifts(original, [original] * 2, level=1.0)


def test_of_three_models_none_has_an_interval():
    found = several_shifts(counts(0.5, 0.6, 0.7), [counts(0.4, 0.5, 0.65), counts(0.3, 0.4, 0.5)])
    assert np.isfinite(found.mean).all()
    assert np.isnan(found.interval.low).all()
    assert np.isnan(found.q).all()
