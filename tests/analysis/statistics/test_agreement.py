"""Agreement, error consistency and dominance by hand, in closed form and against other implementations."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from evalshift.analysis.statistics.agreement import agreement, dominance, error_consistency, expected_agreement

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


def test_imagenet_models_have_correlated_errors(released_imagenet):
    pairs = np.triu_indices(67, k=1)
    for correct, observed, expected, kappa, dominated in (
        (released_imagenet.correct[0], 0.824, 0.610, 0.576, 0.042),
        (released_imagenet.correct[1], 0.805, 0.527, 0.599, 0.050),
    ):
        consistency, found = error_consistency(correct), dominance(correct)
        assert consistency.observed[pairs].mean() == pytest.approx(observed, abs=0.0006)
        assert consistency.expected[pairs].mean() == pytest.approx(expected, abs=0.0006)
        assert consistency.kappa[pairs].mean() == pytest.approx(kappa, abs=0.0006)
        assert found.observed[pairs].mean() == pytest.approx(dominated, abs=0.0006)
        assert (found.observed[pairs] < found.expected[pairs]).all()
