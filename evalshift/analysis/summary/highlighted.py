"""Each highlighted model in a sentence: its accuracies, ranks, drop and effective robustness."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalshift.analysis.pair_statistics.missing import Missing, either
from evalshift.analysis.statistics.effective_robustness import EffectiveRobustness
from evalshift.analysis.statistics.matched_models import MatchedModels
from evalshift.analysis.tables.of_matched_models import rank_words
from evalshift.formatting import p_words, percent, points, points_ci

# Models with a sentence of their own; the others are in the table.
_MOST = 3


def highlighted_sentences(
    table: pd.DataFrame,
    rows: np.ndarray,
    names: tuple[str, str],
    models: Sequence[str],
    robustness: EffectiveRobustness | Missing,
    matched: MatchedModels | Missing,
    level: float,
) -> tuple[str, ...]:
    """One sentence for each of the first three highlighted models.

    `table` as in `MetricSummary`, `rows` says which of its rows are highlighted, `names` are those of both sets;
    `robustness` and `matched` are of `models`.
    """
    found = table[rows]
    place = {model: position for position, model in enumerate(models)}
    said = [
        f"{row['title']}: {_accuracies(row, names, len(table))}; {_drop(row, level)}"
        f"{_distance(robustness, place[row['model']], level)}{_matched(matched, place[row['model']])}."
        for row in found.head(_MOST).to_dict("records")
    ]
    if len(found) > _MOST:
        said.append(f"{len(found) - _MOST:,} more highlighted models are in the table.")
    return tuple(said)


def _accuracies(row: dict, names: tuple[str, str], count: int) -> str:
    original, new = (
        f"{percent(row[f'{side}_accuracy'])} % on {name} (rank {row[f'{side}_rank']:,} of {count:,})"
        for side, name in zip(("original", "new"), names, strict=True)
    )
    return f"{original}, {new}"


def _drop(row: dict, level: float) -> str:
    sign, word = (1, "drop") if row["drop"] >= 0 else (-1, "rise")
    around = points_ci(sign * row["drop_low"], sign * row["drop_high"], level)
    return f"{word} {points(sign * row['drop'])} points ({around})"


def _distance(robustness: EffectiveRobustness | Missing, place: int, level: float) -> str:
    return either(robustness, lambda found: _distance_words(found, place, level), lambda reason: "")


def _distance_words(found: EffectiveRobustness, place: int, level: float) -> str:
    distance = float(found.distance[place])
    if math.isnan(distance):
        return ""
    sign, side = (1, "above") if distance >= 0 else (-1, "below")
    low, high, p_holm = found.interval.low[place], found.interval.high[place], float(found.p_holm[place])
    inside = [points_ci(sign * low, sign * high, level)] if math.isfinite(low) else []
    inside += [] if math.isnan(p_holm) else [p_words(p_holm).replace("p", "p (Holm)", 1)]
    around = f" ({'; '.join(inside)})" if inside else ""
    return f"; effective robustness: {points(sign * distance)} points {side} the line of the other models{around}"


def _matched(matched: MatchedModels | Missing, place: int) -> str:
    words = either(matched, lambda found: rank_words(found, place), lambda reason: "")
    return f"; in effective robustness, {words}" if words else ""
