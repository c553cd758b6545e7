"""The test sets of model-vs-human: 16 classes, by folder or in the names of the files.

Sets of one condition have a folder for each class. The others have sessions with files called
"0001_cr_dnn_c05_airplane_10_n02690373-17.png": their fourth part is the condition, their fifth the class.
"""

from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.files import stat_checksum
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets.dataset import Parts
from evalshift.testbed.datasets.folder import checksum_of_folder, class_folders, images_by_class
from evalshift.testbed.datasets.group_folders import refuse_unchosen
from evalshift.testbed.datasets.image_listing import Unread, images_below
from evalshift.testbed.datasets.places import data_folder, state_of_download, unpacked, unpacked_own
from evalshift.testbed.imagenet_entries import ModelVsHumanDataset

_CONDITION, _CATEGORY = 3, 4


def read(entry: ModelVsHumanDataset, space: ClassSpace, where: str) -> Parts:
    """All images, sorted by class and name; an id is the path below the folder of the set."""
    refuse_unchosen(entry, where)
    root = _set_root(_folder(entry, where), str(entry.experiment))
    sessions = [name for name in class_folders(root, where) if name.startswith("session-")]
    return _of_sessions(root, sessions, space, where) if sessions else _of_folders(entry, root, space, where)


def _folder(entry: ModelVsHumanDataset, where: str) -> Path:
    role = str(entry.experiment)
    if entry.path is None:
        return unpacked(entry, role, where)
    if not entry.path.exists():
        raise DataError(
            "a folder of the dataset was not found",
            where=where,
            found=entry.path,
            expected=f"the folder that {role}.tar.gz unpacks to",
            fix="paths are relative to the registry file",
        )
    return entry.path if entry.path.is_dir() else unpacked_own(entry, role, where)


def _set_root(folder: Path, experiment: str) -> Path:
    """The folder of classes or of sessions, which may lie inside one with the name of the set, and one called dnn."""
    inside = folder / experiment
    inside = inside if inside.is_dir() else folder
    return inside / "dnn" if (inside / "dnn").is_dir() else inside


def _of_folders(entry: ModelVsHumanDataset, root: Path, space: ClassSpace, where: str) -> Parts:
    found = class_folders(root, where)
    if not found or not set(found) <= set(space.names):
        raise _no_classes(root, ", ".join(found[:3]) or "no folders", where)
    images = images_by_class(root, {name: space.names.index(name) for name in found}, where)
    attributes = {}
    if entry.experiment == "cue-conflict":  # airplane1-bicycle2.png has the shape of the one, the texture of the other
        attributes["texture"] = [path.stem.rpartition("-")[2].rstrip("0123456789") for path in images.paths]
    return Parts(images.ids, images.paths, images.labels, images.notes, attributes)


def _of_sessions(root: Path, sessions: list[str], space: ClassSpace, where: str) -> Parts:
    unread = Unread()
    paths = [path for name in sessions for path in images_below(root / name, root, unread, where)]
    parts = [path.name.split("_") for path in paths]
    odd = [
        path
        for path, part in zip(paths, parts, strict=True)
        if part[_CATEGORY:][:1] == [] or part[4] not in space.names
    ]
    if odd or not paths:
        raise _no_classes(root, odd[0].name if odd else "no images", where)
    labels = np.array([space.names.index(part[_CATEGORY]) for part in parts], dtype=np.int64)
    order = sorted(range(len(paths)), key=lambda place: (labels[place], paths[place].as_posix()))
    attributes = {
        "condition": [parts[place][_CONDITION] for place in order],
        "session": [paths[place].relative_to(root).parts[0] for place in order],
    }
    ids = [paths[place].relative_to(root).as_posix() for place in order]
    return Parts(ids, tuple(paths[place] for place in order), labels[order], unread.sentences(), attributes)


def _no_classes(root: Path, found: str, where: str) -> DataError:
    return DataError(
        "these are not the images of model-vs-human",
        where=f"{where}, {root}",
        found=found,
        expected="a folder for each of the 16 classes, or sessions with files such as "
        "0001_cr_dnn_c05_airplane_10_n02690373-17.png",
    )


def source_checksum(entry: ModelVsHumanDataset) -> str:
    """A fingerprint of the archive, or of all files in the folder; OSError where it is not there."""
    if entry.path is not None and entry.path.is_dir():
        return checksum_of_folder(_set_root(entry.path, str(entry.experiment)))
    return stat_checksum([entry.path or data_folder() / entry.files[str(entry.experiment)].name])


state = state_of_download
