"""Ranks of models by accuracy, and how they change from one test set to the next."""

import numpy as np
from jaxtyping import Int
from scipy.stats import rankdata


def rank(correct: Int[np.ndarray, " model"]) -> Int[np.ndarray, " model"]:
    """Rank of each model on one test set: 1 for the most correct; ties share the better rank ("1, 2, 2, 4").

    Takes counts over models, all out of the same total; gives int64, shape (model,).
    Source: Recht et al. 2019, tables 7-14, which however number tied models in alphabetical order.

    >>> rank(np.array([70, 90, 90, 60]))
    array([3, 1, 1, 4])
    """
    return rankdata(-correct.astype(np.int64), method="min").astype(np.int64)


def rank_changes(
    original_correct: Int[np.ndarray, " model"], new_correct: Int[np.ndarray, " model"]
) -> Int[np.ndarray, " model"]:
    """Original rank minus new rank (Δrank): above 0 for a model that moves up on the new test set.

    Takes each model's counts on the two sets; gives int64, shape (model,).
    Raises ValueError where the two have different numbers of models.
    Source: Recht et al. 2019, tables 7-14.

    >>> rank_changes(np.array([90, 80, 70]), np.array([60, 65, 50]))
    array([-1,  1,  0])
    """
    if original_correct.shape != new_correct.shape:
        raise ValueError(
            f"found {len(original_correct)} original and {len(new_correct)} new counts; expected one of each a model"
        )
    return rank(original_correct) - rank(new_correct)
