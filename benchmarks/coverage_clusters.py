"""Coverage of intervals over clusters of images and of the spread of seeds, by simulation.

    python benchmarks/coverage_clusters.py [--testbeds 1000]

Clusters: each has its own accuracy, from a beta distribution that makes the given correlation within clusters, and
twenty images, or from one to a hundred. Seeds: images of normal difficulty, on which seeds err independently;
their accuracies on the distribution have the given standard deviation.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from rich.table import Table
from scipy import special
from simulations import simulate_all, table_of

from evalshift.analysis.statistics.clustered import clustered_accuracies, clustered_drop
from evalshift.analysis.statistics.intervals import Interval, clopper_pearson
from evalshift.analysis.statistics.seeds import seed_spread

CLUSTERS = (10, 20, 50, 200)
SEEDS = (3, 5, 10, 20, 67)
SPREAD, IMAGES = 2.0, 2_000


def sizes(clusters: int, uneven: bool, rng: np.random.Generator) -> np.ndarray:
    """Images of each cluster."""
    if not uneven:
        return np.full(clusters, 20)
    return np.clip(np.exp(rng.normal(2.5, 1.0, clusters)), 1, 100).astype(np.int64)


def draw(
    member: np.ndarray, accuracy: float, correlation: float, testbeds: int, rng: np.random.Generator
) -> np.ndarray:
    """Correctness of as many models, each with accuracies of the clusters of its own."""
    clusters = int(member.max()) + 1
    if correlation == 0:
        of_cluster = np.full((testbeds, clusters), accuracy)
    else:
        size = (1 - correlation) / correlation
        of_cluster = rng.beta(accuracy * size, (1 - accuracy) * size, (testbeds, clusters))
    return rng.random((testbeds, len(member))) < of_cluster[:, member]


def held(around: Interval[np.ndarray], truth: float) -> str:
    """Share of the intervals that hold the truth, and their median width in points."""
    share = np.mean((around.low <= truth) & (truth <= around.high))
    return f"{100 * share:.0f} % ({100 * np.median(around.high - around.low):.1f})"


def clusters_table(testbeds: int) -> Table:
    """Intervals of an accuracy and of a drop, and those that take images as independent."""
    rows: list[tuple[str, Sequence[str]]] = []
    for accuracy, correlation, uneven in (
        (0.7, 0.0, False), (0.7, 0.2, False), (0.7, 0.2, True), (0.95, 0.2, False), (0.95, 0.2, True)
    ):  # fmt: skip
        cells: dict[str, list[str]] = {"accuracy": [], "drop of 10 points": [], "images taken as independent": []}
        for clusters in CLUSTERS:
            rng = np.random.default_rng(clusters)
            member = np.repeat(np.arange(clusters), sizes(clusters, uneven, rng))
            correct = draw(member, accuracy, correlation, testbeds, rng)
            original = clustered_accuracies(correct, member)
            new = clustered_accuracies(draw(member, accuracy - 0.1, correlation, testbeds, rng), member)
            cells["accuracy"].append(held(original.interval, accuracy))
            cells["drop of 10 points"].append(held(clustered_drop(original, new), 0.1))
            plain = clopper_pearson(correct.sum(axis=1), np.full(testbeds, len(member)))
            cells["images taken as independent"].append(held(plain, accuracy))
        kind = f"accuracy {100 * accuracy:g} %, correlation {correlation:g}, {'1 to 100' if uneven else '20'} images"
        rows += [(f"{kind}: {name}", row) for name, row in cells.items()]
    columns = (f"{clusters} clusters" for clusters in CLUSTERS)
    return table_of("Coverage of 95 % intervals (median width in points)", "clusters of images", columns, rows)


def seeds_table(testbeds: int) -> Table:
    """Intervals of the standard deviation on the distribution."""
    rows = []
    skill = special.ndtri(0.9) * np.hypot(SPREAD, 1)
    nodes, weights = special.roots_hermitenorm(61)
    for scatter in (0.0, 0.02, 0.05, 0.15):
        row = []
        accuracies = special.ndtr((skill + scatter * nodes) / np.hypot(SPREAD, 1))
        mean = weights @ accuracies / weights.sum()
        truth = float(np.sqrt(weights @ (accuracies - mean) ** 2 / weights.sum()))
        for seeds in SEEDS:
            rng = np.random.default_rng(seeds)
            bounds = np.empty((testbeds, 2))
            for place in range(testbeds):
                own = skill + scatter * rng.normal(size=(seeds, 1))
                chance = special.ndtr(own - SPREAD * rng.normal(size=IMAGES))
                interval = seed_spread(rng.random((seeds, IMAGES)) < chance).interval
                bounds[place] = interval.low, interval.high
            row.append(held(Interval(bounds[:, 0], bounds[:, 1]), truth))
        rows.append((f"true standard deviation {100 * truth:.2f} points", row))
    columns = (f"{seeds} seeds" for seeds in SEEDS)
    return table_of("Spread of seeds: coverage (median width)", f"seeds, {IMAGES:,} images", columns, rows)


def tables(testbeds: int) -> Iterator[Table]:
    """Those of clusters, and of seeds by a fifth of the testbeds."""
    yield clusters_table(testbeds)
    yield seeds_table(max(1, testbeds // 5))


if __name__ == "__main__":
    simulate_all(__doc__, tables, testbeds=1000)
