"""Coverage and error rates of classes' difficulties by item response, by simulation, at 5, 10, 20 and 67 models.

    python benchmarks/coverage_class_difficulties.py [--testbeds 100]

Testbeds are drawn from the two-parameter logistic model. All classes differ in difficulty, and all become harder by 0.4
standard deviations of the images' difficulty; of every ten classes one becomes harder by 0.8 more. Held against what is
true are 95 % intervals of the changes, and how often a testbed has a class that only shares the common shift and is
significant after Holm.
"""

from collections.abc import Iterator

import numpy as np
from rich.table import Table
from scipy import special
from simulations import models_table, simulate_all

from evalshift.analysis.statistics.class_difficulties import class_difficulties
from evalshift.analysis.statistics.item_response import ability_change
from evalshift.errors import AnalysisError

MODELS = (5, 10, 20, 67)
# Classes, and images of each on the original and on the new set.
SETTINGS = {
    "10 classes, 200 and 100 images each": (10, 200, 100),
    "50 classes, 50 and 10 images each": (50, 50, 10),
}
COMMON, OWN, SPREAD = 0.4, 0.8, 0.4


def draw(ability: np.ndarray, labels: np.ndarray, of_class: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Correctness of the models on images whose mean difficulty is that of their class."""
    difficulty = of_class[labels] + rng.normal(size=len(labels))
    discrimination = np.exp(1 + 0.4 * rng.normal(size=len(labels)))
    return rng.random((len(ability), len(labels))) < special.expit(
        discrimination * (ability[:, np.newaxis] - difficulty)
    )


def rates(models: int, setting: tuple[int, int, int], testbeds: int, rng: np.random.Generator) -> list[float]:
    """Coverage for classes of the common shift, and others; testbeds with a false finding; others that are found."""
    classes, *images = setting
    ability = np.linspace(-0.6, 1.4, models)
    other = np.arange(classes) % 10 == 0
    own = np.where(other, OWN, 0.0)
    true = own / ability.std(ddof=1)
    labels = [np.repeat(np.arange(classes), count) for count in images]
    held: list[np.ndarray] = []
    false: list[bool] = []
    found_others: list[float] = []
    for _ in range(testbeds):
        before = SPREAD * rng.normal(size=classes)
        try:
            abilities = ability_change(
                draw(ability, labels[0], before, rng), draw(ability, labels[1], before + COMMON + own, rng)
            )
        except AnalysisError:
            continue
        found = class_difficulties(abilities, labels[0], labels[1], classes)
        interval, significant = found.change.interval, np.nan_to_num(found.p_holm, nan=1.0) < 0.05
        held.append((interval.low <= true) & (true <= interval.high))
        false.append(bool(significant[~other].any()))
        found_others.append(float(significant[other].mean()))
    covered = np.array(held)
    return [covered[:, ~other].mean(), covered[:, other].mean(), float(np.mean(false)), float(np.mean(found_others))]


def tables(testbeds: int) -> Iterator[Table]:
    """Coverage, and error rates, in each setting."""
    rng = np.random.default_rng(0)
    rates_of = ("interval, common shift", "interval, other classes", "false finding after Holm", "others found")
    rows = []
    for name, setting in SETTINGS.items():
        found = np.array([rates(models, setting, testbeds, rng) for models in MODELS])
        rows += [
            (f"{name}: {rate}", [f"{100 * one:.0f} %" for one in of_models])
            for rate, of_models in zip(rates_of, found.T, strict=True)
        ]
    yield models_table("Coverage and error rates of classes' difficulties", "", MODELS, rows)


if __name__ == "__main__":
    simulate_all(__doc__, tables, testbeds=100)
