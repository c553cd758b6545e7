"""CIFAR-10.1 as released: an array of images and one of labels."""

from evalshift.testbed.arrays import as_images, as_labels, load_array
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets.dataset import Parts, numbered
from evalshift.testbed.datasets.places import checksum_of_files, place_in, state_of_download
from evalshift.testbed.small_image_entries import Cifar101Dataset


def read(entry: Cifar101Dataset, space: ClassSpace, where: str) -> Parts:
    """Both arrays of a version."""
    at_images, at_labels = (place_in(entry, role, where) for role in ("images", "labels"))
    images = as_images(load_array(at_images, where), f"{where}, {at_images}")
    return Parts(numbered(len(images)), images, as_labels(load_array(at_labels, where), f"{where}, {at_labels}"))


source_checksum = checksum_of_files
state = state_of_download
