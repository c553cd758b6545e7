"""The main findings as sentences: each number computed, with its confidence interval."""

import math
from collections.abc import Sequence

import pandas as pd

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.statistics.line_fit import Line
from evalshift.formatting import ci_words, number, points, points_ci

_UNITS = {"probit": "Φ⁻¹(accuracy)", "logit": "log-odds"}


def drop_sentence(table: pd.DataFrame, metric: str, mean_drop: float, interval: Interval, level: float = 0.95) -> str:
    """How far accuracies drop or rise on average, and the smallest and the largest change of a model."""
    kind = f"{metric_words(metric)} accuracy"
    sign = 1 if mean_drop >= 0 else -1
    verb, noun = _change(mean_drop)
    if len(table) == 1:
        row = table.iloc[0]
        around = points_ci(sign * row["drop_low"], sign * row["drop_high"], level)
        return f"The {kind} of {row['title']} {verb} by {points(abs(row['drop']))} points ({around})."
    mean = points_ci(sign * interval.low, sign * interval.high, level)
    ordered = table.assign(size=sign * table["drop"]).sort_values("size", kind="stable")
    least, most = ordered.iloc[0], ordered.iloc[-1]
    first = (
        f"{kind.capitalize()} {verb} by {points(abs(mean_drop))} points on average over {len(table)} models ({mean})."
    )
    if least["size"] >= 0:
        return (
            f"{first} The smallest {noun} is {_of_model(least, sign, level)}, "
            f"the largest {_of_model(most, sign, level)}."
        )
    back = {"drop": "rise", "rise": "drop"}[noun]
    return (
        f"{first} Changes range from a {back} of {_of_model(least, -sign, level)} "
        f"to a {noun} of {_of_model(most, sign, level)}."
    )


def _change(drop: float) -> tuple[str, str]:
    """What accuracies do, as a verb and as a noun."""
    return ("drops", "drop") if drop >= 0 else ("rises", "rise")


def _of_model(row: pd.Series, sign: int, level: float) -> str:
    around = points_ci(sign * row["drop_low"], sign * row["drop_high"], level)
    return f"{points(sign * row['drop'])} points ({row['title']}, {around})"


def line_sentence(
    line: Line | None,
    names: tuple[str, str],
    left_out: Sequence[str] = (),
    all_line: Line | None = None,
    level: float = 0.95,
) -> str | None:
    """The slope of the line, and what it means; None without a line.

    `names` are those of the original and the new set, `left_out` the families that are not in the line, `all_line` the
    line with them.
    """
    if line is None:
        return None
    original, new = names
    around, slope = _slope_ci(line, level), number(line.slope)
    where = "" if line.scale == "linear" else f" on the {line.scale} scale"
    least = f" without {' and '.join(left_out)}" if left_out else ""
    step, steps = ("point", "points") if line.scale == "linear" else ("unit", "units")
    of_what = "" if line.scale == "linear" else f" of {_UNITS[line.scale]}"
    sentence = (
        f"Slope {slope}{where}{least}{f' ({around})' if around else ''}: one {step}{of_what} more on {original} goes "
        f"with {number(abs(line.slope))} {steps} {'more' if line.slope >= 0 else 'less'} on {new} "
        f"(R² = {number(line.r2, 3)})."
    )
    if all_line is None:
        return sentence
    inside = "; ".join(filter(None, (_slope_ci(all_line, level), f"R² = {number(all_line.r2, 3)}")))
    return f"{sentence} With all {all_line.models} models the slope is {number(all_line.slope)} ({inside})."


def rank_sentence(table: pd.DataFrame) -> str | None:
    """How many models keep their rank, the largest change, and how many are significant, where that is known.

    None for a single model.
    """
    if len(table) < 2:
        return None
    change = table["delta_rank"].abs()
    if not change.any():
        return "All models keep their rank."
    most = table.iloc[int(change.to_numpy().argmax())]
    places = "1 place" if change.max() == 1 else f"{change.max()} places"
    direction = "up" if most["delta_rank"] > 0 else "down"
    return (
        f"{(change == 0).sum()} of {len(table)} models keep their rank; the largest change is {places} {direction} "
        f"({most['title']}){_significant(table)}."
    )


def _significant(table: pd.DataFrame) -> str:
    known = table["delta_rank_real"].dropna()
    if len(known) < len(table):
        return ""
    count = int(known.sum())
    return f"; {count or 'no'} rank {'change is' if count < 2 else 'changes are'} statistically significant"


def slope_words(line: Line) -> str:
    """The slope with its interval, as "1.11 [1.08, 1.19]"; without one where the bootstrap gives none."""
    low, high = line.slope_interval.low, line.slope_interval.high
    return number(line.slope) + ("" if math.isnan(low) else f" [{number(low)}, {number(high)}]")


def _slope_ci(line: Line, level: float) -> str:
    """Its confidence interval in words; nothing where the bootstrap gives none."""
    low, high = line.slope_interval.low, line.slope_interval.high
    return "" if math.isnan(low) else ci_words(number(low), number(high), level)


def metric_words(metric: str) -> str:
    """ "top1" as "top-1"."""
    return f"top-{METRICS[metric]}"
