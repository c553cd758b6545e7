"""The table of the groups that models are coloured by: the line of each, and how far it lies above the first."""

import math

import numpy as np

from evalshift.analysis.pair_statistics.group_slopes import GroupSlopes
from evalshift.analysis.pair_statistics.missing import either
from evalshift.analysis.statistics.equal_slopes import EqualSlopes
from evalshift.analysis.statistics.group_lines import GroupLine
from evalshift.analysis.statistics.scales import from_scale
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table
from evalshift.formatting import number, p_words


def model_groups_table(data: TableData) -> StatisticTable | None:
    """One row per group of models; None where no groups were requested."""
    found = data.statistics.group_slopes
    if found is None:
        return None
    fitted = found.lines[found.scale].lines
    lines = {line.name: line for line in fitted}
    counts = {name: found.groups.names.count(name) for name in found.groups.order}
    unknown = sum(name is None for name in found.groups.names)
    rows = [_row(name, counts[name], lines.get(name), fitted[:1], found.scale) for name in found.groups.order]
    if unknown or not rows:
        rows.append(_row("not known", unknown, None, (), found.scale))
    largest = f"that of {fitted[0].name}, the largest group" if fitted else "that of the largest group"
    return make_table(
        "model_groups",
        f"Models by {found.groups.title.lower()}",
        {key: [row[key] for row in rows] for key in rows[0]},
        [
            Column("group", found.groups.title, "text"),
            Column("models", "Models", "count"),
            Column("in_line", "In its line", "count"),
            bounded("slope", "Slope", "number"),
            Column("offset", "Offset"),
            bounded("above", "Above the first line (points)", "points"),
        ],
        f"{found.scale.capitalize()} scale, {100 * data.statistics.level:g} % intervals. A group has a line through "
        "its models, without those significantly off it, if there are at least six. Above the first line: mean "
        f"distance from {largest} with a line, at the mean original accuracy of the group; its interval takes models "
        f"of one family as correlated. {_slopes_words(found)}",
        empty="A group of too few models has no line, and one of a single family no interval of its distance.",
    )


def _row(name: str, models: int, line: GroupLine | None, first: tuple[GroupLine, ...], scale: str) -> dict:
    nothing = dict.fromkeys(("slope", "slope_low", "slope_high", "offset", "above", "above_low", "above_high"), np.nan)
    if line is None:
        return {"group": name, "models": models, "in_line": 0, **nothing}
    above = (line.above, line.above_interval.low, line.above_interval.high)
    bounds = [_points(first[0], line, value, scale) for value in above]
    return {
        "group": name,
        "models": models,
        "in_line": len(line.models),
        "slope": line.slope,
        "slope_low": line.slope_interval.low,
        "slope_high": line.slope_interval.high,
        "offset": line.offset,
        **dict(zip(("above", "above_low", "above_high"), bounds, strict=True)),
    }


def _points(first: GroupLine, line: GroupLine, above: float, scale: str) -> float:
    """A distance above the first line on the scale as a difference of accuracies, a fraction."""
    if math.isnan(above):
        return math.nan
    on_line = first.slope * line.at + first.offset
    high, low = from_scale(np.array([on_line + above, on_line]), scale)
    return float(high - low)


def _slopes_words(found: GroupSlopes) -> str:
    return either(found.slopes, slopes_sentence, lambda reason: f"Slopes are not compared: {reason}.")


def slopes_sentence(test: EqualSlopes) -> str:
    """The result of the F test for equal slopes."""
    significant = "differ significantly" if test.p_value < 0.05 else "do not differ significantly"
    f = "∞" if math.isinf(test.f) else number(test.f)
    return (
        f"The slopes of {test.groups} groups {significant} "
        f"(F({test.df}, {test.residual_df:,}) = {f}, {p_words(test.p_value)}; models taken as independent)."
    )
