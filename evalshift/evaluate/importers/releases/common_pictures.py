"""Which images two released sets have in common, where their files number them apart: as the models predict them."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from evalshift.shapes import Int, Labels

# Fewer models predict many different images alike.
FEWEST_MODELS = 20


def common_pictures(
    sets: Mapping[str, tuple[Labels, Mapping[str, Int[np.ndarray, " n"]]]], group: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """What tells the images of these sets apart: the label, and the predictions of all models that every set has.

    Takes the labels of each set, shape (n,), and each model's top-1 predictions there.
    A model predicts a picture alike in both sets. Images that all these models predict alike are taken for the same one
    in either set, as many as both have: no statistic of these models depends on which is which.
    Empty where fewer than two of `group` are among `sets`, and for fewer than FEWEST_MODELS models.

    >>> common_pictures({}, ["cifar10.1-v4", "cifar10.1-v6"])
    {}
    """
    there = [name for name in group if name in sets]
    if len(there) < 2:
        return {}
    models = sorted(set.intersection(*(set(sets[name][1]) for name in there)))
    if len(models) < FEWEST_MODELS:
        return {}
    return {
        name: _pictures(np.column_stack([sets[name][0], *(sets[name][1][model] for model in models)])) for name in there
    }


def _pictures(rows: np.ndarray) -> tuple[str, ...]:
    whole = np.ascontiguousarray(rows, dtype="<i4")
    return tuple(hashlib.blake2b(row.tobytes(), digest_size=8, person=b"predictions").hexdigest() for row in whole)
