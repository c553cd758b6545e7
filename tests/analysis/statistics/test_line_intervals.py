"""The headline's line: by hand, in closed form, against statsmodels and an independent computation, by simulation."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from released import cifar10, imagenet, needs_cifar10, needs_imagenet
from scipy import special, stats
from statsmodels.api import OLS, add_constant

from evalshift.analysis.statistics.difficulty_model import Difficulty, simulate
from evalshift.analysis.statistics.effective_robustness import sampling_covariance
from evalshift.analysis.statistics.line_intervals import LineEstimate, cluster_robust_line, random_effects_line
from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy
from evalshift.errors import AnalysisError


def points(models: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng([models, seed])
    x = draw.uniform(0.55, 0.9, models)
    return x, 1.1 * x - 0.2 + draw.normal(0, 0.01, models)


def nothing(models: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((models, models)), np.zeros((models, models))


def bounds(line: LineEstimate) -> tuple[float, float]:
    return line.slope_interval.low, line.slope_interval.high


def of_released(released, scale: str) -> LineEstimate:
    original_correct, original_total, new_correct, new_total = released.counts
    return random_effects_line(
        fitted_accuracy(original_correct, original_total, scale),
        fitted_accuracy(new_correct, new_total, scale),
        (sampling_covariance(released.correct[0]), sampling_covariance(released.correct[1])),
        scale=scale,
    )


class TestFromCounts:
    def test_three_models_by_hand(self):
        # Slope 1.5, HC2 standard error √(1/12), 1 degree of freedom (see test_cluster_robust); t = tan(0.475 π).
        line = cluster_robust_line(np.array([0.5, 0.6, 0.7]), np.array([0.3, 0.4, 0.6]))
        reach = np.tan(0.475 * np.pi) / np.sqrt(12)
        assert (line.slope, *bounds(line)) == pytest.approx((1.5, 1.5 - reach, 1.5 + reach))
        assert (line.models, line.clusters, line.images, line.by_family) == (3, 3, False, False)

    def test_three_models_on_the_probit_scale(self):
        # Independent computation by whole matrices: numpy.linalg.eigh for (I − H)^(−½), scipy.stats.t.ppf.
        line = cluster_robust_line(np.array([0.9, 0.8, 0.85]), np.array([0.7, 0.64, 0.6]), scale="probit")
        assert bounds(line) == pytest.approx((-5.522351, 6.338378), abs=1e-6)

    def test_families_are_clusters_and_fewer_than_three_are_not(self):
        x, y = points(12)
        four = cluster_robust_line(x, y, families=[f"family {place % 4}" for place in range(12)])
        two = cluster_robust_line(x, y, families=[f"family {place % 2}" for place in range(12)])
        assert (four.clusters, four.by_family) == (4, True)
        assert bounds(two) == bounds(cluster_robust_line(x, y))
        assert four.slope_df < two.slope_df

    def test_two_models_have_no_interval(self):
        with pytest.raises(AnalysisError, match="passes through both models"):
            cluster_robust_line(np.array([0.5, 0.6]), np.array([0.3, 0.4]))

    def test_models_exactly_on_the_line_have_no_interval(self):
        with pytest.raises(AnalysisError, match="exactly on it"):
            cluster_robust_line(np.array([0.5, 0.84, 0.98]), np.array([0.5, 0.84, 0.98]), scale="logit")

    @pytest.mark.parametrize("models, families", [(5, 0), (20, 5)])
    def test_it_covers_what_it_says(self, models, families):
        """The bootstrap over models holds the slope in 91 % of these without families, 50 % with them."""
        draw, held = np.random.default_rng([models, families]), 0
        group = np.arange(models) % families if families else np.arange(models)
        for _ in range(400):
            x = draw.uniform(0.6, 0.9, models) if not families else draw.uniform(0.6, 0.9, families)[group]
            y = 1.1 * x - 0.2 + draw.normal(0, 0.01, models)[group] + draw.normal(0, 0.002, models)
            x = x + draw.normal(0, 1e-4, models)
            low, high = bounds(cluster_robust_line(x, y, families=[str(family) for family in group]))
            held += low <= 1.1 <= high
        assert 0.93 <= held / 400 <= 0.99


class TestFromImages:
    @pytest.mark.parametrize("scale", SCALES)
    def test_without_sampling_error_it_is_the_t_interval_of_least_squares(self, scale):
        x, y = points(9)
        line = random_effects_line(x, y, nothing(9), scale=scale)
        moved = {"linear": lambda a: a, "probit": special.ndtri, "logit": special.logit}[scale]
        theirs = OLS(moved(y), add_constant(moved(x))).fit()
        assert [line.offset, line.slope] == pytest.approx(np.asarray(theirs.params))
        assert bounds(line) == pytest.approx(tuple(np.asarray(theirs.conf_int())[1]))
        assert (line.offset_interval.low, line.offset_interval.high) == pytest.approx(
            tuple(np.asarray(theirs.conf_int())[0])
        )
        assert (line.slope_df, line.offset_df) == pytest.approx((7, 7))
        assert line.between_models == pytest.approx(np.sqrt(theirs.mse_resid))
        if scale == "linear":
            around = theirs.get_prediction(np.array([[1, 0.7]])).conf_int()[0]
            region = line.region(np.array([0.7]))
            assert (region.low[0], region.high[0]) == pytest.approx(tuple(around))

    def test_noise_that_all_models_share_moves_the_offset_alone(self):
        x, y = points(9)
        shared = np.full((9, 9), 4e-4)
        line, bare = random_effects_line(x, y, (np.zeros((9, 9)), shared)), random_effects_line(x, y, nothing(9))
        assert bounds(line) == pytest.approx(bounds(bare))
        wider = (
            line.uncertainty.variance(np.array([[1.0, 0.0]]))[0] - bare.uncertainty.variance(np.array([[1.0, 0.0]]))[0]
        )
        assert wider == pytest.approx([4e-4])

    def test_noise_in_the_original_accuracies_is_taken_out_of_their_spread(self):
        # Σd² = 0.05 with x = 0.5, 0.6, 0.7, 0.8; independent noise of variance 0.0025 takes 3 · 0.0025 of it.
        x, y = np.array([0.5, 0.6, 0.7, 0.8]), np.array([0.3, 0.42, 0.5, 0.62])
        line = random_effects_line(x, y, (0.0025 * np.eye(4), np.zeros((4, 4))))
        assert line.slope == pytest.approx(0.052 / (0.05 - 0.0075))
        assert line.offset == pytest.approx(0.46 - line.slope * 0.65)
        with pytest.raises(AnalysisError, match="sampling error"):
            random_effects_line(x, y, (0.02 * np.eye(4), np.zeros((4, 4))))

    def test_a_variance_of_families_by_analysis_of_variance(self):
        # Families of two at one x each: their means are least squares of the means, with 4 − 2 degrees of freedom.
        levels, moves = np.array([0.5, 0.6, 0.7, 0.8]), np.array([0.02, -0.03, 0.01, 0.02])
        x = np.repeat(levels, 2)
        y = 1.1 * x - 0.2 + np.repeat(moves, 2) + np.tile([0.001, -0.001], 4)
        line = random_effects_line(x, y, nothing(8), families=[f"family {place // 2}" for place in range(8)])
        means = OLS(1.1 * levels - 0.2 + moves, add_constant(levels)).fit()
        assert (line.clusters, line.by_family) == (4, True)
        assert line.slope_df == pytest.approx(2)
        assert bounds(line) == pytest.approx(tuple(np.asarray(means.conf_int())[1]))

    @needs_cifar10
    def test_the_released_cifar10_models(self):
        # Independent computation (moments, Satterthwaite without the noise of x in the weights): 0.9540
        # [0.8716, 1.0364], τ 0.02695. The bootstrap over models gives [0.90, 0.99].
        line = of_released(cifar10("v4"), "probit")
        assert (line.slope, line.between_models) == pytest.approx((0.9540, 0.02695), abs=5e-5)
        assert bounds(line) == pytest.approx((0.8716, 1.0364), abs=5e-4)

    @needs_imagenet
    def test_the_released_convolutional_networks(self):
        # Likewise: 0.9685 [0.9341, 1.0030], τ 0.00711.
        line = of_released(imagenet().without("fv_"), "probit")
        assert (line.slope, line.between_models) == pytest.approx((0.9685, 0.00711), abs=5e-5)
        assert bounds(line) == pytest.approx((0.9341, 1.0030), abs=5e-4)

    def test_it_covers_what_it_says_where_the_images_are_few(self):
        """The bootstrap over models holds the slope in 71 % of these."""
        draw, held = np.random.default_rng(20), 0
        for _ in range(200):
            skill = np.sqrt(5) * special.ndtri(draw.uniform(0.6, 0.9, 20))
            sides = [simulate(skill, Difficulty(mean, 2.0), 200, draw) for mean in (0.0, 1.0)]
            original, new = (fitted_accuracy(side.sum(axis=1), np.full(20, 200), "probit") for side in sides)
            covariances = sampling_covariance(sides[0]), sampling_covariance(sides[1])
            low, high = bounds(random_effects_line(original, new, covariances, scale="probit"))
            held += low <= 1 <= high
        assert 0.91 <= held / 200 <= 0.99


@given(seed=st.integers(0, 200), models=st.integers(3, 15), level=st.sampled_from([0.5, 0.9, 0.99]))
@settings(max_examples=40)
def test_order_does_not_matter_and_intervals_are_symmetric_on_the_scale(seed, models, level):
    x, y = points(models, seed)
    # Of three models two of which have nearly one accuracy, the third makes the line alone.
    assume(np.diff(np.sort(x)).min() > (0.01 if models == 3 else 1e-4))
    draw = np.random.default_rng(seed)
    noise = draw.normal(0, 0.002, (2, models, 2 * models))
    covariances = noise[0] @ noise[0].T / 100, noise[1] @ noise[1].T / 100
    order = draw.permutation(models)
    moved = covariances[0][np.ix_(order, order)], covariances[1][np.ix_(order, order)]
    for line, other in (
        (
            random_effects_line(x, y, covariances, level=level),
            random_effects_line(x[order], y[order], moved, level=level),
        ),
        (cluster_robust_line(x, y, level=level), cluster_robust_line(x[order], y[order], level=level)),
    ):
        assert bounds(line) == pytest.approx(bounds(other), rel=1e-6)
        assert sum(bounds(line)) / 2 == pytest.approx(line.slope)
        assert line.slope_df > 0  # of three models, what a variance is known by may be less than one difference
        reach = stats.t.ppf((1 + level) / 2, line.slope_df) * np.sqrt(
            line.uncertainty.variance(np.array([[0.0, 1.0]]))[0][0]
        )
        assert line.slope_interval.high - line.slope == pytest.approx(reach)
