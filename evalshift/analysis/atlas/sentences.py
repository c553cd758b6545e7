"""Findings on a pair of a published testbed, as sentences."""

import math

import numpy as np

from evalshift.analysis.atlas.pair_lines import LEVEL, SCALE, PairLines
from evalshift.analysis.statistics.group_lines import GroupLine
from evalshift.analysis.statistics.scales import from_scale
from evalshift.formatting import counted, number, p_words, percent, points, points_ci
from evalshift.testbed.timm_names import TRAINING_DATA

_MOST_NAMED = 12


def pair_findings(lines: PairLines) -> tuple[str, ...]:
    """The line of all models, the lines by training data, the models far from the line, and notes on both sets."""
    sets = (lines.outcomes.original, lines.outcomes.new)
    notes = (
        f"{lines.outcomes.titles.dataset(name)}: {note}." for name in sets if (note := lines.testbed.notes.get(name))
    )
    return tuple(filter(None, (_line(lines), _groups(lines), _off_line(lines), *notes)))


def _line(lines: PairLines) -> str:
    models = int(lines.in_line.sum())
    if math.isnan(lines.slope):
        return f"No line: {counted(models, 'model')}."
    residual = (lines.y - lines.slope * lines.x - lines.offset)[lines.in_line]
    spread = np.sum((lines.y[lines.in_line] - lines.y[lines.in_line].mean()) ** 2)
    r2 = 1 - np.sum(residual**2) / spread
    return (
        f"The line through {models:,} models has slope {number(lines.slope)} on the {SCALE} scale "
        f"(R² = {number(float(r2), 3)})."
    )


def _groups(lines: PairLines) -> str:
    """How far the models of each group lie above the line of the largest."""
    first, *others = lines.groups.lines or (None,)
    if first is None or not others:
        return ""
    parts = [f"those trained on {_title(line)} ({line.members:,}) {_above(first, line)}" for line in others]
    start = f"Compared with the line of the {first.members:,} models trained on {_title(first)}, "
    return f"{start}{'; '.join(parts)}. Intervals take models of one family as correlated."


def _title(line: GroupLine) -> str:
    return TRAINING_DATA.get(line.name, line.name)


def _above(first: GroupLine, line: GroupLine) -> str:
    distance = group_points(first, line, line.above)
    words = f"are {points(abs(distance))} points {'above' if distance >= 0 else 'below'} it on average"
    if math.isnan(line.above_interval.low):
        return f"{words} (one family alone)"
    sign = 1 if distance >= 0 else -1
    low, high = (
        sign * group_points(first, line, bound) for bound in (line.above_interval.low, line.above_interval.high)
    )
    return f"{words} ({points_ci(low, high, LEVEL)})"


def group_points(first: GroupLine, line: GroupLine, above: float) -> float:
    """A distance above the first line on the scale as a difference of accuracies, at the mean of the group's models."""
    on_line = first.slope * line.at + first.offset
    high, low = from_scale(np.array([on_line + above, on_line]), SCALE)
    return float(high - low)


def _off_line(lines: PairLines) -> str:
    tested = int(np.isfinite(lines.p_holm).sum())
    if not tested:
        return ""
    off = lines.off_line
    null = f"(Holm over {tested:,} models; each against the line of the other models and their scatter about it)"
    if not len(off):
        return f"No model is significantly above or below the line {null}."
    named = [f"{lines.outcomes.titles.model(lines.outcomes.models[model])} {_off(lines, model)}" for model in off]
    more = f" and {len(off) - _MOST_NAMED} more" if len(off) > _MOST_NAMED else ""
    verb = "model is" if len(off) == 1 else "models are"
    return f"{len(off):,} {verb} significantly above or below the line {null}: {', '.join(named[:_MOST_NAMED])}{more}."


def _off(lines: PairLines, model: int) -> str:
    distance = float(lines.distance[model])
    sign = "+" if distance > 0 else "−"
    return f"({sign}{percent(abs(distance))} points, {p_words(float(lines.p_holm[model]))})"
