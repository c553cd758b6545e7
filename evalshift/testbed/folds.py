"""Splitting a dataset into folds of equal size."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from evalshift.errors import UsageError
from evalshift.shapes import Labels
from evalshift.testbed.csv_records import csv_bytes


def fold_numbers(labels: Labels, folds: int, seed: int = 0, *, stratify: bool = True) -> Int[np.ndarray, " n"]:
    """The fold of each image, from 1 to `folds`, at random; sizes differ by at most one.

    stratify  counts of each class differ by at most one between folds, too
    Raises UsageError for fewer than two folds or fewer images than folds.
    Source of the use: Recht et al. 2019, appendices B.2.7 and C.3.1 (cross-validation).

    >>> np.bincount(fold_numbers(np.array([0, 0, 0, 0, 1, 1]), 2)).tolist()
    [0, 3, 3]
    """
    if not 2 <= folds <= len(labels):
        raise UsageError("invalid number of folds (`folds`)", found=folds, expected=f"2 to {len(labels):,}")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    if stratify:  # images of a class stand together, so that they are dealt to the folds in turn
        order = order[np.argsort(labels[order], kind="stable")]
    dealt = np.empty(len(labels), dtype=np.int64)
    dealt[order] = np.arange(len(labels)) % folds
    return rng.permutation(folds)[dealt] + 1


def folds_csv(ids: Sequence[str], numbers: Int[np.ndarray, " n"]) -> bytes:
    """A row per image: its id and its fold."""
    return csv_bytes(("image", "fold"), zip(ids, numbers.tolist(), strict=True))
