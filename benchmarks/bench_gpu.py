"""evalshift on a GPU beside pure forward and timm's validation loop: large networks with random weights on photographs.

    python benchmarks/bench_gpu.py --out FOLDER [--images 10000] [--seconds 280]

Three columns for each network and precision, in images/s: evalshift's run; pure forward, that is the best batch and
layout by hand on normalised images that are on the GPU already; the loop of timm's validate.py (its loader with pinned
memory and a prefetching stream, batch 256, AMP for bf16). Photographs are synthetic JPEGs of about ImageNet's sizes, of
which many names are links to the same file. evalshift decodes them for its first model only; the loop does for each.
Networks stand in the order of their names' cost, the first of them twice: once with decoding, once without. What
there is no time for is left out, and said. Writes gpu.json and gpu.md; `--device cpu` tries the script itself.
"""

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import timm
import torch
import yaml
from PIL import Image
from rich.console import Console
from timm.data.loader import create_loader
from torch import nn

from evalshift.evaluate.devices import describe, set_precision
from evalshift.evaluate.run import run
from evalshift.evaluate.store import Results

NETWORKS = ["resnet18", "resnet50", "vit_base_patch16_224", "convnext_base"]
PRECISIONS = ["fp32", "tf32", "bf16"]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Widths and heights of ImageNet's validation images, with about their shares.
SIZES = {
    (500, 375): 0.55,
    (375, 500): 0.15,
    (500, 333): 0.15,
    (333, 500): 0.05,
    (400, 300): 0.04,
    (1024, 768): 0.03,
    (1600, 1200): 0.02,
    (2400, 1800): 0.01,
}
DISTINCT = 1_000
REPEATS = 3


def main() -> None:
    chosen = parse()
    deadline = time.monotonic() + chosen.seconds
    device = torch.device(chosen.device)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        print(f"making {chosen.images:,} photographs", flush=True)
        make_photographs(folder / "photographs", chosen.images, min(chosen.distinct, chosen.images))
        rows: list[dict[str, Any]] = []
        for precision in chosen.precisions:
            if device.type == "cpu" and precision in ("tf32", "fp16"):
                continue
            with set_precision(precision, device):
                rows += measure(folder, precision, device, chosen, deadline)
            write(chosen.out, rows, device, chosen)
    print((chosen.out / "gpu.md").read_text("utf-8"))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for gpu.json and gpu.md")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--distinct", type=int, default=DISTINCT, help="files among them that differ")
    parser.add_argument("--seconds", type=float, default=280, help="what would begin later is left out")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="names of timm")
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    return chosen


def measure(
    folder: Path, precision: str, device: torch.device, chosen: argparse.Namespace, deadline: float
) -> Iterator[dict[str, Any]]:
    """A row per network: the three columns, None where there was no time."""
    ours = with_evalshift(folder, precision, device, chosen.networks) if time.monotonic() < deadline else {}
    for place, name in enumerate([chosen.networks[0], *chosen.networks]):
        row: dict[str, Any] = {"network": name, "precision": precision, "decoded": place == 0}
        row["evalshift"] = ours.get(f"{name}-first" if place == 0 else name)
        row["pure_forward"] = pure_forward(name, precision, device) if time.monotonic() < deadline else None
        in_time = time.monotonic() < deadline and place > 0
        row["timm_loop"] = timm_loop(folder, name, precision, device) if in_time else None
        print(row, flush=True)
        yield row


def make_photographs(folder: Path, count: int, distinct: int) -> None:
    """`count` names in `folder`/0, and a list of them with their labels."""
    (folder / "0").mkdir(parents=True)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        made = list(pool.map(photograph, range(distinct), chunksize=16))
    names = [f"0/{number:05d}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        if number < distinct:
            (folder / name).write_bytes(made[number])
        else:
            (folder / name).hardlink_to(folder / names[number % distinct])
    for listed, part in (("all.csv", names), ("few.csv", names[:2])):
        (folder / listed).write_text(
            "\n".join(["path,label", *(f"{name},{place % 1000}" for place, name in enumerate(part))]) + "\n"
        )


def photograph(number: int) -> bytes:
    """A JPEG with large shapes and fine grain, which takes about as many bytes per pixel as a photograph."""
    rng = np.random.default_rng(number)
    width, height = list(SIZES)[rng.choice(len(SIZES), p=np.array(list(SIZES.values())))]
    shapes = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    grain = rng.normal(0, 16, (height, width, 1))
    pixels = np.clip(np.asarray(shapes, dtype=np.float32) + grain, 0, 255).astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=85)
    return written.getvalue()


def with_evalshift(folder: Path, precision: str, device: torch.device, networks: list[str]) -> dict[str, float]:
    """Images/s of each network in one run, by name; the first of them is run first under another name as well."""
    photographs = folder / "photographs"
    (folder / "networks.py").write_text(
        "import timm\n\n\ndef network(name):\n    return timm.create_model(name, pretrained=False)\n"
    )
    geometry = {"resize": 256, "crop": 224, "interpolation": "bilinear", "mean": list(MEAN), "std": list(STD)}
    entry = {
        "source": "python",
        "function": str(folder / "networks.py:network"),
        "classes": "thousand",
        "preprocess": geometry,
        "trust": True,
    }
    names = {f"{networks[0]}-first": networks[0], **{name: name for name in networks}}
    listed = {"source": "list", "path": str(photographs), "classes": "thousand"}
    registry = folder / "registry.yaml"
    content = {
        "classes": {"thousand": [f"class {number:03d}" for number in range(1000)]},
        "datasets": {
            "photographs": {**listed, "labels": str(photographs / "all.csv")},
            "few": {**listed, "labels": str(photographs / "few.csv")},
        },
        "models": {name: {**entry, "arguments": {"name": one}} for name, one in names.items()},
        "pairs": ["photographs:few"],
    }
    registry.write_text(yaml.safe_dump(content, sort_keys=False))
    said = io.StringIO()
    results = run(
        registry,
        results=Results(folder / f"results-{precision}"),
        device=str(device),
        precision=precision,
        console=Console(file=said, width=200),
    )
    print(said.getvalue(), flush=True)
    if results.failures:
        sys.exit(f"evalshift failed: {results.failures}")
    stored = {name: results.provenance("photographs", name) for name in names}
    return {name: one.images_per_second for name, one in stored.items() if one is not None and one.images_per_second}


def pure_forward(name: str, precision: str, device: torch.device) -> float:
    """Images/s of the best batch and layout on images that are on the device, normalised: the median of three."""
    best = 0.0
    for layout in (torch.contiguous_format, torch.channels_last):
        network = network_for(name, precision, device).to(memory_format=layout)  # pyright: ignore[reportCallIssue]
        for size in (64, 128, 256, 512) if device.type == "cuda" else (2, 4):
            images = torch.randn(size, 3, 224, 224, device=device, dtype=next(network.parameters()).dtype)
            images = images.contiguous(memory_format=layout)
            calls = max(1, 1024 // size) if device.type == "cuda" else 1
            with torch.no_grad():
                for _ in range(2):
                    network(images)
                taken = median(seconds(network, images, calls, device) for _ in range(REPEATS))
            best = max(best, calls * size / taken)
    return best


def network_for(name: str, precision: str, device: torch.device) -> nn.Module:
    network = timm.create_model(name, pretrained=False).eval().to(device)
    return network.to(torch.bfloat16) if precision == "bf16" else network


def seconds(network: nn.Module, images: torch.Tensor, calls: int, device: torch.device) -> float:
    synchronize(device)
    start = time.perf_counter()
    for _ in range(calls):
        network(images)
    synchronize(device)
    return time.perf_counter() - start


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Listed(torch.utils.data.Dataset[tuple[Any, int]]):
    """The photographs as an image folder gives them: opened one at a time, by Pillow."""

    def __init__(self, folder: Path) -> None:
        lines = (folder / "all.csv").read_text().splitlines()[1:]
        self.files = [(folder / line.split(",")[0], int(line.split(",")[1])) for line in lines]
        self.transform: Any = None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> tuple[Any, int]:
        path, label = self.files[place]
        with Image.open(path) as image:
            return self.transform(image.convert("RGB")), label


def timm_loop(folder: Path, name: str, precision: str, device: torch.device) -> float:
    """Images/s of the loop in timm's validate.py, starting of its workers included."""
    dataset: Any = Listed(folder / "photographs")
    network = timm.create_model(name, pretrained=False).eval().to(device)
    criterion = nn.CrossEntropyLoss().to(device)
    on_gpu = device.type == "cuda"
    loader = create_loader(
        dataset,
        (3, 224, 224),
        256 if on_gpu else 8,
        use_prefetcher=on_gpu,
        interpolation="bilinear",
        mean=MEAN,
        std=STD,
        num_workers=os.cpu_count() or 1,
        crop_pct=0.875,
        pin_memory=on_gpu,
        device=device,
    )
    start = time.perf_counter()
    with torch.inference_mode(), tuned_convolutions(on_gpu):
        for images, labels in loader:
            labels = labels.to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                output = network(images.to(device))
                loss = criterion(output, labels)
            loss.item()
            best = output.topk(5, 1, True, True).indices
            (best == labels[:, None]).float().sum().item()
    synchronize(device)
    return len(dataset) / (time.perf_counter() - start)


@contextmanager
def tuned_convolutions(on: bool) -> Iterator[None]:
    """cuDNN tries its kernels for each shape, as validate.py lets it."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = on
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def write(out: Path, rows: list[dict[str, Any]], device: torch.device, chosen: argparse.Namespace) -> None:
    """gpu.json with all that was measured, and gpu.md with the table."""
    facts = {
        "device": describe(device),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "cores": os.cpu_count(),
        "images": chosen.images,
        "distinct_images": min(chosen.distinct, chosen.images),
        "rows": rows,
    }
    (out / "gpu.json").write_text(json.dumps(facts, indent=1) + "\n")
    said = f"{facts['device']}, {facts['cores']} cores, torch {torch.__version__}, timm {timm.__version__}; "
    said += f"{chosen.images:,} photographs of {facts['distinct_images']:,} files; images/s"
    columns = (
        "network",
        "precision",
        "evalshift",
        "forward pass alone",
        "timm's loop",
        "share of forward pass",
        "speed-up over the loop",
    )
    lines = [said, "", f"| {' | '.join(columns)} |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        ours, pure, loop = row["evalshift"], row["pure_forward"], row["timm_loop"]
        name = f"{row['network']}, with decoding" if row["decoded"] else row["network"]
        share = f"{ours / pure:.0%}" if ours and pure else "not measured"
        times = f"{ours / loop:.2f}" if ours and loop else "not measured"
        numbers = [f"{number:,.0f}" if number else "not measured" for number in (ours, pure, loop)]
        lines.append(f"| {' | '.join([name, row['precision'], *numbers, share, times])} |")
    (out / "gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
