"""Error rates and power of the tests of effective robustness, by simulation, at 6, 10, 20 and 67 models.

    python benchmarks/coverage_robustness.py [--testbeds 1000]

Sound testbeds scatter about a probit line, from images that all models share or as accuracies without sampling error.
A test errs where it calls a sound model significantly far from the line; the rate per testbed counts those with any
such model after Holm. Power is the share found of six models among 64 that lie five standard deviations above it.
"""

from collections.abc import Iterator

import numpy as np
from rich.table import Table
from scipy import special
from simulations import models_table, simulate_all

from evalshift.analysis.statistics.difficulty_model import Difficulty, simulate
from evalshift.analysis.statistics.effective_robustness import effective_robustness, sampling_covariance
from evalshift.analysis.statistics.model_scatter import ScatterTest, scatter_test

# Fewer than six have no line through five others, and are not tested.
MODELS = (6, 10, 20, 67)
ORIGINAL, NEW = Difficulty(0.0, 2.0), Difficulty(1.0, 2.0)
SCATTER = 0.015
LEVEL = 0.05


def sound(models: int, count: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """p-values and Holm's, of testbeds without sampling error."""
    for _ in range(count):
        x = rng.uniform(0.25, 1.3, models)
        found = scatter_test(x, x - 0.4 + rng.normal(0, SCATTER, models))
        yield found.p_value, found.p_holm


def on_images(models: int, count: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same of testbeds on 2,000 and 1,000 shared images, with the covariance of the models' sampling errors."""
    for _ in range(count):
        skill = special.ndtri(rng.uniform(0.6, 0.9, models)) * np.hypot(ORIGINAL.spread, 1)
        moved = skill + rng.normal(0, SCATTER, models) * np.hypot(NEW.spread, 1)
        correct = simulate(skill, ORIGINAL, 2000, rng), simulate(moved, NEW, 1000, rng)
        counts = [one for side in correct for one in (side.sum(axis=1), np.full(models, side.shape[1]))]
        covariances = sampling_covariance(correct[0]), sampling_covariance(correct[1])
        found = effective_robustness(*counts, covariances=covariances, scale="probit", resamples=0, rng=rng)
        yield found.p_value, found.p_holm


def power(count: int, rng: np.random.Generator, screen: bool) -> float:
    """Share of six planted models among 64 that are found."""
    shares = []
    for _ in range(count):
        x = rng.uniform(0.25, 1.3, 64)
        y = x - 0.4 + rng.normal(0, SCATTER, 64)
        y[:6] += 5 * SCATTER
        found: ScatterTest = scatter_test(x, y, screen=screen)
        shares.append(np.mean(found.p_holm[:6] < LEVEL))
    return float(np.mean(shares))


def tables(testbeds: int) -> Iterator[Table | str]:
    """Error rates on each kind of testbed, and power."""
    rows = []
    for name, draw in (("no sampling error of images", sound), ("2,000 and 1,000 images", on_images)):
        cells = []
        for models in MODELS:
            found = np.array(list(draw(models, testbeds, np.random.default_rng(models))))
            per_test, any_found = np.mean(found[:, 0] < LEVEL), np.mean((found[:, 1] < LEVEL).any(axis=1))
            cells.append(f"{per_test:.1%} ({any_found:.1%})")
        rows.append((name, cells))
    title = "Effective robustness of sound models: share with p < 0.05 (testbeds with any after Holm)"
    yield models_table(title, "setting", MODELS, rows)
    shares = [power(max(1, testbeds // 4), np.random.default_rng(64), screen) for screen in (True, False)]
    yield f"6 of 64 models five standard deviations off: {shares[0]:.0%} found, {shares[1]:.0%} without the screen"


if __name__ == "__main__":
    simulate_all(__doc__, tables, testbeds=1000)
