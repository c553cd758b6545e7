"""All statistics of 67 models on 50,000 and 10,000 images, in a process of their own: seconds, and memory at its peak.

    python benchmarks/bench_statistics.py

Beside them what a user would do for one part of it: a loop of statsmodels' McNemar test over the pairs of models, timed
on 100 of the 2,211 pairs and scaled up. The predictions are those that Recht et al. released where the folder that the
environment variable EVALSHIFT_TEST_DATA names (or ../shared/data) has them, else drawn from the difficulty model.
"""

import json
import os
import resource
import subprocess
import sys
import time
from itertools import combinations, islice
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from evalshift.analysis.outcomes import METRICS, ImagePredictions, Outcomes
from evalshift.analysis.statistics.difficulty_model import Difficulty, simulate
from evalshift.analysis.summary import summarize_outcomes

DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
RELEASED = DATA / "imagenetv2-predictions"
MOST_SECONDS, MOST_GIGABYTES = 30, 3
PAIRS_TIMED = 100


def released() -> tuple[ImagePredictions, ImagePredictions]:
    """Top-5 predictions of 67 models on ImageNet's validation set and on ImageNetV2 MatchedFrequency."""
    models = tuple(sorted(path.stem for path in (RELEASED / "imagenet-val").glob("*.npy")))
    sides = []
    for name in ("imagenet-val", "matched-frequency"):
        labels = np.load(RELEASED / f"{name}_labels.npy").astype(np.int64)
        top = np.empty((5, len(models), len(labels)), dtype=np.int16)
        for place, model in enumerate(models):
            top[:, place] = np.load(RELEASED / name / f"{model}.npy").T
        sides.append((name, top, labels))
    return image_predictions(models, *sides[0]), image_predictions(models, *sides[1])


def drawn() -> tuple[ImagePredictions, ImagePredictions]:
    """As many models, images and classes, from the difficulty model."""
    rng = np.random.default_rng(67)
    skill, models = np.linspace(-1, 3, 67), tuple(f"model {place:02}" for place in range(67))
    sides = []
    for name, images, mean in (("original", 50_000, 0.0), ("new", 10_000, 0.8)):
        labels = rng.integers(1000, size=images)
        right = simulate(skill, Difficulty(mean, 2.5), images, rng)
        top = (labels + rng.integers(1, 1000, size=(5, *right.shape))) % 1000
        top[0] = np.where(right, labels, top[0])
        sides.append((name, top.astype(np.int16), labels))
    return image_predictions(models, *sides[0]), image_predictions(models, *sides[1])


def image_predictions(models: tuple[str, ...], name: str, top: np.ndarray, labels: np.ndarray) -> ImagePredictions:
    ids, classes = tuple(map(str, range(len(labels)))), tuple(map(str, range(1000)))
    return ImagePredictions(name, models, top.transpose(1, 2, 0), labels, ids, classes)


def count(both: tuple[ImagePredictions, ImagePredictions], metric: str) -> Outcomes:
    original, new = both
    return Outcomes(
        original=original.dataset,
        new=new.dataset,
        metric=metric,
        models=original.models,
        original_correct=original.correct(metric).sum(axis=1),
        new_correct=new.correct(metric).sum(axis=1),
        original_total=len(original.labels),
        new_total=len(new.labels),
        attributes={
            model: {"family": model[:3], "year": 2012 + place % 7} for place, model in enumerate(original.models)
        },
    )


def measured() -> dict[str, float]:
    """Time and memory of everything that a report computes, top-1 and top-5, and of loading the predictions."""
    both = released() if RELEASED.is_dir() else drawn()
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found: dict[str, float] = {}
    for metric in METRICS:
        start = time.perf_counter()
        summary = summarize_outcomes({metric: count(both, metric)}, predictions=both, scale="probit").metrics[metric]
        found[metric] = time.perf_counter() - start
        assert {"lines", "pairs", "ranks", "classes"} <= summary.tables.keys()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    loop_of_mcnemar(both[0].correct())
    models = len(both[0].models)
    looped = (time.perf_counter() - start) * models * (models - 1) / 2 / PAIRS_TIMED
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return {**found, "loaded": loaded * unit / 1e9, "peak": peak * unit / 1e9, "looped": looped}


def loop_of_mcnemar(correct: np.ndarray) -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    for first, second in islice(combinations(correct, 2), PAIRS_TIMED):
        table = [[np.sum(first & second), np.sum(first & ~second)], [np.sum(~first & second), np.sum(~first & ~second)]]
        mcnemar(table, exact=True)


def main() -> None:
    if sys.argv[1:] == ["measure"]:
        print(json.dumps(measured()))
        return
    done = subprocess.run([sys.executable, __file__, "measure"], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    together = sum(found[metric] for metric in METRICS)
    source = "released predictions, ImageNet" if RELEASED.is_dir() else "drawn predictions"
    table = Table(title=f"67 models on 50,000 and 10,000 images ({source})")
    table.add_column("what")
    table.add_column("", justify="right")
    for metric in METRICS:
        table.add_row(f"all statistics and tables, {metric}", f"{found[metric]:.1f} s")
    table.add_row("both", f"{together:.1f} s")
    table.add_row("memory, predictions loaded", f"{found['loaded']:.2f} GB")
    table.add_row("memory at its peak", f"{found['peak']:.2f} GB")
    table.add_row("loop of statsmodels' mcnemar, one set, scaled up", f"{found['looped']:.1f} s")
    Console().print(table)
    assert together < MOST_SECONDS, f"{together:.1f} s; at most {MOST_SECONDS}"
    assert found["peak"] < MOST_GIGABYTES, f"{found['peak']:.2f} GB; at most {MOST_GIGABYTES}"


if __name__ == "__main__":
    main()
