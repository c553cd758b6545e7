"""Confidence sets for each model's rank, and which rank changes between two test sets are significant."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from scipy import special

from evalshift.analysis.statistics.accuracy_noise import accuracy_noise
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.paired import check_same_models, discordant
from evalshift.analysis.statistics.ranks import rank, rank_changes
from evalshift.shapes import Correct

# Draws are noise: single precision is enough, and a chunk that fits the processor's cache takes a third of the time.
_CELLS_IN_A_CHUNK = 2**18
# Draws for a critical value. Of more models fewer: a thousand have a million pairs to draw, and with 1,000 draws the
# value of their largest difference still lies within 0.04 of what more would give.
_DRAWS, _FEWEST_DRAWS, _MANY_MODELS = 10_000, 1_000, 200


@dataclass(frozen=True, eq=False)
class RankSets:
    """Confidence sets for the ranks of m models on one test set; see `rank_sets`.

    rank           as observed: 1 for the most correct, ties share the better rank
    interval       best (low) and worst (high) rank that the images leave open, integers from 1 to m
    simultaneous   whether all sets hold their true ranks together at `level`, or each one does for itself
    """

    rank: Int[np.ndarray, " m"]
    interval: Interval[np.ndarray]
    simultaneous: bool
    level: float


@dataclass(frozen=True, eq=False)
class RankChanges:
    """Rank changes of m models between two test sets, with simultaneous intervals; see `rank_change_sets`.

    change          original rank minus new rank as observed, above 0 for a model that moves up
    interval        of the true change, integers; the two rank sets have no rank in common where it leaves out 0
    reversed_pairs  [i, j]: i is significantly better than j on the original set and significantly worse on the new
    """

    change: Int[np.ndarray, " m"]
    interval: Interval[np.ndarray]
    reversed_pairs: Bool[np.ndarray, "m m"]
    level: float

    @property
    def real(self) -> Bool[np.ndarray, " m"]:
        """Models whose rank changes significantly: the interval of the change leaves out 0."""
        return (self.interval.low > 0) | (self.interval.high < 0)


def better_models(
    correct: Correct, *, level: float = 0.95, draws: int | None = None, rng: np.random.Generator
) -> Bool[np.ndarray, "m m"]:
    """Which models are significantly better than which: [i, j] where i is better than j.

    Takes correctness over models and images. All m(m − 1) hypotheses "i is no better than j" are tested together:
    any false finding among them has probability of about 1 − level at most. The statistic of a pair is the one-sided
    p-value of McNemar's exact test as a standard normal quantile; the critical value is the `level` quantile of the
    largest among as many Gaussian differences, from `draws` draws with the models' covariance over the images: 10,000
    where nothing is said, 1,000 of more than 200 models.
    Stepwise: findings leave the family, and the critical value of the rest is smaller.
    Raises ValueError for a level outside (0, 1), fewer than 1 draw, and where there are no models or no images.
    Source: as for `rank_sets`; csranks (R) divides the difference by its standard error instead, which for many
    discordant images comes to the same, and for few finds more than it should.
    """
    check_level(level)
    return _rejected(_Tests.of(correct, draws, rng), *_all_pairs(len(correct)), level)


def rank_sets(
    correct: Correct,
    *,
    simultaneous: bool = True,
    level: float = 0.95,
    draws: int | None = None,
    rng: np.random.Generator,
) -> RankSets:
    """Confidence sets for the rank of each model among models evaluated on the same images.

    Takes correctness over models and images. A model's true rank is one more than the number of models of higher
    accuracy on the distribution that the images come from. Its set runs from one more than the number of models
    found better than it to m minus the number found worse. With `simultaneous` these are the findings of
    `better_models`, and all m sets hold their ranks together with probability of about `level`; without, each model's
    2(m − 1) comparisons are tested as a family of their own, and each set holds its rank with that probability.
    Raises ValueError as `better_models` does.
    Source: Mogstad, Romano, Shaikh, Wilhelm 2024, Review of Economic Studies 91(1), 476-518; stepwise tests as in
    Romano and Wolf 2005, Econometrica 73(4), 1237-1282.

    >>> correct = np.arange(100) < np.array([[90], [88], [50]])
    >>> sets = rank_sets(correct, rng=np.random.default_rng(0))
    >>> sets.rank, sets.interval.low, sets.interval.high
    (array([1, 2, 3]), array([1, 1, 3]), array([2, 2, 3]))
    """
    check_level(level)
    tests = _Tests.of(correct, draws, rng)
    models = len(correct)
    if simultaneous:
        interval = _ranks_left_open(_rejected(tests, *_all_pairs(models), level))
    else:
        of_each = [_ranks_left_open(_rejected(tests, *_pairs_of(model, models), level)) for model in range(models)]
        interval = Interval(
            np.array([open_.low[model] for model, open_ in enumerate(of_each)], dtype=np.int64),
            np.array([open_.high[model] for model, open_ in enumerate(of_each)], dtype=np.int64),
        )
    return RankSets(rank(correct.sum(axis=1)), interval, simultaneous, level)


def rank_change_sets(
    original_correct: Bool[np.ndarray, "m original"],
    new_correct: Bool[np.ndarray, "m new"],
    *,
    level: float = 0.95,
    draws: int | None = None,
    independent: bool = True,
    rng: np.random.Generator,
) -> RankChanges:
    """Confidence intervals for rank changes between two test sets, and the pairs of models that change places.

    Takes correctness of the same models, in the same order, on the images of each set. Of two sets of different
    images simultaneous rank sets at √level on each hold all true ranks on both with probability of about `level`; of
    sets that share some (not `independent`), those at (1 + level)/2 do, whatever their dependence (Bonferroni).
    Then the true change of a model lies between best original minus worst new and worst original minus best new
    rank. A pair is reversed where each set alone shows its order, in opposite directions, at that level.
    Raises ValueError as `better_models` does, and for different numbers of models.

    >>> original, new = (np.arange(300) < np.array(right)[:, np.newaxis] for right in ([280, 250], [150, 200]))
    >>> changes = rank_change_sets(original, new, rng=np.random.default_rng(0))
    >>> changes.change, changes.interval.low, changes.interval.high, changes.real
    (array([-1,  1]), array([-1,  1]), array([-1,  1]), array([ True,  True]))
    >>> changes.reversed_pairs
    array([[False,  True],
           [False, False]])
    """
    check_level(level)
    check_same_models(original_correct, new_correct)
    of_each = math.sqrt(level) if independent else (1 + level) / 2
    better = [
        better_models(correct, level=of_each, draws=draws, rng=rng) for correct in (original_correct, new_correct)
    ]
    original, new = (_ranks_left_open(found) for found in better)
    return RankChanges(
        change=rank_changes(original_correct.sum(axis=1), new_correct.sum(axis=1)),
        interval=Interval(original.low - new.high, original.high - new.low),
        reversed_pairs=better[0] & better[1].T,
        level=level,
    )


@dataclass(frozen=True, eq=False)
class _Tests:
    """What all tests of one set of images share.

    statistic   [i, j]: of "i is no better than j", standard normal or smaller where both are equally good
    noise       (m, draw): Gaussian deviations of the accuracies with the models' covariance
    spread      [i, j]: standard deviation of noise_i − noise_j
    """

    statistic: np.ndarray
    noise: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, correct: np.ndarray, draws: int | None, rng: np.random.Generator) -> "_Tests":
        if draws is None:
            draws = _DRAWS if len(correct) <= _MANY_MODELS else _FEWEST_DRAWS
        noise = accuracy_noise(correct, draws, rng)
        only, images = discordant(correct), correct.shape[1]
        variance = ((only + only.T) / images - ((only - only.T) / images) ** 2) / images
        # P(at least this many of the discordant images favour i | ½), as a quantile. With no such image it is −∞.
        p_value = special.bdtrc(only - 1.0, only + only.T, 0.5)
        return cls(
            statistic=-special.ndtri(p_value),
            noise=np.ascontiguousarray(noise, dtype=np.float32),
            spread=np.sqrt(variance).astype(np.float32),
        )


def _rejected(tests: _Tests, first: np.ndarray, second: np.ndarray, level: float) -> np.ndarray:
    """[i, j] where "i is no better than j" is rejected, in the family of pairs (first, second)."""
    better = np.zeros_like(tests.spread, dtype=bool)
    while len(first):
        beyond = tests.statistic[first, second] > _critical_value(tests, first, second, level)
        if not beyond.any():
            break
        better[first[beyond], second[beyond]] = True
        first, second = first[~beyond], second[~beyond]
    return better


def _critical_value(tests: _Tests, first: np.ndarray, second: np.ndarray, level: float) -> float:
    models, draws = tests.noise.shape
    largest = np.zeros(draws, dtype=np.float32)
    # A pair in both directions is drawn once: the largest of one is the smallest of the other.
    pairs, counts = np.unique(np.minimum(first, second) * models + np.maximum(first, second), return_counts=True)
    twice = pairs[counts == 2]
    for difference in _drawn(tests, twice // models, twice % models):
        np.maximum(largest, difference.max(axis=0), out=largest)
        np.maximum(largest, -difference.min(axis=0), out=largest)
    once = np.isin(np.minimum(first, second) * models + np.maximum(first, second), twice, invert=True)
    for difference in _drawn(tests, first[once], second[once]):
        np.maximum(largest, difference.max(axis=0), out=largest)
    # Draws without spread would give 0; no family needs less than one pair alone, looked at from both sides.
    return max(float(np.quantile(largest, level)), float(special.ndtri((1 + level) / 2)))


def _drawn(tests: _Tests, first: np.ndarray, second: np.ndarray) -> Iterator[np.ndarray]:
    """Draws of the differences of these pairs in units of their spread, shape (pairs, draws), some pairs at a time."""
    spread = tests.spread[first, second]
    # Models that differ on no image, or on all of them in one direction, have no spread: nothing to scale.
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)[:, np.newaxis]
    step = max(1, _CELLS_IN_A_CHUNK // tests.noise.shape[1])
    for start in range(0, len(first), step):
        pairs = slice(start, start + step)
        difference = tests.noise[first[pairs]] - tests.noise[second[pairs]]
        difference *= scale[pairs]
        yield difference


def _ranks_left_open(better: np.ndarray) -> Interval[np.ndarray]:
    return Interval(1 + better.sum(axis=0), len(better) - better.sum(axis=1))


def _all_pairs(models: int) -> tuple[np.ndarray, np.ndarray]:
    """Every model against every other, in both directions."""
    first, second = np.nonzero(~np.eye(models, dtype=bool))
    return first, second


def _pairs_of(model: int, models: int) -> tuple[np.ndarray, np.ndarray]:
    """One model against every other, in both directions."""
    others = np.delete(np.arange(models), model)
    own = np.full_like(others, model)
    return np.concatenate([own, others]), np.concatenate([others, own])
