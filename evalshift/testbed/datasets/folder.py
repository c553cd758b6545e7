"""A folder for each class, images inside."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.files import stamp
from evalshift.testbed.classes import ClassSpace, labels_of_folders
from evalshift.testbed.dataset_entries import FolderDataset
from evalshift.testbed.datasets.dataset import Parts
from evalshift.testbed.readiness import State, state_of_files

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def read(entry: FolderDataset, space: ClassSpace, where: str) -> Parts:
    """All images, sorted by label and name; DataError for a folder that is no class, or a class without images."""
    if not entry.path.is_dir():
        raise DataError(
            "the image folder is not there", where=where, found=entry.path, expected="a folder with a folder a class"
        )
    folders = class_folders(entry.path)
    if not folders:
        raise DataError(
            "the image folder has no class folders",
            where=f"{where}, {entry.path}",
            found=f"{sum(1 for _ in entry.path.iterdir())} other files",
            expected="a folder a class with its images inside",
        )
    labels = labels_of_folders(folders, space, entry.folders, f"{where}, {entry.path}")
    paths = images_by_class(entry.path, labels, where)
    ids = [path.relative_to(entry.path).as_posix() for path in paths]
    return Parts(ids, tuple(paths), np.array([labels[path.parent.name] for path in paths], dtype=np.int64))


def class_folders(root: Path) -> list[str]:
    """The names of the folders in `root`, sorted; hidden ones are left out."""
    return sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def class_root(folder: Path) -> Path:
    """The folder that holds the class folders: archives and their unpacking put it inside others that hold it alone."""
    while len(inside := class_folders(folder)) == 1 and class_folders(folder / inside[0]):
        folder = folder / inside[0]
    return folder


def images_by_class(root: Path, labels: Mapping[str, int], where: str) -> list[Path]:
    """The image files in the folders that `labels` names, sorted by label, then by name.

    So the order does not depend on the file system that lists them. DataError for a folder without images.
    """
    return [
        path for name in sorted(labels, key=lambda folder: labels[folder]) for path in _images_in(root / name, where)
    ]


def _images_in(folder: Path, where: str) -> list[Path]:
    """The image files of one class by name. A class that would silently be left out is an error."""
    entries = sorted(folder.iterdir(), key=lambda path: path.name)
    paths = [path for path in entries if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")]
    if not paths:
        raise DataError(
            "a class folder has no images",
            where=f"{where}, {folder}",
            found=f"{len(entries)} other files" if entries else "nothing",
            expected=f"images right inside it: {', '.join(sorted(IMAGE_SUFFIXES))}",
            remedy="put the images of the class there, or remove the folder if the class is left out on purpose",
        )
    for path in paths:
        if path.stat().st_size == 0:
            raise DataError(
                "an image file is empty",
                where=f"{where}, {path}",
                found="0 bytes",
                expected="an image",
                remedy="copy it again, or remove it from the folder",
            )
    return paths


def fingerprint(entry: FolderDataset) -> str:
    """A fingerprint of all files in it; OSError where the folder is not there."""
    # The folder itself counts too: one that is not there has no files, and so would have a stamp.
    files = sorted(path for path in entry.path.rglob("*") if path.is_file())
    return stamp([entry.path, *files], entry.path)


def state(entry: FolderDataset) -> State:
    """Whether the folder exists."""
    return state_of_files([entry.path])
