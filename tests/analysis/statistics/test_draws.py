"""Draws with replacement: how often each outcome comes, and that batches are no other draws."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from evalshift.analysis.statistics.draws import batches, drawn_counts


def rng() -> np.random.Generator:
    return np.random.default_rng(list(b"draws"))


def test_counts_are_multinomial():
    # 3 cells, 3 draws: all 27 equally likely. 27,000 resamples, each outcome within five standard deviations.
    counts = Counter(map(tuple, drawn_counts(rng(), 27_000, 3).tolist()))
    for outcome in itertools.product(range(4), repeat=3):
        if sum(outcome) == 3:
            expected = 1000 * math.factorial(3) / math.prod(map(math.factorial, outcome))
            assert counts.pop(outcome) == pytest.approx(expected, abs=5 * math.sqrt(expected))
    assert not counts


@pytest.mark.parametrize("resamples, cells", [(50, 3), (7, 67), (3, 1500), (2, 1)])
def test_batches_draw_what_one_piece_would(resamples, cells):
    draw = rng()
    counts = np.concatenate([drawn_counts(draw, size, cells) for size in batches(resamples, cells, most=2 * cells + 1)])
    once = rng()
    assert counts.tolist() == drawn_counts(once, resamples, cells).tolist()
    assert draw.random() == once.random()


def test_batches_hold_so_many_cells_or_one_row():
    assert list(batches(10, 30, most=100)) == [3, 3, 3, 1]
    assert list(batches(2, 101, most=100)) == [1, 1]
    assert list(batches(0, 5)) == []
