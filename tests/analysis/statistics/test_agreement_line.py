"""New accuracies without labels by hand, in closed form and against the authors' code."""

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

from evalshift.analysis.statistics.agreement import agreement
from evalshift.analysis.statistics.agreement_line import AgreementLine, agreement_line
from evalshift.analysis.statistics.line_fit import fit_line
from evalshift.errors import AnalysisError

DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA") or Path(__file__).parents[4] / "shared" / "data")
needs_cifar = pytest.mark.skipif(
    not (DATA / "cifar10.1-predictions").is_dir(), reason=f"the released CIFAR-10 predictions are not in {DATA}"
)


def rng(name: str = "agreement") -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


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
            found=f"{pairs} pair{'s' * (pairs != 1)} of models with {pairs} distinct agreement{'s' * (pairs != 1)} "
            "from 0.05 to 0.98",
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


def test_new_imagenet_accuracies_without_labels(released_imagenet):
    (original, new), (correct, correct_on_new) = released_imagenet.predicted, released_imagenet.correct
    truth = correct_on_new.mean(axis=1)
    line = agreement_line(correct.mean(axis=1), agreement(original), agreement(new))
    check_against_the_authors(line, list(released_imagenet.models), "imagenetv2")
    # 11.8 points of drop on average, foreseen to 2.0, all on one side: agreement falls less than accuracy.
    assert np.abs(line.aline_d - truth).mean() == pytest.approx(0.0201, abs=0.0001)
    assert (line.aline_d - truth).mean() == pytest.approx(0.0199, abs=0.0001)
    of_accuracy = fit_line(correct.mean(axis=1), truth, scale="probit", resamples=0, rng=rng())
    assert (of_accuracy.slope, of_accuracy.offset) == pytest.approx((0.952, -0.316), abs=0.001)
