"""Dataset entries: one class per source."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from evalshift.errors import near_match
from evalshift.testbed.entries import About, Entry, FactsFile, FileEntry, FilePath
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
    """Published numbers about test images with near-duplicates in the training set.

    share     share of the images, from 0 to 1
    accuracy  accuracy of a typical model on them, from 0 to 1
    source    where these numbers are published
    """

    share: float = Field(gt=0, lt=1)
    accuracy: float = Field(ge=0, le=1)
    source: str


class NoVariantsError(ValueError):
    """Raised for `name@text` if the name stands for a single dataset."""


class DatasetEntry(About):
    """Labelled images in a fixed order.

    classes           the label space
    fresh             the name of another dataset: images from the same distribution, never used for tuning
    near_duplicates   what is known about near-duplicates of training images: share, accuracy and source
    view              how labels and predictions are grouped or reduced: the name of a view such as imagenet-a, groups
                      of classes, or the classes to keep
    attributes        a table with one row per image and further columns, such as its place or year
    multi_labels      a file with a list of correct classes per image, such as ReaL's real.json, instead of one label
                      per image; `labels` for short, if the source has no field `labels`
    corrected_labels  a file with one or several corrected labels of all or some images; accuracies are reported by
                      these labels as well as by the dataset's own
    border            pixels that are cropped on each side of every image before the model's preprocessing
    format            the module of `evalshift.testbed.datasets` that reads it
    """

    format: ClassVar[str]
    classes: str
    fresh: str | None = None
    attributes: FactsFile | None = None
    near_duplicates: NearDuplicatesEntry | None = None
    view: str | dict[Any, Any] | list[Any] | None = None
    multi_labels: FactsFile | None = None
    corrected_labels: FactsFile | None = None
    border: int = Field(default=0, ge=0)
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
        """The view named by `view`; None without one."""
        if self._seen is None and self.view in BUILT_IN_VIEWS:
            return built_in_view(str(self.view))
        return self._seen

    @property
    def predicted_in(self) -> str:
        """The name of the label space in which models predict, before any view."""
        if self.view is None:
            return self.classes
        return BUILT_IN_VIEWS[str(self.view)] if self._seen is None else self._seen.of.name

    def seen_in(self, view: str | View) -> "DatasetEntry":
        """Return this dataset in a view, which must fit its label space; built-in views are created on first use."""
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
        """The number of images, balanced over the classes; None for all."""
        return self._limit

    def limited(self, limit: int) -> "DatasetEntry":
        """Return the first images of this dataset, without facts that need not hold for a subset."""
        changed = {
            "title": f"{self.title} (first {limit:,} images)" if self.title else None,
            "fresh": limited_name(self.fresh, limit) if self.fresh else None,
            "near_duplicates": None,
        }
        copy = self.model_copy(update=changed)
        copy._limit = limit
        return copy

    def chosen(self, text: str) -> "DatasetEntry":
        """Return the dataset that `name@text` stands for, if the name has several.

        Raises NoVariantsError if it has only one; ValueError for an unknown `text`, saying what is expected.
        """
        raise NoVariantsError(text)

    def choices(self) -> tuple[str, ...]:
        """What `name@choice` takes, if the name stands for several datasets."""
        return ()

    def needed_files(self) -> tuple[FileEntry, ...]:
        """The files to download before this dataset can be read; empty if it names none."""
        named = (self.attributes, self.multi_labels, self.corrected_labels)
        return tuple(file for file in named if isinstance(file, FileEntry))


class DigitsDataset(DatasetEntry):
    """The embedded pair: scikit-learn's handwritten digits, split by writer.

    part  original: other digits by the writers of the training set; new: digits by other writers
    """

    format = "digits"
    source: Literal["digits"]
    part: Literal["original", "new"]
    classes: Annotated[str, _fixed("digits")] = "digits"


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
    """

    format = "label_list"
    source: Literal["list"]
    labels: FilePath
    path: FilePath | None = None
    image_column: str | None = None
    label_column: str | None = None

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


class DownloadedDataset(DatasetEntry):
    """A dataset in its official format: downloaded once, or read from `path`.

    path      your own copy, instead of a download
    files     the files to download, by role
    by_hand   why it is not downloaded, if there is nothing to download
    split     which part of the dataset
    roles     the keys of `files`
    variants  the fields that determine which files these are
    """

    roles: ClassVar[tuple[str, ...]] = ()
    variants: ClassVar[tuple[str, ...]] = ()
    path: FilePath | None = None
    files: dict[str, FileEntry] = Field(default={})
    by_hand: str | None = None

    @model_validator(mode="after")
    def _files_are_known(self) -> "DownloadedDataset":
        if self.files and set(self.files) != set(self.roles):
            raise ValueError(f"files: takes {' and '.join(self.roles)}, not {', '.join(self.files)}")
        return self

    def chosen_files(self) -> dict[str, FileEntry]:
        """The files of this dataset alone, by role, where `files` has those of several."""
        return self.files

    def needed_files(self) -> tuple[FileEntry, ...]:
        own = () if self.path else tuple(self.chosen_files().values())
        return (*own, *super().needed_files())

    @property
    def is_told(self) -> bool:
        """Whether source and variants identify the dataset, regardless of its name."""
        return True


class Cifar10Dataset(DownloadedDataset):
    """CIFAR-10 from cifar-10-python.tar.gz.

    path  the archive or its unpacked folder
    """

    format = "cifar_batches"
    roles = ("archive",)
    source: Literal["cifar10"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, _fixed("cifar10")] = "cifar10"


class Cifar101Dataset(DownloadedDataset):
    """CIFAR-10.1.

    version  v4 (2,021 images) or v6 (2,000 images)
    path     a folder with both .npy files
    """

    format = "cifar10_1"
    roles = ("images", "labels")
    variants = ("version",)
    source: Literal["cifar10.1"]
    version: Literal["v4", "v6"]
    classes: Annotated[str, _fixed("cifar10")] = "cifar10"


class Cifar102Dataset(DownloadedDataset):
    """CIFAR-10.2: 2,000 test images or 10,000 training images.

    path  the .npz file
    """

    format = "cifar10_2"
    roles = ("arrays",)
    variants = ("split",)
    source: Literal["cifar10.2"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, _fixed("cifar10")] = "cifar10"


class Cifar100Dataset(DownloadedDataset):
    """CIFAR-100 from cifar-100-python.tar.gz.

    classes  cifar100, or cifar100-superclasses for models that were trained on the 20 coarse labels
    path     the archive or its unpacked folder
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
    """One corruption at one severity of CIFAR-10-C, or with `classes: cifar100` of CIFAR-100-C: 10,000 images.

    Without both fields the entry stands for all of them, and `name@corruption-severity` selects one: cifar10-c@fog-3.

    classes     cifar10 for CIFAR-10-C, cifar100 for CIFAR-100-C
    corruption  the corruption
    severity    its severity, 1 to 5
    path        the archive, such as CIFAR-10-C.tar, or its unpacked folder
    """

    format = "cifar_c"
    roles = ("archive",)
    variants = ("classes",)
    source: Literal["cifar-c"]
    corruption: Corruption | None = None
    severity: int | None = Field(default=None, ge=1, le=5)
    classes: Annotated[str, _fixed("cifar10", "cifar100")] = "cifar10"

    def chosen(self, text: str) -> "DatasetEntry":
        """Return the dataset that `name@corruption-severity` stands for."""
        return super().chosen(text) if self.corruption is not None else _corrupted(self, text)

    def choices(self) -> tuple[str, ...]:
        return _CORRUPTED if self.corruption is None else ()


_CORRUPTED = tuple(f"{corruption}-{severity}" for corruption in get_args(Corruption) for severity in range(1, 6))


def _corrupted(entry: "CorruptedCifarDataset | ImageNetCDataset", text: str) -> DatasetEntry:
    """The one of all corruptions and severities that "corruption-severity" selects; ValueError for any other text."""
    corruption, _, severity = text.rpartition("-")
    if corruption not in get_args(Corruption) or severity not in ("1", "2", "3", "4", "5"):
        nearest = near_match(corruption or text, get_args(Corruption))
        raise ValueError(f"a corruption and a severity from 1 to 5, such as {nearest or 'fog'}-3")
    title = f"{entry.title}, {corruption.replace('_', ' ')}, severity {severity}" if entry.title else None
    return entry.model_copy(update={"corruption": corruption, "severity": int(severity), "title": title})


class Cinic10Dataset(DownloadedDataset):
    """A part of CINIC-10.

    split    test, valid or train of 90,000 images each, or the last two together as train+valid
    portion  cifar: the images from CIFAR-10; imagenet: those from ImageNet, downsampled; all: both
    raw      whether to keep images from CIFAR-10's training set, which make up half of the cifar portion of CINIC's
             test set: models trained on CIFAR-10 have seen them
    path     CINIC-10.tar.gz or its unpacked folder
    """

    format = "cinic10"
    roles = ("archive",)
    source: Literal["cinic10"]
    split: Literal["test", "valid", "train", "train+valid"] = "test"
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
    """MNIST in its idx files.

    path  a folder with both files, compressed or not
    """

    format = "idx"
    roles = ("images", "labels")
    variants = ("split",)
    source: Literal["mnist"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, _fixed("mnist")] = "mnist"


class QmnistDataset(DownloadedDataset):
    """QMNIST's 60,000 test digits in their idx files.

    part  lost: the 50,000 that are not in MNIST's test set; known: the 10,000 that are; all: both
    path  a folder with both files, compressed or not
    """

    format = "idx"
    roles = ("images", "labels")
    source: Literal["qmnist"]
    part: Literal["lost", "known", "all"] = "lost"
    classes: Annotated[str, _fixed("mnist")] = "mnist"


class FashionMnistDataset(DownloadedDataset):
    """Fashion-MNIST in its idx files.

    path  a folder with both files, compressed or not
    """

    format = "idx"
    roles = ("images", "labels")
    variants = ("split",)
    source: Literal["fashion-mnist"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, _fixed("fashion-mnist")] = "fashion-mnist"


class SvhnDataset(DownloadedDataset):
    """The cropped digits of SVHN.

    path  the .mat file
    """

    format = "svhn"
    roles = ("matrices",)
    variants = ("split",)
    source: Literal["svhn"]
    split: Literal["test", "train", "extra"] = "test"
    classes: Annotated[str, _fixed("svhn")] = "svhn"


class ImageNetDataset(DownloadedDataset):
    """The 50,000 validation images of ILSVRC2012, in wnid folders, or in one folder with the devkit's ground truth.

    path    the folder, or ILSVRC2012_img_val.tar
    devkit  for images in one folder: ILSVRC2012_devkit_t12, packed or unpacked, or
            ILSVRC2012_validation_ground_truth.txt; by default, searched for next to the images
    """

    format = "imagenet"
    roles = ("images", "devkit")
    source: Literal["imagenet"]
    devkit: FilePath | None = None
    classes: Annotated[str, _fixed("imagenet-1k")] = "imagenet-1k"


class ImageNetV2Dataset(DownloadedDataset):
    """One of the three ImageNetV2 sets: 1,000 classes with 10 images each.

    version    matched-frequency, threshold0.7 or topimages
    per_class  20 for the release of MatchedFrequency with 20 images per class
    path       the archive or its unpacked folder
    """

    format = "imagenet_v2"
    roles = ("archive",)
    variants = ("version",)
    source: Literal["imagenetv2"]
    version: Literal["matched-frequency", "threshold0.7", "topimages"]
    per_class: Literal[10, 20] = 10
    classes: Annotated[str, _fixed("imagenet-1k")] = "imagenet-1k"


class ClassArchiveDataset(DownloadedDataset):
    """An archive of class folders.

    path   the archive or its unpacked folder
    count  the required number of images
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
    """Downsampled ImageNet.

    size   pixels per side
    split  val, or train, which needs `path`
    path   a batch, a folder of batches, or the archive
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


class ImageNetXDataset(DownloadedDataset):
    """ImageNet-X: validation images of ILSVRC2012 with 16 factors of variation as attributes, each "0" or "1".

    Images without an annotation, and the prototypes that annotators were shown, are left out, as its authors do.

    path         the folder of the images, or ILSVRC2012_img_val.tar
    devkit       as for `imagenet`
    annotations  imagenet_x_val_multi_factor.jsonl or imagenet_x_val_top_factor.jsonl, instead of a download
    prototypes   prototypical_paths.csv, instead of a download
    """

    format = "imagenet_x"
    roles = ("images", "devkit", "annotations", "prototypes")
    source: Literal["imagenet-x"]
    devkit: FilePath | None = None
    annotations: FilePath | None = None
    prototypes: FilePath | None = None
    classes: Annotated[str, _fixed("imagenet-1k")] = "imagenet-1k"

    def chosen_files(self) -> dict[str, FileEntry]:
        own = {"annotations": self.annotations, "prototypes": self.prototypes}
        return {role: file for role, file in self.files.items() if own.get(role) is None}

    def needed_files(self) -> tuple[FileEntry, ...]:
        images = ("images", "devkit") if self.path else ()
        return tuple(file for role, file in self.chosen_files().items() if role not in images)


class ImageNetHardDataset(DownloadedDataset):
    """ImageNet-Hard: images from ImageNet and its variants, each with one or several correct classes.

    path   the folder of its Parquet files, as on the Hugging Face Hub
    count  the required number of images
    """

    format = "imagenet_hard"
    source: Literal["imagenet-hard"]
    count: int | None = Field(default=None, ge=1)
    classes: Annotated[str, _fixed("imagenet-1k")] = "imagenet-1k"


class ChosenByName(DownloadedDataset):
    """Several test sets of one release, one of which `name@choice` selects.

    choice  the field that the choice fills in
    """

    choice: ClassVar[str]

    def choices(self) -> tuple[str, ...]:
        return () if self.is_chosen else self.possible()

    @classmethod
    def possible(cls) -> tuple[str, ...]:
        """All values of the field that `name@choice` fills in."""
        annotation = cls.model_fields[cls.choice].annotation
        literal = next((one for one in get_args(annotation) if one is not type(None)), annotation)
        return get_args(literal)

    @property
    def is_chosen(self) -> bool:
        """Whether this is one test set."""
        return getattr(self, self.choice) is not None

    def chosen(self, text: str) -> "DatasetEntry":
        """Return the test set that `name@text` stands for; `-` and `_` are the same in it."""
        if self.is_chosen:
            return super().chosen(text)
        known = {name.replace("-", "_"): name for name in self.possible()}
        name = known.get(text.replace("-", "_"))
        if name is None:
            raise ValueError(f"one of {', '.join(self.possible())}")
        title = f"{self.title}, {name.replace('_', ' ')}" if self.title else None
        return self.model_copy(update={self.choice: name, "title": title})


class ImageNet9Dataset(ChosenByName):
    """ImageNet-9, the Backgrounds Challenge: 4,050 images of nine groups of classes, in several variations.

    variation  original; mixed_same, mixed_rand, mixed_next: the foreground on a background of the same, a random or
               the next group; only_fg: without background; only_bg_b, only_bg_t, no_fg: without foreground
    path       the archive, its unpacked folder, or the folder of a variation
    """

    format = "group_folders"
    roles = ("archive",)
    choice = "variation"
    source: Literal["imagenet-9"]
    variation: (
        Literal["original", "mixed_same", "mixed_rand", "mixed_next", "only_fg", "only_bg_b", "only_bg_t", "no_fg"]
        | None
    ) = None
    classes: Annotated[str, _fixed("imagenet-9")] = "imagenet-9"
    view: str | dict[Any, Any] | list[Any] | None = "imagenet-9"


class ObjectNetDataset(DownloadedDataset):
    """ObjectNet: photographs of the 113 of its 313 classes that ImageNet has too, without their red border.

    path  its unpacked folder, with the class folders in images
    """

    format = "group_folders"
    source: Literal["objectnet"]
    border: int = Field(default=2, ge=0)
    classes: Annotated[str, _fixed("objectnet")] = "objectnet"
    view: str | dict[Any, Any] | list[Any] | None = "objectnet"


class DomainNetDataset(ChosenByName):
    """One domain of DomainNet, its classes mapped to ImageNet's in 164 groups, as in ImageNet-D.

    domain  clipart, infograph, painting, quickdraw, real or sketch
    path    the archive of the domain, or the folder that contains the class folders or the folders of the domains
    """

    format = "group_folders"
    roles = ("clipart", "infograph", "painting", "quickdraw", "real", "sketch")
    choice = "domain"
    source: Literal["domainnet"]
    domain: Literal["clipart", "infograph", "painting", "quickdraw", "real", "sketch"] | None = None
    classes: Annotated[str, _fixed("imagenet-d")] = "imagenet-d"
    view: str | dict[Any, Any] | list[Any] | None = "imagenet-d"

    def chosen_files(self) -> dict[str, FileEntry]:
        return {role: file for role, file in self.files.items() if self.domain in (None, role)}


Experiment = Literal[
    "colour", "contrast", "cue-conflict", "edge", "eidolonI", "eidolonII", "eidolonIII", "false-colour", "high-pass",
    "low-pass", "phase-scrambling", "power-equalisation", "rotation", "silhouette", "sketch", "stylized",
    "uniform-noise",
]  # fmt: skip


class ModelVsHumanDataset(ChosenByName):
    """One of the 17 test sets of model-vs-human, with 16 groups of ImageNet's classes.

    Attributes: the condition of an image, such as its contrast, and the session; of cue-conflict the texture, while the
    label is the shape.

    experiment  its name, such as stylized, sketch or cue-conflict
    path        the archive of the experiment, or its unpacked folder
    """

    format = "model_vs_human"
    roles = get_args(Experiment)
    choice = "experiment"
    source: Literal["model-vs-human"]
    experiment: Experiment | None = None
    classes: Annotated[str, _fixed("geirhos-16")] = "geirhos-16"
    view: str | dict[Any, Any] | list[Any] | None = "geirhos-16"

    def chosen_files(self) -> dict[str, FileEntry]:
        return {role: file for role, file in self.files.items() if self.experiment in (None, role)}


class ImageNetCDataset(DownloadedDataset):
    """One corruption at one severity of ImageNet-C: 50,000 JPEG files of 224 × 224 pixels.

    Without both fields the entry stands for all of them, and `name@corruption-severity` selects one: imagenet-c@fog-3.

    corruption  the corruption
    severity    its severity, 1 to 5
    path        the folder with the unpacked archives, with or without a folder for each archive
    """

    format = "imagenet_c"
    roles = ("blur", "digital", "extra", "noise", "weather")
    source: Literal["imagenet-c"]
    corruption: Corruption | None = None
    severity: int | None = Field(default=None, ge=1, le=5)
    classes: Annotated[str, _fixed("imagenet-1k")] = "imagenet-1k"

    def chosen(self, text: str) -> "DatasetEntry":
        """Return the dataset that `name@corruption-severity` stands for."""
        return super().chosen(text) if self.corruption is not None else _corrupted(self, text)

    def choices(self) -> tuple[str, ...]:
        return _CORRUPTED if self.corruption is None else ()

    @property
    def archive(self) -> str | None:
        """The role of the archive with the corruption; None before one is chosen."""
        return next((role for role, held in IN_ARCHIVE.items() if self.corruption in held), None)

    def chosen_files(self) -> dict[str, FileEntry]:
        return {role: file for role, file in self.files.items() if self.archive in (None, role)}


# Which corruptions of ImageNet-C are in which archive.
IN_ARCHIVE = {
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "digital": ("contrast", "elastic_transform", "jpeg_compression", "pixelate"),
    "extra": ("gaussian_blur", "saturate", "spatter", "speckle_noise"),
    "noise": ("gaussian_noise", "impulse_noise", "shot_noise"),
    "weather": ("brightness", "fog", "frost", "snow"),
}


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
    | DownsampledImageNetDataset
    | ImageNetXDataset
    | ImageNetHardDataset
    | ImageNet9Dataset
    | ObjectNetDataset
    | DomainNetDataset
    | ModelVsHumanDataset
    | ImageNetCDataset,
    Field(discriminator="source"),
]
