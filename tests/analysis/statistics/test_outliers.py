"""Models off the line: by hand, against statsmodels and scipy, in false alarms, and on the released testbeds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from released import cifar10, imagenet, needs_cifar10, needs_imagenet
from scipy import stats
from statsmodels.api import OLS, add_constant
from statsmodels.stats.outliers_influence import OLSInfluence

from evalshift.analysis.statistics.multiplicity import adjust
from evalshift.analysis.statistics.outliers import off_the_line
from evalshift.analysis.statistics.scales import SCALES, from_scale, to_scale

Counts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def rng(name: str) -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def sound(models: int, draw: np.random.Generator, images: int = 10_000, scatter: float = 0.03) -> Counts:
    """Models about a probit line of slope 1.1, with a scatter of their own and images drawn for each."""
    skill = draw.uniform(0.0, 1.6, models)
    total = np.full(models, images)
    original, new = stats.norm.cdf(skill), stats.norm.cdf(1.1 * skill - 0.4 + draw.normal(0, scatter, models))
    return draw.binomial(total, original), total, draw.binomial(total, new), total


class TestByHand:
    # Five models on y = x − 0.2 and one 0.2 below it; billions of images, so that only the line speaks.
    total = np.full(6, 10**9)
    original = np.array([5, 6, 7, 8, 9, 7]) * 10**8
    new = np.array([3, 4, 5, 6, 7, 3]) * 10**8

    def test_the_wrong_one_is_compared_with_the_line_of_the_sound_ones(self):
        found = off_the_line(self.original, self.total, self.new, self.total, scale="linear")
        assert found.kept.tolist() == [True] * 5 + [False]
        assert found.predicted[5] == pytest.approx(0.5, abs=1e-9)
        assert found.distance[5] == pytest.approx(-0.2, abs=1e-9)
        assert found.p_holm[5] < 1e-10

    def test_the_sound_ones_do_not_feel_it(self):
        found = off_the_line(self.original, self.total, self.new, self.total, scale="linear")
        assert found.distance[:5] == pytest.approx(np.zeros(5), abs=1e-9)
        assert found.p_holm[:5].tolist() == [1.0] * 5

    def test_images_are_the_least_spread(self):
        # With 100 images each drop of 0.2 has a standard deviation: x̂ = 0.7, ŷ = 0.3, slope 1:
        # √(0.7 · 0.3/100 + 0.3 · 0.7/100) = 0.0648, and no scatter to add: t = 0.2/0.0648 = 3.086 on 3 degrees.
        total = np.full(6, 100)
        found = off_the_line(self.original // 10**7, total, self.new // 10**7, total, scale="linear")
        assert found.usual[5] == pytest.approx(0.0648, abs=0.0001)
        # All six lie within three such deviations but the last, by a hair.
        assert found.kept.tolist() == [True] * 5 + [False]
        assert found.p_value[5] == pytest.approx(2 * stats.t.sf(0.2 / np.sqrt(0.0042), 3), rel=1e-9)


def test_agrees_with_the_studentised_residuals_of_statsmodels_where_all_are_kept():
    original, total, new, _ = sound(25, rng("statsmodels"), images=10**8)
    found = off_the_line(original, total, new, total, scale="probit")
    assert found.kept.all()
    x, y = to_scale(original / total, "probit"), to_scale(new / total, "probit")
    theirs = OLSInfluence(OLS(y, add_constant(x)).fit())
    studentised = np.asarray(theirs.resid_studentized_external)
    assert found.p_value == pytest.approx(2 * stats.t.sf(np.abs(studentised), 22), rel=1e-3)
    assert to_scale(found.predicted, "probit") == pytest.approx(y - theirs.resid_press, rel=1e-9)


def test_the_first_line_is_by_repeated_medians():
    original, total, new, _ = sound(15, rng("siegel"))
    new[:6] //= 3  # six wrong ones of fifteen
    x, y = original / total, new / total
    slope = stats.siegelslopes(y, x, method="hierarchical").slope  # pyright: ignore[reportAttributeAccessIssue]
    residual = y - slope * x - np.median(y - slope * x)
    found = off_the_line(original, total, new, total, scale="linear")
    drawn = np.sqrt((slope**2 * x * (1 - x) + y * (1 - y)) / total)
    spread = np.maximum(1.4826 * np.median(np.abs(residual)), drawn)
    assert found.kept.tolist() == (np.abs(residual) <= 3 * spread).tolist()


def test_sound_models_are_blamed_about_as_often_as_the_level_says():
    # Keeping only what lies near the line makes the spread a little small: 5.9 % of 2,000 in place of 5 %.
    p_values = []
    for seed in range(100):
        counts = sound(20, np.random.default_rng([7, seed]))
        p_values.append(off_the_line(*counts).p_value)
    assert np.mean(np.concatenate(p_values) < 0.05) == pytest.approx(0.055, abs=0.012)
    assert np.mean([adjust(p)[np.argmin(p)] < 0.001 for p in p_values]) <= 0.01


@pytest.mark.parametrize("wrong", [1, 5, 12])
def test_wrong_models_hide_neither_each_other_nor_blame_the_sound_ones(wrong):
    original, total, new, _ = sound(40, rng("many"))
    new[:wrong] = new[:wrong] * 0.6
    found = off_the_line(original, total, new, total)
    assert (found.p_holm[:wrong] < 1e-6).all()
    assert (found.p_holm[wrong:] > 0.05).all()


@settings(max_examples=40)
@given(st.integers(5, 15), st.sampled_from(SCALES), st.integers(0, 2**32 - 1))
def test_the_order_of_the_models_does_not_matter(models, scale, seed):
    draw = np.random.default_rng(seed)
    original, total, new, _ = sound(models, draw)
    order = draw.permutation(models)
    one = off_the_line(original, total, new, total, scale=scale)
    other = off_the_line(original[order], total, new[order], total, scale=scale)
    assert other.distance == pytest.approx(one.distance[order], rel=1e-6, abs=1e-9, nan_ok=True)
    assert other.p_holm == pytest.approx(one.p_holm[order], rel=1e-5, abs=1e-12, nan_ok=True)
    assert other.kept.tolist() == one.kept[order].tolist()


class TestDegenerate:
    @pytest.mark.parametrize("models", [0, 1, 2, 4])
    def test_too_few_models_to_know_what_is_usual(self, models):
        found = off_the_line(*sound(models, rng("few")))
        for values in (found.predicted, found.distance, found.usual, found.p_value, found.p_holm):
            assert values.shape == (models,)
            assert np.isnan(values).all()

    def test_models_of_one_original_accuracy(self):
        total = np.full(6, 100)
        found = off_the_line(np.full(6, 70), total, np.array([50, 51, 52, 53, 54, 5]), total)
        assert np.isnan(found.p_holm).all()

    @pytest.mark.parametrize("scale", SCALES)
    def test_none_and_all_correct(self, scale):
        total = np.full(7, 50)
        counts = np.array([0, 10, 20, 30, 40, 45, 50]), total, np.array([0, 8, 17, 26, 35, 41, 50]), total
        found = off_the_line(*counts, scale=scale)
        assert np.isfinite([found.distance, found.usual, found.p_holm]).all()

    def test_an_unknown_scale(self):
        with pytest.raises(ValueError) as complaint:  # noqa: PT011, the whole text is compared
            off_the_line(*sound(6, rng("scale")), scale="log")
        assert str(complaint.value) == 'scale: found "log"; expected one of linear, probit, logit'


@needs_imagenet
def test_the_reversed_columns_of_the_release_are_found_and_no_other_model_is_blamed():
    released = imagenet()
    counts = tuple(count.copy() for count in released.counts)
    wrong = released.models.index("fv_16k")
    right = off_the_line(*counts)
    assert right.p_holm.min() > 0.1
    counts[2][wrong] = 247  # the first of its five columns on the new set, as released
    found = off_the_line(*counts)
    assert found.p_holm[wrong] < 1e-30
    assert found.distance[wrong] == pytest.approx(-0.163, abs=0.001)
    assert np.delete(found.p_holm, wrong).min() > 0.05


@needs_cifar10
@pytest.mark.parametrize("version", ["v4", "v6"])
def test_no_model_of_the_cifar10_release_is_off_the_line(version):
    assert off_the_line(*cifar10(version).counts).p_holm.min() > 0.5


def test_predictions_are_made_on_the_scale():
    x = np.linspace(0.3, 0.9, 9)
    y = from_scale(to_scale(x, "probit") - 0.5, "probit")
    total = np.full(9, 10**9)
    found = off_the_line(np.rint(x * 1e9).astype(int), total, np.rint(y * 1e9).astype(int), total)
    assert found.predicted == pytest.approx(y, abs=1e-7)
