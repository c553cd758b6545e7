"""Class folders of ImageNet-9, ObjectNet and DomainNet, whose classes are groups of ImageNet's."""

from pathlib import Path

from evalshift.errors import DataError
from evalshift.files import stat_checksum
from evalshift.formatting import counted, name_some
from evalshift.testbed.class_groups import group_of_folder
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.dataset_entry import ChosenByName
from evalshift.testbed.datasets.choice import not_chosen
from evalshift.testbed.datasets.dataset import Parts
from evalshift.testbed.datasets.folder import checksum_of_folder, class_folders, images_by_class
from evalshift.testbed.datasets.places import data_folder, not_downloaded, state_of_download, unpacked, unpacked_own
from evalshift.testbed.imagenet_entries import DomainNetDataset, ImageNet9Dataset, ObjectNetDataset

GroupFolders = ImageNet9Dataset | ObjectNetDataset | DomainNetDataset


def read(entry: GroupFolders, space: ClassSpace, where: str) -> Parts:
    """All images of the groups, sorted by group and name; an id is "folder/file name". Other folders are left out."""
    if isinstance(entry, ChosenByName):
        refuse_unchosen(entry, where)
    root = _class_root(entry, where)
    groups = group_of_folder(entry.classes)
    found = class_folders(root, where)
    labels = {name: space.names.index(groups[name]) for name in found if name in groups}
    if not labels:
        raise DataError(
            "the folder has none of the class folders of this dataset",
            where=f"{where}, {root}",
            found=name_some(found) if found else "no folders",
            expected=f"folders such as {', '.join(list(groups)[:3])}",
            fix="`path` is the folder that the archive unpacks to",
        )
    images = images_by_class(root, labels, where)
    return Parts(images.ids, images.paths, images.labels, (*images.notes, *_notes(found, labels, space)))


def _notes(found: list[str], labels: dict[str, int], space: ClassSpace) -> tuple[str, ...]:
    others = len(found) - len(labels)
    missing = [name for label, name in enumerate(space.names) if label not in labels.values()]
    notes = []
    if others:
        notes.append(f"{counted(others, 'folder')} of classes that ImageNet lacks left out")
    if missing:
        notes.append(f"no folder for {counted(len(missing), 'group')} of {len(space):,}: {name_some(missing)}")
    return tuple(notes)


def refuse_unchosen(entry: ChosenByName, where: str) -> None:
    """Raise UsageError for an entry that stands for several test sets."""
    if not entry.is_chosen:
        raise not_chosen(
            where,
            found=f"no {entry.choice}",
            expected=f"{entry.choice}: {', '.join(entry.possible())}",
            fix=f"name it after @, such as {where.removeprefix('dataset ')}@{entry.possible()[0]}",
        )


def _class_root(entry: GroupFolders, where: str) -> Path:
    """The folder of the class folders, in an archive or a folder that may hold it at several depths."""
    folder = _folder(entry, where)
    return next((place for place in _places(entry, folder) if place.is_dir()), folder)


def _folder(entry: GroupFolders, where: str) -> Path:
    role = _role(entry)
    if entry.path is not None:
        if not entry.path.exists():
            raise DataError(
                "a folder of the dataset was not found",
                where=where,
                found=entry.path,
                expected="the folder that the archive unpacks to",
                fix="paths are relative to the registry file",
            )
        return entry.path if entry.path.is_dir() else unpacked_own(entry, role, where)
    if role not in entry.files:
        raise not_downloaded(entry, where)
    return unpacked(entry, role, where)


def _role(entry: GroupFolders) -> str:
    return str(entry.domain) if isinstance(entry, DomainNetDataset) else "archive"


def _places(entry: GroupFolders, folder: Path) -> list[Path]:
    """Where the class folders may lie below a folder, the deepest first."""
    if isinstance(entry, ObjectNetDataset):
        return [folder / "objectnet-1.0" / "images", folder / "images"]
    if isinstance(entry, DomainNetDataset):
        return [folder / str(entry.domain)]
    variation = str(entry.variation)
    return [folder / "bg_challenge" / variation / "val", folder / variation / "val", folder / variation, folder / "val"]


def source_checksum(entry: GroupFolders) -> str:
    """A fingerprint of the archive, or of all files in the folder; OSError where it is not there."""
    if entry.path is not None and entry.path.is_dir():
        return checksum_of_folder(next((place for place in _places(entry, entry.path) if place.is_dir()), entry.path))
    if entry.path is None and not entry.files:
        raise FileNotFoundError("it must be downloaded by hand")
    return stat_checksum([entry.path or data_folder() / entry.files[_role(entry)].name])


state = state_of_download
