"""What one model answered on one dataset, and everything needed to say how that came about."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from pydantic import BaseModel, ConfigDict

from evalshift.shapes import Labels, Prob, Top


class Provenance(BaseModel):
    """How a file of predictions came about; stands in the file itself, a key each.

    entry               the registry entry as it was written
    identity            the part of it that can change an answer; a run compares it to find out what to redo
    preprocess          what was done to the images, with what the source says of itself filled in
    memory_format       "contiguous" or "channels_last"
    streams             batches that ran at once
    versions            of Python, torch and whatever else shaped the numbers
    start               in UTC
    seconds             of inference, loading and searching left out
    images_per_second   once the first batch was through, for which memory is taken and kernels are chosen
    warnings            what the run noticed and the reader should know
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int
    model: str
    dataset: str
    classes: str
    entry: dict
    identity: dict
    checkpoint_sha256: str | None
    dataset_fingerprint: str
    preprocess: dict
    device: str
    precision: str
    batch_size: int
    memory_format: str
    streams: int = 1
    versions: dict[str, str]
    git_revision: str | None
    start: str
    seconds: float
    images_per_second: float
    warnings: list[str] = []


@dataclass(frozen=True, eq=False)
class Predictions:
    """One model's answers on one dataset, a row an image, in dataset order.

    top   class numbers, best first, shape (n, k)
    prob  softmax probability of the first, in [0, 1], shape (n,)
    """

    model: str
    dataset: str
    top: Top
    prob: Prob
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.top)

    @property
    def k(self) -> int:
        """How many answers are kept an image."""
        return self.top.shape[1]

    def hits(self, labels: Labels, k: int = 1) -> Bool[np.ndarray, " n"]:
        """Whether each image's label, shape (n,), is among the model's first `k` answers.

        Raises ValueError when `k` answers were not kept, or when there is not one label an image.
        """
        if not 1 <= k <= self.k:
            raise ValueError(f"k is {k}; {self.model} on {self.dataset} keeps 1 to {self.k} answers an image")
        if len(labels) != len(self):
            raise ValueError(f"{len(labels):,} labels for {len(self):,} predictions of {self.model} on {self.dataset}")
        return (self.top[:, :k] == labels[:, None]).any(axis=1)


@dataclass(frozen=True)
class Failure:
    """A model that gave no predictions, and why; `dataset` is None when it could not even be loaded."""

    model: str
    dataset: str | None
    error: str
