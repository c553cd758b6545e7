"""Accuracies and ranks by corrected labels beside those by a set's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalshift.analysis.statistics.label_noise import corrected_drops, label_errors, label_noise
from evalshift.analysis.statistics.paired import compare_models


def fresh() -> np.random.Generator:
    return np.random.default_rng(0)


def test_by_hand() -> None:
    """Five images. "a" gains the last one (2 → 3), "b" loses one and gains two (1 → 2), "c" stays at 0."""
    plain = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]], dtype=bool)
    corrected = np.array([[1, 1, 0, 0, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0]], dtype=bool)
    found = label_noise(plain, corrected, rng=fresh())
    assert (found.plain.tolist(), found.corrected.tolist()) == ([2, 1, 0], [3, 2, 0])
    np.testing.assert_allclose(found.difference, [1 / 5, 1 / 5, 0])
    # Per image the share of models gained: 0, 0, −1/3, 1/3, 2/3; mean 2/15, variance of the mean 58/1125 / 4.
    assert found.mean.mean[0] == pytest.approx(2 / 15)
    assert found.mean.variance[0] == pytest.approx(np.var([0, 0, -1 / 3, 1 / 3, 2 / 3], ddof=1) / 5)
    assert found.rank_change.tolist() == [0, 0, 0]


def test_ranks_change_by_what_no_order_of_ties_explains() -> None:
    """By own labels 5, 4, 4, 1; by corrected ones 3, 3, 4, 1: only the third passes one model for certain."""
    plain = np.arange(6) < np.array([[5], [4], [4], [1]])
    corrected = np.arange(6) < np.array([[3], [3], [4], [1]])
    found = label_noise(plain, corrected, rng=fresh())
    assert (found.plain_rank.tolist(), found.corrected_rank.tolist()) == ([1, 2, 2, 4], [2, 2, 1, 4])
    # From 2–3 (tied) to 1 is a rise of 1 at least; from 1 to 2–3 a fall of 1; from 2–3 to 2–3 none.
    assert found.rank_change.tolist() == [-1, 0, 1, 0]


def test_an_order_that_both_kinds_of_label_show_is_reversed() -> None:
    """Of 400 images the first is correct on 300 and then 200, the second on 200 and then 300."""
    plain = np.arange(400) < np.array([[300], [200]])
    found = label_noise(plain, plain[::-1], rng=fresh())
    assert found.reversed_pairs.tolist() == [[False, True], [False, False]]
    assert not label_noise(plain, plain, rng=fresh()).reversed_pairs.any()


def test_labels_that_agree_change_nothing() -> None:
    """Closed form at the edge: no difference, and an interval around 0 that closes as images grow."""
    plain = fresh().random((3, 50)) < 0.7
    found = label_noise(plain, plain, rng=fresh())
    assert (found.difference == 0).all()
    assert (found.interval.low <= 0).all()
    assert (found.interval.high >= 0).all()
    assert np.isnan(found.mean.variance[0])


def test_the_interval_is_that_of_two_models_on_the_same_images() -> None:
    """Newcombe's method 10, as `compare_models` gives it for a second model with these correctnesses."""
    plain, corrected = fresh().random((2, 4, 300)) < np.array([0.6, 0.7])[:, None, None]
    found = label_noise(plain, corrected, level=0.9, rng=fresh())
    for model in range(4):
        compared = compare_models(np.stack([corrected[model], plain[model]]), 0.9)
        np.testing.assert_allclose(found.difference[model], compared.difference[0, 1])
        np.testing.assert_allclose(found.interval.low[model], compared.interval.low[0, 1])
        np.testing.assert_allclose(found.interval.high[model], compared.interval.high[0, 1])


@pytest.mark.thorough
def test_the_interval_of_drops_covers() -> None:
    """1,000 pairs of sets of 250 and 200 images, 8 % of the labels changed for 6 % of the predictions to be correct."""
    rng, level, covered = fresh(), 0.95, 0
    chances = np.array([[0.64, 0.06, 0.02, 0.28], [0.5, 0.1, 0.03, 0.37]])  # both, gained, lost, neither
    truth = (chances[0, 1] - chances[0, 2]) - (chances[1, 1] - chances[1, 2])
    for _ in range(1_000):
        sides = []
        for images, chance in zip((250, 200), chances, strict=True):
            kind = rng.choice(4, size=(1, images), p=chance)
            sides.append(label_noise(np.isin(kind, (0, 2)), np.isin(kind, (0, 1)), level=level, draws=1, rng=rng))
        interval = corrected_drops(*sides).interval
        covered += int(interval.low[0] <= truth <= interval.high[0])
    low, high = stats.binom.ppf([5e-5, 1 - 5e-5], 1_000, level)
    assert low <= covered <= high


def test_drops_by_both_kinds_of_label() -> None:
    original = label_noise(np.arange(10) < np.array([[8]]), np.arange(10) < np.array([[9]]), rng=fresh())
    new = label_noise(np.arange(10) < np.array([[5]]), np.arange(10) < np.array([[7]]), rng=fresh())
    found = corrected_drops(original, new)
    np.testing.assert_allclose([found.plain[0], found.corrected[0], found.difference[0]], [0.3, 0.2, -0.1])
    assert found.interval.low[0] < -0.1 < found.interval.high[0]


def test_own_labels_that_corrected_ones_contradict() -> None:
    """Of five images one has no corrected label; of the others the third's and, with two own labels, the fourth's."""
    truth = np.array([[0, 0], [1, 1], [2, 2], [3, 4], [5, 6]])
    corrected = np.array([[0, -1], [2, 1], [0, -1], [1, 2], [-1, -1]])
    found = label_errors(truth, corrected)
    assert (found.images, found.without, found.contradicted, found.several) == (4, 1, 2, 2)
    low, high = stats.binomtest(2, 4).proportion_ci(0.95, "exact")
    np.testing.assert_allclose([found.share, found.interval.low, found.interval.high], [0.5, low, high])


@given(st.integers(0, 2**32 - 1))
def test_a_set_of_more_labels_never_lowers_an_accuracy(seed: int) -> None:
    """Where corrected labels hold the own one and more, whoever is correct stays so, and shares stay in their range."""
    rng = np.random.default_rng(seed)
    plain = rng.random((3, 20)) < 0.5
    corrected = plain | (rng.random((3, 20)) < 0.2)
    found = label_noise(plain, corrected, draws=10, rng=rng)
    assert (found.difference >= 0).all()
    assert (found.interval.low <= found.difference).all()
    assert (found.difference <= found.interval.high).all()
    assert sorted(found.plain_rank) == sorted(label_noise(plain[::-1], plain, draws=10, rng=rng).plain_rank)
    order = rng.permutation(3)
    again = label_noise(plain[order], corrected[order], draws=10, rng=rng)
    assert again.rank_change.tolist() == found.rank_change[order].tolist()


def test_wrong_input() -> None:
    one = np.ones((2, 3), bool)
    for call, message in (
        (lambda: label_noise(one[:, :0], one[:, :0], rng=fresh()), "expected at least 1 image"),
        (lambda: label_noise(one, one, level=1.0, rng=fresh()), "level"),
        (lambda: label_errors(np.zeros((2, 1), int), np.full((2, 1), -1)), "expected at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
