"""The command as tests drive it, and a testbed of a few hundred bytes to drive it on."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from evalshift.cli import app

# Three shades of grey. `good` knows them all, `shy` never says bright, `dark` always says dark.
NETWORKS = """
import torch
from torch import nn


class Nearest(nn.Module):
    def __init__(self, *shades):
        super().__init__()
        self.shades = nn.Parameter(torch.tensor(shades))

    def forward(self, images):
        return -(images.mean(dim=(1, 2, 3))[:, None] - self.shades).abs()


def good():
    return Nearest(0.1, 0.5, 0.9)


def shy():
    return Nearest(0.1, 0.5, 9.0)


def dark():
    return Nearest(0.5, 9.0, 9.0)
"""

REGISTRY = """\
classes:
  shades: [dark, middle, bright]
datasets:
  original: {source: npy, images: original_x.npy, labels: original_y.npy, classes: shades, note: twelve greys}
  new: {source: npy, images: new_x.npy, labels: new_y.npy, classes: shades}
models:
  good:
    {source: python, trust: true, function: "networks.py:good", classes: shades, preprocess: {}, family: nearest,
     year: 2001}
  shy:
    source: python
    trust: true
    function: networks.py:shy
    classes: shades
    preprocess: {mean: [0.0]}
    expected: {original: 0.667}
  dark: {source: python, trust: true, function: "networks.py:dark", classes: shades, preprocess: {}}
pairs:
  - original:new
"""

# correct predictions of each model on the 12 images of either set.
CORRECT = {"good": (12, 10), "shy": (8, 8), "dark": (4, 4)}

SHADES = np.array([26, 128, 230], dtype=np.uint8)
LABELS = np.tile(np.arange(3), 4)


def write_testbed(folder: Path) -> Path:
    """A registry with its networks and two sets of 12 images, each 4 × 4; in the new one, two bright images dimmed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "networks.py").write_text(NETWORKS, "utf-8")
    registry = folder / "registry.yaml"
    registry.write_text(REGISTRY, "utf-8")
    greys = SHADES[LABELS]
    dimmed = greys.copy()
    dimmed[[2, 5]] = 128
    for name, values in (("original", greys), ("new", dimmed)):
        images = np.broadcast_to(values[:, None, None, None], (12, 4, 4, 1)).copy()
        # No image is another's: a corner pixel differs a little, which no model's shade depends on.
        corner = np.arange(12, dtype=images.dtype) + 12 * (name == "new")
        images[:, 0, 0, 0] = np.where(
            images[:, 0, 0, 0] > 128, images[:, 0, 0, 0] - corner, images[:, 0, 0, 0] + corner
        )
        np.save(folder / f"{name}_x.npy", images)
        np.save(folder / f"{name}_y.npy", LABELS)
    return registry


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def run_here(*arguments: object) -> Ran:
    """The command in this process. An exception that the command lets through fails the test."""
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], prog_name="evalshift", catch_exceptions=False
    )
    assert "Traceback" not in result.output
    return Ran(result.exit_code, result.stdout, result.stderr)


def run_apart(*arguments: object, folder: Path, before: str = "", **variables: str) -> Ran:
    """The command in a process of its own; `before` is Python that runs first."""
    with start(*arguments, folder=folder, before=before, **variables) as process:
        return end(process)


def start(*arguments: object, folder: Path, before: str = "", **variables: str) -> subprocess.Popen[str]:
    """What `run_apart` runs, still running."""
    code = f"import sys\n{before}\nfrom evalshift.__main__ import main\nsys.argv[0] = 'evalshift'\nmain()"
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def end(process: subprocess.Popen[str]) -> Ran:
    """Wait for a process that `start` gave."""
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return Ran(process.returncode, out, err)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its name there, as bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def copy_to_change(source: Path, target: Path) -> None:
    """The files below a folder, to be changed: the tests may stand in a folder that is not their user's to write to."""
    for path in source.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
