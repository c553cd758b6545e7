"""Coverage and error rates of the report's statistics, by simulation, at 3, 5, 10, 20 and 67 models.

    python benchmarks/coverage.py [slope|mean-drop|margin|diminishing ...] [--testbeds 1000]

Testbeds are drawn from the difficulty model: images of normal difficulty, models that err independently given it, and
about the line that it gives a scatter of their own or of their families. Nobody tuned anything on either set. A figure
of 95 % from 1,000 testbeds has a Monte Carlo error of 0.7 points.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
from rich.table import Table
from scipy import special
from simulations import models_table, parser, print_timed

from evalshift.analysis.statistics.difficulty_model import Difficulty, expected_accuracy, expected_line, simulate
from evalshift.analysis.statistics.diminishing_returns import diminishing_returns
from evalshift.analysis.statistics.effective_robustness import sampling_covariance
from evalshift.analysis.statistics.line_fit import fit_line
from evalshift.analysis.statistics.line_intervals import cluster_robust_line, random_effects_line
from evalshift.analysis.statistics.mean_drop import (
    drop_margin,
    drop_margin_of_counts,
    mean_drop,
    mean_drop_of_counts,
)
from evalshift.analysis.statistics.scale_choice import best_scale, compare_scales
from evalshift.analysis.statistics.scales import fitted_accuracy
from evalshift.errors import AnalysisError

MODELS = (3, 5, 10, 20, 67)
RESAMPLES = 1000
ORIGINAL, NEW = Difficulty(0.0, 2.0), Difficulty(1.0, 2.0)


@dataclass(frozen=True)
class Setting:
    """How a testbed is drawn; scatter is on the probit scale. Without images accuracies have no sampling error."""

    images: tuple[int, int] | None
    accuracies: tuple[float, float] = (0.6, 0.9)
    scatter: float = 0.015
    families: bool = False
    original: Difficulty = ORIGINAL
    new: Difficulty = NEW


@dataclass(frozen=True, eq=False)
class Testbed:
    """One of a setting's: accuracies, families, true drops, and which images each model classifies correctly."""

    original: np.ndarray
    new: np.ndarray
    families: list[str]
    drops: np.ndarray
    correct: tuple[np.ndarray, np.ndarray] | None


SETTINGS = {
    "2,000 and 1,000 images": Setting((2000, 1000)),
    "200 and 200 images": Setting((200, 200)),
    "no sampling error of images": Setting(None),
    "families of up to four, 2,000 and 1,000 images": Setting((2000, 1000), scatter=0.04, families=True),
    "families of up to four, no sampling error of images": Setting(None, scatter=0.04, families=True),
}

UNTUNED = {
    "images of one spread of difficulty": Setting((2000, 1000)),
    "new images spread more": Setting((2000, 1000), original=Difficulty(0.0, 1.5), new=Difficulty(1.0, 2.5)),
    "new images spread less, accuracies 40 to 97 %": Setting(
        (2000, 1000), accuracies=(0.4, 0.97), original=Difficulty(0.0, 2.5), new=Difficulty(1.0, 1.5)
    ),
    "few images, accuracies 70 to 97 %": Setting((500, 500), accuracies=(0.7, 0.97), scatter=0.03),
}


def testbeds(setting: Setting, models: int, count: int, rng: np.random.Generator) -> Iterator[Testbed]:
    """As many testbeds of a setting."""
    size = min(4, ceil(models / 3)) if setting.families else 1
    group = np.arange(models) // size
    for _ in range(count):
        level = rng.uniform(*setting.accuracies, group.max() + 1)[group]
        accuracy = np.clip(level + setting.families * rng.normal(0, 0.02, models), 0.02, 0.98)
        skill = special.ndtri(accuracy) * np.hypot(setting.original.spread, 1)
        off = rng.normal(0, setting.scatter, group.max() + 1)[group]
        if setting.families:  # and a fifth of the scatter is a model's own
            off = off + rng.normal(0, setting.scatter / 5, models)
        moved = skill + off * np.hypot(setting.new.spread, 1)
        new = expected_accuracy(moved, setting.new)
        drop = accuracy - new
        families = [f"family {number}" for number in group]
        if setting.images is None:
            yield Testbed(accuracy, new, families, drop, None)
            continue
        correct = (
            simulate(skill, setting.original, setting.images[0], rng),
            simulate(moved, setting.new, setting.images[1], rng),
        )
        original, new = (
            fitted_accuracy(side.sum(axis=1), np.full(models, side.shape[1]), "probit") for side in correct
        )
        yield Testbed(original, new, families, drop, correct)


def slopes(testbed: Testbed, rng: np.random.Generator) -> dict[str, Callable]:
    """Each method's way to a line with an interval of its slope."""
    both = testbed.original, testbed.new
    families = testbed.families if len(set(testbed.families)) < len(testbed.families) else None
    methods: dict[str, Callable] = {
        "bootstrap over models (paper)": lambda: fit_line(*both, scale="probit", resamples=RESAMPLES, rng=rng),
        "cluster-robust (counts)": lambda: cluster_robust_line(*both, scale="probit"),
    }
    if families is not None:
        methods["cluster-robust by family (counts)"] = lambda: cluster_robust_line(
            *both, families=families, scale="probit"
        )
    if testbed.correct is None:
        return methods
    covariances = sampling_covariance(testbed.correct[0]), sampling_covariance(testbed.correct[1])
    methods["random effects (images)"] = lambda: random_effects_line(*both, covariances, scale="probit")
    if families is not None:
        methods["random effects by family (images)"] = lambda: random_effects_line(
            *both, covariances, families=families, scale="probit"
        )
    return methods


def covered(setting: Setting, models: int, count: int, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Share of the testbeds whose interval holds the true slope, and the median width, for each method."""
    truth = expected_line(ORIGINAL, NEW).slope
    held: dict[str, list[bool]] = defaultdict(list)
    widths: dict[str, list[float]] = defaultdict(list)
    for testbed in testbeds(setting, models, count, rng):
        for name, method in slopes(testbed, rng).items():
            try:
                around = method().slope_interval
            except AnalysisError:
                continue
            held[name].append(around.low <= truth <= around.high)
            widths[name].append(around.high - around.low)
    return {name: (float(np.mean(held[name])), float(np.median(widths[name]))) for name in held}


def counts(testbed: Testbed) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Original correct and total, new correct and total."""
    assert testbed.correct is not None
    original, new = ((side.sum(axis=1), np.full(len(side), side.shape[1])) for side in testbed.correct)
    return *original, *new


def mean_drops(setting: Setting, models: int, count: int, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """As `covered`, of the mean drop."""
    held: dict[str, list[bool]] = defaultdict(list)
    widths: dict[str, list[float]] = defaultdict(list)
    for testbed in testbeds(setting, models, count, rng):
        assert testbed.correct is not None
        for name, found in (
            ("predictions on each image", mean_drop(*testbed.correct)),
            ("counts", mean_drop_of_counts(*counts(testbed))),
        ):
            assert found is not None
            held[name].append(found.interval.low <= testbed.drops.mean() <= found.interval.high)
            widths[name].append(100 * (found.interval.high - found.interval.low))
    return {name: (float(np.mean(held[name])), float(np.median(widths[name]))) for name in held}


def margins(setting: Setting, models: int, count: int, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Share of the testbeds whose margin holds the errors of all drops, and its median in points."""
    held: dict[str, list[bool]] = defaultdict(list)
    widths: dict[str, list[float]] = defaultdict(list)
    for testbed in testbeds(setting, models, count, rng):
        assert testbed.correct is not None
        found = np.subtract(*(side.mean(axis=1) for side in testbed.correct))
        for name, margin in (
            ("predictions on each image", drop_margin(*testbed.correct, rng=rng)),
            ("counts", drop_margin_of_counts(*counts(testbed))),
        ):
            held[name].append(bool(np.max(np.abs(found - testbed.drops)) <= margin))
            widths[name].append(100 * margin)
    return {name: (float(np.mean(held[name])), float(np.median(widths[name]))) for name in held}


def false_alarms(setting: Setting, models: int, count: int, rng: np.random.Generator) -> float:
    """Share of the testbeds with p < 5 % for diminishing returns, on the scale that the report takes."""
    found = []
    for testbed in testbeds(setting, models, count, rng):
        assert testbed.correct is not None
        scale = best_scale(compare_scales(*counts(testbed)), otherwise="probit")
        try:
            found.append(diminishing_returns(*testbed.correct, scale=scale).p_value < 0.05)
        except AnalysisError:
            found.append(False)
    return float(np.mean(found))


def by_models(title: str, found: dict[int, dict[str, tuple[float, float]]]) -> Table:
    """Coverage and median width for each method."""
    methods = dict.fromkeys(method for each in found.values() for method in each)
    cells = {method: [each.get(method) for each in found.values()] for method in methods}
    rows = [
        (method, ["–" if cell is None else f"{cell[0]:.1%} ({cell[1]:.2f})" for cell in row])
        for method, row in cells.items()
    ]
    return models_table(title, "", MODELS, rows)


def slope_tables(count: int) -> Iterator[Table]:
    for name, setting in SETTINGS.items():
        yield by_models(
            f"Slope on the probit scale, coverage of 95 % intervals (median width): {name}",
            {models: covered(setting, models, count, np.random.default_rng(models)) for models in MODELS},
        )


def mean_drop_tables(count: int) -> Iterator[Table]:
    for name in ("2,000 and 1,000 images", "200 and 200 images"):
        yield by_models(
            f"Mean drop, coverage of 95 % intervals (median width in points): {name}",
            {models: mean_drops(SETTINGS[name], models, count, np.random.default_rng(models)) for models in MODELS},
        )


def margin_tables(count: int) -> Iterator[Table]:
    for name in ("2,000 and 1,000 images", "200 and 200 images"):
        yield by_models(
            f"Margin of all drops, coverage at 95 % (median in points): {name} ({count} testbeds)",
            {models: margins(SETTINGS[name], models, count, np.random.default_rng(models)) for models in MODELS},
        )


def false_alarm_tables(count: int) -> Iterator[Table]:
    rows = [
        (name, [f"{false_alarms(setting, models, count, np.random.default_rng(models)):.1%}" for models in MODELS])
        for name, setting in UNTUNED.items()
    ]
    yield models_table(f"Diminishing returns without tuning, p < 5 % ({count} testbeds)", "", MODELS, rows)


# What is shown, and by how much fewer testbeds where each takes many times as long.
PARTS: dict[str, tuple[Callable[[int], Iterator[Table]], int]] = {
    "slope": (slope_tables, 1),
    "mean-drop": (mean_drop_tables, 1),
    "margin": (margin_tables, 4),
    "diminishing": (false_alarm_tables, 4),
}


def main() -> None:
    options = parser(__doc__, testbeds=1000)
    options.add_argument("part", nargs="*", help=f"{', '.join(PARTS)}; all by default")
    chosen = options.parse_args()
    if unknown := set(chosen.part) - set(PARTS):
        options.error(f"unknown: {', '.join(sorted(unknown))}; expected {', '.join(PARTS)}")
    for name in chosen.part or PARTS:
        tables, fewer = PARTS[name]
        print_timed(tables(max(1, chosen.testbeds // fewer)), name)


if __name__ == "__main__":
    main()
