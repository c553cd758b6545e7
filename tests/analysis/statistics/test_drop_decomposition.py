"""The three terms by hand and as a sum, exact tests against scipy, planted tuning, and the paper's bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from released import cifar10, imagenet, needs_cifar10, needs_imagenet
from scipy import stats

from evalshift.analysis.statistics.drop_decomposition import BOUND_LEVELS, Decomposition, Term, decompose, split_drop
from evalshift.analysis.statistics.drops import drops
from evalshift.analysis.statistics.effective_robustness import effective_robustness
from evalshift.analysis.statistics.intervals import clopper_pearson, difference_interval

counts = st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def rng(name: str = "decomposition") -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def of_one(original: tuple[int, int], new: tuple[int, int], fresh: tuple[int, int] | None = None) -> Decomposition:
    (k1, n1), (k2, n2) = (tuple(np.array([value]) for value in pair) for pair in (original, new))
    if fresh is None:
        return decompose(k1, n1, k2, n2)
    return decompose(k1, n1, k2, n2, fresh_correct=np.array([fresh[0]]), fresh_total=np.array([fresh[1]]))


def ends(term: Term) -> list[float]:
    return [term.interval.low[0], term.estimate[0], term.interval.high[0]]


class TestTerms:
    def test_by_hand(self):
        # 95 % measured, 93 % on fresh images, 85 % on the new set: 10 points fall apart into 2 and 8. The bounds
        # are those of scipy.stats.binomtest(930, 1000).proportion_ci() and of 850.
        parts = of_one((950, 1000), (850, 1000), fresh=(930, 1000))
        assert parts.fresh
        assert parts.drop == pytest.approx([0.1])
        assert ends(parts.adaptivity) == pytest.approx([0.95 - 0.945028, 0.02, 0.95 - 0.912384], abs=1e-6)
        assert parts.distribution.estimate == pytest.approx([0.08])
        assert ends(parts.generalization) == pytest.approx([0.826342 - 0.85, 0, 0.871575 - 0.85], abs=1e-6)

    def test_distribution_errs_by_both_samples(self):
        parts = of_one((9500, 10_000), (1700, 2000), fresh=(4650, 5000))
        theirs = difference_interval(np.array([4650]), np.array([5000]), np.array([1700]), np.array([2000]))
        assert ends(parts.distribution) == [theirs.low[0], 0.93 - 0.85, theirs.high[0]]

    def test_without_fresh_images_the_rest_is_adaptivity_and_distribution(self):
        parts = of_one((9500, 10_000), (1700, 2000))
        assert not parts.fresh
        assert np.isnan([*ends(parts.adaptivity), *parts.adaptivity_p]).all()
        held = clopper_pearson(np.array([1700]), np.array([2000]))
        assert ends(parts.distribution) == pytest.approx([0.95 - held.high[0], 0.1, 0.95 - held.low[0]])
        # Measured accuracy does not err, accuracy on the original distribution does: the drop's interval is wider.
        drop = drops(np.array([9500]), np.array([10_000]), np.array([1700]), np.array([2000]))
        width = drop.interval.high[0] - drop.interval.low[0]
        assert parts.distribution.interval.high[0] - parts.distribution.interval.low[0] < width

    @given(counts, counts, st.none() | counts)
    def test_terms_add_up_to_the_drop(self, original, new, fresh):
        parts = of_one(original, new, fresh)
        terms = [parts.distribution, parts.generalization, *([parts.adaptivity] if fresh else [])]
        assert sum(term.estimate[0] for term in terms) == pytest.approx(parts.drop[0], abs=1e-12)
        assert parts.drop[0] == pytest.approx(original[0] / original[1] - new[0] / new[1])
        for term in terms:
            low, estimate, high = ends(term)
            assert low - 1e-9 <= estimate <= high + 1e-9

    def test_bounds_of_the_sampling_error_as_in_the_paper(self):
        # Section 2: on 10,000 images at most about ±1 % at 95 % and ±2 % at 99.99 %, at an accuracy of 50 %.
        parts = of_one((25_000, 50_000), (5000, 10_000))
        assert tuple(parts.generalization_bounds) == BOUND_LEVELS == (0.95, 0.9999)
        reach = [bounds.high[0] for bounds in parts.generalization_bounds.values()]
        assert reach == pytest.approx([0.0099, 0.0195], abs=0.0001)
        assert parts.generalization_bounds[0.95].high[0] == parts.generalization.interval.high[0]

    def test_all_correct_everywhere(self):
        # n of n: low is (α/2)^(1/n).
        parts = of_one((10, 10), (20, 20), fresh=(30, 30))
        assert ends(parts.generalization) == pytest.approx([0.025 ** (1 / 20) - 1, 0, 0])
        assert ends(parts.adaptivity) == pytest.approx([0, 0, 1 - 0.025 ** (1 / 30)])
        assert parts.adaptivity_p == pytest.approx([1])


class TestAdaptivityTest:
    @given(counts, counts)
    def test_agrees_with_scipys_fisher_exact(self, original, fresh):
        table = [[original[0], original[1] - original[0]], [fresh[0], fresh[1] - fresh[0]]]
        theirs = stats.fisher_exact(table, alternative="greater")[1]
        assert of_one(original, (1, 2), fresh).adaptivity_p[0] == pytest.approx(theirs, rel=1e-6, abs=1e-12)

    def test_sampling_error_of_the_original_set_raises_few_alarms(self):
        # 8,000 models at 93 % that nobody tuned. The test is exact, so it may only raise fewer.
        draw, total = rng("luck"), np.full(8000, 10_000)
        original, new = draw.binomial(total, 0.93), draw.binomial(2000, 0.85, 8000)
        fresh_total = np.full(8000, 2000)
        fresh = draw.binomial(fresh_total, 0.93)
        parts = decompose(original, total, new, fresh_total, fresh_correct=fresh, fresh_total=fresh_total)
        assert np.mean(parts.adaptivity_p < 0.05) < 0.05
        # The interval speaks of measured minus true accuracy on the original distribution, and holds it.
        truth = original / total - 0.93
        inside = (parts.adaptivity.interval.low <= truth) & (truth <= parts.adaptivity.interval.high)
        assert 0.95 <= inside.mean() < 0.97

    def test_tuning_on_the_original_set_is_found(self):
        # Each model is the best, on 1,000 original images, of 500 that are all correct on 80 % of all images: nothing
        # but tuning. The best of 500 lies 3 standard deviations up, 3.8 points; 5,000 fresh images have an error of
        # 0.6.
        draw, models = rng("tuning"), 400
        best = draw.binomial(1000, 0.8, (models, 500)).max(axis=1)
        total, fresh_total = np.full(models, 1000), np.full(models, 5000)
        fresh = draw.binomial(fresh_total, 0.8)
        new = draw.binomial(fresh_total, 0.7)
        parts = decompose(best, total, new, fresh_total, fresh_correct=fresh, fresh_total=fresh_total)
        assert parts.adaptivity.estimate.mean() == pytest.approx(best.mean() / 1000 - 0.8, abs=0.001)
        assert parts.adaptivity.estimate.mean() > 0.035
        assert parts.distribution.estimate.mean() == pytest.approx(0.1, abs=0.002)
        assert np.mean(parts.adaptivity.interval.low > 0) > 0.99
        assert np.mean(parts.adaptivity_p < 0.05) > 0.75

    def test_a_gap_that_is_the_same_for_all_models_shows_only_on_fresh_images(self):
        # Recht et al., section 5.1: tuning may cost every model about the same, and then the slope stays 1.
        original, total = np.arange(7000, 9500, 100), np.full(25, 10_000)
        fresh, new = original - 300, original - 300
        with_fresh = decompose(original, total, new, total, fresh_correct=fresh, fresh_total=total)
        assert with_fresh.adaptivity.estimate == pytest.approx(np.full(25, 0.03))
        assert with_fresh.distribution.estimate == pytest.approx(np.zeros(25))
        assert (with_fresh.adaptivity_p < 1e-4).all()


class TestAcrossModels:
    def test_shared_and_own_parts_by_hand(self):
        # The line of the first three is y = x − 0.2: model 3 at (0.9, 0.75) falls by 0.15, which is 0.2 that all lose
        # less 0.05 by which it stands above their line.
        total = np.full(4, 1000)
        counts = np.array([500, 600, 700, 900]), total, np.array([300, 400, 500, 750]), total
        robustness = effective_robustness(*counts, least_others=2, resamples=200, rng=rng())
        split = split_drop(counts[0] / total, counts[2] / total, robustness)
        assert split.drop[3] == pytest.approx(0.15)
        assert split.shared.estimate[3] == pytest.approx(0.2)
        assert split.own.estimate[3] == pytest.approx(0.05)

    @pytest.mark.parametrize("scale", ["linear", "probit", "logit"])
    def test_they_add_up_to_the_drop(self, scale):
        draw = rng("split")
        total = np.full(12, 500)
        counts = draw.integers(250, 480, 12), total, draw.integers(200, 440, 12), total
        robustness = effective_robustness(*counts, scale=scale, resamples=500, rng=rng())
        split = split_drop(counts[0] / total, counts[2] / total, robustness)
        np.testing.assert_allclose(split.shared.estimate - split.own.estimate, split.drop, atol=1e-12)
        assert (split.shared.interval.low <= split.shared.estimate).all()
        assert (split.shared.estimate <= split.shared.interval.high).all()
        assert split.own.interval is robustness.interval

    @needs_cifar10
    def test_on_cifar10_the_line_explains_nearly_all(self):
        released = cifar10()
        counts = released.counts
        robustness = effective_robustness(*counts, scale="linear", resamples=500, rng=rng())
        split = split_drop(counts[0] / counts[1], counts[2] / counts[3], robustness)
        own = np.sqrt(np.mean(split.own.estimate**2))
        assert split.shared.estimate.mean() == pytest.approx(split.drop.mean(), abs=0.001)
        assert own == pytest.approx(0.0087, abs=0.0001)
        # Weak models lose most, by the line alone.
        assert np.corrcoef(split.shared.estimate, split.drop)[0, 1] > 0.9


@needs_imagenet
def test_chance_does_not_explain_the_drops_on_imagenet():
    # Section 2: at 99.99 % the sampling error of 10,000 images is at most 2 points, the drops are 6 to 14.
    parts = decompose(*imagenet().counts)
    bounds = parts.generalization_bounds[0.9999]
    assert max(-bounds.low.min(), bounds.high.max()) < 0.02
    assert parts.drop.min() > 0.06
    assert parts.distribution.interval.low.min() > 0.05


class TestComplaints:
    def test_fresh_counts_without_their_totals(self):
        one = np.array([5]), np.array([10])
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            decompose(*one, *one, fresh_correct=one[0])
        assert str(complaint.value) == "fresh: found one of fresh_correct and fresh_total; expected both or neither"

    def test_impossible_counts_name_the_set_and_the_model(self):
        good, bad, total = np.array([5, 5]), np.array([5, 11]), np.array([10, 10])
        expected = "found 11 correct of 10; expected a total of at least 1 and 0 <= correct <= total"
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            decompose(bad, total, good, total)
        assert str(complaint.value) == f"original set, model 1: {expected}"
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            decompose(good, total, bad, total)
        assert str(complaint.value) == f"new set, model 1: {expected}"
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            decompose(good, total, good, total, fresh_correct=bad, fresh_total=total)
        assert str(complaint.value) == f"fresh set, model 1: {expected}"
