"""Models by family: each has a colour and a marker, the same in every figure of a page."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from evalshift.analysis.page.chart import REST, SERIES, SYMBOLS
from evalshift.analysis.summary import MetricSummary

OTHERS = "Others"


@dataclass(frozen=True)
class Family:
    """A group of models: those of one family, or all without a colour of their own.

    rows   their row numbers in the table
    """

    name: str
    rows: tuple[int, ...]
    colour: str
    symbol: str


def colours(metrics: Iterable[MetricSummary]) -> dict[str, tuple[str, str]]:
    """Colour and marker per family: for the largest families, and for those left out of the lines."""
    counts: Counter[str] = Counter()
    out: dict[str, None] = {}
    for metric in metrics:
        counts.update(metric.table["family"].dropna())
        out |= dict.fromkeys(metric.left_out)
    if len(counts) < 2:
        return {}
    ordered = sorted(counts, key=lambda family: (family not in out, -counts[family], family))
    return {family: (SERIES[place], SYMBOLS[place]) for place, family in enumerate(ordered[: len(SERIES)])}


def grouped(metric: MetricSummary, known: dict[str, tuple[str, str]]) -> list[Family]:
    """Rows of the table by family, the largest first; models without a colour of their own last."""
    own = [None if pd.isna(name) or name not in known else str(name) for name in metric.table["family"]]
    found = []
    for name, (colour, symbol) in known.items():
        rows = tuple(row for row, family in enumerate(own) if family == name)
        if rows:
            found.append(Family(metric.titles.family(name), rows, colour, symbol))
    found.sort(key=lambda family: -len(family.rows))
    rest = tuple(row for row, family in enumerate(own) if family is None)
    if rest:
        plain = ("--mark", "circle") if not found else REST
        found.append(Family(OTHERS if found else "", rest, *plain))
    return found
