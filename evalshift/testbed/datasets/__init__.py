"""DatasetEntry → Dataset: ids, labels and images in a fixed order, checked before anything is evaluated on them.

A module a format. Each has two functions:

    read(entry, space, where)   ids, images and labels; downloads what is not there; `where` begins its complaints
    mark(entry)                 a quick mark of its source files without reading them; OSError where one is not there
"""

from pathlib import Path
from types import ModuleType

from evalshift.testbed import download
from evalshift.testbed.classes import ClassSpace, view
from evalshift.testbed.dataset_entries import (
    AnyDataset,
    Cifar10Dataset,
    Cifar100Dataset,
    Cifar101Dataset,
    Cifar102Dataset,
    Cinic10Dataset,
    ClassArchiveDataset,
    CorruptedCifarDataset,
    DatasetEntry,
    DigitsDataset,
    DownsampledImageNetDataset,
    FashionMnistDataset,
    FolderDataset,
    ImageNetDataset,
    ImageNetV2Dataset,
    MnistDataset,
    NpyDataset,
    QmnistDataset,
    SvhnDataset,
    TorchvisionDataset,
)
from evalshift.testbed.datasets import (
    cifar10_1,
    cifar10_2,
    cifar_batches,
    cifar_c,
    cinic10,
    class_archive,
    digits,
    downsampled,
    folder,
    idx,
    imagenet,
    imagenet_v2,
    npy,
    svhn,
    torchvision_datasets,
)
from evalshift.testbed.datasets.dataset import Dataset, fingerprint
from evalshift.testbed.datasets.places import data_folder, remote

__all__ = ["Dataset", "data_folder", "dataset_stamp", "fetch_dataset", "fingerprint", "load_dataset"]

_FORMATS: dict[type[DatasetEntry], ModuleType] = {
    Cifar100Dataset: cifar_batches,
    Cifar101Dataset: cifar10_1,
    Cifar102Dataset: cifar10_2,
    Cifar10Dataset: cifar_batches,
    Cinic10Dataset: cinic10,
    ClassArchiveDataset: class_archive,
    CorruptedCifarDataset: cifar_c,
    DigitsDataset: digits,
    DownsampledImageNetDataset: downsampled,
    FashionMnistDataset: idx,
    FolderDataset: folder,
    ImageNetDataset: imagenet,
    ImageNetV2Dataset: imagenet_v2,
    MnistDataset: idx,
    NpyDataset: npy,
    QmnistDataset: idx,
    SvhnDataset: svhn,
    TorchvisionDataset: torchvision_datasets,
}


def load_dataset(name: str, entry: AnyDataset, space: ClassSpace) -> Dataset:
    """Read a dataset; downloads what is not there. Files are listed, and decoded only when a model asks for them.

    Raises DataError for missing, damaged or contradictory data, DownloadError where no mirror gives it.
    """
    parts = _FORMATS[type(entry)].read(entry, space, f"dataset {name}")
    dataset = Dataset(name, space, tuple(parts.ids), parts.labels, parts.images, parts.warnings)
    return dataset if entry.view is None else dataset.seen_in(view(entry.view))


def dataset_stamp(entry: AnyDataset) -> str | None:
    """A quick mark of a dataset's source files; None where they are not there, so that it must be loaded to know.

    Equal stamps mean an equal fingerprint without reading a single image.
    """
    try:
        return _FORMATS[type(entry)].mark(entry)
    except (OSError, KeyError):  # not on the disk, or not even known by name
        return None


def fetch_dataset(entry: AnyDataset) -> list[Path]:
    """Download what a dataset needs and is not there yet; gives the files."""
    return [download.fetch(remote(file), data_folder()) for file in entry.needed_files()]
