"""Downsampled ImageNet in both official formats: batches as .npz, or pickled, which are read without running anything.

Rows hold all of the red, then green, then blue. Labels count from 1, in the order of the ILSVRC2012 devkit, not of the
sorted wnids: minus one alone, nearly every label would be incorrect.
"""

import zipfile
from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.files import read_bytes, stat_checksum
from evalshift.testbed.archives import DAMAGED_ZIP, is_zip
from evalshift.testbed.arrays import as_images, as_labels, cannot_read, from_planes, load_npz
from evalshift.testbed.classes import ClassSpace, labels_from_devkit
from evalshift.testbed.datasets.dataset import Parts, numbered
from evalshift.testbed.datasets.places import data_folder, state_of_download, unpacked, unpacked_own
from evalshift.testbed.imagenet_entries import DownsampledImageNetDataset
from evalshift.testbed.pickled_arrays import unpickle_arrays

NAMES = {"val": ("val_data",), "train": tuple(f"train_data_batch_{number}" for number in range(1, 11))}


def read(entry: DownsampledImageNetDataset, space: ClassSpace, where: str) -> Parts:
    """The batches of a split one after another; an id is the place in them."""
    batches = [_batch(path, entry.size, where) for path in _paths(entry, where)]
    images = [images for images, _ in batches]
    labels = np.concatenate([labels for _, labels in batches])
    return Parts(numbered(len(labels)), images[0] if len(images) == 1 else np.concatenate(images), labels)


def _paths(entry: DownsampledImageNetDataset, where: str) -> list[Path]:
    if entry.path is None:
        folder = unpacked(entry, "archive", where)
    elif entry.path.is_dir():
        folder = entry.path
    elif _is_batch(entry.path):
        return [entry.path]
    else:
        folder = unpacked_own(entry, "archive", where)
    found = [_in(folder, name) for name in NAMES[entry.split]]
    if entry.split == "train":
        # Whoever makes a training set may well make fewer batches than ten, but none in the middle may be missing.
        found = found[: max((place + 1 for place, path in enumerate(found) if path), default=1)]
    paths = [path for path in found if path is not None]
    if len(paths) != len(found):
        absent = next(name for name, path in zip(NAMES[entry.split], found, strict=False) if path is None)
        raise DataError(
            "a batch was not found",
            where=f"{where}, {folder}",
            found=f"no {absent}.npz, and no {absent}",
            expected="the batches as they are downloaded and unpacked",
            fix="get the official archive, or make it: evalshift dataset downsample",
        )
    return paths


def _in(folder: Path, name: str) -> Path | None:
    """Where a batch lies in a folder, or in the one folder that is in it."""
    places = [folder, *(path for path in sorted(folder.iterdir()) if path.is_dir())]
    return next((place / file for place in places for file in (f"{name}.npz", name) if (place / file).is_file()), None)


def _is_batch(path: Path) -> bool:
    """Whether a file is a batch itself; else it is an archive with batches in it."""
    if not is_zip(path):
        return True
    try:
        with zipfile.ZipFile(path) as opened:
            return any(name.endswith(".npy") for name in opened.namelist())
    except DAMAGED_ZIP:  # which whoever reads it says
        return True


def _batch(path: Path, size: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    found = f"{where}, {path}"
    rows, numbers = _arrays(path, ("data", "labels"), where)
    if rows.ndim != 2 or rows.shape[1] != 3 * size * size:
        raise DataError(
            "this is not a batch of Downsampled ImageNet",
            where=found,
            found=f"rows of shape {rows.shape}",
            expected=f"rows of {3 * size * size:,} bytes, {size} × {size} in three colours",
            fix=_other_size(rows),
        )
    try:
        labels = labels_from_devkit(as_labels(numbers, found))
    except ValueError as error:
        raise DataError(
            "labels that the devkit of ILSVRC2012 does not have",
            where=found,
            found=str(error),
            expected="numbers from 1 to 1000",
            fix="labels numbered from 0 by sorted wnid are another format: use source: npy",
        ) from error
    return as_images(from_planes(rows, size), found), labels


def _arrays(path: Path, names: tuple[str, ...], where: str) -> tuple[np.ndarray, ...]:
    """Arrays of a batch of either format; an empty one for what a pickled batch does not have."""
    if is_zip(path):
        return tuple(load_npz(path, names, where))
    try:
        content = unpickle_arrays(read_bytes(path), f"{where}, {path}")
    except OSError as error:
        raise cannot_read(where, path, error, expected="a batch of Downsampled ImageNet") from error
    return tuple(np.asarray(content.get(name, ())) for name in names)


def read_mean(path: Path, size: int, where: str) -> np.ndarray:
    """The mean image of the training set, shape (3 · size²,), as every batch of it has it."""
    (mean,) = _arrays(path, ("mean",), where)
    if mean.shape != (3 * size * size,):
        raise DataError(
            "this batch has no mean image of this size",
            where=f"{where}, {path}",
            found=f"shape {mean.shape}",
            expected=f"{3 * size * size:,} numbers, {size} × {size} in three colours",
        )
    return mean.astype(np.float64)


def _other_size(rows: np.ndarray) -> str | None:
    side = int((rows.shape[-1] / 3) ** 0.5) if rows.ndim == 2 else 0
    return f"say size: {side}" if side in (8, 16, 32, 64) and 3 * side * side == rows.shape[-1] else None


def source_checksum(entry: DownsampledImageNetDataset) -> str:
    """A fingerprint of the archive or of the batches; OSError where they are not there."""
    if entry.path is None:
        return stat_checksum([data_folder() / entry.files["archive"].name])
    if entry.path.is_file():
        return stat_checksum([entry.path])
    found = [path for name in NAMES[entry.split] if (path := _in(entry.path, name)) is not None]
    if not found:
        raise FileNotFoundError(entry.path)
    return stat_checksum(found)


state = state_of_download
