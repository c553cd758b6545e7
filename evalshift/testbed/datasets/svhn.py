"""SVHN's cropped digits: a MATLAB file with images in its last dimension, and the digit 0 called 10."""

from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.files import stat_checksum
from evalshift.testbed.arrays import as_images, as_labels
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets.dataset import Parts, numbered
from evalshift.testbed.datasets.places import data_folder, place, state_of_download
from evalshift.testbed.matlab_files import read_matrices
from evalshift.testbed.small_image_entries import SvhnDataset


def read(entry: SvhnDataset, space: ClassSpace, where: str) -> Parts:
    """All images of a split in the official order."""
    source = place(entry, "matrices", entry.path, where)
    images, labels = _matrices(source, where)
    numbers = as_labels(labels.ravel(), f"{where}, {source}")
    pixels = as_images(np.ascontiguousarray(images.transpose(3, 0, 1, 2)), f"{where}, {source}")
    return Parts(numbered(len(pixels)), pixels, np.where(numbers == 10, 0, numbers))


def _matrices(source: Path, where: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        images, labels = read_matrices(source, ("X", "y"))
        if images.ndim != 4:
            raise ValueError(f"X of shape {images.shape}")
        return images, labels
    except ValueError as error:
        raise DataError(
            "this is not a file of SVHN",
            where=f"{where}, {source}",
            found=file_fault(error),
            expected="X, shape (32, 32, 3, n), and y, shape (n, 1)",
        ) from error


def source_checksum(entry: SvhnDataset) -> str:
    """A fingerprint of the file; OSError where it is not there."""
    return stat_checksum([entry.path or data_folder() / entry.files["matrices"].name])


state = state_of_download
