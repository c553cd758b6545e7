"""Any dataset of torchvision.datasets that is on disk and has one label per image."""

import inspect
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evalshift.errors import DataError, did_you_mean, first_line, type_and_message
from evalshift.testbed.arrays import as_images, as_labels
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets.dataset import Parts, numbered
from evalshift.testbed.datasets.folder import checksum_of_folder
from evalshift.testbed.datasets.image_listing import refuse_special_below
from evalshift.testbed.image_files import only_these_formats, refuse_deep
from evalshift.testbed.own_dataset_entries import TorchvisionDataset
from evalshift.testbed.readiness import State, state_of_files

# They load a pickle of their keys beside the data unasked. Others hash their pickles, or read tensors only.
_UNPICKLED = ("LSUN", "LSUNClass")


def read(entry: TorchvisionDataset, space: ClassSpace, where: str) -> Parts:
    """All images in torchvision's order: files where it says which they are, else arrays of one size.

    An id is the file's place below `path`, or the image's position. Nothing is downloaded.
    """
    if entry.path.is_dir():  # torchvision opens whatever has the name of one of its files
        refuse_special_below(entry.path, where)
    with only_these_formats():
        return _read(entry, space, f"{where}, {entry.path}")


def _read(entry: TorchvisionDataset, space: ClassSpace, where: str) -> Parts:
    found = _opened(entry, where)
    _refuse_other_classes(getattr(found, "classes", None), space, where)
    images, labels = [], []
    try:
        for position in range(len(found)):
            image, label = found[position]
            images.append(image if isinstance(image, Path) else _pixels(image, f"{where}, image {position:,}"))
            labels.append(operator.index(label))
    except (AttributeError, NotImplementedError, OSError, TypeError, ValueError) as error:
        raise DataError(
            f"torchvision's {entry.dataset} is not a classification dataset",
            where=where,
            found=type_and_message(error),
            expected="an image and one whole number each",
        ) from error
    numbers = as_labels(np.array(labels, dtype=np.int64), where)
    if all(isinstance(image, Path) for image in images):
        return Parts([image.relative_to(entry.path).as_posix() for image in images], tuple(images), numbers)
    if len(shapes := {image.shape for image in images}) > 1:
        raise DataError(
            "images of different sizes that torchvision gives without their files",
            where=where,
            found=f"{len(shapes):,} sizes",
            expected="one size",
            fix="use source: folder for its files, with one folder per class",
        )
    return Parts(numbered(len(images)), as_images(np.stack(images), where), numbers)


def _opened(entry: TorchvisionDataset, where: str) -> Any:
    try:
        from torchvision import datasets
    except ImportError as error:
        raise DataError("torchvision is not installed", where=where, found=first_line(error)) from error
    known = {name: kind for name in datasets.__all__ if inspect.isclass(kind := getattr(datasets, name))}
    if entry.dataset in _UNPICKLED:
        raise DataError(
            f"torchvision's {entry.dataset} unpickles a file of its folder, which could run anything",
            where=where,
            expected="a dataset that is read as data",
            fix="use source: folder for its images, a folder per class",
        )
    if entry.dataset not in known:
        raise DataError(
            "torchvision has no such dataset",
            where=where,
            found=entry.dataset,
            expected="a class of torchvision.datasets, such as USPS",
            fix=did_you_mean(entry.dataset, known),
        )
    kind: Any = known[entry.dataset]
    takes = inspect.signature(kind).parameters
    # Files as they are: our own reader opens them, when a model asks for them.
    own = {"loader": Path} if "loader" in takes else {}
    try:
        return kind(root=str(entry.path), **own, **entry.arguments)
    except Exception as error:  # each has its own way of saying that something is not there
        words = [repr(str(entry.path)), *(f"{name}={value!r}" for name, value in entry.arguments.items())]
        call = f"torchvision.datasets.{entry.dataset}({', '.join(words)}, download=True)"
        allowed = [name for name in takes if name not in TorchvisionDataset.ours]
        raise DataError(
            f"torchvision's {entry.dataset} cannot be opened",
            where=where,
            found=type_and_message(error),
            expected=f"its files below path; arguments: {', '.join(allowed) or 'none'}",
            fix=f"if it is not there, in Python: {call}" if "download" in takes else None,
        ) from error


def _pixels(image: Any, where: str) -> np.ndarray:
    refuse_deep(image.mode, where)
    return np.asarray(image if image.mode == "L" else image.convert("RGB"))


def _refuse_other_classes(names: Any, space: ClassSpace, where: str) -> None:
    """Where torchvision names the classes, they are as many, and the same ones stand in the same order."""
    if not isinstance(names, Sequence) or isinstance(names, str):
        return
    theirs = tuple(map(str, names))
    shuffled = set(theirs) == set(space.names) and theirs != space.names
    if shuffled or len(theirs) != len(space):
        raise DataError(
            "the classes differ from torchvision's, or are in another order",
            where=where,
            found=f"{len(space)} classes of {space.name}: {', '.join(space.names[:3])}, …",
            expected=f"{len(theirs)} classes: {', '.join(theirs[:3])}, …",
            fix="declare the classes in this order under classes:",
        )


def source_checksum(entry: TorchvisionDataset) -> str:
    """A fingerprint of all files below `path`; OSError where it is not there."""
    return checksum_of_folder(entry.path)


def state(entry: TorchvisionDataset) -> State:
    """Whether the folder exists."""
    return state_of_files([entry.path])
