"""Whether the line is one: its curvature, images with a falling hit rate, and each class against original accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evalshift.analysis.pair_statistics.basis import ONLY_COUNTS, Basis
from evalshift.analysis.pair_statistics.line_estimates import LineEstimates
from evalshift.analysis.pair_statistics.missing import Missing, attempt
from evalshift.analysis.statistics.class_correlations import ClassCorrelations, class_correlations
from evalshift.analysis.statistics.curvature import Curvature, curvature
from evalshift.analysis.statistics.image_trends import HeldOutTrend, ImageTrends, held_out_trend, image_trends
from evalshift.analysis.statistics.per_class import class_accuracies
from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy


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
    headline = estimates.headline
    by_family = not isinstance(headline, Missing) and headline.by_family
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
    if basis.correct is None:
        return ONLY_COUNTS
    accuracy, correct = basis.correct[0].mean(axis=1), basis.correct[side]
    found = attempt(lambda: image_trends(accuracy, correct, basis.level))
    if isinstance(found, Missing):
        return found
    return SetTrends(found, attempt(lambda: held_out_trend(accuracy, correct)))


def _classes(basis: Basis) -> ClassCorrelations | Missing:
    if basis.correct is None or basis.predictions is None:
        return ONLY_COUNTS
    original, new = (
        class_accuracies(correct, predictions.truth, len(predictions.class_names), basis.level)
        for correct, predictions in zip(basis.correct, basis.predictions, strict=True)
    )
    if original.total.shape != new.total.shape:
        return Missing("the sets have different classes")
    images = basis.correct[0].shape[1]
    correct = np.count_nonzero(basis.correct[0], axis=1)
    return attempt(
        lambda: class_correlations(
            correct,
            images,
            original.correct,
            original.total,
            new.correct,
            new.total,
            scale=basis.scale,
            level=basis.level,
        )
    )
