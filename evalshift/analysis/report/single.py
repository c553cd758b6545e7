"""The single pair of a report, for results that exist only for one pair."""

import json

from evalshift.analysis.summary import MetricSummary, PairSummary, Summary
from evalshift.errors import UsageError
from evalshift.formatting import counted


def single_pair(summary: Summary, wanted: str, asked: str | None = None) -> PairSummary:
    """A report's only pair. Raises UsageError if it has several.

    `wanted` is what needs a single pair, `asked` how Python callers ask for it, if not by its name.
    """
    names = [pair.name for pair in summary.pairs]
    if len(names) != 1:
        raise UsageError(
            f"this report holds {counted(len(names), 'pair')}, so it has no single {wanted}",
            found=", ".join(names),
            fix=f"name one: report[{json.dumps(names[0])}].{asked or wanted}",
        )
    return summary.pairs[0]


def single_metric(summary: Summary, wanted: str) -> MetricSummary:
    """The chosen metric of a report's only pair; raises as `single_pair` does."""
    return single_pair(summary, wanted).metrics[summary.metric]
