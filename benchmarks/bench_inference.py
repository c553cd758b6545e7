"""evalshift beside the loop that one would write, and beside pure forward: four real ResNets on CIFAR-10's test set.

    python benchmarks/bench_inference.py [IMAGES [REPEATS]]

Model by model in turn, so that a busy machine slows all sides; each in a process of its own, since evalshift tells the
C library how to treat memory. Start-up (imports) is left out on all sides; loading a model, finding the batch size and
storing the predictions count for evalshift. Pure forward is what is left when nothing else is done: normalised images
in memory, the best batch and layout by hand, the network frozen by torch with its operations joined. Medians of the
repeats are compared.
Needs the folder that EVALSHIFT_TEST_DATA names, with cifar10/ and checkpoints/.
"""

import os
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from statistics import median
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
REPEATS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
SIZES = (16, 32, 64, 128, 256)
LAYOUTS = (torch.contiguous_format, torch.channels_last)
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


def network_of(depth: int) -> torch.nn.Module:
    network = getattr(architectures, f"cifar_resnet{depth}")()
    load_state(network, weights(depth), None, f"resnet{depth}")
    return network.eval()


def pure_forward(depth: int, choice: tuple[int, int]) -> float:
    """Seconds of the forward passes alone, in batches of a size and a layout."""
    size, layout = choice
    values = normalised(IMAGES).contiguous(memory_format=LAYOUTS[layout])
    network = frozen(depth)
    forward_seconds(network, values[:size])
    start = time.perf_counter()
    with torch.inference_mode():
        for first in range(0, len(values), size):
            network(values[first : first + size]).argmax(1)
    return time.perf_counter() - start


def best_choice(depth: int) -> tuple[int, int]:
    """The batch size and the layout of the quickest forward pass."""
    network, paces = frozen(depth), {}
    for layout, kind in enumerate(LAYOUTS):
        for size in SIZES:
            values = normalised(size).contiguous(memory_format=kind)
            paces[size, layout] = min(forward_seconds(network, values) for _ in range(5)) / size
    return min(paces, key=paces.__getitem__)


def frozen(depth: int) -> torch.nn.Module:
    """The network as torch itself makes it quickest for a CPU: traced, batch norms folded, operations joined."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and still the quickest
        traced: Any = torch.jit.trace(network_of(depth), torch.zeros(2, 3, 32, 32), check_trace=False)
        return torch.jit.optimize_for_inference(torch.jit.freeze(traced))


def normalised(count: int) -> torch.Tensor:
    pixels = torch.from_numpy(np.load(DATA / "cifar10" / "test_images.npy")[:count]).permute(0, 3, 1, 2).float() / 255
    return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def forward_seconds(network: torch.nn.Module, values: torch.Tensor) -> float:
    with torch.inference_mode():
        start = time.perf_counter()
        network(values)
        return time.perf_counter() - start


def plain_loop(depth: int) -> tuple[float, int]:
    """Seconds and correct predictions of the usual loop."""
    start = time.perf_counter()
    network = network_of(depth)
    correct = 0
    with torch.no_grad():
        for images, labels in DataLoader(Pictures(), batch_size=256, num_workers=2):
            correct += int((network(images).argmax(1) == labels).sum())
    return time.perf_counter() - start, correct


def with_evalshift(depth: int, folder: Path, results_folder: Path) -> tuple[float, int, str]:
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
    results = run(registry, results=results_folder, console=quiet)
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
        print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {IMAGES:,} images of 32 × 32\n")
        best = {depth: apart.submit(best_choice, depth).result() for depth in MODELS}
        print(f"{'model':<10}{'plain loop':>12}{'pure forward':>14}{'evalshift':>12}   found")
        taken: list[tuple[float, float, float]] = []
        for repeat in range(REPEATS):
            rows = [compare(depth, best[depth], folder / f"results{repeat}-{depth}", folder, apart) for depth in MODELS]
            taken.append(tuple(map(sum, zip(*rows, strict=True))))  # pyright: ignore[reportArgumentType]
        plain, pure, ours = (median(column) for column in zip(*taken, strict=True))
        print(f"{'medians':<10}{plain:>10.1f} s{pure:>12.1f} s{ours:>10.1f} s")
        print(f"plain loop / evalshift {plain / ours:.2f}, evalshift / pure forward {ours / pure:.2f}")


def compare(
    depth: int, choice: tuple[int, int], results: Path, folder: Path, apart: ProcessPoolExecutor
) -> tuple[float, float, float]:
    """Seconds of the plain loop, of pure forward and of evalshift; exits where predictions differ."""
    plain, expected = apart.submit(plain_loop, depth).result()
    pure = apart.submit(pure_forward, depth, choice).result()
    ours, correct, how = with_evalshift(depth, folder, results)
    if correct != expected:
        sys.exit(f"resnet{depth}: {correct} correct here, {expected} in the plain loop")
    print(f"resnet{depth:<4}{plain:>10.1f} s{pure:>12.1f} s{ours:>10.1f} s   {how}, {correct} correct", flush=True)
    return plain, pure, ours


if __name__ == "__main__":
    main()
