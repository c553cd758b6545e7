"""Bias from noisy selection frequencies: the difference that remains after matching on them, and the corrected gap.

If k of n people who were shown an image selected it, k / n estimates the image's selection frequency s. Two sets
matched on k / n are not matched on s: if candidates are selected less often than reference images on average, the
chosen candidates are those whose s was overestimated. Engstrom et al. 2020, "Identifying Statistical Bias in Dataset
Replication".
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import optimize, special

from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.errors import AnalysisError


@dataclass(frozen=True)
class BetaBinomial:
    """Selection frequencies distributed as Beta(alpha, beta), observed as binomial counts."""

    alpha: float
    beta: float

    @property
    def mean(self) -> float:
        """The mean selection frequency."""
        return self.alpha / (self.alpha + self.beta)

    def moment(self, power: int) -> float:
        """E[s^power]."""
        return float(np.exp(special.betaln(self.alpha + power, self.beta) - special.betaln(self.alpha, self.beta)))

    def posterior_moment(self, selected: Int[np.ndarray, " n"], shown: int, power: int) -> Float[np.ndarray, " n"]:
        """E[s^power] given that k of `shown` people selected an image, shape (n,)."""
        return np.exp(_log_moment(self.alpha + selected, self.beta + shown - selected, power))


def fit_beta_binomial(selected: Int[np.ndarray, " n"], shown: Int[np.ndarray, " n"]) -> BetaBinomial:
    """Maximum-likelihood Beta distribution of selection frequencies: deconvolution of binomial noise.

    Takes how many people selected each image, and to how many it was shown. Raises AnalysisError for impossible counts,
    and if all images were selected equally often, so that the distribution is not identified.
    Source: Engstrom et al. 2020, section 4.
    """
    _check(selected, shown)

    def loss(logs: np.ndarray) -> float:
        alpha, beta = np.exp(logs)
        return -float(np.sum(special.betaln(alpha + selected, beta + shown - selected) - special.betaln(alpha, beta)))

    mean = float(np.clip(selected.sum() / shown.sum(), 0.02, 0.98))
    starts = [np.log([mean * size, (1 - mean) * size]) for size in (1.0, 10.0)]
    bounds = [(-7.0, 9.0)] * 2
    fits = [optimize.minimize(loss, start, method="L-BFGS-B", bounds=bounds) for start in starts]
    alpha, beta = np.exp(min(fits, key=lambda fit: fit.fun).x)
    return BetaBinomial(float(alpha), float(beta))


@dataclass(frozen=True)
class MatchedMean:
    """Mean selection frequencies of a reference set and of candidates matched to it on observed frequencies.

    reference, matched   true means; `remaining` is their difference
    """

    reference: float
    matched: float

    @property
    def remaining(self) -> float:
        """Reference minus matched mean: the difference that remains after matching on noisy frequencies."""
        return self.reference - self.matched


def mean_after_matching(reference: BetaBinomial, candidates: BetaBinomial, shown: int) -> MatchedMean:
    """The true mean selection frequency of candidates matched to a reference on counts out of `shown` people.

    Σ over k of P_reference(k) · E_candidates[s | k], where E[s | k] = (α + k) / (α + β + n) is shrunk towards the mean
    of the candidates; it converges to the reference's mean as n grows.

    >>> round(mean_after_matching(BetaBinomial(8.0, 2.0), BetaBinomial(4.0, 4.0), 10).matched, 3)
    0.667
    """
    counts = np.arange(shown + 1)
    log_choose = -special.betaln(counts + 1, shown - counts + 1) - np.log(shown + 1)
    seen = np.exp(
        log_choose
        + special.betaln(reference.alpha + counts, reference.beta + shown - counts)
        - special.betaln(reference.alpha, reference.beta)
    )
    return MatchedMean(reference.mean, float(seen @ candidates.posterior_moment(counts, shown, 1)))


@dataclass(frozen=True)
class CorrectedGap:
    """Accuracy on the reference set minus that on new images of equal selection frequency, as fractions.

    observed   not adjusted for selection frequencies
    matched    new images weighted to the observed frequencies of the reference images
    jackknife  the same, extrapolated to infinitely many people per image from n and n − 1
    corrected  new images weighted to the true frequencies of the reference images, with its bootstrap interval
    """

    observed: float
    matched: float
    jackknife: float
    corrected: float
    interval: Interval[float]


def corrected_gap(
    reference_selected: Int[np.ndarray, " n"],
    reference_correct: Bool[np.ndarray, " n"],
    new_selected: Int[np.ndarray, " m"],
    new_correct: Bool[np.ndarray, " m"],
    shown: int,
    *,
    candidates: BetaBinomial | None = None,
    degree: int = 2,
    resamples: int = 200,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> CorrectedGap:
    """How much lower accuracy is on new images than on reference images of the same true selection frequency.

    Takes, for the images of each set, how many of `shown` people selected them and whether a model is correct.
    candidates  distribution of the pool from which new images were chosen by these counts; None if they are the whole
                pool, to which the distribution is then fitted
    degree      of the polynomial in s that models accuracy on new images

    Given k, the powers of s have known expectations; accuracy is regressed on these, and the polynomial is averaged
    over the reference's frequencies. The interval resamples the images of both sets. Noise in the frequencies explains
    the difference between `matched` and `corrected`, but not `corrected` itself.
    Raises AnalysisError for counts outside 0 to `shown` and fewer than 30 images in either set.
    Source: Engstrom et al. 2020, sections 3 and 4 and appendix (jackknife).
    """
    check_level(level)
    for selected in (reference_selected, new_selected):
        _check(selected, np.full(len(selected), shown))
    rng = np.random.default_rng(0) if rng is None else rng
    arguments = (reference_selected, reference_correct, new_selected, new_correct)

    def gap(reference: np.ndarray, new: np.ndarray) -> float:
        chosen = (arguments[0][reference], arguments[1][reference], arguments[2][new], arguments[3][new])
        return _parametric(*chosen, shown, candidates, degree)

    every = (np.arange(len(reference_selected)), np.arange(len(new_selected)))
    drawn = [gap(*(rng.integers(0, len(one), len(one)) for one in every)) for _ in range(resamples)]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]) if drawn else (np.nan, np.nan)
    weights = (np.eye(shown + 1)[reference_selected], np.eye(shown + 1)[new_selected])
    full = _matched_gap(weights[0], reference_correct, weights[1], new_correct)
    thin = _thinning(shown)
    fewer = _matched_gap(weights[0] @ thin, reference_correct, weights[1] @ thin, new_correct)
    return CorrectedGap(
        float(reference_correct.mean() - new_correct.mean()),
        full,
        shown * full - (shown - 1) * fewer,
        gap(*every),
        Interval(float(low), float(high)),
    )


@dataclass(frozen=True, eq=False)
class FrequencySlopes:
    """Accuracy of m models regressed on the selection frequency of the images, as fractions per frequency of 1.

    slope, interval  shape (m,); NaN where all images have one frequency
    """

    slope: Float[np.ndarray, " m"]
    interval: Interval[np.ndarray]


def slopes_on_frequency(
    correct: Bool[np.ndarray, "m n"], frequency: Float[np.ndarray, " n"], level: float = 0.95
) -> FrequencySlopes:
    """Slope of accuracy on selection frequency: least squares of correctness on the frequency of each image.

    The interval is normal with a heteroscedasticity-consistent standard error (HC1). Noise in the frequencies
    attenuates the slope; see `corrected_gap`.
    Raises ValueError for a level outside (0, 1), AnalysisError for fewer than three images.
    Sources: Recht et al. 2019, figure 15; White 1980, Econometrica 48(4).

    >>> correct = np.array([[False, False, True, True]])
    >>> slopes_on_frequency(correct, np.array([0.25, 0.5, 0.5, 0.75])).slope
    array([2.])
    """
    check_level(level)
    if len(frequency) < 3:
        raise AnalysisError("too few images to regress on", found=len(frequency), expected="at least 3")
    centred = frequency - frequency.mean()
    square = float(centred @ centred)
    if square < 1e-12:
        undefined = np.full(len(correct), np.nan)
        return FrequencySlopes(undefined, Interval(undefined, undefined))
    slope = correct @ centred / square
    residual = correct - correct.mean(axis=1, keepdims=True) - slope[:, None] * centred
    error = np.sqrt(len(frequency) / (len(frequency) - 2) * (residual**2 @ centred**2)) / square
    reach = special.ndtri((1 + level) / 2) * error
    return FrequencySlopes(slope, Interval(slope - reach, slope + reach))


def _parametric(
    reference_selected: np.ndarray,
    reference_correct: np.ndarray,
    new_selected: np.ndarray,
    new_correct: np.ndarray,
    shown: int,
    candidates: BetaBinomial | None,
    degree: int,
) -> float:
    pool = candidates or fit_beta_binomial(new_selected, np.full(len(new_selected), shown))
    reference = fit_beta_binomial(reference_selected, np.full(len(reference_selected), shown))
    powers = range(degree + 1)
    design = np.stack([pool.posterior_moment(new_selected, shown, power) for power in powers], axis=1)
    coefficients, *_ = np.linalg.lstsq(design, new_correct.astype(float), rcond=None)
    expected = np.array([reference.moment(power) for power in powers]) @ coefficients
    return float(reference_correct.mean() - expected)


def _matched_gap(
    reference: Float[np.ndarray, "n k"],
    reference_correct: np.ndarray,
    new: Float[np.ndarray, "m k"],
    new_correct: np.ndarray,
) -> float:
    """The gap with new images weighted to the reference's counts, leaving out counts that no new image has."""
    weight, mass = reference.mean(axis=0), new.sum(axis=0)
    present = (mass > 0) & (weight > 0)
    on_new = (new_correct @ new)[present] / mass[present]
    on_reference = (reference_correct @ reference)[present] / reference.sum(axis=0)[present]
    return float(np.average(on_reference - on_new, weights=weight[present]))


def _thinning(shown: int) -> Float[np.ndarray, "k fewer"]:
    """P(j of n − 1 selected | k of n did), where one of the n is left out at random."""
    counts = np.arange(shown + 1)
    found = np.zeros((shown + 1, shown))
    found[counts[1:], counts[1:] - 1] = counts[1:] / shown
    found[counts[:-1], counts[:-1]] += 1 - counts[:-1] / shown
    return found


def _log_moment(alpha: np.ndarray, beta: np.ndarray, power: int) -> np.ndarray:
    return special.betaln(alpha + power, beta) - special.betaln(alpha, beta)


def _check(selected: np.ndarray, shown: np.ndarray) -> None:
    if selected.shape != shown.shape or len(selected) < 30:
        raise AnalysisError("too few images to fit selection frequencies", found=len(selected), expected="at least 30")
    if ((selected < 0) | (selected > shown) | (shown < 1)).any():
        raise AnalysisError("impossible selection counts", expected="0 to the number of people shown the image")
