"""Images that more accurate models classify correctly less often: accuracy on the wrong line."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import special, stats

from evalshift.analysis.statistics.intervals import check_level
from evalshift.analysis.statistics.multiplicity import adjust
from evalshift.analysis.statistics.scales import check_accuracies
from evalshift.errors import AnalysisError
from evalshift.formatting import counted
from evalshift.shapes import Correct

# Up to this many models the distribution of rank sums is counted, above it is normal.
_MOST_COUNTED = 100
# Fewer models in a half order by chance alone.
_FEWEST_HALVED = 10
_FEWEST_MODELS = 3
# How many models are correct on the images, and the sums of their doubled ranks -> p-values.
Tail = Callable[[int, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class ImageTrends:
    """How correctness on each of n images goes with the original accuracy of m models; see `image_trends`.

    trend       rank-biserial correlation in [−1, 1], shape (n,): the chance that a model that is correct on the image
                has a higher original accuracy than one that is not, minus the chance that it has a lower one; below 0
                the hit rate falls; NaN where all models are correct, or none
    p_value     one-sided, of a hit rate that does not fall; NaN as `trend`
    p_bh        the same adjusted over the images by Benjamini and Hochberg
    correct     models that are correct on the image, 0 to m
    by_chance   images with p below 1 − `level` that are expected where no hit rate depends on accuracy
    """

    trend: Float[np.ndarray, " n"]
    p_value: Float[np.ndarray, " n"]
    p_bh: Float[np.ndarray, " n"]
    correct: Int[np.ndarray, " n"]
    by_chance: float
    level: float
    models: int

    @property
    def decided(self) -> int:
        """Images on which the models differ."""
        return int(np.isfinite(self.trend).sum())

    @property
    def negative(self) -> int:
        """Images with a trend below 0, by chance or not."""
        return int(np.sum(self.trend < 0))

    @property
    def nominal(self) -> int:
        """Images with p below 1 − level, not adjusted."""
        return int(np.sum(self.p_value < 1 - self.level))

    @property
    def falling(self) -> Int[np.ndarray, " falling"]:
        """Positions of the images whose hit rate falls significantly (p_bh below 1 − level), the strongest first."""
        found = np.flatnonzero(self.p_bh < 1 - self.level)
        return found[np.lexsort((found, self.trend[found], self.p_value[found]))]


@dataclass(frozen=True)
class HeldOutTrend:
    """Whether images on which the hit rate falls for some models do so for others; see `held_out_trend`.

    images        picked, mean over both halves
    correlation   Spearman's, of original accuracy and accuracy on the picked images, mean over both halves; NaN where a
                  half picks none, or its models are equally accurate on them
    """

    images: float
    correlation: float


def image_trends(accuracy: Float[np.ndarray, " model"], correct: Correct, level: float = 0.95) -> ImageTrends:
    """Test, for each image, whether the models that classify it correctly are less accurate on the original set.

    Takes original accuracies of m models, at least three, and which images of a set each classifies correctly. The p
    values are those of the Wilcoxon–Mann–Whitney test, exact with ties for up to 100 models, otherwise normal with a
    correction for ties and continuity.
    Raises ValueError for a level or an accuracy out of range and for sizes that differ, AnalysisError for fewer than
    three models or models of one accuracy.
    Source: Salaudeen et al. 2025, NeurIPS, arXiv 2510.24884 (subsets of images with accuracy on the inverse line);
    Mann and Whitney 1947, Annals of Mathematical Statistics 18(1), 50-60; Benjamini and Hochberg 1995.

    >>> correct = np.array([[True, False], [True, False], [True, True], [False, True], [False, True]])
    >>> found = image_trends(np.array([0.5, 0.6, 0.7, 0.8, 0.9]), correct)
    >>> found.trend.round(3), found.p_value
    (array([-1.,  1.]), array([0.1, 1. ]))
    """
    check_level(level)
    _check(accuracy, correct)
    models = len(accuracy)
    # Doubled, so that the mean ranks of ties are whole numbers.
    ranks = np.rint(2 * stats.rankdata(accuracy)).astype(np.int64)
    hits = correct.sum(axis=0)
    sums = ranks @ correct
    decided = (hits > 0) & (hits < models)
    trend, p_value = np.full(len(hits), np.nan), np.full(len(hits), np.nan)
    wins = (sums[decided] - hits[decided] * (hits[decided] + 1)) / 2
    trend[decided] = 2 * wins / (hits[decided] * (models - hits[decided])) - 1
    by_chance = 0.0
    tail = _counted_tail(ranks) if models <= _MOST_COUNTED else _normal_tail(ranks)
    for count in np.unique(hits[decided]).tolist():
        these = hits == count
        p_value[these] = tail(count, sums[these])
        by_chance += float(these.sum()) * _attained(tail, ranks, count, 1 - level)
    p_bh = adjust(p_value, "benjamini-hochberg")
    return ImageTrends(trend, p_value, p_bh, hits, by_chance, level, models)


def held_out_trend(accuracy: Float[np.ndarray, " model"], correct: Correct) -> HeldOutTrend:
    """Pick the images on which the hit rate falls for one half of the models, and correlate on them for the other.

    Takes what `image_trends` takes, of at least ten models. Halves take turns by original accuracy; both pick and are
    tested. Picked by the same models that they are tested on, any set of images with chance trends would have a
    negative correlation.
    Raises as `image_trends`, and AnalysisError for fewer than ten models.

    >>> accuracy = np.linspace(0.5, 0.9, 10)
    >>> correct = np.stack([accuracy < 0.65, accuracy < 0.75, accuracy > 0.7], axis=1)
    >>> held_out_trend(accuracy, correct).images
    2.0
    """
    _check(accuracy, correct)
    if len(accuracy) < _FEWEST_HALVED:
        raise AnalysisError(
            f"two halves of the models need at least {_FEWEST_HALVED} models",
            found=f"{counted(len(accuracy), 'model')}",
        )
    order = np.argsort(accuracy, kind="stable")
    picked, correlations = [], []
    for one, other in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        falls = _falls(accuracy[one], correct[one])
        picked.append(int(falls.sum()))
        correlations.append(_spearman(accuracy[other], correct[other][:, falls].sum(axis=1)))
    return HeldOutTrend(float(np.mean(picked)), float(np.mean(correlations)))


def _falls(accuracy: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Whether the models that are correct on an image have lower ranks of accuracy on average than all models."""
    ranks = stats.rankdata(accuracy)
    return (ranks - ranks.mean()) @ correct < -1e-9


def _spearman(accuracy: np.ndarray, hits: np.ndarray) -> float:
    if np.ptp(accuracy) == 0 or np.ptp(hits) == 0:
        return np.nan
    return float(np.corrcoef(stats.rankdata(accuracy), stats.rankdata(hits))[0, 1])


def _counted_tail(ranks: np.ndarray) -> Tail:
    """P(sum of the ranks of `count` models drawn at random ≤ s), by counting."""
    models, most = len(ranks), int(ranks.sum())
    # Shares in place of counts: of all subsets of the models so far, those of one size and sum.
    share = np.zeros((models + 1, most + 1))
    share[0, 0] = 1
    for rank in ranks.tolist():
        share[1:, rank:] = (share[1:, rank:] + share[:-1, : most + 1 - rank]) / 2
        share[1:, :rank] /= 2
        share[0] /= 2
    tails = np.minimum(1.0, np.cumsum(share, axis=1) / share.sum(axis=1, keepdims=True))
    return lambda count, sums: tails[count, sums]


def _normal_tail(ranks: np.ndarray) -> Tail:
    """The same by the normal distribution of that mean and variance, with a correction for continuity."""
    models = len(ranks)

    def tail(count: int, sums: np.ndarray) -> np.ndarray:
        spread = np.sqrt(count * (models - count) * ranks.var() / (models - 1))
        return special.ndtr((sums + 1 - count * ranks.mean()) / spread)

    return tail


def _attained(tail: Tail, ranks: np.ndarray, count: int, error: float) -> float:
    """The largest p-value below `error` that so many models can have, 0 where there is none."""
    ordered = np.sort(ranks)
    low, high = int(ordered[:count].sum()) - 1, int(ordered[len(ranks) - count :].sum())
    # The greatest sum whose p-value is below `error`, by bisection; `low` stands for none.
    least = low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if tail(count, np.array([middle]))[0] < error else (low, middle)
    return float(tail(count, np.array([low]))[0]) if low > least else 0.0


def _check(accuracy: np.ndarray, correct: np.ndarray) -> None:
    check_accuracies(accuracy, "accuracy")
    if len(accuracy) != len(correct):
        raise ValueError(f"found {len(accuracy)} accuracies and predictions of {counted(len(correct), 'model')}")
    if len(accuracy) < _FEWEST_MODELS:
        raise AnalysisError(
            f"a trend over models needs at least {_FEWEST_MODELS} models", found=f"{counted(len(accuracy), 'model')}"
        )
    if np.ptp(accuracy) == 0:
        raise AnalysisError("all models have the same original accuracy", found=f"{counted(len(accuracy), 'model')}")
