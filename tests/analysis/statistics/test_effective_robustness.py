"""Effective robustness by hand, against statsmodels, by brute force over images, in coverage and on real testbeds."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import says
from released import cifar10, imagenet, needs_cifar10, needs_imagenet
from scipy import stats
from statsmodels.api import OLS, add_constant
from statsmodels.stats.outliers_influence import OLSInfluence

from evalshift.analysis.statistics.difficulty_model import Difficulty, simulate
from evalshift.analysis.statistics.draws import drawn_counts
from evalshift.analysis.statistics.effective_robustness import (
    effective_robustness,
    effective_robustness_against,
    sampling_covariance,
)
from evalshift.analysis.statistics.errors_in_variables import binomial_variance, steepness
from evalshift.analysis.statistics.least_squares import weighted_least_squares
from evalshift.analysis.statistics.line_fit import fit_line
from evalshift.analysis.statistics.model_scatter import scatter_test
from evalshift.analysis.statistics.multiplicity import adjust
from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy, from_scale, to_scale
from evalshift.errors import AnalysisError

Counts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def rng(name: str = "robustness") -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def some_counts(models: int, images: int = 10_000) -> Counts:
    """Correct predictions of models near a line of slope 1.1."""
    draw = rng(f"counts {models}")
    truth = draw.uniform(0.55, 0.85, models)
    new = 1.1 * truth - 0.2 + draw.normal(0, 0.01, models)
    total = np.full(models, images)
    return draw.binomial(total, truth), total, draw.binomial(total, new), total


def counts_of(original: np.ndarray, new: np.ndarray) -> Counts:
    sides = [(c.sum(axis=1), np.full(len(c), c.shape[1])) for c in (original, new)]
    return sides[0] + sides[1]


def line(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Slope and offset through points that count so many times; NaN where they are all of one x."""
    again = np.repeat(np.arange(len(x)), np.ones(len(x), int) if weights is None else weights.astype(int))
    if np.ptp(x[again]) == 0:
        return math.nan, math.nan
    fitted: Any = stats.linregress(x[again], y[again])
    return fitted.slope, fitted.intercept


class TestDistance:
    def test_by_hand(self):
        # The line of the first three is y = x − 0.2, so model 3 at (0.9, 0.75) stands 0.05 above it.
        # Model 1 (0.6, 0.4): the others (0.5, 0.3), (0.7, 0.5), (0.9, 0.75): x̄ = 0.7, ȳ = 0.51667, slope
        # (−0.2 · −0.21667 + 0.2 · 0.23333)/0.08 = 1.125, at 0.6 0.40417: 0.00417 below.
        total = np.full(4, 1000)
        counts = np.array([500, 600, 700, 900]), total, np.array([300, 400, 500, 750]), total
        result = effective_robustness(*counts, least_others=2, resamples=100, rng=rng())
        assert result.predicted[[3, 1]] == pytest.approx([0.7, 0.404167], abs=1e-6)
        assert result.distance[[3, 1]] == pytest.approx([0.05, -0.004167], abs=1e-6)

    def test_agrees_with_the_press_residuals_of_statsmodels(self):
        counts = some_counts(25)
        x, y = counts[0] / counts[1], counts[2] / counts[3]
        theirs = OLSInfluence(OLS(y, add_constant(x)).fit()).resid_press
        assert effective_robustness(*counts, resamples=0, rng=rng()).distance == pytest.approx(theirs, rel=1e-9)

    @pytest.mark.parametrize("scale", SCALES)
    def test_each_is_the_distance_from_a_line_fitted_without_it(self, scale):
        counts = some_counts(12)
        result = effective_robustness(*counts, scale=scale, resamples=0, rng=rng())
        for model in range(12):
            others = np.delete(np.arange(12), model)
            x, y = (fitted_accuracy(counts[i][others], counts[i + 1][others], scale) for i in (0, 2))
            line = fit_line(x, y, scale=scale, resamples=0, rng=rng())
            predicted = line.predict(counts[0][[model]] / counts[1][[model]])[0]
            assert result.predicted[model] == pytest.approx(predicted, rel=1e-9)
            assert result.distance[model] == pytest.approx(counts[2][model] / 10_000 - predicted, rel=1e-6, abs=1e-12)

    def test_a_baseline_is_the_line_of_its_models_alone(self):
        counts, baseline = some_counts(20), np.arange(20) < 8
        result = effective_robustness(*counts, baseline=baseline, resamples=0, rng=rng())
        x, y = counts[0] / counts[1], counts[2] / counts[3]
        slope, offset = np.polyfit(x[:8], y[:8], 1)
        assert result.distance[8:] == pytest.approx(y[8:] - (slope * x[8:] + offset), rel=1e-9)
        slope, offset = np.polyfit(x[1:8], y[1:8], 1)
        assert result.distance[0] == pytest.approx(y[0] - (slope * x[0] + offset), rel=1e-9)

    def test_another_testbed_is_a_baseline_that_is_not_judged(self):
        ours, theirs = some_counts(5), some_counts(30)
        together: Counts = tuple(np.concatenate(pair) for pair in zip(ours, theirs, strict=True))  # type: ignore[assignment]
        marked = effective_robustness(*together, baseline=np.arange(35) >= 5, screen=False, scale="probit", rng=rng())
        against = effective_robustness_against(*ours, theirs, scale="probit", rng=rng())
        assert against.distance == pytest.approx(marked.distance[:5], rel=1e-9)
        assert against.interval.low == pytest.approx(marked.interval.low[:5], abs=0.001)
        assert against.predicted_interval.high == pytest.approx(marked.predicted_interval.high[:5], abs=0.001)
        assert against.p_value == pytest.approx(marked.p_value[:5], rel=1e-9)
        # Five models are five tests, whatever the size of the testbed.
        assert against.p_holm.tolist() == adjust(against.p_value, "holm").tolist()

    @given(st.integers(6, 12), st.sampled_from(SCALES), st.integers(0, 2**32 - 1))
    def test_the_order_of_the_models_does_not_matter(self, models, scale, seed):
        draw = np.random.default_rng(seed)
        total = np.full(models, 500)
        counts = draw.integers(0, 501, models), total, draw.integers(0, 501, models), total
        order = draw.permutation(models)
        if len(np.unique(counts[0])) < 3:
            return
        one = effective_robustness(*counts, scale=scale, resamples=0, rng=rng())
        other = effective_robustness(
            counts[0][order], counts[1][order], counts[2][order], counts[3][order], scale=scale, resamples=0, rng=rng()
        )
        np.testing.assert_allclose(one.distance[order], other.distance, rtol=1e-6, atol=1e-9)


class TestUncertainty:
    @pytest.mark.parametrize("scale", SCALES)
    @pytest.mark.parametrize("models, far", [(6, False), (13, False), (13, True), (40, False)])
    def test_is_that_of_refitting_each_resample_without_the_model(self, scale, models, far):
        # Draw by draw: the counts of a resample are for the others in their order, and one line is fitted for each
        # model; the sampling error of the images comes from the same generator, one resample after the other.
        counts, resamples = some_counts(models), 80
        if far:
            counts[0][5], counts[2][5] = 30, 9000
        result = effective_robustness(*counts, scale=scale, screen=False, resamples=resamples, rng=rng())
        x, y = (to_scale(counts[i] / counts[i + 1], scale) for i in (0, 2))
        steep_x, steep_y = (steepness(counts[i] / counts[i + 1], scale) for i in (0, 2))
        error_x, error_y = (binomial_variance(counts[i], counts[i + 1]) for i in (0, 2))
        draw = rng()
        weights = drawn_counts(draw, resamples, models - 1).astype(float)
        luck = draw.standard_normal((resamples, models))
        for model in range(models):
            others = np.delete(np.arange(models), model)
            slope, offset = np.array([line(x[others], y[others], row) for row in weights]).T
            value = slope * x[model] + offset
            drawn = np.isfinite(value)
            value = value[drawn]
            np.testing.assert_allclose(
                [result.predicted_interval.low[model], result.predicted_interval.high[model]],
                np.quantile(from_scale(value, scale), [0.025, 0.975]),
                rtol=1e-9,
            )
            noise = math.sqrt(
                (line(x[others], y[others])[0] * steep_x[model]) ** 2 * error_x[model]
                + steep_y[model] ** 2 * error_y[model]
            )
            distance = from_scale(y[model] + noise * luck[drawn, model], scale) - from_scale(value, scale)
            np.testing.assert_allclose(
                [result.interval.low[model], result.interval.high[model]],
                np.quantile(distance, [0.025, 0.975]),
                rtol=1e-9,
                atol=1e-9,
            )

    def test_line_uncertainty_is_that_of_a_bootstrap_without_the_model(self):
        counts = some_counts(15)
        result = effective_robustness(*counts, resamples=20_000, rng=rng())
        x, y = counts[0] / counts[1], counts[2] / counts[3]
        for model in (0, 7):
            others = np.delete(np.arange(15), model)
            region = fit_line(x[others], y[others], resamples=20_000, rng=rng()).region(x[[model]])
            ours = result.predicted_interval.low[model], result.predicted_interval.high[model]
            width = region.high[0] - region.low[0]
            assert ours == pytest.approx((region.low[0], region.high[0]), abs=0.04 * width)

    def test_own_error_is_binomial_in_both_coordinates(self):
        # A line without error: 40 models exactly on y = x − 0.1. What is left is the model's own: on 2,000 and 1,000
        # images at 0.7 and 0.65, √(0.7 · 0.3/2000 + 0.65 · 0.35/1000) = 0.018241; 1.96 times that is 0.03575.
        original = np.append(np.arange(500_000, 900_000, 10_000), 1400)
        total = np.append(np.full(40, 1_000_000), 2000)
        new = np.append(original[:40] - 100_000, 650)
        new_total = np.append(total[:40], 1000)
        result = effective_robustness(original, total, new, new_total, resamples=50_000, rng=rng())
        assert result.distance[40] == pytest.approx(0.05)
        assert result.predicted_interval.high[40] - result.predicted_interval.low[40] < 1e-9
        assert result.interval.high[40] - 0.05 == pytest.approx(0.03575, rel=0.02)
        assert 0.05 - result.interval.low[40] == pytest.approx(0.03575, rel=0.02)
        assert result.p_value[40] == pytest.approx(2 * stats.t.sf(0.05 / 0.018241, 38), rel=0.02)

    def test_shared_images_by_brute_force(self):
        # Images are resampled 1,000 times and every model's line fitted anew: so much do the distances vary by the
        # images. The intervals hold that and the resampled lines; variances add.
        draw, models = rng("shared"), 16
        skill = draw.uniform(0.5, 2, models)
        original = simulate(skill, Difficulty(0.0, 1.5), 3000, draw)
        new = simulate(skill + draw.normal(0, 0.05, models), Difficulty(0.4, 1.5), 1500, draw)
        others = 1 - np.eye(models)
        distances = []
        for _ in range(1000):
            x, y = (c[:, draw.integers(c.shape[1], size=c.shape[1])].mean(axis=1) for c in (original, new))
            slope, offset = weighted_least_squares(x[np.newaxis], y[np.newaxis], others)
            distances.append(y - slope * x - offset)
        covariances = sampling_covariance(original), sampling_covariance(new)
        result = effective_robustness(*counts_of(original, new), covariances=covariances, rng=rng())
        whole, line = ((i.high - i.low) / (2 * 1.96) for i in (result.interval, result.predicted_interval))
        noise = np.sqrt(whole**2 - line**2)
        assert noise == pytest.approx(np.std(distances, axis=0), rel=0.12)
        alone = effective_robustness(*counts_of(original, new), rng=rng())
        assert (alone.interval.high - alone.interval.low).mean() > 1.1 * (whole * 2 * 1.96).mean()

    def test_p_values_are_those_of_the_scatter_and_take_no_resamples(self):
        counts = some_counts(14)
        counts[2][0] += 2000
        result = effective_robustness(*counts, resamples=0, rng=rng())
        x, y = counts[0] / counts[1], counts[2] / counts[3]
        found = scatter_test(x, y)
        assert result.p_value == pytest.approx(found.p_value, rel=1e-9)
        assert result.p_holm.tolist() == adjust(result.p_value, "holm").tolist()
        assert result.p_holm[0] < 1e-6
        assert result.screened.tolist() == [True] + [False] * 13

    def test_the_usual_distances_hold_where_p_is_at_least_one_minus_the_level(self):
        for scale in SCALES:
            result = effective_robustness(*some_counts(20), scale=scale, resamples=0, rng=rng())
            within = (result.usual.low <= result.distance) & (result.distance <= result.usual.high)
            assert within.tolist() == (result.p_value >= 0.05).tolist()

    def test_a_model_far_off_does_not_tilt_the_line_through_the_others(self):
        counts = some_counts(14)
        sound = effective_robustness(*(count[1:] for count in counts), resamples=2000, rng=rng())
        counts[2][0] += 2000
        result = effective_robustness(*counts, resamples=2000, rng=rng())
        assert result.distance[1:] == pytest.approx(sound.distance, rel=1e-9)
        widths = [one.interval.high[-13:] - one.interval.low[-13:] for one in (result, sound)]
        assert widths[0] == pytest.approx(widths[1], rel=0.2)

    def test_families_are_tested_apart(self):
        counts = some_counts(15)
        result = effective_robustness(*counts, families=["a"] * 3 + [None] * 12, resamples=0, rng=rng())
        numbers = np.array([0] * 3 + list(range(1, 13)))
        found = scatter_test(counts[0] / counts[1], counts[2] / counts[3], families=numbers)
        assert result.p_family == pytest.approx(found.p_holm, rel=1e-9)
        assert np.isnan(effective_robustness(*counts, resamples=0, rng=rng()).p_family).all()

    def test_from_counts_a_model_on_a_hundredth_of_the_images_needs_a_larger_distance(self):
        counts = some_counts(15)
        counts[2][4] += 800
        few = counts[0] // 1, counts[1].copy(), counts[2].copy(), counts[3].copy()
        for correct, total in ((few[0], few[1]), (few[2], few[3])):
            correct[4], total[4] = correct[4] // 100, 100
        whole, part = (effective_robustness(*each, resamples=0, rng=rng()) for each in (counts, few))
        assert whole.p_value[4] < 0.01
        assert part.p_value[4] > 0.05

    def test_a_higher_level_gives_a_wider_interval(self):
        narrow, wide = (effective_robustness(*some_counts(10), level=level, rng=rng()) for level in (0.5, 0.99))
        assert (wide.interval.low < narrow.interval.low).all()
        assert (narrow.interval.high < wide.interval.high).all()
        assert wide.p_value.tolist() == narrow.p_value.tolist()


class TestSimulation:
    def test_covers_the_true_distance(self):
        # Models stand off a probit line of slope 1 and offset −0.4/√2 by what they are; images are shared.
        draw, models = rng("coverage"), 30
        held: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(60):
            skill, own = draw.uniform(0, 2, models), draw.normal(0, 0.04, models)
            original = simulate(skill, Difficulty(0.0, 1.0), 5000, draw)
            new = simulate(skill + own, Difficulty(0.4, 1.0), 2000, draw)
            line = (skill - 0.4) / math.sqrt(2)
            truth = stats.norm.cdf(line + own / math.sqrt(2)) - stats.norm.cdf(line)
            for shared in (True, False):
                result = effective_robustness(
                    *counts_of(original, new),
                    covariances=(sampling_covariance(original), sampling_covariance(new)) if shared else None,
                    scale="probit",
                    resamples=1000,
                    rng=draw,
                )
                held[shared].append(float(np.mean((result.interval.low <= truth) & (truth <= result.interval.high))))
        assert 0.92 < np.mean(held[True]) < 0.97
        assert 0.95 < np.mean(held[False]) < 0.995

    def test_few_false_alarms_and_a_planted_model_found(self):
        # Images of their own, all models on the line but one, 5 points above it: alarms among the others count, whether
        # any of 24 is called off the line.
        draw, models = rng("planted"), 25
        total, alarms, found, single = np.full(models, 10_000), 0, 0, []
        runs = 80
        for _ in range(runs):
            original = draw.uniform(0.6, 0.9, models)
            new = original - 0.1
            planted = draw.binomial(total, original), total, draw.binomial(total, new), total
            result = effective_robustness(*planted, resamples=0, rng=draw)
            alarms += bool((result.p_holm < 0.05).any())
            single.append(np.mean(result.p_value < 0.05))
            new[0] += 0.05
            planted = planted[0], total, draw.binomial(total, new), total
            result = effective_robustness(*planted, resamples=0, rng=draw)
            found += bool(result.p_holm[0] < 0.05 and result.distance[0] > 0)
        assert alarms / runs < 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)
        assert np.mean(single) < 0.06
        assert found / runs > 0.95


class TestCovariance:
    def test_by_hand_and_against_numpy(self):
        original, _ = (simulate(np.linspace(0, 2, 5), Difficulty(0.0, 1.0), 400, rng()) for _ in range(2))
        np.testing.assert_allclose(sampling_covariance(original), np.cov(original, bias=True) / 400, atol=1e-15)

    def test_identical_models(self):
        covariance = sampling_covariance(np.array([[True, False, True, True]] * 2))
        assert covariance == pytest.approx(np.full((2, 2), 0.75 * 0.25 / 4))

    def test_twins_among_the_models_do_no_harm(self):
        original, new = (simulate(np.linspace(0, 2, 6), Difficulty(0.0, 1.0), 500, rng(n)) for n in "ab")
        original[1], new[1] = original[0], new[0]
        covariances = sampling_covariance(original), sampling_covariance(new)
        result = effective_robustness(*counts_of(original, new), covariances=covariances, resamples=500, rng=rng())
        assert np.isfinite(result.p_value).all()


class TestDegenerate:
    def test_three_models_have_no_distance_unless_asked_for_and_then_no_interval(self):
        with pytest.raises(AnalysisError):
            effective_robustness(*some_counts(3), resamples=100, rng=rng())
        result = effective_robustness(*some_counts(3), least_others=2, resamples=100, rng=rng())
        assert np.isfinite([result.predicted, result.distance]).all()
        for values in (result.interval.low, result.predicted_interval.high, result.p_value, result.p_holm, result.p_bh):
            assert np.isnan(values).all()

    def test_a_model_with_four_others_has_no_distance_and_one_with_five_has(self):
        # Five models of the line and one beside it: only the latter is compared with five.
        baseline = np.arange(6) < 5
        result = effective_robustness(*some_counts(6), baseline=baseline, resamples=100, rng=rng())
        for values in (result.predicted, result.distance, result.interval.low, result.p_value, result.p_holm):
            assert np.isfinite(values).tolist() == [False] * 5 + [True]
        with pytest.raises(AnalysisError):
            effective_robustness(*some_counts(5), resamples=0, rng=rng())

    def test_no_resamples(self):
        result = effective_robustness(*some_counts(8), resamples=0, rng=rng())
        assert np.isnan(result.interval.low).all()
        assert np.isfinite([result.distance, result.p_value]).all()

    @pytest.mark.parametrize("shared", [False, True])
    def test_a_model_whose_others_are_all_alike_is_left_open(self, shared):
        total = np.full(6, 100)
        counts = np.array([70, 70, 70, 70, 90, 70]), total, np.array([50, 52, 54, 56, 70, 53]), total
        covariances = (np.eye(6) * 0.002, np.eye(6) * 0.002) if shared else None
        result = effective_robustness(*counts, covariances=covariances, resamples=300, rng=rng())
        open_values = [result.distance[4], result.p_value[4], result.interval.low[4], result.predicted_interval.low[4]]
        assert np.isnan(open_values).all()
        assert np.isfinite([result.distance[:4], result.p_value[:4]]).all()

    @pytest.mark.parametrize("scale", ["probit", "logit"])
    def test_none_and_all_correct(self, scale):
        total = np.full(6, 50)
        counts = np.array([0, 10, 20, 30, 40, 50]), total, np.array([0, 9, 15, 25, 33, 50]), total
        result = effective_robustness(*counts, scale=scale, resamples=500, rng=rng())
        for values in (result.distance, result.interval.low, result.interval.high, result.p_holm):
            assert np.isfinite(values).all()

    @pytest.mark.parametrize(
        "models, baseline, found",
        [
            (1, None, "1 model"),
            (2, None, "2 models"),
            (9, [0, 3], "9 models, 2 of them in the line"),
        ],
    )
    def test_nothing_to_hold_a_model_against(self, models, baseline, found):
        counts = some_counts(models)
        marked = None if baseline is None else np.isin(np.arange(models), baseline[:1])
        if baseline is not None:
            counts[0][baseline] = counts[0][baseline[0]]
            marked = np.isin(np.arange(models), baseline)
        with pytest.raises(AnalysisError) as complaint:
            effective_robustness(*counts, baseline=marked, scale="probit", rng=rng())
        says(complaint.value, where="effective robustness, probit scale", found=found)

    @pytest.mark.parametrize(
        "options, message",
        [
            ({"scale": "log"}, 'scale: found "log"; expected one of linear, probit, logit'),
            ({"level": 95.0}, "level: found 95.0; expected a fraction between 0 and 1, such as 0.95"),
            ({"resamples": 1}, "resamples: found 1; expected 0 for no intervals, or at least 2"),
        ],
    )
    def test_impossible_options(self, options, message):
        for call in (
            lambda: effective_robustness(*some_counts(6), **options, rng=rng()),
            lambda: effective_robustness_against(*some_counts(5), some_counts(9), **options, rng=rng()),
        ):
            with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
                call()
            assert str(complaint.value) == message


class TestExtrapolation:
    def counts(self, *model: int) -> Counts:
        """Eight models near new = original − 0.1 between 60 % and 74 % of 10,000 images, and one more."""
        total = np.full(9, 10_000)
        original = np.append(np.arange(6000, 7500, 200), model[0])
        new = np.append(np.arange(5000, 6500, 200) + np.array([9, -8, 7, -9, 8, -7, 9, -8]) * 10, model[1])
        return original, total, new, total

    def test_models_at_the_ends_are_beyond_the_others(self):
        result = effective_robustness(*self.counts(9500, 8450), resamples=100, rng=rng())
        assert result.extrapolated.tolist() == [True] + [False] * 7 + [True]

    def test_a_distance_larger_than_its_standard_error_is_reported(self):
        # The standard error of the line there is about s · 0.28/0.13, s about 0.01: 2 points, and the distance is 14.
        result = effective_robustness(*self.counts(9500, 9900), resamples=1000, rng=rng())
        assert result.distance[8] == pytest.approx(0.14, abs=0.01)
        assert result.reported[8] == result.distance[8]

    def test_one_smaller_than_its_standard_error_is_not(self):
        result = effective_robustness(*self.counts(9500, 8450), resamples=5000, rng=rng())
        assert abs(result.distance[8]) < 0.01
        assert np.isnan(result.reported[8])
        # The interval that says why stays.
        error = (result.interval.high[8] - result.interval.low[8]) / (2 * 1.96)
        assert error > abs(result.distance[8])

    def test_inside_the_range_small_distances_are_reported(self):
        result = effective_robustness(*self.counts(6700, 5701), resamples=100, rng=rng())
        assert abs(result.distance[8]) < 0.003
        assert not result.extrapolated[8]
        assert result.reported[8] == result.distance[8]

    def test_against_a_testbed_its_models_make_the_range(self):
        counts = self.counts(6700, 5700)
        testbed: Counts = (counts[0][:8], counts[1][:8], counts[2][:8], counts[3][:8])
        total = np.full(3, 10_000)
        ours = np.array([6700, 9500, 9500]), total, np.array([5701, 8450, 9900]), total
        result = effective_robustness_against(*ours, testbed, resamples=1000, rng=rng())
        assert result.extrapolated.tolist() == [False, True, True]
        assert np.isnan(result.reported).tolist() == [False, True, False]


def test_a_testbed_model_far_off_does_not_tilt_the_line():
    sound = some_counts(20)
    far: Counts = (sound[0].copy(), sound[1], sound[2].copy(), sound[3])
    far[0][3], far[2][3] = 8900, 2000
    ours = some_counts(4)
    without: Counts = tuple(np.delete(count, 3) for count in sound)  # type: ignore[assignment]
    found, clean = (effective_robustness_against(*ours, one, resamples=100, rng=rng()) for one in (far, without))
    assert found.distance == pytest.approx(clean.distance, rel=1e-9)
    assert found.screened.tolist() == [place == 3 for place in range(20)]


def test_a_testbed_of_four_models_makes_no_line():
    with pytest.raises(AnalysisError) as complaint:
        effective_robustness_against(*some_counts(2), some_counts(4), rng=rng())
    says(complaint.value, found="4 models of the testbed", expected="at least 5")


@needs_imagenet
class TestImageNet:
    def judged(self, scale: str, baseline: str | None = None) -> dict[str, tuple[float, float]]:
        """Distance and Holm's p-value of each model; `baseline` says which models stay out of the line."""
        released = imagenet()
        covariances = sampling_covariance(released.correct[0]), sampling_covariance(released.correct[1])
        marked = np.array([baseline is None or not model.startswith(baseline) for model in released.models])
        result = effective_robustness(
            *released.counts, baseline=marked, covariances=covariances, scale=scale, rng=rng(scale)
        )
        return dict(zip(released.models, zip(result.distance, result.p_holm, strict=True), strict=True))

    def test_fisher_vectors_stand_far_above_the_linear_line_of_the_networks(self):
        linear = self.judged("linear", baseline="fv_")
        for model, points in (("fv_4k", 0.117), ("fv_16k", 0.081), ("fv_64k", 0.054)):
            distance, p_holm = linear[model]
            assert distance == pytest.approx(points, abs=0.0005)
            assert p_holm < 0.01

    def test_on_the_probit_scale_no_model_is_off_the_line_of_the_networks(self):
        probit = self.judged("probit", baseline="fv_")
        assert min(p_holm for _, p_holm in probit.values()) > 0.05
        assert max(abs(distance) for distance, _ in probit.values()) < 0.015


@needs_cifar10
def test_on_cifar10_no_model_is_surely_off_the_line():
    released = cifar10()
    covariances = sampling_covariance(released.correct[0]), sampling_covariance(released.correct[1])
    result = effective_robustness(*released.counts, covariances=covariances, rng=rng())
    farthest = int(np.argmax(np.abs(result.distance)))
    assert released.models[farthest] == "alexnet_tf_ben"
    assert result.distance[farthest] == pytest.approx(0.0243, abs=0.0001)
    assert result.p_holm.min() > 0.05


def test_predictions_are_made_on_the_scale():
    # A probit line of slope 1 and offset −0.5, without error.
    x = np.linspace(0.3, 0.9, 9)
    y = from_scale(to_scale(x, "probit") - 0.5, "probit")
    total = np.full(9, 10**9)
    counts = np.rint(x * 1e9).astype(int), total, np.rint(y * 1e9).astype(int), total
    result = effective_robustness(*counts, scale="probit", resamples=100, rng=rng())
    assert result.predicted == pytest.approx(y, abs=1e-7)
    assert result.distance == pytest.approx(np.zeros(9), abs=1e-7)
