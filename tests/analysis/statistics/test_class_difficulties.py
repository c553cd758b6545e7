"""Classes whose images became harder than those of all classes did."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from evalshift.analysis.statistics.class_difficulties import class_difficulties
from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.statistics.item_response import AbilityChange, ItemResponse, ability_change, fit_item_response


@cache
def any_fit() -> ItemResponse:
    return fit_item_response(np.random.default_rng(0).random((5, 40)) < np.linspace(0.3, 0.8, 5)[:, np.newaxis])


def fitted(difficulty: list[float], reliability: list[float], mean: float = 0.0) -> ItemResponse:
    """A fit of which only what is known of the images matters."""
    one = any_fit()
    return replace(
        one,
        image_discrimination=np.ones(len(difficulty)),
        difficulty=replace(one.difficulty, value=mean),
        image_difficulty=np.array(difficulty),
        image_reliability=np.array(reliability),
    )


def changed(original: ItemResponse, new: ItemResponse) -> AbilityChange:
    nothing = np.zeros(5)
    return AbilityChange(original, new, nothing, Interval(nothing, nothing))


def test_by_hand() -> None:
    """Class 0 has expected difficulties 1 and 2 beyond the mean, each with a reliability of a half: 3/1 = 3."""
    original = fitted([2.0, 3.0, 0.0, 1.0, 9.0], [0.5, 0.5, 1.0, 1.0, 1.0], mean=1.0)
    new = fitted([0.0, 2.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0])
    found = class_difficulties(changed(original, new), np.array([0, 0, 1, 1, 2]), np.array([0, 0, 1, 1]), 3)
    np.testing.assert_allclose(found.original.mean, [3.0, -0.5, np.nan])
    # Residuals of class 0: 1 − 3 · 0.5 and 2 − 3 · 0.5, so 2/1 · (0.25 + 0.25)/1²; of class 1: ± 0.5, 2/1 · 0.5/2².
    np.testing.assert_allclose(found.original.variance, [1.0, 0.25, np.nan])
    # Changes are 1 − 3 and 0.5 + 0.5, and their median is −0.5.
    np.testing.assert_allclose([*found.change.change, found.shift], [-1.5, 1.5, np.nan, -0.5])
    np.testing.assert_allclose(found.p_holm[:2], np.minimum(1, 2 * found.change.p_value[:2]), rtol=0.5)
    assert np.isnan([found.p_holm[2], found.change.p_value[2], found.change.interval.low[2]]).all()


def test_images_that_are_known_exactly_make_welchs_test() -> None:
    """At a reliability of 1 difficulties are numbers like any: scipy's test of two samples."""
    rng = np.random.default_rng(1)
    samples = rng.normal(size=(2, 3, 15))
    labels = np.repeat(np.arange(3), 15)
    one, two = (fitted(side.ravel().tolist(), [1.0] * 45) for side in samples)
    found = class_difficulties(changed(one, two), labels, labels, 3)
    differences = samples[1].mean(axis=1) - samples[0].mean(axis=1)
    assert found.shift == pytest.approx(np.median(differences))
    for label in range(3):
        test: Any = stats.ttest_ind(samples[1, label] - found.shift, samples[0, label], equal_var=False)
        assert found.change.p_value[label] == pytest.approx(test.pvalue)
        interval = test.confidence_interval(0.95)
        np.testing.assert_allclose([found.change.interval.low[label], found.change.interval.high[label]], interval)


def drawn(classes: np.ndarray, shift: np.ndarray, rng: np.random.Generator, models: int = 12) -> np.ndarray:
    """Correctness by the two-parameter logistic model, images of a class harder by its shift."""
    ability = np.linspace(-0.6, 1.4, models)
    difficulty = rng.normal(size=len(classes)) + shift[classes]
    discrimination = np.exp(1 + 0.4 * rng.normal(size=len(classes)))
    return rng.random((models, len(classes))) < special.expit(discrimination * (ability[:, np.newaxis] - difficulty))


def test_a_class_that_became_harder_is_found_and_a_shift_of_all_is_not() -> None:
    """Of eight classes the first becomes harder by 1.2, all others by 0.3: 0.9 beyond the median class."""
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(8), 150)
    shift = np.full(8, 0.3)
    shift[0] = 1.2
    found = class_difficulties(
        ability_change(drawn(labels, np.zeros(8), rng), drawn(labels, shift, rng)), labels, labels, 8
    )
    unit = np.linspace(-0.6, 1.4, 12).std(ddof=1)
    true = (shift - 0.3) / unit
    assert found.p_holm[0] < 1e-3
    assert (found.p_holm[1:] > 0.05).all()
    error = (found.change.interval.high - found.change.interval.low) / 2 / 1.96
    assert (np.abs(found.change.change - true) < 3.5 * error).all()  # of 8 classes with a probability of 99.6 %


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_order_of_classes_and_images_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, order, names = rng.integers(4, size=30), rng.permutation(30), rng.permutation(4)
    values, reliability = rng.normal(size=30), rng.uniform(0.1, 1, 30)
    new = fitted(rng.normal(size=30).tolist(), [1.0] * 30)
    plain = class_difficulties(changed(fitted(values.tolist(), reliability.tolist()), new), labels, labels, 4)
    moved = fitted(values[order].tolist(), reliability[order].tolist())
    again = class_difficulties(changed(moved, new), names[labels[order]], names[labels], 4)
    np.testing.assert_allclose(again.change.change[names], plain.change.change, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(again.p_holm[names], plain.p_holm, rtol=1e-7, atol=1e-12)


def test_wrong_labels() -> None:
    found = changed(fitted([0.0, 1.0], [1.0, 1.0]), fitted([0.0, 1.0], [1.0, 1.0]))
    with pytest.raises(ValueError, match="one per image"):
        class_difficulties(found, np.array([0]), np.array([0, 0]), 1)
    with pytest.raises(ValueError, match="expected 0 to 0"):
        class_difficulties(found, np.array([0, 1]), np.array([0, 0]), 1)
