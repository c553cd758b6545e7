"""MNIST, QMNIST and Fashion-MNIST in their idx files."""

from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.files import stat_checksum
from evalshift.testbed.arrays import as_images, as_labels, load_idx
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets.dataset import Parts, numbered
from evalshift.testbed.datasets.places import data_folder, place, state_of_download
from evalshift.testbed.small_image_entries import FashionMnistDataset, MnistDataset, QmnistDataset

AnyMnist = MnistDataset | QmnistDataset | FashionMnistDataset

# QMNIST's test digits: those of MNIST's test set come first, then the lost ones.
KNOWN = 10_000
_STEMS = {
    ("test", "images"): "t10k-images-idx3-ubyte",
    ("test", "labels"): "t10k-labels-idx1-ubyte",
    ("train", "images"): "train-images-idx3-ubyte",
    ("train", "labels"): "train-labels-idx1-ubyte",
    ("qmnist", "images"): "qmnist-test-images-idx3-ubyte",
    ("qmnist", "labels"): "qmnist-test-labels-idx2-int",
}


def read(entry: AnyMnist, space: ClassSpace, where: str) -> Parts:
    """Grey images, 28 × 28; an id is the place in the official order, also where a part begins later in it."""
    at_images, at_labels = (_file(entry, role, where) for role in ("images", "labels"))
    images = as_images(load_idx(at_images, where), f"{where}, {at_images}")
    labels = load_idx(at_labels, where)
    ids = numbered(len(images))
    if isinstance(entry, QmnistDataset):
        labels = labels[:, 0] if labels.ndim == 2 else labels  # the class, then writer, series and place in NIST
        if len(images) <= KNOWN:
            raise DataError(
                "this is not QMNIST's test set",
                where=f"{where}, {at_images}",
                found=f"{len(images):,} images",
                expected="60,000: the 10,000 of MNIST's test set, then the 50,000 that were lost",
            )
        part = {"all": slice(None), "known": slice(KNOWN), "lost": slice(KNOWN, None)}[entry.part]
        ids, images, labels = ids[part], images[part], labels[part]
    return Parts(ids, images, as_labels(np.asarray(labels), f"{where}, {at_labels}"))


def _file(entry: AnyMnist, role: str, where: str) -> Path:
    if entry.path is None:
        return place(entry, role, None, where)
    own = _own(entry, role)
    if own.suffix == ".gz":  # what the hash is of
        return place(entry, role, own, where)
    if not own.is_file():
        return place(entry, role, own.with_name(f"{own.name}.gz"), where)
    return own


def _own(entry: AnyMnist, role: str) -> Path:
    """The file in a user's folder, packed as it comes or unpacked."""
    assert entry.path is not None
    stem = _STEMS["qmnist" if isinstance(entry, QmnistDataset) else entry.split, role]
    packed = entry.path / f"{stem}.gz"
    return packed if packed.is_file() else entry.path / stem


def source_checksum(entry: AnyMnist) -> str:
    """A fingerprint of both files; OSError where one is not there."""
    if entry.path is None:
        return stat_checksum(data_folder() / entry.files[role].name for role in entry.roles)
    return stat_checksum(_own(entry, role) for role in ("images", "labels"))


state = state_of_download
