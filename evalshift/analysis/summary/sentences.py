"""The main findings as sentences: each number computed, with its confidence interval."""

import math
from collections.abc import Sequence

import pandas as pd

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.pair_statistics.missing import Missing, either, or_else
from evalshift.analysis.statistics.line_fit import LEAST_LINE_MODELS, Line
from evalshift.analysis.statistics.line_intervals import LineEstimate
from evalshift.analysis.statistics.mean_drop import MeanDrop
from evalshift.formatting import ci_words, counted, number, points, points_ci

_UNITS = {"probit": "Φ⁻¹(accuracy)", "logit": "log-odds"}


def drop_sentence(table: pd.DataFrame, metric: str, found: MeanDrop) -> str:
    """How far accuracies drop or rise on average, and the smallest and the largest change of a model."""
    mean_drop, interval, level = found.drop, found.interval, found.level
    kind = f"{metric_words(metric)} accuracy"
    sign = 1 if mean_drop >= 0 else -1
    verb, noun = _change(mean_drop)
    if len(table) == 1:
        row = table.iloc[0]
        around = points_ci(sign * row["drop_low"], sign * row["drop_high"], level)
        return f"The {kind} of {row['title']} {verb} by {points(abs(row['drop']))} points ({around})."
    mean = points_ci(sign * interval.low, sign * interval.high, level)
    mean += "; conservative, from counts alone" if found.conservative else ""
    ordered = table.assign(size=sign * table["drop"]).sort_values("size", kind="stable")
    least, most = ordered.iloc[0], ordered.iloc[-1]
    models = counted(len(table), "model")
    first = f"{kind.capitalize()} {verb} by {points(abs(mean_drop))} points on average over {models} ({mean})."
    if points(least["size"]) == points(most["size"]):
        return f"{first} All {noun}s are {points(abs(most['size']))} points when rounded."
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
    estimate: LineEstimate | Missing,
    names: tuple[str, str],
    left_out: Sequence[str] = (),
    all_lines: tuple[Line | None, LineEstimate | Missing] | None = None,
) -> str | None:
    """The slope of the line, and what it means; None without a line.

    `line` is that of least squares, `estimate` its slope with a confidence interval. `names` are those of the original
    and the new set, `left_out` the families that are not in the line, `all_lines` the line with them, as the first two.
    """
    if line is None:
        return None
    original, new = names
    around, slope = estimate_ci(estimate), estimated_slope(line, estimate)
    squares = [] if number(slope) == number(line.slope) else [f"least-squares slope {number(line.slope)}"]
    inside = ", ".join((*squares, *r2_words(line)))
    where = "" if line.scale == "linear" else f" on the {line.scale} scale"
    least = f" without {' and '.join(left_out)}" if left_out else ""
    step, steps = ("point", "points") if line.scale == "linear" else ("unit", "units")
    of_what = "" if line.scale == "linear" else f" of {_UNITS[line.scale]}"
    sentence = (
        f"Slope {number(slope)}{where}{least}{f' ({around})' if around else ''}: "
        f"one {step}{of_what} more on {original} goes with {number(abs(slope))} {steps} "
        f"{'more' if slope >= 0 else 'less'} on {new}{f' ({inside})' if inside else ''}.{_few_models(line)}"
    )
    if all_lines is None or all_lines[0] is None:
        return sentence
    everything, of_all = all_lines[0], all_lines[1]
    inside = "; ".join(filter(None, (estimate_ci(of_all), *r2_words(everything))))
    slope = number(estimated_slope(everything, of_all))
    around = f" ({inside})" if inside else ""
    return f"{sentence} With all {everything.models} models the slope is {slope}{around}."


def r2_words(line: Line) -> tuple[str, ...]:
    """R² in words; nothing where it is undefined."""
    return () if math.isnan(line.r2) else (f"R² = {number(line.r2, 3)}",)


def _few_models(line: Line) -> str:
    if line.models >= LEAST_LINE_MODELS:
        return ""
    return f" A line through only {line.models} models says little about others, and no distances from it are given."


def rank_sentence(table: pd.DataFrame) -> str | None:
    """How many models keep their rank, the largest change, and how many are significant, where that is known.

    None for a single model.
    """
    words = rank_words(table)
    if words is None:
        return None
    return f"{words}{_significant(table) if table['delta_rank'].any() else ''}."


def rank_words(table: pd.DataFrame) -> str | None:
    """How many models keep their rank, and the largest change, without a full stop; None for a single model.

    A model that ties with others on one set shares their better rank there, which makes changes of rank that no model
    has overtaken: the largest change is one of models that were overtaken or overtook, whatever the order of ties.
    """
    if len(table) < 2:
        return None
    if not table["delta_rank"].any():
        return "All models keep their rank"
    count = int((table["delta_rank"] == 0).sum())
    kept = f"{count} of {counted(len(table), 'model')} {'keeps its' if count == 1 else 'keep their'} rank"
    moved = _least_changes(table)
    if not moved.any():
        return f"{kept}; other ranks differ only between models of equal accuracy on one of the sets"
    most = int(moved.abs().to_numpy().argmax())
    change = int(moved.iloc[most])
    places = "1 place" if abs(change) == 1 else f"{abs(change)} places"
    return f"{kept}; the largest change is {places} {'up' if change > 0 else 'down'} ({table['title'].iloc[most]})"


def _least_changes(table: pd.DataFrame) -> pd.Series:
    """The change of each model's rank, up above 0, with ties on either set broken in favour of none."""
    ranges = []
    for side in ("original", "new"):
        low = table[f"{side}_rank"]
        ranges.append((low, low + low.map(low.value_counts()) - 1))
    (before, before_last), (after, after_last) = ranges
    return (before - after_last).clip(lower=0) - (after - before_last).clip(lower=0)


def _significant(table: pd.DataFrame) -> str:
    known = table["delta_rank_real"].dropna()
    if len(known) < len(table):
        return ""
    count = int(known.sum())
    return f"; {count or 'no'} rank {'change is' if count < 2 else 'changes are'} statistically significant"


def bootstrap_span(line: Line) -> str:
    """The bootstrap interval of the slope, as "[1.08, 1.19]"."""
    return f"[{number(line.slope_interval.low)}, {number(line.slope_interval.high)}]"


def estimated_slope(line: Line, estimate: LineEstimate | Missing) -> float:
    """The slope that stands first: that with the confidence interval, otherwise that of least squares."""
    return or_else(estimate, line).slope


def estimate_ci(estimate: LineEstimate | Missing) -> str:
    """The slope's confidence interval in words, and what it leaves out; nothing where there is none."""
    return either(estimate, _slope_ci, lambda reason: "")


def _slope_ci(estimate: LineEstimate) -> str:
    around = estimate.slope_interval
    parts = [ci_words(number(around.low), number(around.high), estimate.level), *estimate_basis(estimate)]
    return "; ".join(parts)


def estimate_basis(estimate: LineEstimate) -> list[str]:
    """What the interval allows for beyond models, and what it does not."""
    return [
        *(["models clustered by family"] if estimate.by_family else []),
        *([] if estimate.images else ["images' sampling error not included"]),
    ]


def metric_words(metric: str) -> str:
    """ "top1" as "top-1"."""
    return f"top-{METRICS[metric]}"
