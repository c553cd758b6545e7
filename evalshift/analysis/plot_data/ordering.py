"""Orders for figures: similar models next to each other; of too many rows, those at both ends."""

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


def both_ends(count: int, most: int) -> Int[np.ndarray, " shown"]:
    """Indices of the rows to show, at most `most` of `count`: the same number from either end.

    >>> both_ends(7, 4), both_ends(3, 4)
    (array([0, 1, 5, 6]), array([0, 1, 2]))
    """
    if count <= most:
        return np.arange(count)
    half = most // 2
    return np.concatenate([np.arange(half), np.arange(count - half, count)])
