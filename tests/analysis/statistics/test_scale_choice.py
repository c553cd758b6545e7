"""The comparison of scales: by brute force, in closed form, and as appendix C.2 of the paper has it."""

import inspect
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages import says
from released import cifar10, imagenet, needs_cifar10, needs_imagenet
from scipy import stats

from evalshift.analysis.statistics.difficulty_model import Difficulty, expected_accuracy
from evalshift.analysis.statistics.scale_choice import ScaleFit, better_scale, choose_scale, compare_scales
from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy, from_scale, to_scale
from evalshift.errors import AnalysisError


def by_scale(*counts: np.ndarray, **options: Any) -> dict[str, ScaleFit]:
    original, original_total, new, new_total = counts
    return {fit.scale: fit for fit in compare_scales(original, original_total, new, new_total, **options)}


def some_counts(models: int, seed: int = 0, images: int = 1000) -> tuple[np.ndarray, ...]:
    draw = np.random.default_rng(seed)
    total = np.full(models, images)
    truth = draw.uniform(0.2, 0.95, models)
    return draw.binomial(total, truth), total, draw.binomial(total, truth**1.5), total


def test_by_hand():
    # Linear, on 100 images: without (0.5, 0.3) the line through (0.6, 0.5) and (0.8, 0.6) is 0.2 + 0.5 x, and gives
    # 0.45 at 0.5: 0.15 too much. Without (0.6, 0.5): 0.4 at 0.6, 0.1 too little. Without (0.8, 0.6): 0.9, 0.3 too much.
    total = np.full(3, 100)
    fit = by_scale(np.array([50, 60, 80]), total, np.array([30, 50, 60]), total)["linear"]
    assert fit.error == pytest.approx([0.15, -0.1, 0.3])
    assert fit.rms_error == pytest.approx(math.sqrt((0.15**2 + 0.1**2 + 0.3**2) / 3))
    # x̄ = 0.6333, ȳ = 0.4667; r² = (Σdxdy)²/(Σdx² Σdy²) = 0.04333²/(0.046667 · 0.046667) = 0.8622.
    assert fit.r2 == pytest.approx(0.8622, abs=1e-4)


@settings(max_examples=30)
@given(st.integers(4, 15), st.integers(0, 10_000))
def test_leaving_one_out_by_brute_force(models, seed):
    counts = some_counts(models, seed)
    if len(np.unique(counts[0])) < models:
        return
    for scale, fit in by_scale(*counts).items():
        x, y = (to_scale(fitted_accuracy(k, n, scale), scale) for k, n in (counts[:2], counts[2:]))
        for left_out in range(models):
            slope, offset = np.polyfit(np.delete(x, left_out), np.delete(y, left_out), 1)
            predicted = from_scale(np.array([slope * x[left_out] + offset]), scale)[0]
            assert fit.error[left_out] == pytest.approx(predicted - counts[2][left_out] / 1000, rel=1e-5, abs=1e-8)
        theirs: Any = stats.linregress(x, y)
        assert fit.r2 == pytest.approx(theirs.rvalue**2, rel=1e-9)


@pytest.mark.parametrize("scale", SCALES)
def test_a_straight_line_is_found_on_its_scale_and_on_no_other(scale):
    original = np.linspace(0.2, 0.9, 12)
    new = from_scale(0.9 * to_scale(original, scale) - 0.15, scale)
    total = np.full(12, 10**9)
    fits = by_scale(np.rint(original * 1e9).astype(int), total, np.rint(new * 1e9).astype(int), total)
    assert fits[scale].rms_error < 1e-8
    assert fits[scale].r2 == pytest.approx(1, abs=1e-12)
    for other in SCALES:
        if other != scale:
            assert fits[other].rms_error > 1e-4
            assert fits[other].r2 < 1 - 1e-6


def test_the_difficulty_model_is_told_by_its_scale():
    # Models of 5.3 on 50,000 and 10,000 images, between 20 and 85 %: probit, in nearly every testbed.
    draw, won = np.random.default_rng(0), 0
    original_total, new_total = np.full(60, 50_000), np.full(60, 10_000)
    for _ in range(50):
        skill = draw.uniform(-2, 2.5, 60)
        counts = (
            draw.binomial(original_total, expected_accuracy(skill, Difficulty(0.0, 2.0))),
            draw.binomial(new_total, expected_accuracy(skill, Difficulty(1.0, 2.1))),
        )
        fits = by_scale(counts[0], original_total, counts[1], new_total)
        won += min(fits.values(), key=lambda fit: fit.rms_error).scale == "probit"
    assert won >= 45


def test_whole_families_are_left_out():
    # Two families on lines of their own; without b the line is a's, y = x − 0.1, and b lies 0.1 below it.
    total = np.full(6, 1000)
    original, new = np.array([500, 600, 700, 800, 850, 900]), np.array([400, 500, 600, 600, 650, 700])
    fit = by_scale(original, total, new, total, families=["a", "a", "a", "b", "b", "b"])["linear"]
    assert fit.error[3:] == pytest.approx([0.1, 0.1, 0.1])
    assert fit.error[:3] == pytest.approx([-0.1, -0.1, -0.1])
    alone = by_scale(original, total, new, total, families=[None] * 6)["linear"]
    assert alone.error.tolist() == by_scale(original, total, new, total)["linear"].error.tolist()


def fits_of(errors: dict[str, list[float]]) -> list[ScaleFit]:
    """Fits with these leave-one-out errors."""
    return [
        ScaleFit(scale, 0.9, np.array(error), float(np.sqrt(np.mean(np.square(error)))))
        for scale, error in errors.items()
    ]


class TestChoice:
    def test_by_hand(self):
        # Mean squares 4 and 1 of 10⁻⁴: ln 4 = 1.39 apart. Each model's share of a mean square is a fifth: no noise, and
        # linear is twice as far off.
        fits = fits_of({"linear": [0.02] * 5, "probit": [0.01] * 5, "logit": [0.01] * 5})
        choice = choose_scale([fits], ["abcde"])
        assert (choice.scale, choice.best, choice.pairs) == ("probit", "probit", 1)
        assert choice.errors == pytest.approx({"linear": 0.02, "probit": 0.01, "logit": 0.01})

    def test_within_one_standard_error_the_simplest_is_taken(self):
        # One model of six makes the whole difference: squares of linear (1, 1, 1, 1, 1, 4), of probit six times 1. Mean
        # squares 1.5 and 1: ln 1.5 = 0.405. Shares are 1/9 (5 times) and 4/9, less 1/6: −1/18 and 5/18. Their standard
        # deviation is √((5/18² + 25/18²)/5) = 0.136, the standard error √6 · 0.136 = 0.333 < 0.405.
        noisy = fits_of({"linear": [0.01] * 5 + [0.02], "probit": [0.01] * 6, "logit": [0.03] * 6})
        assert choose_scale([noisy], ["abcdef"]).scale == "probit"
        # Two models that differ to either side are noise: squares (2, 0.5, 1, 1, 1, 1), mean 1.083, ln = 0.080; shares
        # 0.308, 0.077 and 0.154, less 1/6: 0.141, −0.090 and −0.013 four times; √6 · √(0.0287/5) = 0.186 > 0.080.
        linear = [0.01 * 2**0.5, 0.01 * 0.5**0.5, *[0.01] * 4]
        even = fits_of({"linear": linear, "probit": [0.01] * 6, "logit": [0.03] * 6})
        choice = choose_scale([even], ["abcdef"])
        assert (choice.scale, choice.best) == ("linear", "probit")

    def test_far_worse_is_worse_whatever_the_noise(self):
        # One model makes linear 2.8 times as bad; its share is all of the noise, which allows for no more than 1.5.
        fits = fits_of({"linear": [0.01] * 5 + [0.0676], "probit": [0.01] * 6, "logit": [0.01] * 6})
        assert choose_scale([fits], ["abcdef"]).scale == "probit"

    def test_a_pair_with_large_errors_does_not_decide_alone(self):
        # Linear is slightly worse where errors are large, and far better on two pairs where they are small.
        large = fits_of({"linear": [0.1] * 6, "probit": [0.09] * 6, "logit": [0.09] * 6})
        small = fits_of({"linear": [0.001] * 6, "probit": [0.003] * 6, "logit": [0.003] * 6})
        assert choose_scale([large, small, small], ["abcdef"] * 3).scale == "linear"
        errors = choose_scale([large, small], ["abcdef"] * 2).errors
        assert errors["linear"] == pytest.approx(math.sqrt(0.1 * 0.001))

    def test_the_same_pair_twice_says_no_more_than_once(self):
        once = choose_scale([compare_scales(*some_counts(12))], [range(12)])
        assert choose_scale([compare_scales(*some_counts(12))] * 2, [range(12)] * 2).errors == pytest.approx(
            once.errors
        )
        for seed in range(20):
            fits = compare_scales(*some_counts(12, seed))
            assert choose_scale([fits], [range(12)]).scale == choose_scale([fits] * 3, [range(12)] * 3).scale

    def test_few_models_and_exact_lines_are_linear(self):
        four = compare_scales(*some_counts(4))
        assert choose_scale([four], ["abcd"]).scale == "linear"
        assert choose_scale([four], ["abcd"]).errors == {}
        assert choose_scale([], []).pairs == 0
        total = np.full(6, 10_000)
        exact = compare_scales(np.arange(1, 7) * 1000, total, np.arange(1, 7) * 500, total)
        assert choose_scale([exact], ["abcdef"]).scale == "linear"
        # A pair of few models does not count beside one of many.
        many = compare_scales(*some_counts(12))
        assert choose_scale([four, many], ["abcd", range(12)]) == choose_scale([many], [range(12)])

    def test_the_difficulty_model_is_told_on_a_wide_range_and_left_linear_on_a_narrow_one(self):
        draw, total, chosen = np.random.default_rng(1), np.full(40, 10_000), {"wide": [], "narrow": []}
        for _ in range(20):
            for name, skills in (("wide", (-2, 2.5)), ("narrow", (1.0, 1.2))):
                skill = draw.uniform(*skills, 40)
                counts = [draw.binomial(total, expected_accuracy(skill, one))
                          for one in (Difficulty(0.0, 2.0), Difficulty(1.0, 2.1))]  # fmt: skip
                fits = compare_scales(counts[0], total, counts[1], total)
                chosen[name].append(choose_scale([fits], [range(40)]).scale)
        assert chosen["wide"].count("probit") >= 16
        assert chosen["narrow"].count("linear") >= 12

    def test_a_chosen_scale_never_fits_far_worse_than_another(self):
        for seed in range(30):
            fits = compare_scales(*some_counts(6 + seed % 9, seed, images=200))
            chosen = choose_scale([fits], [range(len(fits[0].error))]).scale
            assert better_scale(fits, chosen) == chosen


class TestDegenerate:
    def test_two_models_predict_nothing(self):
        total = np.full(2, 100)
        for fit in by_scale(np.array([50, 70]), total, np.array([30, 60]), total).values():
            assert math.isnan(fit.r2)
            assert math.isnan(fit.rms_error)
            assert np.isnan(fit.error).all()

    def test_one_family_predicts_nothing(self):
        for fit in by_scale(*some_counts(6), families=["resnet"] * 6).values():
            assert math.isnan(fit.rms_error)

    def test_a_model_that_alone_makes_the_line_cannot_be_predicted(self):
        total = np.full(4, 100)
        fit = by_scale(np.array([50, 50, 50, 80]), total, np.array([30, 40, 35, 60]), total)["linear"]
        assert np.isnan(fit.error).tolist() == [False, False, False, True]
        assert math.isfinite(fit.rms_error)

    def test_none_and_all_correct(self):
        total = np.full(4, 100)
        for fit in by_scale(np.array([0, 30, 60, 100]), total, np.array([0, 20, 50, 100]), total).values():
            assert np.isfinite(fit.error).all()

    def test_one_model(self):
        one, total = np.array([50]), np.array([100])
        with pytest.raises(AnalysisError) as complaint:
            compare_scales(one, total, one, total)
        says(
            complaint.value,
            where="line of new on original accuracy, linear scale",
            found="1 model with 1 distinct original accuracy",
        )

    def test_a_family_less(self):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            inspect.unwrap(compare_scales)(*some_counts(6), families=["a"] * 5)
        assert str(complaint.value) == "families: found 5 for 6 models; expected one per model"


@needs_imagenet
class TestAppendixC2:
    """ImageNet and ImageNetV2: with Fisher vectors the accuracies span 60 points, and a straight line does not."""

    def test_with_fisher_vectors_probit_and_logit_fit_better(self):
        fits = by_scale(*imagenet().counts)
        assert [round(fits[scale].r2, 4) for scale in SCALES] == [0.9907, 0.9983, 0.9986]
        assert [round(100 * fits[scale].rms_error, 2) for scale in SCALES] == [1.21, 0.45, 0.42]

    def test_without_them_the_difference_is_smaller(self):
        fits = by_scale(*imagenet().without("fv_").counts)
        assert [round(fits[scale].r2, 4) for scale in SCALES] == [0.9913, 0.9954, 0.9957]
        assert [round(100 * fits[scale].rms_error, 2) for scale in SCALES] == [0.59, 0.41, 0.39]

    def test_the_probit_line_of_the_networks_tells_the_fisher_vectors(self):
        released = imagenet()
        families = ["fv" if model.startswith("fv_") else None for model in released.models]
        fits = by_scale(*released.counts, families=families)
        fisher = [family == "fv" for family in families]
        assert np.abs(fits["linear"].error[fisher]).min() > 0.05
        assert np.abs(fits["probit"].error[fisher]).max() < 0.015


@needs_cifar10
def test_on_cifar10_the_scales_do_not_differ():
    fits = by_scale(*cifar10().counts)
    assert [round(100 * fits[scale].rms_error, 2) for scale in SCALES] == [0.87, 0.88, 0.91]
