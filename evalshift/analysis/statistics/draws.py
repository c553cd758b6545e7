"""Draws with replacement, as counts of what came up."""

from collections.abc import Iterator

import numpy as np

# A batch's arrays stay near the processor. Beyond the caches, and beyond what the system hands out anew for each array,
# a draw takes four times as long.
_CELLS_IN_A_BATCH = 100_000


def drawn_counts(rng: np.random.Generator, resamples: int, cells: int) -> np.ndarray:
    """How often each of `cells` comes up in as many draws with replacement; shape (resamples, cells).

    Drawn in batches, the counts are the same as in one piece.
    """
    drawn = rng.integers(cells, size=(resamples, cells))
    drawn += np.arange(resamples)[:, np.newaxis] * cells
    return np.bincount(drawn.ravel(), minlength=resamples * cells).reshape(resamples, cells)


def batches(resamples: int, width: int, most: int = _CELLS_IN_A_BATCH) -> Iterator[int]:
    """Sizes of the batches in which `resamples` rows of `width` cells are made: `most` cells in each, or one row.

    >>> list(batches(5, 50_000))
    [2, 2, 1]
    """
    size = max(1, most // width)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def check_resamples(resamples: int) -> None:
    """Raises ValueError for a negative number of resamples, and for a single one, which would pass for certainty."""
    if resamples < 0 or resamples == 1:
        raise ValueError(f"resamples: found {resamples}; expected 0 for no intervals, or at least 2")


def affordable(resamples: int, models: int, most: int) -> int:
    """How many of these resamples are made: at most `most` resampled models in all, but never below 2,000 resamples.

    Intervals of many models' lines are narrow, and their bounds move by less than a printed digit.

    >>> affordable(100_000, 67, most=20_000_000), affordable(100_000, 1445, most=20_000_000), affordable(0, 67, most=1)
    (100000, 13840, 0)
    """
    return min(resamples, max(2_000, most // max(1, models)))
