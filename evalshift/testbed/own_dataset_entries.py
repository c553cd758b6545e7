"""Entries of test sets of one's own, by how they are stored, and of the embedded pair."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from evalshift.testbed.dataset_entry import DatasetEntry, fixed_classes
from evalshift.testbed.entries import FilePath


class DigitsDataset(DatasetEntry):
    """The embedded pair: scikit-learn's handwritten digits, split by writer.

    part  original: other digits by the writers of the training set; new: digits by other writers
    """

    format = "digits"
    source: Literal["digits"]
    part: Literal["original", "new"]
    classes: Annotated[str, fixed_classes("digits")] = "digits"


class NpyDataset(DatasetEntry):
    """NumPy arrays in .npy files.

    images  uint8, shape (n, h, w) or (n, h, w, channels)
    labels  whole numbers, shape (n,)
    ids     optional names of the images: a .npy file, or a text file with one per line
    """

    format = "npy"
    source: Literal["npy"]
    images: FilePath
    labels: FilePath
    ids: FilePath | None = None


class FolderDataset(DatasetEntry):
    """One folder per class.

    path     the folder that contains the class folders; images may be at any depth below them
    folders  names of the class folders in class order, if they are neither class names, wnids nor numbers
    """

    format = "folder"
    source: Literal["folder"]
    path: FilePath
    folders: tuple[str, ...] = ()


class ListDataset(DatasetEntry):
    """Images and a list of their labels.

    labels        the list: CSV, TSV, JSON lines, or lines with a path and a label
    path          the folder that its paths are relative to; by default, the folder of the list
    image_column  the column that identifies the images, if it is ambiguous
    label_column  the column of labels (numbers, class names or wnids), if it is ambiguous
    split         for a list with several splits, the value of its column `split` whose rows are read; all for all rows
    """

    format = "label_list"
    source: Literal["list"]
    labels: FilePath
    path: FilePath | None = None
    image_column: str | None = None
    label_column: str | None = None
    split: str | int | None = None

    @property
    def images_folder(self) -> Path:
        """The folder that the paths are relative to."""
        return self.labels.parent if self.path is None else self.path


class NpzDataset(DatasetEntry):
    """One file of np.savez: images uint8; labels whole numbers, shape (n,) or (n, 1), or class names.

    path      the .npz file
    split     which arrays to read if the file has several splits, such as test_images
    images    name of the array of images, if it cannot be inferred
    labels    name of the array of labels, if it cannot be inferred
    ids       name of the array of ids, if there is one
    channels  first or last, if the shape is ambiguous
    """

    format = "npz"
    source: Literal["npz"]
    path: FilePath
    split: Literal["test", "val", "train"] = "test"
    images: str | None = None
    labels: str | None = None
    ids: str | None = None
    channels: Literal["first", "last"] | None = None


class ParquetDataset(DatasetEntry):
    """Parquet files as on the Hugging Face Hub: a column of encoded images and a column of labels.

    path          a file, a folder, a glob, or numbers in braces: data/test-*.parquet
    split         for a folder with several splits, such as test: the prefix of its files
    image_column  the column of images; by default `image`, or the only column of images
    label_column  the column of labels; by default `label`
    id_column     the column of ids; by default, the paths stored with the images, or their positions
    """

    format = "parquet"
    source: Literal["parquet"]
    path: FilePath
    split: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    id_column: str | None = None


class WebDataset(DatasetEntry):
    """Tar files in the WebDataset format, such as 000123.jpg next to 000123.cls; read in order, without unpacking.

    path   a file, a folder, a glob, or numbers in braces: val-{000000..000049}.tar
    label  the member with the label: by default `cls`; or a field of a json member: json.label
    """

    format = "webdataset"
    source: Literal["webdataset"]
    path: FilePath
    label: str | None = None


class TorchvisionDataset(DatasetEntry):
    """A dataset of torchvision.datasets with one label per image; it must be on disk.

    dataset    the name of its class, such as USPS
    path       its root folder, with nothing else in it
    arguments  keyword arguments of the class, such as {split: test} or {train: false}
    """

    format = "torchvision_datasets"
    ours: ClassVar[tuple[str, ...]] = ("root", "download", "transform", "target_transform", "transforms", "loader")
    source: Literal["torchvision"]
    dataset: str
    path: FilePath
    arguments: dict[str, Any] = Field(default={})

    @model_validator(mode="after")
    def _arguments_are_its_own(self) -> "TorchvisionDataset":
        if others := [name for name in self.arguments if name in self.ours]:
            raise ValueError(f"arguments: {others[0]} cannot be set in an entry; `path` is its root")
        return self
