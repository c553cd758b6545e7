"""Drawn sampling errors of accuracies have the covariance of the models."""

import math

import numpy as np
import pytest

from evalshift.analysis.statistics.accuracy_noise import accuracy_noise


def rng(name: str) -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def predictions(*counts: int) -> np.ndarray:
    """Two models, from the numbers of images on which both, only the first, only the second and neither are correct."""
    first, second = np.repeat([[True, True], [True, False], [False, True], [False, False]], counts, axis=0).T
    return np.array([first, second])


class TestAccuracyNoise:
    def test_has_the_models_covariance(self):
        correct = rng("noise").random((4, 1)) < rng("noisy").random((4, 500))
        noise = accuracy_noise(correct, 200_000, rng("draws"))
        assert noise.shape == (4, 200_000)
        np.testing.assert_allclose(np.cov(noise), np.cov(correct, bias=True) / 500, atol=5e-6)

    def test_equal_models_move_as_one(self):
        noise = accuracy_noise(predictions(6, 0, 0, 4), 1000, rng("one"))
        np.testing.assert_allclose(noise[0], noise[1], atol=1e-8)
        assert noise[0].std() == pytest.approx(math.sqrt(0.24 / 10), rel=0.1)
