"""What the predictions mean: intervals, ranks, lines, reports. Reads stored results; imports no torch.

Reports are made by `evalshift.report`. Functions of the same name as their module are not listed here, where the module
has the name: `agreement.agreement`, `gate.gate`, `hard_images.hard_images`, `rank_sets.rank_sets`.
"""

from evalshift.analysis.adaptivity import diminishing_returns, diminishing_returns_of_counts, year_trend
from evalshift.analysis.agreement import (
    agreement_line,
    dominance,
    error_consistency,
    expected_agreement,
    joint_margin,
    reuse_margin,
    similarity_cover,
)
from evalshift.analysis.decomposition import decompose, split_drop
from evalshift.analysis.difficulty import Difficulty, expected_accuracy, expected_line, fit_difficulty, simulate
from evalshift.analysis.duplicates import NearDuplicates, without_duplicates
from evalshift.analysis.errors_in_variables import binomial_variance, own_variance, york_line
from evalshift.analysis.fits import Line, fit_line
from evalshift.analysis.gaps import Drops, drops
from evalshift.analysis.hard_images import hardest_share, missed_by
from evalshift.analysis.intervals import Interval, clopper_pearson, difference_interval
from evalshift.analysis.missing import Missing
from evalshift.analysis.multiplicity import adjust, adjust_pairs
from evalshift.analysis.outcomes import ImageAnswers, Outcomes
from evalshift.analysis.paired import (
    compare_drops,
    compare_models,
    detectable_accuracies,
    detectable_difference,
    exact_mcnemar,
    mcnemar_power,
    paired_difference_interval,
)
from evalshift.analysis.per_class import class_accuracies, class_drops
from evalshift.analysis.rank_sets import better_models, rank_change_sets
from evalshift.analysis.ranks import rank, rank_changes
from evalshift.analysis.resampling import draw_images, family_bootstrap, image_bootstrap, two_way_bootstrap
from evalshift.analysis.robustness import effective_robustness, effective_robustness_against, sampling_covariance
from evalshift.analysis.scale_choice import compare_scales
from evalshift.analysis.scales import SCALES, fitted_accuracy, from_scale, to_scale
from evalshift.analysis.statistics import Statistics, compute_statistics
from evalshift.analysis.stored import summarize
from evalshift.analysis.stored_pair import StoredPair, load_outcomes, load_pair
from evalshift.analysis.summary import MetricSummary, PairSummary, Summary, summarize_outcomes

__all__ = [
    "SCALES",
    "Difficulty",
    "Drops",
    "ImageAnswers",
    "Interval",
    "Line",
    "MetricSummary",
    "Missing",
    "NearDuplicates",
    "Outcomes",
    "PairSummary",
    "Statistics",
    "StoredPair",
    "Summary",
    "adjust",
    "adjust_pairs",
    "agreement_line",
    "better_models",
    "binomial_variance",
    "class_accuracies",
    "class_drops",
    "clopper_pearson",
    "compare_drops",
    "compare_models",
    "compare_scales",
    "compute_statistics",
    "decompose",
    "detectable_accuracies",
    "detectable_difference",
    "difference_interval",
    "diminishing_returns",
    "diminishing_returns_of_counts",
    "dominance",
    "draw_images",
    "drops",
    "effective_robustness",
    "effective_robustness_against",
    "error_consistency",
    "exact_mcnemar",
    "expected_accuracy",
    "expected_agreement",
    "expected_line",
    "family_bootstrap",
    "fit_difficulty",
    "fit_line",
    "fitted_accuracy",
    "from_scale",
    "hardest_share",
    "image_bootstrap",
    "joint_margin",
    "load_outcomes",
    "load_pair",
    "mcnemar_power",
    "missed_by",
    "own_variance",
    "paired_difference_interval",
    "rank",
    "rank_change_sets",
    "rank_changes",
    "reuse_margin",
    "sampling_covariance",
    "similarity_cover",
    "simulate",
    "split_drop",
    "summarize",
    "summarize_outcomes",
    "to_scale",
    "two_way_bootstrap",
    "without_duplicates",
    "year_trend",
    "york_line",
]
