"""A folder for each class, images inside it and in folders below it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.files import stat_checksum_of
from evalshift.formatting import counted, name_some
from evalshift.shapes import Labels
from evalshift.testbed.classes import ClassSpace, labels_of_folders
from evalshift.testbed.datasets.dataset import Parts
from evalshift.testbed.datasets.image_listing import (
    Unread,
    alike_but_for_case,
    images_below,
    is_hidden,
    refuse_dangling,
    stats_below,
)
from evalshift.testbed.own_dataset_entries import FolderDataset
from evalshift.testbed.readiness import State, state_of_files


def read(entry: FolderDataset, space: ClassSpace, where: str) -> Parts:
    """All images, sorted by label and path; DataError for a folder that is no class, or a class without images."""
    if not entry.path.is_dir():
        raise DataError(
            "the image folder does not exist",
            where=where,
            found=entry.path,
            expected="a folder with one folder per class",
            fix="unpack it, and name the folder" if entry.path.is_file() else None,
        )
    folders = class_folders(entry.path, where)
    if not folders:
        raise DataError(
            "the image folder has no class folders",
            where=f"{where}, {entry.path}",
            found=counted(sum(1 for _ in entry.path.iterdir()), "other file"),
            expected="one folder per class with its images inside",
            fix="for images side by side with a list of their labels, use source: list",
        )
    if not entry.folders:
        _refuse_folders_above(entry.path, folders, space, where)
    labels = labels_of_folders(folders, space, entry.folders, f"{where}, {entry.path}")
    found = images_by_class(entry.path, labels, where)
    return Parts(found.ids, found.paths, found.labels, found.notes)


def _refuse_folders_above(root: Path, folders: list[str], space: ClassSpace, where: str) -> None:
    """Raise DataError where the classes are not these folders, but all the folders in one of them: train, val, …"""
    holding = [name for name in folders if _are_classes(class_folders(root / name, where), space)]
    if holding and not _are_classes(folders, space):
        raise DataError(
            "the class folders are one level below",
            where=f"{where}, {root}",
            found=name_some(folders, 5),
            expected="one folder per class",
            fix=f"write path: {root / holding[-1]}" + (f", or another of {name_some(holding, 5)}" * (len(holding) > 1)),
        )


def _are_classes(folders: list[str], space: ClassSpace) -> bool:
    try:
        return bool(folders) and bool(labels_of_folders(folders, space, (), ""))
    except DataError:
        return False


@dataclass(frozen=True, eq=False)
class ClassImages:
    """The images of class folders, sorted by label, then by path.

    ids     the path of each below the root, with its class folder, shape (n,)
    labels  shape (n,)
    notes   sentences on files that were not read
    """

    ids: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: Labels
    notes: tuple[str, ...]


def class_folders(root: Path, where: str = "") -> list[str]:
    """The names of the folders in `root`, sorted; hidden ones are left out. DataError for a link that leads nowhere."""
    names = []
    for path in root.iterdir():
        if not is_hidden(path.name):
            refuse_dangling(path, path.is_symlink(), where)
            if path.is_dir():
                names.append(path.name)
    return sorted(names)


def class_root(folder: Path) -> Path:
    """The folder that holds the class folders: archives and their unpacking put it inside others that hold it alone."""
    while len(inside := class_folders(folder)) == 1 and class_folders(folder / inside[0]):
        folder = folder / inside[0]
    return folder


def images_by_class(root: Path, labels: Mapping[str, int], where: str) -> ClassImages:
    """The images below the folders that `labels` names, sorted by label, then by path.

    So the order does not depend on the file system that lists them. DataError for a folder without images.
    """
    unread = Unread()
    paths, numbers = [], []
    for name in sorted(labels, key=lambda folder: labels[folder]):
        found = _images_of(root, name, unread, where)
        paths += found
        numbers += [labels[name]] * len(found)
    for path in sorted(root.iterdir()):
        if not path.is_dir():
            kind = "hidden or system {files}" if is_hidden(path.name) else "{files} beside the class folders"
            unread.add(kind, path.name)
    # By the text alone: relative_to takes five times as long, a second for 50,000 images.
    ids = tuple(path.as_posix()[len(root.as_posix().rstrip("/")) + 1 :] for path in paths)
    notes = (*unread.sentences(), *alike_but_for_case(ids))
    return ClassImages(ids, tuple(paths), np.array(numbers, dtype=np.int64), notes)


def _images_of(root: Path, name: str, unread: Unread, where: str) -> list[Path]:
    """The image files of one class. A class that would silently be left out is an error."""
    others = Unread()
    paths = images_below(root / name, root, others, where)
    if not paths:
        raise DataError(
            "a class folder has no images",
            where=f"{where}, {root / name}",
            found="; ".join(others.sentences()) or "nothing",
            expected="images in it or in folders below it, such as .jpg or .png",
            fix="put the images of the class there, or remove the folder if the class is left out on purpose",
        )
    unread.update(others)
    return paths


def source_checksum(entry: FolderDataset) -> str:
    """A fingerprint of all files in it, by name, size and time of change; OSError where the folder does not exist."""
    return checksum_of_folder(entry.path)


def checksum_of_folder(folder: Path) -> str:
    """The same of any folder, also where folders below it are links."""
    # The folder itself counts too: one without files would have a fingerprint, too.
    return stat_checksum_of([(".", folder.stat()), *stats_below(folder)])


def state(entry: FolderDataset) -> State:
    """Whether the folder exists."""
    return state_of_files([entry.path])
