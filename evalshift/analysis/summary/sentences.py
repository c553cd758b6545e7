"""Findings in words: each sentence computed, each number with its interval."""

import math
from collections.abc import Sequence

import pandas as pd

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.statistics.line_fit import Line
from evalshift.formatting import number, points, span


def drop_sentence(table: pd.DataFrame, metric: str, mean_drop: float, interval: Interval) -> str:
    """How far the models fall (or rise) on average, and the least and the most."""
    kind = f"{metric_words(metric)} accuracy"
    verb, noun, sign = ("falls", "drop", 1) if mean_drop >= 0 else ("rises", "rise", -1)
    if len(table) == 1:
        row = table.iloc[0]
        return (
            f"The {kind} of {row['model']} {verb} by {points(sign * row['drop'])} points "
            f"{span(sign * row['drop_low'], sign * row['drop_high'])}."
        )
    mean = span(sign * interval.low, sign * interval.high)
    ordered = table.assign(size=sign * table["drop"]).sort_values("size", kind="stable")
    least, most = (
        f"{points(row['size'])} {span(sign * row['drop_low'], sign * row['drop_high'])} ({row['model']})"
        for _, row in ordered.iloc[[0, -1]].iterrows()
    )
    return (
        f"Across {len(table)} models, {kind} {verb} by {points(sign * mean_drop)} points {mean} on average; "
        f"the {noun} runs from {least} to {most}."
    )


def line_sentence(line: Line | None, left_out: Sequence[str] = (), all_line: Line | None = None) -> str | None:
    """What a point gained on the original set is worth on the new one; None without a line.

    `left_out` are the families that are not in the line, `all_line` the line with them.
    """
    if line is None:
        return None
    slope, fit = slope_words(line), f"R² = {number(line.r2, 3)}"
    if line.scale == "linear":
        sentence = f"Every point gained on the original set is worth {slope} points on the new one ({fit})."
    else:
        unit = {"probit": "Φ⁻¹(accuracy)", "logit": "log-odds"}[line.scale]
        sentence = (
            f"On the {line.scale} scale, every unit of {unit} gained on the original set is worth {slope} units "
            f"on the new one ({fit})."
        )
    if left_out:
        sentence = f"Without {' and '.join(left_out)}, {sentence[0].lower()}{sentence[1:]}"
    if all_line is not None:
        with_all = f"with all {all_line.models} models it is {slope_words(all_line)} (R² = {number(all_line.r2, 3)})."
        sentence = f"{sentence.removesuffix('.')}; {with_all}"
    return sentence


def rank_sentence(table: pd.DataFrame) -> str | None:
    """How many models keep their rank, the largest move, and how many moves are beyond chance, where that is known.

    None where one model has no one to pass.
    """
    if len(table) < 2:
        return None
    change = table["delta_rank"].abs()
    if not change.any():
        return "Every model keeps its rank."
    most = table.iloc[int(change.to_numpy().argmax())]
    places = "1 place" if change.max() == 1 else f"{change.max()} places"
    direction = "up" if most["delta_rank"] > 0 else "down"
    return (
        f"{(change == 0).sum()} of {len(table)} models keep their rank; the largest move is {places} {direction} "
        f"({most['model']}){_beyond_chance(table)}."
    )


def _beyond_chance(table: pd.DataFrame) -> str:
    known = table["delta_rank_real"].dropna()
    if len(known) < len(table):
        return ""
    return f"; {int(known.sum()) or 'none'} of the moves {'are' if known.sum() > 1 else 'is'} beyond chance"


def slope_words(line: Line) -> str:
    """The slope with its interval, as "1.11 [1.08, 1.19]"; without one where the bootstrap gives none."""
    low, high = line.slope_interval.low, line.slope_interval.high
    return number(line.slope) + ("" if math.isnan(low) else f" [{number(low)}, {number(high)}]")


def metric_words(metric: str) -> str:
    """ "top1" as "top-1"."""
    return f"top-{METRICS[metric]}"
