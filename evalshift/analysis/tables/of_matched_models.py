"""The table of each model among those of the same original accuracy, and what it says in words."""

from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.missing import or_none, require
from evalshift.analysis.statistics.matched_models import MatchedModels
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table, with_bounds
from evalshift.formatting import counted, name_some

# Models that a sentence names.
_NAMED = 3


def matched_models_table(data: TableData) -> StatisticTable:
    """One row per model: how many others have its original accuracy, and how it compares with them."""
    found, order = require(data.statistics.matched), data.order
    return make_table(
        "matched_models",
        "Models of the same accuracy",
        {
            "model": data.models,
            "matched": found.count[order],
            "rank": found.rank[order],
            **with_bounds("rank", found.interval, order),
            "ahead_of": found.ahead_of[order],
            "behind": found.behind[order],
            "advantage": found.advantage[order],
            **with_bounds("advantage", found.advantage_interval, order),
        },
        [
            Column("model", "Model", "model"),
            Column("matched", "Others of the same accuracy", "count"),
            bounded("rank", "Rank among them", "count"),
            Column("ahead_of", "More robust than", "count"),
            Column("behind", "Less robust than", "count"),
            bounded("advantage", "Above their mean (points)", "points"),
        ],
        "Each model among those of the line whose original accuracy does not differ significantly from its own "
        f"({data.error_words}, each pair by itself). Rank: by effective robustness, {found.scale} scale, among these "
        f"and itself, with simultaneous {100 * found.level:g} % confidence sets. More and less robust: significant "
        f"differences (Holm over all {found.tests:,} pairs of the same accuracy).{_counts_words(data.statistics)}",
        empty="A model without others of its accuracy is above no mean.",
    )


@or_none
def matched_sentence(statistics: Statistics) -> str | None:
    """Which models are more robust than all of their accuracy; None where no two have the same."""
    found = require(statistics.matched)
    if not found.tests:
        return None
    pairs = f"Holm over {counted(found.tests, 'pair')}"
    best = sorted(found.most_robust.tolist(), key=lambda model: -int(found.count[model]))
    if best:
        names = [f"{statistics.titles.model(statistics.models[one])} (of {found.count[one]:,})" for one in best]
        are = "1 model is" if len(best) == 1 else f"{len(best):,} models are"
        named = name_some(names, _NAMED)
        return f"{are} significantly more robust than all others of the same accuracy ({pairs}): {named}."
    differ = "1 differs" if found.differing == 1 else f"{_number(found.differing)} differ"
    return (
        f"Of {counted(found.tests, 'pair')} of models of the same accuracy, {differ} significantly in effective "
        "robustness (Holm); no model is significantly more robust than all others of its accuracy."
    )


def rank_words(found: MatchedModels, place: int) -> str:
    """Where one model stands, as "rank 2 of 9 models of the same accuracy (95 % CI 1 to 4)"; "" without others.

    `place` is among the models that were asked about.
    """
    if not found.count[place]:
        return ""
    low, high = int(found.interval.low[place]), int(found.interval.high[place])
    return (
        f"rank {found.rank[place]:,} of {found.count[place] + 1:,} models of the same accuracy "
        f"({100 * found.level:g} % CI {low:,} to {high:,})"
    )


def _number(count: int) -> str:
    return f"{count:,}" if count else "none"


def _counts_words(statistics: Statistics) -> str:
    if statistics.shared_images:
        return ""
    return (
        " Models are treated as evaluated on different images: if they share images, more of them are matched, and "
        "fewer differences are significant."
    )
