"""The test against the scatter of the other models: by hand, in closed form, against statsmodels, by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from released import imagenet, needs_imagenet
from scipy import stats
from statsmodels.api import OLS, add_constant
from statsmodels.stats.outliers_influence import OLSInfluence

from evalshift.analysis.statistics.effective_robustness import effective_robustness, sampling_covariance
from evalshift.analysis.statistics.model_scatter import scatter_test
from evalshift.analysis.summary.published import published_outcomes
from evalshift.testbed.published import load_published


def models_on_a_line(models: int, draw: np.random.Generator, scatter: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    x = draw.uniform(0.3, 1.2, models)
    return x, 1.1 * x - 0.4 + draw.normal(0, scatter, models)


class TestFromCountsAlone:
    def test_by_hand(self):
        # Model 4 at (1, 3); the others (−3, −1), (−1, 1), (1, −1), (3, 1): slope (3 − 1 − 1 + 3)/20 = 0.2, offset 0,
        # residuals −0.4, 1.2, −1.2, 0.4, of squares 3.2, over 4 − 2 models 1.6. Distance 3 − 0.2 = 2.8, its variance
        # 1.6 (1 + 1/4 + 1/20) = 2.08, t = 2.8/√2.08 = 1.94145 with 2 degrees of freedom: p = 1 − t/√(2 + t²) = 0.19170.
        found = scatter_test(np.array([-3.0, -1, 1, 3, 1]), np.array([-1.0, 1, -1, 1, 3]))
        assert found.distance[4] == pytest.approx(2.8)
        assert found.scatter[4] == pytest.approx(math.sqrt(1.6))
        assert found.error[4] == pytest.approx(math.sqrt(2.08))
        assert found.df[4] == 2
        assert found.p_value[4] == pytest.approx(1 - 1.94145 / math.sqrt(2 + 1.94145**2), abs=1e-5)

    def test_agrees_with_the_externally_studentised_residuals_of_statsmodels(self):
        x, y = models_on_a_line(30, np.random.default_rng(1))
        theirs = np.asarray(OLSInfluence(OLS(y, add_constant(x)).fit()).resid_studentized_external, float)
        found = scatter_test(x, y, screen=False)
        assert found.distance / found.error == pytest.approx(theirs, rel=1e-9)
        assert found.p_value == pytest.approx(2 * stats.t.sf(np.abs(theirs), 27), rel=1e-9)

    def test_many_models_are_tested_at_once_as_they_are_one_by_one(self):
        x, y = models_on_a_line(260, np.random.default_rng(4))
        y[:3] += [0.3, -0.2, 0.05]
        extra = np.where(np.arange(260) == 7, 0.0009, 0.0)
        theirs = OLSInfluence(OLS(y, add_constant(x)).fit())
        found = scatter_test(x, y, screen=False)
        assert found.distance / found.error == pytest.approx(np.asarray(theirs.resid_studentized_external), rel=1e-9)
        families = np.arange(260)  # one each: the same test, worked out one by one
        one_by_one = scatter_test(x, y, extra=extra, screen=False, baseline=np.arange(260) < 199)
        some = scatter_test(x, y, extra=extra, screen=False, baseline=np.arange(260) < 200)
        assert len(families) == len(some.p_value) == len(one_by_one.p_value)
        screened = scatter_test(x, y, extra=extra)
        assert np.flatnonzero(~screened.in_line).tolist() == [0, 1, 2]
        assert np.flatnonzero(screened.p_holm < 0.05).tolist() == [0, 1, 2]

    def test_models_exactly_on_a_line_are_not_told_from_it_by_rounding(self):
        x = np.linspace(0.1, 0.9, 12)
        assert scatter_test(x, x - 0.1).p_value.min() > 0.99

    def test_a_model_on_fewer_images_is_judged_by_its_own_sampling_error_too(self):
        x, y = models_on_a_line(20, np.random.default_rng(2))
        extra = np.where(np.arange(20) == 3, 0.0009, 0.0)
        plain, wider = scatter_test(x, y), scatter_test(x, y, extra=extra)
        assert wider.error[3] ** 2 == pytest.approx(plain.error[3] ** 2 + 0.0009)
        assert wider.p_value[4] == plain.p_value[4]

    @given(st.integers(5, 25), st.floats(0.5, 3), st.floats(-2, 2), st.integers(0, 2**32 - 1))
    def test_neither_units_nor_a_line_added_to_y_matter(self, models, factor, slope, seed):
        x, y = models_on_a_line(models, np.random.default_rng(seed))
        plain, moved = (scatter_test(x, one, screen=False) for one in (y, factor * y + slope * x + 1))
        assert moved.p_value == pytest.approx(plain.p_value, rel=1e-5, abs=1e-9)


class TestWithSamplingError:
    def test_all_scatter_explained_by_sampling_leaves_the_normal_error_of_the_images(self):
        x, y = models_on_a_line(12, np.random.default_rng(3))
        found = scatter_test(x, y, sampling=np.eye(12) * 0.25, screen=False)
        assert (found.scatter == 0).all()
        influence = OLSInfluence(OLS(y, add_constant(x)).fit())
        leverage = np.asarray(influence.hat_matrix_diag, float)
        assert found.error == pytest.approx(0.5 / np.sqrt(1 - leverage), rel=1e-9)

    def test_by_matrices_written_out(self):
        # τ² = (r'r − tr M S)/(k − 2), with M the matrix that makes residuals; variance q'(S + τ² I)q.
        draw = np.random.default_rng(4)
        x, y = models_on_a_line(9, draw, scatter=0.05)
        root = draw.normal(0, 0.01, (9, 9))
        sampling = root @ root.T
        found = scatter_test(x, y, sampling=sampling, screen=False)
        others = np.arange(1, 9)
        design = np.stack([np.ones(8), x[others]], axis=1)
        hat = design @ np.linalg.pinv(design)
        residual = y[others] - hat @ y[others]
        excess = residual @ residual - np.trace((np.eye(8) - hat) @ sampling[np.ix_(others, others)])
        weights = np.array([1, x[0]]) @ np.linalg.pinv(design)
        combination = np.append(1, -weights)
        assert found.scatter[0] ** 2 == pytest.approx(excess / 6)
        assert found.error[0] ** 2 == pytest.approx(
            combination @ (sampling + np.eye(9) * excess / 6) @ combination, rel=1e-9
        )


class TestFamilies:
    def test_families_of_one_model_each_change_nothing_but_the_degrees_of_freedom_they_share(self):
        x, y = models_on_a_line(15, np.random.default_rng(5))
        alone, each = scatter_test(x, y, screen=False), scatter_test(x, y, families=np.arange(15), screen=False)
        assert each.p_value == pytest.approx(alone.p_value, rel=1e-9)

    def test_no_line_goes_through_a_model_of_the_same_family(self):
        x, y = models_on_a_line(15, np.random.default_rng(6))
        families = np.arange(15) // 3
        found = scatter_test(x, y, families=families, screen=False)
        slope, offset = np.polyfit(x[3:], y[3:], 1)
        assert found.distance[:3] == pytest.approx(y[:3] - slope * x[:3] - offset, rel=1e-9)
        assert (found.df == 2).all()  # four other families, two coefficients

    @pytest.mark.parametrize("sampled", [False, True])
    def test_variances_are_right_on_average(self, sampled):
        # Between families 0.02, within 0.01; with a covariance that all models share in part.
        draw = np.random.default_rng(7)
        families = np.repeat(np.arange(12), 4)
        x = draw.uniform(0.3, 1.2, 48)
        sampling = 0.01**2 * (0.5 * np.eye(48) + 0.5) if sampled else None
        squares = []
        for _ in range(150):
            y = x + draw.normal(0, 0.02, 12)[families] + draw.normal(0, 0.01, 48)
            if sampling is not None:
                y = y + draw.multivariate_normal(np.zeros(48), sampling)
            squares.append(scatter_test(x, y, sampling=sampling, families=families, screen=False).scatter[0] ** 2)
        assert np.mean(squares) == pytest.approx(0.02**2 + 0.01**2, rel=0.12)


class TestScreen:
    def test_six_of_64_planted_models_are_found_only_with_it(self):
        # Six models five standard deviations above the line, as tau counts them.
        draw = np.random.default_rng(8)
        with_screen, without = [], []
        for _ in range(12):
            x, y = models_on_a_line(64, draw)
            y[:6] += 0.06
            with_screen.append((scatter_test(x, y).p_holm[:6] < 0.05).mean())
            without.append((scatter_test(x, y, screen=False).p_holm[:6] < 0.05).mean())
        assert np.mean(with_screen) > 0.85
        assert np.mean(without) < 0.4

    def test_a_sound_testbed_is_left_whole(self):
        draw = np.random.default_rng(9)
        whole = [scatter_test(*models_on_a_line(20, draw)).in_line.all() for _ in range(30)]
        assert sum(whole) >= 26


def test_sound_models_are_rarely_significant():
    # In benchmarks/coverage_robustness.py with more testbeds and settings.
    draw = np.random.default_rng(10)
    found = [scatter_test(*models_on_a_line(12, draw)).p_value for _ in range(120)]
    assert np.mean(np.array(found) < 0.05) < 0.065


class TestDegenerate:
    def test_three_other_models_are_the_fewest(self):
        x, y = models_on_a_line(4, np.random.default_rng(11))
        assert np.isfinite(scatter_test(x, y).p_value).all()
        assert np.isnan(scatter_test(x[:3], y[:3]).p_value).all()

    def test_others_of_one_accuracy_leave_a_model_open(self):
        found = scatter_test(np.array([0.7, 0.7, 0.7, 0.7, 0.9]), np.array([0.5, 0.52, 0.54, 0.56, 0.7]))
        assert np.isnan(found.p_value[4])
        assert np.isfinite(found.p_value[:4]).all()


class TestPublishedCounts:
    """All 67 models of Recht et al. 2019 on the other two sets of ImageNetV2, from counts."""

    def significant(self, pair: str, scale: str) -> dict[str, float]:
        outcomes = published_outcomes(load_published("recht2019"), pair)["top1"]
        found = effective_robustness(*outcomes.counts, scale=scale, resamples=0, rng=np.random.default_rng(0))
        return {outcomes.models[place]: found.p_holm[place] for place in np.flatnonzero(found.p_holm < 0.05)}

    @pytest.mark.parametrize("scale", ["probit", "logit"])
    def test_none_on_threshold(self, scale):
        assert self.significant("imagenet:imagenetv2-threshold0.7", scale) == {}

    def test_the_fisher_vectors_on_top_images(self):
        found = self.significant("imagenet:imagenetv2-topimages", "probit")
        assert sorted(found) == ["fv_16k", "fv_4k", "fv_64k"]
        assert max(found["fv_16k"], found["fv_64k"]) < 0.001 < 0.03 < found["fv_4k"]


@needs_imagenet
class TestImageNet:
    """The released predictions of Recht et al. 2019."""

    def significant(self, scale: str, without: str | None = None) -> list[str]:
        released = imagenet() if without is None else imagenet().without(without)
        covariances = sampling_covariance(released.correct[0]), sampling_covariance(released.correct[1])
        found = effective_robustness(
            *released.counts, covariances=covariances, scale=scale, resamples=0, rng=np.random.default_rng(0)
        )
        return [released.models[place] for place in np.flatnonzero(found.p_holm < 0.05)]

    @pytest.mark.parametrize("scale", ["linear", "probit", "logit"])
    def test_none_of_the_64_convolutional_networks(self, scale):
        assert self.significant(scale, without="fv_") == []

    def test_of_all_67_one_fisher_vector_on_the_probit_scale(self):
        assert self.significant("probit") == ["fv_4k"]
