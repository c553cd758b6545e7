"""The CIFAR-10 test set in its official batch."""

from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.files import stamp
from evalshift.testbed import download
from evalshift.testbed.arrays import as_images, as_labels, cannot_read, unpickle_arrays
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.dataset_entries import Cifar10Dataset
from evalshift.testbed.datasets.dataset import Parts, numbered
from evalshift.testbed.datasets.places import data_folder, place


def _test_batch(folder: Path) -> Path:
    """Where test_batch lies in the folder that the archive unpacks to, or in the one that it was unpacked in."""
    inside = folder / "cifar-10-batches-py" / "test_batch"
    return inside if inside.is_file() else folder / "test_batch"


def read(entry: Cifar10Dataset, space: ClassSpace, where: str) -> Parts:
    """The official test_batch: a pickle of rows of 3,072 bytes, the red plane first, then green, then blue."""
    if entry.path is not None and entry.path.is_dir():
        source = _test_batch(entry.path)
        try:
            raw = source.read_bytes()
        except OSError as error:
            raise cannot_read(where, source, error, expected="cifar-10-python.tar.gz or what is in it") from error
    else:
        source = place(entry.files["archive"], entry.path, where)
        raw = download.extract_member(source, "cifar-10-batches-py/test_batch")
    batch = unpickle_arrays(raw, f"{where}, {source}")
    try:
        rows, labels = np.asarray(batch["data"]), np.asarray(batch["labels"])
        images = rows.reshape(len(rows), 3, 32, 32).transpose(0, 2, 3, 1)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            "this is not a batch of CIFAR-10",
            where=f"{where}, {source}",
            found=f"{type(error).__name__}: {error}",
            expected='"data", rows of 3,072 bytes, and "labels"',
        ) from error
    found = f"{where}, {source}"
    return numbered(len(images)), as_images(np.ascontiguousarray(images), found), as_labels(labels, found)


def mark(entry: Cifar10Dataset) -> str:
    """A quick mark of the archive or the batch; OSError where it is not there."""
    if entry.path is None:
        return stamp([data_folder() / entry.files["archive"].name])
    return stamp([_test_batch(entry.path) if entry.path.is_dir() else entry.path])
