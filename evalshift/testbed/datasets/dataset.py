"""Dataset: labelled images in a fixed order, checked when it is made; and the fingerprint of its content."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from evalshift.errors import DataError
from evalshift.files import sha256_of
from evalshift.shapes import Labels
from evalshift.testbed.classes import ClassSpace

# What a format's reader gives: ids, images, labels.
Parts = tuple[Sequence[str], Any, Labels]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images in a fixed order.

    ids     one text an image, unique, shape (n,)
    labels  class numbers, shape (n,)
    images  uint8 (n, h, w, c) where all have one size, else a file an image
    """

    name: str
    classes: ClassSpace
    ids: tuple[str, ...]
    labels: Labels
    images: UInt8[np.ndarray, "_ h w c"] | tuple[Path, ...]  # as many as labels: below, with words for people

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.labels) == len(self.images):
            raise DataError(
                "images and labels are of different length",
                where=f"dataset {self.name}",
                found=f"{len(self.images):,} images, {len(self.labels):,} labels, {len(self.ids):,} ids",
                expected="one label and one id an image",
            )
        if len(self.labels) == 0:
            raise DataError("a dataset without images", where=f"dataset {self.name}", expected="at least one")
        if len(set(self.ids)) != len(self.ids):
            seen: set[str] = set()
            twice = next(name for name in self.ids if name in seen or seen.add(name))
            raise DataError("an id stands twice", where=f"dataset {self.name}", found=twice, expected="unique ids")
        outside = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.classes)))
        if len(outside):
            more = f" and {len(outside) - 1:,} more" if len(outside) > 1 else ""
            raise DataError(
                "labels outside the classes",
                where=f"dataset {self.name}, image {outside[0]:,}{more}",
                found=f"label {self.labels[outside[0]]}",
                expected=f"0 to {len(self.classes) - 1} ({self.classes.name})",
                remedy="labels count from 0; subtract 1 if yours count from 1, or name the right label space",
            )

    def __len__(self) -> int:
        return len(self.labels)


def fingerprint(dataset: Dataset, workers: int = 2) -> str:
    """sha256 over ids, labels and the content of every image: equal fingerprints mean equal data, wherever it lies."""
    digest = hashlib.sha256(b"evalshift dataset 1\n")
    digest.update("\n".join(dataset.ids).encode())
    digest.update(dataset.labels.astype("<i8").tobytes())
    if isinstance(dataset.images, np.ndarray):
        digest.update(repr(dataset.images.shape).encode())
        digest.update(np.ascontiguousarray(dataset.images).data)
    else:
        with ThreadPoolExecutor(workers) as pool:  # hashing releases the interpreter
            for content in pool.map(sha256_of, dataset.images):
                digest.update(bytes.fromhex(content))
    return digest.hexdigest()


def numbered(count: int) -> list[str]:
    """Ids for images that have no names: their position, in as many digits as the last one needs."""
    digits = len(str(max(count - 1, 0)))
    return [f"{position:0{digits}d}" for position in range(count)]
