"""Statistics and reports from stored results: intervals, ranks, lines, figures, tables. Does not import torch.

Reports are made by `evalshift.report`. Names are imported when first used, so that a function loads only what it needs.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalshift.analysis.outcomes import ImagePredictions, Outcomes
    from evalshift.analysis.outcomes.stored_pair import StoredPair, load_outcomes, load_pair
    from evalshift.analysis.pair_statistics.compute import Statistics, compute_statistics
    from evalshift.analysis.pair_statistics.missing import Missing
    from evalshift.analysis.statistics.agreement import agreement, dominance, error_consistency, expected_agreement
    from evalshift.analysis.statistics.agreement_line import agreement_line
    from evalshift.analysis.statistics.bootstraps import (
        draw_images,
        family_bootstrap,
        image_bootstrap,
        two_way_bootstrap,
    )
    from evalshift.analysis.statistics.calibration import calibration, ece_change, reliability_bins
    from evalshift.analysis.statistics.class_correlations import class_correlations
    from evalshift.analysis.statistics.class_difficulties import class_difficulties
    from evalshift.analysis.statistics.clustered import clustered_accuracies, clustered_drop
    from evalshift.analysis.statistics.clusterings import clusterings
    from evalshift.analysis.statistics.confidence_estimates import confidence_estimates
    from evalshift.analysis.statistics.corruption_errors import CorruptionErrors, ReferenceErrors, corruption_errors
    from evalshift.analysis.statistics.curvature import curvature
    from evalshift.analysis.statistics.difficulty_model import (
        Difficulty,
        expected_accuracy,
        expected_line,
        fit_difficulty,
        simulate,
    )
    from evalshift.analysis.statistics.diminishing_returns import diminishing_returns
    from evalshift.analysis.statistics.drop_decomposition import decompose, split_drop
    from evalshift.analysis.statistics.drops import Drops, drops
    from evalshift.analysis.statistics.effective_robustness import (
        effective_robustness,
        effective_robustness_against,
        sampling_covariance,
    )
    from evalshift.analysis.statistics.errors_in_variables import binomial_variance, own_variance, york_line
    from evalshift.analysis.statistics.hard_images import hard_images, hardest_share, missed_by
    from evalshift.analysis.statistics.image_sets import ImageSets
    from evalshift.analysis.statistics.image_trends import held_out_trend, image_trends
    from evalshift.analysis.statistics.intervals import Interval, clopper_pearson, difference_interval
    from evalshift.analysis.statistics.item_response import ability_change, fit_item_response
    from evalshift.analysis.statistics.label_noise import corrected_drops, label_errors, label_noise
    from evalshift.analysis.statistics.likelihood import fit_temperature, label_likelihoods
    from evalshift.analysis.statistics.line_fit import Line, fit_line
    from evalshift.analysis.statistics.line_intervals import LineEstimate, cluster_robust_line, random_effects_line
    from evalshift.analysis.statistics.matched_models import MatchedModels, matched_models
    from evalshift.analysis.statistics.mean_drop import (
        MeanDrop,
        drop_margin,
        drop_margin_of_counts,
        mean_drop,
        mean_drop_of_counts,
    )
    from evalshift.analysis.statistics.mistake_distances import class_distances, distance_change, mistake_distances
    from evalshift.analysis.statistics.multiplicity import adjust, adjust_pairs
    from evalshift.analysis.statistics.near_duplicates import (
        NearDuplicates,
        accuracy_on_duplicates,
        without_duplicates,
    )
    from evalshift.analysis.statistics.outliers import off_the_line
    from evalshift.analysis.statistics.overfitting_tests import year_trend
    from evalshift.analysis.statistics.paired import (
        compare_drops,
        compare_models,
        exact_mcnemar,
        paired_difference_interval,
    )
    from evalshift.analysis.statistics.per_class import class_accuracies, class_drops
    from evalshift.analysis.statistics.power import detectable_accuracies, detectable_difference, mcnemar_power
    from evalshift.analysis.statistics.rank_sets import better_models, rank_change_sets, rank_sets
    from evalshift.analysis.statistics.ranks import rank, rank_changes
    from evalshift.analysis.statistics.reuse_margins import joint_margin, reuse_margin, similarity_cover
    from evalshift.analysis.statistics.scale_choice import compare_scales
    from evalshift.analysis.statistics.scales import SCALES, fitted_accuracy, from_scale, to_scale
    from evalshift.analysis.statistics.seeds import seed_spread
    from evalshift.analysis.statistics.selection_frequencies import (
        corrected_gap,
        fit_beta_binomial,
        mean_after_matching,
        slopes_on_frequency,
    )
    from evalshift.analysis.statistics.selective import accuracy_drop, selective_prediction
    from evalshift.analysis.statistics.several_originals import SeveralOriginals, robustness_over_originals
    from evalshift.analysis.statistics.several_shifts import SetCounts, SeveralShifts, several_shifts
    from evalshift.analysis.statistics.shrinkage import shrunk_accuracies
    from evalshift.analysis.summary import MetricSummary, PairSummary, Summary, summarize_outcomes
    from evalshift.analysis.summary.stored import summarize

__all__ = [
    "SCALES",
    "CorruptionErrors",
    "Difficulty",
    "Drops",
    "ImagePredictions",
    "ImageSets",
    "Interval",
    "Line",
    "LineEstimate",
    "MatchedModels",
    "MeanDrop",
    "MetricSummary",
    "Missing",
    "NearDuplicates",
    "Outcomes",
    "PairSummary",
    "ReferenceErrors",
    "SetCounts",
    "SeveralOriginals",
    "SeveralShifts",
    "Statistics",
    "StoredPair",
    "Summary",
    "ability_change",
    "accuracy_drop",
    "accuracy_on_duplicates",
    "adjust",
    "adjust_pairs",
    "agreement",
    "agreement_line",
    "better_models",
    "binomial_variance",
    "calibration",
    "class_accuracies",
    "class_correlations",
    "class_difficulties",
    "class_distances",
    "class_drops",
    "clopper_pearson",
    "cluster_robust_line",
    "clustered_accuracies",
    "clustered_drop",
    "clusterings",
    "compare_drops",
    "compare_models",
    "compare_scales",
    "compute_statistics",
    "confidence_estimates",
    "corrected_drops",
    "corrected_gap",
    "corruption_errors",
    "curvature",
    "decompose",
    "detectable_accuracies",
    "detectable_difference",
    "difference_interval",
    "diminishing_returns",
    "distance_change",
    "dominance",
    "draw_images",
    "drop_margin",
    "drop_margin_of_counts",
    "drops",
    "ece_change",
    "effective_robustness",
    "effective_robustness_against",
    "error_consistency",
    "exact_mcnemar",
    "expected_accuracy",
    "expected_agreement",
    "expected_line",
    "family_bootstrap",
    "fit_beta_binomial",
    "fit_difficulty",
    "fit_item_response",
    "fit_line",
    "fit_temperature",
    "fitted_accuracy",
    "from_scale",
    "hard_images",
    "hardest_share",
    "held_out_trend",
    "image_bootstrap",
    "image_trends",
    "joint_margin",
    "label_errors",
    "label_likelihoods",
    "label_noise",
    "load_outcomes",
    "load_pair",
    "matched_models",
    "mcnemar_power",
    "mean_after_matching",
    "mean_drop",
    "mean_drop_of_counts",
    "missed_by",
    "mistake_distances",
    "off_the_line",
    "own_variance",
    "paired_difference_interval",
    "random_effects_line",
    "rank",
    "rank_change_sets",
    "rank_changes",
    "rank_sets",
    "reliability_bins",
    "reuse_margin",
    "robustness_over_originals",
    "sampling_covariance",
    "seed_spread",
    "selective_prediction",
    "several_shifts",
    "shrunk_accuracies",
    "similarity_cover",
    "simulate",
    "slopes_on_frequency",
    "split_drop",
    "summarize",
    "summarize_outcomes",
    "to_scale",
    "two_way_bootstrap",
    "without_duplicates",
    "year_trend",
    "york_line",
]

# Module -> the public names that are defined in it.
_NAMES = {
    "outcomes": (
        "ImagePredictions",
        "Outcomes",
    ),
    "outcomes.stored_pair": (
        "StoredPair",
        "load_outcomes",
        "load_pair",
    ),
    "pair_statistics.compute": (
        "Statistics",
        "compute_statistics",
    ),
    "pair_statistics.missing": ("Missing",),
    "statistics.agreement": (
        "agreement",
        "dominance",
        "error_consistency",
        "expected_agreement",
    ),
    "statistics.agreement_line": ("agreement_line",),
    "statistics.bootstraps": (
        "draw_images",
        "family_bootstrap",
        "image_bootstrap",
        "two_way_bootstrap",
    ),
    "statistics.calibration": (
        "calibration",
        "ece_change",
        "reliability_bins",
    ),
    "statistics.class_correlations": ("class_correlations",),
    "statistics.class_difficulties": ("class_difficulties",),
    "statistics.confidence_estimates": ("confidence_estimates",),
    "statistics.corruption_errors": (
        "CorruptionErrors",
        "ReferenceErrors",
        "corruption_errors",
    ),
    "statistics.clustered": (
        "clustered_accuracies",
        "clustered_drop",
    ),
    "statistics.clusterings": ("clusterings",),
    "statistics.curvature": ("curvature",),
    "statistics.difficulty_model": (
        "Difficulty",
        "expected_accuracy",
        "expected_line",
        "fit_difficulty",
        "simulate",
    ),
    "statistics.diminishing_returns": ("diminishing_returns",),
    "statistics.drop_decomposition": (
        "decompose",
        "split_drop",
    ),
    "statistics.drops": (
        "Drops",
        "drops",
    ),
    "statistics.effective_robustness": (
        "effective_robustness",
        "effective_robustness_against",
        "sampling_covariance",
    ),
    "statistics.errors_in_variables": (
        "binomial_variance",
        "own_variance",
        "york_line",
    ),
    "statistics.hard_images": (
        "hard_images",
        "hardest_share",
        "missed_by",
    ),
    "statistics.image_sets": ("ImageSets",),
    "statistics.image_trends": (
        "held_out_trend",
        "image_trends",
    ),
    "statistics.intervals": (
        "Interval",
        "clopper_pearson",
        "difference_interval",
    ),
    "statistics.item_response": (
        "ability_change",
        "fit_item_response",
    ),
    "statistics.label_noise": (
        "corrected_drops",
        "label_errors",
        "label_noise",
    ),
    "statistics.likelihood": (
        "fit_temperature",
        "label_likelihoods",
    ),
    "statistics.line_fit": (
        "Line",
        "fit_line",
    ),
    "statistics.line_intervals": (
        "LineEstimate",
        "cluster_robust_line",
        "random_effects_line",
    ),
    "statistics.matched_models": ("MatchedModels", "matched_models"),
    "statistics.mean_drop": (
        "MeanDrop",
        "drop_margin",
        "drop_margin_of_counts",
        "mean_drop",
        "mean_drop_of_counts",
    ),
    "statistics.mistake_distances": (
        "class_distances",
        "distance_change",
        "mistake_distances",
    ),
    "statistics.multiplicity": (
        "adjust",
        "adjust_pairs",
    ),
    "statistics.near_duplicates": (
        "NearDuplicates",
        "accuracy_on_duplicates",
        "without_duplicates",
    ),
    "statistics.outliers": ("off_the_line",),
    "statistics.overfitting_tests": ("year_trend",),
    "statistics.paired": (
        "compare_drops",
        "compare_models",
        "exact_mcnemar",
        "paired_difference_interval",
    ),
    "statistics.per_class": (
        "class_accuracies",
        "class_drops",
    ),
    "statistics.power": (
        "detectable_accuracies",
        "detectable_difference",
        "mcnemar_power",
    ),
    "statistics.rank_sets": (
        "better_models",
        "rank_change_sets",
        "rank_sets",
    ),
    "statistics.ranks": (
        "rank",
        "rank_changes",
    ),
    "statistics.reuse_margins": (
        "joint_margin",
        "reuse_margin",
        "similarity_cover",
    ),
    "statistics.scale_choice": ("compare_scales",),
    "statistics.scales": (
        "SCALES",
        "fitted_accuracy",
        "from_scale",
        "to_scale",
    ),
    "statistics.selective": (
        "accuracy_drop",
        "selective_prediction",
    ),
    "statistics.several_originals": (
        "SeveralOriginals",
        "robustness_over_originals",
    ),
    "statistics.several_shifts": (
        "SetCounts",
        "SeveralShifts",
        "several_shifts",
    ),
    "statistics.seeds": ("seed_spread",),
    "statistics.selection_frequencies": (
        "corrected_gap",
        "fit_beta_binomial",
        "mean_after_matching",
        "slopes_on_frequency",
    ),
    "statistics.shrinkage": ("shrunk_accuracies",),
    "summary": (
        "MetricSummary",
        "PairSummary",
        "Summary",
        "summarize_outcomes",
    ),
    "summary.stored": ("summarize",),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
