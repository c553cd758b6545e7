"""Coverage of confidence sets of ranks, and false rank changes, by simulation, at 3, 5, 10, 20 and 67 models.

    python benchmarks/coverage_ranks.py [--testbeds 200]

Models err on images that they share, either all equally good, in pairs of equals that differ by 3 points, or spread
evenly from 60 to 90 %. Held against the true ranks are the simultaneous 95 % sets of all models on the new set. Between
the sets no true rank changes: a testbed with a significant rank change, or with a pair that is significantly reversed,
is a false alarm.
"""

from collections.abc import Iterator

import numpy as np
from rich.table import Table
from shared_images import accuracies, testbed
from simulations import models_table, simulate_all

from evalshift.analysis.statistics.rank_sets import rank_change_sets, rank_sets

MODELS = (3, 5, 10, 20, 67)
DRAWS = 1000
STEP = 0.03


def rates(setting: str, models: int, testbeds: int, rng: np.random.Generator) -> tuple[float, float]:
    """Share of the testbeds whose sets hold all true ranks on the new set, and of those with a false alarm."""
    accuracy = accuracies(setting, models, STEP)
    # One more than the number of better models.
    first = 1 + (accuracy[:, np.newaxis] < accuracy).sum(axis=1)
    held, alarms = [], []
    for _ in range(testbeds):
        original, new = testbed(accuracy, rng)
        sets = rank_sets(new, draws=DRAWS, rng=rng).interval
        found = rank_change_sets(original, new, draws=DRAWS, rng=rng)
        held.append(bool(((sets.low <= first) & (first <= sets.high)).all()))
        alarms.append(bool(found.real.any() or found.reversed_pairs.any()))
    return float(np.mean(held)), float(np.mean(alarms))


def tables(testbeds: int) -> Iterator[Table]:
    """Coverage and false alarms in each setting."""
    rows = []
    for setting in ("all equal", "pairs of equals", "spread evenly"):
        found = [rates(setting, models, testbeds, np.random.default_rng(models)) for models in MODELS]
        rows.append((setting, [f"{held:.0%} ({alarm:.1%})" for held, alarm in found]))
    title = "Sets of ranks that hold all true ranks (testbeds with a false rank change)"
    yield models_table(title, "2,000 and 1,000 images", MODELS, rows)


if __name__ == "__main__":
    simulate_all(__doc__, tables, testbeds=200)
