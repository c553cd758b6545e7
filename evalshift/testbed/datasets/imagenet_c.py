"""ImageNet-C: five archives with a folder for each corruption, below it one for each severity, with its classes."""

from pathlib import Path

from evalshift.errors import DataError
from evalshift.files import stat_checksum
from evalshift.testbed.classes import ClassSpace, labels_of_folders
from evalshift.testbed.datasets.choice import corruption_not_chosen
from evalshift.testbed.datasets.dataset import Parts
from evalshift.testbed.datasets.folder import checksum_of_folder, class_folders, images_by_class
from evalshift.testbed.datasets.places import data_folder, state_of_download, unpacked
from evalshift.testbed.imagenet_entries import IN_ARCHIVE, ImageNetCDataset


def read(entry: ImageNetCDataset, space: ClassSpace, where: str) -> Parts:
    """All images of one corruption at one severity, in the order of their numbers; ids are those of `imagenet`."""
    if entry.archive is None or entry.severity is None:
        offered = [name for held in IN_ARCHIVE.values() for name in held]
        raise corruption_not_chosen(where, entry.archive, "imagenet-c", offered)
    root = _severity_root(entry, unpacked(entry, entry.archive, where) if entry.path is None else entry.path)
    if not root.is_dir():
        raise DataError(
            "the images of a corruption were not found",
            where=where,
            found=root,
            expected=f"{entry.corruption}/{entry.severity} with a folder for each class",
            fix="`path` is the folder that the archives were unpacked in",
        )
    labels = labels_of_folders(class_folders(root, where), space, (), f"{where}, {root}")
    found = images_by_class(root, labels, where)
    order = sorted(range(len(found.paths)), key=lambda place: (found.paths[place].name, found.ids[place]))
    stems = [found.paths[place].stem for place in order]
    ids = stems if len(set(stems)) == len(stems) else [found.ids[place] for place in order]
    return Parts(ids, tuple(found.paths[place] for place in order), found.labels[order], found.notes)


def _severity_root(entry: ImageNetCDataset, folder: Path) -> Path:
    """The folder of the class folders; where none of the usual ones is there, the one that is expected."""
    inside = Path(str(entry.corruption)) / str(entry.severity)
    places = [folder / inside, folder / str(entry.archive) / inside]
    return next((place for place in places if place.is_dir()), places[0])


def source_checksum(entry: ImageNetCDataset) -> str:
    """A fingerprint of the archive, or of all files in the folder; OSError where it is not there."""
    if entry.path is not None:
        return checksum_of_folder(_severity_root(entry, entry.path))
    return stat_checksum([data_folder() / entry.files[str(entry.archive)].name])


state = state_of_download
