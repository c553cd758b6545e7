"""Whether the line is one: its curvature, images with a falling hit rate, and each class against original accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evalshift.analysis.pair_statistics.basis import Basis
from evalshift.analysis.pair_statistics.line_estimates import LineEstimates
from evalshift.analysis.pair_statistics.missing import Missing, attempt, either, or_missing
from evalshift.analysis.statistics.class_correlations import ClassCorrelations, class_correlations
from evalshift.analysis.statistics.curvature import Curvature, curvature
from evalshift.analysis.statistics.image_trends import HeldOutTrend, ImageTrends, held_out_trend, image_trends
from evalshift.analysis.statistics.per_class import class_accuracies
from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy
from evalshift.errors import AnalysisError


@dataclass(frozen=True, eq=False)
class SetTrends:
    """How the models' correctness on each image of one set goes with their original accuracies."""

    images: ImageTrends
    held_out: HeldOutTrend | Missing


@dataclass(frozen=True, eq=False)
class LineShape:
    """What a straight line of new on original accuracy does not show; of the models that it is fitted to.

    curvature       the quadratic term on each scale; with families where the line's interval allows for them
    original, new   trends of the images of either set
    classes         correlations of new accuracy on each class with original accuracy, on the report's scale
    """

    curvature: Mapping[str, Curvature | Missing]
    original: SetTrends | Missing
    new: SetTrends | Missing
    classes: ClassCorrelations | Missing


def line_shape(basis: Basis, estimates: Mapping[str, LineEstimates]) -> LineShape:
    """All of these for the models of the basis; `estimates` are of the same models."""
    original, new = (_trends(basis, side) for side in (0, 1))
    curves = {scale: _curvature(basis, scale, estimates[scale]) for scale in SCALES}
    return LineShape(curves, original, new, _classes(basis))


def _curvature(basis: Basis, scale: str, estimates: LineEstimates) -> Curvature | Missing:
    original_correct, original_total, new_correct, new_total = basis.counts
    by_family = either(estimates.headline, lambda line: line.by_family, lambda reason: False)
    return attempt(
        lambda: curvature(
            fitted_accuracy(original_correct, original_total, scale),
            fitted_accuracy(new_correct, new_total, scale),
            basis.covariances,
            families=basis.families if by_family else None,
            scale=scale,
            level=basis.level,
        )
    )


def _trends(basis: Basis, side: int) -> SetTrends | Missing:
    def found(*correct: np.ndarray) -> SetTrends:
        accuracy, own = correct[0].mean(axis=1), correct[side]
        return SetTrends(image_trends(accuracy, own, basis.level), attempt(lambda: held_out_trend(accuracy, own)))

    return basis.of_images(found)


@or_missing
def _classes(basis: Basis) -> ClassCorrelations:
    sides = basis.require_correct()
    original, new = (
        class_accuracies(correct, predictions.truth, len(predictions.class_names), basis.level)
        for correct, predictions in zip(sides, basis.require_predictions(), strict=True)
    )
    if original.total.shape != new.total.shape:
        raise AnalysisError("the sets have different classes")
    return class_correlations(
        np.count_nonzero(sides[0], axis=1),
        sides[0].shape[1],
        original.correct,
        original.total,
        new.correct,
        new.total,
        scale=basis.scale,
        level=basis.level,
    )
