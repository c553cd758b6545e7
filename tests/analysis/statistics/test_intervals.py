"""Intervals against hand work, closed forms, scipy, and their own promise to cover."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalshift.analysis.statistics.intervals import Interval, clopper_pearson, difference_interval

counts = st.integers(1, 60_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
levels = st.floats(0.01, 0.9999)


def of_one(correct: int, total: int, level: float = 0.95) -> tuple[float, float]:
    interval = clopper_pearson(np.array([correct]), np.array([total]), level)
    return interval.low[0], interval.high[0]


def of_two(k1: int, n1: int, k2: int, n2: int, level: float = 0.95) -> tuple[float, float]:
    interval = difference_interval(np.array([k1]), np.array([n1]), np.array([k2]), np.array([n2]), level)
    return interval.low[0], interval.high[0]


class TestClopperPearson:
    def test_one_of_two_by_hand(self):
        # low solves P(at least 1 of 2) = 1 − (1 − p)² = 0.025, high solves P(at most 1 of 2) = 1 − p² = 0.025.
        assert of_one(1, 2) == pytest.approx((1 - 0.975**0.5, 0.975**0.5), abs=1e-12)

    @pytest.mark.parametrize("level", [0.5, 0.95, 0.9999])
    @pytest.mark.parametrize("total", [1, 10, 2021, 50_000])
    def test_none_and_all_correct_have_closed_forms(self, total, level):
        alpha = 1 - level
        assert of_one(0, total, level) == pytest.approx((0, 1 - (alpha / 2) ** (1 / total)), abs=1e-12)
        assert of_one(total, total, level) == pytest.approx(((alpha / 2) ** (1 / total), 1), abs=1e-12)
        assert of_one(0, total, level)[0] == 0
        assert of_one(total, total, level)[1] == 1

    @pytest.mark.parametrize("level", [0.9, 0.95, 0.9999])
    @pytest.mark.parametrize("total", [1, 7, 50, 2000, 10_000])
    def test_agrees_with_scipy_binomtest(self, total, level):
        correct = np.unique(np.linspace(0, total, 25).astype(int))
        interval = clopper_pearson(correct, np.full_like(correct, total), level)
        for k, low, high in zip(correct, interval.low, interval.high, strict=True):
            theirs = stats.binomtest(int(k), total).proportion_ci(level, method="exact")
            assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)

    @pytest.mark.parametrize("level", [0.8, 0.95, 0.9999])
    @pytest.mark.parametrize("total", [1, 8, 50, 333])
    def test_covers_at_least_its_level_whatever_the_true_accuracy(self, total, level):
        correct = np.arange(total + 1)
        interval = clopper_pearson(correct, np.full(total + 1, total), level)
        # The bounds themselves are where coverage jumps: accuracies just inside and just outside them are the hardest.
        bounds = np.concatenate([interval.low, interval.high])
        truths = np.concatenate([np.linspace(0.001, 0.999, 101), bounds - 1e-9, bounds + 1e-9])
        truths = truths[(truths > 0) & (truths < 1), np.newaxis]
        inside = (interval.low <= truths) & (truths <= interval.high)
        covered = np.where(inside, stats.binom.pmf(correct, total, truths), 0).sum(axis=1)
        assert covered.min() >= level - 1e-12

    @given(counts, levels)
    def test_holds_the_accuracy_and_mirrors_when_right_and_wrong_swap(self, count, level):
        correct, total = count
        low, high = of_one(correct, total, level)
        assert 0 <= low <= correct / total <= high <= 1
        assert of_one(total - correct, total, level) == pytest.approx((1 - high, 1 - low), abs=1e-12)

    @given(counts, levels, levels)
    def test_a_higher_level_gives_a_wider_interval(self, count, one, other):
        correct, total = count
        inner, outer = (of_one(correct, total, level) for level in sorted([one, other]))
        assert outer[0] <= inner[0] + 1e-12
        assert inner[1] <= outer[1] + 1e-12

    def test_cells_do_not_touch_each_other(self):
        together = clopper_pearson(np.array([0, 7, 50]), np.array([10, 50, 50]))
        apart = [of_one(0, 10), of_one(7, 50), of_one(50, 50)]
        assert list(zip(together.low, together.high, strict=True)) == apart

    def test_no_cells_give_no_bounds(self):
        none = np.array([], dtype=int)
        assert clopper_pearson(none, none).low.shape == (0,)


class TestDifferenceInterval:
    @pytest.mark.parametrize(
        "cells, low, high",
        [
            # Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10.
            ((56, 70, 48, 80), 0.0524, 0.3339),
            ((9, 10, 3, 10), 0.1705, 0.8090),
            ((6, 7, 2, 7), 0.0582, 0.8062),
            ((5, 56, 0, 29), -0.0381, 0.1926),
            ((0, 10, 0, 20), -0.1611, 0.2775),
            ((0, 10, 0, 10), -0.2775, 0.2775),
            ((10, 10, 0, 20), 0.6791, 1.0000),
            ((10, 10, 0, 10), 0.6075, 1.0000),
        ],
    )
    def test_newcombes_examples(self, cells, low, high):
        assert tuple(np.round(of_two(*cells), 4)) == (low, high)

    def test_by_hand_from_wilson_limits(self):
        # Wilson limits solve |p − k/n| = z √(p(1 − p)/n): for 56/70 0.6917 and 0.8768, for 48/80 0.4904 and 0.7003
        # (roots of (1 + z²/n) p² − (2k/n + z²/n) p + (k/n)² = 0). With δ = 0.8 − 0.6:
        # low = δ − √((0.8 − l1)² + (u2 − 0.6)²), high = δ + √((u1 − 0.8)² + (0.6 − l2)²).
        def wilson(k, n):
            z2 = stats.norm.isf(0.025) ** 2 / n
            return sorted(np.roots([1 + z2, -(2 * k / n + z2), (k / n) ** 2]))

        (l1, u1), (l2, u2) = wilson(56, 70), wilson(48, 80)
        low, high = 0.2 - np.hypot(0.8 - l1, u2 - 0.6), 0.2 + np.hypot(u1 - 0.8, 0.6 - l2)
        assert of_two(56, 70, 48, 80) == pytest.approx((low, high), abs=1e-12)

    @given(counts, counts, levels)
    def test_holds_the_difference_and_mirrors_when_the_samples_swap(self, one, two, level):
        (k1, n1), (k2, n2), slack = one, two, 1e-12
        low, high = of_two(k1, n1, k2, n2, level)
        difference = k1 / n1 - k2 / n2
        assert -1 - slack <= low <= difference + slack
        assert difference - slack <= high <= 1 + slack
        assert of_two(k2, n2, k1, n1, level) == pytest.approx((-high, -low), abs=slack)

    @pytest.mark.parametrize("truths", [(0.5, 0.5), (0.9, 0.8), (0.95, 0.5), (0.7, 0.2)])
    def test_covers_about_its_level(self, truths):
        k1, k2 = (k.ravel() for k in np.meshgrid(np.arange(71), np.arange(81), indexing="ij"))
        interval = difference_interval(k1, np.full_like(k1, 70), k2, np.full_like(k2, 80))
        inside = (interval.low <= truths[0] - truths[1]) & (truths[0] - truths[1] <= interval.high)
        weight = stats.binom.pmf(k1, 70, truths[0]) * stats.binom.pmf(k2, 80, truths[1])
        assert weight[inside].sum() == pytest.approx(0.95, abs=0.02)


class TestComplaints:
    @pytest.mark.parametrize(
        "correct, total, message",
        [
            ([1, 3, 11], [10, 10, 10], "cell 2: found 11 correct of 10"),
            ([1, -1, 11], [10, 10, 10], "cell 1: found -1 correct of 10"),
            ([0], [0], "cell 0: found 0 correct of 0"),
        ],
    )
    def test_impossible_counts_name_the_first_cell(self, correct, total, message):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            clopper_pearson(np.array(correct), np.array(total))
        assert str(complaint.value) == f"{message}; expected a total of at least 1 and 0 <= correct <= total"

    @pytest.mark.parametrize("level", [0.0, 1.0, 95.0, -0.5, float("nan")])
    def test_impossible_levels(self, level):
        ones = np.array([1])
        for call in (
            lambda: clopper_pearson(ones, ones, level),
            lambda: difference_interval(ones, ones, ones, ones, level),
        ):
            with pytest.raises(ValueError) as complaint:  # noqa: PT011
                call()
            assert str(complaint.value) == f"level: found {level}; expected a fraction between 0 and 1, such as 0.95"

    def test_a_difference_names_the_sample(self):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            difference_interval(np.array([1]), np.array([2]), np.array([3]), np.array([2]))
        assert str(complaint.value) == (
            "second sample, cell 0: found 3 correct of 2; expected a total of at least 1 and 0 <= correct <= total"
        )

    def test_lengths_that_differ(self):
        # Unwrapped: as they run for users, without the tests' shape checker that would speak first.
        one, two = np.array([1]), np.array([1, 1])
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            inspect.unwrap(clopper_pearson)(one, two)
        assert str(complaint.value) == "cells: found (1,) correct for (2,) totals; expected one shape"
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            inspect.unwrap(difference_interval)(one, one, two, two)
        assert str(complaint.value) == "found shapes (1,) and (2,); expected one shape for both samples"

    def test_interval_is_frozen(self):
        with pytest.raises(AttributeError):
            Interval(0.0, 1.0).low = 0.5  # type: ignore[misc]
