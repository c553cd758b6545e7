"""Paired comparisons by hand, in closed form, against other implementations and on drawn predictions."""

import inspect
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from evalshift.analysis.statistics.multiplicity import adjust_pairs
from evalshift.analysis.statistics.paired import (
    compare_drops,
    compare_models,
    discordant,
    exact_mcnemar,
    paired_difference_interval,
)

tables = st.tuples(*[st.integers(0, 300)] * 4).filter(any)
levels = st.sampled_from([0.5, 0.9, 0.95, 0.99])
matrices = st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(0, 2**32 - 1)).map(
    lambda drawn: np.random.default_rng(drawn[2]).random(drawn[:2]) < 0.7
)


def rng(name: str) -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def predictions(*counts: int) -> np.ndarray:
    """Two models, from the numbers of images on which both, only the first, only the second and neither are correct."""
    first, second = np.repeat([[True, True], [True, False], [False, True], [False, False]], counts, axis=0).T
    return np.array([first, second])


def of_table(table: tuple[int, ...], level: float = 0.95) -> tuple[float, float]:
    both, only_1, only_2, neither = (np.array([count]) for count in table)
    interval = paired_difference_interval(both, only_1, only_2, neither, level)
    return float(interval.low[0]), float(interval.high[0])


def p_of(only_1: int, only_2: int) -> float:
    return float(exact_mcnemar(np.array([only_1]), np.array([only_2]))[0])


class TestDiscordant:
    def test_by_hand(self):
        # Model 0 is right on images 0, 1, 2; model 1 on 0, 3; model 2 on none.
        correct = np.array([[True, True, True, False], [True, False, False, True], [False] * 4])
        assert discordant(correct).tolist() == [[0, 2, 3], [1, 0, 2], [0, 0, 0]]

    @given(matrices)
    def test_agrees_with_counting_pair_by_pair(self, correct):
        counted = [[int((one & ~other).sum()) for other in correct] for one in correct]
        assert discordant(correct).tolist() == counted

    def test_more_images_than_a_chunk_holds(self):
        correct = rng("chunks").random((40, 450_000)) < 0.7
        only = discordant(correct)
        assert only[3, 17] == (correct[3] & ~correct[17]).sum()
        assert only[39, 0] == (correct[39] & ~correct[0]).sum()

    def test_no_images(self):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            discordant(np.ones((2, 0), dtype=bool))
        assert str(complaint.value) == "found 2 models and 0 images; expected at least 1 image"

    def test_no_models(self):
        assert discordant(np.ones((0, 5), dtype=bool)).shape == (0, 0)


class TestExactMcnemar:
    def test_by_hand(self):
        # 9 images part the models, 8 to 1: P(at most 1 of 9 | ½) = (1 + 9)/512, twice that is 20/512.
        assert p_of(8, 1) == p_of(1, 8) == pytest.approx(20 / 512, rel=1e-14)

    @pytest.mark.parametrize("images", [1, 2, 10, 60])
    def test_all_on_one_side_in_closed_form(self, images):
        assert p_of(images, 0) == pytest.approx(2 * 0.5**images, rel=1e-12)

    def test_as_many_either_way_is_no_evidence(self):
        assert [p_of(0, 0), p_of(1, 1), p_of(500, 500)] == [1, 1, 1]

    @given(st.integers(0, 400), st.integers(0, 400))
    def test_agrees_with_statsmodels_and_scipy(self, only_1, only_2):
        theirs: Any = mcnemar([[3, only_1], [only_2, 4]], exact=True)
        assert p_of(only_1, only_2) == pytest.approx(theirs.pvalue if only_1 + only_2 else 1, rel=1e-9)
        if only_1 + only_2:
            assert p_of(only_1, only_2) == pytest.approx(stats.binomtest(only_1, only_1 + only_2).pvalue, rel=1e-9)

    def test_large_counts_keep_their_digits(self):
        assert p_of(5200, 4800) == pytest.approx(stats.binomtest(5200, 10_000).pvalue, rel=1e-9)
        assert p_of(12_000, 8_000) == pytest.approx(2 * stats.binom.cdf(8_000, 20_000, 0.5), rel=1e-9)
        assert p_of(40_000, 0) == 0

    @given(st.integers(0, 60), st.integers(0, 60))
    def test_more_on_the_winning_side_is_more_evidence(self, only_1, only_2):
        more, less = max(only_1, only_2), min(only_1, only_2)
        assert p_of(more + 1, less) <= p_of(more, less)

    def test_negative_counts(self):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            exact_mcnemar(np.array([[1, 2], [3, -4]]), np.zeros((2, 2), dtype=int))
        assert str(complaint.value) == "only_1[1, 1]: found -4; expected a count of at least 0"


class TestPairedDifferenceInterval:
    @pytest.mark.parametrize(
        "table, low, high",
        [
            # R, contingencytables 3.1.0: Newcombe_square_and_add_CI_paired_2x2(matrix(c(59, 6, 16, 80), 2, byrow = T))
            # (Cavo et al. 2012; printed -0.1186 to -0.0046) and the same for the tables below.
            ((59, 6, 16, 80), -0.118621, -0.004625),
            ((1, 1, 7, 12), -0.506920, -0.025559),
            ((0, 5, 3, 0), -0.388515, 0.726311),
            ((36, 12, 2, 0), 0.056930, 0.340428),
            ((20, 0, 0, 0), -0.161125, 0.161125),
            ((0, 0, 10, 0), -1.0, -0.607509),
            ((2, 3, 4, 1), -0.515910, 0.362315),
            ((8000, 700, 500, 800), 0.013223, 0.026794),
        ],
    )
    def test_agrees_with_r(self, table, low, high):
        assert of_table(table) == pytest.approx((low, high), abs=5.1e-7)

    def test_by_hand(self):
        # Both 59, only the first 6, only the second 16, neither 80, of 161: p1 = 65/161, p2 = 75/161.
        # Wilson limits solve (p − k/n)² = z² p(1 − p)/n. φ = (59·80 − 6·16 − 161/2)/√(65·96·75·86).
        z2 = float(stats.norm.isf(0.025)) ** 2 / 161
        (l1, u1), (l2, u2) = (
            sorted(np.roots([1 + z2, -(2 * k / 161 + z2), (k / 161) ** 2]).tolist()) for k in (65, 75)
        )
        p1, p2, phi = 65 / 161, 75 / 161, (59 * 80 - 6 * 16 - 80.5) / math.sqrt(65 * 96 * 75 * 86)
        low = (p1 - p2) - math.sqrt((p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2)
        high = (p1 - p2) + math.sqrt((u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2)
        assert of_table((59, 6, 16, 80)) == pytest.approx((low, high), abs=1e-12)

    @pytest.mark.parametrize("images", [1, 20, 10_000])
    def test_two_perfect_models_in_closed_form(self, images):
        # Wilson: low of n of n is 1/(1 + z²/n), and with a margin of 0 the correlation counts as 0.
        z2 = stats.norm.isf(0.025) ** 2
        width = 1 - 1 / (1 + z2 / images)
        assert of_table((images, 0, 0, 0)) == pytest.approx((-width, width), abs=1e-12)

    @given(tables, levels)
    def test_holds_the_difference_and_mirrors_when_the_models_swap(self, table, level):
        both, only_1, only_2, neither = table
        low, high = of_table(table, level)
        difference, slack = (only_1 - only_2) / sum(table), 1e-12
        assert -1 - slack <= low <= difference + slack
        assert difference - slack <= high <= 1 + slack
        assert of_table((both, only_2, only_1, neither), level) == pytest.approx((-high, -low), abs=slack)
        # Right and wrong change places: the difference changes its sign.
        assert of_table((neither, only_2, only_1, both), level) == pytest.approx((-high, -low), abs=slack)

    @given(tables)
    def test_a_higher_level_holds_a_lower_one(self, table):
        (low, high), (outer_low, outer_high) = of_table(table, 0.8), of_table(table, 0.99)
        assert outer_low <= low + 1e-12
        assert high <= outer_high + 1e-12

    @pytest.mark.parametrize(
        "truth", [(0.45, 0.25, 0.05, 0.25), (0.7, 0.2, 0.1, 0.0), (0.6, 0.1, 0.1, 0.2), (0.85, 0.1, 0.05, 0.0)]
    )
    def test_covers_about_its_level(self, truth):
        # All tables of 30 images, each with its probability. 0.05 more than the level is what few images cost.
        size = 30
        every = np.array([t for t in itertools.product(range(size + 1), repeat=3) if sum(t) <= size]).T
        both, only_1, only_2 = every
        interval = paired_difference_interval(both, only_1, only_2, size - every.sum(axis=0))
        difference = truth[1] - truth[2]
        inside = (interval.low <= difference) & (difference <= interval.high)
        weight = stats.multinomial.pmf(np.vstack([every, size - every.sum(axis=0)]).T, size, truth)
        assert weight.sum() == pytest.approx(1)
        assert 0.94 < weight[inside].sum() < 1

    def test_narrower_than_for_independent_samples_where_models_have_correlated_errors(self):
        low, high = of_table((800, 60, 40, 100))
        loose_low, loose_high = of_table((722, 138, 118, 22))  # independent, same accuracies
        assert high - low < 0.7 * (loose_high - loose_low)

    def test_complaints(self):
        one = np.array([1])
        for counts, level, message in (
            ((one, one, -one, one), 0.95, "only_2[0]: found -1; expected a count of at least 0"),
            ((0 * one,) * 4, 0.95, "found a pair of models without images; expected at least 1"),
            ((one,) * 4, 95.0, "level: found 95.0; expected a fraction between 0 and 1, such as 0.95"),
        ):
            with pytest.raises(ValueError) as complaint:  # noqa: PT011
                paired_difference_interval(*counts, level=level)
            assert str(complaint.value) == message


class TestCompareModels:
    def test_by_hand(self):
        compared = compare_models(predictions(59, 6, 16, 80))
        assert compared.only.tolist() == [[0, 6], [16, 0]]
        assert compared.difference[0, 1] == pytest.approx(-10 / 161)
        # P(at most 6 of 22 | ½) = Σ C(22, 0..6)/2²² = 110056/4194304
        assert compared.p_value[0, 1] == compared.p_value[1, 0] == pytest.approx(2 * 110_056 / 2**22, rel=1e-12)
        assert compared.interval.low[0, 1] == -compared.interval.high[1, 0] == pytest.approx(-0.118621, abs=1e-6)

    @settings(max_examples=30, deadline=None)
    @given(matrices, levels)
    def test_each_pair_as_if_alone(self, correct, level):
        compared = compare_models(correct, level)
        for i, j in itertools.permutations(range(len(correct)), 2):
            one, other = correct[i], correct[j]
            table = [int(count.sum()) for count in (one & other, one & ~other, ~one & other, ~one & ~other)]
            assert compared.only[i, j] == table[1]
            assert compared.difference[i, j] == pytest.approx(one.mean() - other.mean(), abs=1e-12)
            assert compared.p_value[i, j] == pytest.approx(p_of(table[1], table[2]), rel=1e-12)
            interval = (compared.interval.low[i, j], compared.interval.high[i, j])
            assert interval == pytest.approx(of_table(tuple(table), level), abs=1e-12)

    def test_a_model_is_not_compared_with_itself(self):
        compared = compare_models(predictions(3, 1, 1, 3))
        for matrix in (compared.p_value, compared.interval.low, compared.interval.high):
            assert np.isnan(np.diagonal(matrix)).all()
        assert np.diagonal(compared.difference).tolist() == [0, 0]

    def test_equal_predictions_leave_a_defined_interval(self):
        compared = compare_models(np.array([[True, False, True]] * 2))
        assert compared.p_value[0, 1] == 1
        assert compared.interval.low[0, 1] == -compared.interval.high[0, 1] < 0

    def test_false_findings_come_at_their_rate(self):
        # 4,000 pairs of equally good models: the exact test errs at most as often as it says, 5 %.
        draw = rng("false findings")
        shared = draw.standard_normal(300)
        skill = np.sqrt(0.6) * shared + np.sqrt(0.4) * draw.standard_normal((4000, 2, 300))
        one, other = skill[:, 0] < 0.8, skill[:, 1] < 0.8
        p_values = exact_mcnemar((one & ~other).sum(axis=1), (other & ~one).sum(axis=1))
        assert 0.02 < (p_values <= 0.05).mean() < 0.05


class TestCompareDrops:
    def test_by_hand(self):
        # Drops: 0.8 − 0.4 and 0.8 − 0.7. The interval joins the distances of both sets' Newcombe limits:
        # original difference 0 of a table (6, 2, 2, 0), new difference −0.3 of a table (4, 0, 3, 3).
        original, new = predictions(6, 2, 2, 0), predictions(4, 0, 3, 3)
        (l1, u1), (l2, u2) = of_table((6, 2, 2, 0)), of_table((4, 0, 3, 3))
        compared = compare_drops(original, new)
        assert compared.difference[0, 1] == pytest.approx(0.3)
        assert compared.interval.low[0, 1] == pytest.approx(0.3 - math.hypot(0 - l1, u2 + 0.3), abs=1e-12)
        assert compared.interval.high[0, 1] == pytest.approx(0.3 + math.hypot(u1 - 0, -0.3 - l2), abs=1e-12)
        # Variances (b + c − (b − c)²/n)/n²: 4/100 and (3 − 0.9)/100; z = 0.3/√0.061.
        assert compared.p_value[0, 1] == pytest.approx(2 * stats.norm.sf(0.3 / math.sqrt(0.061)), rel=1e-12)

    @settings(max_examples=30, deadline=None)
    @given(matrices)
    def test_swapping_the_models_or_the_sets_mirrors_it(self, correct):
        new = ~correct[:, ::-1]
        one, other = compare_drops(correct, new), compare_drops(new, correct)
        np.testing.assert_allclose(one.difference, -one.difference.T, atol=1e-12)
        np.testing.assert_allclose(one.interval.low, -one.interval.high.T, atol=1e-12)
        np.testing.assert_allclose(one.p_value, one.p_value.T, atol=1e-12)
        np.testing.assert_allclose(one.interval.low, -other.interval.high, atol=1e-12)

    @pytest.mark.parametrize("sizes", [(4000, 2000), (50, 50)])
    def test_covers_its_level_where_both_models_drop_alike(self, sizes):
        # Models of 90 and 80 % that fall to 80 and 70 %: 50 pairs of them at a time, each pair with predictions of its
        # own.
        draw = rng("drops")
        chances = ((0.76, 0.14, 0.04, 0.06), (0.62, 0.18, 0.08, 0.12))
        one, other = np.arange(0, 100, 2), np.arange(1, 100, 2)
        held, found = [], []
        for _ in range(30):
            original, new = (
                np.concatenate([predictions(*table) for table in draw.multinomial(size, chance, 50)])
                for size, chance in zip(sizes, chances, strict=True)
            )
            compared = compare_drops(original, new)
            held += ((compared.interval.low <= 0) & (compared.interval.high >= 0))[one, other].tolist()
            found += (compared.p_value < 0.05)[one, other].tolist()
        # 1,500 pairs: a standard error of 0.6 points.
        assert 0.935 < np.mean(held) < 0.98
        assert 0.035 < np.mean(found) < 0.07

    def test_a_planted_difference_is_found_and_a_level_one_is_not(self):
        # Both fall by 20 points, then one of them by 26.
        original, alike = predictions(7000, 1000, 1000, 1000), predictions(5000, 1000, 1000, 3000)
        other = predictions(4900, 500, 1100, 3500)
        assert compare_drops(original, alike).p_value[0, 1] == 1
        compared = compare_drops(original, other)
        assert compared.p_value[0, 1] < 1e-5
        assert compared.interval.low[0, 1] > 0.03

    def test_undefined_without_discordant_images(self):
        compared = compare_drops(predictions(5, 0, 0, 5), predictions(4, 0, 0, 6))
        assert np.isnan(compared.p_value).all()
        assert compared.difference.tolist() == [[0, 0], [0, 0]]
        assert compared.interval.low[0, 1] < 0 < compared.interval.high[0, 1]

    def test_other_models_on_the_new_set(self):
        # Unwrapped: as it runs for users, without the tests' shape checker that would speak first.
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            inspect.unwrap(compare_drops)(predictions(1, 1, 1, 1), predictions(1, 1, 1, 1)[:1])
        assert str(complaint.value) == "found 2 original and 1 new models; expected the same models on both"


def test_most_pairs_of_imagenet_models_differ_significantly(released_imagenet):
    # 2,211 pairs.
    compared = [compare_models(correct) for correct in released_imagenet.correct]
    pairs = np.triu_indices(67, k=1)
    found = [[int((p[pairs] < 0.05).sum()) for p in (c.p_value, adjust_pairs(c.p_value))] for c in compared]
    assert found == [[2129, 2062], [2054, 1897]]
    median = [np.median((c.only + c.only.T)[pairs]) for c in compared]
    assert median[0] / 50_000 == pytest.approx(0.139, abs=0.001)
    assert median[1] / 10_000 == pytest.approx(0.164, abs=0.001)
    turned = (compared[0].difference * compared[1].difference)[pairs] < 0
    assert turned.sum() == 38
