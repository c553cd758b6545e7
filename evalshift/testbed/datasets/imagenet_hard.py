"""ImageNet-Hard: Parquet files of images with a list of correct classes each, as on the Hugging Face Hub."""

from evalshift.errors import DataError
from evalshift.formatting import counted
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import parquet
from evalshift.testbed.datasets.dataset import Parts
from evalshift.testbed.datasets.places import not_downloaded, state_of_download
from evalshift.testbed.imagenet_entries import ImageNetHardDataset
from evalshift.testbed.own_dataset_entries import ParquetDataset
from evalshift.testbed.readiness import State


def read(entry: ImageNetHardDataset, space: ClassSpace, where: str) -> Parts:
    """The rows of all files; further columns, such as `origin`, are attributes."""
    if entry.path is None:
        raise not_downloaded(entry, where)
    parts = parquet.read(_files_of(entry), space, where)
    if entry.count is not None and len(parts.ids) != entry.count:
        raise DataError(
            "images are missing, or these are of another release",
            where=f"{where}, {entry.path}",
            found=counted(len(parts.ids), "image"),
            expected=f"{entry.count:,}",
            fix="get all files of one revision; for another release, change `count`",
        )
    return parts


def _files_of(entry: ImageNetHardDataset) -> ParquetDataset:
    assert entry.path is not None
    path = entry.path / "data" if (entry.path / "data").is_dir() else entry.path
    return ParquetDataset(
        source="parquet", path=path, classes=entry.classes, image_column="image", label_column="label"
    )


def source_checksum(entry: ImageNetHardDataset) -> str:
    """A fingerprint of all files; OSError where one does not exist."""
    if entry.path is None:
        raise FileNotFoundError("it must be downloaded by hand")
    return parquet.source_checksum(_files_of(entry))


def state(entry: ImageNetHardDataset) -> State:
    """Whether its files are there; they are got by hand."""
    return state_of_download(entry) if entry.path is None else parquet.state(_files_of(entry))
