"""Images that more accurate models classify correctly less often (accuracy on the inverse line)."""

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

# Up to this many models, the distribution of rank sums is counted exactly; above, it is approximated as normal.
_MOST_COUNTED = 100
# With fewer models per half, the order is mostly sampling error.
_FEWEST_HALVED = 10
_FEWEST_MODELS = 3
# Number of models that are correct on the images, and sums of their doubled ranks -> p-values.
Tail = Callable[[int, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class ImageTrends:
    """How correctness on each of n images depends on the original accuracy of m models; see `image_trends`.

    trend       rank-biserial correlation in [−1, 1], shape (n,): the probability that a model that is correct on the
                image has a higher original accuracy than one that is not, minus the probability that it has a lower
                one; below 0, the hit rate falls with accuracy; NaN where all models are correct, or none
    p_value     one-sided, for a hit rate that does not fall; NaN like `trend`
    p_bh        adjusted over the images by Benjamini and Hochberg
    correct     models that are correct on the image, 0 to m
    by_chance   expected number of images with p below 1 − `level` if no hit rate depends on accuracy
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
        """Number of images that some models classify correctly and others do not."""
        return int(np.isfinite(self.trend).sum())

    @property
    def negative(self) -> int:
        """Number of images with a trend below 0, significant or not."""
        return int(np.sum(self.trend < 0))

    @property
    def nominal(self) -> int:
        """Number of images with p below 1 − level, not adjusted."""
        return int(np.sum(self.p_value < 1 - self.level))

    @property
    def falling(self) -> Int[np.ndarray, " falling"]:
        """Positions of the images whose hit rate falls significantly (p_bh below 1 − level), the strongest first."""
        found = np.flatnonzero(self.p_bh < 1 - self.level)
        return found[np.lexsort((found, self.trend[found], self.p_value[found]))]


@dataclass(frozen=True)
class HeldOutTrend:
    """Whether the hit rate also falls for other models on images where it falls for some; see `held_out_trend`.

    images        number selected, mean over both halves
    correlation   Spearman's, between original accuracy and accuracy on the selected images, mean over both halves; NaN
                  if a half selects none, or its models are equally accurate on them
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
    """Select images on which the hit rate falls for half of the models; compute the correlation on the other half.

    Takes the arguments of `image_trends`, for at least ten models. The halves alternate in the order of original
    accuracy; each half selects for the other. Selection and test need different models: on images selected for chance
    trends of the same models, the correlation would be negative too.
    Raises what `image_trends` raises, and AnalysisError for fewer than ten models.

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
    """Whether the models that are correct on an image have a lower mean accuracy rank than all models."""
    ranks = stats.rankdata(accuracy)
    return (ranks - ranks.mean()) @ correct < -1e-9


def _spearman(accuracy: np.ndarray, hits: np.ndarray) -> float:
    if np.ptp(accuracy) == 0 or np.ptp(hits) == 0:
        return np.nan
    return float(np.corrcoef(stats.rankdata(accuracy), stats.rankdata(hits))[0, 1])


def _counted_tail(ranks: np.ndarray) -> Tail:
    """P(sum of the ranks of `count` models drawn at random ≤ s), by counting."""
    models, most = len(ranks), int(ranks.sum())
    # Shares instead of counts: of all subsets of the models so far, those of a given size and sum.
    share = np.zeros((models + 1, most + 1))
    share[0, 0] = 1
    for rank in ranks.tolist():
        share[1:, rank:] = (share[1:, rank:] + share[:-1, : most + 1 - rank]) / 2
        share[1:, :rank] /= 2
        share[0] /= 2
    tails = np.minimum(1.0, np.cumsum(share, axis=1) / share.sum(axis=1, keepdims=True))
    return lambda count, sums: tails[count, sums]


def _normal_tail(ranks: np.ndarray) -> Tail:
    """The same from the normal distribution of this mean and variance, with continuity correction."""
    models = len(ranks)

    def tail(count: int, sums: np.ndarray) -> np.ndarray:
        spread = np.sqrt(count * (models - count) * ranks.var() / (models - 1))
        return special.ndtr((sums + 1 - count * ranks.mean()) / spread)

    return tail


def _attained(tail: Tail, ranks: np.ndarray, count: int, error: float) -> float:
    """The largest attainable p-value below `error` for this many correct models, 0 if there is none."""
    ordered = np.sort(ranks)
    low, high = int(ordered[:count].sum()) - 1, int(ordered[len(ranks) - count :].sum())
    # The largest sum whose p-value is below `error`, by bisection; `low` means none.
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
