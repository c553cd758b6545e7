"""Coverage of item response's intervals, by simulation, at 5, 10, 20 and 67 models.

    python benchmarks/coverage_abilities.py [--testbeds 100]

Testbeds are drawn from the two-parameter logistic model, and once with models of three kinds, each of which finds other
images hard: what the model leaves out. An ability counts as covered where its interval holds that of 100,000 images.
"""

from collections.abc import Iterator

import numpy as np
from rich.table import Table
from scipy import special
from simulations import models_table, simulate_all

from evalshift.analysis.statistics.item_response import fit_item_response
from evalshift.errors import AnalysisError

MODELS = (5, 10, 20, 67)
SETTINGS = {"1,000 images": (1_000, 0.0), "1,000 images, models of three kinds": (1_000, 0.5)}
MANY_IMAGES = 100_000


def draw(ability: np.ndarray, images: int, kinds: float, rng: np.random.Generator) -> np.ndarray:
    """Correctness; `kinds` is the standard deviation of how an image's difficulty differs between kinds of models."""
    difficulty = rng.normal(size=images) + kinds * rng.normal(size=(3, images))[np.arange(len(ability)) % 3]
    discrimination = np.exp(1 + 0.4 * rng.normal(size=images))
    return rng.random((len(ability), images)) < special.expit(discrimination * (ability[:, np.newaxis] - difficulty))


def covered(models: int, images: int, kinds: float, testbeds: int, rng: np.random.Generator) -> tuple[float, float]:
    """Share of the abilities, and of the mean difficulties, that their intervals hold."""
    held: list[float] = []
    held_mean: list[bool] = []
    ability = np.linspace(-0.6, 1.4, models)
    if kinds:
        true = fit_item_response(draw(ability, MANY_IMAGES, kinds, rng))
        abilities, mean = true.ability, true.difficulty.value
    else:
        abilities, mean = (ability - ability.mean()) / ability.std(ddof=1), -ability.mean() / ability.std(ddof=1)
    for _ in range(testbeds):
        try:
            found = fit_item_response(draw(ability, images, kinds, rng))
        except AnalysisError:
            continue
        held.append(float(np.mean((found.interval.low <= abilities) & (abilities <= found.interval.high))))
        held_mean.append(bool(found.difficulty.interval.low <= mean <= found.difficulty.interval.high))
    return float(np.mean(held)), float(np.mean(held_mean))


def tables(testbeds: int) -> Iterator[Table]:
    """Both intervals in each setting."""
    rng = np.random.default_rng(0)
    rows = []
    for name, (images, kinds) in SETTINGS.items():
        found = [covered(models, images, kinds, testbeds, rng) for models in MODELS]
        rows.append((f"{name}: ability", [f"{100 * ability:.0f} %" for ability, _ in found]))
        rows.append((f"{name}: mean difficulty", [f"{100 * mean:.0f} %" for _, mean in found]))
    yield models_table("Coverage of item response's intervals", "95 % intervals that hold", MODELS, rows)


if __name__ == "__main__":
    simulate_all(__doc__, tables, testbeds=100)
