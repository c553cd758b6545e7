"""The validation images of ILSVRC2012, in wnid folders or flat as they come.

Flat images have their classes in the devkit's ground truth alone, as numbers from 1 in an order of its own, which is
not that of the sorted wnids; without it they cannot be used. All 50,000 are kept: the list of images that the
localisation task leaves out has no place here.
"""

import re
from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.files import read_bytes, stat_checksum
from evalshift.formatting import counted
from evalshift.shapes import Labels
from evalshift.testbed.archives import extract_member, is_tar
from evalshift.testbed.arrays import cannot_read
from evalshift.testbed.classes import ClassSpace, labels_from_devkit, labels_of_folders
from evalshift.testbed.datasets.dataset import Parts
from evalshift.testbed.datasets.folder import class_folders, class_root, images_by_class
from evalshift.testbed.datasets.image_listing import files_below
from evalshift.testbed.datasets.places import by_hand, data_folder, state_of_download, unpacked
from evalshift.testbed.imagenet_entries import ImageNetDataset

IMAGES, PER_CLASS = 50_000, 50
TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_TRUTH_IN_DEVKIT = f"ILSVRC2012_devkit_t12/data/{TRUTH}"
_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.(JPEG|JPG|jpeg|jpg|png)")


def read(entry: ImageNetDataset, space: ClassSpace, where: str) -> Parts:
    """All 50,000 in the order of their numbers, so that both layouts are one dataset; an id is the file name's stem."""
    root = class_root(entry.path if entry.path and entry.path.is_dir() else unpacked(entry, "images", where))
    folders = class_folders(root, where)
    if folders:
        found = images_by_class(root, labels_of_folders(folders, space, (), f"{where}, {root}"), where)
        paths, numbers = list(found.paths), found.labels
    else:
        paths = sorted(path for path in root.iterdir() if _NAME.fullmatch(path.name))
        numbers = _labels_of_flat(paths, entry, root, where)
    _refuse_other_images(paths, numbers, len(space), f"{where}, {root}")
    order = sorted(range(len(paths)), key=lambda place: paths[place].name)
    return Parts([paths[place].stem for place in order], tuple(paths[place] for place in order), numbers[order])


def _labels_of_flat(paths: list[Path], entry: ImageNetDataset, root: Path, where: str) -> Labels:
    if not paths:
        raise DataError(
            "the folder has no validation images of ImageNet",
            where=f"{where}, {root}",
            found=counted(sum(1 for _ in root.iterdir()), "other file"),
            expected="wnid folders, or ILSVRC2012_val_00000001.JPEG and so on",
        )
    text, source = _ground_truth(entry, root, where)
    try:
        truth = np.array(text.split(), dtype=np.int64)
        positions = np.array([int(path.stem.rpartition("_")[2]) - 1 for path in paths])
        if positions.max() >= len(truth):
            raise ValueError(f"{len(truth):,} lines")
        return labels_from_devkit(truth)[positions]
    except (ValueError, OverflowError) as error:
        raise DataError(
            "this is not the ground truth of the validation images",
            where=f"{where}, {source}",
            found=file_fault(error),
            expected=f"{IMAGES:,} lines, each a number from 1 to 1000",
        ) from error


def _ground_truth(entry: ImageNetDataset, root: Path, where: str) -> tuple[str, Path]:
    """The text of the devkit's ground truth, and where it was found."""
    for place in _devkit_places(entry, root):
        if place.is_dir():
            place = next((path for path in (place / "data" / TRUTH, place / TRUTH) if path.is_file()), place)
        if place.is_file():
            try:
                packed = is_tar(place)
                return (extract_member(place, _TRUTH_IN_DEVKIT) if packed else read_bytes(place)).decode(), place
            except (OSError, UnicodeDecodeError) as error:
                raise cannot_read(where, place, error, expected=f"{TRUTH} or the devkit") from error
    if entry.path is None:
        raise by_hand(entry.files["devkit"], where)
    raise DataError(
        "the classes of the validation images are missing",
        where=f"{where}, {root}",
        found=entry.devkit or "images in a single folder, without the devkit",
        expected=f"a folder for each wnid, or the devkit's {TRUTH}",
        fix="put ILSVRC2012_devkit_t12.tar.gz beside the images, or name it in the entry with devkit:",
    )


def _devkit_places(entry: ImageNetDataset, root: Path) -> list[Path]:
    if entry.devkit is not None:
        return [entry.devkit]
    packed = entry.files["devkit"].name if "devkit" in entry.files else "ILSVRC2012_devkit_t12.tar.gz"
    folders = [data_folder()] if entry.path is None else [root, entry.path.parent, root.parent]
    return [folder / name for folder in folders for name in (TRUTH, packed.partition(".")[0], packed)]


def _refuse_other_images(paths: list[Path], labels: Labels, classes: int, where: str) -> None:
    counts = np.bincount(labels, minlength=classes)
    odd = [path.name for path in paths if not _NAME.fullmatch(path.name)]
    if len(paths) == IMAGES and (counts == PER_CLASS).all() and not odd:
        return
    off = np.flatnonzero(counts != PER_CLASS)
    found = f"{len(paths):,} images"
    if odd:
        found += f", one of them {odd[0]}"
    elif len(off):
        found += f", {counts[off[0]]} of class {off[0]}"
    raise DataError(
        "these are not the validation images of ImageNet",
        where=where,
        found=found,
        expected=f"{IMAGES:,} images called ILSVRC2012_val_…, {PER_CLASS} per class",
        fix="copy them again; for a part of them, or other images, use source: folder",
    )


def source_checksum(entry: ImageNetDataset) -> str:
    """A fingerprint of the archive, or of all files in the folder, and of the devkit; OSError where it is not there."""
    devkit = [entry.devkit] if entry.devkit else []
    if entry.path is None:
        return stat_checksum([data_folder() / entry.files[role].name for role in entry.roles])
    if entry.path.is_file():
        return stat_checksum([entry.path, *devkit])
    return stat_checksum([entry.path, *files_below(entry.path), *devkit])


state = state_of_download
