"""Differences of effective robustness, by hand, by statsmodels, by simulation and by property."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalshift.analysis.statistics.effective_robustness import sampling_covariance
from evalshift.analysis.statistics.robustness_differences import robustness_differences
from evalshift.errors import AnalysisError

N = np.full(7, 10_000)
ORIGINAL = np.array([6000, 6500, 7000, 7500, 8000, 7100, 7900])
# Five models on new = 1.4 · original − 4400, and two that lie 260 and 0 images above it.
ON_LINE = np.array([4000, 4700, 5400, 6100, 6800, 5800, 6660])
CHOSEN = np.arange(7) > 4


def test_the_difference_is_that_of_the_distances_above_the_line_of_the_other_models() -> None:
    found = robustness_differences((ORIGINAL, N, ON_LINE, N), CHOSEN)
    assert found.line_models == 5
    assert found.distance == pytest.approx([0.026, 0.0])
    assert found.difference[0, 1] == pytest.approx(0.026)
    # No scatter about the line: what is left is the binomial variance of the two models alone, in both coordinates,
    # and of the models in the line as far as the two lie apart: slope 1.4, original accuracies 0.71 and 0.79.
    accuracy, new = ORIGINAL / N, ON_LINE / N
    per_image = 1.4**2 * accuracy * (1 - accuracy) + new * (1 - new)
    pull = (0.71 - 0.79) * (accuracy[:5] - 0.70) / np.sum((accuracy[:5] - 0.70) ** 2)
    variance = (per_image[5] + per_image[6] + np.sum(pull**2 * per_image[:5])) / 10_000
    arm = stats.t.ppf(0.975, 3) * np.sqrt(variance)
    assert found.interval.high[0, 1] == pytest.approx(0.026 + arm)
    assert found.p_value[0, 1] == pytest.approx(2 * stats.t.sf(0.026 / np.sqrt(variance), 3))


def test_the_line_adds_what_statsmodels_gives_for_the_difference_of_two_predictions() -> None:
    new = ON_LINE + np.array([30, -40, 20, -50, 40, 0, 0])
    nothing = np.zeros((7, 7))
    found = robustness_differences((ORIGINAL, N, new, N), CHOSEN, covariances=(nothing, nothing))
    line = sm.OLS(new[:5] / N[:5], sm.add_constant(ORIGINAL[:5] / N[:5])).fit()
    test = line.t_test([0, 0.71 - 0.79])
    below, above = np.sort(-test.conf_int()[0])
    measured = (new[5] - new[6]) / 10_000
    assert found.interval.low[0, 1] == pytest.approx(measured + below)
    assert found.interval.high[0, 1] == pytest.approx(measured + above)


def test_models_that_share_their_errors_are_told_from_each_other_more_finely() -> None:
    rng = np.random.default_rng(5)
    difficulty = rng.random(4_000)
    correct = np.array([difficulty < skill for skill in (0.5, 0.55, 0.6, 0.65, 0.7, 0.62, 0.63)])
    counts = (correct.sum(axis=1), np.full(7, 4_000), correct.sum(axis=1), np.full(7, 4_000))
    covariance = sampling_covariance(correct)
    paired = robustness_differences(counts, CHOSEN, covariances=(covariance, covariance))
    alone = robustness_differences(counts, CHOSEN)
    assert paired.interval.high[0, 1] - paired.interval.low[0, 1] < 0.5 * (
        alone.interval.high[0, 1] - alone.interval.low[0, 1]
    )


@pytest.mark.parametrize("scale", ["linear", "probit"])
def test_intervals_cover_the_true_difference(scale: str) -> None:
    # Twenty models on a true line, on the scale, of 2,000 images each; the two chosen ones lie on it, so their
    # distances differ by nothing but noise.
    rng = np.random.default_rng(1)
    x = np.linspace(0.55, 0.9, 20)
    y = 1.1 * x - 0.15 if scale == "linear" else stats.norm.cdf(0.9 * stats.norm.ppf(x) - 0.2)
    total, chosen = np.full(20, 2_000), np.isin(np.arange(20), [3, 15])
    covered = 0
    for _ in range(400):
        found = robustness_differences(
            (rng.binomial(2_000, x), total, rng.binomial(2_000, y), total), chosen, scale=scale
        )
        covered += found.interval.low[0, 1] <= 0 <= found.interval.high[0, 1]
    assert 0.93 <= covered / 400 <= 1.0


@given(st.lists(st.integers(100, 900), min_size=7, max_size=9, unique=True), st.integers(0, 2**32 - 1))
def test_every_difference_is_the_other_way_round_seen_from_the_other_model(original: list[int], seed: int) -> None:
    new = np.random.default_rng(seed).integers(100, 900, len(original))
    total, chosen = np.full(len(original), 1_000), np.arange(len(original)) < 2
    found = robustness_differences((np.array(original), total, new, total), chosen, scale="logit")
    assert found.difference == pytest.approx(-found.difference.T)
    assert found.interval.low[0, 1] == pytest.approx(-found.interval.high[1, 0])
    assert found.p_value[0, 1] == pytest.approx(found.p_value[1, 0])
    assert found.interval.low[0, 1] <= found.difference[0, 1] <= found.interval.high[0, 1]
    assert np.isnan(found.p_value[0, 0])


@pytest.mark.parametrize(
    "original, found",
    [
        ([600, 700, 800, 650, 750, 700], "4 models, 4 different original accuracies"),
        ([600] * 6 + [650], "5 models, 1 different original accuracies"),
    ],
    ids=["four models", "one accuracy"],
)
def test_a_line_of_too_few_models_is_refused(original: list[int], found: str) -> None:
    counts = np.array(original)
    total = np.full(len(counts), 1_000)
    chosen = np.arange(len(counts)) >= len(counts) - 2
    with pytest.raises(AnalysisError) as caught:
        robustness_differences((counts, total, counts, total), chosen)
    assert caught.value.found == found
