"""Arrays of Python objects are pickles: no reader of arrays unpickles one, whichever file it stands in."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats import sha256, tar_bytes
from payload import Payload

from evalshift.errors import EvalshiftError
from evalshift.evaluate.importers.files import read_file
from evalshift.evaluate.importers.releases import set_files
from evalshift.evaluate.store.logits import read_logits
from evalshift.testbed.arrays import load_array, load_npz
from evalshift.testbed.classes import ClassSpace, built_in
from evalshift.testbed.corrected_labels import read_corrected_labels
from evalshift.testbed.datasets import load_dataset
from evalshift.testbed.several_labels import read_label_lists
from evalshift.testbed.small_image_entries import CorruptedCifarDataset

SPACE = ClassSpace("letters", ("a", "b"))


def cifar_c(path: Path) -> object:
    body = tar_bytes({f"CIFAR-10-C/{name}.npy": path.read_bytes() for name in ("fog", "labels")})
    archive = path.with_name("c.tar")
    archive.write_bytes(body)
    files: Any = {"archive": {"name": "c.tar", "urls": [], "sha256": sha256(body)}}
    entry = CorruptedCifarDataset(source="cifar-c", path=archive, corruption="fog", severity=1, files=files)
    return load_dataset("d", entry, built_in("cifar10"))


READERS: dict[str, Callable[[Path], object]] = {
    "x.npy": lambda path: load_array(path, "d"),
    "x.npz": lambda path: load_npz(path, ("labels",), "d"),
    "corrected.npy": lambda path: read_corrected_labels(path, SPACE),
    "several.npy": lambda path: read_label_lists(path, SPACE),
    "imported.npy": read_file,
    "imported.npz": read_file,
    "released.npz": lambda path: set_files._unpack(path, path.with_name("y.npy"), path.with_name("models"), ".npy"),
    "logits.npy": lambda path: read_logits(path, None),
    "cifar-c.npy": cifar_c,
}


@pytest.mark.parametrize("name", READERS)
def test_no_array_is_unpickled(tmp_path: Path, name: str) -> None:
    made, path = tmp_path / "made", tmp_path / name
    objects = np.array([Payload(made)], dtype=object)
    if name.endswith(".npz"):
        np.savez(path, labels=objects)
    else:
        np.save(path, objects)
    with suppress(EvalshiftError, ValueError):
        assert READERS[name](path) is None  # which says that there are no lists of labels in it
    assert not made.exists()
    read = np.load(path, allow_pickle=True)
    assert read["labels" if name.endswith(".npz") else ...].shape == (1,)
    assert made.exists()  # the trap works
