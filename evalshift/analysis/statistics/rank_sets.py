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

# Single precision is enough for random draws, and a chunk that fits the processor's cache takes a third of the time.
_CELLS_IN_A_CHUNK = 2**18
# Draws for a critical value; fewer for more models: a thousand models have a million pairs, and with 1,000 draws the
# critical value of their largest difference is still within 0.04 of its value with more.
_DRAWS, _FEWEST_DRAWS, _MANY_MODELS = 10_000, 1_000, 200


@dataclass(frozen=True, eq=False)
class RankSets:
    """Confidence sets for the ranks of m models on one test set; see `rank_sets`.

    rank           observed rank: 1 for the most correct; ties share the better rank
    interval       best (low) and worst (high) rank in the confidence set, integers from 1 to m
    simultaneous   whether the sets cover all true ranks jointly at `level`, or each set its own
    """

    rank: Int[np.ndarray, " m"]
    interval: Interval[np.ndarray]
    simultaneous: bool
    level: float


@dataclass(frozen=True, eq=False)
class RankChanges:
    """Rank changes of m models between two test sets, with simultaneous intervals; see `rank_change_sets`.

    change          observed original rank minus new rank, above 0 for a model that moves up
    interval        of the true change, integers; excludes 0 if the two rank sets have no rank in common reversed_pairs
                    [i, j]: i is significantly better than j on the original set and significantly worse on the new
    """

    change: Int[np.ndarray, " m"]
    interval: Interval[np.ndarray]
    reversed_pairs: Bool[np.ndarray, "m m"]
    level: float

    @property
    def real(self) -> Bool[np.ndarray, " m"]:
        """Models whose rank changes significantly: the interval of the change excludes 0."""
        return (self.interval.low > 0) | (self.interval.high < 0)


def better_models(
    correct: Correct, *, level: float = 0.95, draws: int | None = None, rng: np.random.Generator
) -> Bool[np.ndarray, "m m"]:
    """Which models are significantly better than which others: [i, j] if i is better than j.

    Takes correctness of each model on each image. All m(m − 1) hypotheses "i is no better than j" are tested together:
    the probability of any false finding is at most about 1 − level. The statistic of a pair is the one-sided p-value of
    McNemar's exact test as a standard normal quantile; the critical value is the `level` quantile of the largest of as
    many Gaussian differences, from `draws` draws with the models' covariance over the images (default 10,000, or 1,000
    for more than 200 models). Stepwise: rejected hypotheses leave the family, and the critical value for the rest is
    smaller.
    Raises ValueError for a level outside (0, 1), fewer than 1 draw, and where there are no models or no images.
    Source: see `rank_sets`; csranks (R) divides the difference by its standard error instead, which is equivalent for
    many discordant images and anti-conservative for few.
    """
    check_level(level)
    return _rejected(_Tests.of(correct, draws, rng), _all_pairs(len(correct)), level)


def rank_sets(
    correct: Correct,
    *,
    simultaneous: bool = True,
    level: float = 0.95,
    draws: int | None = None,
    rng: np.random.Generator,
) -> RankSets:
    """Confidence sets for the rank of each model among models evaluated on the same images.

    Takes correctness of each model on each image. A model's true rank is one more than the number of models with higher
    accuracy on the distribution of the images. Its confidence set runs from one more than the number of models found
    better to m minus the number found worse. With `simultaneous`, these are the findings of `better_models`, and all m
    sets jointly cover the true ranks with probability of about `level`; without, each model's 2(m − 1) comparisons are
    a family of their own, and each set covers its rank with that probability.
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
        interval = _ranks_left_open(_rejected(tests, _all_pairs(models), level))
    else:
        of_each = [_ranks_left_open(_rejected(tests, _pairs_of(model, models), level)) for model in range(models)]
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
    """Confidence intervals for rank changes between two test sets, and the pairs of models whose order reverses.

    Takes correctness of the same models, in the same order, on the images of each set. For two sets of different
    images, simultaneous rank sets at √level on each jointly cover all true ranks with probability of about `level`; for
    sets that share images (not `independent`), rank sets at (1 + level)/2 do, under any dependence (Bonferroni). The
    true change of a model then lies between best original minus worst new and worst original minus best new rank. A
    pair is reversed if each set alone shows a significant order at that level, in opposite directions.
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
    """Quantities shared by all tests on one set of images.

    statistic   [i, j]: for "i is no better than j"; standard normal or smaller if both are equally good
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
        # P(at least this many of the discordant images favour i | ½), as a quantile; −∞ without such images.
        p_value = special.bdtrc(only - 1.0, only + only.T, 0.5)
        return cls(
            statistic=-special.ndtri(p_value),
            noise=np.ascontiguousarray(noise, dtype=np.float32),
            spread=np.sqrt(variance).astype(np.float32),
        )


def _rejected(tests: _Tests, family: np.ndarray, level: float) -> np.ndarray:
    """[i, j] where "i is no better than j" is rejected, in the family of the marked pairs."""
    better = np.zeros_like(family)
    largest = _Largest(tests, family)
    while True:
        beyond = family & (tests.statistic > largest.critical_value(level))
        family = family & ~beyond
        better |= beyond
        if not (beyond.any() and family.any()):
            return better
        largest.remove(beyond)


class _Largest:
    """The largest difference among the pairs of a family, in each draw, while pairs leave the family.

    The maximum is stored per model, so that when a pair leaves, only the draws in which it was a model's maximum are
    recomputed.
    """

    def __init__(self, tests: _Tests, family: np.ndarray) -> None:
        self._tests, self._family = tests, family
        # Each pair is stored with the one of its two models that has more pairs.
        place = np.argsort(np.argsort(-family.sum(axis=1), kind="stable"))
        self._own = place[:, np.newaxis] < place
        models = range(len(family))
        self._of_models = np.stack([self._of_model(model, family) for model in models])

    def critical_value(self, level: float) -> float:
        """The `level` quantile of the largest difference."""
        # Draws without spread would give 0; no family has a smaller critical value than a single two-sided pair.
        return max(float(np.quantile(self._of_models.max(axis=0), level)), float(special.ndtri((1 + level) / 2)))

    def remove(self, gone: np.ndarray) -> None:
        self._family = self._family & ~gone
        for model in np.flatnonzero((self._own & (gone | gone.T)).any(axis=1)).tolist():
            if 2 * self._count(model, gone) > self._count(model, self._family):
                self._of_models[model] = self._of_model(model, self._family)
                continue
            largest = self._of_model(model, gone) >= self._of_models[model]
            if largest.any():
                self._of_models[model, largest] = self._of_model(model, self._family, largest)

    def _count(self, model: int, pairs: np.ndarray) -> int:
        return int(np.count_nonzero(self._own[model] & (pairs[model] | pairs[:, model])))

    def _of_model(self, model: int, pairs: np.ndarray, draws: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The largest difference among this model's pairs, in all draws or in the marked ones."""
        over, under = self._own[model] & pairs[model], self._own[model] & pairs[:, model]
        largest = np.zeros(len(self._tests.noise[model, draws]), dtype=np.float32)
        # A pair in both directions is drawn once: the maximum of one direction is the minimum of the other.
        for difference in self._drawn(model, np.flatnonzero(over & under), draws):
            np.maximum(largest, np.abs(difference, out=difference).max(axis=0), out=largest)
        other = np.flatnonzero(over ^ under)
        for difference in self._drawn(model, other, draws, np.where(over[other], 1, -1)):
            np.maximum(largest, difference.max(axis=0), out=largest)
        return largest

    def _drawn(
        self, model: int, others: np.ndarray, draws: np.ndarray | slice, sign: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Draws of this model's differences from others in units of their spread, shape (pairs, draws), some at a time.

        Each is valid until the next.
        """
        spread = self._tests.spread[model, others]
        # Models that differ on no image, or on all images in the same direction, have no spread to scale by.
        scale = np.divide(1 if sign is None else sign, spread, out=np.zeros_like(spread), where=spread > 0)
        noise = self._tests.noise
        step = max(1, _CELLS_IN_A_CHUNK // noise.shape[1])
        room = np.empty((min(step, len(others)), noise.shape[1]), dtype=np.float32)
        own = noise[model, draws]
        for start in range(0, len(others), step):
            these = others[start : start + step]
            difference = np.take(noise, these, axis=0, out=room[: len(these)], mode="clip")[:, draws]
            np.subtract(own, difference, out=difference)
            difference *= scale[start : start + step, np.newaxis]
            yield difference


def _ranks_left_open(better: np.ndarray) -> Interval[np.ndarray]:
    return Interval(1 + better.sum(axis=0), len(better) - better.sum(axis=1))


def _all_pairs(models: int) -> np.ndarray:
    """Every model against every other, in both directions."""
    return ~np.eye(models, dtype=bool)


def _pairs_of(model: int, models: int) -> np.ndarray:
    """One model against every other, in both directions."""
    pairs = np.zeros((models, models), dtype=bool)
    pairs[model] = pairs[:, model] = True
    pairs[model, model] = False
    return pairs
