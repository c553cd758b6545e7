"""CIFAR-10-C and CIFAR-100-C: an array for each corruption, the test set five times over, a severity after another."""

import io
from pathlib import Path
from typing import get_args

import numpy as np

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.files import stat_checksum
from evalshift.testbed.archives import extract_members
from evalshift.testbed.arrays import UNREADABLE, as_images, as_labels, load_array, python_2_headers
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.dataset_entry import Corruption
from evalshift.testbed.datasets.choice import corruption_not_chosen
from evalshift.testbed.datasets.dataset import Parts, numbered
from evalshift.testbed.datasets.places import data_folder, place, state_of_download
from evalshift.testbed.small_image_entries import CorruptedCifarDataset

CORRUPTIONS = get_args(Corruption)
SEVERITIES = 5
IMAGES = 10_000
_FOLDER = {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C"}


def read(entry: CorruptedCifarDataset, space: ClassSpace, where: str) -> Parts:
    """The images of one severity, in the order of the test set; ids are those of the test set too."""
    if entry.corruption is None or entry.severity is None:
        raise corruption_not_chosen(where, entry.corruption, "cifar10-c", CORRUPTIONS)
    (images, labels), source = _arrays(entry, where)
    found = f"{where}, {source}, {entry.corruption}.npy"
    for name, array in ((found, images), (f"{where}, {source}, labels.npy", labels)):
        if len(array) != SEVERITIES * IMAGES:
            raise DataError(
                "a corruption has all severities in one array",
                where=name,
                found=f"{len(array):,} rows",
                expected=f"{SEVERITIES * IMAGES:,}: {SEVERITIES} severities × {IMAGES:,} images",
                fix="get the official archive",
            )
    rows = slice(IMAGES * (entry.severity - 1), IMAGES * entry.severity)
    return Parts(numbered(IMAGES), as_images(np.asarray(images[rows]), found), as_labels(labels[rows], where))


def _arrays(entry: CorruptedCifarDataset, where: str) -> tuple[tuple[np.ndarray, np.ndarray], Path]:
    names = (f"{entry.corruption}.npy", "labels.npy")
    if entry.path is not None and entry.path.is_dir():
        folder = _in_folder(entry)
        images, labels = (load_array(folder / name, where) for name in names)
        return (images, labels), folder
    archive = place(entry, "archive", entry.path, where)
    members = [f"{_FOLDER[entry.classes]}/{name}" for name in names]
    contents = extract_members(archive, members)
    try:
        with python_2_headers():
            images, labels = (np.load(io.BytesIO(contents[member]), allow_pickle=False) for member in members)
    except UNREADABLE as error:
        raise DataError(
            "the arrays cannot be read",
            where=f"{where}, {archive}",
            found=file_fault(error),
            expected="arrays saved with np.save",
        ) from error
    return (images, labels), archive


def _in_folder(entry: CorruptedCifarDataset) -> Path:
    assert entry.path is not None
    inside = entry.path / _FOLDER[entry.classes]
    return inside if inside.is_dir() else entry.path


def source_checksum(entry: CorruptedCifarDataset) -> str:
    """A fingerprint of the archive or of both arrays; OSError where one is not there."""
    if entry.path is not None and entry.path.is_dir():
        return stat_checksum(_in_folder(entry) / name for name in (f"{entry.corruption}.npy", "labels.npy"))
    return stat_checksum([entry.path or data_folder() / entry.files["archive"].name])


state = state_of_download
