"""What the predictions mean: intervals, ranks, lines, reports. Reads stored results; imports no torch.

Reports are made by `evalshift.report`.
"""

from evalshift.analysis.fits import Line, fit_line
from evalshift.analysis.gaps import Drops, drops
from evalshift.analysis.intervals import Interval, clopper_pearson, difference_interval
from evalshift.analysis.outcomes import Outcomes, load_outcomes
from evalshift.analysis.ranks import rank, rank_changes
from evalshift.analysis.scales import SCALES, fitted_accuracy, from_scale, to_scale
from evalshift.analysis.summary import MetricSummary, PairSummary, Summary, summarize, summarize_outcomes

__all__ = [
    "SCALES",
    "Drops",
    "Interval",
    "Line",
    "MetricSummary",
    "Outcomes",
    "PairSummary",
    "Summary",
    "clopper_pearson",
    "difference_interval",
    "drops",
    "fit_line",
    "fitted_accuracy",
    "from_scale",
    "load_outcomes",
    "rank",
    "rank_changes",
    "summarize",
    "summarize_outcomes",
    "to_scale",
]
