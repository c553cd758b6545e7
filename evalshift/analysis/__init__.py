"""What the predictions mean: intervals, ranks, lines, reports. Reads stored results; imports no torch.

Reports are made by `evalshift.report`. Functions of the same name as their module are not listed here, where the module
has the name: `agreement.agreement`, `gate.gate`, `hard_images.hard_images`, `rank_sets.rank_sets`.
"""

from evalshift.analysis.outcomes import ImageAnswers, Outcomes
from evalshift.analysis.outcomes.stored_pair import StoredPair, load_outcomes, load_pair
from evalshift.analysis.pair_statistics.compute import Statistics, compute_statistics
from evalshift.analysis.pair_statistics.missing import Missing
from evalshift.analysis.statistics.agreement import (
    agreement_line,
    dominance,
    error_consistency,
    expected_agreement,
    joint_margin,
    reuse_margin,
    similarity_cover,
)
from evalshift.analysis.statistics.bootstraps import draw_images, family_bootstrap, image_bootstrap, two_way_bootstrap
from evalshift.analysis.statistics.difficulty_model import (
    Difficulty,
    expected_accuracy,
    expected_line,
    fit_difficulty,
    simulate,
)
from evalshift.analysis.statistics.drop_decomposition import decompose, split_drop
from evalshift.analysis.statistics.drops import Drops, drops
from evalshift.analysis.statistics.effective_robustness import (
    effective_robustness,
    effective_robustness_against,
    sampling_covariance,
)
from evalshift.analysis.statistics.errors_in_variables import binomial_variance, own_variance, york_line
from evalshift.analysis.statistics.hard_images import hardest_share, missed_by
from evalshift.analysis.statistics.intervals import Interval, clopper_pearson, difference_interval
from evalshift.analysis.statistics.line_fit import Line, fit_line
from evalshift.analysis.statistics.multiplicity import adjust, adjust_pairs
from evalshift.analysis.statistics.near_duplicates import NearDuplicates, without_duplicates
from evalshift.analysis.statistics.overfitting_tests import (
    diminishing_returns,
    diminishing_returns_of_counts,
    year_trend,
)
from evalshift.analysis.statistics.paired import (
    compare_drops,
    compare_models,
    detectable_accuracies,
    detectable_difference,
    exact_mcnemar,
    mcnemar_power,
    paired_difference_interval,
)
from evalshift.analysis.statistics.per_class import class_accuracies, class_drops
from evalshift.analysis.statistics.rank_sets import better_models, rank_change_sets
from evalshift.analysis.statistics.ranks import rank, rank_changes
from evalshift.analysis.statistics.scale_choice import compare_scales
from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy, from_scale, to_scale
from evalshift.analysis.summary import MetricSummary, PairSummary, Summary, summarize_outcomes
from evalshift.analysis.summary.stored import summarize

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
