"""Margins of many accuracies by hand, in closed form, against their definition and on drawn images."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalshift.analysis.statistics.agreement import error_consistency
from evalshift.analysis.statistics.reuse_margins import joint_margin, reuse_margin, similarity_cover

sizes = st.tuples(st.integers(1, 5), st.integers(1, 60), st.integers(0, 2**32 - 1))
predictions = sizes.map(lambda drawn: np.random.default_rng(drawn[2]).integers(0, 4, drawn[:2]))
matrices = predictions.map(lambda predicted: predicted > 0)


def rng(name: str = "agreement") -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def independent(models: int, right: int, wrong: int) -> np.ndarray:
    """All patterns of correct and incorrect predictions, each as often as for models that err independently."""
    each = itertools.product([True] * right + [False] * wrong, repeat=models)
    return np.array(list(each)).T


class TestSimilarityCover:
    def test_by_hand(self):
        # Model 1 is nearest to its least similar one (0.8). The least similar to it is 2; then all are taken.
        assert similarity_cover(np.array([[1, 0.9, 0.7], [0.9, 1, 0.8], [0.7, 0.8, 1]])).tolist() == [0.8, 0.9, 1]

    def test_equal_models_are_one(self):
        assert similarity_cover(np.ones((4, 4))).tolist() == [1, 1, 1, 1]

    def test_no_models(self):
        assert similarity_cover(np.ones((0, 0))).tolist() == []

    @given(matrices)
    def test_no_choice_of_models_covers_twice_as_near(self, correct):
        similarity = error_consistency(correct).observed
        cover = similarity_cover(similarity)
        assert (np.diff(cover) >= 0).all()
        assert cover[-1] == 1
        for size in range(1, len(correct) + 1):
            chosen = itertools.combinations(range(len(correct)), size)
            best = max(similarity[list(centres)].max(axis=0).min() for centres in chosen)
            assert cover[size - 1] <= best + 1e-12
            assert 1 - cover[size - 1] <= 2 * (1 - best) + 1e-12


class TestReuseMargin:
    def test_the_union_bound_by_hand(self):
        # 2 k exp(−2 n ε²) = 0.05.
        assert reuse_margin(50_000, 67) == pytest.approx(math.sqrt(math.log(134 / 0.05) / 100_000), rel=1e-12)
        assert reuse_margin(100, 1, level=0.9) == pytest.approx(math.sqrt(math.log(20) / 200), rel=1e-12)

    @given(st.integers(10, 10**6), st.integers(2, 10**6), st.floats(0, 1))
    def test_the_cover_bound_leaves_the_error_it_promises(self, images, models, similarity):
        # For the margin ε some division s + r = ε has 2 exp(−2 n s²) + 2 (k − 1) exp(−n v h(r/v)) ≤ 0.05, and none
        # of a finer grid has it for an ε 1 % smaller. (One centre; v is how often the others differ from it.)
        margin = reuse_margin(images, models, cover=np.array([similarity]))
        v = 1 - similarity

        def error_at(epsilon: float) -> float:
            s = np.linspace(0, epsilon, 4001)[1:]
            r = epsilon - s
            if v == 0:
                tail = np.where(r > 0, 0.0, 1.0)
            else:
                tail = np.exp(-images * v * ((1 + r / v) * np.log1p(r / v) - r / v))
            return float(np.min(2 * np.exp(-2 * images * s**2) + 2 * (models - 1) * tail))

        if margin < reuse_margin(images, models) * (1 - 1e-9):
            assert error_at(margin * 1.002) <= 0.05
            assert error_at(margin * 0.97) > 0.05

    def test_equal_models_count_as_one(self):
        # With no differences the centre may take up all but a hundredth of the error.
        one = math.sqrt(math.log(2 / (0.99 * 0.05)) / 2000)
        assert reuse_margin(1000, 10**6, cover=np.array([1.0])) == pytest.approx(one, rel=1e-12)

    @given(st.integers(1, 10**5), st.lists(st.floats(0, 1), min_size=1, max_size=8), st.integers(0, 10**6))
    def test_a_cover_never_makes_it_worse_and_more_models_never_better(self, images, cover, more):
        entries, models = np.sort(cover), len(cover) + more
        margin = reuse_margin(images, models, cover=entries)
        assert margin <= reuse_margin(images, models)
        assert margin <= reuse_margin(images, models + 1, cover=entries) + 1e-12
        assert margin >= reuse_margin(4 * images, models, cover=entries)
        assert margin <= reuse_margin(images, models, cover=entries, level=0.99)

    def test_a_cover_of_all_models_is_the_union_bound(self):
        assert reuse_margin(1000, 2, cover=np.array([0.0, 1.0])) == reuse_margin(1000, 2)
        assert reuse_margin(1000, 1, cover=np.array([1.0])) == reuse_margin(1000, 1)

    def test_holds_for_many_similar_models(self):
        # 2,000 variants of one model that each differ on 1 % of the images, 300 sets of 1,000 images.
        margin = reuse_margin(1000, 2001, cover=np.array([0.99]))
        assert margin < reuse_margin(1000, 2001)
        draw = rng("variants")
        furthest = []
        for _ in range(300):
            right = draw.binomial(1000, 0.8)
            # Of a variant: images lost of those that the first classifies correctly, and won of the others, half of
            # each 1 %.
            lost, won = draw.binomial(right, 0.00625, 2000), draw.binomial(1000 - right, 0.025, 2000)
            furthest.append(np.abs((right + np.append(won - lost, 0)) / 1000 - 0.8).max())
        assert (np.array(furthest) <= margin).mean() >= 0.95

    @pytest.mark.parametrize(
        "arguments, options, message",
        [
            ((0, 5), {}, "images: found 0; expected at least 1"),
            ((10, 0), {}, "models: found 0; expected at least 1"),
            ((10, 2), {"cover": np.array([0.5, 0.7, 1.0])}, "models: found 2; expected at least 3"),
            ((10, 2), {"cover": np.array([0.5, 1.7])}, "cover[1]: found 1.7; expected a fraction from 0 to 1"),
            ((10, 2), {"level": 1.0}, "level: found 1.0; expected a fraction between 0 and 1, such as 0.95"),
        ],
    )
    def test_complaints(self, arguments, options, message):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            reuse_margin(*arguments, **options)
        assert str(complaint.value) == message


class TestJointMargin:
    @pytest.mark.parametrize("models", [1, 4, 10])
    def test_independent_models_in_closed_form(self, models):
        # Errors uncorrelated on the images: 1 − α = (1 − 2Φ(−z))^m, and all have the same standard error.
        joint = joint_margin(independent(models, 1, 1), draws=200_000, rng=rng())
        z = stats.norm.isf((1 - 0.95 ** (1 / models)) / 2)
        assert joint.margin == pytest.approx(z * math.sqrt(0.25 / 2**models), rel=0.01)
        assert joint.independent_models == pytest.approx(models, rel=0.05)

    def test_equal_models_count_as_one(self):
        joint = joint_margin(np.array([[True] * 80 + [False] * 20] * 50), draws=100_000, rng=rng())
        assert joint.margin == pytest.approx(1.96 * math.sqrt(0.16 / 100), rel=0.01)
        assert joint.independent_models == pytest.approx(1, rel=0.03)

    def test_the_monte_carlo_error_is_that_of_repeated_draws(self):
        correct = independent(10, 1, 1)
        found = [joint_margin(correct, draws=4_000, rng=rng(str(one))) for one in range(60)]
        spread = np.std([one.independent_models for one in found], ddof=1)
        assert np.mean([one.independent_models_error for one in found]) == pytest.approx(spread, rel=0.25)
        # A hundred times the draws, a tenth of the error.
        assert joint_margin(correct, draws=400_000, rng=rng()).independent_models_error < 0.15 * spread

    def test_holds_all_accuracies_at_its_level(self):
        draw = rng("coverage")
        held = []
        for _ in range(400):
            hard = draw.standard_normal(500)
            correct = 0.8 * hard + 0.6 * draw.standard_normal((20, 500)) < 0.7
            margin = joint_margin(correct, draws=500, rng=draw).margin
            held.append(np.abs(correct.mean(axis=1) - stats.norm.cdf(0.7)).max() <= margin)
        # A standard error of 1.1 points.
        assert 0.91 < np.mean(held) < 0.98

    def test_models_without_an_error_have_no_margin(self):
        joint = joint_margin(np.array([[True] * 9, [False] * 9]), rng=rng())
        assert joint.margin == pytest.approx(0, abs=1e-7)
        assert math.isnan(joint.independent_models)
        assert math.isnan(joint.independent_models_error)

    def test_complaints(self):
        one = np.array([[True, False]])
        for correct, draws, level, message in (
            (one[:0], 9, 0.95, "found no models; expected at least 1"),
            (one[:, :0], 9, 0.95, "found 1 model and 0 images; expected at least 1 image"),
            (one, 0, 0.95, "draws: found 0; expected at least 1"),
            (one, 9, 0.0, "level: found 0.0; expected a fraction between 0 and 1, such as 0.95"),
        ):
            with pytest.raises(ValueError) as complaint:  # noqa: PT011
                joint_margin(correct, level=level, draws=draws, rng=rng())
            assert str(complaint.value) == message


def test_67_imagenet_models_count_as_28(released_imagenet):
    correct = released_imagenet.correct[0]
    joint = joint_margin(correct, draws=50_000, rng=rng())
    assert joint.margin == pytest.approx(0.0061, abs=0.0001)
    assert joint.independent_models == pytest.approx(28, abs=1.5)
    cover = similarity_cover(error_consistency(correct).observed)
    # The least similar pairs share a third of the images at best: this cover does not help so few models.
    assert reuse_margin(50_000, 67, cover=cover) == reuse_margin(50_000, 67) == pytest.approx(0.00888, abs=1e-5)
