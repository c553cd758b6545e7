"""The predictions of one model on one dataset, with their provenance."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from evalshift.shapes import Bool, Int, Prob, Top

# What every run records and no import can.
_OF_A_RUN = ("preprocess", "device", "precision", "batch_size", "memory_format", "seconds", "images_per_second")

# The source of predictions that were made of those of other models.
COMBINATION = "combination"


class Imported(BaseModel):
    """The source of imported predictions or counts.

    source  what was imported: "predictions", "table", the name of a released set such as "recht2019-imagenet", or
            `COMBINATION`
    files   name -> sha256 of each file that was read
    kind    what the file held: "top1", "topk", "logits", "probabilities", or "counts", "percent", "fraction"
    rules   what was decided on the way, in words, so that it can be checked
    missing images without a prediction, which count as incorrect
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str
    files: dict[str, str]
    kind: str
    rules: list[str] = []
    missing: int = 0


class PrecisionComparison(BaseModel):
    """Predictions in a precision below fp32 beside those in fp32: of so many images, how many differ."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    images: int
    differing: int


class DecodingComparison(BaseModel):
    """Predictions on images decoded at a reduced size beside the full one: of so many images, how many differ."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    images: int
    differing: int


class Provenance(BaseModel):
    """Provenance of predictions; stored in their file, one key per field.

    What only a run can know is None for imported predictions.

    entry               the registry entry as it was written
    own                 whether that is an entry of the user's own registry file, rather than of one that it extends
    identity            the part of it that can change predictions; a run compares it to find out what to redo
    dataset_fingerprint of imported predictions, the checksum of the labels they were compared with (`label_checksum`)
    preprocess          what was done to the images, with what the source says of itself filled in
    memory_format       "contiguous" or "channels_last"
    streams             batches that ran at once
    threads             of torch for each of them on a CPU, whose number can change last digits; None where not recorded
    shards              parts of the dataset that several workers ran; `seconds` are those of all together
    fused               whether operations of the network were joined, which rounds its last digits otherwise
    half_weights        whether weights were cast to bf16 or fp16, rather than each operation's inputs (autocast)
    compiled            "cuda graph" or "torch.compile" where the network ran so
    comparison_with_fp32  of predictions in a precision below fp32, on at most 512 images
    fast_decode         where JPEG files were decoded at a reduced size, what that changed on at most 256 images
    skipped_optimizations  optimisation → why it was not used, for those that were tried: the plain form ran instead
    output              which of several outputs of the network was taken; None where it gives one
    output_kind         "logits", or "probabilities" where the network gives those: taken as they are, without a softmax
    versions            of Python, torch and whatever else shaped the numbers, for JPEG files their decoder too
    start               of the run or of the import, in UTC
    seconds             of inference, loading and searching left out
    images_per_second   once the first batch was through, for which memory is taken and kernels are chosen
    warnings            what the run noticed and the reader should know
    left_out            tensors of the checkpoint that are not the network's, as the entry says
    config              options of the run that came from a file of options, by their names on the command line
    imported            source of imported predictions; None where evalshift ran the model
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int
    model: str
    dataset: str
    classes: str
    entry: dict
    own: bool = False
    identity: dict
    checkpoint_sha256: str | None = None
    dataset_fingerprint: str
    preprocess: dict | None = None
    device: str | None = None
    precision: str | None = None
    batch_size: int | None = None
    memory_format: str | None = None
    streams: int | None = 1
    threads: int | None = None
    shards: int = 1
    fused: bool = False
    half_weights: bool = False
    compiled: str | None = None
    comparison_with_fp32: PrecisionComparison | None = None
    fast_decode: DecodingComparison | None = None
    skipped_optimizations: dict[str, str] = {}
    output: str | None = None
    output_kind: Literal["logits", "probabilities"] = "logits"
    versions: dict[str, str] = {}
    git_revision: str | None = None
    start: str
    seconds: float | None = None
    images_per_second: float | None = None
    warnings: list[str] = []
    left_out: list[str] = []
    config: dict[str, Any] = {}
    imported: Imported | None = None

    @model_validator(mode="after")
    def _a_run_says_how(self) -> "Provenance":
        missing = [name for name in _OF_A_RUN if getattr(self, name) is None]
        if missing and self.imported is None:
            raise ValueError(f'no "{missing[0]}" in it')
        return self


@dataclass(frozen=True, eq=False)
class Predictions:
    """One model's predictions on one dataset, one row per image, in dataset order.

    top   class numbers, best first, shape (n, k); −1 if an imported model has no prediction, or fewer than k
    prob  softmax probability of the first prediction, in [0, 1], shape (n,); NaN without a prediction; None if
          predictions were imported without probabilities
    """

    model: str
    dataset: str
    top: Top
    prob: Prob | None
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.top)

    def __repr__(self) -> str:
        return f"Predictions({self.model} on {self.dataset}: {len(self):,} images, best {self.k} each)"

    @property
    def k(self) -> int:
        """Number of predictions stored per image."""
        return self.top.shape[1]

    @property
    def mean_confidence(self) -> float | None:
        """Mean probability of the first prediction, in [0, 1], over the images that have one; None if none has."""
        if self.prob is None or not np.isfinite(self.prob).any():
            return None
        return float(np.nanmean(self.prob))

    def hits(self, labels: Int[np.ndarray, "..."], k: int = 1) -> Bool[np.ndarray, " n"]:
        """Whether each image's label, shape (n,), or any of several, shape (n, c), is among the first `k` predictions.

        Raises ValueError when fewer than `k` predictions are stored, or when there is not one label per image.
        """
        if not 1 <= k <= self.k:
            raise ValueError(f"k is {k}; {self.model} on {self.dataset} has 1 to {self.k} predictions per image")
        if len(labels) != len(self):
            raise ValueError(f"{len(labels):,} labels for {len(self):,} predictions of {self.model} on {self.dataset}")
        return among(self.top[:, :k], labels)


def among(top: Int[np.ndarray, "n k"], labels: Int[np.ndarray, "..."]) -> Bool[np.ndarray, " n"]:
    """Whether any of k predictions of each image is its label, shape (n,), or one of its labels, shape (n, c)."""
    several = labels[:, None] if labels.ndim == 1 else labels
    hit = np.zeros(len(top), dtype=bool)
    for column in range(several.shape[1]):
        hit |= (top == several[:, column, None]).any(axis=1)
    return hit


def labels_for(
    top: Int[np.ndarray, "n k"], labels: Int[np.ndarray, " n"], accepted: Int[np.ndarray, "n c"] | None
) -> Int[np.ndarray, " n"]:
    """The one label of each image to hold predictions against: of several the predicted one, if it is among them."""
    return labels if accepted is None else np.where(among(top[:, :1], accepted), top[:, 0], labels)


@dataclass(frozen=True)
class Failure:
    """A model that gave no predictions, and why; `dataset` is None when it could not even be loaded."""

    model: str
    dataset: str | None
    error: str
