"""Simulated pools whose true selection frequencies are known, and the closed forms at the edges."""

import numpy as np
import pytest
import statsmodels.api as sm
from messages import says
from scipy import stats

from evalshift.analysis.statistics.selection_frequencies import (
    BetaBinomial,
    corrected_gap,
    fit_beta_binomial,
    mean_after_matching,
    slopes_on_frequency,
)
from evalshift.errors import AnalysisError

SHOWN = 10


def simulated(seed: int, gap: float = 0.0, images: int = 5000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Reference images selected more often than new ones; accuracy depends on it alone, but for `gap`."""
    rng = np.random.default_rng(seed)
    true = rng.beta(6, 2.5, images), rng.beta(3, 3, images)
    counts = [rng.binomial(SHOWN, one) for one in true]
    chance = [0.25 + 0.7 * one - 0.15 * one**2 - less for one, less in zip(true, (0, gap), strict=True)]
    correct = [rng.random(images) < one for one in chance]
    return counts[0], correct[0], counts[1], correct[1]


def test_a_simulated_pool_gives_back_its_distribution() -> None:
    rng = np.random.default_rng(2)
    counts = rng.binomial(SHOWN, rng.beta(6, 2.5, 20_000))
    found = fit_beta_binomial(counts, np.full(20_000, SHOWN))
    assert found.mean == pytest.approx(6 / 8.5, abs=0.005)
    assert (found.alpha, found.beta) == pytest.approx((6, 2.5), rel=0.08)


def test_no_other_distribution_is_likelier_by_scipy() -> None:
    rng = np.random.default_rng(3)
    shown = rng.integers(3, 12, 500)
    counts = rng.binomial(shown, rng.beta(2, 5, 500))
    found = fit_beta_binomial(counts, shown)

    def likelihood(alpha: float, beta: float) -> float:
        return float(stats.betabinom.logpmf(counts, shown, alpha, beta).sum())

    best = likelihood(found.alpha, found.beta)
    for factor in (0.97, 1.03):
        assert likelihood(found.alpha * factor, found.beta) < best
        assert likelihood(found.alpha, found.beta * factor) < best


def test_moments_by_hand() -> None:
    # Beta(2, 1) has E[s] = 2/3 and E[s²] = 1/2; after 1 of 2, Beta(3, 2) has E[s] = 3/5 and E[s²] = 2/5.
    one = BetaBinomial(2.0, 1.0)
    assert (one.mean, one.moment(1), one.moment(2)) == pytest.approx((2 / 3, 2 / 3, 1 / 2))
    assert one.posterior_moment(np.array([1]), 2, 1).tolist() == pytest.approx([3 / 5])
    assert one.posterior_moment(np.array([1]), 2, 2).tolist() == pytest.approx([2 / 5])


def test_matching_on_noise_leaves_a_difference_that_more_people_make_smaller() -> None:
    reference, pool = BetaBinomial(6.0, 2.5), BetaBinomial(3.0, 3.0)
    # One person: P(1) = 12/17, and E[s | 1] = 4/7, E[s | 0] = 3/7.
    by_hand = 12 / 17 * 4 / 7 + 5 / 17 * 3 / 7
    assert mean_after_matching(reference, pool, 1).matched == pytest.approx(by_hand)
    remaining = [mean_after_matching(reference, pool, shown).remaining for shown in (1, 10, 100, 10_000)]
    assert remaining == sorted(remaining, reverse=True)
    assert remaining[-1] == pytest.approx(0, abs=1e-3)
    assert mean_after_matching(reference, reference, 7).remaining == pytest.approx(0, abs=1e-12)


def test_matching_as_simulated() -> None:
    rng = np.random.default_rng(4)
    true = rng.beta(3, 3, 400_000)
    counts = rng.binomial(SHOWN, true)
    weights = stats.betabinom.pmf(np.arange(SHOWN + 1), SHOWN, 6, 2.5)
    matched = sum(weight * true[counts == k].mean() for k, weight in enumerate(weights))
    assert mean_after_matching(BetaBinomial(6.0, 2.5), BetaBinomial(3.0, 3.0), SHOWN).matched == pytest.approx(
        matched, abs=2e-3
    )


@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_a_gap_that_noise_alone_made_is_recovered_as_the_true_one(gap: float) -> None:
    found = [corrected_gap(*simulated(seed, gap), SHOWN, resamples=0) for seed in range(10)]
    mean = {
        name: float(np.mean([getattr(one, name) for one in found]))
        for name in ("observed", "matched", "jackknife", "corrected")
    }
    # In each, accuracies have a standard error of about 0.007, so the mean of ten 0.003.
    assert mean["corrected"] == pytest.approx(gap, abs=0.01)
    assert mean["observed"] > gap + 0.09
    assert gap + 0.025 < mean["matched"] < gap + 0.055
    assert abs(mean["jackknife"] - gap) < 0.6 * (mean["matched"] - gap)


@pytest.mark.late
def test_the_interval_holds_the_true_gap_and_is_the_same_for_the_same_seed() -> None:
    found = corrected_gap(*simulated(5, images=2000), SHOWN, resamples=60)
    assert found.interval.low < 0 < found.interval.high
    assert found == corrected_gap(*simulated(5, images=2000), SHOWN, resamples=60)


def test_sets_that_were_chosen_by_their_counts_need_the_distribution_of_their_pool() -> None:
    reference_selected, reference_correct, selected, correct = simulated(6, images=40_000)
    rng = np.random.default_rng(7)
    pool = fit_beta_binomial(selected, np.full(len(selected), SHOWN))
    share = np.bincount(reference_selected, minlength=SHOWN + 1) / np.bincount(selected, minlength=SHOWN + 1)
    kept = rng.random(len(selected)) < share[selected] / share.max()  # matched to the reference on k
    counts = (reference_selected, reference_correct, selected[kept], correct[kept])
    assert corrected_gap(*counts, SHOWN, candidates=pool, resamples=0).corrected == pytest.approx(0, abs=0.03)
    assert corrected_gap(*counts, SHOWN, resamples=0).corrected > 0.03  # the chosen images taken for a pool


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(AnalysisError) as caught:
        fit_beta_binomial(np.array([1] * 20), np.array([2] * 20))
    says(caught.value, found="20", expected="at least 30")
    with pytest.raises(AnalysisError) as caught:
        fit_beta_binomial(np.array([3] * 40), np.array([2] * 40))
    says(caught.value)


def test_slopes_are_those_of_statsmodels_with_robust_errors() -> None:
    rng = np.random.default_rng(5)
    frequency = rng.integers(0, 11, 300) / 10
    correct = rng.random((2, 300)) < np.stack([0.3 + 0.5 * frequency, np.full(300, 0.7)])
    found = slopes_on_frequency(correct, frequency, 0.9)
    for row in range(2):
        fit = sm.OLS(correct[row].astype(float), sm.add_constant(frequency)).fit(cov_type="HC1")
        assert found.slope[row] == pytest.approx(fit.params[1])
        assert (found.interval.low[row], found.interval.high[row]) == pytest.approx(tuple(fit.conf_int(0.1)[1]))


def test_one_frequency_has_no_slope_and_two_images_are_refused() -> None:
    found = slopes_on_frequency(np.array([[True, False, True]]), np.full(3, 0.7))
    assert np.isnan([*found.slope, *found.interval.low, *found.interval.high]).all()
    with pytest.raises(AnalysisError) as caught:
        slopes_on_frequency(np.array([[True, False]]), np.array([0.1, 0.2]))
    says(caught.value, found="2", expected="at least 3")
