"""Entries of models that are trained when they are first run, on images alone."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.folder_hashes import checksum_of
from evalshift.testbed.model_entry import ModelEntry
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.readiness import State


class TrainedModel(ModelEntry):
    """A classifier that evalshift trains.

    train   the dataset to train on: an entry with arrays, such as {source: cifar10, split: train}
    """

    train: AnyDataset

    @property
    def trained_on(self) -> AnyDataset:
        return self.train

    def hashes(self) -> dict[str, Any]:
        """Checksums of your own files to train on; downloads are verified by theirs."""
        files = {
            name: value
            for name in type(self.train).model_fields
            if isinstance(value := getattr(self.train, name), Path)
        }
        return {f"train_{name}_sha256": checksum_of(path) for name, path in files.items()}


class RandomFeaturesModel(TrainedModel):
    """A random-features classifier, trained by evalshift: see evalshift.testbed.models.random_features.

    filters      the number of filters: whitened patches of training images
    patch_size   size of the filters in pixels
    pool_size    size of the average pooling that follows
    pool_stride  stride of the average pooling
    flip         whether to train on mirrored images too
    bias         the threshold that a filter's response must exceed
    whitening    the constant that is added to the variances of the patches before whitening
    regularizer  the regularisation of the least squares
    seed         the seed of the choice of patches
    """

    module = "random_features"
    source: Literal["random-features"]
    filters: int = Field(ge=1)
    patch_size: int = Field(default=6, ge=1)
    pool_size: int = Field(default=15, ge=1)
    pool_stride: int = Field(default=6, ge=1)
    flip: bool = False
    bias: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    whitening: float = Field(default=1e-3, gt=0, allow_inf_nan=False)
    regularizer: float = Field(default=100.0, gt=0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0)
    preprocess: Preprocess = Preprocess()

    def state_without_weights(self) -> State:
        return State(True, "trains here when it is run, then kept", self.on_request or f"{self.filters:,} filters")


class FisherVectorsModel(TrainedModel):
    """A Fisher-vector classifier, trained by evalshift: see evalshift.testbed.models.fisher_vectors.

    descriptors  what describes patches: patches (their pixels), sift, colour (local colour statistics); each has a
                 mixture of its own
    centers      the number of Gaussians in the mixture
    components   the number of principal components of a descriptor
    patch_size   size of the patches in pixels
    stride       distance of neighbouring patches in pixels
    regions      how many regions along each side have a Fisher vector of their own
    flip         whether to train on mirrored images too
    regularizer  the regularisation of the least squares, per image
    seed         the seed of the choice of patches and of the mixture
    """

    module = "fisher_vectors"
    source: Literal["fisher-vectors"]
    descriptors: tuple[Literal["patches", "sift", "colour"], ...] = Field(default=("patches",), min_length=1)
    centers: int = Field(default=16, ge=1)
    components: int = Field(default=64, ge=1)
    patch_size: int = Field(default=6, ge=1)
    stride: int = Field(default=2, ge=1)
    regions: int = Field(default=1, ge=1)
    flip: bool = False
    regularizer: float = Field(default=1e-4, gt=0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0)
    preprocess: Preprocess = Preprocess()

    def state_without_weights(self) -> State:
        return State(True, "trains here when it is run, then kept", self.on_request or f"{self.centers:,} centers")

    @model_validator(mode="after")
    def _check_descriptors(self) -> "FisherVectorsModel":
        if len(set(self.descriptors)) < len(self.descriptors):
            raise ValueError("descriptors: each kind once")
        if self.patch_size % 4 and set(self.descriptors) - {"patches"}:
            raise ValueError("patch_size: a multiple of 4 for sift and colour, which describe 4 × 4 cells of a patch")
        return self
