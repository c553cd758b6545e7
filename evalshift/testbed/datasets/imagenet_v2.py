"""ImageNetV2 as released, in every layout that circulates: numbered or wnid folders, packed or unpacked.

Folder 7 is class 7 of the sorted wnids, however the folders sort as text. Several releases differ in the names and the
number of their images, so the counts are asserted.
"""

import numpy as np

from evalshift.errors import DataError
from evalshift.files import stat_checksum
from evalshift.formatting import counted
from evalshift.testbed.classes import ClassSpace, labels_of_folders
from evalshift.testbed.datasets.dataset import Parts, other_counts
from evalshift.testbed.datasets.folder import checksum_of_folder, class_folders, class_root, images_by_class
from evalshift.testbed.datasets.places import data_folder, state_of_download, unpacked
from evalshift.testbed.imagenet_entries import ImageNetV2Dataset


def read(entry: ImageNetV2Dataset, space: ClassSpace, where: str) -> Parts:
    """All images, sorted by class and name; an id is "class number/file name", whatever the folders are called."""
    root = class_root(entry.path if entry.path and entry.path.is_dir() else unpacked(entry, "archive", where))
    labels = labels_of_folders(class_folders(root, where), space, (), f"{where}, {root}")
    found = images_by_class(root, labels, where)
    _refuse_other_counts(np.bincount(found.labels, minlength=len(space)), entry, f"{where}, {root}")
    ids = [f"{label}/{path.name}" for label, path in zip(found.labels, found.paths, strict=True)]
    return Parts(ids, found.paths, found.labels)


def _refuse_other_counts(counts: np.ndarray, entry: ImageNetV2Dataset, where: str) -> None:
    found = other_counts(counts, entry.per_class, range(len(counts)))
    if found is None:
        return
    fix = "copy it again, or get the archive that the default registry names"
    if (counts == counts[0]).all():
        found = f"{counted(int(counts[0]), 'image')} in each of {len(counts):,} classes"
        if counts[0] == 20:
            fix = "one release of MatchedFrequency has 20 images per class: if it is meant, set per_class: 20"
    raise DataError(
        "this is not the release of ImageNetV2 that the entry names",
        where=where,
        found=found,
        expected=f"{entry.per_class} images in each of {len(counts):,} classes",
        fix=fix,
    )


def source_checksum(entry: ImageNetV2Dataset) -> str:
    """A fingerprint of the archive, or of all files in the folder; OSError where it is not there."""
    if entry.path is None:
        return stat_checksum([data_folder() / entry.files["archive"].name])
    if entry.path.is_file():
        return stat_checksum([entry.path])
    return checksum_of_folder(entry.path)


state = state_of_download
