"""Entries of ImageNet and the test sets in its classes or groups of them."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from evalshift.testbed.dataset_entry import (
    ChosenByName,
    CorruptedDataset,
    DownloadedDataset,
    fixed_classes,
)
from evalshift.testbed.entries import FileEntry, FilePath


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
    classes: Annotated[str, fixed_classes("imagenet-1k")] = "imagenet-1k"


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
    classes: Annotated[str, fixed_classes("imagenet-1k")] = "imagenet-1k"


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
    classes: Annotated[str, fixed_classes("imagenet-1k")] = "imagenet-1k"

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
    classes: Annotated[str, fixed_classes("imagenet-1k")] = "imagenet-1k"

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
    classes: Annotated[str, fixed_classes("imagenet-1k")] = "imagenet-1k"


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
    classes: Annotated[str, fixed_classes("imagenet-9")] = "imagenet-9"
    view: str | dict[Any, Any] | list[Any] | None = "imagenet-9"


class ObjectNetDataset(DownloadedDataset):
    """ObjectNet: photographs of the 113 of its 313 classes that ImageNet has too, without their red border.

    path  its unpacked folder, with the class folders in images
    """

    format = "group_folders"
    source: Literal["objectnet"]
    border: int = Field(default=2, ge=0)
    classes: Annotated[str, fixed_classes("objectnet")] = "objectnet"
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
    classes: Annotated[str, fixed_classes("imagenet-d")] = "imagenet-d"
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
    classes: Annotated[str, fixed_classes("geirhos-16")] = "geirhos-16"
    view: str | dict[Any, Any] | list[Any] | None = "geirhos-16"

    def chosen_files(self) -> dict[str, FileEntry]:
        return {role: file for role, file in self.files.items() if self.experiment in (None, role)}


class ImageNetCDataset(CorruptedDataset):
    """One corruption at one severity of ImageNet-C: 50,000 JPEG files of 224 × 224 pixels.

    Without both fields the entry stands for all of them, and `name@corruption-severity` selects one: imagenet-c@fog-3.

    corruption  the corruption
    severity    its severity, 1 to 5
    path        the folder with the unpacked archives, with or without a folder for each archive
    """

    format = "imagenet_c"
    roles = ("blur", "digital", "extra", "noise", "weather")
    source: Literal["imagenet-c"]
    classes: Annotated[str, fixed_classes("imagenet-1k")] = "imagenet-1k"

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
