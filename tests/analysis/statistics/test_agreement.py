"""Agreement, dominance, reuse margins and agreement-on-the-line by hand, in closed form and against others' code."""

import inspect
import itertools
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages import says
from scipy import stats
from scipy.special import ndtri
from sklearn.metrics import cohen_kappa_score

from evalshift.analysis.statistics.agreement import (
    AgreementLine,
    agreement,
    agreement_line,
    dominance,
    error_consistency,
    expected_agreement,
    joint_margin,
    reuse_margin,
    similarity_cover,
)
from evalshift.analysis.statistics.line_fit import fit_line
from evalshift.errors import AnalysisError

DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA") or Path(__file__).parents[4] / "shared" / "data")
needs_cifar = pytest.mark.skipif(
    not (DATA / "cifar10.1-predictions").is_dir(), reason=f"the released CIFAR-10 predictions are not in {DATA}"
)

sizes = st.tuples(st.integers(1, 5), st.integers(1, 60), st.integers(0, 2**32 - 1))
predictions = sizes.map(lambda drawn: np.random.default_rng(drawn[2]).integers(0, 4, drawn[:2]))
matrices = predictions.map(lambda predicted: predicted > 0)


def rng(name: str = "agreement") -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def independent(models: int, right: int, wrong: int) -> np.ndarray:
    """All patterns of correct and incorrect predictions, each as often as for models that err independently."""
    each = itertools.product([True] * right + [False] * wrong, repeat=models)
    return np.array(list(each)).T


class TestAgreement:
    def test_by_hand(self):
        predicted = np.array([[0, 1, 2, 3], [0, 1, 3, 2], [1, 1, 2, 3]])
        assert agreement(predicted).tolist() == [[1, 0.5, 0.75], [0.5, 1, 0.25], [0.75, 0.25, 1]]

    @given(predictions)
    def test_agrees_with_comparing_pair_by_pair(self, predicted):
        np.testing.assert_allclose(agreement(predicted), (predicted[:, np.newaxis] == predicted).mean(axis=2))

    def test_more_images_than_a_chunk_holds(self):
        predicted = rng("chunks").integers(0, 10, (4, 20_001)).astype(np.int16)
        assert agreement(predicted)[1, 3] == pytest.approx((predicted[1] == predicted[3]).mean(), rel=1e-12)

    def test_no_images(self):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            agreement(np.ones((3, 0), dtype=int))
        assert str(complaint.value) == "found 3 models and 0 images; expected at least 1 image"


class TestExpectedAgreement:
    def test_by_hand(self):
        # both correct 0.72; both incorrect 0.02, and then they name the same of the ten other classes once in ten.
        assert expected_agreement(np.array([0.9, 0.8]), classes=11)[0, 1] == pytest.approx(0.722)
        assert expected_agreement(np.array([0.9, 0.8]))[0, 1] == pytest.approx(0.74)

    def test_two_perfect_models_agree_and_a_perfect_and_a_useless_one_do_not(self):
        assert expected_agreement(np.array([1.0, 1.0, 0.0])).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]

    @pytest.mark.parametrize("classes", [2, 10, 1000])
    def test_is_what_independent_errors_come_to(self, classes):
        draw = rng("independent")
        labels = draw.integers(0, classes, 200_000)
        wrong = (labels + draw.integers(1, classes, (2, 200_000))) % classes
        right = draw.random((2, 200_000)) < [[0.7], [0.4]]
        seen = agreement(np.where(right, labels, wrong))[0, 1]
        assert seen == pytest.approx(expected_agreement(np.array([0.7, 0.4]), classes)[0, 1], abs=0.005)

    def test_complaints(self):
        for accuracies, classes, message in (
            ([0.5], 1, "classes: found 1; expected at least 2"),
            ([0.5, 93.0], 2, "accuracy[1]: found 93.0; expected a fraction from 0 to 1"),
        ):
            with pytest.raises(ValueError) as complaint:  # noqa: PT011
                expected_agreement(np.array(accuracies), classes)
            assert str(complaint.value) == message


class TestErrorConsistency:
    def test_by_hand(self):
        # Right on 3 and 2 of 4 images, both on 2: they agree on images 1, 2 and 4. Expected 3/4 · 2/4 + 1/4 · 2/4.
        consistency = error_consistency(np.array([[True, True, True, False], [True, True, False, False]]))
        assert consistency.observed[0, 1] == 0.75
        assert consistency.expected[0, 1] == 0.5
        assert consistency.kappa[0, 1] == 0.5

    @settings(max_examples=25, deadline=None)
    @given(matrices)
    def test_agrees_with_scikit_learn(self, correct):
        consistency = error_consistency(correct)
        for i, j in itertools.product(range(len(correct)), repeat=2):
            one, other = correct[i], correct[j]
            assert consistency.observed[i, j] == pytest.approx((one == other).mean())
            # Undefined where both are always correct or always incorrect; scikit-learn warns there.
            if (one.all() and other.all()) or not (one.any() or other.any()):
                assert math.isnan(consistency.kappa[i, j])
            else:
                assert consistency.kappa[i, j] == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)

    def test_independent_errors_have_no_kappa_and_equal_ones_all_of_it(self):
        kappa = error_consistency(independent(3, 3, 2)).kappa
        np.testing.assert_allclose(kappa, np.eye(3), atol=1e-12)
        opposite = np.array([[True, False] * 5, [False, True] * 5])
        assert error_consistency(opposite).kappa[0, 1] == -1


class TestDominance:
    def test_by_hand(self):
        # The better model errs on image 4 only, and there the worse one is right.
        found = dominance(np.array([[True, True, True, False], [True, False, False, True]]))
        assert found.observed.tolist() == [[0, 0.25], [0.25, 0]]
        assert found.expected[0, 1] == 0.5 * 0.25

    def test_nested_models_never_win_where_a_better_one_errs(self):
        found = dominance(np.arange(50) < np.array([[40], [30], [5]]))
        assert not found.observed.any()

    def test_independent_models_are_as_expected(self):
        found = dominance(independent(2, 3, 1))
        assert found.observed[0, 1] == pytest.approx(found.expected[0, 1]) == pytest.approx(3 / 16)

    @given(matrices)
    def test_agrees_with_its_definition(self, correct):
        found = dominance(correct)
        order = np.argsort(correct.sum(axis=1), kind="stable")
        for worse, better in itertools.combinations(order, 2):
            share = (correct[worse] & ~correct[better]).mean()
            assert found.observed[worse, better] == found.observed[better, worse] == pytest.approx(share)
            assert found.expected[worse, better] == pytest.approx(
                correct[worse].mean() * (1 - correct[better].mean()), abs=1e-12
            )


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

    def test_complaints(self):
        one = np.array([[True, False]])
        for correct, draws, level, message in (
            (one[:0], 9, 0.95, "found no models; expected at least 1"),
            (one[:, :0], 9, 0.95, "found 1 models and 0 images; expected at least 1 image"),
            (one, 0, 0.95, "draws: found 0; expected at least 1"),
            (one, 9, 0.0, "level: found 0.0; expected a fraction between 0 and 1, such as 0.95"),
        ):
            with pytest.raises(ValueError) as complaint:  # noqa: PT011
                joint_margin(correct, level=level, draws=draws, rng=rng())
            assert str(complaint.value) == message


def on_a_line(slope: float, offset: float, models: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Original and new accuracies, original and new agreements, all on one line of the probit scale."""
    draw = rng("on a line")
    accuracy = draw.uniform(0.5, 0.9, models)
    agreements = draw.uniform(0.4, 0.8, (models, models))
    agreements = (agreements + agreements.T) / 2
    moved = [stats.norm.cdf(slope * ndtri(values) + offset) for values in (accuracy, agreements)]
    return accuracy, moved[0], agreements, moved[1]


class TestAgreementLine:
    @pytest.mark.parametrize("slope, offset", [(1.0, 0.0), (0.9, -0.4), (1.3, 0.1)])
    def test_finds_accuracies_that_lie_on_the_line_of_agreement(self, slope, offset):
        accuracy, new_accuracy, original, new = on_a_line(slope, offset)
        line = agreement_line(accuracy, original, new)
        assert (line.slope, line.offset, line.r2) == pytest.approx((slope, offset, 1), abs=1e-9)
        assert line.pairs == 28
        assert line.aline_s == pytest.approx(new_accuracy, abs=1e-9)
        assert line.aline_d == pytest.approx(new_accuracy, abs=1e-9)

    def test_by_hand(self):
        # Probit agreements of the pairs (0, 1), (0, 2), (1, 2): 0, 0.2, 0.4 and on the new set −0.5, −0.3, −0.1:
        # slope 1, offset −0.5. Probit accuracies 0.5, 0.7, 1.0. Each pair says new + (mean − original) of its mean:
        # −0.5 + 0.6 = 0.1, −0.3 + 0.75 − 0.2 = 0.25, −0.1 + 0.85 − 0.4 = 0.35. Hence w0 + w1 = 0.2, w0 + w2 = 0.5,
        # w1 + w2 = 0.7 and w = 0, 0.2, 0.5: each 0.5 below, as ALine-S has it.
        def matrix(first: float, second: float, third: float) -> np.ndarray:
            return stats.norm.cdf([[9, first, second], [first, 9, third], [second, third, 9]])

        line = agreement_line(stats.norm.cdf([0.5, 0.7, 1.0]), matrix(0, 0.2, 0.4), matrix(-0.5, -0.3, -0.1))
        assert (line.slope, line.offset) == pytest.approx((1, -0.5))
        assert ndtri(line.aline_d) == pytest.approx([0, 0.2, 0.5], abs=1e-12)
        assert ndtri(line.aline_s) == pytest.approx([0, 0.2, 0.5], abs=1e-12)

    @settings(max_examples=50, deadline=None)
    @given(st.integers(3, 7), st.integers(0, 2**32 - 1))
    def test_agrees_with_least_squares_over_all_pairs(self, models, seed):
        draw = np.random.default_rng(seed)
        accuracy = draw.uniform(0.3, 0.95, models)
        original, new = ((m + m.T) / 2 for m in draw.uniform(0.01, 0.99, (2, models, models)))
        rows, said, x, y = [], [], [], []
        for i, j in itertools.combinations(range(models), 2):
            if 0.05 <= original[i, j] <= 0.98 and 0.05 <= new[i, j] <= 0.98:
                x.append(ndtri(original[i, j]))
                y.append(ndtri(new[i, j]))
                rows.append((np.arange(models) == i) / 2 + (np.arange(models) == j) / 2)
        if len(set(x)) < 2:
            return
        line = agreement_line(accuracy, original, new)
        theirs: Any = stats.linregress(x, y)
        assert (line.slope, line.offset, line.r2) == pytest.approx(
            (theirs.slope, theirs.intercept, theirs.rvalue**2), rel=1e-9
        )
        for row, before, after in zip(rows, x, y, strict=True):
            said.append(after + theirs.slope * (row @ ndtri(accuracy) - before))
        solved, _, matrix_rank, _ = np.linalg.lstsq(np.array(rows), np.array(said), rcond=None)
        if matrix_rank == models:
            np.testing.assert_allclose(line.aline_d, stats.norm.cdf(solved), atol=1e-8)
        else:
            assert np.isnan(line.aline_d).any()

    def test_a_pair_out_of_range_is_left_out(self):
        accuracy, new_accuracy, original, new = on_a_line(0.9, -0.4)
        original[2, 5] = original[5, 2] = 0.99
        new[2, 5] = new[5, 2] = 0.3
        line = agreement_line(accuracy, original, new)
        assert line.pairs == 27
        assert line.aline_d == pytest.approx(new_accuracy, abs=1e-9)
        assert agreement_line(accuracy, original, new, within=(0.05, 0.995)).pairs == 28

    def test_models_that_no_pair_determines_are_nan(self):
        # Model 0 agrees with nobody; models 1, 2 and 3 make a triangle.
        accuracy, new_accuracy, original, new = on_a_line(0.9, -0.4, models=4)
        for matrix in (original, new):
            matrix[0, 1:] = matrix[1:, 0] = 0.01
        line = agreement_line(accuracy, original, new)
        assert math.isnan(line.aline_d[0])
        assert line.aline_d[1:] == pytest.approx(new_accuracy[1:], abs=1e-9)
        assert line.aline_s == pytest.approx(new_accuracy, abs=1e-9)

    def test_pairs_in_a_ring_of_four_leave_all_open(self):
        # (w0 + w1), (w1 + w2), (w2 + w3), (w3 + w0): adding to the even and taking from the odd changes none.
        accuracy, _, original, new = on_a_line(0.9, -0.4, models=4)
        for i, j in ((0, 2), (1, 3)):
            original[i, j] = original[j, i] = 0.99
        line = agreement_line(accuracy, original, new)
        assert line.pairs == 4
        assert np.isnan(line.aline_d).all()

    def test_the_same_new_agreement_everywhere_has_no_r2(self):
        accuracy, _, original, new = on_a_line(1, 0)
        line = agreement_line(accuracy, original, np.full_like(new, 0.5))
        assert (line.slope, line.offset) == pytest.approx((0, 0), abs=1e-12)
        assert math.isnan(line.r2)

    @pytest.mark.parametrize("models, pairs", [(0, 0), (1, 0), (2, 1)])
    def test_too_few_models(self, models, pairs):
        accuracy, _, original, new = on_a_line(1, 0, models=models)
        with pytest.raises(AnalysisError) as complaint:
            agreement_line(accuracy, original, new)
        says(
            complaint.value,
            where="line of new on original agreement, probit scale",
            found=f"{pairs} pairs of models with {pairs} distinct agreements from 0.05 to 0.98",
        )

    def test_sizes_that_differ(self):
        # Unwrapped: as it runs for users, without the tests' shape checker that would speak first.
        accuracy, _, original, new = on_a_line(1, 0, models=3)
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            inspect.unwrap(agreement_line)(accuracy, original, new[:2, :2])
        assert str(complaint.value) == "new_agreement: found shape (2, 2) for 3 accuracies; expected one row each"

    def test_complaints(self):
        accuracy, _, original, new = on_a_line(1, 0, models=3)
        lopsided = original.copy()
        lopsided[0, 1] += 0.1
        perfect = np.array([0.5, 1.0, 0.7])
        for arguments, options, message in (
            (
                (perfect, original, new),
                {},
                (
                    "original_accuracy[1]: found 1.0, which is infinite on the probit scale; "
                    "expected a fraction between 0 and 1 (scales.fitted_accuracy gives one)"
                ),
            ),
            (
                (accuracy, lopsided, new),
                {},
                (
                    "original_agreement: found a matrix that is not symmetric; "
                    "expected the same agreement for i, j and j, i"
                ),
            ),
            (
                (accuracy, original, 100 * new),
                {},
                f"new_agreement[0, 0]: found {100 * new[0, 0]}; expected a fraction from 0 to 1",
            ),
            (
                (accuracy, original, new),
                {"within": (0.0, 0.98)},
                "within: found (0.0, 0.98); expected two rising fractions between 0 and 1",
            ),
        ):
            with pytest.raises(ValueError) as complaint:  # noqa: PT011
                agreement_line(*arguments, **options)
            assert str(complaint.value) == message


# (offset, slope), r2 and aline_d of some models: the `aline` method of agreement_trajectory.ipynb,
# github.com/kebaek/Agreement-on-the-line at 9ed14f4, on the predictions of the 30 and 67 released models.
AUTHORS = {
    "cifar10.1-v6": (
        (-0.3962260146721575, 0.994641277173121, 0.9833721209404203),
        {"random_features_32k_no_aug": 0.695224, "resnet_basic_110": 0.865667, "shake_drop": 0.926711},
    ),
    "cifar10.1-v4": (
        (-0.4091399453086042, 0.9933808664927865, 0.9833964166424498),
        {"random_features_32k_no_aug": 0.689078, "resnet_basic_110": 0.867196, "shake_drop": 0.922981},
    ),
    "imagenetv2": (
        (-0.27418235384384626, 0.9721808783793494, 0.99729169030327),
        {"alexnet": 0.455824, "resnet152": 0.687821},
    ),
}


def check_against_the_authors(line: AgreementLine, models: list[str], name: str) -> None:
    fit, accuracies = AUTHORS[name]
    assert (line.offset, line.slope, line.r2) == pytest.approx(fit, abs=1e-12)
    for model, accuracy in accuracies.items():
        assert line.aline_d[models.index(model)] == pytest.approx(accuracy, abs=5.1e-7)


@needs_cifar
class TestReleasedCifarPredictions:
    @pytest.mark.parametrize("version, error", [("v4", 0.0115), ("v6", 0.0113)])
    def test_new_accuracies_without_labels(self, version, error):
        folder = DATA / "cifar10.1-predictions"
        files = sorted((folder / "original_predictions").glob("*.json"))
        models = [file.stem.removesuffix("_predictions") for file in files]
        original = np.array([json.loads(file.read_text()) for file in files])
        new = np.array([json.loads((folder / f"{version}_predictions" / file.name).read_text()) for file in files])
        accuracy = (original == np.load(folder / "cifar10_test_labels.npy")).mean(axis=1)
        truth = (new == np.load(folder / f"cifar10.1_{version}_labels.npy")).mean(axis=1)
        line = agreement_line(accuracy, agreement(original), agreement(new))
        check_against_the_authors(line, models, f"cifar10.1-{version}")
        assert line.pairs == 30 * 29 // 2
        # The drop is eight points on average, and foreseen to one, with the accuracies a little too high.
        assert np.abs(accuracy - truth).mean() > 0.077
        assert np.abs(line.aline_d - truth).mean() == pytest.approx(error, abs=0.0001)
        assert np.abs(line.aline_s - truth).mean() == pytest.approx(error, abs=0.0001)
        assert (line.aline_d - truth).mean() > 0.01


class TestReleasedImagenetPredictions:
    @pytest.fixture(scope="class")
    @staticmethod
    def released(imagenetv2_predictions) -> tuple[list[str], list[np.ndarray], list[np.ndarray]]:
        """Models, their top-1 predictions on both sets, and whether these are right."""
        # fv_16k's five columns on the new set are stored in reverse order.
        files = sorted((imagenetv2_predictions / "imagenet-val").glob("*.npy"))
        predicted, correct = [], []
        for folder in ("imagenet-val", "matched-frequency"):
            first = [
                np.load(imagenetv2_predictions / folder / file.name)[
                    :, -1 if (file.stem, folder) == ("fv_16k", "matched-frequency") else 0
                ]
                for file in files
            ]
            predicted.append(np.array(first))
            correct.append(predicted[-1] == np.load(imagenetv2_predictions / f"{folder}_labels.npy"))
        return [file.stem for file in files], predicted, correct

    def test_new_accuracies_without_labels(self, released):
        models, (original, new), (right, right_on_new) = released
        truth = right_on_new.mean(axis=1)
        line = agreement_line(right.mean(axis=1), agreement(original), agreement(new))
        check_against_the_authors(line, models, "imagenetv2")
        # 11.8 points of drop on average, foreseen to 2.0, all on one side: agreement falls less than accuracy.
        assert np.abs(line.aline_d - truth).mean() == pytest.approx(0.0201, abs=0.0001)
        assert (line.aline_d - truth).mean() == pytest.approx(0.0199, abs=0.0001)
        of_accuracy = fit_line(right.mean(axis=1), truth, scale="probit", resamples=0, rng=rng())
        assert (of_accuracy.slope, of_accuracy.offset) == pytest.approx((0.952, -0.316), abs=0.001)

    def test_models_err_together(self, released):
        pairs = np.triu_indices(67, k=1)
        for correct, observed, expected, kappa, dominated in (
            (released[2][0], 0.824, 0.610, 0.576, 0.042),
            (released[2][1], 0.805, 0.527, 0.599, 0.050),
        ):
            consistency, found = error_consistency(correct), dominance(correct)
            assert consistency.observed[pairs].mean() == pytest.approx(observed, abs=0.0006)
            assert consistency.expected[pairs].mean() == pytest.approx(expected, abs=0.0006)
            assert consistency.kappa[pairs].mean() == pytest.approx(kappa, abs=0.0006)
            assert found.observed[pairs].mean() == pytest.approx(dominated, abs=0.0006)
            assert (found.observed[pairs] < found.expected[pairs]).all()

    def test_67_models_count_as_28(self, released):
        correct = released[2][0]
        joint = joint_margin(correct, draws=50_000, rng=rng())
        assert joint.margin == pytest.approx(0.0061, abs=0.0001)
        assert joint.independent_models == pytest.approx(28, abs=1.5)
        cover = similarity_cover(error_consistency(correct).observed)
        # The least similar pairs share a third of the images at best: this cover does not help so few models.
        assert reuse_margin(50_000, 67, cover=cover) == reuse_margin(50_000, 67) == pytest.approx(0.00888, abs=1e-5)
