"""Bootstraps of the line of new on original accuracy over images, models, and families of models."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from evalshift.analysis.statistics.draws import batches, check_resamples, drawn_counts
from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.statistics.least_squares import weighted_least_squares
from evalshift.analysis.statistics.line_fit import Line, fit_line
from evalshift.analysis.statistics.percentiles import central_bounds
from evalshift.analysis.statistics.scales import fitted_accuracy, to_scale

# 32 MB of resampling counts: their matrix product with the correctness on all images is fast for many rows at once. The
# two sets are drawn in turn, so another batch size would give other draws.
_IMAGES_IN_A_BATCH, _IMAGES_AT_ONCE = 4_000_000, 1_000_000


@dataclass(frozen=True, eq=False)
class DrawnImages:
    """Correct predictions per model on resampled images of both test sets, one row per resample; see `draw_images`."""

    original: Int[np.ndarray, "resample model"]
    new: Int[np.ndarray, "resample model"]
    original_total: int
    new_total: int

    def __len__(self) -> int:
        return len(self.original)


def draw_images(
    original: Bool[np.ndarray, "model image"],
    new: Bool[np.ndarray, "model new_image"],
    resamples: int,
    rng: np.random.Generator,
) -> DrawnImages:
    """Resample the images of each set with replacement, the same resamples for all models.

    Takes which images of each set each model classifies correctly, one row per model. Resampling takes nearly all the
    time of a bootstrap over images, so several lines can share one result.
    Raises ValueError for a negative number of resamples, or a single one.
    """
    check_resamples(resamples)
    # Counts below 2^24 are exact in float32, in which products take half the time.
    columns = [correct.T.astype(np.float32) for correct in (original, new)]
    counts = tuple(np.empty((resamples, len(original)), dtype=np.int64) for _ in columns)
    start = 0
    for size in batches(resamples, max(original.shape[1], new.shape[1]), _IMAGES_IN_A_BATCH):
        for side, count in zip(columns, counts, strict=True):
            # A few rows at a time (the draws are the same): a whole batch would take 130 MB.
            done = start
            for rows in batches(size, len(side), _IMAGES_AT_ONCE):
                count[done : done + rows] = drawn_counts(rng, rows, len(side)).astype(np.float32) @ side
                done += rows
        start += size
    return DrawnImages(counts[0], counts[1], original.shape[1], new.shape[1])


def image_bootstrap(
    original: Bool[np.ndarray, "model image"],
    new: Bool[np.ndarray, "model new_image"],
    *,
    scale: str = "linear",
    resamples: int = 2000,
    level: float = 0.95,
    drawn: DrawnImages | None = None,
    rng: np.random.Generator,
) -> Line:
    """The least-squares line with intervals from resampled images of both test sets.

    Takes which images of each set each model classifies correctly, one row per model. The images of each set are
    resampled with replacement, with the same resample for all models, so that correlated errors stay correlated; the
    models are held fixed. Returns the `Line` of `fit_line` with other draws and intervals: each resampled slope and
    offset is mirrored at the observed one (the basic bootstrap), because noise in the original accuracies flattens the
    observed line once and a resampled line twice. `drawn`, if given, is used instead of `resamples` new draws.
    Raises what `fit_line` raises.
    Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, section 5.2 (basic interval).
    """
    line = _observed(original, new, scale, level)
    drawn = draw_images(original, new, resamples, rng) if drawn is None else drawn
    draws = weighted_least_squares(*_accuracies(drawn, scale), np.ones((1, line.models)))
    return _with_draws(line, [draws], len(drawn), mirrored=True)


def two_way_bootstrap(
    original: Bool[np.ndarray, "model image"],
    new: Bool[np.ndarray, "model new_image"],
    *,
    families: Sequence[str | None] | None = None,
    scale: str = "linear",
    resamples: int = 2000,
    level: float = 0.95,
    drawn: DrawnImages | None = None,
    rng: np.random.Generator,
) -> Line:
    """The least-squares line with intervals over resampled images and models (two-way bootstrap).

    Like `image_bootstrap`, but each resample also draws the models with replacement, independently of the images; whole
    families if `families` names one for each model (see `family_bootstrap`). Conservative: variation specific to one
    model on one image is counted twice. With fewer than three models or families, the intervals are NaN.
    Raises what `fit_line` raises, and ValueError if there is not one family per model.
    Source: Owen 2007, The pigeonhole bootstrap, Annals of Applied Statistics 1(2), 386-411.
    """
    line = _observed(original, new, scale, level)
    group = family_groups(families, line.models)
    drawn = draw_images(original, new, resamples, rng) if drawn is None else drawn
    draws = weighted_least_squares(*_accuracies(drawn, scale), drawn_weights(rng, len(drawn), group))
    return _with_draws(line, [draws] if _enough(group) else [], len(drawn), mirrored=True)


def family_bootstrap(
    original_accuracy: Float[np.ndarray, " model"],
    new_accuracy: Float[np.ndarray, " model"],
    families: Sequence[str | None],
    *,
    scale: str = "linear",
    resamples: int = 100_000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> Line:
    """The least-squares line with intervals from resampled families of models (cluster bootstrap).

    Takes the arguments of `fit_line` and each model's family; a model without one (None) is a family of its own. Whole
    families are drawn with replacement, because related models are not independent evidence. With fewer than three
    families, the intervals are NaN.
    Raises what `fit_line` raises, and ValueError if there is not one family per model.
    Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8 (strategy 1).
    """
    line = fit_line(original_accuracy, new_accuracy, scale=scale, resamples=0, level=level, rng=rng)
    check_resamples(resamples)
    group = family_groups(families, line.models)
    x, y = to_scale(original_accuracy, scale)[np.newaxis], to_scale(new_accuracy, scale)[np.newaxis]
    draws = [
        weighted_least_squares(x, y, drawn_weights(rng, count, group)) for count in batches(resamples, line.models)
    ]
    return _with_draws(line, draws if _enough(group) else [], resamples)


def family_groups(families: Sequence[str | None] | None, models: int) -> Int[np.ndarray, " model"]:
    """Each model's family as a number from 0. A model without one (None) is a family of its own; `None`: all are.

    Raises ValueError if there is not one family per model.

    >>> family_groups(["vgg", "resnet", None, "vgg"], 4)
    array([0, 1, 2, 0])
    """
    if families is None:
        return np.arange(models)
    if len(families) != models:
        raise ValueError(f"families: found {len(families)} for {models} models; expected one per model")
    known: dict[str | int, int] = {}
    keys = (model if name is None else name for model, name in enumerate(families))
    return np.array([known.setdefault(key, len(known)) for key in keys])


def drawn_weights(
    rng: np.random.Generator, resamples: int, group: Int[np.ndarray, " model"]
) -> Float[np.ndarray, "resample model"]:
    """How often each model occurs when whole groups of models are resampled with replacement.

    Takes each model's group, numbered from 0; if every model is a group of its own, this is the ordinary bootstrap.
    """
    groups = int(group.max()) + 1
    return drawn_counts(rng, resamples, groups)[:, group].astype(np.float64)


def _accuracies(drawn: DrawnImages, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """Resampled accuracies on the scale, shapes (resample, model)."""
    return (
        _accuracy_on_scale(drawn.original, drawn.original_total, scale),
        _accuracy_on_scale(drawn.new, drawn.new_total, scale),
    )


def _accuracy_on_scale(correct: np.ndarray, total: int, scale: str) -> np.ndarray:
    counts = correct.ravel()
    return to_scale(fitted_accuracy(counts, np.full_like(counts, total), scale), scale).reshape(correct.shape)


def _observed(original: np.ndarray, new: np.ndarray, scale: str, level: float) -> Line:
    accuracies = (
        fitted_accuracy(correct.sum(axis=1), np.full(len(correct), correct.shape[1]), scale)
        for correct in (original, new)
    )
    return fit_line(*accuracies, scale=scale, resamples=0, level=level, rng=np.random.default_rng(0))


def _with_draws(line: Line, draws: list[np.ndarray], resamples: int, mirrored: bool = False) -> Line:
    """The line with these draws instead of its own; like `fit_line`, leaves out draws without a slope."""
    slopes, offsets = np.concatenate(draws, axis=1) if draws else np.empty((2, 0))
    defined = np.isfinite(slopes)
    slopes, offsets = slopes[defined], offsets[defined]
    if mirrored:
        slopes, offsets = 2 * line.slope - slopes, 2 * line.offset - offsets
    return replace(
        line,
        resamples=resamples,
        slopes=slopes,
        offsets=offsets,
        slope_interval=_percentile_interval(slopes, line.level),
        offset_interval=_percentile_interval(offsets, line.level),
    )


def _percentile_interval(draws: np.ndarray, level: float) -> Interval[float]:
    low, high = central_bounds(draws, level)
    return Interval(float(low), float(high))


def _enough(group: np.ndarray) -> bool:
    # Resamples of one or two groups give only two or three different lines, whose intervals would look far too certain.
    return bool(group.max() > 1)
