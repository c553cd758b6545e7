"""The difficulty model: images differ in difficulty and models in skill, so accuracies lie on a probit line."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import optimize, special

from evalshift.analysis.statistics.image_sums import image_sums
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Accuracies, Correct

# Integrals over difficulty use the trapezoid rule on a grid of standard deviations, which is exact up to rounding for
# all spreads in the search range.
_GRID = np.linspace(-9, 9, 1201)
_GRID_WEIGHTS = np.exp(-(_GRID**2) / 2) / np.exp(-(_GRID**2) / 2).sum()
_MOST_SPREAD = 50.0


@dataclass(frozen=True)
class Difficulty:
    """Difficulties of a test set's images: normal, with this mean and standard deviation (0 or more)."""

    mean: float
    spread: float

    def __post_init__(self) -> None:
        if not self.spread >= 0:
            raise ValueError(f"spread: found {self.spread}; expected a standard deviation of 0 or more")


@dataclass(frozen=True)
class ProbitLine:
    """Φ⁻¹(new accuracy) = slope · Φ⁻¹(original accuracy) + offset: u and v of the paper."""

    slope: float
    offset: float


@dataclass(frozen=True, eq=False)
class FittedDifficulty:
    """The difficulty model fitted to m models on two sets; see `fit_difficulty`.

    Skill and difficulty are only determined up to a common shift; the original set's mean difficulty is set to 0.
    `skill` is NaN for a model with none or all correct on the original set.
    """

    original: Difficulty
    new: Difficulty
    skill: Accuracies
    line: ProbitLine


def expected_accuracy(skill: Accuracies, difficulty: Difficulty) -> Accuracies:
    """Accuracy of models of these skills on images of this difficulty: Φ((s − μ)/√(σ² + 1)), fractions, shape (m,).

    Source: Recht et al. 2019, section 5.3: P(correct | τ) = Φ(s − τ) for an image of difficulty τ ~ N(μ, σ²).

    >>> expected_accuracy(np.array([0.0, 2.0]), Difficulty(mean=0.0, spread=1.0)).round(3)
    array([0.5  , 0.921])
    """
    return special.ndtr((skill - difficulty.mean) / np.hypot(difficulty.spread, 1))


def expected_line(original: Difficulty, new: Difficulty) -> ProbitLine:
    """The line on which the accuracies of all models lie: u = √(σ₁² + 1)/√(σ₂² + 1), v = (μ₁ − μ₂)/√(σ₂² + 1).

    Source: Recht et al. 2019, section 5.3.

    >>> expected_line(Difficulty(0.0, 0.0), Difficulty(0.5, 0.75))
    ProbitLine(slope=0.8, offset=-0.4)
    """
    scale = float(np.hypot(new.spread, 1))
    return ProbitLine(float(np.hypot(original.spread, 1)) / scale, (original.mean - new.mean) / scale)


def simulate(skill: Accuracies, difficulty: Difficulty, images: int, rng: np.random.Generator) -> Correct:
    """Which of `images` simulated images models of these skills classify correctly; shape (m, images).

    Each image has one difficulty for all models; given it, models err independently.
    Source: Recht et al. 2019, section 5.3.
    """
    chance = special.ndtr(skill[:, np.newaxis] - rng.normal(difficulty.mean, difficulty.spread, images))
    return rng.random(chance.shape) < chance


def fit_difficulty(
    original: Bool[np.ndarray, "model image"], new: Bool[np.ndarray, "model new_image"]
) -> FittedDifficulty:
    """Fit the difficulty model by the method of moments, from correctness on single images.

    Takes which images of each set each model classifies correctly. The more difficulty varies, the more often two
    models are both correct on the same image; the estimated spread is the one that reproduces the mean number of such
    pairs. It is estimated on each set alone, so the slope that follows is a prediction: nothing was fitted to pairs of
    accuracies. The new set's mean difficulty follows from the mean of the models' probit accuracies. If models agree
    less often than by chance, the spread is 0.
    Raises AnalysisError for fewer than two models with some correct and some incorrect predictions on both sets, and if
    models agree on more images than any spread up to 50 explains.
    Source: Recht et al. 2019, section 5.3 (the model).
    """
    levels = [_probits(correct) for correct in (original, new)]
    usable = np.isfinite(levels[0]) & np.isfinite(levels[1])
    spreads = [
        _spread(correct[usable], level[usable], name)
        for correct, level, name in zip((original, new), levels, ("original", "new"), strict=True)
    ]
    skill = levels[0] * np.hypot(spreads[0], 1)
    mean = float(np.mean(skill[usable] - levels[1][usable] * np.hypot(spreads[1], 1)))
    first, second = Difficulty(0.0, spreads[0]), Difficulty(mean, spreads[1])
    return FittedDifficulty(first, second, np.where(np.isfinite(skill), skill, np.nan), expected_line(first, second))


def spread_influence(correct: Correct, spread: float) -> Float[np.ndarray, " n"]:
    """Influence of each image on its set's spread of difficulty from `fit_difficulty`, times the number of images.

    Takes which images each model classifies correctly, for models with some correct and some incorrect predictions, and
    the spread. The variance of the influences over images, divided by the number of images, estimates the sampling
    variance of the spread. 0 for a spread of 0, which small changes leave at 0.
    Source: Hampel 1974, Journal of the American Statistical Association 69, 383-393 (influence functions).
    """
    models, images = correct.shape
    if spread == 0:
        return np.zeros(images)
    level, stretch = _probits(correct), np.hypot(spread, 1)
    argument = level[:, np.newaxis] * stretch - spread * _GRID
    chance, density = special.ndtr(argument), np.exp(-(argument**2) / 2) / np.sqrt(2 * np.pi)
    # Derivatives of the share of correct pairs, 2 (Σ c − c_j) dc_j over m(m − 1), by each model's level and by the
    # spread.
    weighted = 2 * (chance.sum(axis=0) - chance) * density * _GRID_WEIGHTS / (models * (models - 1))
    by_level = weighted.sum(axis=1) * stretch
    by_spread = float(np.sum(weighted * (level[:, np.newaxis] * spread / stretch - _GRID)))
    right = correct.sum(axis=0, dtype=np.int64)
    pairs = right * (right - 1) / (models * (models - 1))
    levels = by_level * np.sqrt(2 * np.pi) * np.exp(level**2 / 2)
    return (pairs - pairs.mean() - (image_sums(levels, correct) - levels @ correct.mean(axis=1))) / by_spread


def _probits(correct: np.ndarray) -> np.ndarray:
    return special.ndtri(correct.mean(axis=1))


def _spread(correct: np.ndarray, level: np.ndarray, name: str) -> float:
    """Standard deviation of difficulty that reproduces how often two models are both correct on an image."""
    models, images = correct.shape
    if models > 1:
        right = correct.sum(axis=0, dtype=np.int64)
        observed = float(np.sum(right * (right - 1)) / (models * (models - 1)) / images)
        if _expected_pairs(level, 0.0) >= observed:
            return 0.0
        if _expected_pairs(level, _MOST_SPREAD) > observed:
            found = optimize.root_scalar(
                lambda spread: _expected_pairs(level, spread) - observed, bracket=(0.0, _MOST_SPREAD)
            )
            return float(found.root)
    raise AnalysisError(
        "the difficulty model cannot be fitted",
        where=f"{name} set",
        found=f"{models} models that agree on nearly every image"
        if models > 1
        else f"{counted(models, 'model')} that can be used",
        expected="at least two models with correct and incorrect predictions on both sets, on different images",
        fix="evaluate more models on both test sets",
    )


def _expected_pairs(level: np.ndarray, spread: float) -> float:
    """Mean over pairs of models of the probability that both are correct, for models of these probit accuracies."""
    chance = special.ndtr(level[:, np.newaxis] * np.hypot(spread, 1) - spread * _GRID)
    total = chance.sum(axis=0)
    pairs = (total**2 - np.sum(chance**2, axis=0)) / (len(level) * (len(level) - 1))
    return float(pairs @ _GRID_WEIGHTS)
