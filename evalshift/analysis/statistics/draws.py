"""Draws with replacement, as counts per cell."""

from collections.abc import Iterator

import numpy as np

# The arrays of a batch stay in the processor's cache and are small enough for the allocator to reuse; larger ones take
# four times as long per draw.
_CELLS_IN_A_BATCH = 100_000


def drawn_counts(rng: np.random.Generator, resamples: int, cells: int) -> np.ndarray:
    """How often each of `cells` cells is drawn in `cells` draws with replacement; shape (resamples, cells).

    The counts do not depend on the sizes of the batches in which they are drawn.
    """
    drawn = rng.integers(cells, size=(resamples, cells))
    drawn += np.arange(resamples)[:, np.newaxis] * cells
    return np.bincount(drawn.ravel(), minlength=resamples * cells).reshape(resamples, cells)


def batches(resamples: int, width: int, most: int = _CELLS_IN_A_BATCH) -> Iterator[int]:
    """Sizes of the batches for `resamples` rows of `width` cells: at most `most` cells each, or a single row.

    >>> list(batches(5, 50_000))
    [2, 2, 1]
    """
    size = max(1, most // width)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def check_resamples(resamples: int) -> None:
    """Raise ValueError for a negative number of resamples, and for a single one, whose interval would have no width."""
    if resamples < 0 or resamples == 1:
        raise ValueError(f"resamples: found {resamples}; expected 0 for no intervals, or at least 2")


def affordable(resamples: int, models: int, most: int) -> int:
    """Number of resamples, reduced to at most `most` resampled models in all, but not below 2,000 resamples.

    With many models, the intervals of a line are narrow: fewer resamples move their bounds by less than a printed
    digit.

    >>> affordable(100_000, 67, most=20_000_000), affordable(100_000, 1445, most=20_000_000), affordable(0, 67, most=1)
    (100000, 13840, 0)
    """
    return min(resamples, max(2_000, most // max(1, models)))
