"""The line of new on original accuracy: other confidence intervals than that over models, other fits, other scales."""

from dataclasses import dataclass, fields

import numpy as np

from evalshift.analysis.pair_statistics.basis import NO_DROP, NOT_RESAMPLED, SHARED, Basis
from evalshift.analysis.pair_statistics.missing import Missing, attempt, or_else, require
from evalshift.analysis.statistics import errors_in_variables as eiv
from evalshift.analysis.statistics.bootstraps import (
    DrawnImages,
    draw_images,
    family_bootstrap,
    image_bootstrap,
    two_way_bootstrap,
)
from evalshift.analysis.statistics.diminishing_returns import DiminishingReturns, diminishing_returns
from evalshift.analysis.statistics.line_fit import Line
from evalshift.analysis.statistics.scale_choice import ScaleFit, best_scale, compare_scales
from evalshift.errors import AnalysisError


@dataclass(frozen=True, eq=False)
class LineStatistics:
    """The line of new on original accuracy, looked at from all sides; on `scale` where nothing else is said.

    scale_fits       the line on each scale, by its error for a model that it was fitted without
    by_family        the same, fitted without the model's whole family
    york, york_own   errors-in-variables line, by binomial variances and by those of what models do not share
    over_images, over_both, over_families
                     the least-squares line with intervals over drawn images, images and models, families
    diminishing      whether the line is flatter than the images' difficulty makes it; not tested where accuracies
                     do not drop, and from counts alone
    """

    scale: str
    scale_fits: tuple[ScaleFit, ...] | Missing
    by_family: tuple[ScaleFit, ...] | Missing
    york: eiv.YorkLine | Missing
    york_own: eiv.YorkLine | Missing
    over_images: Line | Missing
    over_both: Line | Missing
    over_families: Line | Missing
    diminishing: DiminishingReturns | Missing


def line_statistics(basis: Basis) -> LineStatistics:
    """All of these; Missing where models, families or predictions are too few for a statistic to be defined."""
    drawn = _drawn(basis)
    fits = attempt(lambda: compare_scales(*basis.counts))
    return LineStatistics(
        scale=basis.scale,
        scale_fits=fits,
        by_family=attempt(lambda: _by_family(basis)),
        york=_york(basis),
        york_own=_york_own(basis),
        over_images=attempt(lambda: _over_images(basis, require(drawn))),
        over_both=attempt(lambda: _over_both(basis, require(drawn))),
        over_families=attempt(lambda: _over_families(basis)),
        diminishing=_diminishing(basis, fits),
    )


def without_line_statistics(scale: str, reason: Missing) -> LineStatistics:
    """None of these, for one reason."""
    names = [field.name for field in fields(LineStatistics) if field.name != "scale"]
    return LineStatistics(scale, **dict.fromkeys(names, reason))


def _drawn(basis: Basis) -> DrawnImages | Missing:
    if not basis.image_resamples:
        return NOT_RESAMPLED
    return basis.of_images(
        lambda original, new: draw_images(original, new, basis.image_resamples, basis.rng("images")),
        least=2,
        independent=True,
    )


def _over_images(basis: Basis, drawn: DrawnImages) -> Line:
    original, new = basis.require_correct()
    line = image_bootstrap(
        original, new, scale=basis.scale, level=basis.level, drawn=drawn, rng=basis.rng("line over images")
    )
    return _with_interval(line, "no resample of the images determines a line")


def _over_both(basis: Basis, drawn: DrawnImages) -> Line:
    line = two_way_bootstrap(
        *basis.require_correct(),
        scale=basis.scale,
        level=basis.level,
        drawn=drawn,
        rng=basis.rng(f"images and models {basis.scale}"),
    )
    return _with_interval(line, "there are fewer than three models")


def _over_families(basis: Basis) -> Line:
    _check_related(basis)
    if not basis.resamples:
        return require(NOT_RESAMPLED)
    line = family_bootstrap(
        *basis.accuracies,
        basis.families,
        scale=basis.scale,
        resamples=basis.resamples,
        level=basis.level,
        rng=basis.rng(f"families {basis.scale}"),
    )
    return _with_interval(line, "there are fewer than three families")


def _by_family(basis: Basis) -> tuple[ScaleFit, ...]:
    _check_related(basis)
    fits = compare_scales(*basis.counts, families=basis.families)
    if not any(np.isfinite(fit.rms_error) for fit in fits):
        raise AnalysisError("without a model's family there is no line")
    return fits


def _check_related(basis: Basis) -> None:
    """Raise AnalysisError where families say nothing that models do not."""
    if not basis.related:
        raise AnalysisError("no two models are of one family (`family` in the registry)")


def _york(basis: Basis) -> eiv.YorkLine | Missing:
    original_correct, original_total, new_correct, new_total = basis.counts
    return _york_line(
        basis,
        eiv.binomial_variance(original_correct, original_total),
        eiv.binomial_variance(new_correct, new_total),
    )


def _york_own(basis: Basis) -> eiv.YorkLine | Missing:
    if basis.correct is None or not basis.complete:
        return Missing("per-image predictions are not stored for all models")
    if basis.overlap:
        return Missing(SHARED)
    return _york_line(basis, *(eiv.own_variance(correct) for correct in basis.correct))


def _york_line(basis: Basis, original_variance: np.ndarray, new_variance: np.ndarray) -> eiv.YorkLine | Missing:
    return attempt(
        lambda: eiv.york_line(*basis.accuracies, original_variance, new_variance, scale=basis.scale, level=basis.level)
    )


def _diminishing(basis: Basis, fits: tuple[ScaleFit, ...] | Missing) -> DiminishingReturns | Missing:
    """On the scale with the least leave-one-out error, where accuracies drop and the images' difficulty is known."""
    if basis.mean_drop.direction < 1:
        return NO_DROP
    if basis.correct is None or not basis.complete:
        return Missing("the slope expected from the images' difficulty needs per-image predictions of all models")
    scale = best_scale(or_else(fits, ()), otherwise=basis.scale)
    return basis.of_images(
        lambda original, new: diminishing_returns(original, new, scale=scale), least=3, independent=True
    )


def _with_interval(line: Line, otherwise: str) -> Line:
    """The line. Raises AnalysisError where nothing could be drawn that gives it an interval."""
    if np.isnan(line.slope_interval.low):
        raise AnalysisError(otherwise)
    return line
