"""Ranks of models by accuracy, and how they change from one test set to the next."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from scipy import stats

from evalshift.formatting import counted


def rank(correct: Int[np.ndarray, " model"], names: Sequence[str] | None = None) -> Int[np.ndarray, " model"]:
    """Rank of each model on one test set: 1 for the most correct; ties share the better rank ("1, 2, 2, 4").

    Takes counts over models, all out of the same total; returns int64, shape (model,). With the models' `names`, ties
    are broken alphabetically instead ("1, 2, 3, 4"), as in the paper's tables.
    Raises ValueError if counts and names differ in number.
    Source: Recht et al. 2019, tables 7-16.

    >>> rank(np.array([70, 90, 90, 60]))
    array([3, 1, 1, 4])
    >>> rank(np.array([70, 90, 90, 60]), ["a", "c", "b", "d"])
    array([3, 2, 1, 4])
    """
    negative = -correct.astype(np.int64)
    if names is None:
        return stats.rankdata(negative, method="min").astype(np.int64)
    if len(names) != len(correct):
        raise ValueError(f"found {len(correct)} counts and {counted(len(names), 'name')}; expected one per model")
    places = np.empty(len(correct), np.int64)
    places[np.lexsort((np.array(names, dtype=str), negative))] = np.arange(1, len(correct) + 1)
    return places


def rank_changes(
    original_correct: Int[np.ndarray, " model"],
    new_correct: Int[np.ndarray, " model"],
    names: Sequence[str] | None = None,
) -> Int[np.ndarray, " model"]:
    """Original rank minus new rank (Δrank): above 0 for a model that moves up on the new test set.

    Takes each model's counts on the two sets; returns int64, shape (model,). `names` break ties as in `rank`.
    Raises ValueError where the two have different numbers of models.
    Source: Recht et al. 2019, tables 7-16.

    >>> rank_changes(np.array([90, 80, 70]), np.array([60, 65, 50]))
    array([-1,  1,  0])
    """
    if original_correct.shape != new_correct.shape:
        raise ValueError(
            f"found {len(original_correct)} original and {len(new_correct)} new counts; expected one per model"
        )
    return rank(original_correct, names) - rank(new_correct, names)
