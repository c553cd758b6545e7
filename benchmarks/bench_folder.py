"""A test set of 100,000 image files in class folders: how long a first look at it takes, and a later one.

    python benchmarks/bench_folder.py [--images 100000] [--repeats 3]

The first look lists the folders and hashes each file, as the first run on a dataset does. A later run only compares
names, sizes and times of the files. Files are 32 × 32 JPEGs; they are in the system's file cache.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import fingerprint, load_dataset, source_checksum
from evalshift.testbed.own_dataset_entries import FolderDataset

CLASSES = ClassSpace("ten", tuple(f"class {number}" for number in range(10)))
TARGETS = {"first look": 15.0, "later look": 2.0}  # seconds


def write_images(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for name in CLASSES.names:
        (folder / name).mkdir()
    for number in range(count):
        stream = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(stream, "JPEG")
        (folder / CLASSES.names[number % 10] / f"{number:06}.jpg").write_bytes(stream.getvalue())


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name), chosen.images)
        entry = FolderDataset(source="folder", path=Path(name), classes="ten")
        looks: dict[str, Callable[[], object]] = {
            "first look": lambda: fingerprint(load_dataset("images", entry, CLASSES)),
            "later look": lambda: source_checksum(entry),
        }
        for look, work in looks.items():
            took = median(seconds(work) for _ in range(chosen.repeats))
            met = "met" if took <= TARGETS[look] else "missed"
            print(f"{look} at {chosen.images:,} images: {took:.2f} s (target for 100,000: {TARGETS[look]:g} s, {met})")


if __name__ == "__main__":
    main()
