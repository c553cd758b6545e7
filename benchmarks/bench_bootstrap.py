"""The bootstrap of the line beside what a user would do without evalshift: a loop of numpy.polyfit.

    python benchmarks/bench_bootstrap.py                         both side by side, with their ratio
    pytest benchmarks/bench_bootstrap.py --benchmark-enable      with pytest-benchmark's statistics

The 67 models are those of Recht et al. 2019 on ImageNet and ImageNetV2 MatchedFrequency where the folder that the
environment variable EVALSHIFT_TEST_DATA names (or ../shared/data) has their counts, else 67 drawn at random: the time
does not depend on them. The loop is timed over 2,000 resamples and scaled up to 100,000.
"""

import os
import timeit
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table

from evalshift.analysis.statistics.line_fit import Line, fit_line

RESAMPLES = 100_000
LOOPED = 2_000
DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
COUNTS = DATA / "published" / "recht2019_counts.csv"


def accuracies() -> tuple[np.ndarray, np.ndarray]:
    """Original and new accuracy of 67 models, shape (67,) each."""
    if not COUNTS.is_file():
        rng = np.random.default_rng(67)
        original = rng.uniform(0.55, 0.85, 67)
        return original, 1.1 * original - 0.2 + rng.normal(0, 0.01, 67)
    released = pd.read_csv(COUNTS)
    original, new = (
        released[released.dataset == name].set_index("model").sort_index()
        for name in ("imagenet", "imagenetv2-matched-frequency")
    )
    return (original.top1_correct / original.n).to_numpy(), (new.top1_correct / new.n).to_numpy()


def bootstrap(original: np.ndarray, new: np.ndarray, scale: str = "linear") -> Line:
    return fit_line(original, new, scale=scale, resamples=RESAMPLES, rng=np.random.default_rng(0))


def loop_of_polyfit(original: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Slopes and offsets of LOOPED resamples, shape (LOOPED, 2)."""
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(LOOPED):
        drawn = rng.integers(len(original), size=len(original))
        lines.append(np.polyfit(original[drawn], new[drawn], 1))
    return np.array(lines)


def seconds() -> tuple[float, float]:
    """Best of five of the bootstrap, and best of three of the loop scaled up to as many resamples."""
    points = accuracies()
    ours = min(timeit.repeat(lambda: bootstrap(*points), number=1, repeat=5))
    theirs = min(timeit.repeat(lambda: loop_of_polyfit(*points), number=1, repeat=3)) * RESAMPLES / LOOPED
    return ours, theirs


@pytest.mark.benchmark(group=f"{RESAMPLES:,} resamples of 67 models")
def test_bootstrap(benchmark):
    line = benchmark(bootstrap, *accuracies())
    assert len(line.slopes) == RESAMPLES


@pytest.mark.benchmark(group=f"{LOOPED:,} resamples of 67 models")
def test_loop_of_polyfit(benchmark):
    # The same distribution, so the comparison is fair: the medians agree to a tenth of its spread.
    slopes = benchmark(loop_of_polyfit, *accuracies())[:, 0]
    ours = bootstrap(*accuracies()).slopes
    assert np.median(slopes) == pytest.approx(np.median(ours), abs=ours.std() / 10)


@pytest.mark.benchmark(group=f"region: 100 points of {RESAMPLES:,} lines")
@pytest.mark.parametrize("scale", ["linear", "probit"])
def test_region(benchmark, scale):
    line = bootstrap(*accuracies(), scale)
    region = benchmark(line.region, np.linspace(0.01, 0.99, 100))
    assert (region.low < region.high).all()


def test_under_a_second_and_twenty_times_the_loop():
    ours, theirs = seconds()
    assert ours < 1
    assert theirs > 20 * ours


def main() -> None:
    line = bootstrap(*accuracies())
    ours, theirs = seconds()
    points = np.linspace(0.01, 0.99, 100)
    region = min(timeit.repeat(lambda: line.region(points), number=1, repeat=5))
    source = "Recht et al. 2019, ImageNet" if COUNTS.is_file() else "67 simulated models"
    table = Table(title=f"{RESAMPLES:,} resamples of {line.models} models ({source})")
    for column in ("what", "seconds", "times as long"):
        table.add_column(column, justify="left" if column == "what" else "right")
    table.add_row("evalshift fit_line", f"{ours:.3f}", "1")
    table.add_row(f"loop of numpy.polyfit ({LOOPED:,} timed, scaled up)", f"{theirs:.2f}", f"{theirs / ours:.0f}")
    table.add_row(f"evalshift Line.region at {len(points)} points", f"{region:.3f}", f"{region / ours:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
