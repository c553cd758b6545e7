"""CINIC-10: CIFAR-10's images and smaller ones of ImageNet, distinguished by their file names.

In the test set, `cifar10-test-*` are CIFAR-10's test images, and as many `cifar10-train-*` are training images, on
which a model trained on CIFAR-10 scores near 100 %. These are left out unless the entry says raw. The counts are
asserted, so that an archive that was unpacked in part, as happens with 270,000 small files, is told.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.files import read_bytes, stat_checksum
from evalshift.testbed.archives import each_file
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets.dataset import Parts, other_counts
from evalshift.testbed.datasets.places import data_folder, place, state_of_download
from evalshift.testbed.small_image_entries import Cinic10Dataset

# Images of each class in each split: 9,000. The test set has all 1,000 test images of CIFAR-10 among them.
# Source: the paper's section on compilation, and https://github.com/BayesWatch/cinic-10.
FROM_CIFAR, FROM_IMAGENET = 2_000, 7_000
# The origin of an image: CIFAR-10's split and index there, or the synset and number of a photograph of ImageNet.
_CLEAN = re.compile(r"cifar10-test-\d+")
_CIFAR = re.compile(r"cifar10-(train|test)-\d+")
_IMAGENET = re.compile(r"n\d{8}_\d+")


def read(entry: Cinic10Dataset, space: ClassSpace, where: str) -> Parts:
    """The portion of a split, sorted by class and origin; the origin is the id: cifar10-test-17, n02691156_10."""
    wanted, splits = _wanted(entry), entry.split.split("+")
    found: dict[tuple[int, str], np.ndarray] = {}
    source = entry.path if entry.path and entry.path.is_dir() else place(entry, "archive", entry.path, where)
    for name, content in _files(source):
        *_, split, folder, file = ("", "", *name.split("/"))
        origin = file.removesuffix(".png")
        if split in splits and folder in space.names and file.endswith(".png") and wanted.fullmatch(origin):
            found[space.names.index(folder), origin] = _decode(content, f"{where}, {source}, {name}")
    if not found:
        raise DataError(
            "unknown portion of CINIC-10",
            where=f"{where}, {source}",
            found=f"no image of {splits[0]}/CLASS that belongs to the portion {entry.portion}",
            expected=f"{splits[0]}/airplane/{'n02691156_1' if entry.portion == 'imagenet' else 'cifar10-test-0'}.png",
            fix="get the official archive, or name the folder that holds train, valid and test",
        )
    keys = sorted(found)
    labels = np.array([label for label, _ in keys], dtype=np.int64)
    _refuse_other_counts(labels, entry, space, f"{where}, {source}, {entry.split}")
    return Parts([origin for _, origin in keys], np.stack([found[key] for key in keys]), labels, _warnings(keys))


def _wanted(entry: Cinic10Dataset) -> re.Pattern[str]:
    cifar = _CIFAR if entry.raw else _CLEAN
    if entry.portion == "all":
        return re.compile(f"{cifar.pattern}|{_IMAGENET.pattern}")
    return cifar if entry.portion == "cifar" else _IMAGENET


def _refuse_other_counts(labels: np.ndarray, entry: Cinic10Dataset, space: ClassSpace, where: str) -> None:
    cifar = FROM_CIFAR if entry.raw else FROM_CIFAR // 2 if entry.split == "test" else 0
    expected = {"cifar": cifar, "imagenet": FROM_IMAGENET, "all": cifar + FROM_IMAGENET}[entry.portion]
    expected *= len(entry.split.split("+"))
    found = other_counts(np.bincount(labels, minlength=len(space)), expected, space.names)
    if found is not None:
        raise DataError(
            "images of CINIC-10 are missing or were added",
            where=where,
            found=found,
            expected=f"{expected:,} images of the portion {entry.portion} in each of {len(space)} classes",
            fix="unpack the archive again; for a part of it, use source: folder",
        )


def _warnings(keys: list[tuple[int, str]]) -> tuple[str, ...]:
    known = sum(origin.startswith("cifar10-train-") for _, origin in keys)
    if not known:
        return ()
    return (f"{known:,} of {len(keys):,} images are CIFAR-10's training images, which models trained on it know",)


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.is_file():
        yield from each_file(source)
        return
    for path in sorted(source.rglob("*.png")):
        yield path.relative_to(source.parent).as_posix(), read_bytes(path)


def _decode(content: bytes, where: str) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as opened:
            size = opened.size
            pixels = np.asarray(opened.convert("RGB")) if size == (32, 32) else None
    except Exception as error:  # Pillow raises half a dozen kinds for damaged files
        raise DataError("an image cannot be read", where=where, found=file_fault(error), expected="a PNG") from error
    if pixels is None:
        raise DataError(
            "an image of another size", where=where, found=f"{size[0]} × {size[1]}", expected="32 × 32, as in CINIC-10"
        )
    return pixels


def source_checksum(entry: Cinic10Dataset) -> str:
    """A fingerprint of the archive, or of all files in the folder; OSError where it is not there."""
    if entry.path is not None and entry.path.is_dir():
        return stat_checksum([entry.path, *sorted(path for path in entry.path.rglob("*.png"))], entry.path)
    return stat_checksum([entry.path or data_folder() / entry.files["archive"].name])


state = state_of_download
