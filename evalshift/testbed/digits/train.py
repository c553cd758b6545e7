"""Trains the models of the embedded pair and writes their checkpoints.

    python -m evalshift.testbed.digits.train [--out DIR] [--seed 0] [--models GLOB ...] [--registry FILE]

The files in checkpoints/ are this script's output with its defaults; the registry entries are what `--registry` wrote.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
import yaml
from rich.console import Console
from rich.progress import track
from rich.table import Table
from safetensors.torch import save
from scipy.special import ndtri

from evalshift.errors import EvalshiftError, ModelError, UsageError, did_you_mean
from evalshift.files import write_atomic
from evalshift.testbed.digits.fitting import PREPROCESS, Fit, normalise, predict
from evalshift.testbed.digits.recipes import RECIPES, Recipe
from evalshift.testbed.digits.split import DigitsPart, DigitsSplit, digits_split

CHECKPOINTS = Path(__file__).parent / "checkpoints"


@dataclass(frozen=True)
class Trained:
    """A model as it lies on disk; `original_correct` and `new_correct` are counts on the two test parts."""

    recipe: Recipe
    fit: Fit
    path: Path
    sha256: str
    size: int
    original_correct: int
    new_correct: int


def train(recipes: Sequence[Recipe], split: DigitsSplit, out: Path, seed: int) -> Iterator[Trained]:
    """Fits each recipe and writes OUT/NAME.safetensors; gives each model as soon as it is written.

    Raises ModelError if a module predicts the training images differently from the scikit-learn model that it copies.
    """
    images = normalise(split.train.images)
    for recipe in recipes:
        fit = recipe.fit(images[: recipe.images], split.train.labels[: recipe.images], seed=seed)
        check_conversion(recipe.name, fit, split.train)
        content = checkpoint(recipe, fit, seed)
        path = out / f"{recipe.name}.safetensors"
        write_atomic(path, content)
        yield Trained(
            recipe=recipe,
            fit=fit,
            path=path,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            original_correct=correct(fit, split.original),
            new_correct=correct(fit, split.new),
        )


def check_conversion(name: str, fit: Fit, part: DigitsPart) -> None:
    """Raises ModelError where the module's predictions on the first images of `part` differ from scikit-learn's."""
    if fit.predictions is None:
        return
    n = len(fit.predictions)
    differ = int((predict(fit.module(), part.images[:n]) != fit.predictions).sum())
    if differ:
        raise ModelError(
            "the torch module and the scikit-learn model predict differently",
            where=name,
            found=f"{differ} of {n} training images predicted differently",
            expected="the same predictions",
        )


def checkpoint(recipe: Recipe, fit: Fit, seed: int) -> bytes:
    """The safetensors file: the state dict, and as metadata how it was made."""
    made = {"builder": fit.builder, "arguments": fit.arguments, "images": recipe.images, "seed": seed}
    # One key alone, since safetensors writes several in random order and the file would have another hash each time.
    return save({name: tensor.contiguous() for name, tensor in fit.state.items()}, {"evalshift": json.dumps(made)})


def correct(fit: Fit, part: DigitsPart) -> int:
    """The number of images of `part` that the model classifies correctly."""
    return int((predict(fit.module(), part.images) == part.labels).sum())


def registry_entries(trained: Sequence[Trained], split: DigitsSplit) -> str:
    """The `models:` part of a registry, as YAML; `expected` is the accuracy on the original set to four digits."""
    entries = {}
    for model in trained:
        entry: dict[str, Any] = {
            "source": "checkpoint",
            "builder": f"evalshift.testbed.digits.networks:{model.fit.builder}",
            "arguments": _Inline(model.fit.arguments),
            "weights": _weights(model.path),
            "sha256": model.sha256,
            "classes": "digits",
            "preprocess": _Inline(PREPROCESS.model_dump(mode="json", exclude_unset=True)),
            "family": model.recipe.family,
            "expected": _Inline({"digits": round(model.original_correct / len(split.original.labels), 4)}),
        }
        if model.recipe.year is not None:
            entry["year"] = model.recipe.year
        entries[model.recipe.name] = entry
    return yaml.dump({"models": entries}, Dumper=_Dumper, sort_keys=False, width=10_000)


def probit_line(trained: Sequence[Trained], split: DigitsSplit) -> tuple[float, float]:
    """Slope and offset of new on original accuracy, least squares on the probit scale; NaN for fewer than 2 models."""
    if len(trained) < 2:
        return np.nan, np.nan
    original = _probit([model.original_correct for model in trained], len(split.original.labels))
    new = _probit([model.new_correct for model in trained], len(split.new.labels))
    slope, offset = np.polyfit(original, new, 1)
    return float(slope), float(offset)


def select(globs: Sequence[str]) -> list[Recipe]:
    """The recipes whose names match any of the globs. Raises UsageError for a glob that matches none."""
    names = [recipe.name for recipe in RECIPES]
    for glob in globs:
        if not any(fnmatch(name, glob) for name in names):
            raise UsageError(
                "no model of the embedded pair has this name",
                where="--models",
                found=glob,
                expected=f"a glob that matches one of {', '.join(names)}",
                fix=did_you_mean(glob, names),
            )
    return [recipe for recipe in RECIPES if any(fnmatch(recipe.name, glob) for glob in globs)]


def main(
    out: Annotated[Path, typer.Option(help="Where the checkpoints go.")] = CHECKPOINTS,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn.")] = 0,
    models: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Only these models; may be repeated.")
    ] = None,
    registry: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write their registry entries.")] = None,
) -> None:
    """Trains the models of the embedded pair, in under a minute.

    Example: python -m evalshift.testbed.digits.train --out /tmp/digits --models "digits-cnn*"
    """
    torch.set_num_threads(1)  # sums in another order would give another file on a machine with more cores
    start = time.perf_counter()
    try:
        recipes = select(models or ["*"])
        split = digits_split()
        progress = Console(stderr=True)
        fitted = train(recipes, split, out, seed)
        trained = list(
            track(fitted, "training", total=len(recipes), console=progress, disable=not progress.is_terminal)
        )
    except EvalshiftError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(error.exit_code) from error
    if registry is not None:
        write_atomic(registry, registry_entries(trained, split).encode())
    _print(trained, split, time.perf_counter() - start)


def _print(trained: Sequence[Trained], split: DigitsSplit, seconds: float) -> None:
    table = Table("model", title="The embedded pair", title_justify="left")
    for column in ("original", "new", "drop", "bytes"):
        table.add_column(column, justify="right")
    drops = []
    for model in sorted(trained, key=lambda model: -model.original_correct):
        original = model.original_correct / len(split.original.labels)
        new = model.new_correct / len(split.new.labels)
        drops.append(original - new)
        numbers = (f"{original:.2%}", f"{new:.2%}", f"{100 * (original - new):+.2f}", f"{model.size:,}")
        table.add_row(model.recipe.name, *numbers)
    slope, offset = probit_line(trained, split)
    console = Console()
    console.print(table)
    console.print(f"{len(trained)} models, {sum(model.size for model in trained):,} bytes, {seconds:.0f} s")
    console.print(
        f"mean drop {100 * np.mean(drops):.2f} points; on the probit scale slope {slope:.3f}, offset {offset:+.3f}"
    )


def _probit(counts: Sequence[int], total: int) -> np.ndarray:
    """Φ⁻¹ of the accuracies, which as 0 or 1 would be infinite and become (k + ½)/(n + 1)."""
    k = np.asarray(counts)
    return ndtri(np.where((k == 0) | (k == total), (k + 0.5) / (total + 1), k / total))


def _weights(path: Path) -> str:
    if path.parent.resolve() == CHECKPOINTS.resolve():
        return f"package:evalshift.testbed.digits/checkpoints/{path.name}"
    return str(path)


class _Inline(dict):
    """A mapping that stands on one line of YAML."""


class _Dumper(yaml.SafeDumper):
    """YAML in which only `_Inline` mappings stand on one line."""


_Dumper.add_representer(
    _Inline, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)
)


if __name__ == "__main__":
    typer.run(main)
