"""All that a report says, as frozen records: numbers, tables, findings in sentences, and the same as JSON."""

from evalshift.analysis.summary.records import MetricSummary, PairSummary, Summary
from evalshift.analysis.summary.summarize import summarize_outcomes

__all__ = ["MetricSummary", "PairSummary", "Summary", "summarize_outcomes"]
