"""Pipes and devices in place of files: a reader would wait for ever, or read for ever."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from evalshift.errors import DataError
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.corrected_labels import corrected_labels
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.datasets import load_dataset

_DATASET: TypeAdapter[Any] = TypeAdapter(AnyDataset)
_SPACE = ClassSpace("cifar10", tuple("abcdefghij"))
_NPY = {"source": "npy", "images": "x.npy", "labels": "y.npy"}
_SMALL = {"source": "imagenet-downsampled", "size": 8, "classes": "imagenet-1k"}
SLOTS = [
    ("x.npy", _NPY),
    ("y.npy", _NPY),
    ("i.txt", _NPY | {"ids": "i.txt"}),
    ("i.npy", _NPY | {"ids": "i.npy"}),
    *((f"a{suffix}", _NPY | {"attributes": f"a{suffix}"}) for suffix in (".csv", ".json", ".npy", ".parquet")),
    *((f"l{suffix}", _NPY | {"multi_labels": f"l{suffix}"}) for suffix in (".csv", ".json", ".jsonl", ".npy")),
    *((f"l{suffix}", {"source": "list", "path": ".", "labels": f"l{suffix}"}) for suffix in (".csv", ".json")),
    ("x.npz", {"source": "npz", "path": "x.npz"}),
    ("w.tar", {"source": "webdataset", "path": "w.tar"}),
    ("p.parquet", {"source": "parquet", "path": "p.parquet"}),
    ("test_batch", {"source": "cifar10", "path": "."}),
    ("c.tar.gz", {"source": "cifar10", "path": "c.tar.gz"}),
    ("t10k-images-idx3-ubyte", {"source": "mnist", "path": ".", "classes": "mnist"}),
    ("val_data", _SMALL | {"path": "val_data"}),
    ("fog.npy", {"source": "cifar-c", "corruption": "fog", "severity": 1, "path": "."}),
]


def _folder(tmp_path: Path, name: str, kind: str) -> Path:
    np.save(tmp_path / "x.npy", np.zeros((4, 2, 2, 3), np.uint8))
    np.save(tmp_path / "y.npy", np.arange(4))
    (tmp_path / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).symlink_to("/dev/zero")
    return tmp_path


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize("name, entry", SLOTS)
def test_no_dataset_waits_for_a_pipe_or_reads_a_device(
    tmp_path: Path, name: str, entry: dict[str, object], kind: str
) -> None:
    folder = _folder(tmp_path, name, kind)
    read = _DATASET.validate_python({"classes": "cifar10", **entry}, context={"folder": folder})
    with pytest.raises(DataError):
        load_dataset("d", read, _SPACE)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".npy"])
def test_corrected_labels_neither(tmp_path: Path, suffix: str) -> None:
    path = _folder(tmp_path, f"c{suffix}", "pipe") / f"c{suffix}"
    truth = np.arange(4)
    with pytest.raises(DataError):
        corrected_labels(path, _SPACE, None, ids=tuple("0123"), whole=None, truth=truth, where="d")
