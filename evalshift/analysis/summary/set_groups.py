"""Accuracy by group on one stored dataset, for which no second set is needed."""

from evalshift.analysis.outcomes import METRICS
from evalshift.analysis.outcomes.stored_pair import load_predictions
from evalshift.analysis.statistics.intervals import check_level
from evalshift.analysis.tables.of_frequencies import frequencies_table
from evalshift.analysis.tables.of_groups import GroupData, groups_table, worst_groups_table
from evalshift.analysis.tables.of_recipes import recipes_of_set
from evalshift.analysis.tables.table import StatisticTable
from evalshift.errors import AnalysisError, UsageError
from evalshift.evaluate.store import Results


def set_groups(
    results: Results, dataset: str, metric: str = "top1", level: float = 0.95
) -> tuple[dict[str, StatisticTable], tuple[str, ...]]:
    """The tables "worst_groups" and "groups", "selection_frequencies" where images have them, and notes.

    Also "recipes" where models differ in their seed alone.

    Takes the name of a stored dataset whose images have attributes, "top1" or "top5", and the level of the intervals.
    Raises UsageError where the dataset is not stored or for another metric, AnalysisError where no attribute makes
    groups or no model has predictions.
    """
    check_level(level)
    if metric not in METRICS:
        raise UsageError("unknown metric", found=metric, expected=", ".join(METRICS))
    predictions, notes = load_predictions(results, dataset)
    accuracy = predictions.correct(metric).mean(axis=1)
    best_first = sorted(range(len(accuracy)), key=lambda place: (-accuracy[place], predictions.models[place]))
    models = tuple(predictions.models[place] for place in best_first)
    data = GroupData(((dataset, predictions),), models, metric, level)
    worst, groups = worst_groups_table(data), groups_table(data)
    if worst is None or groups is None:
        raise AnalysisError(
            "the images have no attributes that form groups",
            where=dataset,
            found=", ".join(predictions.attributes) or "no attributes",
            expected="an attribute with at least two values",
            fix="give the dataset `attributes:` in the registry, or import its labels with further columns",
        )
    tables = {"worst_groups": worst, "groups": groups}
    frequencies = frequencies_table(data)
    tables |= {} if frequencies is None else {"selection_frequencies": frequencies}
    recipes = recipes_of_set(predictions.models, accuracy)
    return tables | ({} if recipes is None else {"recipes": recipes}), notes
