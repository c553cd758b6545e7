"""Ray's workers beside a run without ray: four real ResNets, the embedded pair's models, and many tiny networks.

    python benchmarks/bench_ray.py [WORK ...] [--images 10000] [--repeats 3]

Both commands run in turn, each in a process of its own with a results folder of its own, on all cores of this machine:
ray with a worker per core, the other one with a process that uses all. Start-up is left out: starting ray, importing
torch in each worker and ending ray. What is compared is, with ray, how long its busiest worker worked, as the run
reports it, and without, the time from the first stored predictions to the last, by the times of the files, in which
loading the first model is missing. Predictions must be equal byte for byte. Medians of the repeats. ResNets need the
folder that EVALSHIFT_TEST_DATA names, with cifar10/ and checkpoints/.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from evalshift.evaluate.store import Results

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA", ROOT.parent / "shared" / "data"))
RESNETS = {20: "12fca82f", 32: "d509ac18", 44: "014dd654", 56: "4bfd9763"}
EXECUTORS = ("local", "ray")
TARGETS = {"resnets": 0.95, "digits": 1.0, "tiny": 1.0}
TINY_MODELS, TINY_IMAGES = 200, 500

NETWORKS = """
import torch
from torch import nn
def tiny(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(128, 10))
"""
TINY = "  tiny-{0:03}: {{source: python, trust: true, function: 'networks.py:tiny', arguments: {{seed: {0}}}, {1}}}\n"
RESNET = """\
  resnet{0}:
    source: checkpoint
    builder: evalshift.testbed.architectures:cifar_resnet{0}
    weights: {1}
    sha256: {2}
    classes: ten
    preprocess: {{mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
"""


# As in: worker    name, cpu (1 threads), process 7: 2 models, 4,004 images, 123 images/s
WORKER = re.compile(r"^worker .* models?, ([\d,]+) images, ([\d,]+) images/s$", re.MULTILINE)


def number(text: str) -> float:
    return float(text.replace(",", ""))


@dataclass(frozen=True)
class Command:
    """`evalshift run` on a registry; the packaged one where that is None."""

    registry: Path | None
    models: str = "*"

    def seconds(self, executor: str, results: Path) -> tuple[float, float]:
        """What it takes in all, and without its start."""
        arguments = ["run", "--models", self.models, "--results", results, "--device", "cpu", "--executor", executor]
        arguments += [] if self.registry is None else ["--registry", self.registry]
        own = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "RAY_ADDRESS")}
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "evalshift", *map(str, arguments)],
            env=own | {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))},
            cwd=results.parent,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(f"{executor} failed:\n{done.stderr}")
        whole = time.perf_counter() - start
        if executor == "ray":
            return whole, max(number(images) / number(rate) for images, rate in WORKER.findall(done.stderr))
        stored = [path.stat().st_mtime for path in results.glob("predictions/*/*.parquet")]
        return whole, max(stored) - min(stored)


def write_registry(folder: Path, sets: Sequence[tuple[np.ndarray, np.ndarray]], models: str) -> Path:
    """A registry with these images and labels as test sets, each but the first the new one of a pair."""
    folder.mkdir()
    (folder / "networks.py").write_text(NETWORKS)
    text = f"classes: {{ten: [{', '.join(f'c{number}' for number in range(10))}]}}\ndatasets:\n"
    for number, (images, labels) in enumerate(sets):
        np.save(folder / f"x{number}.npy", images)
        np.save(folder / f"y{number}.npy", labels)
        text += f"  set{number}: {{source: npy, images: x{number}.npy, labels: y{number}.npy, classes: ten}}\n"
    pairs = ", ".join(f'"set0:set{number}"' for number in range(1, len(sets)))
    (folder / "registry.yaml").write_text(f"{text}models:\n{models}pairs: [{pairs}]\n")
    return folder / "registry.yaml"


def tiny_registry(folder: Path, models: int, sets: int, images: int) -> Path:
    rng = np.random.default_rng(0)
    made = [(rng.integers(0, 256, (images, 8, 8, 3), np.uint8), rng.integers(0, 10, images)) for _ in range(sets)]
    entries = "".join(TINY.format(number, "classes: ten, preprocess: {}") for number in range(models))
    return write_registry(folder, made, entries)


def resnet_registry(folder: Path, images: int) -> Path:
    pixels, labels = (np.load(DATA / "cifar10" / f"test_{part}.npy") for part in ("images", "labels"))
    entries = "".join(
        RESNET.format(depth, DATA.absolute() / "checkpoints" / f"resnet{depth}-{start}.th", start)
        for depth, start in RESNETS.items()
    )
    return write_registry(folder, [(pixels[:2], labels[:2]), (pixels[:images], labels[:images])], entries)


def works(folder: Path, images: int) -> dict[str, tuple[str, Callable[[], Command]]]:
    """Name → what it is in words, and what makes it."""
    return {
        "resnets": (
            f"4 ResNets, {images:,} images of CIFAR-10",
            lambda: Command(resnet_registry(folder / "resnets", images)),
        ),
        "digits": ("the embedded pair's models", lambda: Command(None, "digits-*")),
        "tiny": (
            f"{TINY_MODELS} tiny networks × 4 sets of {TINY_IMAGES} images",
            lambda: Command(tiny_registry(folder / "tiny", TINY_MODELS, 4, TINY_IMAGES)),
        ),
    }


def stored(results: Path) -> dict[tuple[str, str], bytes]:
    store = Results(results)
    return {
        (dataset, model): store.load_predictions(dataset, model).top.tobytes()
        for dataset in store.datasets()
        for model in store.models(dataset)
    }


def compare(name: str, words: str, command: Command, folder: Path, repeats: int) -> bool:
    """Time both in turn and print what comes of it; whether the target is met. Exits where predictions differ."""
    whole: dict[str, list[float]] = {executor: [] for executor in EXECUTORS}
    alone: dict[str, list[float]] = {executor: [] for executor in EXECUTORS}
    for repeat in range(repeats):
        found = []
        for executor in EXECUTORS:
            results = folder / f"{name}-{repeat}-{executor}"
            seconds, apart = command.seconds(executor, results)
            whole[executor].append(seconds)
            alone[executor].append(apart)
            found.append(stored(results))
        if found[0] != found[1] or not found[0]:
            sys.exit(f"{name}: predictions with ray are not those without it")
        print(
            f"  {'   '.join(f'{one} {alone[one][-1]:.1f} of {whole[one][-1]:.1f} s' for one in EXECUTORS)}", flush=True
        )
    ratio = median(local / ray for local, ray in zip(alone["local"], alone["ray"], strict=True))
    target, ours = TARGETS[name], {one: median(alone[one]) for one in EXECUTORS}
    print(
        f"{words}: local {ours['local']:.1f} s, ray {ours['ray']:.1f} s, start apart; local / ray {ratio:.2f} "
        f"(target {target:g}, {'met' if ratio >= target else 'missed'}), "
        f"with start {median(whole['local']) / median(whole['ray']):.2f}",
        flush=True,
    )
    return ratio >= target


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("work", nargs="*", choices=[*TARGETS, []], help="which; all without any")
    parser.add_argument("--images", type=int, default=10_000, help="of CIFAR-10's test set")
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{os.cpu_count()} cores, as many of ray's workers; {chosen.repeats} repeats in turn")
        for work, (words, make) in works(folder, chosen.images).items():
            if chosen.work and work not in chosen.work:
                continue
            if work == "resnets" and not DATA.is_dir():
                print(f"{words}: {DATA} is not there; name the folder with EVALSHIFT_TEST_DATA")
                continue
            compare(work, words, make(), folder, chosen.repeats)


if __name__ == "__main__":
    main()
