"""How often `likely_causes` suspects sound models, and how often it finds faulty ones: a simulation.

python benchmarks/false_alarms.py --models 20000
"""

import argparse
import itertools
from collections import Counter

import numpy as np

from evalshift.analysis.checks.plausibility import likely_causes

CLASSES = (10, 20, 100, 1000)
IMAGES_PER_CLASS = (1, 2, 5, 10, 50)
# Variation of the accuracy between classes, as κ of a Beta(κa, κ(1 − a)); None where all classes are alike.
VARIATIONS = (None, 20.0, 4.0)
KEPT = 5


def sound_model(
    draw: np.random.Generator, classes: int, images: int, accuracy: float, variation: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Five classes per image, best first, of a model that is correct with this probability; and the labels.

    Where it is incorrect it often names one of three classes that this class is confused with, yet none of them more
    often than the right one: what names a wrong class most often is not sound.
    """
    labels = np.repeat(np.arange(classes), images)
    if variation is None:
        of_class = np.full(classes, accuracy)
    else:
        of_class = draw.beta(variation * accuracy + 1e-9, variation * (1 - accuracy) + 1e-9, classes)
    shift = draw.integers(1, classes, (len(labels), KEPT))
    confused = draw.integers(1, classes, (classes, 3))
    usual = draw.random(len(labels)) < min(0.5, accuracy)
    shift[usual, 0] = confused[labels[usual], draw.choice(3, usual.sum(), p=[0.5, 0.3, 0.2])]
    top = (labels[:, np.newaxis] + shift) % classes
    known = draw.random(len(labels)) < of_class[labels]
    top[known, 0] = labels[known]
    second = ~known & (draw.random(len(labels)) < np.minimum(0.4, of_class[labels]))
    top[second, 1] = labels[second]
    return top, labels


def false_alarms(models: int, seed: int = 0) -> None:
    """Print the share of sound models of each size that are suspected."""
    draw = np.random.default_rng(seed)
    settings = list(itertools.product(CLASSES, IMAGES_PER_CLASS))
    found: Counter[tuple[int, int]] = Counter()
    kinds: Counter[str] = Counter()
    tried: Counter[tuple[int, int]] = Counter()
    for number in range(models):
        classes, images = settings[number % len(settings)]
        accuracy = 1 / classes + (1 - 1 / classes) * draw.random()
        top, labels = sound_model(
            draw, classes, images, accuracy, VARIATIONS[number // len(settings) % len(VARIATIONS)]
        )
        causes = likely_causes(top, labels, [f"class {one:04d}" for one in range(classes)])
        tried[classes, images] += 1
        found[classes, images] += bool(causes)
        kinds.update(cause.kind for cause in causes)
    for setting in settings:
        suspected = f"{found[setting]} of {tried[setting]:,} suspected"
        print(f"{setting[0]:5,} classes, {setting[1]:2} images per class: {suspected}")
    print(f"in all {sum(found.values())} of {models:,} sound models suspected {dict(kinds) or ''}")


def power(models: int, seed: int = 1) -> None:
    """Print how often faults are found in models of 30 to 95 % accuracy, 10 images per class or 500 in all."""
    draw = np.random.default_rng(seed)
    faults = {
        "classes renumbered": lambda top, labels, classes: (draw.permutation(classes)[top], labels),
        "classes one too high": lambda top, labels, classes: ((top + 1) % classes, labels),
        "rows one late": lambda top, labels, classes: (np.roll(top, 1, axis=0), labels),
        "second column first": lambda top, labels, classes: (top[:, [1, 0, 2, 3, 4]], labels),
        "half of the classes": lambda top, labels, classes: (
            np.where(top >= classes // 2, top - classes // 2, top),
            labels,
        ),
    }
    for classes in CLASSES:
        images = max(10, 500 // classes)
        for fault, provoke in faults.items():
            for low, high in ((0.3, 0.5), (0.5, 0.7), (0.7, 0.95)):
                hits = 0
                for _ in range(models):
                    top, labels = sound_model(draw, classes, images, draw.uniform(low, high), 4.0)
                    order = draw.permutation(len(labels))
                    top, labels = provoke(top[order], labels[order], classes)
                    hits += bool(likely_causes(top, labels, [f"class {one:04d}" for one in range(classes)]))
                print(f"{classes:5,} classes, {fault}, accuracy {low:.0%} to {high:.0%}: {hits} of {models} found")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=4_000, help="sound models to simulate")
    parser.add_argument("--faulty", type=int, default=20, help="faulty models for each fault and size")
    chosen = parser.parse_args()
    false_alarms(chosen.models)
    power(chosen.faulty)


if __name__ == "__main__":
    main()
