"""CONTRIBUTING's recipe for a new format of datasets, performed on a copy of the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from commandline import copy_to_change

from evalshift.testbed.dataset_entries import AnyDataset

PACKAGE = Path(__file__).parents[3] / "evalshift"
ENTRY = '''class PlanesDataset(DatasetEntry):
    """Images of 2 × 2 in lines of 13 numbers: a label, then one plane per colour."""

    format = "planes"
    source: Literal["planes"]
    path: FilePath


'''
MODULE = '''"""Lines of numbers."""

import numpy as np

from evalshift.files import stat_checksum
from evalshift.testbed.datasets.dataset import Parts, numbered
from evalshift.testbed.readiness import state_of_files


def read(entry, space, where):
    """Each line an image."""
    rows = np.loadtxt(entry.path, dtype=np.int64, ndmin=2)
    images = rows[:, 1:].reshape(-1, 3, 2, 2).transpose(0, 2, 3, 1).astype(np.uint8)
    return Parts(numbered(len(rows)), images, rows[:, 0])


def source_checksum(entry):
    """Of the one file."""
    return stat_checksum([entry.path])


def state(entry):
    """Whether the file exists."""
    return state_of_files([entry.path])
'''


def test_a_new_format_is_one_module_and_one_entry(tmp_path: Path) -> None:
    copy = tmp_path / "evalshift"
    copy_to_change(PACKAGE, copy)
    shutil.copy(PACKAGE.parent / "registry.yaml", tmp_path)
    own_entries, entries = copy / "testbed" / "own_dataset_entries.py", copy / "testbed" / "dataset_entries.py"
    own_entries.write_text(own_entries.read_text("utf-8") + ENTRY, "utf-8")
    text = entries.read_text("utf-8")
    registration = "AnyDataset = Annotated[\n"
    assert text.count(registration) == 1
    imported = "from evalshift.testbed.own_dataset_entries import PlanesDataset\n"
    entries.write_text(text.replace(registration, f"{imported}{registration}    PlanesDataset\n    | "), "utf-8")
    (copy / "testbed" / "datasets" / "planes.py").write_text(MODULE, "utf-8")

    np.savetxt(tmp_path / "x.txt", np.arange(26).reshape(2, 13) % 13, fmt="%d")
    own = tmp_path / "own.yaml"
    own.write_text(
        "datasets:\n  mine: {source: planes, path: x.txt, classes: digits}\n"
        "  gone: {source: planes, path: gone.txt, classes: digits}\npairs: [mine:gone]\n"
    )

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        call = [sys.executable, "-m", "evalshift", *words, "--registry", str(own)]
        return subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True)

    listed = command("list", "datasets")
    assert (listed.returncode, listed.stderr) == (0, "")
    state = {
        line.split()[0]: line.split()[2] for line in listed.stdout.splitlines() if line.startswith(("mine", "gone"))
    }
    assert state == {"mine": "ready", "gone": "missing"}
    checked = command("check", "--data", "--pair", "mine:gone")
    assert (checked.returncode, checked.stderr) == (1, "")
    assert "2 images" in checked.stdout
    assert "a file of the dataset cannot be read" in checked.stdout


def test_every_entry_names_a_module_with_the_three_functions() -> None:
    from evalshift.testbed.datasets import format_of

    for kind in AnyDataset.__origin__.__args__:  # pyright: ignore[reportAttributeAccessIssue]
        module = format_of(kind)
        assert all(callable(getattr(module, name)) for name in ("read", "source_checksum", "state")), kind
