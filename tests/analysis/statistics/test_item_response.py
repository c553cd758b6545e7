"""Item response: ability of models, difficulty and discrimination of images."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from released import imagenet, needs_imagenet
from scipy import integrate, optimize, special

from evalshift.analysis.statistics import item_response
from evalshift.analysis.statistics.item_response import ability_change, fit_item_response
from evalshift.errors import AnalysisError


def simulated(
    ability: np.ndarray,
    images: int,
    rng: np.random.Generator,
    *,
    base: float = 1.0,
    variation: float = 0.4,
    spread: float = 1.0,
) -> np.ndarray:
    """Correctness by the two-parameter logistic model."""
    difficulty = spread * rng.normal(size=images)
    discrimination = np.exp(base + variation * rng.normal(size=images))
    return rng.random((len(ability), images)) < special.expit(discrimination * (ability[:, np.newaxis] - difficulty))


def standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std(ddof=1)


def test_images_that_are_all_alike_leave_the_log_odds_of_accuracy() -> None:
    """Without differences between images θ − b is the log-odds over a: abilities are these, standardised."""
    rng = np.random.default_rng(3)
    accuracy = np.array([0.3, 0.5, 0.6, 0.7, 0.8, 0.9])
    correct = rng.random((6, 20_000)) < accuracy[:, np.newaxis]
    found = fit_item_response(correct)
    np.testing.assert_allclose(found.ability, standardised(special.logit(correct.mean(axis=1))), atol=0.03)
    # All images are equally hard: what is left of a spread is small beside that of the abilities.
    assert found.spread.value < 0.2


def test_a_fit_that_has_not_converged_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    correct = simulated(np.linspace(-0.6, 1.4, 6), 500, np.random.default_rng(4))
    found = fit_item_response(correct)
    assert found.converged
    monkeypatch.setattr(item_response, "_MOST_STEPS", 2)
    again = fit_item_response(correct)
    assert (again.converged, again.steps) == (False, 6)  # two of each of three fits
    assert np.isfinite(again.ability).all()


def test_what_predictions_tell_of_a_difficulty_grows_with_the_models() -> None:
    """Reliability is 1 less the variance that is left: between none and all, and more with more models."""
    rng = np.random.default_rng(6)
    few, many = (fit_item_response(simulated(np.linspace(-0.6, 1.4, models), 600, rng)) for models in (5, 40))
    for found in (few, many):
        assert ((found.image_reliability > 0) & (found.image_reliability < 1)).all()
    assert many.image_reliability.mean() > few.image_reliability.mean() + 0.1
    # The variance over images is that of their expected difficulties and what is left of each: 1 in all.
    spread = many.spread.value
    assert np.var(many.image_difficulty / spread) + np.mean(1 - many.image_reliability) == pytest.approx(1, abs=0.02)


def test_abilities_are_the_maximum_of_the_likelihood_as_scipy_finds_it() -> None:
    """The marginal likelihood of each response pattern by scipy's adaptive integral, its maximum by Nelder and Mead.

    Five models, discrimination the same for all images (so that one integral is enough), as fitted.
    """
    rng = np.random.default_rng(5)
    correct = simulated(np.array([-0.6, -0.2, 0.2, 0.5, 1.1]), 4_000, rng, variation=0.0)
    patterns, counts = np.unique(correct, axis=1, return_counts=True)

    def loss(parameters: np.ndarray) -> float:
        ability, discrimination = parameters[:5], np.exp(parameters[5])

        def density(difficulty: float) -> np.ndarray:
            chance = special.expit(discrimination * (ability - difficulty))[:, np.newaxis]
            normal = np.exp(-(difficulty**2) / 2) / np.sqrt(2 * np.pi)
            return normal * np.where(patterns, chance, 1 - chance).prod(axis=0)

        return -float(counts @ np.log(integrate.quad_vec(density, -8, 8, epsabs=1e-9)[0]))

    start = np.append(special.logit(correct.mean(axis=1)) / 2, np.log(2))
    theirs = optimize.minimize(loss, start, method="BFGS", options={"gtol": 1e-2}).x[:5]
    found = fit_item_response(correct)
    # Log discriminations that vary by at least 0.2 are no others to the second digit.
    np.testing.assert_allclose(found.ability, standardised(theirs), atol=0.02)
    assert found.difficulty.value == pytest.approx(-theirs.mean() / theirs.std(ddof=1), abs=0.03)
    assert found.spread.value == pytest.approx(1 / theirs.std(ddof=1), rel=0.03)


def test_abilities_and_images_of_a_simulation_are_found_again() -> None:
    rng = np.random.default_rng(1)
    ability = np.linspace(-1, 1.5, 20)
    correct = simulated(ability, 5_000, rng)
    found = fit_item_response(correct)
    true = standardised(ability)
    error = np.sqrt(np.diag(found.covariance))
    assert (np.abs(found.ability - true) < 4 * error).all()
    assert (error < 0.06).all()
    unit = ability.std(ddof=1)
    for estimate, value in (
        (found.difficulty, -ability.mean() / unit),
        (found.spread, 1 / unit),
        (found.discrimination, np.e * unit),
    ):
        assert abs(estimate.value - value) < 4 * estimate.error
    assert found.variation == pytest.approx(0.4, abs=0.1)
    # An image that fewer models classify correctly is harder.
    order = np.argsort(correct.sum(axis=0), kind="stable")
    thirds = [found.image_difficulty[part].mean() for part in np.array_split(order, 3)]
    assert thirds[0] > thirds[1] > thirds[2]
    assert (found.image_discrimination > 0).all()


@pytest.mark.late
def test_intervals_cover() -> None:
    rng = np.random.default_rng(8)
    held = []
    for _ in range(30):
        ability = rng.normal(0.3, 0.7, 8)
        around = fit_item_response(simulated(ability, 600, rng)).interval
        held.append((around.low <= standardised(ability)) & (standardised(ability) <= around.high))
    assert 0.88 <= np.mean(held) <= 0.99


def test_a_harder_set_of_equally_able_models_is_harder_and_changes_no_ability() -> None:
    rng = np.random.default_rng(4)
    ability = np.linspace(-1, 1, 12)
    found = ability_change(simulated(ability, 4_000, rng), simulated(ability - 0.8, 4_000, rng))
    shift = found.new.difficulty.value - found.original.difficulty.value
    assert shift == pytest.approx(0.8 / ability.std(ddof=1), abs=0.2)
    assert ((found.interval.low <= 0) & (found.interval.high >= 0)).mean() > 0.7


def test_a_model_with_none_or_all_correct_on_one_set_has_no_ability() -> None:
    rng = np.random.default_rng(6)
    original, new = (simulated(np.linspace(-1, 1, 7), 400, rng) for _ in range(2))
    original[2], new[5] = True, False
    found = ability_change(original, new)
    for values in (found.original.ability, found.new.ability, found.change, found.interval.low):
        assert np.flatnonzero(np.isnan(values)).tolist() == [2, 5]


def test_what_cannot_be_fitted_is_said() -> None:
    rng = np.random.default_rng(7)
    correct = simulated(np.zeros(4), 200, rng)
    with pytest.raises(AnalysisError, match="item response needs five models"):
        fit_item_response(correct)
    same = np.tile(np.arange(10) < 5, (6, 1))
    with pytest.raises(AnalysisError, match="models that differ in accuracy"):
        fit_item_response(same)
    with pytest.raises(AnalysisError, match="more images on which models differ"):
        fit_item_response(np.eye(6, 8, dtype=bool) | (np.arange(8) < np.arange(6)[:, None]))
    with pytest.raises(ValueError, match="level: found 95"):
        fit_item_response(simulated(np.linspace(-1, 1, 6), 200, rng), level=95.0)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_of_models_and_images_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    correct = simulated(rng.normal(0, 1, 6), 300, rng)
    models, images = rng.permutation(6), rng.permutation(300)
    try:
        found = fit_item_response(correct)
    except AnalysisError:
        return
    other = fit_item_response(correct[models][:, images])
    assert found.ability.mean() == pytest.approx(0, abs=1e-9)
    assert found.ability.std(ddof=1) == pytest.approx(1)
    np.testing.assert_allclose(other.ability, found.ability[models], atol=1e-3)
    np.testing.assert_allclose(other.image_difficulty, found.image_difficulty[images], atol=1e-2)
    np.testing.assert_allclose(found.covariance.sum(axis=0), 0, atol=1e-9)


@needs_imagenet
@pytest.mark.thorough
def test_the_released_models_within_seconds() -> None:
    began = time.process_time()
    found = ability_change(*imagenet().correct)
    assert time.process_time() - began < 30
    assert (found.original.difficulty.value, found.new.difficulty.value) == pytest.approx((-1.813, -0.705), abs=0.01)
    assert np.corrcoef(found.original.ability, found.new.ability)[0, 1] > 0.999
