"""Images that carry their own number, networks that look logits up in a table, and a user's folder to run them in."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from rich.console import Console
from torch import nn

from evalshift.evaluate.predictions import Predictions, Provenance
from evalshift.evaluate.run import run
from evalshift.evaluate.store import SCHEMA_VERSION, Results
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.models import Classifier
from evalshift.testbed.preprocessing import Preprocess

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class ByTable(nn.Module):
    """Predictions image number i with row i of a table of logits; expects pixels as bytes (`scale: 255`)."""

    def __init__(self, table: Sequence[Sequence[float]] | torch.Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.as_tensor(table, dtype=torch.float32))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.table[images[:, 0, 0, 0].long()]


def letters(count: int) -> ClassSpace:
    return ClassSpace("letters", tuple(LETTERS[:count]))


@pytest.fixture
def numbered() -> Callable[..., np.ndarray]:
    """Makes images; the first pixel of image i is i."""

    def make(count: int, side: int = 4, channels: int = 1) -> np.ndarray:
        images = np.zeros((count, side, side, channels), np.uint8)
        images[:, 0, 0, 0] = np.arange(count)
        return images

    return make


@pytest.fixture
def make_dataset(numbered: Callable[..., np.ndarray]) -> Callable[..., Dataset]:
    """Makes a dataset of image arrays or files, or of so many numbered images."""

    def make(
        images: Any, labels: Sequence[int] | None = None, classes: int = 4, ids: Sequence[str] | None = None
    ) -> Dataset:
        images = numbered(images) if isinstance(images, int) else images
        count = len(images)
        return Dataset(
            name="numbered",
            classes=letters(classes),
            ids=tuple(ids) if ids else tuple(f"image-{number}" for number in range(count)),
            labels=np.array(labels if labels is not None else [0] * count, np.int64),
            images=images,
        )

    return make


@pytest.fixture
def make_classifier() -> Callable[..., Classifier]:
    """Makes a classifier of a network, or of a table of logits for numbered images."""

    def make(module: Any, classes: int = 4, **preprocess: Any) -> Classifier:
        if not isinstance(module, nn.Module):
            module = ByTable(module)
        settings = Preprocess(**(preprocess or {"scale": 255}))
        return Classifier("table", module.eval().requires_grad_(False), settings, letters(classes))

    return make


@pytest.fixture
def make_predictions() -> Callable[..., Predictions]:
    def make(top: Any, prob: Any = None, *, model: str = "resnet", dataset: str = "old", **facts: Any) -> Predictions:
        top = np.array(top, np.int32)
        prob = np.full(len(top), 0.5, np.float32) if prob is None else np.array(prob, np.float32)
        known: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "model": model,
            "dataset": dataset,
            "classes": "letters",
            "entry": {"source": "python", "function": "networks.py:good", "classes": "letters"},
            "identity": {"source": "python", "classes": "letters"},
            "checkpoint_sha256": None,
            "dataset_fingerprint": "ab" * 32,
            "preprocess": {"mean": [0.5], "std": [0.25]},
            "device": "cpu (1 threads)",
            "precision": "fp32",
            "batch_size": 32,
            "memory_format": "contiguous",
            "versions": {"torch": "2.4.0"},
            "git_revision": None,
            "start": "2026-01-02T03:04:05+00:00",
            "seconds": 0.5,
            "images_per_second": 20.0,
        }
        return Predictions(model, dataset, top, prob, Provenance(**(known | facts)))

    return make


# What a user's own file of networks may hold, the unusable kinds too.
NETWORKS = '''
import os
import time
import torch
from torch import nn


class Shades(nn.Module):
    """The class whose shade is nearest; `fault` is what goes wrong in the forward pass."""

    def __init__(self, shades, fault=None, pause=0.0):
        super().__init__()
        self.shades = nn.Parameter(torch.tensor(shades))
        self.fault, self.pause = fault, pause

    def forward(self, images):
        time.sleep(self.pause)
        logits = -10 * (images.mean(dim=(1, 2, 3))[:, None] - self.shades).abs()
        if self.fault == "outputs":
            return torch.zeros(len(images), 1001)
        if self.fault == "nan":
            logits[images.amax(dim=(1, 2, 3)) > 0.9, 1] = torch.nan
        if self.fault == "die":
            os._exit(9)
        if self.fault == "exit":
            raise SystemExit(3)
        if self.fault == "raise":
            raise ArithmeticError("the network lost its way\\nand says so at length")
        return logits


def shades(shades=(0.1, 0.4, 0.6, 0.9), fault=None, pause=0.0):
    return Shades(shades, fault, pause)


def broken():
    raise LookupError("no such recipe")


def outdated():
    import logging, warnings
    logging.getLogger("shades.old").warning("%s is not read", "gamma")
    for _ in range(2):
        warnings.warn("shades is now\\ncalled tones", UserWarning)
    return Shades((0.1, 0.4, 0.6, 0.9), None, 0.0)
'''

SHADES = np.array([26, 102, 153, 230], dtype=np.uint8)


class Project:
    """A user's folder: two test sets as arrays, networks in a file, and a registry that names them.

    `old` has 12 images and `new` has 8, of four shades in turn; a network with the default shades knows them all.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.registry = path / "registry.yaml"
        self.results = Results(path / "results")
        self.content: dict[str, Any] = {
            "classes": {"shades": ["black", "grey", "light", "white"]},
            "datasets": {},
            "models": {},
            "pairs": ["old:new"],
        }
        (path / "networks.py").write_text(NETWORKS)
        self.dataset("old", 12)
        self.dataset("new", 8)

    def dataset(self, name: str, count: int, **changes: Any) -> None:
        labels = np.arange(count) % 4
        np.save(self.path / f"{name}_x.npy", np.tile(SHADES[labels][:, None, None, None], (1, 4, 4, 1)))
        np.save(self.path / f"{name}_y.npy", labels)
        arrays = {"images": f"{name}_x.npy", "labels": f"{name}_y.npy"}
        self.content["datasets"][name] = {"source": "npy", **arrays, "classes": "shades", **changes}

    def model(self, name: str, function: str = "shades", *, arguments: dict | None = None, **entry: Any) -> None:
        self.content["models"][name] = {
            "source": "python",
            "function": f"networks.py:{function}",
            "classes": "shades",
            "preprocess": {},
            **({"arguments": arguments} if arguments else {}),
            **entry,
        }

    def save(self) -> Path:
        self.registry.write_text(yaml.safe_dump(self.content, sort_keys=False, allow_unicode=True))
        return self.registry

    def run(self, **options: Any) -> tuple[Results, str]:
        """The results, and all that was said."""
        said = io.StringIO()
        console = options.pop("console", None) or Console(file=said, width=200)
        options = {"device": "cpu", "batch_size": 4} | options
        return run(self.save(), results=self.results, console=console, **options), said.getvalue()

    def start(self, *, batch_size: int = 1) -> subprocess.Popen[str]:
        """The same as a process of its own, which signals can be sent to."""
        options = ["--device", "cpu", "--batch-size", str(batch_size)]
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "evalshift",
                "run",
                "--registry",
                self.save(),
                "--results",
                self.results.path,
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def python() -> Callable[..., str]:
    """Run code in a fresh interpreter: what it printed. Fails with its errors when it does."""

    def run_code(code: str, *arguments: object, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_code
