"""Power and detectable differences by hand, in closed form and against other implementations."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalshift.analysis.statistics.intervals import clopper_pearson
from evalshift.analysis.statistics.paired import (
    exact_mcnemar,
)
from evalshift.analysis.statistics.power import detectable_accuracies, detectable_difference, mcnemar_power


class TestPower:
    def test_agrees_with_g_power(self):
        # G*Power 3.1 manual, exact McNemar test: odds ratio 0.25 and 0.4 discordant of 50, one-sided α = 0.05, give
        # power 0.839343 at an actual α of 0.032578. One side of a level of 0.9; the other side adds 0.000015.
        assert mcnemar_power(50, 0.24, 0.4, level=0.9) == pytest.approx(0.839343, abs=2e-5)
        assert mcnemar_power(50, 0.0, 0.4, level=0.9) / 2 == pytest.approx(0.032578, abs=1e-6)

    @pytest.mark.parametrize("difference, discordance", [(0.2, 0.4), (0.0, 0.3), (-0.5, 0.5), (0.3, 1.0)])
    def test_agrees_with_adding_up_all_tables(self, difference, discordance):
        size = 25
        wins, losses = np.array([t for t in itertools.product(range(size + 1), repeat=2) if sum(t) <= size]).T
        chances = ((discordance + difference) / 2, (discordance - difference) / 2, 1 - discordance)
        weight = stats.multinomial.pmf(np.array([wins, losses, size - wins - losses]).T, size, chances)
        found = exact_mcnemar(wins, losses) <= 0.05
        assert mcnemar_power(size, difference, discordance) == pytest.approx(weight[found].sum(), abs=1e-11)

    def test_in_closed_form_where_all_images_part_the_models(self):
        # 6 images, all won by one model: found, as 2/64 < 0.05. 5 of 6 would not be.
        assert mcnemar_power(6, 0.5, 1.0) == pytest.approx(0.75**6 + 0.25**6, rel=1e-12)
        assert mcnemar_power(5, 1.0, 1.0) == 0
        # 2 of 2 have p = 0.5 exactly, which is found at a level of 0.5.
        assert mcnemar_power(2, 1.0, 1.0, level=0.5) == 1

    @settings(max_examples=30, deadline=None)
    @given(st.integers(1, 3000), st.floats(0.01, 1), st.floats(0, 1), st.floats(0, 1))
    def test_grows_with_the_difference_from_at_most_the_tests_size(self, images, discordance, one, other):
        smaller, larger = sorted((one * discordance, other * discordance))
        powers = [mcnemar_power(images, d, discordance) for d in (0.0, smaller, larger)]
        assert powers[0] <= 0.05 + 1e-12
        assert powers[0] <= powers[1] + 1e-12
        assert powers[1] <= powers[2] + 1e-12
        assert mcnemar_power(images, -larger, discordance) == pytest.approx(powers[2], abs=1e-12)

    @pytest.mark.parametrize(
        "call, message",
        [
            (lambda: mcnemar_power(0, 0.1, 0.2), "images: found 0; expected at least 1"),
            (lambda: mcnemar_power(9, 0.1, 0.0), "discordance: found 0.0; expected a fraction above 0 and up to 1"),
            (
                lambda: mcnemar_power(9, -0.3, 0.2),
                "difference: found -0.3; expected at most the discordance, 0.2, in size",
            ),
            (
                lambda: detectable_difference(9, 0.2, power=0.05),
                "power: found 0.05; expected a fraction between 1 − level = 0.05 and 1",
            ),
            (
                lambda: detectable_accuracies(9, 0.2, power=1.0),
                "power: found 1.0; expected a fraction between 1 − level = 0.05 and 1",
            ),
            (lambda: detectable_accuracies(9, 91.7), "expected: found 91.7; expected a fraction from 0 to 1"),
            (lambda: detectable_accuracies(0, 0.9), "images: found 0; expected at least 1"),
        ],
    )
    def test_complaints(self, call, message):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            call()
        assert str(complaint.value) == message


class TestDetectableDifference:
    @pytest.mark.parametrize("images, discordance", [(2_000, 0.1), (10_000, 0.164), (50_000, 0.139)])
    def test_near_connors_normal_approximation(self, images, discordance):
        # n δ² = (z_α √ψ + z_β √(ψ − δ²))², solved for δ; the exact test needs a little more.
        a, b = stats.norm.isf(0.025), stats.norm.isf(0.2)
        normal = (
            math.sqrt(discordance) * (math.sqrt(images) * a + b * math.sqrt(images + b**2 - a**2)) / (images + b**2)
        )
        exact = detectable_difference(images, discordance)
        assert normal < exact < 1.03 * normal

    @settings(max_examples=30, deadline=None)
    @given(st.integers(20, 2000), st.floats(0.05, 1), st.sampled_from([0.5, 0.8, 0.95]))
    def test_has_the_power_asked_for(self, images, discordance, power):
        difference = detectable_difference(images, discordance, power=power)
        if math.isnan(difference):
            assert mcnemar_power(images, discordance, discordance) < power
        else:
            assert mcnemar_power(images, difference, discordance) == pytest.approx(power, abs=1e-6)

    def test_nothing_is_found_with_five_images(self):
        # Even 5 of 5 has p = 2/32.
        assert math.isnan(detectable_difference(5, 1.0))
        assert detectable_difference(6, 1.0, power=0.5) == pytest.approx(2 * 0.5 ** (1 / 6) - 1, abs=1e-3)

    def test_more_images_show_less(self):
        shown = [detectable_difference(images, 0.15) for images in (1_000, 4_000, 16_000)]
        assert shown[0] / shown[1] == pytest.approx(2, abs=0.1)
        assert shown[1] / shown[2] == pytest.approx(2, abs=0.05)


class TestDetectableAccuracies:
    @pytest.mark.parametrize("images, expected", [(50, 0.9), (300, 0.5), (2000, 0.97)])
    def test_agrees_with_the_intervals_of_all_counts(self, images, expected):
        counts = np.arange(images + 1)
        interval = clopper_pearson(counts, np.full_like(counts, images))
        left_out = (expected < interval.low) | (interval.high < expected)
        nearest = detectable_accuracies(images, expected)
        for accuracy in (nearest.low, nearest.high):
            assert stats.binom.pmf(counts[left_out], images, accuracy).sum() == pytest.approx(0.8, abs=1e-9)
        assert nearest.low < expected < nearest.high

    def test_in_closed_form_where_every_prediction_is_expected_to_be_right(self):
        # One incorrect prediction suffices: 1 − p^500 = 0.8. Nothing lies above.
        nearest = detectable_accuracies(500, 1.0)
        assert nearest.low == pytest.approx(0.2 ** (1 / 500), abs=1e-10)
        assert math.isnan(nearest.high)
        mirrored = detectable_accuracies(500, 0.0)
        assert math.isnan(mirrored.low)
        assert mirrored.high == pytest.approx(1 - 0.2 ** (1 / 500), abs=1e-10)

    def test_too_few_images_to_tell_anything(self):
        nearest = detectable_accuracies(3, 0.5)
        assert math.isnan(nearest.low)
        assert math.isnan(nearest.high)

    @settings(max_examples=30, deadline=None)
    @given(st.integers(10, 5000), st.floats(0.02, 0.98))
    def test_mirrors_when_right_and_wrong_swap(self, images, expected):
        one, other = detectable_accuracies(images, expected), detectable_accuracies(images, 1 - expected)
        assert [one.low, one.high] == pytest.approx([1 - other.high, 1 - other.low], abs=1e-6, nan_ok=True)

    def test_near_the_normal_approximation(self):
        # √n |p1 − p0| = z_α √(p0 q0) + z_β √(p1 q1) at 10,000 images.
        nearest = detectable_accuracies(10_000, 0.9173)
        a, b = stats.norm.isf(0.025), stats.norm.isf(0.2)
        for p1 in (nearest.low, nearest.high):
            needed = (a * math.sqrt(0.9173 * 0.0827) + b * math.sqrt(p1 * (1 - p1))) / 100
            assert abs(p1 - 0.9173) == pytest.approx(needed, rel=0.02)
