"""Drops by hand, and as a property of any counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalshift.analysis.statistics.drops import drops
from evalshift.analysis.statistics.intervals import clopper_pearson

counts = st.integers(1, 60_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def of_one_model(k1: int, n1: int, k2: int, n2: int, level: float = 0.95) -> tuple[float, float, float]:
    fall = drops(np.array([k1]), np.array([n1]), np.array([k2]), np.array([n2]), level)
    return fall.interval.low[0], fall.drop[0], fall.interval.high[0]


def test_newcombes_worked_example():
    # Newcombe 1998, Statistics in Medicine 17, 873-890, method 10: 56/70 − 48/80 = 0.2, from 0.0524 to 0.3339.
    assert np.round(of_one_model(56, 70, 48, 80), 4).tolist() == [0.0524, 0.2, 0.3339]


def test_a_model_that_gains_has_a_drop_below_zero():
    low, drop, high = of_one_model(500, 1000, 600, 1000)
    assert drop == pytest.approx(-0.1)
    assert low < drop < high < 0


@pytest.mark.parametrize("n1, n2", [(1, 1), (10, 10), (10, 2000), (50_000, 10_000)])
@pytest.mark.parametrize("all_1", [False, True])
@pytest.mark.parametrize("all_2", [False, True])
def test_none_or_all_correct(n1, n2, all_1, all_2):
    # With δ = p1 − p2 and Wilson's [0, z²/(n + z²)] at 0 of n (mirrored at n of n), Newcombe's formula leaves:
    z2 = 1.959963984540054**2
    reach_1, reach_2 = z2 / (n1 + z2), z2 / (n2 + z2)
    below = np.hypot(reach_1 if all_1 else 0, 0 if all_2 else reach_2)
    above = np.hypot(0 if all_1 else reach_1, reach_2 if all_2 else 0)
    expected = (all_1 - all_2 - below, all_1 - all_2, all_1 - all_2 + above)
    assert of_one_model(n1 * all_1, n1, n2 * all_2, n2) == pytest.approx(expected, abs=1e-9)


@given(counts, counts, st.floats(0.01, 0.9999))
def test_the_interval_holds_the_drop_and_mirrors_when_the_sets_swap(original, new, level):
    (k1, n1), (k2, n2) = original, new
    low, drop, high = of_one_model(k1, n1, k2, n2, level)
    assert -1 - 1e-12 <= low <= drop + 1e-12
    assert drop - 1e-12 <= high <= 1 + 1e-12
    assert of_one_model(k2, n2, k1, n1, level) == pytest.approx((-high, -drop, -low), abs=1e-12)


def test_accuracy_intervals_can_overlap_where_the_drop_is_sure():
    # 9,000 of 10,000 and 1,765 of 2,000: [0.894, 0.906] and [0.868, 0.896] share 0.895, yet the drop excludes 0.
    interval = clopper_pearson(np.array([9000, 1765]), np.array([10_000, 2000]))
    assert interval.low[0] < interval.high[1]
    assert of_one_model(9000, 10_000, 1765, 2000)[0] > 0


def test_models_do_not_touch_each_other():
    original, new = np.array([9173, 0, 10_000]), np.array([1660, 2000, 2000])
    together = drops(original, np.full(3, 10_000), new, np.full(3, 2000))
    for i in range(3):
        apart = of_one_model(original[i], 10_000, new[i], 2000)
        assert (together.interval.low[i], together.drop[i], together.interval.high[i]) == apart


def test_impossible_counts_name_the_set_and_the_model():
    with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
        drops(np.array([5, 11]), np.array([10, 10]), np.array([5, 5]), np.array([10, 10]))
    assert str(complaint.value) == (
        "first sample, cell 1: found 11 correct of 10; expected a total of at least 1 and 0 <= correct <= total"
    )
