"""Diminishing returns: by hand, against a bootstrap, planted, and where nobody tuned anything."""

import numpy as np
import pytest
from released import cifar10, imagenet, needs_cifar10, needs_imagenet
from scipy import special

from evalshift.analysis.statistics.difficulty_model import Difficulty, fit_difficulty, simulate, spread_influence
from evalshift.analysis.statistics.diminishing_returns import diminishing_returns
from evalshift.analysis.statistics.effective_robustness import sampling_covariance
from evalshift.analysis.statistics.line_intervals import random_effects_line
from evalshift.errors import AnalysisError


def made(
    draw: np.random.Generator,
    models: int,
    original: Difficulty,
    new: Difficulty,
    gain: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Models of 50 to 95 %; of a gain in skill on the original set only a part is one on the new set."""
    skill = special.ndtri(np.linspace(0.5, 0.95, models)) * np.hypot(original.spread, 1)
    off = draw.normal(0, 0.015 * np.hypot(new.spread, 1), models)
    return simulate(skill, original, 2000, draw), simulate(gain * skill + off, new, 1000, draw)


HARDER = Difficulty(0.0, 1.5), Difficulty(1.0, 2.5)


def test_the_slope_and_the_expected_one_are_those_of_the_line_and_of_the_difficulty_model():
    original, new = made(np.random.default_rng(1), 12, *HARDER)
    found = diminishing_returns(original, new)
    covariances = sampling_covariance(original), sampling_covariance(new)
    line = random_effects_line(original.mean(axis=1), new.mean(axis=1), covariances, scale="probit")
    assert (found.slope, found.expected_slope) == pytest.approx((line.slope, fit_difficulty(original, new).line.slope))
    assert found.models == 12


def test_on_the_linear_scale_the_expected_slope_is_that_of_least_squares_through_the_expected_accuracies():
    original, new = made(np.random.default_rng(1), 12, *HARDER)
    line = fit_difficulty(original, new).line
    x = original.mean(axis=1)
    y = special.ndtr(line.slope * special.ndtri(x) + line.offset)
    assert diminishing_returns(original, new, scale="linear").expected_slope == pytest.approx(np.polyfit(x, y, 1)[0])


@pytest.mark.parametrize("scale", ["linear", "probit"])
def test_the_sampling_error_of_the_difference_is_that_of_a_bootstrap_over_images(scale):
    # p and df give back the standard error. On the linear scale the bend of the expected line counts as scatter too.
    draw = np.random.default_rng(2)
    original, new = made(draw, 12, *HARDER)
    differences = []
    for _ in range(100):
        found = diminishing_returns(
            original[:, draw.integers(0, 2000, 2000)], new[:, draw.integers(0, 1000, 1000)], scale=scale
        )
        differences.append(found.slope - found.expected_slope)
    observed = diminishing_returns(original, new, scale=scale)
    error = (observed.slope - observed.expected_slope) / special.stdtrit(observed.df, observed.p_value)
    assert 0.75 * (scale == "probit") < np.std(differences) / error < 1.35


def test_how_far_an_image_moves_the_spread_is_a_derivative():
    # An image that is repeated has twice the weight: of 1,000 images each moves the spread by its influence / 1,000.
    correct = made(np.random.default_rng(4), 8, *HARDER)[0][:, :1000]
    spread = fit_difficulty(correct, correct).original.spread
    influence = spread_influence(correct, spread)
    assert influence.mean() == pytest.approx(0, abs=1e-9)
    for image in (0, 1, 2, 17):
        twice = np.concatenate([correct, correct[:, [image]]], axis=1)
        moved = fit_difficulty(twice, twice).original.spread - spread
        assert 1001 * moved == pytest.approx(influence[image], rel=0.05, abs=0.02)


def test_harder_images_alone_raise_no_alarm():
    """A slope below 1 on both scales, that the images make: a test of a slope of 1 calls nearly all of these."""
    draw, alarms, below_1 = np.random.default_rng(5), 0, 0
    for _ in range(60):
        found = diminishing_returns(*made(draw, 20, *HARDER))
        alarms += found.p_value < 0.05
        below_1 += found.slope < 0.8
    assert below_1 == 60
    assert alarms <= 8  # 5 % of 60 are 3


def test_planted_diminishing_returns_are_found():
    draw = np.random.default_rng(6)
    found = [diminishing_returns(*made(draw, 20, *HARDER, gain=0.8)).p_value < 0.05 for _ in range(20)]
    assert np.mean(found) > 0.7


def test_two_models_are_too_few():
    with pytest.raises(AnalysisError, match="not tested"):
        diminishing_returns(*made(np.random.default_rng(7), 2, *HARDER))


@needs_cifar10
@needs_imagenet
def test_the_released_predictions_show_none():
    # CIFAR-10.1 v4: a slope of 0.95 where the images make 1.01, ImageNetV2's 64 convolutional networks 0.97 and 0.97.
    cifar = diminishing_returns(*cifar10("v4").correct)
    networks = diminishing_returns(*imagenet().without("fv_").correct)
    assert (cifar.slope, cifar.expected_slope) == pytest.approx((0.954, 1.012), abs=1e-3)
    assert (networks.slope, networks.expected_slope) == pytest.approx((0.969, 0.973), abs=1e-3)
    assert cifar.p_value > 0.05
    assert networks.p_value > 0.3
