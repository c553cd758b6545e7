"""Models by family: each has a colour and a marker, the same in every figure of a page."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from evalshift.analysis.page.chart import REST, SERIES, SYMBOLS
from evalshift.analysis.plot_data.scatter import GROUP_COLOURS
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
    """Colour and marker per family: for the largest families, and for those left out of the lines.

    Where a report colours models by something else, the same for these groups.
    """
    counts: Counter[str] = Counter()
    out: dict[str, None] = {}
    order: dict[str, None] = {}
    for metric in metrics:
        counts.update(group for group in metric.groups if group is not None)
        found = metric.statistics.group_slopes
        if found is None:
            out |= dict.fromkeys(metric.left_out_titles)
        else:
            order |= dict.fromkeys(found.groups.order)
    if len(counts) < 2:
        return {}
    ordered = sorted(counts, key=lambda group: (group not in out, -counts[group], group))
    most = GROUP_COLOURS if order else len(SERIES)
    chosen = ordered[:most]
    if order:
        chosen = [group for group in order if group in chosen]
    return {group: (SERIES[place], SYMBOLS[place]) for place, group in enumerate(chosen)}


def grouped(metric: MetricSummary, known: dict[str, tuple[str, str]]) -> list[Family]:
    """Rows of the table by family, or by the group that they are coloured by; models without a colour last.

    The largest family is first; groups have their own order.
    """
    own = [None if name not in known else name for name in metric.groups]
    found = []
    for name, (colour, symbol) in known.items():
        rows = tuple(row for row, family in enumerate(own) if family == name)
        if rows:
            found.append(Family(name, rows, colour, symbol))
    if metric.statistics.group_slopes is None:
        found.sort(key=lambda family: -len(family.rows))
    rest = tuple(row for row, family in enumerate(own) if family is None)
    if rest:
        plain = ("--mark", "circle") if not found else REST
        found.append(Family(OTHERS if found else "", rest, *plain))
    return found
