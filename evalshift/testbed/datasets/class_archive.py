"""An archive of class folders, such as ImageNet-A, -R and -Sketch are."""

from evalshift.errors import DataError
from evalshift.files import stat_checksum
from evalshift.formatting import counted
from evalshift.testbed.classes import ClassSpace, labels_of_folders
from evalshift.testbed.datasets.dataset import Parts
from evalshift.testbed.datasets.folder import checksum_of_folder, class_folders, class_root, images_by_class
from evalshift.testbed.datasets.places import data_folder, not_downloaded, state_of_download, unpacked
from evalshift.testbed.imagenet_entries import ClassArchiveDataset


def read(entry: ClassArchiveDataset, space: ClassSpace, where: str) -> Parts:
    """All images, sorted by class and name; an id is "folder/file name"."""
    if entry.path is None and not entry.files:
        raise not_downloaded(entry, where)
    root = class_root(entry.path if entry.path and entry.path.is_dir() else unpacked(entry, "archive", where))
    labels = labels_of_folders(class_folders(root, where), space, (), f"{where}, {root}")
    images = images_by_class(root, labels, where)
    if entry.count is not None and len(images.paths) != entry.count:
        raise DataError(
            "images are missing or were added",
            where=f"{where}, {root}",
            found=counted(len(images.paths), "image"),
            expected=f"{entry.count:,}",
            fix="unpack the archive again; for a part of it, use source: folder",
        )
    # Where the count matches, the files that were not read are not missing images.
    return Parts(images.ids, images.paths, images.labels, images.notes if entry.count is None else ())


def source_checksum(entry: ClassArchiveDataset) -> str:
    """A fingerprint of the archive, or of all files in the folder; OSError where it is not there."""
    if entry.path is not None and entry.path.is_dir():
        return checksum_of_folder(entry.path)
    if entry.path is None and not entry.files:
        raise FileNotFoundError("it must be downloaded by hand")
    return stat_checksum([entry.path or data_folder() / entry.files["archive"].name])


state = state_of_download
