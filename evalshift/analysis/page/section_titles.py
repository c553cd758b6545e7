"""The finding of each section of the page in a few words, as its title."""

from evalshift.analysis.page.decomposition import decomposition_finding
from evalshift.analysis.pair_statistics.missing import or_none, require
from evalshift.analysis.summary import MetricSummary
from evalshift.analysis.summary.findings import who_misses


def section_titles(metric: MetricSummary) -> dict[str, str]:
    """Of the sections whose first figure says none: "table", "drop", "hard"; "" where there is nothing to say."""
    return {"table": _first(metric), "drop": decomposition_finding(metric), "hard": _hard(metric) or ""}


def _first(metric: MetricSummary) -> str:
    table = metric.table
    if len(table) < 2:
        return ""
    best, on_new = table.iloc[0], table.sort_values(["new_rank", "original_rank"], kind="stable").iloc[0]
    if best["model"] == on_new["model"]:
        return f"{best['title']} is first on both sets"
    return f"{best['title']} is first on the original set, {on_new['title']} on the new one"


@or_none
def _hard(metric: MetricSummary) -> str:
    original, new = (
        f"{require(found.missed_by_all):,} of {found.images:,} {side}"
        for side, found in (
            ("original", require(metric.statistics.original)),
            ("new", require(metric.statistics.new)),
        )
    )
    return f"{who_misses(len(metric.statistics.image_models))} {original} and {new} images"
