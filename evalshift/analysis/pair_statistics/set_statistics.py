"""Statistics of the predictions on one test set: how its models compare, rank, agree and err."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from evalshift.analysis.outcomes import ImagePredictions
from evalshift.analysis.pair_statistics.missing import Missing, attempt, require
from evalshift.analysis.pair_statistics.narrow import narrowed
from evalshift.analysis.statistics.agreement import Dominance, ErrorConsistency, agreement, dominance, error_consistency
from evalshift.analysis.statistics.hard_images import HardImages, hard_images, hardest_share
from evalshift.analysis.statistics.multiplicity import adjust_pairs
from evalshift.analysis.statistics.paired import PairedComparison, compare_models
from evalshift.analysis.statistics.per_class import ClassAccuracies, class_accuracies
from evalshift.analysis.statistics.power import detectable_difference
from evalshift.analysis.statistics.rank_sets import RankSets, rank_sets
from evalshift.analysis.statistics.reuse_margins import JointMargin, joint_margin, reuse_margin, similarity_cover
from evalshift.shapes import Correct

# Of the hardest images as the paper has them (appendix B.2.5).
HARDEST_SHARE = 0.05
# With this power a comparison of two models finds the smallest difference that is reported.
POWER = 0.8


@dataclass(frozen=True, eq=False)
class PairwiseStatistics:
    """Every one of m models against every other on the images of one set; see `paired` and `agreement`.

    p_holm, p_bh   the comparison's p-values adjusted over all pairs, by Holm and by Benjamini–Hochberg
    agreement      share of images with the same top-1 prediction; None for top-5
    discordance    share of images that only one of two models classifies correctly, median over pairs
    detectable     smallest difference of two accuracies that this many images show with 80 % power, at that discordance
    """

    comparison: PairedComparison
    p_holm: Float[np.ndarray, "m m"]
    p_bh: Float[np.ndarray, "m m"]
    consistency: ErrorConsistency
    dominance: Dominance
    agreement: Float[np.ndarray, "m m"] | None
    discordance: float
    detectable: float | Missing


@dataclass(frozen=True, eq=False)
class SetStatistics:
    """How m models do on the images of one test set.

    pairs          of models; Missing for a single model
    ranks          simultaneous confidence sets
    union_margin   how far all accuracies lie from the true ones at most, by Hoeffding
    cover_margin   the same with the models' similarity; Missing for a single model
    joint          the same, approximately, from the models' covariance
    classes        accuracy on each class
    hard           images that more than half of the models miss, the hardest first; Missing for top-5
    hardest        the hardest 5 % of the images; Missing for top-5
    """

    dataset: str
    images: int
    models: tuple[str, ...]
    pairs: PairwiseStatistics | Missing
    ranks: RankSets
    union_margin: float
    cover_margin: float | Missing
    joint: JointMargin
    classes: ClassAccuracies
    hard: HardImages | Missing
    hardest: HardImages | Missing

    @property
    def missed_by_all(self) -> int | Missing:
        """How many images every model misses."""
        return attempt(lambda: int(np.sum(require(self.hard).missed == require(self.hard).models)))

    @property
    def missed_by_most(self) -> int | Missing:
        """How many images more than half of the models miss."""
        return attempt(lambda: len(require(self.hard)))


def set_statistics(
    predictions: ImagePredictions,
    metric: str,
    *,
    level: float,
    rank_rng: np.random.Generator,
    margin_rng: np.random.Generator,
) -> SetStatistics:
    """All of these from the predictions of m models on a set, at least one model on at least one image.

    Rank sets and margins are drawn, each by a generator of its own.
    """
    correct = predictions.correct(metric)
    models, images = correct.shape
    pairs = _pairwise(correct, predictions, metric, level) if models > 1 else Missing("a comparison needs two models")
    hard = hardest = Missing("hard images are defined on top-1 predictions: see top-1")
    if metric == "top1":
        # Any of several labels is as good as the first.
        predicted = (
            predictions.predicted
            if predictions.accepted is None
            else np.where(correct, predictions.labels, predictions.predicted)
        )
        hard = hard_images(predicted, predictions.labels, least=models // 2 + 1)
        hardest = hardest_share(predicted, predictions.labels, HARDEST_SHARE)
    return SetStatistics(
        dataset=predictions.dataset,
        images=images,
        models=predictions.models,
        pairs=pairs,
        ranks=rank_sets(correct, level=level, rng=rank_rng),
        union_margin=reuse_margin(images, models, level=level),
        cover_margin=attempt(lambda: _cover_margin(require(pairs), images, models, level)),
        joint=joint_margin(correct, level=level, rng=margin_rng),
        classes=class_accuracies(correct, predictions.truth, len(predictions.class_names), level),
        hard=hard,
        hardest=hardest,
    )


def _pairwise(correct: Correct, predictions: ImagePredictions, metric: str, level: float) -> PairwiseStatistics:
    comparison = compare_models(correct, level)
    above = np.triu_indices(len(correct), k=1)
    discordance = float(np.median((comparison.only + comparison.only.T)[above]) / correct.shape[1])
    return PairwiseStatistics(
        comparison=narrowed(comparison),
        p_holm=narrowed(adjust_pairs(comparison.p_value)),
        p_bh=narrowed(adjust_pairs(comparison.p_value, "benjamini-hochberg")),
        consistency=narrowed(error_consistency(correct)),
        dominance=narrowed(dominance(correct)),
        agreement=narrowed(agreement(predictions.predicted)) if metric == "top1" else None,
        discordance=discordance,
        detectable=_detectable(correct.shape[1], discordance, level),
    )


def _cover_margin(pairs: PairwiseStatistics, images: int, models: int, level: float) -> float:
    return reuse_margin(images, models, cover=similarity_cover(pairs.consistency.observed), level=level)


def _detectable(images: int, discordance: float, level: float) -> float | Missing:
    if discordance == 0:
        return Missing("most pairs of models are correct and incorrect on the same images")
    if not 1 - level < POWER:
        return Missing(f"at a level of {level:g} the rate of false positives is not below {POWER:.0%}")
    found = detectable_difference(images, discordance, power=POWER, level=level)
    if np.isnan(found):
        return Missing(f"no difference, however large, is detected with {100 * POWER:g} % power on {images:,} images")
    return found
