"""Coverage of both intervals of the mean distance over several new sets, and how often Q errs, by simulation.

    python benchmarks/coverage_shifts.py [--testbeds 200]

Models share the images of each set: 2,000 original ones and 1,000 of each new set. On the probit scale a model lies off
every line by its own amount (standard deviation 0.03), and off each line by another one (`between`). The interval is to
hold the mean over the sets that are there, the wider one the model's own amount. Q errs where it finds a difference
between sets and `between` is 0.
"""

from collections.abc import Iterator

import numpy as np
from rich.table import Table
from scipy import special
from simulations import simulate_all, table_of

from evalshift.analysis.statistics.difficulty_model import Difficulty, simulate
from evalshift.analysis.statistics.image_sets import ImageSets
from evalshift.analysis.statistics.several_shifts import SetCounts, several_shifts

OWN = 0.03
SPREAD = 2.0


def testbed(models: int, sets: int, between: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Shares of models whose mean either interval holds, for which Q is below 5 %, and median half widths in points."""
    x = rng.uniform(0.25, 1.3, models)
    own, each = rng.normal(0, OWN, models), rng.normal(0, between, (sets, models))
    step = -0.3 - 0.4 * np.linspace(0, 1, sets)[:, np.newaxis]
    wide = np.hypot(SPREAD, 1)
    correct = [simulate(x * wide, Difficulty(0.0, SPREAD), 2000, rng)]
    correct += [
        simulate((x + one + own + part) * wide, Difficulty(0.0, SPREAD), 1000, rng)
        for one, part in zip(step, each, strict=True)
    ]
    numbers = tuple(10_000 * number + np.arange(one.shape[1]) for number, one in enumerate(correct))
    counts = [SetCounts(one.sum(axis=1), np.full(models, one.shape[1])) for one in correct]
    found = several_shifts(counts[0], counts[1:], sets=ImageSets(tuple(correct), numbers), scale="probit")
    line = special.ndtr(x + step)
    here = (special.ndtr(x + step + own + each) - line).mean(axis=0)
    such = (special.ndtr(x + step + own) - line).mean(axis=0)
    held = [
        float(np.mean((around.low <= truth) & (truth <= around.high)))
        for around, truth in ((found.interval, here), (found.wider_interval, such))
    ]
    widths = [100 * float(np.median(around.high - around.low)) / 2 for around in (found.interval, found.wider_interval)]
    return *held, float(np.mean(found.q_p < 0.05)), *widths


def tables(testbeds: int) -> Iterator[Table]:
    """Both intervals and Q, by the number of models, of sets, and how far models lie off each line."""
    rng = np.random.default_rng(0)
    rows = []
    for models in (5, 10, 20):
        for sets in (2, 4, 10):
            for between in (0.0, 0.05):
                found = np.mean([testbed(models, sets, between, rng) for _ in range(testbeds)], axis=0)
                held, wider, q, one, other = found
                cells = f"{held:.1%}", f"{one:.1f}", f"{wider:.1%}", f"{other:.1f}", f"{q:.1%}"
                rows.append((str(models), (str(sets), str(between), *cells)))
    columns = "new sets", "between", "interval", "± points", "wider", "± points", "Q < 5 %"
    yield table_of(
        "Mean distance over several new sets: coverage, half widths, and errors of Q", "models", columns, rows
    )


if __name__ == "__main__":
    simulate_all(__doc__, tables, testbeds=200)
