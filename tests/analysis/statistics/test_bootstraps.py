"""Lines over drawn images, models and families: by enumeration, against scipy, in closed form, and in coverage."""

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import says
from released import cifar10, imagenet, needs_cifar10, needs_imagenet
from scipy import stats

from evalshift.analysis.statistics.bootstraps import (
    drawn_weights,
    family_bootstrap,
    family_groups,
    image_bootstrap,
    two_way_bootstrap,
)
from evalshift.analysis.statistics.difficulty_model import Difficulty, simulate
from evalshift.analysis.statistics.line_fit import Line, fit_line
from evalshift.analysis.statistics.scales import fitted_accuracy
from evalshift.errors import AnalysisError


def rng(name: str = "resampling") -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def predictions(models: int = 8, images: int = 300, new_images: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Correctness on two sets of models of rising skill, the new set harder."""
    draw, skill = rng("answers"), np.linspace(0, 2, models)
    return simulate(skill, Difficulty(0.0, 1.0), images, draw), simulate(skill, Difficulty(0.5, 1.0), new_images, draw)


def width(line: Line) -> float:
    return line.slope_interval.high - line.slope_interval.low


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Kolmogorov and Smirnov's distance between two samples; differences by rounding are ignored."""
    result: Any = stats.ks_2samp(one.round(9), other.round(9))
    return result.statistic


class TestImages:
    def test_each_draw_is_the_mirrored_fit_of_its_images(self):
        # Four images per set: each of the 256 × 256 ways to draw them, by numpy.polyfit.
        original = np.array([[True, False, False, False], [True, True, False, True], [False, True, True, True]])
        new = np.array([[False, False, False, True], [True, False, False, True], [True, True, False, True]])
        drawn = [list(images) for images in itertools.product(range(4), repeat=4)]
        x_counts = Counter(tuple(original[:, images].sum(axis=1).tolist()) for images in drawn)
        y_counts = Counter(tuple(new[:, images].sum(axis=1).tolist()) for images in drawn)
        observed = np.polyfit(original.mean(axis=1), new.mean(axis=1), 1)
        expected: Counter = Counter()
        for (x, often), (y, often_too) in itertools.product(x_counts.items(), y_counts.items()):
            if len(set(x)) > 1:
                slope = np.polyfit(np.array(x) / 4, np.array(y) / 4, 1)[0]
                expected[round(2 * observed[0] - slope, 6)] += often * often_too
        line = image_bootstrap(original, new, resamples=40_000, rng=rng())
        assert (line.slope, line.offset) == pytest.approx(tuple(observed))
        found = Counter(np.round(line.slopes, 6).tolist())
        total = sum(expected.values())
        assert set(found) <= set(expected)
        for slope, often in expected.items():
            mean = often / total * len(line.slopes)
            assert found[slope] == pytest.approx(mean, abs=5 * math.sqrt(mean) + 1)

    def test_agrees_with_scipys_bootstrap(self):
        original, new = predictions()

        def slope(images, new_images):
            return np.polyfit(original[:, images].mean(axis=1), new[:, new_images].mean(axis=1), 1)[0]

        images = np.arange(original.shape[1]), np.arange(new.shape[1])
        theirs = stats.bootstrap(images, slope, n_resamples=1500, vectorized=False, method="basic", rng=rng("scipy"))
        line = image_bootstrap(original, new, resamples=5000, rng=rng())
        # A standard deviation of 1,500 draws has an error of 1/√3000 = 1.8 %, an end of the interval about twice that.
        assert line.slopes.std() == pytest.approx(theirs.standard_error, rel=0.08)
        ends = line.slope_interval.low, line.slope_interval.high
        assert ends == pytest.approx(tuple(theirs.confidence_interval), abs=0.2 * float(theirs.standard_error))

    def test_spread_in_closed_form_where_only_the_new_images_are_drawn_by_chance(self):
        # Models that have the first few of 10 kinds of images right, with 2,000 of each kind in the original set: x is
        # all but fixed. y is a mean over new images, the slope is linear in it: Var = Σ_jk h_j h_k Cov(y_j, y_k).
        knows = np.array([0, 2, 5, 6, 9])[:, np.newaxis] >= np.arange(10)
        original, new = np.repeat(knows, 2000, axis=1), np.repeat(knows, 30, axis=1)
        x = original.mean(axis=1)
        lever = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
        expected = math.sqrt(lever @ np.cov(new, bias=True) @ lever / new.shape[1])
        line = image_bootstrap(original, new, resamples=1000, rng=rng())
        assert line.slopes.std() == pytest.approx(expected, rel=0.1)

    def test_models_that_are_always_or_never_correct_leave_nothing_to_chance(self):
        sets = [np.array([[right] * images for right in (False, True, True)]) for images in (50, 20)]
        line = image_bootstrap(*sets, resamples=200, rng=rng())
        assert line.slope_interval.low == line.slope_interval.high == line.slope == 1
        assert line.offset_interval.low == line.offset_interval.high == line.offset == 0

    @pytest.mark.parametrize("scale", ["linear", "probit", "logit"])
    def test_the_line_itself_is_that_of_least_squares(self, scale):
        original, new = predictions()
        accuracies = (fitted_accuracy(c.sum(axis=1), np.full(8, c.shape[1]), scale) for c in (original, new))
        plain = fit_line(*accuracies, scale=scale, resamples=0, rng=rng())
        for draw in (image_bootstrap, two_way_bootstrap):
            line = draw(original, new, scale=scale, resamples=100, rng=rng())
            assert (line.slope, line.offset, line.r2, line.models) == (plain.slope, plain.offset, plain.r2, 8)
            assert line.resamples == len(line.slopes) == 100
            assert line.region(np.array([0.5])).low < line.predict(np.array([0.5]))

    def test_batches_do_not_show(self):
        # 90 resamples of 100,000 images do not fit one batch; the draws of 50 of them stand first either way.
        sets = [np.tile(correct, 500) for correct in predictions(images=200)]
        line = image_bootstrap(*sets, resamples=90, rng=rng())
        assert len(line.slopes) == 90
        assert len(np.unique(line.slopes)) == 90

    def test_it_covers_what_the_models_would_show_on_all_images(self):
        # 12 fixed models on 200 images per set; on endless images they lie on a probit line of slope 1.
        skill, held, percentile = np.linspace(0, 2, 12), [], []
        draw = rng("coverage of images")
        for _ in range(200):
            sets = simulate(skill, Difficulty(0.0, 1.0), 200, draw), simulate(skill, Difficulty(0.5, 1.0), 200, draw)
            line = image_bootstrap(*sets, scale="probit", resamples=400, rng=draw)
            held.append(line.slope_interval.low <= 1 <= line.slope_interval.high)
            low, high = 2 * line.slope - line.slope_interval.high, 2 * line.slope - line.slope_interval.low
            percentile.append(low <= 1 <= high)
        assert 0.87 < np.mean(held) < 0.99
        # Without mirroring, drawn lines are flattened twice.
        assert np.mean(percentile) < np.mean(held)


class TestTwoWay:
    def test_without_chance_in_the_images_it_is_the_bootstrap_over_models(self):
        kinds = np.repeat(np.array([1, 3, 4, 6, 8])[:, np.newaxis] > np.arange(9), 5000, axis=1)
        new_kinds = np.repeat(np.array([0, 3, 2, 6, 7])[:, np.newaxis] > np.arange(9), 5000, axis=1)
        both = two_way_bootstrap(kinds, new_kinds, resamples=600, rng=rng())
        models = fit_line(kinds.mean(axis=1), new_kinds.mean(axis=1), resamples=20_000, rng=rng())
        # Mirrored draws; compare by distribution.
        assert apart(2 * both.slope - both.slopes, models.slopes) < 0.08

    def test_covers_the_line_of_all_models_and_images(self):
        # Models scatter around a probit line of slope 1 and share images. Models alone miss what the images do.
        held, models_alone = [], []
        draw = rng("two-way coverage")
        for _ in range(120):
            skill = draw.uniform(0, 2, 20)
            original = simulate(skill, Difficulty(0.0, 2.0), 1000, draw)
            new = simulate(skill + draw.normal(0, 0.05, 20), Difficulty(0.5, 2.0), 500, draw)
            line = two_way_bootstrap(original, new, scale="probit", resamples=300, rng=draw)
            held.append(line.slope_interval.low <= 1 <= line.slope_interval.high)
            accuracies = original.mean(axis=1), new.mean(axis=1)
            alone = fit_line(*accuracies, scale="probit", resamples=300, rng=draw).slope_interval
            models_alone.append(alone.low <= 1 <= alone.high)
        assert np.mean(held) > 0.94
        assert np.mean(models_alone) < 0.9

    def test_families_widen_it(self):
        # Four families of five near-copies: as five times as many models they look surer than they are.
        draw = rng("families")
        skill = np.repeat([0.2, 0.9, 1.3, 2.0], 5)
        sides = skill + np.repeat([0.15, -0.2, 0.1, -0.05], 5)
        original, new = (
            simulate(skill, Difficulty(0.0, 1.0), 2000, draw),
            simulate(sides, Difficulty(0.5, 1.0), 2000, draw),
        )
        families = np.repeat(["a", "b", "c", "d"], 5).tolist()
        single = two_way_bootstrap(original, new, resamples=500, rng=rng())
        whole = two_way_bootstrap(original, new, families=families, resamples=500, rng=rng())
        assert width(whole) > 1.5 * width(single)


class TestFamilies:
    @given(st.lists(st.sampled_from(["vgg", "resnet", "densenet", None]), min_size=1, max_size=12))
    def test_families_are_drawn_whole(self, families):
        group = family_groups(families, len(families))
        names = len(set(families) - {None}) + families.count(None)
        weights = drawn_weights(rng(), 50, group)
        assert sorted(set(group)) == list(range(names))
        for one, other in itertools.combinations(range(len(families)), 2):
            same = families[one] is not None and families[one] == families[other]
            assert same == (group[one] == group[other])
            if same:
                assert weights[:, one].tolist() == weights[:, other].tolist()
        firsts = [int(np.argmax(group == number)) for number in range(names)]
        assert (weights[:, firsts].sum(axis=1) == names).all()

    def test_each_draw_is_the_fit_of_whole_families(self):
        # Three families: 27 ways to draw them, by numpy.polyfit on the models they bring.
        x, y = np.array([0.5, 0.6, 0.7, 0.72, 0.9]), np.array([0.3, 0.45, 0.5, 0.62, 0.8])
        families = ["a", "b", "b", None, "a"]
        members = [[0, 4], [1, 2], [3]]
        expected: Counter = Counter()
        for drawn in itertools.product(range(3), repeat=3):
            models = [model for family in drawn for model in members[family]]
            if len({x[model] for model in models}) > 1:
                expected[round(float(np.polyfit(x[models], y[models], 1)[0]), 9)] += 1
        line = family_bootstrap(x, y, families, resamples=20_000, rng=rng())
        found = Counter(np.round(line.slopes, 9).tolist())
        assert set(found) == set(expected)
        for slope, often in expected.items():
            mean = often / sum(expected.values()) * len(line.slopes)
            assert found[slope] == pytest.approx(mean, abs=5 * math.sqrt(mean))

    def test_every_model_its_own_family_is_the_bootstrap_over_models(self):
        x, y = np.array([0.5, 0.6, 0.7, 0.72, 0.9]), np.array([0.3, 0.45, 0.5, 0.62, 0.8])
        ours = family_bootstrap(x, y, [None] * 5, scale="probit", resamples=20_000, rng=rng("ours"))
        theirs = fit_line(x, y, scale="probit", resamples=20_000, rng=rng("theirs"))
        assert apart(ours.slopes, theirs.slopes) < 0.02
        assert apart(ours.offsets, theirs.offsets) < 0.02

    def test_covers_its_level_where_models_of_a_family_have_correlated_errors(self):
        held, alone = [], []
        draw = rng("family coverage")
        families = np.repeat(np.arange(15), 4)
        names = [str(family) for family in families]
        for _ in range(200):
            x = draw.uniform(0.6, 0.9, 15)[families] + draw.normal(0, 0.01, 60)
            y = 1.1 * x - 0.2 + draw.normal(0, 0.01, 15)[families] + draw.normal(0, 0.002, 60)
            for found, line in (
                (held, family_bootstrap(x, y, names, resamples=400, rng=draw)),
                (alone, fit_line(x, y, resamples=400, rng=draw)),
            ):
                found.append(line.slope_interval.low <= 1.1 <= line.slope_interval.high)
        assert 0.86 < np.mean(held) < 0.98
        assert np.mean(alone) < 0.75


class TestDegenerate:
    def check_no_intervals(self, line):
        assert math.isfinite(line.slope)
        for interval in (line.slope_interval, line.offset_interval):
            assert math.isnan(interval.low)
            assert math.isnan(interval.high)
        assert len(line.slopes) == len(line.offsets) == 0

    def test_two_models_still_depend_on_their_images(self):
        original, new = (correct[[0, 7]] for correct in predictions())
        assert width(image_bootstrap(original, new, resamples=200, rng=rng())) > 0
        self.check_no_intervals(two_way_bootstrap(original, new, resamples=200, rng=rng()))

    def test_two_families(self):
        original, new = predictions()
        families = ["a"] * 4 + ["b"] * 4
        accuracies = original.mean(axis=1), new.mean(axis=1)
        self.check_no_intervals(two_way_bootstrap(original, new, families=families, resamples=200, rng=rng()))
        self.check_no_intervals(family_bootstrap(*accuracies, families, resamples=200, rng=rng()))

    def test_no_resamples(self):
        original, new = predictions()
        accuracies = original.mean(axis=1), new.mean(axis=1)
        for line in (
            image_bootstrap(original, new, resamples=0, rng=rng()),
            two_way_bootstrap(original, new, resamples=0, rng=rng()),
            family_bootstrap(*accuracies, [None] * 8, resamples=0, rng=rng()),
        ):
            self.check_no_intervals(line)

    @pytest.mark.parametrize("scale", ["probit", "logit"])
    def test_none_and_all_correct_stay_finite(self, scale):
        original = np.array([[False] * 20, [True, False] * 10, [True] * 20])
        line = image_bootstrap(original, original, scale=scale, resamples=200, rng=rng())
        assert np.isfinite(line.slopes).all()
        assert line.slope == pytest.approx(1)

    def test_one_model(self):
        original, new = (correct[:1] for correct in predictions())
        with pytest.raises(AnalysisError) as complaint:
            image_bootstrap(original, new, rng=rng())
        says(
            complaint.value,
            where="line of new on original accuracy, linear scale",
            found="1 model with 1 distinct original accuracy",
        )

    @pytest.mark.parametrize("resamples", [-1, 1])
    def test_impossible_numbers_of_resamples(self, resamples):
        original, new = predictions()
        accuracies = original.mean(axis=1), new.mean(axis=1)
        for call in (
            lambda: image_bootstrap(original, new, resamples=resamples, rng=rng()),
            lambda: two_way_bootstrap(original, new, resamples=resamples, rng=rng()),
            lambda: family_bootstrap(*accuracies, [None] * 8, resamples=resamples, rng=rng()),
        ):
            with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
                call()
            assert str(complaint.value) == f"resamples: found {resamples}; expected 0 for no intervals, or at least 2"

    def test_a_family_less(self):
        original, new = predictions()
        with pytest.raises(ValueError) as complaint:  # noqa: PT011
            two_way_bootstrap(original, new, families=["a"] * 7, rng=rng())
        assert str(complaint.value) == "families: found 7 for 8 models; expected one per model"


@needs_cifar10
def test_on_cifar10_the_images_matter_more_than_the_models():
    # 2,021 new images: the interval over images is half as wide again as that over models.
    released = cifar10()
    original, new = released.correct
    models = fit_line(original.mean(axis=1), new.mean(axis=1), resamples=20_000, rng=rng())
    images = image_bootstrap(original, new, resamples=500, rng=rng())
    both = two_way_bootstrap(original, new, resamples=500, rng=rng())
    assert models.slope == images.slope == both.slope == pytest.approx(1.6166, abs=1e-4)
    assert 1.3 * width(models) < width(images) < width(both)
    # The paper's finding stands: the slope is above 1.
    assert both.slope_interval.low > 1.3


@needs_imagenet
def test_on_imagenet_the_slope_is_less_sure_than_models_alone_say():
    original, new = imagenet().without("fv_").correct
    both = two_way_bootstrap(original, new, scale="probit", resamples=200, rng=rng())
    models = fit_line(original.mean(axis=1), new.mean(axis=1), scale="probit", resamples=5000, rng=rng())
    assert both.slope == models.slope == pytest.approx(0.9680, abs=1e-4)
    assert width(both) > 1.6 * width(models)
