"""The line of new on original accuracy with the confidence intervals that the report gives first, on every scale."""

from dataclasses import dataclass, replace

from evalshift.analysis.pair_statistics.basis import ONLY_COUNTS, Basis
from evalshift.analysis.pair_statistics.missing import Missing, attempt, or_else
from evalshift.analysis.statistics.line_intervals import LineEstimate, cluster_robust_line, random_effects_line
from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy

# A variance between families takes the place of one between models where it makes the interval this much wider. Where
# families do not go together it makes little difference with many of them, and is poorly known with few.
_MATTERS = 1.2
_NO_FAMILIES = Missing("fewer than three families have several models (`family` in the registry)")


@dataclass(frozen=True, eq=False)
class LineEstimates:
    """The line on one scale, with intervals from all that is known and from counts alone.

    models_and_images     from the predictions on each image, models independent; Missing from counts alone
    families_and_images   the same with a variance between families; Missing where no two models are of one family
    counts                from accuracies alone, clustered by family where families are known
    """

    models_and_images: LineEstimate | Missing
    families_and_images: LineEstimate | Missing
    counts: LineEstimate | Missing

    @property
    def headline(self) -> LineEstimate | Missing:
        """That which stands for the line: with sampling error of the images where that is known, otherwise by counts.

        Families are allowed for where that makes the interval of the slope wider by a fifth or more.
        """
        models = or_else(self.models_and_images, None)
        if models is None:
            return self.counts
        families = or_else(self.families_and_images, models)
        return families if _width(families) >= _MATTERS * _width(models) else models

    @property
    def clustered(self) -> bool:
        """Whether `counts` are clustered by family."""
        counts = or_else(self.counts, None)
        return counts is not None and counts.by_family


def line_estimates(basis: Basis) -> dict[str, LineEstimates]:
    """These on each scale, through the models of the basis."""
    return {scale: _on_scale(basis, scale) for scale in SCALES}


def _on_scale(basis: Basis, scale: str) -> LineEstimates:
    original_correct, original_total, new_correct, new_total = basis.counts
    accuracies = (
        fitted_accuracy(original_correct, original_total, scale),
        fitted_accuracy(new_correct, new_total, scale),
    )
    families = basis.families
    counts = attempt(lambda: cluster_robust_line(*accuracies, families=families, scale=scale, level=basis.level))
    covariances = basis.covariances
    if covariances is None:
        return LineEstimates(ONLY_COUNTS, ONLY_COUNTS, counts)
    models = attempt(lambda: random_effects_line(*accuracies, covariances, scale=scale, level=basis.level))
    without = LineEstimates(models, _NO_FAMILIES, counts)
    if not without.clustered:
        return without
    by_family = attempt(
        lambda: random_effects_line(*accuracies, covariances, families=families, scale=scale, level=basis.level)
    )
    return replace(without, families_and_images=by_family)


def _width(line: LineEstimate) -> float:
    return line.slope_interval.high - line.slope_interval.low
