"""One file of np.savez with images and labels, as MedMNIST's and Keras' are."""

import zipfile
from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.files import refuse_special, stat_checksum
from evalshift.testbed.archives import DAMAGED_ZIP
from evalshift.testbed.arrays import as_images, as_labels, cannot_read, load_npz
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets.dataset import Parts, numbered
from evalshift.testbed.label_text import labels_of_text
from evalshift.testbed.own_dataset_entries import NpzDataset
from evalshift.testbed.readiness import State, state_of_files

# What images and labels are called, {0} for the split: by MedMNIST, Keras, and np.savez with and without names.
PAIRS = (
    ("{0}_images", "{0}_labels"), ("x_{0}", "y_{0}"), ("X_{0}", "Y_{0}"), ("X_{0}", "y_{0}"), ("{0}_x", "{0}_y"),
    ("{0}_data", "{0}_labels"), ("images", "labels"), ("image", "label"), ("data", "labels"), ("x", "y"), ("X", "y"),
    ("images", "targets"), ("data", "targets"), ("arr_0", "arr_1"),
)  # fmt: skip


def read(entry: NpzDataset, space: ClassSpace, where: str) -> Parts:
    """Images, labels, and ids where the entry names them, else numbers."""
    names = _names(entry, where)
    arrays = load_npz(entry.path, tuple(name for name in (*names, entry.ids) if name), where)
    images = as_images(_channels_last(arrays[0], entry, f"{where}, {entry.path}, {names[0]}"), f"{where}, {entry.path}")
    labels = arrays[1].ravel() if arrays[1].ndim == 2 and arrays[1].shape[1] == 1 else arrays[1]
    place = f"{where}, {entry.path}, {names[1]}"
    numbers = labels_of_text(labels.tolist(), space, place) if labels.dtype.kind == "U" else as_labels(labels, place)
    ids = numbered(len(images)) if entry.ids is None else [str(value) for value in arrays[2].ravel()]
    return Parts(ids, images, numbers)


def _names(entry: NpzDataset, where: str) -> tuple[str, str]:
    """The arrays of images and of labels: as the entry says, else by the names that others use."""
    try:
        refuse_special(entry.path)
        with zipfile.ZipFile(entry.path) as opened:
            there = [name.removesuffix(".npy") for name in opened.namelist()]
    except (OSError, *DAMAGED_ZIP) as error:
        raise cannot_read(where, entry.path, error, expected="arrays saved with np.savez") from error
    if entry.images is not None and entry.labels is not None:
        return entry.images, entry.labels
    pairs = [tuple(name.format(entry.split) for name in pair) for pair in PAIRS]
    fitting = [
        (images, labels)
        for images, labels in dict.fromkeys(pairs)
        if {images, labels} <= set(there) and entry.images in (None, images) and entry.labels in (None, labels)
    ]
    if len(fitting) == 1:
        return fitting[0]
    raise DataError(
        "the arrays of images and labels are ambiguous",
        where=f"{where}, {entry.path}",
        found=", ".join(there[:8]) + (", …" if len(there) > 8 else ""),
        expected=f"{entry.split}_images and {entry.split}_labels, or images and labels",
        fix="name both arrays with images: and labels:",
    )


def _channels_last(array: np.ndarray, entry: NpzDataset, where: str) -> np.ndarray:
    """Images with their channels in the last dimension, wherever they stand."""
    if array.ndim != 4:
        return array
    first, last = array.shape[1] in (1, 3), array.shape[-1] in (1, 3)
    if entry.channels is None and first and last:
        raise DataError(
            "the position of the channels is ambiguous",
            where=where,
            found=f"shape {array.shape}",
            expected="1 or 3 channels in one of the two dimensions",
            fix="say `channels: first` or `channels: last`",
        )
    return array.transpose(0, 2, 3, 1) if entry.channels == "first" or (entry.channels is None and first) else array


def source_checksum(entry: NpzDataset) -> str:
    """A fingerprint of the file; OSError where it does not exist."""
    return stat_checksum([Path(entry.path)])


def state(entry: NpzDataset) -> State:
    """Whether the file exists."""
    return state_of_files([entry.path])
