"""What a scatter of new against original accuracy shows, in print and on the page: accuracies in percent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from evalshift.analysis.outcomes import METRICS, Outcomes
from evalshift.analysis.pair_statistics.missing import either
from evalshift.analysis.statistics.group_lines import GroupLine
from evalshift.analysis.statistics.line_fit import LEAST_LINE_MODELS, Line
from evalshift.analysis.statistics.scales import fitted_accuracy, from_scale, to_scale
from evalshift.analysis.summary import MetricSummary
from evalshift.analysis.summary.sentences import bootstrap_span
from evalshift.analysis.tables.of_model_groups import slopes_sentence
from evalshift.analysis.tables.published_line import Against
from evalshift.evaluate.predictions import COMBINATION
from evalshift.formatting import number
from evalshift.testbed.timm_names import TRAINING_DATA

# Colours for groups of models; further groups share one.
GROUP_COLOURS = 7
_GRID = 60  # positions along a line, which is curved where it is clipped at 0 or 1
_BEYOND = 0.03  # of the range of its models, which a line is extended by at either end

Limits = tuple[float, float]
Range = tuple[float | int, float | int]  # limits as a user gives them


@dataclass(frozen=True, eq=False)
class LinePlot:
    """A fitted line over the range of its models, and the bounds of its bootstrap region.

    x, y, region  percent; no region without resamples, nor of few models
    slope         as text
    bootstrap     its bootstrap interval as text, in brackets; empty without a region
    few           whether it goes through so few models that it is drawn thin
    """

    x: Float[np.ndarray, " position"]
    y: Float[np.ndarray, " position"]
    region: tuple[Float[np.ndarray, " position"], Float[np.ndarray, " position"]] | None
    slope: str
    bootstrap: str
    level: float
    resamples: int
    few: bool = False


@dataclass(frozen=True, eq=False)
class GroupPlot:
    """A group of models that have a colour of their own, and its line.

    rows    of the table, or positions in a testbed: models of the group that is in the line of all; of a report's
            own models without those highlighted
    line    without a region; None of too few models
    number  of its colour in a report; None for models of no group, or of one of the smaller groups, which share one
    """

    title: str
    rows: tuple[int, ...]
    line: LinePlot | None
    number: int | None = None


@dataclass(frozen=True, eq=False)
class TestbedPlot:
    """The models of a published testbed that those of the report are compared with, their line, and their groups."""

    __test__ = False  # no test, for pytest

    title: str
    names: tuple[str, ...]
    x: Float[np.ndarray, " m"]
    y: Float[np.ndarray, " m"]
    line: LinePlot | None
    groups: tuple[GroupPlot, ...] = ()


@dataclass(frozen=True, eq=False)
class ScatterPlot:
    """The m models of one metric of a pair, in the order of the table.

    scale            that of the axes, on which lines are straight
    original, new    titles of the datasets
    names            titles of the models
    x, y             original and new accuracy in percent, neither 0 nor 100 on a curved scale
    x_ends, y_ends   lower and upper confidence bounds, which can be 0 or 100
    in_line          which models the line is fitted to
    framed           which models the axes must show
    left_out         families that are not in the line: title and rows of each
    highlighted      which models are highlighted
    line             of the models of the line, or of all with `everything`; None where there are too few, and for
                     fewer than five models beside those of a testbed
    all_line         of all models, where families are left out
    testbed          a published testbed behind them
    groups           the groups that models are coloured by, in the order of the legend; () for one colour
    slopes           whether the slopes of their lines differ, as a sentence; "" where that is not tested
    """

    scale: str
    metric: str
    level: float
    original: str
    new: str
    names: tuple[str, ...]
    x: Float[np.ndarray, " m"]
    y: Float[np.ndarray, " m"]
    x_ends: Float[np.ndarray, "2 m"]
    y_ends: Float[np.ndarray, "2 m"]
    in_line: Bool[np.ndarray, " m"]
    framed: Bool[np.ndarray, " m"]
    left_out: tuple[tuple[str, tuple[int, ...]], ...]
    highlighted: Bool[np.ndarray, " m"]
    line: LinePlot | None
    all_line: LinePlot | None
    testbed: TestbedPlot | None
    groups: tuple[GroupPlot, ...] = ()
    slopes: str = ""

    @property
    def kind(self) -> str:
        """What the axes show, as "top-1, %, probit scale"."""
        return f"top-{METRICS[self.metric]}, %" + ("" if self.scale == "linear" else f", {self.scale} scale")

    @property
    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """All positions on either axis that the axes must show."""
        x, y = ([values[..., self.framed].ravel() for values in both] for both in (self._x_parts, self._y_parts))
        if self.testbed is not None:
            x.append(self.testbed.x)
            y.append(self.testbed.y)
        return np.concatenate(x), np.concatenate(y)

    @property
    def _x_parts(self) -> tuple[np.ndarray, np.ndarray]:
        return self.x, self.x_ends

    @property
    def _y_parts(self) -> tuple[np.ndarray, np.ndarray]:
        return self.y, self.y_ends


def scatter_plot(summary: MetricSummary, scale: str, everything: bool = False) -> ScatterPlot:
    """The scatter of a metric on `scale`; with `everything` the axes show all models, and the line is that of all."""
    table, titles, outcomes = summary.table, summary.titles, summary.outcomes
    centres, ends = [], []
    for side in ("original", "new"):
        correct, total = (table[f"{side}_{what}"].to_numpy() for what in ("correct", "total"))
        centres.append(100 * fitted_accuracy(correct, total, scale))
        ends.append(100 * np.stack([table[f"{side}_{end}"].to_numpy() for end in ("low", "high")]))
    inside = summary.in_line
    framed = inside if inside.any() and not everything else np.ones(len(inside), bool)
    families = table["family"].fillna("").to_numpy(str)
    by_family = [
        (titles.family(family), tuple(np.flatnonzero(families == family).tolist())) for family in summary.left_out
    ]
    beside = table["model"].isin(outcomes.beside).to_numpy() & ~np.isin(families, summary.left_out)
    line = (summary.all_lines if everything and summary.left_out else summary.lines).get(scale)
    if summary.against is not None and framed.sum() < LEAST_LINE_MODELS:
        line = None
    return ScatterPlot(
        scale=scale,
        metric=outcomes.metric,
        level=summary.level,
        original=titles.dataset(outcomes.original),
        new=titles.dataset(outcomes.new),
        names=tuple(table["title"]),
        x=centres[0],
        y=centres[1],
        x_ends=ends[0],
        y_ends=ends[1],
        in_line=inside,
        framed=framed | summary.highlighted,
        highlighted=summary.highlighted,
        left_out=(*by_family, *_beside(summary, beside & ~summary.highlighted)),
        line=line_plot(line, centres[0][framed]),
        all_line=line_plot(summary.all_lines.get(scale), centres[0]) if summary.left_out else None,
        testbed=None if summary.against is None else _testbed_plot(summary.against, scale),
        groups=_groups(summary, scale, centres[0]),
        slopes=_slopes(summary),
    )


def _beside(summary: MetricSummary, beside: np.ndarray) -> list[tuple[str, tuple[int, ...]]]:
    """Models that lines leave out whatever their family: combinations of others, and those added to published ones."""
    sources = summary.outcomes.attributes
    combined = np.array([sources.get(model, {}).get("source") == COMBINATION for model in summary.table["model"]])
    parts = ("Combinations", beside & combined), ("Added", beside & ~combined)
    return [(title, tuple(np.flatnonzero(rows).tolist())) for title, rows in parts if rows.any()]


def _groups(summary: MetricSummary, scale: str, x: np.ndarray) -> tuple[GroupPlot, ...]:
    """The largest groups in their order, then all other models; none where no colours were requested."""
    found = summary.statistics.group_slopes
    if found is None:
        return ()
    names, models = np.array([name or "" for name in summary.groups]), summary.table["model"].to_numpy()
    of_group = {name: np.flatnonzero(names == name) for name in found.groups.order}
    largest = sorted(of_group, key=lambda name: -len(of_group[name]))[:GROUP_COLOURS]
    lines = {line.name: line for line in found.lines[scale].lines} if scale in found.lines else {}
    coloured = [name for name in found.groups.order if name in largest]
    plots = []
    for number_, name in enumerate(coloured):
        line = lines.get(name)
        through = {summary.outcomes.models[model] for model in line.models} if line else set()
        inside = np.array([model in through for model in models])
        drawn = None if line is None else _group_line(line, x[inside], scale, summary.level)
        plots.append(GroupPlot(name, _drawn(summary, of_group[name]), drawn, number_))
    rest = np.flatnonzero(~np.isin(names, coloured))
    title = "Not known" if set(names[rest].tolist()) <= {""} else "Others"
    return (*plots, *([GroupPlot(title, _drawn(summary, rest), None, None)] if len(rest) else []))


def _drawn(summary: MetricSummary, rows: np.ndarray) -> tuple[int, ...]:
    return tuple(rows[summary.in_line[rows] & ~summary.highlighted[rows]].tolist())


def _group_line(line: GroupLine, x: np.ndarray, scale: str, level: float) -> LinePlot:
    """The line of one group over the range of its models."""
    on_scale = position(x, scale) if scale != "linear" else x / 100
    beyond = _BEYOND * float(np.ptp(on_scale))
    grid = np.linspace(on_scale.min() - beyond, on_scale.max() + beyond, _GRID)
    percents = [100 * from_scale(one, scale) for one in (grid, line.slope * grid + line.offset)]
    return LinePlot(percents[0], percents[1], None, number(line.slope), "", level, 0)


def _slopes(summary: MetricSummary) -> str:
    found = summary.statistics.group_slopes
    return "" if found is None else either(found.slopes, slopes_sentence, lambda reason: "")


def line_plot(line: Line | None, x: Float[np.ndarray, " m"]) -> LinePlot | None:
    """A line over the range of the models at `x` (percent), a little extended, on the scale of its fit.

    It is not extrapolated further: no model supports it there.
    """
    if line is None or not len(x):
        return None
    on_scale = position(x, line.scale)
    beyond = _BEYOND * float(np.ptp(on_scale))
    grid = np.linspace(on_scale.min() - beyond, on_scale.max() + beyond, _GRID)
    accuracy = np.clip(percent_at(grid, line.scale), 0, 100) / 100
    region, span, few = None, "", line.models < LEAST_LINE_MODELS
    # Of a handful of models most resamples hold one or two of them: their lines fill the axes and say nothing.
    if not few and not np.isnan(line.slope_interval.low):
        around = line.region(accuracy)
        region, span = (100 * around.low, 100 * around.high), bootstrap_span(line)
    return LinePlot(
        100 * accuracy,
        100 * line.predict(accuracy),
        region,
        number(line.slope),
        span,
        line.level,
        line.resamples,
        few,
    )


def _testbed_plot(against: Against, scale: str) -> TestbedPlot:
    outcomes: Outcomes = against.outcomes
    original_correct, original_total, new_correct, new_total = outcomes.counts
    x = 100 * fitted_accuracy(original_correct, original_total, scale)
    y = 100 * fitted_accuracy(new_correct, new_total, scale)
    names = tuple(map(outcomes.titles.model, outcomes.models))
    lines = against.group_lines.get(scale, {})
    groups = tuple(
        GroupPlot(TRAINING_DATA.get(name, name), tuple(rows.tolist()), line_plot(lines.get(name), x[rows]))
        for name, rows in against.groups.items()
    )
    # One group alone is the testbed.
    shown = groups if len(groups) > 1 else ()
    return TestbedPlot(against.title, names, x, y, line_plot(against.lines.get(scale), x), shown)


def position(percent: np.ndarray, scale: str) -> np.ndarray:
    """Where percentages are on an axis of `scale`: percentages on the linear one, Φ⁻¹ or log-odds on the others.

    On the linear scale values may leave [0, 100], as those of a line do; on the others they end at infinity.
    """
    if scale == "linear":
        return np.asarray(percent, float)
    with np.errstate(divide="ignore"):
        return to_scale(np.clip(np.asarray(percent, float) / 100, 0, 1), scale)


def percent_at(place: np.ndarray, scale: str) -> np.ndarray:
    """The inverse of `position`."""
    place = np.asarray(place, float)
    return place if scale == "linear" else 100 * from_scale(place, scale)


def common_limits(plots: Sequence[ScatterPlot], margin: float = 0.05) -> Limits:
    """Limits in percent for both axes, shared by all plots, which have one scale."""
    values = np.concatenate([part for plot in plots for part in plot.extent])
    low, high = _span(position(values, plots[0].scale), margin)
    return _in_percent(low, high, plots[0].scale)


def own_limits(plot: ScatterPlot, margin: float = 0.05) -> tuple[Limits, Limits]:
    """Limits in percent for the original and the new axis of one plot, each as wide as its models need."""
    x, y = (_span(position(part, plot.scale), margin) for part in plot.extent)
    return _in_percent(*x, plot.scale), _in_percent(*y, plot.scale)


def equal_limits(plots: Sequence[ScatterPlot], margin: float = 0.05) -> list[tuple[Limits, Limits]]:
    """Limits in percent for the original and the new axis of each plot; each panel is square, in equal units.

    All panels have the length of the longest, so that a point is as long in each, but those that would be less than
    half filled.
    """
    spans = [[_span(position(part, plot.scale), margin) for part in plot.extent] for plot in plots]
    lengths = [max(high - low for low, high in both) for both in spans]
    longest = max(lengths)
    found = []
    for plot, both, length in zip(plots, spans, lengths, strict=True):
        taken = longest if length > longest / 2 else length
        x, y = (_in_percent(*_stretched(*one, taken, plot.scale), plot.scale) for one in both)
        found.append((x, y))
    return found


def _span(values: np.ndarray, margin: float) -> Limits:
    """All finite values, with a margin."""
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    beyond = margin * (high - low) or margin
    return low - beyond, high + beyond


def _stretched(low: float, high: float, length: float, scale: str) -> Limits:
    """Limits of this length around these; on the linear scale no more than needed of what no accuracy can be."""
    missing = (length - (high - low)) / 2
    low, high = low - missing, high + missing
    if scale == "linear":
        top = max(high - missing, 102.0)
        low, high = (low - (high - top), top) if high > top else (low, high)
    return low, high


def _in_percent(low: float, high: float, scale: str) -> Limits:
    first, last = percent_at(np.array([low, high]), scale)
    return float(first), float(last)
