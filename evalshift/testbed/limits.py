"""A quick look at a dataset: `NAME@first-100`, its first 100 images, is a dataset of its own, never taken for all."""

import re

import numpy as np

from evalshift.shapes import Int, Labels

_FIRST = re.compile(r"first-([1-9]\d*)")


def limited_name(dataset: str, limit: int) -> str:
    """What the first `limit` images of a dataset are called.

    >>> limited_name("cifar10.1-v6", 100)
    'cifar10.1-v6@first-100'
    """
    return f"{dataset}@first-{limit}"


def limit_of(choice: str) -> int | None:
    """How many images `NAME@choice` stands for; None where it stands for something else.

    >>> limit_of("first-100"), limit_of("imagenet-a")
    (100, None)
    """
    found = _FIRST.fullmatch(choice)
    return None if found is None else int(found[1])


def first_balanced(labels: Labels, limit: int) -> Int[np.ndarray, " m"]:
    """Positions of the first `limit` images, in dataset order, of an order in which every beginning is balanced.

    In that order the first image of each class comes first, then the second of each, and so on; classes are shuffled,
    always in the same way, since neighbours in a label space are often alike. More images hold all of fewer.

    >>> first_balanced(np.array([0, 0, 0, 1, 1, 1]), 4).tolist()
    [0, 1, 3, 4]
    """
    classes, of_class = np.unique(labels, return_inverse=True)
    place = np.random.default_rng(0).permutation(len(classes))[of_class]
    by_class = np.argsort(of_class, kind="stable")
    starts = np.searchsorted(of_class[by_class], np.arange(len(classes)))
    turn = np.empty(len(labels), dtype=np.int64)
    turn[by_class] = np.arange(len(labels)) - starts[of_class[by_class]]
    return np.sort(np.lexsort((place, turn))[:limit])
