"""Datasets as data: one class for each source."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from evalshift.errors import near_match
from evalshift.testbed.entries import About, Entry, FileEntry, FilePath
from evalshift.testbed.limits import limited_name
from evalshift.testbed.views import BUILT_IN_VIEWS, View, built_in_view


def _fixed(*names: str) -> AfterValidator:
    def check(text: str) -> str:
        if text not in names:
            fix = "leave the key out" if len(names) == 1 else "the first of them without the key"
            raise ValueError(f"this source has the classes {' or '.join(names)}; {fix}")
        return text

    return AfterValidator(check)


class NearDuplicatesEntry(Entry):
    """Published figures on the test images that have near-duplicates in the training set.

    share     of the images, from 0 to 1
    accuracy  of a typical model on them, from 0 to 1
    source    where these figures are published
    """

    share: float = Field(gt=0, lt=1)
    accuracy: float = Field(ge=0, le=1)
    source: str


class NoVariantsError(ValueError):
    """Raised for `name@text` where the name stands for one dataset only."""


class DatasetEntry(About):
    """Labelled images in a fixed order.

    fresh            another dataset: images of the same distribution, on which no model was tuned
    near_duplicates  what is known of near-duplicates of training images
    view             how labels and predictions are grouped or reduced: the name of a view such as imagenet-a, groups
                     of classes, or the classes to keep, see `testbed.views`; the registry knows groups by a name too
    attributes       a table with a row for each image and further columns, such as its place or year
    multi_labels     a file with the correct classes of each image as a list, such as ReaL's real.json, instead
                     of one label per image; `labels` for short, where the source has no labels of that name
    corrected_labels  a file with one or several corrected labels of each image, or of some: accuracies by them are
                     reported beside those by the dataset's own
    format           the module of `evalshift.testbed.datasets` that reads it
    """

    format: ClassVar[str]
    classes: str
    fresh: str | None = None
    attributes: FilePath | None = None
    near_duplicates: NearDuplicatesEntry | None = None
    view: str | dict[Any, Any] | list[Any] | None = None
    multi_labels: FilePath | None = None
    corrected_labels: FilePath | None = None
    _seen: View | None = PrivateAttr(default=None)
    _limit: int | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _labels_for_short(cls, content: Any) -> Any:
        if isinstance(content, dict) and "labels" in content and "labels" not in cls.model_fields:
            content = {"multi_labels" if key == "labels" else key: value for key, value in content.items()}
        return content

    @property
    def seen(self) -> View | None:
        """The view that `view` names; None without one."""
        if self._seen is None and self.view in BUILT_IN_VIEWS:
            return built_in_view(str(self.view))
        return self._seen

    @property
    def predicted_in(self) -> str:
        """The name of the label space that models predict in, which a view reads."""
        if self.view is None:
            return self.classes
        return BUILT_IN_VIEWS[str(self.view)] if self._seen is None else self._seen.of.name

    def seen_in(self, view: str | View) -> "DatasetEntry":
        """This dataset in a view, which must fit its label space; one that is built in is made when it is used."""
        name = view if isinstance(view, str) else view.name
        changed: dict[str, Any] = {"view": name}
        if self.view is None:  # what is known of all images need not hold for a part of them
            changed |= {"near_duplicates": None, "fresh": f"{self.fresh}@{name}" if self.fresh else None}
            changed |= {"title": f"{self.title} (view {name})" if self.title else None}
        copy = self.model_copy(update=changed)
        copy._seen = None if isinstance(view, str) else view
        return copy

    @property
    def limit(self) -> int | None:
        """How many of the images, balanced over the classes, belong to it; None for all."""
        return self._limit

    def limited(self, limit: int) -> "DatasetEntry":
        """The first images of this dataset, for a quick look; what is known of all of them need not hold for these."""
        changed = {
            "title": f"{self.title} (first {limit:,} images)" if self.title else None,
            "fresh": limited_name(self.fresh, limit) if self.fresh else None,
            "near_duplicates": None,
            "corrected_labels": None,
        }
        copy = self.model_copy(update=changed)
        copy._limit = limit
        return copy

    def chosen(self, text: str) -> "DatasetEntry":
        """The dataset that `name@text` stands for where the name has several.

        NoVariantsError where it has one only; ValueError for an unknown `text`, whose message says what is expected.
        """
        raise NoVariantsError(text)

    def needed_files(self) -> tuple[FileEntry, ...]:
        """What must be downloaded before this dataset can be read; empty where all files are stored."""
        return ()


class DigitsDataset(DatasetEntry):
    """The embedded pair: scikit-learn's handwritten digits, split by writer."""

    format = "digits"
    source: Literal["digits"]
    part: Literal["original", "new"]
    classes: Annotated[str, _fixed("digits")] = "digits"


class NpyDataset(DatasetEntry):
    """Arrays: images uint8 (n, h, w, c), labels whole numbers (n,), ids optional, one per line or as .npy."""

    format = "npy"
    source: Literal["npy"]
    images: FilePath
    labels: FilePath
    ids: FilePath | None = None


class FolderDataset(DatasetEntry):
    """A folder for each class, images inside. `folders` gives their names in class order, where unknown."""

    format = "folder"
    source: Literal["folder"]
    path: FilePath
    folders: tuple[str, ...] = ()


class ListDataset(DatasetEntry):
    """Images beside a list of their labels: CSV, TSV, JSON lines, or lines of a path and a label.

    labels         the list
    path           the folder that its paths begin in; the list's own without it
    image_column   the column that names the images, where it is ambiguous
    label_column   the column of labels: numbers, class names or wnids
    """

    format = "label_list"
    source: Literal["list"]
    labels: FilePath
    path: FilePath | None = None
    image_column: str | None = None
    label_column: str | None = None

    @property
    def images_folder(self) -> Path:
        """The folder that the paths begin in."""
        return self.labels.parent if self.path is None else self.path


class NpzDataset(DatasetEntry):
    """One file of np.savez: images uint8, labels whole numbers (n,) or (n, 1), or names of classes.

    split           whose arrays, where the file has several splits, such as test_images
    images, labels  names of the arrays, where they are other ones; `ids` too, where there are any
    channels        first or last, where the shape is ambiguous
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
    """Parquet files of Hugging Face's form: encoded images in a column, labels in another.

    path           a file, a folder, a glob, or numbers in braces: data/test-*.parquet
    split          of a folder with several, such as test: its files begin with it
    image_column   `image` without it, or the one column of images
    label_column   `label` without it
    id_column      names the images; without it, the paths stored with them do, or their positions
    """

    format = "parquet"
    source: Literal["parquet"]
    path: FilePath
    split: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    id_column: str | None = None


class WebDataset(DatasetEntry):
    """Tar files of WebDataset's form, read in order and without unpacking: 000123.jpg beside 000123.cls.

    path   a file, a folder, a glob, or numbers in braces: val-{000000..000049}.tar
    label  what holds the label: `cls` without it, or a field of a json member: json.label
    """

    format = "webdataset"
    source: Literal["webdataset"]
    path: FilePath
    label: str | None = None


class TorchvisionDataset(DatasetEntry):
    """A dataset of torchvision.datasets with one label per image; it must be on disk.

    dataset    its class there, such as USPS
    path       its root: the folder that it was downloaded into, with nothing else in it
    arguments  for it, such as {split: test} or {train: false}
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


class DownloadedDataset(DatasetEntry):
    """A dataset in its official format: downloaded once, or read from `path` where that is given.

    roles     the keys of `files`: what each file is for
    variants  the fields that decide which files those are
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

    @property
    def is_told(self) -> bool:
        """Whether source and variants identify the dataset, whatever its name."""
        return True


class Cifar10Dataset(DownloadedDataset):
    """CIFAR-10 from cifar-10-python.tar.gz; `path` is the archive or the folder that it unpacks to."""

    format = "cifar_batches"
    roles = ("archive",)
    source: Literal["cifar10"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, _fixed("cifar10")] = "cifar10"


class Cifar101Dataset(DownloadedDataset):
    """CIFAR-10.1, version v4 (2,021 images) or v6 (2,000); `path` is a folder with both .npy files."""

    format = "cifar10_1"
    roles = ("images", "labels")
    variants = ("version",)
    source: Literal["cifar10.1"]
    version: Literal["v4", "v6"]
    classes: Annotated[str, _fixed("cifar10")] = "cifar10"


class Cifar102Dataset(DownloadedDataset):
    """CIFAR-10.2, 2,000 images for testing or 10,000 for training; `path` is the .npz file."""

    format = "cifar10_2"
    roles = ("arrays",)
    variants = ("split",)
    source: Literal["cifar10.2"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, _fixed("cifar10")] = "cifar10"


class Cifar100Dataset(DownloadedDataset):
    """CIFAR-100 from cifar-100-python.tar.gz; `path` is the archive or the folder that it unpacks to.

    classes  cifar100, or cifar100-superclasses for models that were trained on the 20 coarse labels
    """

    format = "cifar_batches"
    roles = ("archive",)
    source: Literal["cifar100"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, _fixed("cifar100", "cifar100-superclasses")] = "cifar100"


Corruption = Literal[
    "brightness", "contrast", "defocus_blur", "elastic_transform", "fog", "frost", "gaussian_blur", "gaussian_noise",
    "glass_blur", "impulse_noise", "jpeg_compression", "motion_blur", "pixelate", "saturate", "shot_noise", "snow",
    "spatter", "speckle_noise", "zoom_blur",
]  # fmt: skip


class CorruptedCifarDataset(DownloadedDataset):
    """One corruption at one severity of CIFAR-10-C, or, with classes: cifar100, of CIFAR-100-C: 10,000 images.

    Without them it stands for all of them, and `name@corruption-severity` chooses: cifar10-c@fog-3.

    path  CIFAR-10-C.tar or the folder that it unpacks to
    """

    format = "cifar_c"
    roles = ("archive",)
    variants = ("classes",)
    source: Literal["cifar-c"]
    corruption: Corruption | None = None
    severity: int | None = Field(default=None, ge=1, le=5)
    classes: Annotated[str, _fixed("cifar10", "cifar100")] = "cifar10"

    def chosen(self, text: str) -> "DatasetEntry":
        """The dataset that `name@corruption-severity` means."""
        corruption, _, severity = text.rpartition("-")
        if self.corruption is not None:
            return super().chosen(text)
        if corruption not in get_args(Corruption) or severity not in ("1", "2", "3", "4", "5"):
            nearest = near_match(corruption or text, get_args(Corruption))
            raise ValueError(f"a corruption and a severity from 1 to 5, such as {nearest or 'fog'}-3")
        title = f"{self.title}, {corruption.replace('_', ' ')}, severity {severity}" if self.title else None
        return self.model_copy(update={"corruption": corruption, "severity": int(severity), "title": title})


class Cinic10Dataset(DownloadedDataset):
    """A part of CINIC-10; `path` is CINIC-10.tar.gz or the folder that it unpacks to.

    portion  cifar: the images that came from CIFAR-10; imagenet: those from ImageNet, downsampled; all: both
    raw      keep CIFAR-10's training images too, which make up half of the cifar portion of CINIC's test set: models
             trained on CIFAR-10 know their labels
    """

    format = "cinic10"
    roles = ("archive",)
    source: Literal["cinic10"]
    split: Literal["test", "valid", "train"] = "test"
    portion: Literal["cifar", "imagenet", "all"]
    raw: bool = False
    classes: Annotated[str, _fixed("cifar10")] = "cifar10"

    @model_validator(mode="after")
    def _has_images(self) -> "Cinic10Dataset":
        if self.split != "test" and self.portion == "cifar" and not self.raw:
            raise ValueError(
                f"all CIFAR images in CINIC's {self.split} set are CIFAR-10's training images; if they are meant, "
                "say raw: true"
            )
        return self


class MnistDataset(DownloadedDataset):
    """MNIST in its idx files; `path` is a folder with both, packed or not."""

    format = "idx"
    roles = ("images", "labels")
    variants = ("split",)
    source: Literal["mnist"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, _fixed("mnist")] = "mnist"


class QmnistDataset(DownloadedDataset):
    """QMNIST's 60,000 test digits in their idx files; `path` is a folder with both, packed or not.

    part  lost: the 50,000 that MNIST left out of its test set; known: the 10,000 that it took; all
    """

    format = "idx"
    roles = ("images", "labels")
    source: Literal["qmnist"]
    part: Literal["lost", "known", "all"] = "lost"
    classes: Annotated[str, _fixed("mnist")] = "mnist"


class FashionMnistDataset(DownloadedDataset):
    """Fashion-MNIST in its idx files; `path` is a folder with both, packed or not."""

    format = "idx"
    roles = ("images", "labels")
    variants = ("split",)
    source: Literal["fashion-mnist"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, _fixed("fashion-mnist")] = "fashion-mnist"


class SvhnDataset(DownloadedDataset):
    """The cropped digits of SVHN; `path` is the .mat file."""

    format = "svhn"
    roles = ("matrices",)
    variants = ("split",)
    source: Literal["svhn"]
    split: Literal["test", "train", "extra"] = "test"
    classes: Annotated[str, _fixed("svhn")] = "svhn"


class ImageNetDataset(DownloadedDataset):
    """The 50,000 validation images of ILSVRC2012: wnid folders, or flat as they come, with the devkit's ground truth.

    path    the folder, or ILSVRC2012_img_val.tar
    devkit  for flat images: ILSVRC2012_devkit_t12, packed or unpacked, or ILSVRC2012_validation_ground_truth.txt;
            without it, looked for beside the images
    """

    format = "imagenet"
    roles = ("images", "devkit")
    source: Literal["imagenet"]
    devkit: FilePath | None = None
    classes: Annotated[str, _fixed("imagenet-1k")] = "imagenet-1k"


class ImageNetV2Dataset(DownloadedDataset):
    """One of the three ImageNetV2 sets, 1,000 classes × 10 images; `path` is the archive or the folder it unpacks to.

    per_class  20 for the release of MatchedFrequency that has 20 images per class
    """

    format = "imagenet_v2"
    roles = ("archive",)
    variants = ("version",)
    source: Literal["imagenetv2"]
    version: Literal["matched-frequency", "threshold0.7", "topimages"]
    per_class: Literal[10, 20] = 10
    classes: Annotated[str, _fixed("imagenet-1k")] = "imagenet-1k"


class ClassArchiveDataset(DownloadedDataset):
    """An archive of class folders; `path` is the archive or the folder that it unpacks to.

    count  how many images there must be
    """

    format = "class_archive"
    roles = ("archive",)
    variants = ("classes", "view")
    source: Literal["class-archive"]
    count: int | None = Field(default=None, ge=1)

    @property
    def is_told(self) -> bool:
        return self.view is not None


class DownsampledImageNetDataset(DownloadedDataset):
    """Downsampled ImageNet: 16 × 16, 32 × 32 or 64 × 64; `path` is a batch, a folder of batches, or the archive.

    split  val, or train, which is not downloaded
    """

    format = "downsampled"
    roles = ("archive",)
    variants = ("size",)
    source: Literal["imagenet-downsampled"]
    size: Literal[8, 16, 32, 64]
    split: Literal["val", "train"] = "val"
    classes: Annotated[str, _fixed("imagenet-1k")] = "imagenet-1k"

    @model_validator(mode="after")
    def _training_images_lie_somewhere(self) -> "DownsampledImageNetDataset":
        if self.split == "train" and self.path is None:
            raise ValueError("the training images are not downloaded; set `path` to their folder")
        return self


AnyDataset = Annotated[
    DigitsDataset
    | NpyDataset
    | FolderDataset
    | ListDataset
    | NpzDataset
    | ParquetDataset
    | WebDataset
    | TorchvisionDataset
    | Cifar10Dataset
    | Cifar101Dataset
    | Cifar102Dataset
    | Cifar100Dataset
    | CorruptedCifarDataset
    | Cinic10Dataset
    | MnistDataset
    | QmnistDataset
    | FashionMnistDataset
    | SvhnDataset
    | ImageNetDataset
    | ImageNetV2Dataset
    | ClassArchiveDataset
    | DownsampledImageNetDataset,
    Field(discriminator="source"),
]
