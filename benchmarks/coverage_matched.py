"""False findings among models of the same accuracy, by simulation, at 6, 10, 20 and 67 models.

    python benchmarks/coverage_matched.py [--testbeds 200]

Models err on images that they share and are equally robust: their true accuracies lie on one line. They are all of one
accuracy, in pairs of equals that differ by 2 points, or spread evenly from 60 to 90 %. A testbed in which any two
models of the same accuracy differ significantly in effective robustness (Holm) is a false alarm.
"""

from collections.abc import Iterator

import numpy as np
from rich.table import Table
from shared_images import accuracies, testbed
from simulations import models_table, simulate_all

from evalshift.analysis.statistics.effective_robustness import sampling_covariance
from evalshift.analysis.statistics.matched_models import matched_models
from evalshift.errors import AnalysisError

MODELS = (6, 10, 20, 67)
STEP = 0.02


def rates(setting: str, models: int, testbeds: int, rng: np.random.Generator) -> tuple[float, float]:
    """Share of testbeds with a false finding, from predictions on each image and from counts alone."""
    alarms = []
    for _ in range(testbeds):
        sides = testbed(accuracies(setting, models, STEP), rng)
        counts = [part for side in sides for part in (side.sum(axis=1), np.full(models, side.shape[1]))]
        known = sampling_covariance(sides[0]), sampling_covariance(sides[1])
        alarms.append([_is_alarm(counts, covariances) for covariances in (known, None)])
    shared, alone = np.mean(alarms, axis=0)
    return float(shared), float(alone)


def _is_alarm(counts: list[np.ndarray], covariances: tuple[np.ndarray, np.ndarray] | None) -> bool:
    try:
        found = matched_models((counts[0], counts[1], counts[2], counts[3]), covariances=covariances, scale="probit")
    except AnalysisError:
        return False
    return found.differing > 0


def tables(testbeds: int) -> Iterator[Table]:
    """Both rates in each setting."""
    rows = []
    for setting in ("all of one accuracy", "pairs of equals", "spread evenly"):
        found = [rates(setting, models, testbeds, np.random.default_rng(models)) for models in MODELS]
        rows.append((setting, [f"{shared:.1%} ({alone:.1%})" for shared, alone in found]))
    title = "Testbeds with a false finding among models of the same accuracy (from counts alone)"
    yield models_table(title, "2,000 and 1,000 images", MODELS, rows)


if __name__ == "__main__":
    simulate_all(__doc__, tables, testbeds=200)
