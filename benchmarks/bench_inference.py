"""evalshift beside the loop that one would write: four real ResNets on CIFAR-10's test set.

    python benchmarks/bench_inference.py [IMAGES]

Model by model in turn, so that a busy machine slows both; each side in a process of its own, since evalshift tells the
C library how to treat memory. Start-up (imports) is left out on both sides; loading a model, finding the batch
size and storing the predictions count for evalshift.
Needs the folder that EVALSHIFT_TEST_DATA names, with cifar10/ and checkpoints/.
"""

import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from evalshift import run
from evalshift.testbed import architectures
from evalshift.testbed.checkpoints import load_state

DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
IMAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
MODELS = {20: "12fca82f", 32: "d509ac18", 44: "014dd654", 56: "4bfd9763"}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class Pictures(Dataset[tuple[Any, int]]):
    """What torchvision's own CIFAR10 does: an image at a time through Pillow and transforms."""

    def __init__(self) -> None:
        self.images = np.load(DATA / "cifar10" / "test_images.npy")[:IMAGES]
        self.labels = np.load(DATA / "cifar10" / "test_labels.npy")[:IMAGES]
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.images[position])), int(self.labels[position])


def plain_loop(depth: int) -> tuple[float, int]:
    """Seconds and correct predictions of the usual loop."""
    start = time.perf_counter()
    network = getattr(architectures, f"cifar_resnet{depth}")()
    load_state(network, weights(depth), None, f"resnet{depth}")
    network.eval()
    correct = 0
    with torch.no_grad():
        for images, labels in DataLoader(Pictures(), batch_size=256, num_workers=2):
            correct += int((network(images).argmax(1) == labels).sum())
    return time.perf_counter() - start, correct


def with_evalshift(depth: int, folder: Path) -> tuple[float, int, str]:
    """Seconds, correct predictions, and the batch size and layout chosen, of `evalshift run` on one model."""
    registry = folder / f"resnet{depth}.yaml"
    registry.write_text(
        f"""
datasets:
  test:
    source: npy
    images: {folder}/all_x.npy
    labels: {folder}/all_y.npy
    classes: cifar10
  two: {{source: npy, images: {folder}/two_x.npy, labels: {folder}/two_y.npy, classes: cifar10}}
models:
  resnet{depth}:
    source: checkpoint
    builder: evalshift.testbed.architectures:cifar_resnet{depth}
    weights: {weights(depth)}
    sha256: {MODELS[depth]}
    classes: cifar10
    preprocess: {{mean: {MEAN}, std: {STD}}}
pairs: ["two:test"]
"""
    )
    quiet = Console(file=(folder / "log").open("a"))
    start = time.perf_counter()
    results = run(registry, results=folder / f"results{depth}", console=quiet)
    seconds = time.perf_counter() - start
    quiet.file.close()
    stored = results.load_predictions("test", f"resnet{depth}")
    correct = int(stored.hits(results.load_dataset("test").labels).sum())
    how = stored.provenance
    return seconds, correct, f"batch {how.batch_size}, {how.memory_format}"


def weights(depth: int) -> Path:
    return DATA / "checkpoints" / f"resnet{depth}-{MODELS[depth]}.th"


def main() -> None:
    if not DATA.is_dir():
        sys.exit(f"{DATA} is not there; name the folder with EVALSHIFT_TEST_DATA")
    import_module("evalshift.evaluate.evaluation")  # start-up as well, though it waits for the first run
    apart = ProcessPoolExecutor(1, get_context("fork"))
    apart.submit(torch.get_num_threads).result()  # forked now, before torch has threads: a fork would lose them
    with tempfile.TemporaryDirectory() as name, apart:
        folder = Path(name)
        pictures = Pictures()
        # A run wants a pair; two images more do not matter against thousands.
        for part, count in (("all", IMAGES), ("two", 2)):
            np.save(folder / f"{part}_x.npy", pictures.images[:count])
            np.save(folder / f"{part}_y.npy", pictures.labels[:count])
        totals = [0.0, 0.0]
        print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {IMAGES:,} images of 32 × 32\n")
        print(f"{'model':<10}{'plain loop':>12}{'evalshift':>12}{'ratio':>8}   found")
        for depth in MODELS:
            plain, expected = apart.submit(plain_loop, depth).result()
            ours, correct, how = with_evalshift(depth, folder)
            if correct != expected:
                sys.exit(f"resnet{depth}: {correct} correct here, {expected} in the plain loop")
            totals = [totals[0] + plain, totals[1] + ours]
            print(f"resnet{depth:<4}{plain:>10.1f} s{ours:>10.1f} s{plain / ours:>8.2f}   {how}, {correct} correct")
        print(f"{'all':<10}{totals[0]:>10.1f} s{totals[1]:>10.1f} s{totals[0] / totals[1]:>8.2f}")


if __name__ == "__main__":
    main()
