"""Models of the same accuracy: by hand, at the edges, by other implementations, as properties, and by simulation."""

from typing import Any

import numpy as np
import pytest
from scipy import special, stats
from statsmodels.stats.proportion import test_proportions_2indep as proportions_test

from evalshift.analysis.statistics.difficulty_model import Difficulty, simulate
from evalshift.analysis.statistics.effective_robustness import sampling_covariance
from evalshift.analysis.statistics.matched_models import MatchedModels, matched_models
from evalshift.analysis.statistics.robustness_differences import robustness_differences
from evalshift.errors import AnalysisError

SCALES = ["linear", "probit", "logit"]
N = 10_000


def of_counts(original: list[int], new: list[int], **options) -> MatchedModels:
    total = np.full(len(original), N)
    return matched_models((np.array(original), total, np.array(new), total), **options)


def shared_images(models: int, seed: int = 0) -> tuple[tuple, tuple]:
    """Counts and covariances of models that fall into two accuracies, on 900 and 700 images that they share."""
    rng = np.random.default_rng(seed)
    skill = np.where(np.arange(models) % 2, 0.7, 0.8) + rng.normal(0, 0.01, models)
    original, new = (
        rng.random(count) < (skill - fall + rng.normal(0, 0.03, models))[:, np.newaxis]
        for count, fall in ((900, 0), (700, 0.1))
    )
    counts = (original.sum(axis=1), np.full(models, 900), new.sum(axis=1), np.full(models, 700))
    return counts, (sampling_covariance(original), sampling_covariance(new))


def test_by_hand():
    """Line models on new = original − 0.1, and two more of original accuracy 70 %.

    The slope is about 1, so that a difference has the variance 2 · (0.7 · 0.3 + 0.62 · 0.38)/10,000, 0.0094²: 2.6
    points are 2.8 standard errors, p 0.006, and 1.6 points are 1.7, p 0.09. Of 3 pairs of the same accuracy, Holm
    multiplies the smallest p-value by 3: 0.018.
    """
    found = of_counts([5000, 6000, 7000, 8000, 9000, 7000, 7000], [4000, 5000, 6000, 7000, 8000, 6260, 6160])
    assert found.count.tolist() == [0, 0, 2, 0, 0, 2, 2]
    assert found.rank.tolist() == [1, 1, 3, 1, 1, 1, 2]
    assert (found.tests, found.differing) == (3, 1)
    assert found.ahead_of.tolist() == [0, 0, 0, 0, 0, 1, 0]
    assert found.behind.tolist() == [0, 0, 1, 0, 0, 0, 0]
    assert (found.interval.low[[2, 5, 6]].tolist(), found.interval.high[[2, 5, 6]].tolist()) == ([2, 1, 1], [3, 2, 3])
    assert found.advantage[5] == pytest.approx(0.0260 - 0.0160 / 2)
    assert np.isnan(found.advantage[0])
    assert found.most_robust.tolist() == []


def test_what_differs_in_original_accuracy_is_moved_along_the_line():
    """One point more on the original set is worth two on the new set: on the line, neither of two models is ahead."""
    found = of_counts([5000, 6000, 7000, 7050, 8000], [1000, 3000, 5000, 5100, 7000])
    assert found.count.tolist() == [0, 0, 1, 1, 0]
    assert found.advantage[[2, 3]] == pytest.approx([0, 0], abs=1e-12)


@pytest.mark.parametrize("paired", [False, True])
def test_the_same_accuracy_is_that_of_a_test_of_proportions(paired):
    counts, covariances = shared_images(12)
    found = matched_models(counts, covariances=covariances if paired else None, level=0.9)
    for first in range(12):
        for second in range(12):
            if paired:
                (a, b), (_, c) = covariances[0][np.ix_([first, second], [first, second])]
                p = 2 * stats.norm.sf(
                    abs(counts[0][first] - counts[0][second]) / 900 / np.sqrt(max(a + c - 2 * b, 1e-9))
                )
            else:
                pair = [(counts[0][model], 900) for model in (first, second)]
                tested: Any = proportions_test(*pair[0], *pair[1], method="wald", compare="diff")
                p = tested.pvalue
            assert found.matched[first, second] == (first != second and p >= 0.1)
    assert 0 < found.count.sum() < 12 * 11


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("paired", [False, True])
def test_two_models_differ_as_compare_says(scale, paired):
    """Above the mean of one other model is above this: the difference of `compare`, whose line leaves both out."""
    rng = np.random.default_rng(5)
    skill = np.array([0.7, 0.7, *np.linspace(0.5, 0.65, 10), *np.linspace(0.75, 0.92, 10)])
    original, new = rng.random((22, 4000)) < skill[:, np.newaxis], rng.random((22, 2000)) < skill[:, np.newaxis] - 0.1
    counts = (original.sum(axis=1), np.full(22, 4000), new.sum(axis=1), np.full(22, 2000))
    covariances = (sampling_covariance(original), sampling_covariance(new)) if paired else None
    found = matched_models(counts, scale=scale, covariances=covariances)
    alone = robustness_differences(counts, np.arange(22) < 2, scale=scale, covariances=covariances)
    assert np.flatnonzero(found.matched[0]).tolist() == [1]
    assert found.advantage[0] == pytest.approx(alone.difference[0, 1], rel=0.05)
    for ours, theirs in (
        (found.advantage_interval.low, alone.interval.low),
        (found.advantage_interval.high, alone.interval.high),
    ):
        width = alone.interval.high[0, 1] - alone.interval.low[0, 1]
        assert ours[0] == pytest.approx(theirs[0, 1], abs=0.05 * width)


def test_images_that_models_share_tell_more():
    """Errors on shared images are correlated: fewer models are of the same accuracy, and more of these differ."""
    rng = np.random.default_rng(0)
    original, new = (simulate(np.full(20, 1.0), Difficulty(mean, 2.0), 2000, rng) for mean in (0.0, 1.0))
    counts = (original.sum(axis=1), np.full(20, 2000), new.sum(axis=1), np.full(20, 2000))
    covariances = sampling_covariance(original), sampling_covariance(new)
    alone, shared = matched_models(counts), matched_models(counts, covariances=covariances)
    assert (alone.matched >= shared.matched).all()
    both = shared.count > 0
    width = [found.advantage_interval.high - found.advantage_interval.low for found in (alone, shared)]
    assert np.mean(width[1][both]) < 0.9 * np.mean(width[0][both])


@pytest.mark.parametrize("scale", SCALES)
def test_the_order_of_models_does_not_matter(scale):
    counts, covariances = shared_images(15)
    order = np.random.default_rng(2).permutation(15)
    found = matched_models(counts, scale=scale, covariances=covariances)
    moved = matched_models(
        tuple(count[order] for count in counts),
        scale=scale,
        covariances=tuple(one[np.ix_(order, order)] for one in covariances),
    )
    assert (moved.matched == found.matched[np.ix_(order, order)]).all()
    for name in ("count", "rank", "ahead_of", "behind"):
        assert getattr(moved, name).tolist() == getattr(found, name)[order].tolist()
    assert moved.advantage == pytest.approx(found.advantage[order], nan_ok=True)
    assert (found.interval.low <= found.rank).all()
    assert (found.rank <= found.interval.high).all()


def test_models_beside_the_line_are_ranked_and_nobodys_match():
    counts, _ = shared_images(14)
    in_line = np.arange(14) > 2
    found = matched_models(counts, in_line=in_line)
    assert not found.matched[:, :3].any()
    assert found.count[:3].min() > 0
    without = matched_models(tuple(count[in_line] for count in counts))
    assert found.rank[3:].tolist() == without.rank.tolist()
    assert found.advantage[3:] == pytest.approx(without.advantage, nan_ok=True)


def test_fewer_tests_where_one_model_is_asked_about():
    """The family is that of its pairs alone, so that its rank is known at least as well."""
    counts, _ = shared_images(30)
    found, one = matched_models(counts), matched_models(counts, of=np.array([4]))
    assert (one.rank[0], one.count[0], one.tests) == (found.rank[4], found.count[4], found.count[4])
    assert one.interval.low[0] >= found.interval.low[4]
    assert one.interval.high[0] <= found.interval.high[4]
    assert one.advantage[0] == pytest.approx(found.advantage[4])


def test_models_that_are_all_alike_or_perfect():
    """No difference is none, whether images are shared or not; perfect models have an accuracy like any other."""
    correct = np.random.default_rng(0).random((2, 6, 300)) < 0.7
    correct[:, 3:] = correct[:, [3]]
    correct[:, 2] = True
    counts = (correct[0].sum(axis=1), np.full(6, 300), correct[1].sum(axis=1), np.full(6, 300))
    covariances = sampling_covariance(correct[0]), sampling_covariance(correct[1])
    for known in (None, covariances):
        found = matched_models(counts, scale="probit", covariances=known)
        assert found.rank[3] == found.rank[4] == found.rank[5]
        assert found.matched[3, 4]
        assert not found.ahead_of[3:].any()
        assert found.count[2] == 0


def test_what_makes_no_line():
    with pytest.raises(AnalysisError) as refused:
        of_counts([5000, 6000, 7000, 7000], [4000, 5000, 6000, 6000])
    assert refused.value.found == "4 models, 3 different original accuracies"
    with pytest.raises(AnalysisError):
        of_counts([7000] * 8, [6000, 6100] * 4)
    with pytest.raises(ValueError, match="level"):
        of_counts([7000] * 8, [6000, 6100] * 4, level=1.5)


def test_few_testbeds_have_a_false_finding():
    """Equally robust models in pairs of equals, 2,000 and 1,000 shared images: at most 5 %, here of 150 testbeds."""
    rng = np.random.default_rng(0)
    accuracy = np.clip(0.9 - 0.02 * (np.arange(16) // 2), 0.05, None)
    skill = special.ndtri(accuracy) * np.hypot(2, 1)
    alarms = 0
    for _ in range(150):
        original, new = (
            simulate(skill, Difficulty(0.0, 2.0), 2000, rng),
            simulate(skill, Difficulty(1.0, 2.0), 1000, rng),
        )
        counts = (original.sum(axis=1), np.full(16, 2000), new.sum(axis=1), np.full(16, 1000))
        known = sampling_covariance(original), sampling_covariance(new)
        alarms += matched_models(counts, covariances=known, scale="probit").differing > 0
    assert alarms <= 15  # P(more | 5 %) < 0.003
