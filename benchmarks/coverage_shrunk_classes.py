"""Coverage of the intervals of shrunk drops of classes, by simulation.

    python benchmarks/coverage_shrunk_classes.py [--testbeds 100]

One model classifies images of classes whose original accuracies lie between 50 and 90 %, and whose drops are normal
about 10 points with a given standard deviation. Held against what is true are 95 % intervals of all classes' drops, and
those of the class with the largest shrunk drop.
"""

from collections.abc import Iterator

import numpy as np
from rich.table import Table
from simulations import simulate_all, table_of

from evalshift.analysis.statistics.shrunk_classes import shrunk_classes

# Classes, and images of each on the original and on the new set.
SETTINGS = {
    "10 classes, 1,000 and 200 images each": (10, 1000, 200),
    "200 classes, 50 and 10 images each": (200, 50, 10),
    "1,000 classes, 50 and 10 images each": (1000, 50, 10),
}
SPREADS = (0.0, 0.01, 0.03, 0.06, 0.1)


def covered(
    setting: tuple[int, int, int], spread: float, testbeds: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Share of the classes whose interval holds the true drop, and of the testbeds where the largest drop's does."""
    classes, *images = setting
    held, picked = [], []
    for _ in range(testbeds):
        before = rng.uniform(0.5, 0.9, classes)
        after = np.clip(before - rng.normal(0.1, spread, classes), 0.02, 0.98)
        sides = []
        for accuracy, count in zip((before, after), images, strict=True):
            labels = np.repeat(np.arange(classes), count)
            sides.append((rng.random((1, len(labels))) < accuracy[labels], labels))
        found = shrunk_classes(sides[0], sides[1], classes, rng=rng)
        inside = (found.drop_interval.low <= before - after) & (before - after <= found.drop_interval.high)
        held.append(inside.mean())
        picked.append(inside[np.argmax(found.drop)])
    return float(np.mean(held)), float(np.mean(picked))


def tables(testbeds: int) -> Iterator[Table]:
    """Both shares in each setting."""
    rows = []
    for name, setting in SETTINGS.items():
        found = [covered(setting, spread, testbeds, np.random.default_rng(1)) for spread in SPREADS]
        rows.append((name, [f"{every:.0%} ({largest:.0%})" for every, largest in found]))
    title = "Shrunk drops: 95 % intervals of all classes (of the one with the largest shrunk drop)"
    spreads = [f"{100 * spread:g} points" for spread in SPREADS]
    yield table_of(title, "standard deviation of the true drops", spreads, rows)


if __name__ == "__main__":
    simulate_all(__doc__, tables, testbeds=100)
