"""Covariances over shared images: by hand, in closed form, against numpy on joined images, and a property."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalshift.analysis.statistics import image_sets
from evalshift.analysis.statistics.effective_robustness import sampling_covariance
from evalshift.analysis.statistics.image_sets import ImageSets, combined_covariance, model_covariance


def some(models: int, images: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((models, images)) < 0.7


def test_two_corruptions_of_the_same_images_by_hand():
    # Correct on images 1, 2 of 4 under one corruption, on 1, 3 under another: both accuracies ½, and the influences
    # (½, ½, −½, −½)/4 and (½, −½, ½, −½)/4 have covariance 0; with itself 4 · ¼/16.
    first, second = np.array([[True, True, False, False]]), np.array([[True, False, True, False]])
    weights = {(0, 0): np.ones((1, 1)), (1, 1): np.ones((1, 1))}
    found = combined_covariance(ImageSets((first, second), (np.arange(4),) * 2), weights, 2)
    np.testing.assert_allclose(found[0], [[1 / 16, 0], [0, 1 / 16]])


def test_sets_without_a_common_image_are_independent():
    sets = ImageSets((some(3, 40, 0), some(3, 30, 1)), (np.arange(40), np.arange(40, 70)))
    weights = {(number, number): np.eye(3) for number in range(2)}
    found = combined_covariance(sets, weights, 2)
    assert len(sets.parts) == 2
    np.testing.assert_array_equal(found[:, 0, 1], 0)
    for number, correct in enumerate(sets.correct):
        accuracy = correct.mean(axis=1)
        np.testing.assert_allclose(found[:, number, number], accuracy * (1 - accuracy) / correct.shape[1])


def test_some_common_images_as_numpy_has_it():
    # Sets of 50 images of which 20 are the same, in another order: their influences as columns of all 80 images.
    one, two = some(2, 50, 2), some(2, 50, 3)
    images = np.arange(50), np.random.default_rng(4).permutation(np.arange(30, 80))
    influence = np.zeros((2, 2, 80))
    for side, (correct, places) in enumerate(zip((one, two), images, strict=True)):
        influence[side][:, places] = (correct - correct.mean(axis=1, keepdims=True)) / 50
    found = combined_covariance(ImageSets((one, two), images), {(0, 0): np.eye(2), (1, 1): np.eye(2)}, 2)
    for model in range(2):
        np.testing.assert_allclose(found[model], np.cov(influence[:, model], bias=True) * 80, atol=1e-15)
    difference = model_covariance(ImageSets((one, two), images), {0: np.ones(2), 1: -np.ones(2)})
    np.testing.assert_allclose(difference, np.cov(influence[0] - influence[1], bias=True) * 80, atol=1e-15)


def test_models_on_one_set_are_as_covariant_as_their_shared_images_make_them():
    correct = some(5, 60, 5)
    sets = ImageSets((correct,), (np.arange(60),))
    np.testing.assert_allclose(model_covariance(sets, {0: np.ones(5)}), sampling_covariance(correct))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 3))
def test_it_does_not_depend_on_how_many_images_are_summed_at_once(seed, sets):
    rng = np.random.default_rng(seed)
    correct = tuple(rng.random((3, 25)) < 0.6 for _ in range(sets))
    images = tuple(rng.permutation(40)[:25] for _ in range(sets))
    weights = {(0, number): rng.normal(size=(4, 3)) for number in range(sets)}
    whole = combined_covariance(ImageSets(correct, images), weights, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_sets, "_AT_ONCE", 21)
        parts = combined_covariance(ImageSets(correct, images), weights, 1)
    np.testing.assert_allclose(parts, whole, atol=1e-15)
    assert (whole >= 0).all()
