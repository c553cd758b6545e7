"""Diminishing returns: a line flatter than the difficulty of the images explains, a sign of adaptive overfitting."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy import special, stats

from evalshift.analysis.statistics.difficulty_model import FittedDifficulty, fit_difficulty, spread_influence
from evalshift.analysis.statistics.effective_robustness import sampling_covariance
from evalshift.analysis.statistics.errors_in_variables import steepness
from evalshift.analysis.statistics.image_sums import image_parts, image_sums
from evalshift.analysis.statistics.line_intervals import RandomEffects, random_effects_line
from evalshift.analysis.statistics.scales import to_scale
from evalshift.errors import AnalysisError
from evalshift.formatting import counted

# Step of the numerical derivatives of the expected slope, on the probit scale.
_STEP = 1e-4


@dataclass(frozen=True)
class DiminishingReturns:
    """Whether gains on the original set shrink more on the new set than the difficulty of its images explains.

    slope            of new on original accuracy, on `scale`, corrected for sampling error in the original accuracies
                     expected_slope   slope predicted by the difficulty model on `scale`, from the spread of difficulty
                     in each set
    p_value          one-sided, for the null hypothesis that the slope is at least the expected one
    df               degrees of freedom of the test
    """

    scale: str
    slope: float
    expected_slope: float
    p_value: float
    df: float
    models: int


def diminishing_returns(
    original: Bool[np.ndarray, "model image"],
    new: Bool[np.ndarray, "model new_image"],
    *,
    scale: str = "probit",
) -> DiminishingReturns:
    """Test whether the line is flatter than the difficulty model of the images predicts.

    Takes which images of each set each model classifies correctly, one row per model. Even without any tuning, the
    slope differs from 1: nearly always on the linear scale, and on the probit scale if difficulty varies more in one
    set than in the other. The expected slope is estimated on each set alone, from how often two models are correct on
    the same image. It belongs to a straight line on the probit scale; on another scale it is the least-squares slope
    through the models' expected accuracies. The difference of the slopes is t-distributed. Its variance includes the
    scatter of the models about the line and the sampling error of both sets' images, which affects the accuracies and
    the expectation together.
    Raises AnalysisError for fewer than three models, for original accuracies that differ by no more than their sampling
    error, and if the difficulty model cannot be fitted.
    Source: Recht et al. 2019, sections 2.1, 5.1 (diminishing returns) and 5.3 (the difficulty model).
    """
    usable = np.all([(correct.any(axis=1)) & ~correct.all(axis=1) for correct in (original, new)], axis=0)
    sets = original[usable], new[usable]
    if usable.sum() < 3:
        raise AnalysisError(
            "diminishing returns are not tested",
            where="slope of new on original accuracy",
            found=f"{counted(int(usable.sum()), 'model')} with correct and incorrect predictions on both sets",
            expected="at least 3 models",
            fix="evaluate more models on both test sets",
        )
    accuracies = sets[0].mean(axis=1), sets[1].mean(axis=1)
    covariances = sampling_covariance(sets[0]), sampling_covariance(sets[1])
    line = random_effects_line(*accuracies, covariances, scale=scale)
    effects = line.uncertainty
    assert isinstance(effects, RandomEffects)
    difficulty = fit_difficulty(*sets)
    levels = special.ndtri(accuracies[0]), special.ndtri(accuracies[1])
    expected = _expected_slope(difficulty.line.slope, difficulty.line.offset, levels[0], scale)
    moves = _moves(sets, accuracies, effects.weights[:, 1], line.slope, scale)
    of_expected = _moves_of_expected(sets, levels, difficulty, scale)
    images = sum(float(np.var(one - other)) / len(one) for one, other in zip(moves, of_expected, strict=True))
    variance, df = effects.with_images(np.array([[0.0, 1.0]]), np.array([images]))
    return DiminishingReturns(
        scale=scale,
        slope=line.slope,
        expected_slope=expected,
        p_value=float(stats.t.cdf((line.slope - expected) / np.sqrt(variance[0]), df[0])),
        df=float(df[0]),
        models=line.models,
    )


def _expected_slope(slope: float, offset: float, level: np.ndarray, scale: str) -> float:
    """Least-squares slope on a scale through the new accuracies that a probit line predicts at these accuracies."""
    if scale == "probit":
        return slope
    x, y = (to_scale(special.ndtr(values), scale) for values in (level, slope * level + offset))
    apart = x - x.mean()
    return float(apart @ y / (apart @ apart))


def _moves(
    sets: tuple[np.ndarray, np.ndarray],
    accuracies: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    slope: float,
    scale: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Influence of each image of each set on the slope, times the number of images."""
    original, new = (
        image_sums(weights * steepness(accuracy, scale), correct, less=accuracy)
        for correct, accuracy in zip(sets, accuracies, strict=True)
    )
    return -slope * original, new


def _moves_of_expected(
    sets: tuple[np.ndarray, np.ndarray], levels: tuple[np.ndarray, np.ndarray], difficulty: FittedDifficulty, scale: str
) -> tuple[np.ndarray, np.ndarray]:
    """Influence of each image of each set on the expected slope, times the number of images."""
    slope, offset = difficulty.line.slope, difficulty.line.offset
    # Of the slope √(σ₁² + 1)/√(σ₂² + 1): d√(σ² + 1) = σ/√(σ² + 1) dσ.
    spreads = difficulty.original.spread, difficulty.new.spread
    original, new = (
        spread / (spread**2 + 1) * slope * spread_influence(correct, spread)
        for correct, spread in zip(sets, spreads, strict=True)
    )
    new = -new
    if scale == "probit":
        return original, new
    by_slope, by_offset = (
        (
            _expected_slope(slope + up, offset + over, levels[0], scale)
            - _expected_slope(slope - up, offset - over, levels[0], scale)
        )
        / (2 * _STEP)
        for up, over in ((_STEP, 0.0), (0.0, _STEP))
    )
    # offset = mean level on the new set − slope · mean level on the original set.
    means = [_mean_moves(correct, special.ndtr(level)) for correct, level in zip(sets, levels, strict=True)]
    mean = float(levels[0].mean())
    return (
        by_slope * original + by_offset * (-slope * means[0] - mean * original),
        by_slope * new + by_offset * (means[1] - mean * new),
    )


def _mean_moves(correct: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Influence of each image on the mean probit accuracy of the models, times the number of images."""
    steep = steepness(accuracy, "probit")[:, np.newaxis]
    return np.concatenate([np.mean((part - accuracy[:, np.newaxis]) * steep, axis=0) for part in image_parts(correct)])
