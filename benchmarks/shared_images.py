"""Simulated testbeds of models that are equally robust, and that err on images which they share."""

import numpy as np
from scipy import special

from evalshift.analysis.statistics.difficulty_model import Difficulty, simulate

# Of the original and of the new set.
IMAGES = (2000, 1000)
DIFFICULTIES = (Difficulty(0.0, 2.0), Difficulty(1.0, 2.0))


def accuracies(setting: str, models: int, step: float) -> np.ndarray:
    """True original accuracies, the best first: "pairs of equals" `step` apart, "spread evenly", or all equal."""
    if setting == "pairs of equals":
        return np.clip(0.9 - step * (np.arange(models) // 2), 0.05, None)
    return np.linspace(0.9, 0.6, models) if setting == "spread evenly" else np.full(models, 0.75)


def testbed(accuracy: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Which images of the original and of the new set models of these original accuracies classify correctly."""
    skill = special.ndtri(accuracy) * np.hypot(DIFFICULTIES[0].spread, 1)
    original, new = (
        simulate(skill, difficulty, count, rng) for difficulty, count in zip(DIFFICULTIES, IMAGES, strict=True)
    )
    return original, new
