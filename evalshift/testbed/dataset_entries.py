"""All entries of datasets: one class per source."""

from typing import Annotated

from pydantic import Field

from evalshift.testbed.imagenet_entries import (
    ClassArchiveDataset,
    DomainNetDataset,
    DownsampledImageNetDataset,
    ImageNet9Dataset,
    ImageNetCDataset,
    ImageNetDataset,
    ImageNetHardDataset,
    ImageNetV2Dataset,
    ImageNetXDataset,
    ModelVsHumanDataset,
    ObjectNetDataset,
)
from evalshift.testbed.own_dataset_entries import (
    DigitsDataset,
    FolderDataset,
    ListDataset,
    NpyDataset,
    NpzDataset,
    ParquetDataset,
    TorchvisionDataset,
    WebDataset,
)
from evalshift.testbed.small_image_entries import (
    Cifar10Dataset,
    Cifar100Dataset,
    Cifar101Dataset,
    Cifar102Dataset,
    Cinic10Dataset,
    CorruptedCifarDataset,
    FashionMnistDataset,
    MnistDataset,
    QmnistDataset,
    SvhnDataset,
)

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
