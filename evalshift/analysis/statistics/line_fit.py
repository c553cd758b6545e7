"""The line of new on original accuracy, and its bootstrap confidence intervals over models."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from evalshift.analysis.statistics.draws import batches, check_resamples, drawn_counts
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.least_squares import weighted_least_squares
from evalshift.analysis.statistics.percentiles import central_bounds
from evalshift.analysis.statistics.scales import check_accuracies, check_scale, from_scale, to_scale
from evalshift.errors import AnalysisError
from evalshift.formatting import counted

# A line through fewer models predicts others poorly: it is drawn thin, and no distances from it are given.
LEAST_LINE_MODELS = 5
_LINES_IN_A_CHUNK = 300_000
# 0 and 1 lie at infinity on the probit and logit scales. A huge finite value instead maps back to exactly 0 or 1 and
# avoids 0·∞ and ∞ − ∞.
_FAR = 1e100


@dataclass(frozen=True)
class Line:
    """Least squares of new on original accuracy over `models` models, on `scale`; see `fit_line`.

    slope and offset are in units of the scale: on linear an offset of −0.2 is −20 percentage points. The intervals
    are at `level`, over resampled models. `resamples` is the requested number; `slopes` and `offsets` are those of the
    resamples that define a line, shape (line,).
    """

    scale: str
    slope: float
    offset: float
    r2: float
    slope_interval: Interval[float]
    offset_interval: Interval[float]
    level: float
    resamples: int
    models: int
    slopes: Float[np.ndarray, " line"] = field(repr=False, compare=False)
    offsets: Float[np.ndarray, " line"] = field(repr=False, compare=False)
    # Regions by their accuracies: figures and page need the same ones, and 100,000 lines take a tenth of a second.
    _regions: dict[bytes, Interval[np.ndarray]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def predict(self, accuracy: Float[np.ndarray, " point"]) -> Float[np.ndarray, " point"]:
        """New accuracy that the line predicts for original accuracies in [0, 1]; fractions, shape (point,).

        On the linear scale, predictions can lie outside [0, 1]; they are not cut off.
        Raises ValueError for the first accuracy outside [0, 1].
        """
        return from_scale(self.slope * _within_reach(accuracy, self.scale) + self.offset, self.scale)

    def region(self, accuracy: Float[np.ndarray, " point"]) -> Interval[np.ndarray]:
        """The region of the resampled lines: at each original accuracy, the central `level` of their new accuracies.

        Takes and returns fractions in [0, 1], shape (point,); percentiles are computed on the fitted scale and mapped
        back. The region is pointwise: a share `level` of the lines lies inside at each x, fewer at all x together. NaN
        if the line has no resamples.
        Raises ValueError for the first accuracy outside [0, 1].
        """
        key = accuracy.tobytes()
        if key not in self._regions:
            self._regions[key] = self._region_at(_within_reach(accuracy, self.scale))
        return self._regions[key]

    def _region_at(self, x: np.ndarray) -> Interval[np.ndarray]:
        step = max(1, _LINES_IN_A_CHUNK // max(1, len(self.slopes)))
        bounds = np.full((2, len(x)), np.nan)
        for start in range(0, len(x), step):
            points = slice(start, start + step)
            bounds[:, points] = central_bounds(x[points, np.newaxis] * self.slopes + self.offsets, self.level)
        low, high = from_scale(bounds, self.scale)
        for bound in (low, high):
            bound.flags.writeable = False  # read-only, because the next caller gets the same arrays
        return Interval(low, high)


def fit_line(
    original_accuracy: Float[np.ndarray, " model"],
    new_accuracy: Float[np.ndarray, " model"],
    *,
    scale: str = "linear",
    resamples: int = 100_000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> Line:
    """Least-squares line of new on original accuracy, with percentile intervals from a bootstrap over models.

    Takes fractions in [0, 1] over models, finite on `scale` (see `scales.fitted_accuracy`). Slope, offset and R² are on
    the fitted scale. R² is NaN if all new accuracies are equal, and for two models, which a line always fits. The
    intervals are NaN if `resamples` is 0, and for two models, whose line is the same in every resample. A resample in
    which all original accuracies are equal has no slope: it is left out of the percentiles and of `Line.slopes`. With m
    models, that is one resample in m^(m−1): 1 in 9 for three models, 1 in 625 for five.
    Raises AnalysisError for fewer than two models or a single original accuracy, ValueError for an invalid scale,
    level, number of resamples, length or accuracy.
    Source: Recht et al. 2019, section 3.3 and appendix C.2; Efron 1979, Annals of Statistics 7(1), 1-26.

    >>> original, new = np.array([0.5, 0.6, 0.7, 0.8]), np.array([0.30, 0.42, 0.50, 0.62])
    >>> line = fit_line(original, new, resamples=1000, rng=np.random.default_rng(0))
    >>> round(line.slope, 6), round(line.offset, 6), line.predict(np.array([0.9])).round(6)
    (1.04, -0.216, array([0.72]))
    """
    check_scale(scale)
    check_level(level)
    check_resamples(resamples)
    x, y = line_points(original_accuracy, new_accuracy, scale)
    slope, offset = weighted_least_squares(x[np.newaxis], y[np.newaxis], np.ones((1, len(x))))[:, 0]
    # Two models: every resample that defines a line gives the same one, and an interval without width would mislead.
    count = resamples if len(x) > 2 else 0
    lines = resampled_lines(x, y, count, rng)
    slopes, offsets = lines[:, np.isfinite(lines[0])]
    return Line(
        scale=scale,
        slope=float(slope),
        offset=float(offset),
        r2=_r2(x, y, slope, offset),
        slope_interval=_percentile_interval(slopes, level),
        offset_interval=_percentile_interval(offsets, level),
        level=level,
        resamples=resamples,
        models=len(x),
        slopes=slopes,
        offsets=offsets,
    )


def resampled_lines(
    x: Float[np.ndarray, " model"], y: Float[np.ndarray, " model"], resamples: int, rng: np.random.Generator
) -> Float[np.ndarray, "2 resample"]:
    """Slopes and offsets of least-squares lines through resamples of the models; NaN if a resample has a single x.

    The models are drawn with replacement (the ordinary bootstrap, as in `scipy.stats.bootstrap`). The number of times
    that a model is drawn is its weight in the line, so that a batch of lines is one matrix product.
    """
    lines = np.empty((2, resamples))
    done = 0
    for count in batches(resamples, len(x)):
        weights = drawn_counts(rng, count, len(x)).astype(np.float64)
        lines[:, done : done + count] = weighted_least_squares(x[np.newaxis], y[np.newaxis], weights)
        done += count
    return lines


def line_points(original: np.ndarray, new: np.ndarray, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """Both accuracies on the scale; raises what `fit_line` raises if no line can be fitted to them."""
    if original.shape != new.shape:
        raise ValueError(f"found {len(original)} original and {len(new)} new accuracies; expected one per model")
    x = _finite(original, "original_accuracy", scale)
    y = _finite(new, "new_accuracy", scale)
    check_distinct(x, y, scale)
    return x, y


def check_distinct(x: np.ndarray, y: np.ndarray, scale: str) -> None:
    """Raise AnalysisError if the models do not differ in original accuracy, or not in new accuracy."""
    for side, values in (("original", x), ("new", y)):
        distinct, accuracy = len(np.unique(values)), f"distinct {side} accurac"
        if distinct < 2:
            accuracies = counted(distinct, f"{accuracy}y", f"{accuracy}ies")
            raise AnalysisError(
                "no line can be fitted",
                where=f"line of new on original accuracy, {scale} scale",
                found=f"{counted(len(x), 'model')} with {accuracies}",
                expected="at least 2 models that differ in original and in new accuracy",
                fix="evaluate more models on both test sets",
            )


def _finite(accuracy: np.ndarray, name: str, scale: str) -> np.ndarray:
    check_accuracies(accuracy, name)
    value = to_scale(accuracy, scale)
    endless = ~np.isfinite(value)
    if endless.any():
        first = int(np.argmax(endless))
        raise ValueError(
            f"{name}[{first}]: found {accuracy[first]}, which is {value[first]} on the {scale} scale; "
            "expected a finite value (scales.fitted_accuracy gives one)"
        )
    return value


def _r2(x: np.ndarray, y: np.ndarray, slope: float, offset: float) -> float:
    if np.ptp(y) == 0 or len(y) < 3:
        return float("nan")
    residual = y - (slope * x + offset)
    return float(1 - residual @ residual / np.sum((y - y.mean()) ** 2))


def _percentile_interval(draws: np.ndarray, level: float) -> Interval[float]:
    low, high = central_bounds(draws, level)
    return Interval(float(low), float(high))


def _within_reach(accuracy: np.ndarray, scale: str) -> np.ndarray:
    return np.clip(to_scale(accuracy, scale), -_FAR, _FAR)
