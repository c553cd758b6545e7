"""Entries of published test sets of small images: CIFAR, CINIC-10, MNIST and its like, SVHN."""

from typing import Annotated, Literal

from pydantic import model_validator

from evalshift.testbed.dataset_entry import (
    CorruptedDataset,
    DownloadedDataset,
    fixed_classes,
)


class Cifar10Dataset(DownloadedDataset):
    """CIFAR-10 from cifar-10-python.tar.gz.

    path  the archive or its unpacked folder
    """

    format = "cifar_batches"
    roles = ("archive",)
    source: Literal["cifar10"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, fixed_classes("cifar10")] = "cifar10"


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
    classes: Annotated[str, fixed_classes("cifar10")] = "cifar10"


class Cifar102Dataset(DownloadedDataset):
    """CIFAR-10.2: 2,000 test images or 10,000 training images.

    path  the .npz file
    """

    format = "cifar10_2"
    roles = ("arrays",)
    variants = ("split",)
    source: Literal["cifar10.2"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, fixed_classes("cifar10")] = "cifar10"


class Cifar100Dataset(DownloadedDataset):
    """CIFAR-100 from cifar-100-python.tar.gz.

    classes  cifar100, or cifar100-superclasses for models that were trained on the 20 coarse labels
    path     the archive or its unpacked folder
    """

    format = "cifar_batches"
    roles = ("archive",)
    source: Literal["cifar100"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, fixed_classes("cifar100", "cifar100-superclasses")] = "cifar100"


class CorruptedCifarDataset(CorruptedDataset):
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
    classes: Annotated[str, fixed_classes("cifar10", "cifar100")] = "cifar10"


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
    classes: Annotated[str, fixed_classes("cifar10")] = "cifar10"

    @model_validator(mode="after")
    def _has_images(self) -> "Cinic10Dataset":
        if self.split != "test" and self.portion == "cifar" and not self.raw:
            raise ValueError(
                f"all CIFAR images in CINIC's {self.split} set are CIFAR-10's training images; if they are meant, "
                "say raw: true"
            )
        return self


class IdxDataset(DownloadedDataset):
    """Images and labels in the files of MNIST, one of each.

    path  a folder with both files, compressed or not
    """

    format = "idx"
    roles = ("images", "labels")


class MnistDataset(IdxDataset):
    """MNIST in its idx files."""

    variants = ("split",)
    source: Literal["mnist"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, fixed_classes("mnist")] = "mnist"


class QmnistDataset(IdxDataset):
    """QMNIST's 60,000 test digits in their idx files.

    part  lost: the 50,000 that are not in MNIST's test set; known: the 10,000 that are; all: both
    """

    source: Literal["qmnist"]
    part: Literal["lost", "known", "all"] = "lost"
    classes: Annotated[str, fixed_classes("mnist")] = "mnist"


class FashionMnistDataset(IdxDataset):
    """Fashion-MNIST in its idx files."""

    variants = ("split",)
    source: Literal["fashion-mnist"]
    split: Literal["test", "train"] = "test"
    classes: Annotated[str, fixed_classes("fashion-mnist")] = "fashion-mnist"


class SvhnDataset(DownloadedDataset):
    """The cropped digits of SVHN.

    path  the .mat file
    """

    format = "svhn"
    roles = ("matrices",)
    variants = ("split",)
    source: Literal["svhn"]
    split: Literal["test", "train", "extra"] = "test"
    classes: Annotated[str, fixed_classes("svhn")] = "svhn"
