"""The difficulty model by hand, by quadrature, in simulation, and against what single images of real sets say."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages import says
from released import cifar10, imagenet, needs_cifar10, needs_imagenet
from scipy import integrate, stats

from evalshift.analysis.statistics.difficulty_model import (
    Difficulty,
    ProbitLine,
    expected_accuracy,
    expected_line,
    fit_difficulty,
    simulate,
)
from evalshift.analysis.statistics.errors_in_variables import binomial_variance, york_line
from evalshift.analysis.statistics.line_fit import fit_line
from evalshift.errors import AnalysisError

difficulties = st.builds(Difficulty, st.floats(-2, 2), st.floats(0, 3))


def rng(name: str = "difficulty") -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


class TestClosedForm:
    def test_accuracy_by_hand(self):
        # σ = 0.75 makes √(σ² + 1) = 1.25: skill 2.25 against mean difficulty 1 is Φ(1) = 0.84134.
        assert expected_accuracy(np.array([1.0, 2.25]), Difficulty(1.0, 0.75)) == pytest.approx(
            [0.5, 0.841345], abs=1e-6
        )

    def test_line_by_hand(self):
        # u = √(0.75² + 1)/√(2.4² + 1) = 1.25/2.6, v = (0.5 − 1.8)/2.6 = −0.5.
        line = expected_line(Difficulty(0.5, 0.75), Difficulty(1.8, 2.4))
        assert (line.slope, line.offset) == pytest.approx((1.25 / 2.6, -0.5))

    def test_images_all_alike_make_a_line_of_slope_one(self):
        assert expected_line(Difficulty(0.0, 0.0), Difficulty(0.5, 0.0)) == ProbitLine(1.0, -0.5)

    @settings(max_examples=30)
    @given(st.floats(-3, 3), difficulties)
    def test_accuracy_is_the_integral_over_difficulty(self, skill, difficulty):
        # E[Φ(s − τ)] over τ ~ N(μ, σ²), by scipy's adaptive quadrature.
        integral = integrate.quad(
            lambda z: stats.norm.cdf(skill - difficulty.mean - difficulty.spread * z) * stats.norm.pdf(z), -9, 9
        )[0]
        assert expected_accuracy(np.array([skill]), difficulty)[0] == pytest.approx(integral, abs=1e-7)

    @given(difficulties, difficulties, st.lists(st.floats(-2, 2), min_size=1, max_size=5))
    def test_accuracies_lie_on_the_line(self, original, new, skills):
        x, y = (stats.norm.ppf(expected_accuracy(np.array(skills), d)) for d in (original, new))
        line = expected_line(original, new)
        np.testing.assert_allclose(line.slope * x + line.offset, y, atol=1e-7)

    def test_a_negative_spread_is_refused(self):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            Difficulty(0.0, -1.0)
        assert str(complaint.value) == "spread: found -1.0; expected a standard deviation of 0 or more"


class TestSimulation:
    def test_accuracies_are_as_expected(self):
        skill, difficulty = np.linspace(-1, 3, 9), Difficulty(0.5, 1.2)
        correct = simulate(skill, difficulty, 40_000, rng())
        expected = expected_accuracy(skill, difficulty)
        assert correct.shape == (9, 40_000)
        assert (np.abs(correct.mean(axis=1) - expected) < 5 * np.sqrt(expected * (1 - expected) / 40_000)).all()

    def test_two_models_share_images_as_a_bivariate_normal_says(self):
        # Right on an image when s − τ + ε > 0, ε ~ N(0, 1): both at once have correlation σ²/(σ² + 1).
        skill, difficulty = np.array([0.3, 1.0]), Difficulty(0.2, 1.5)
        correct = simulate(skill, difficulty, 40_000, rng())
        level = stats.norm.ppf(expected_accuracy(skill, difficulty))
        shared = 1.5**2 / (1.5**2 + 1)
        covariance: Any = [[1, shared], [shared, 1]]
        both = stats.multivariate_normal(cov=covariance).cdf(level)
        assert correct.all(axis=0).mean() == pytest.approx(both, abs=5 * math.sqrt(both * (1 - both) / 40_000))

    def test_without_spread_models_err_independently(self):
        correct = simulate(np.array([0.5, 1.0]), Difficulty(0.0, 0.0), 40_000, rng())
        assert abs(np.corrcoef(correct)[0, 1]) < 5 / math.sqrt(40_000)


class TestRecovery:
    original, new = Difficulty(0.0, 1.0), Difficulty(0.6, 1.6)

    def sets(self, name: str, images: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
        draw, skill = rng(name), np.linspace(0, 2.5, 40)
        return simulate(skill, self.original, images, draw), simulate(skill, self.new, images, draw)

    def test_the_fitted_line_finds_u_and_v(self):
        # u = √2/√3.56 = 0.74953, v = −0.6/√3.56 = −0.31800. Least squares, and York's line for noise in both.
        truth = expected_line(self.original, self.new)
        found = {"least squares": [], "York": []}
        for run in range(20):
            original, new = self.sets(f"lines {run}")
            x, y = original.mean(axis=1), new.mean(axis=1)
            line = fit_line(x, y, scale="probit", resamples=0, rng=rng())
            total = np.full(40, 10_000)
            variances = (binomial_variance(correct.sum(axis=1), total) for correct in (original, new))
            york = york_line(x, y, *variances, scale="probit")
            found["least squares"].append((line.slope, line.offset))
            found["York"].append((york.slope, york.offset))
        for lines in found.values():
            slopes, offsets = np.mean(lines, axis=0)
            assert slopes == pytest.approx(truth.slope, abs=0.01)
            assert offsets == pytest.approx(truth.offset, abs=0.01)

    def test_single_images_tell_spreads_skills_and_the_line(self):
        found = []
        for run in range(20):
            fitted = fit_difficulty(*self.sets(f"moments {run}"))
            found.append(
                (
                    fitted.original.spread,
                    fitted.new.spread,
                    fitted.new.mean,
                    fitted.line.slope,
                    fitted.line.offset,
                    fitted.skill[0],
                    fitted.skill[-1],
                )
            )
        truth = expected_line(self.original, self.new)
        expected = [1.0, 1.6, 0.6, truth.slope, truth.offset, 0.0, 2.5]
        error = np.std(found, axis=0) / math.sqrt(20)
        assert (np.abs(np.mean(found, axis=0) - expected) < 4 * error + 0.002).all()
        assert np.std(found, axis=0)[3] < 0.02

    @pytest.mark.parametrize("spread", [0.0, 0.05, 4.0, 12.0])
    def test_spreads_small_and_large(self, spread):
        draw = rng("spreads")
        skill = np.linspace(-1, 1, 25) * math.hypot(spread, 1)
        correct = simulate(skill, Difficulty(0.0, spread), 20_000, draw)
        fitted = fit_difficulty(correct, correct[:, ::-1])
        assert fitted.original.spread == pytest.approx(spread, rel=0.05, abs=0.12)
        assert (fitted.line.slope, fitted.line.offset) == pytest.approx((1, 0), abs=1e-9)

    def test_models_that_agree_less_than_chance_have_no_spread(self):
        correct = np.array([[True, True, False, False], [False, False, True, True]])
        assert fit_difficulty(correct, correct).original.spread == 0

    def test_a_model_with_none_correct_is_left_out_of_the_fit(self):
        original, new = self.sets("none")
        whole = fit_difficulty(original[1:], new[1:])
        original[0], new[0] = False, False
        fitted = fit_difficulty(original, new)
        assert fitted.line == whole.line
        assert math.isnan(fitted.skill[0])
        assert fitted.skill[1:] == pytest.approx(whole.skill)

    @pytest.mark.parametrize(
        "correct, found",
        [
            ([[True, False, True]], "1 model that can be used"),
            ([[True, True, True], [True, False, True]], "1 model that can be used"),
            ([[True, False, True]] * 3, "3 models that agree on nearly every image"),
        ],
    )
    def test_too_little_to_go_by(self, correct, found):
        with pytest.raises(AnalysisError) as complaint:
            fit_difficulty(np.array(correct), np.array(correct))
        says(complaint.value, where="original set", found=found)


@needs_imagenet
def test_single_images_foretell_the_line_on_imagenet():
    # Slope from how models agree on single images, set by set; the other from their accuracies.
    released = imagenet().without("fv_")
    fitted = fit_difficulty(*released.correct)
    original, new = (correct.mean(axis=1) for correct in released.correct)
    line = fit_line(original, new, scale="probit", resamples=0, rng=rng())
    assert (fitted.original.spread, fitted.new.spread) == pytest.approx((2.468, 2.548), abs=0.001)
    assert fitted.line.slope == pytest.approx(0.9731, abs=0.0001)
    assert line.slope == pytest.approx(0.9680, abs=0.0001)
    assert fitted.line.offset == pytest.approx(line.offset, abs=0.005)


@needs_cifar10
def test_single_images_foretell_the_line_on_cifar10_less_well():
    released = cifar10()
    fitted = fit_difficulty(*released.correct)
    original, new = (correct.mean(axis=1) for correct in released.correct)
    line = fit_line(original, new, scale="probit", resamples=0, rng=rng())
    assert (fitted.line.slope, line.slope) == pytest.approx((1.0125, 0.9515), abs=0.0001)
