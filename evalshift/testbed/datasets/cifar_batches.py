"""CIFAR-10 and CIFAR-100 in their official batches: pickles of rows of 3,072 bytes, read without running anything."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.files import read_bytes, stat_checksum
from evalshift.shapes import Labels
from evalshift.testbed import download
from evalshift.testbed.arrays import as_images, as_labels, cannot_read, from_planes
from evalshift.testbed.classes import CIFAR100, ClassSpace
from evalshift.testbed.datasets.dataset import Parts, numbered
from evalshift.testbed.datasets.places import data_folder, place, refuse_other_member, state_of_download
from evalshift.testbed.pickled_arrays import unpickle_arrays
from evalshift.testbed.small_image_entries import Cifar10Dataset, Cifar100Dataset
from evalshift.testbed.views import built_in_view

AnyCifar = Cifar10Dataset | Cifar100Dataset

# The folder that each archive unpacks to, and the batches of each split in their order.
_FOLDER = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
_BATCHES = {
    "cifar10": {"test": ("test_batch",), "train": tuple(f"data_batch_{number}" for number in range(1, 6))},
    "cifar100": {"test": ("test",), "train": ("train",)},
}


def read(entry: AnyCifar, space: ClassSpace, where: str) -> Parts:
    """The batches of a split one after another, in the official order; an id is the place in it."""
    images, labels = [], []
    for source, raw in _batches(entry, where):
        found = f"{where}, {source}"
        batch = unpickle_arrays(raw, found)
        key = "labels" if isinstance(entry, Cifar10Dataset) else "fine_labels"
        try:
            rows, numbers = np.asarray(batch["data"]), np.asarray(batch[key])
            pixels = from_planes(rows)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"this is not a batch of {'CIFAR-10' if isinstance(entry, Cifar10Dataset) else 'CIFAR-100'}",
                where=found,
                found=file_fault(error),
                expected=f'"data", rows of 3,072 bytes, and "{key}"',
            ) from error
        images.append(as_images(pixels, found))
        labels.append(as_labels(numbers, found))
        if isinstance(entry, Cifar100Dataset):
            _refuse_other_superclasses(labels[-1], batch.get("coarse_labels"), found)
    numbers = np.concatenate(labels)
    if space.name == "cifar100-superclasses":
        numbers = coarse_of(numbers)
    return Parts(numbered(len(numbers)), images[0] if len(images) == 1 else np.concatenate(images), numbers)


def coarse_of(fine: Labels) -> Labels:
    """The superclass of each fine label of CIFAR-100, shape (n,).

    >>> coarse_of(np.array([0, 1, 99]))  # apple, aquarium fish, worm
    array([ 4,  1, 13])
    """
    return np.array(built_in_view("cifar100-superclasses").meaning, dtype=np.int64)[fine]


def _refuse_other_superclasses(fine: Labels, coarse: Sequence[int] | None, where: str) -> None:
    """The batch holds both kinds of labels, so a file with shuffled ones can be told."""
    if coarse is None or (fine < 0).any() or (fine >= len(CIFAR100)).any():
        return  # labels outside the classes are reported elsewhere
    inconsistent = np.flatnonzero(coarse_of(fine) != np.asarray(coarse))
    if len(inconsistent):
        raise DataError(
            "fine and coarse labels contradict each other",
            where=f"{where}, image {inconsistent[0]:,}",
            found=f"{CIFAR100[fine[inconsistent[0]]]} in superclass {coarse[inconsistent[0]]}",
            expected=f"superclass {coarse_of(fine)[inconsistent[0]]}",
            fix="get the official archive",
        )


def _batches(entry: AnyCifar, where: str) -> list[tuple[Path, bytes]]:
    """Each batch of the split as it lies on the disk or in the archive, and where that is."""
    names = _BATCHES[entry.source][entry.split]
    if entry.path is not None and entry.path.is_dir():
        return [_own_batch(entry, name, where) for name in names]
    archive = place(entry, "archive", entry.path, where)
    members = [f"{_FOLDER[entry.source]}/{name}" for name in names]
    contents = download.extract_members(archive, members)
    return [(archive, contents[member]) for member in members]


def _own_batch(entry: AnyCifar, name: str, where: str) -> tuple[Path, bytes]:
    assert entry.path is not None
    source = _in_folder(entry.path, entry, name)
    try:
        raw = read_bytes(source)
    except OSError as error:
        expected = f"{'cifar-10' if entry.source == 'cifar10' else 'cifar-100'}-python.tar.gz or what is in it"
        raise cannot_read(where, source, error, expected=expected) from error
    refuse_other_member(entry, "archive", name, source, raw)
    return source, raw


def _in_folder(folder: Path, entry: AnyCifar, name: str) -> Path:
    """Where a batch lies in the folder that the archive unpacks to, or in the one that it was unpacked in."""
    inside = folder / _FOLDER[entry.source] / name
    return inside if inside.is_file() else folder / name


def source_checksum(entry: AnyCifar) -> str:
    """A fingerprint of the archive or of the batches; OSError where one is not there."""
    if entry.path is None:
        return stat_checksum([data_folder() / entry.files["archive"].name])
    if not entry.path.is_dir():
        return stat_checksum([entry.path])
    return stat_checksum(_in_folder(entry.path, entry, name) for name in _BATCHES[entry.source][entry.split])


state = state_of_download
