"""Which rows a figure shows and in which order: similar models next to each other; of too many rows, some."""

from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float, Int
from scipy.cluster import hierarchy
from scipy.spatial import distance


def alike_first(similarity: Float[np.ndarray, "m m"]) -> Int[np.ndarray, " m"]:
    """Order of m things in which neighbours are similar.

    Takes a symmetric matrix of similarities, the largest on its diagonal. Average-linkage clustering of 1 − similarity,
    with optimal leaf ordering; of the two directions, the one whose first half is more similar to all others.
    Raises ValueError where the matrix is not symmetric.
    Source: Bar-Joseph, Gifford, Jaakkola 2001, Bioinformatics 17(S1), S22-S29.

    >>> alike_first(np.array([[1, 0.1, 0.9, 0.2], [0.1, 1, 0.2, 0.7], [0.9, 0.2, 1, 0.3], [0.2, 0.7, 0.3, 1]]))
    array([0, 2, 3, 1])
    """
    if not np.allclose(similarity, similarity.T):
        raise ValueError("similarity: found a matrix that is not symmetric; expected one that is")
    models = len(similarity)
    if models < 3:
        return np.arange(models)
    apart = distance.squareform(np.max(similarity) - similarity, checks=False)
    order = hierarchy.leaves_list(hierarchy.linkage(np.maximum(apart, 0), "average", optimal_ordering=True))
    mean = similarity.mean(axis=1)[order]
    half = models // 2
    forwards = mean[:half].sum() >= mean[-half:].sum()
    return order.astype(np.int64) if forwards else order[::-1].astype(np.int64)


def first_of(count: int, most: int, kept: Iterable[int] = ()) -> Int[np.ndarray, " shown"]:
    """Indices of the rows to show, at most `most` of `count`: those of `kept`, and as many of the first as fit.

    >>> first_of(7, 4), first_of(7, 4, [5]), first_of(7, 4, [0, 3])
    (array([0, 1, 2, 3]), array([0, 1, 2, 5]), array([0, 1, 2, 3]))
    """
    return _filled(count, most, kept, lambda taken: range(taken))


def both_ends(count: int, most: int, kept: Iterable[int] = ()) -> Int[np.ndarray, " shown"]:
    """Indices of the rows to show, at most `most` of `count`: those of `kept`, and as many from either end as fit.

    >>> both_ends(7, 4), both_ends(3, 4)
    (array([0, 1, 5, 6]), array([0, 1, 2]))
    """
    return _filled(count, most, kept, lambda taken: (*range(taken // 2), *range(count - taken // 2, count)))


def _filled(
    count: int, most: int, kept: Iterable[int], taken: Callable[[int], Iterable[int]]
) -> Int[np.ndarray, " shown"]:
    """`kept` and the longest choice of others with which there are at most `most` rows, in order."""
    if count <= most:
        return np.arange(count)
    always = sorted(set(kept))[:most]
    choices = (sorted({*always, *taken(rows)}) for rows in range(most, -1, -1))
    return np.array(next(choice for choice in choices if len(choice) <= most), dtype=np.int64)


def describe_shown(shown: Int[np.ndarray, " m"], models: int) -> str:
    """Which models of a table are shown, for a caption; nothing where it is all of them.

    >>> describe_shown(np.array([0, 1]), 5), describe_shown(np.array([0, 4]), 5), describe_shown(np.arange(5), 5)
    ('the best 2 of 5 models', 'the best 1 of 5 models, and the highlighted ones', '')
    """
    if len(shown) == models:
        return ""
    first = int(np.argmax(np.append(shown, models) != np.arange(len(shown) + 1)))
    beyond = ", and the highlighted ones" if first < len(shown) else ""
    return f"the best {first:,} of {models:,} models{beyond}"
