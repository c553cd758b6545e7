"""The statistics of one metric as tables by name."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from evalshift.analysis.outcomes import ImagePredictions, Outcomes
from evalshift.analysis.pair_statistics.compute import Statistics
from evalshift.analysis.pair_statistics.missing import Missing, attempt, computed, reasons
from evalshift.analysis.statistics.line_fit import Line
from evalshift.analysis.tables import (
    of_abilities,
    of_classes,
    of_clusters,
    of_corrected_labels,
    of_estimates,
    of_frequencies,
    of_groups,
    of_images,
    of_line_shape,
    of_lines,
    of_matched_models,
    of_mistakes,
    of_model_groups,
    of_model_pairs,
    of_models,
    of_probabilities,
    of_recipes,
    of_sets,
    of_superclasses,
    of_worst_classes,
)
from evalshift.analysis.tables.table import Column, StatisticTable, TableData

__all__ = ["TABLES", "Column", "StatisticTable", "statistic_tables"]

# None stands for a table that this pair does not call for: no attributes of images, no superclasses, no class tree, no
# corrected labels, no recipes with several seeds; and for a table that nobody asked for.
_MAKERS: dict[str, Callable[[TableData], StatisticTable | Missing | None]] = {
    "lines": of_lines.lines_table,
    "model_groups": of_model_groups.model_groups_table,
    "scales": of_lines.scales_table,
    "curvature": of_line_shape.curvature_table,
    "robustness": of_models.robustness_table,
    "matched_models": of_matched_models.matched_models_table,
    "decomposition": of_models.decomposition_table,
    "trends": of_lines.trends_table,
    "duplicates": of_models.duplicates_table,
    "ranks": of_models.ranks_table,
    "sets": of_sets.sets_table,
    "pairs": of_model_pairs.pairs_table,
    "without_labels": of_estimates.without_labels_table,
    "calibration": of_probabilities.calibration_table,
    "selective": of_probabilities.selective_table,
    "likelihood": of_probabilities.likelihood_table,
    "classes": of_classes.classes_table,
    "model_classes": of_classes.model_classes_table,
    "hierarchical_errors": of_superclasses.hierarchical_errors_table,
    "mistake_severity": of_mistakes.mistake_severity_table,
    "corrected_labels": of_corrected_labels.corrected_labels_table,
    "corrected_label_sets": of_corrected_labels.corrected_label_sets_table,
    "corrected_drops": of_corrected_labels.corrected_drops_table,
    "item_response": of_abilities.item_response_table,
    "item_response_sets": of_abilities.item_response_sets_table,
    "item_response_classes": of_abilities.item_response_classes_table,
    "class_correlations": of_line_shape.class_correlations_table,
    "worst_classes": of_worst_classes.worst_classes_table,
    "clusters": of_clusters.clusters_table,
    "clustered_drops": of_clusters.clustered_drops_table,
    "worst_groups": of_groups.worst_groups_table,
    "groups": of_groups.groups_table,
    "selection_frequencies": of_frequencies.frequencies_table,
    "recipes": of_recipes.recipes_table,
    "hard_images": of_images.hard_images_table,
    "image_trends": of_line_shape.image_trends_table,
    "falling_images": of_line_shape.falling_images_table,
    "difficulty": of_lines.difficulty_table,
}
TABLES = tuple(_MAKERS)


def statistic_tables(
    statistics: Statistics,
    outcomes: Outcomes,
    models: Sequence[str],
    lines: Mapping[str, Line | None],
    predictions: tuple[ImagePredictions, ImagePredictions] | None,
    only: Collection[str] | None = None,
    included: Sequence[str] = (),
) -> tuple[dict[str, StatisticTable], dict[str, str]]:
    """The tables that are computed, and the reason for each one that is not, both by name.

    `models` is the order of rows, `lines` the least-squares line on each scale; images and classes are called as in
    `predictions`. `only` names the tables to make; None is all. `included` are tables asked for beyond those that
    are always made.
    """
    data = TableData(statistics, outcomes, tuple(models), lines, predictions, included)
    made = {name: attempt(partial(make, data)) for name, make in _MAKERS.items() if only is None or name in only}
    return (
        {
            name: replace(table, titles=outcomes.titles, highlighted=outcomes.highlighted)
            for name, table in computed(made).items()
            if table is not None
        },
        reasons(made),
    )
