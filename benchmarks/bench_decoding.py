"""Decoding once for all models: what each further model costs, beside the networks alone and beside a plain loop.

python benchmarks/bench_decoding.py [IMAGES]

1, 2, 4 and 8 networks of one geometry on real photographs, repeated to so many files (default 2,000), with nothing kept
in memory: from the cache on disk, and streamed to all networks in turns. Beside it the same runs on an array of the
cropped images, which is the networks alone, and the loop that one would write, which decodes for each model anew. Then
a run tomorrow, into another folder of results. Needs the folder that EVALSHIFT_TEST_DATA names, with imagenet-samples/.
"""

import io
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.models import mobilenet_v3_small

import evalshift.evaluate.images as images_module
from evalshift import run
from evalshift.evaluate.decode_cache import DecodeCache
from evalshift.testbed.preprocessing import Preprocess, apply_geometry

DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
IMAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
MODELS = (1, 2, 4, 8)
ROUNDS = 3
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
NETWORK = """
import torch
from torchvision.models import mobilenet_v3_small

def network(seed):
    torch.manual_seed(seed)
    return mobilenet_v3_small()
"""
REGISTRY = """
datasets:
  photographs: {{source: folder, path: photographs, classes: imagenet-1k}}
  few: {{source: folder, path: few, classes: imagenet-1k}}
  arrays: {{source: npy, images: x.npy, labels: y.npy, classes: imagenet-1k}}
  few-arrays: {{source: npy, images: few_x.npy, labels: few_y.npy, classes: imagenet-1k}}
models:
{models}
"""
MODEL = """
  {kind}-{number}:
    source: python
    function: network.py:network
    arguments: {{seed: {number}}}
    classes: imagenet-1k
    preprocess: {{{geometry}mean: {mean}, std: {std}}}
"""


def prepare(folder: Path) -> None:
    """The photographs as files, the same cropped as an array, and a registry of networks for both."""
    paths = sorted((DATA / "imagenet-samples").glob("*/*.JPEG"))
    if not paths:
        sys.exit(f"no photographs in {DATA}; name the folder with EVALSHIFT_TEST_DATA")
    crop = Preprocess(resize=256, crop=224)
    chosen = [paths[number % len(paths)] for number in range(IMAGES)]
    for number, path in enumerate(chosen):
        for part in ("photographs", "few")[: 2 if number < 8 else 1]:
            place = folder / part / path.parent.name
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place / f"{number:05d}.JPEG")
    cropped = {path: np.asarray(apply_geometry(Image.open(path).convert("RGB"), crop)) for path in paths}
    np.save(folder / "x.npy", np.stack([cropped[path] for path in chosen]))
    np.save(folder / "y.npy", np.zeros(IMAGES, np.int64))
    np.save(folder / "few_x.npy", np.stack([cropped[path] for path in chosen[:8]]))
    np.save(folder / "few_y.npy", np.zeros(8, np.int64))
    (folder / "network.py").write_text(NETWORK)
    kinds = {"file": "resize: 256, crop: 224, ", "array": ""}
    models = [
        MODEL.format(kind=kind, number=number, geometry=geometry, mean=MEAN, std=STD)
        for kind, geometry in kinds.items()
        for number in range(max(MODELS) + 1)
    ]
    (folder / "registry.yaml").write_text(REGISTRY.format(models="".join(models)))


def timed(folder: Path, kind: str, numbers: range, cache_size: str, results: str) -> tuple[float, int]:
    """Seconds of a run of these networks, and how many images were decoded."""
    said = io.StringIO()
    pair = "few:photographs" if kind == "file" else "few-arrays:arrays"
    start = time.perf_counter()
    run(
        folder / "registry.yaml",
        [pair],
        [f"{kind}-{number}" for number in numbers],
        folder / results,
        device="cpu",
        cache_size=cache_size,
        cache_dir=folder / "cache",
        force=True,
        console=Console(file=said, width=200),
    )
    seconds = time.perf_counter() - start
    found = re.search(r"decode .*? \(([\d,]+) image", said.getvalue())
    return seconds, int(found[1].replace(",", "")) if found else 0


def plain_loop(folder: Path) -> float:
    """Seconds of one network in the usual loop."""
    start = time.perf_counter()
    steps = [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    loader = DataLoader(ImageFolder(folder / "photographs", transforms.Compose(steps)), batch_size=256, num_workers=2)
    network = mobilenet_v3_small().eval()
    with torch.no_grad():
        for images, _ in loader:
            network(images).argmax(1)
    return time.perf_counter() - start


def growth(times: dict[int, float]) -> float:
    """Seconds per further network: the slope of the least-squares line of seconds on networks."""
    return float(np.polyfit(list(times), list(times.values()), 1)[0])


def main() -> None:
    images_module.CACHE_BYTES = 0  # nothing fits into memory
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        timed(folder, "array", range(1), "0", "warm")
        kinds = {"networks alone": ("array", "0"), "cache on disk": ("file", "10GB"), "streamed": ("file", "0")}
        found: dict[str, dict[int, list[float]]] = {kind: {count: [] for count in MODELS} for kind in kinds}
        decoded: dict[str, set[int]] = {kind: set() for kind in kinds}
        loops = []
        for _ in range(ROUNDS):
            loops.append(plain_loop(folder))
            for count in MODELS:
                for kind, (of, size) in kinds.items():
                    DecodeCache(folder / "cache").clear()
                    seconds, images = timed(folder, of, range(count), size, "results")
                    found[kind][count].append(seconds)
                    decoded[kind].add(images)
        threads = torch.get_num_threads()
        print(f"{IMAGES:,} photographs, MobileNetV3 small, {threads} threads, medians of {ROUNDS}; seconds of runs\n")
        print(f"{'':<18}" + "".join(f"{count:>9}" for count in MODELS) + "   per further network   images decoded")
        alone = 0.0
        for kind, times in found.items():
            middle = {count: median(times[count]) for count in MODELS}
            further = growth(middle)
            alone = alone or further
            line = f"{kind:<18}" + "".join(f"{seconds:>8.1f}s" for seconds in middle.values())
            images = ", ".join(f"{count:,}" for count in sorted(decoded[kind]))
            print(f"{line}{further:>9.2f} s ({further / alone:.2f} ×)     {images}")
        loop = median(loops)
        print(f"{'plain loop':<18}" + "".join(f"{loop * count:>8.1f}s" for count in MODELS) + f"{loop:>9.2f} s")
        first = timed(folder, "file", range(1), "10GB", "today")
        later = timed(folder, "file", range(8, 9), "10GB", "tomorrow")
        print(f"\ntoday, one network          {first[0]:6.1f} s, {first[1]:,} images decoded")
        print(f"tomorrow, another network   {later[0]:6.1f} s, {later[1]:,} images decoded")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"peak memory of all runs together: {peak:.2f} GiB")


if __name__ == "__main__":
    main()
