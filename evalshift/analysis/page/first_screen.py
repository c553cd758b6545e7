"""What the page says before anything else: a sentence, and three numbers with their confidence intervals."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalshift.analysis.pair_statistics.missing import either, or_none, require
from evalshift.analysis.summary import MetricSummary
from evalshift.analysis.summary.sentences import estimated_slope
from evalshift.formatting import number, points, signed_points, span


@dataclass(frozen=True)
class Tile:
    """A key number, the small type next to it, and what it is."""

    value: str
    around: str
    words: str


def lead(metric: MetricSummary) -> str:
    """One sentence: what accuracies do on the new set, and whether a model is off the line."""
    table, new = metric.table, metric.titles.dataset(metric.outcomes.new)
    if len(table) == 1:
        row = table.iloc[0]
        return f"{row['title']} is {_less_or_more(row['drop'])} accurate on {new}{_by(table)}."
    fallen = int((table["drop"] > 0).sum())
    off = _off_line(metric)
    return f"{_how_many(fallen, table)} {new}{_by(table)}{f'; {off}' if off else ''}."


def tiles(metric: MetricSummary, scale: str) -> list[Tile]:
    """How far accuracies fall, the line that they follow, and why, as far as these data tell."""
    found = (_drop_tile(metric), _slope_tile(metric, scale) or _ranks_tile(metric), _cause_tile(metric))
    return [tile for tile in found if tile is not None]


def _less_or_more(drop: float) -> str:
    return "less" if drop > 0 else "more" if drop < 0 else "equally"


def _how_many(fallen: int, table: pd.DataFrame) -> str:
    count, risen = len(table), int((table["drop"] < 0).sum())
    way, moved = ("less", fallen) if fallen >= risen else ("more", risen)
    models = f"All {count:,} models are" if moved == count else f"{moved:,} of {count:,} models {_are(moved)}"
    return f"{models} {way} accurate on"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _by(table: pd.DataFrame) -> str:
    """The range of the changes, where all go one way."""
    drops = table["drop"].to_numpy(float)
    if not ((drops > 0).all() or (drops < 0).all()):
        return ""
    least, most = points(float(np.abs(drops).min())), points(float(np.abs(drops).max()))
    return f", by {least} points" if least == most else f", by {least} to {most} points"


@or_none
def _off_line(metric: MetricSummary) -> str | None:
    """How many models lie off the line through the others; None where that is not tested."""
    found = require(metric.statistics.robustness)
    if not np.isfinite(found.p_holm).any():
        return None
    off = np.nan_to_num(found.p_holm, nan=1.0) < 1 - metric.level
    sides = [
        (int((off & side).sum()), word)
        for side, word in ((found.distance > 0, "above"), (found.distance <= 0, "below"))
    ]
    said = [f"{count} {_are(count)} significantly {word}" for count, word in sides if count]
    return f"{' and '.join(said) if said else 'none is significantly above or below'} the line of the other models"


def _drop_tile(metric: MetricSummary) -> Tile:
    mean = metric.mean_drop_interval
    average = "average " if len(metric.table) > 1 else ""
    unit = "points, conservative CI" if metric.statistics.mean_drop.conservative else "points"
    if metric.mean_drop >= 0:
        return Tile(points(metric.mean_drop), span(mean.low, mean.high), f"{average}drop ({unit})")
    return Tile(points(-metric.mean_drop), span(-mean.high, -mean.low), f"{average}rise ({unit})")


def _slope_tile(metric: MetricSummary, scale: str) -> Tile | None:
    line, estimate = metric.lines.get(scale), metric.estimate(scale)
    if line is None:
        return None
    around = either(
        estimate,
        lambda found: f"[{number(found.slope_interval.low)}, {number(found.slope_interval.high)}]",
        lambda reason: "",
    )
    return Tile(number(estimated_slope(line, estimate)), around, f"slope of the line, {scale} scale")


def _ranks_tile(metric: MetricSummary) -> Tile | None:
    known = metric.table["delta_rank_real"].dropna()
    if len(metric.table) < 2 or not len(known):
        return None
    return Tile(f"{int(known.sum()):,}", f"of {len(known):,}", "statistically significant rank changes")


def _cause_tile(metric: MetricSummary) -> Tile | None:
    """Of the first highlighted model its effective robustness; else measured adaptivity; else the sampling error."""
    statistics = metric.statistics
    mine = _highlighted_distance(metric)
    if mine is not None:
        return mine
    if statistics.fresh is not None and statistics.mean_drop.direction > 0:
        term, marked = statistics.decomposition.adaptivity, statistics.with_fresh
        low, high = (float(end[marked].mean()) for end in (term.interval.low, term.interval.high))
        return Tile(points(float(term.estimate[marked].mean())), span(low, high), "adaptive overfitting (points)")
    if not np.isfinite(statistics.drop_margin):
        return None
    change = "rise" if statistics.mean_drop.drop < 0 else "drop"
    return Tile(
        f"≤ {points(statistics.drop_margin)}",
        "",
        f"points of {'any' if len(metric.table) > 1 else 'the'} {change} can be sampling error",
    )


@or_none
def _highlighted_distance(metric: MetricSummary) -> Tile | None:
    found = require(metric.statistics.robustness)
    place = {model: position for position, model in enumerate(metric.statistics.models)}
    for row in metric.table[metric.highlighted].to_dict("records"):
        at = place[row["model"]]
        distance = float(found.reported[at])
        if np.isfinite(distance):
            low, high = float(found.interval.low[at]), float(found.interval.high[at])
            around = span(low, high) if np.isfinite(low) else ""
            return Tile(signed_points(distance), around, f"effective robustness of {row['title']} (points)")
    return None
