"""Sums over models for each image, in parts."""

import numpy as np
import pytest

from evalshift.analysis.statistics.image_sums import image_parts, image_sums


@pytest.mark.parametrize("images", [1, 900, 9_001])
def test_sums_in_parts_are_those_of_all_images(images):
    rng = np.random.default_rng(images)
    correct, weights = rng.random((7, images)) < 0.6, rng.normal(size=7)
    less = correct.mean(axis=1)
    np.testing.assert_allclose(image_sums(weights, correct), weights @ correct, atol=1e-12)
    np.testing.assert_allclose(image_sums(weights, correct, less), weights @ correct - weights @ less, atol=1e-12)
    parts = image_parts(correct)
    assert max(part.shape[1] for part in parts) <= 4096
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), correct)
