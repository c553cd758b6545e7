"""CIFAR-10.2 as released: a file of arrays with images and labels."""

from evalshift.files import stat_checksum
from evalshift.testbed.arrays import as_images, as_labels, load_npz
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets.dataset import Parts, numbered
from evalshift.testbed.datasets.places import data_folder, place, state_of_download
from evalshift.testbed.small_image_entries import Cifar102Dataset


def read(entry: Cifar102Dataset, space: ClassSpace, where: str) -> Parts:
    """Images and labels; what else the file holds, some of it pickled, is left alone."""
    source = place(entry, "arrays", entry.path, where)
    images, labels = load_npz(source, ("images", "labels"), where)
    found = f"{where}, {source}"
    return Parts(numbered(len(images)), as_images(images, found), as_labels(labels, found))


def source_checksum(entry: Cifar102Dataset) -> str:
    """A fingerprint of the file; OSError where it is not there."""
    return stat_checksum([entry.path or data_folder() / entry.files["arrays"].name])


state = state_of_download
