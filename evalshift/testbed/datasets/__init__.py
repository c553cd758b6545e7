"""DatasetEntry → Dataset: ids, labels and images in a fixed order, checked before anything is evaluated on them.

A module a format. Each has two functions:

    read(entry, space, where)   ids, images and labels; downloads what is not there; `where` begins its complaints
    mark(entry)                 a quick mark of its source files without reading them; OSError where one is not there
"""

from pathlib import Path
from types import ModuleType

from evalshift.testbed import download
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.dataset_entries import (
    AnyDataset,
    Cifar10Dataset,
    Cifar101Dataset,
    DatasetEntry,
    DigitsDataset,
    FolderDataset,
    ImageNetDataset,
    ImageNetV2Dataset,
    NpyDataset,
)
from evalshift.testbed.datasets import cifar10, cifar10_1, digits, folder, imagenet, imagenet_v2, npy
from evalshift.testbed.datasets.dataset import Dataset, fingerprint
from evalshift.testbed.datasets.places import data_folder, remote

__all__ = ["Dataset", "data_folder", "dataset_stamp", "fetch_dataset", "fingerprint", "load_dataset"]

_FORMATS: dict[type[DatasetEntry], ModuleType] = {
    Cifar101Dataset: cifar10_1,
    Cifar10Dataset: cifar10,
    DigitsDataset: digits,
    FolderDataset: folder,
    ImageNetDataset: imagenet,
    ImageNetV2Dataset: imagenet_v2,
    NpyDataset: npy,
}


def load_dataset(name: str, entry: AnyDataset, space: ClassSpace) -> Dataset:
    """Read a dataset; downloads what is not there. Files are listed, and decoded only when a model asks for them.

    Raises DataError for missing, damaged or contradictory data, DownloadError where no mirror gives it.
    """
    ids, images, labels = _FORMATS[type(entry)].read(entry, space, f"dataset {name}")
    return Dataset(name, space, tuple(ids), labels, images)


def dataset_stamp(entry: AnyDataset) -> str | None:
    """A quick mark of a dataset's source files; None where they are not there, so that it must be loaded to know.

    Equal stamps mean an equal fingerprint without reading a single image.
    """
    try:
        return _FORMATS[type(entry)].mark(entry)
    except OSError:
        return None


def fetch_dataset(entry: AnyDataset) -> list[Path]:
    """Download what a dataset needs and is not there yet; gives the files."""
    return [download.fetch(remote(file), data_folder()) for file in entry.needed_files()]
