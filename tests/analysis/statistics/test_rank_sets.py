"""Rank sets by hand, in closed form, against R's csranks, by simulation, and as properties of any testbed."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalshift.analysis.statistics.paired import exact_mcnemar
from evalshift.analysis.statistics.rank_sets import RankSets, better_models, rank_change_sets, rank_sets
from evalshift.analysis.statistics.ranks import rank

matrices = st.tuples(st.integers(1, 6), st.integers(1, 120), st.integers(0, 2**32 - 1)).map(
    lambda drawn: np.random.default_rng(drawn[2]).random(drawn[:2]) < np.linspace(0.3, 0.9, drawn[0])[:, np.newaxis]
)


def rng(name: str = "rank sets") -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def alone(*counts: int) -> np.ndarray:
    """Each model right on images of its own: the difference of two is made by all the images of both."""
    return np.repeat(np.eye(len(counts), dtype=bool), counts, axis=1)


def predictions(accuracies: tuple[float, ...], images: int, draw: np.random.Generator) -> np.ndarray:
    """Models that find the same images hard: their latent scores correlate with 0.6."""
    hard = math.sqrt(0.6) * draw.standard_normal(images)
    score = hard + math.sqrt(0.4) * draw.standard_normal((len(accuracies), images))
    return score < stats.norm.ppf(accuracies)[:, np.newaxis]


def bounds(sets: RankSets) -> list[list[int]]:
    return [list(pair) for pair in zip(sets.interval.low.tolist(), sets.interval.high.tolist(), strict=True)]


class TestBetterModels:
    def test_two_models_differ_as_by_mcnemars_test(self):
        # Of 2,000 images that part them 1,045 and 1,043 make p = 0.0466 and 0.0573; the critical value of one pair is
        # that of a normal, 1.96, give or take 0.01.
        for wins, found in ((1045, True), (1043, False)):
            assert (exact_mcnemar(np.array([wins]), np.array([2000 - wins]))[0] < 0.05) == found
            better = better_models(alone(wins, 2000 - wins), draws=100_000, rng=rng())
            assert better.tolist() == [[False, found], [False, False]]

    @pytest.mark.parametrize("models", [3, 10])
    def test_the_critical_value_is_tukeys_for_exchangeable_models(self, models):
        # The largest difference of m exchangeable accuracies over its standard error is the studentised range over
        # √2 (infinite degrees of freedom). Best and worst model on either side of it; the others lie between.
        critical = float(stats.studentized_range.ppf(0.95, models, 1e6)) / math.sqrt(2)
        for sign, found in ((1, True), (-1, False)):
            half = round((critical + sign * 0.06) * math.sqrt(20_000) / 2)
            correct = alone(10_000 + half, *[10_000] * (models - 2), 10_000 - half)
            p_value = stats.binom.sf(10_000 + half - 1, 20_000, 0.5)
            assert -stats.norm.ppf(p_value) == pytest.approx(critical + sign * 0.06, abs=0.02)
            assert better_models(correct, draws=100_000, rng=rng())[0, -1] == found

    def test_findings_leave_the_family(self):
        # All three at once ask for 2.34. The last model is worse than both by far; then the first two, at
        # (1050 − 950 − 1)/√2000 = 2.21, need no more than the 1.96 of one pair.
        better = better_models(alone(1050, 950, 100), draws=100_000, rng=rng())
        assert better.tolist() == [[False, True, True], [False, False, True], [False, False, False]]
        # With the third model near the first two, the same two do not differ significantly.
        assert not better_models(alone(1050, 950, 1000), draws=100_000, rng=rng()).any()

    def test_the_family_is_not_wrong_more_often_than_it_says(self):
        draw = rng("false findings")
        wrong = [better_models(predictions((0.8,) * 6, 200, draw), draws=500, rng=draw).any() for _ in range(400)]
        # 0.036 over 1,000 runs of 1,000 draws; here with a standard error of 0.01.
        assert 0.01 < np.mean(wrong) < 0.07

    @pytest.mark.parametrize("images, found", [(1, False), (4, False), (5, False), (6, True)])
    def test_few_images_prove_as_little_as_the_exact_test_says(self, images, found):
        # One model always correct, one always incorrect: p is 2/2^n, below 0.05 from 6 images on.
        correct = np.array([[True] * images, [False] * images])
        assert better_models(correct, rng=rng())[0, 1] == found


class TestRankSets:
    def test_by_hand(self):
        # 90 and 88 of 100, nested: two images part the first two, 38 and more part the third from both.
        sets = rank_sets(np.arange(100) < np.array([[88], [90], [50]]), rng=rng())
        assert sets.rank.tolist() == [2, 1, 3]
        assert bounds(sets) == [[1, 2], [1, 2], [3, 3]]
        assert (sets.simultaneous, sets.level) == (True, 0.95)

    @pytest.mark.parametrize("simultaneous", [True, False])
    def test_equal_predictions_leave_all_ranks_open(self, simultaneous):
        sets = rank_sets(np.array([[True, False, True]] * 4), simultaneous=simultaneous, rng=rng())
        assert sets.rank.tolist() == [1] * 4
        assert bounds(sets) == [[1, 4]] * 4

    @pytest.mark.parametrize("simultaneous", [True, False])
    def test_one_model_is_first(self, simultaneous):
        assert bounds(rank_sets(alone(7), simultaneous=simultaneous, rng=rng())) == [[1, 1]]

    @pytest.mark.parametrize("simultaneous", [True, False])
    def test_models_far_apart_have_their_rank_alone(self, simultaneous):
        correct = np.arange(10_000) < np.linspace(9000, 3000, 12, dtype=int)[:, np.newaxis]
        assert bounds(rank_sets(correct, simultaneous=simultaneous, rng=rng())) == [[k, k] for k in range(1, 13)]

    @settings(max_examples=40, deadline=None)
    @given(matrices, st.booleans())
    def test_a_set_holds_the_observed_rank(self, correct, simultaneous):
        sets = rank_sets(correct, simultaneous=simultaneous, draws=200, rng=rng())
        assert sets.rank.tolist() == rank(correct.sum(axis=1)).tolist()
        assert (sets.interval.low >= 1).all()
        assert (sets.interval.low <= sets.rank).all()
        assert (sets.rank <= sets.interval.high).all()
        assert (sets.interval.high <= len(correct)).all()

    @settings(max_examples=40, deadline=None)
    @given(matrices)
    def test_surer_and_joint_sets_are_wider(self, correct):
        # The same draws: what a larger family or a higher level finds, a smaller or a lower one finds too.
        marginal = rank_sets(correct, simultaneous=False, draws=200, rng=rng()).interval
        joint, surer = (rank_sets(correct, level=level, draws=200, rng=rng()).interval for level in (0.95, 0.99))
        for narrow, wide in ((marginal, joint), (joint, surer)):
            assert (wide.low <= narrow.low).all()
            assert (narrow.high <= wide.high).all()

    @settings(max_examples=25, deadline=None)
    @given(st.permutations(range(5)))
    def test_the_order_of_the_models_does_not_matter(self, order):
        correct = np.arange(1000) < np.array([[900], [899], [850], [849], [500]])
        moved = rank_sets(correct[list(order)], rng=rng())
        assert bounds(moved) == [[[1, 2], [1, 2], [3, 4], [3, 4], [5, 5]][model] for model in order]

    def test_same_chance_same_sets(self):
        correct = predictions((0.9, 0.89, 0.88, 0.87, 0.86), 2000, rng("answers"))
        assert bounds(rank_sets(correct, rng=rng("a"))) == bounds(rank_sets(correct, rng=rng("a")))

    @pytest.mark.parametrize("accuracies", [(0.8,) * 5, (0.9, 0.9, 0.8, 0.8, 0.7), (0.95, 0.94, 0.93, 0.92, 0.91)])
    def test_cover_the_true_ranks(self, accuracies):
        draw = rng("coverage")
        truth = 1 + (np.array(accuracies)[:, np.newaxis] < np.array(accuracies)).sum(axis=1)
        together, each = [], []
        for _ in range(150):
            correct = predictions(accuracies, 300, draw)
            for simultaneous, held in ((True, together), (False, each)):
                sets = rank_sets(correct, simultaneous=simultaneous, draws=300, rng=draw).interval
                held.append((sets.low <= truth) & (truth <= sets.high))
        # 95 % at least; 150 runs have a standard error of 1.8 points.
        assert np.all(together, axis=1).mean() > 0.91
        assert (np.mean(each, axis=0) > 0.91).all()

    @pytest.mark.parametrize(
        "options, message",
        [
            ({"level": 95.0}, "level: found 95.0; expected a fraction between 0 and 1, such as 0.95"),
            ({"draws": 0}, "draws: found 0; expected at least 1"),
            ({"correct": alone(1, 1)[:, :0]}, "found 2 models and 0 images; expected at least 1 image"),
            ({"correct": alone(1, 1)[:0]}, "found no models; expected at least 1"),
        ],
    )
    def test_complaints(self, options, message):
        for call in (rank_sets, better_models):
            with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
                call(**({"correct": alone(3, 2), "rng": rng()} | options))
            assert str(complaint.value) == message


class TestRankChangeSets:
    def test_a_planted_reversal_is_found(self):
        # Models 0 and 1 change places; 2 and 3 swap by one image of 2,000; 4 stays last.
        original = np.arange(2000) < np.array([[1800], [1600], [1401], [1400], [500]])
        new = np.arange(2000) < np.array([[1500], [1700], [1300], [1301], [400]])
        changes = rank_change_sets(original, new, rng=rng())
        assert changes.change.tolist() == [-1, 1, -1, 1, 0]
        assert changes.interval.low.tolist() == [-1, 1, -1, -1, 0]
        assert changes.interval.high.tolist() == [-1, 1, 1, 1, 0]
        assert changes.real.tolist() == [True, True, False, False, False]
        assert np.argwhere(changes.reversed_pairs).tolist() == [[0, 1]]

    def test_a_rank_can_change_significantly_because_others_move(self):
        # Model 0 is second to model 1 and becomes third: model 2, far below, overtakes it.
        original = np.arange(2000) < np.array([[1600], [1800], [1000]])
        new = np.arange(2000) < np.array([[1200], [1700], [1500]])
        changes = rank_change_sets(original, new, rng=rng())
        assert changes.real.tolist() == [True, False, True]
        assert np.argwhere(changes.reversed_pairs).tolist() == [[0, 2]]

    @pytest.mark.parametrize("wins, real", [(1050, False), (1055, True)])
    def test_both_sets_together_hold_at_the_level(self, wins, real):
        # Each set alone at √0.95: two models have to be 2.237 apart, not 1.96. Theirs are 2.21 and 2.44.
        original, new = alone(wins, 2000 - wins), alone(2000 - wins, wins)
        assert bounds(rank_sets(original, draws=100_000, rng=rng())) == [[1, 1], [2, 2]]
        changes = rank_change_sets(original, new, draws=100_000, rng=rng())
        assert changes.change.tolist() == [-1, 1]
        assert changes.real.tolist() == [real, real]
        assert changes.reversed_pairs[0, 1] == real
        assert changes.level == 0.95

    def test_swapping_the_sets_mirrors_it(self):
        draw = rng("sets")
        original, new = (predictions((0.9, 0.88, 0.8, 0.79), size, draw) for size in (4000, 1000))
        one = rank_change_sets(original, new, draws=50_000, rng=rng("a"))
        other = rank_change_sets(new, original, draws=50_000, rng=rng("b"))
        assert one.change.tolist() == (-other.change).tolist()
        assert one.interval.low.tolist() == (-other.interval.high).tolist()
        assert one.reversed_pairs.tolist() == other.reversed_pairs.T.tolist()

    def test_the_interval_holds_the_true_changes(self):
        # Original order 0 1 2 3; on the new distribution 2 has fallen behind 3.
        draw = rng("changes")
        held = []
        for _ in range(120):
            original, new = (
                predictions((0.9, 0.85, 0.8, 0.75), 500, draw),
                predictions((0.8, 0.75, 0.6, 0.65), 300, draw),
            )
            interval = rank_change_sets(original, new, draws=300, rng=draw).interval
            held.append(((interval.low <= [0, 0, -1, 1]) & (interval.high >= [0, 0, -1, 1])).all())
        assert np.mean(held) > 0.91

    def test_other_models_on_the_new_set(self):
        # Unwrapped: as it runs for users, without the tests' shape checker that would speak first.
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            inspect.unwrap(rank_change_sets)(alone(1, 2), alone(3), rng=rng())
        assert str(complaint.value) == "found 2 original and 1 new models; expected the same models on both"


# csranks_simul and csranks_marg of csranks (github.com/danielwilhelm/R-CS-ranks, R/diffmeans.R at 1c467e1, R/ranks.R at
# 03c8d61; R 4.2.2) with R = 2000, seed = 1. x are the accuracies of the 67 models on the 50,000 images, models in
# alphabetical order, Sigma is cov(t(correct)) / 50000. By `simultaneous`: best ranks, a line apart worst ranks.
CSRANKS = {
    True: """
    64 44 35 42 25 36 26 8 12 35 25 12 12 23 66 67 65 6 57 42 24 20 7 7 24 7 52 1 42 1 42 1 1 42 5 23 18
    57 47 35 32 26 39 26 20 36 19 13 17 15 22 7 13 5 62 62 61 54 57 52 52 46 51 42 54 52 14

    64 50 40 47 34 41 35 15 17 40 34 18 19 34 66 67 65 11 60 49 34 27 12 12 34 12 57 4 50 4 48 4 4 48 7
    34 24 60 50 40 38 35 41 35 29 41 25 20 24 22 31 12 19 6 63 63 61 60 60 55 55 50 51 47 57 57 21
    """,
    False: """
    64 46 35 42 26 38 28 10 12 36 26 12 13 24 66 67 65 7 58 42 25 20 7 7 24 7 54 1 42 1 42 1 1 42 6 24
    19 58 48 35 34 29 39 26 22 38 20 15 18 16 23 7 13 5 62 62 61 57 57 52 52 48 51 42 54 54 15

    64 50 38 47 34 41 34 14 16 40 34 16 18 32 66 67 65 11 60 48 34 25 12 11 33 12 56 4 48 4 47 4 4 47 6
    32 23 60 50 38 37 35 41 34 28 41 24 19 23 21 29 11 19 5 63 63 61 58 60 53 53 50 51 47 56 56 20
    """,
}


class TestReleasedPredictions:
    @pytest.mark.parametrize("simultaneous", [True, False])
    def test_imagenet_ranks_agree_with_csranks(self, released_imagenet, simultaneous):
        sets = rank_sets(released_imagenet.correct[0], simultaneous=simultaneous, rng=rng())
        theirs = np.array([lines.split() for lines in CSRANKS[simultaneous].split("\n\n")], dtype=int)
        for ours, of_csranks in zip((sets.interval.low, sets.interval.high), theirs, strict=True):
            # Both draw at random: a pair on the edge may fall on either side of it.
            off = np.abs(ours - of_csranks)
            assert off.max() <= 1
            assert (off > 0).sum() <= 4

    def test_no_rank_change_of_table_11_is_significant(self, released_imagenet):
        changes = rank_change_sets(*released_imagenet.correct, draws=2000, rng=rng())
        assert (changes.change != 0).sum() == 35
        assert np.abs(changes.change).max() == 5
        assert not changes.real.any()
        assert not changes.reversed_pairs.any()


def test_of_sets_that_share_images_rank_changes_hold_by_bonferroni():
    """Of one set twice no rank changes; the sets of ranks are a little wider than those of independent sets."""
    rng = np.random.default_rng(4)
    hard = rng.random(800)
    correct = np.array([hard + 0.1 * rng.random(800) < level for level in (0.9, 0.8, 0.7, 0.6)])
    found = [
        rank_change_sets(correct, correct, independent=independent, rng=np.random.default_rng(0))
        for independent in (True, False)
    ]
    assert not any(one.real.any() or one.reversed_pairs.any() for one in found)
    assert (found[1].interval.low <= found[0].interval.low).all()
    assert (found[1].interval.high >= found[0].interval.high).all()
