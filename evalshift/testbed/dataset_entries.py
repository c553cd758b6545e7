"""Datasets as data: one class for each source."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from evalshift.testbed.entries import About, Entry, FileEntry, FilePath


def _fixed(name: str) -> AfterValidator:
    def check(text: str) -> str:
        if text != name:
            raise ValueError(f"this source has the classes {name}; leave the key out")
        return text

    return AfterValidator(check)


class NearDuplicatesEntry(Entry):
    """What is known of a test set's images that have near-duplicates among the training images.

    share     of the images
    accuracy  of a usual model on them
    source    who says so
    """

    share: float = Field(gt=0, lt=1)
    accuracy: float = Field(ge=0, le=1)
    source: str


class DatasetEntry(About):
    """Labelled images in a fixed order.

    fresh            another dataset: images of this one's distribution, drawn alike, on which nothing was tuned
    near_duplicates  of training images
    """

    classes: str
    fresh: str | None = None
    near_duplicates: NearDuplicatesEntry | None = None

    def needed_files(self) -> tuple[FileEntry, ...]:
        """What must be downloaded before this dataset can be read; empty where all is at hand."""
        return ()


class DigitsDataset(DatasetEntry):
    """The embedded pair: scikit-learn's handwritten digits, parted by writer."""

    source: Literal["digits"]
    part: Literal["original", "new"]
    classes: Annotated[str, _fixed("digits")] = "digits"


class NpyDataset(DatasetEntry):
    """Arrays: images uint8 (n, h, w, c), labels whole numbers (n,), ids optional, one a line or as .npy."""

    source: Literal["npy"]
    images: FilePath
    labels: FilePath
    ids: FilePath | None = None


class FolderDataset(DatasetEntry):
    """A folder for each class, images inside. `folders` gives their names in class order where nothing else tells."""

    source: Literal["folder"]
    path: FilePath
    folders: tuple[str, ...] = ()


class DownloadedDataset(DatasetEntry):
    """A dataset in its official format: downloaded once, or read from `path` where that is given.

    roles     what its files are for, by which the entry names them
    variants  the fields that tell which files those are
    """

    roles: ClassVar[tuple[str, ...]] = ()
    variants: ClassVar[tuple[str, ...]] = ()
    path: FilePath | None = None
    files: dict[str, FileEntry] = Field(default={})

    @model_validator(mode="after")
    def _files_are_known(self) -> "DownloadedDataset":
        if self.files and set(self.files) != set(self.roles):
            raise ValueError(f"files: takes {' and '.join(self.roles)}, not {', '.join(self.files)}")
        return self

    def needed_files(self) -> tuple[FileEntry, ...]:
        return () if self.path else tuple(self.files.values())


class Cifar10Dataset(DownloadedDataset):
    """The CIFAR-10 test set from cifar-10-python.tar.gz; `path` is the archive or the folder that it unpacks to."""

    roles = ("archive",)
    source: Literal["cifar10"]
    classes: Annotated[str, _fixed("cifar10")] = "cifar10"


class Cifar101Dataset(DownloadedDataset):
    """CIFAR-10.1, version v4 (2,021 images) or v6 (2,000); `path` is a folder with both .npy files."""

    roles = ("images", "labels")
    variants = ("version",)
    source: Literal["cifar10.1"]
    version: Literal["v4", "v6"]
    classes: Annotated[str, _fixed("cifar10")] = "cifar10"


class ImageNetDataset(DownloadedDataset):
    """The 50,000 validation images of ILSVRC2012: wnid folders, or flat as they come, with the devkit's ground truth.

    path    the folder, or ILSVRC2012_img_val.tar
    devkit  for flat images: ILSVRC2012_devkit_t12, packed or unpacked, or ILSVRC2012_validation_ground_truth.txt;
            without it, looked for beside the images
    """

    roles = ("images", "devkit")
    source: Literal["imagenet"]
    devkit: FilePath | None = None
    classes: Annotated[str, _fixed("imagenet-1k")] = "imagenet-1k"


class ImageNetV2Dataset(DownloadedDataset):
    """One of the three ImageNetV2 sets, 1,000 classes × 10 images; `path` is the archive or the folder it unpacks to.

    per_class  20 for the release of MatchedFrequency that has 20 images a class
    """

    roles = ("archive",)
    variants = ("version",)
    source: Literal["imagenetv2"]
    version: Literal["matched-frequency", "threshold0.7", "topimages"]
    per_class: Literal[10, 20] = 10
    classes: Annotated[str, _fixed("imagenet-1k")] = "imagenet-1k"


AnyDataset = Annotated[
    DigitsDataset | NpyDataset | FolderDataset | Cifar10Dataset | Cifar101Dataset | ImageNetDataset | ImageNetV2Dataset,
    Field(discriminator="source"),
]
