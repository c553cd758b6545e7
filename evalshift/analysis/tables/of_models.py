"""Tables with one row per model."""

from typing import Any

import numpy as np

from evalshift.analysis.pair_statistics.missing import Missing, either, require
from evalshift.analysis.statistics.drop_decomposition import SplitDrop, Term
from evalshift.analysis.statistics.effective_robustness import EffectiveRobustness
from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.statistics.line_fit import LEAST_LINE_MODELS
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table, with_bounds
from evalshift.formatting import name_some


def robustness_table(data: TableData) -> StatisticTable:
    """Each model's distance from the line of the other models."""
    found, order = require(data.statistics.robustness), data.order
    noise = (
        "sampling error that models share on the same images is removed"
        if data.statistics.shared_images
        else "models are treated as evaluated on different images, so intervals are too wide if they share images"
    )
    return make_table(
        "robustness",
        "Effective robustness",
        {
            "model": data.models,
            "predicted": found.predicted[order],
            **with_bounds("predicted", found.predicted_interval, order),
            "distance": found.reported[order],
            **with_bounds("distance", found.interval, order),
            "extrapolated": found.extrapolated[order],
            **with_bounds("usual", found.usual, order),
            "screened": found.screened[order],
            "p_value": found.p_value[order],
            "p_holm": found.p_holm[order],
            "p_bh": found.p_bh[order],
            "p_family": found.p_family[order],
        },
        [
            Column("model", "Model", "model"),
            bounded("predicted", "Predicted (%)"),
            bounded("distance", "Above the line (points)", "points"),
            *([Column("extrapolated", "Extrapolated", "flag")] if found.extrapolated.any() else []),
            Column("usual", "Expected range", "bounds", ("usual_low", "usual_high")),
            Column("p_value", "p", "p"),
            Column("p_holm", "p (Holm)", "p"),
            Column("p_bh", "p (BH)", "p"),
            *([Column("p_family", "p (Holm, without family)", "p")] if np.isfinite(found.p_family).any() else []),
        ],
        f"New accuracy against the prediction of the line fitted to all other models, {found.scale} scale; {noise}. "
        f"Expected range: the distances of {100 * data.statistics.level:g} % of models that scatter about the line "
        "like the others. p-values test whether the model is farther from the line than this scatter explains "
        f"(Student's t); they are also adjusted over all models{_family_words(found)}."
        f"{extrapolated_words(found)}{_screened_words(data)}",
        empty=f"The prediction is empty with fewer than {LEAST_LINE_MODELS} other models for a line. Without resamples "
        "there are no intervals.",
    )


def extrapolated_words(found: EffectiveRobustness, others: str = "all other models of the line") -> str:
    """What is said of models beyond the range of the line, where there are some."""
    if not found.extrapolated.any():
        return ""
    withheld = " and is not given where it is smaller than its standard error" if found.undetermined.any() else ""
    return (
        f" Extrapolated: the original accuracy is below or above that of {others}, so the distance depends on the "
        f"line beyond their range{withheld}."
    )


def _family_words(found: EffectiveRobustness) -> str:
    if not np.isfinite(found.p_family).any():
        return ""
    return "; in the last column, the line leaves out the model's family, whose scatter is estimated separately"


def _screened_words(data: TableData) -> str:
    found, statistics = require(data.statistics.robustness), data.statistics
    names = [statistics.titles.model(statistics.models[place]) for place in np.flatnonzero(found.screened)]
    return f" Outliers are left out of the lines of the other models: {name_some(names)}." if names else ""


def decomposition_table(data: TableData) -> StatisticTable:
    """The decomposition of each model's drop."""
    statistics, order = data.statistics, data.order
    parts, split = statistics.decomposition, statistics.split
    columns: dict[str, Any] = {"model": data.models, "drop": parts.drop[order], "fresh": statistics.with_fresh[order]}
    for name, term in (("adaptivity", parts.adaptivity), ("distribution", parts.distribution)):
        columns |= {name: term.estimate[order], **with_bounds(name, term.interval, order)}
    columns["adaptivity_p"] = parts.adaptivity_p[order]
    columns |= with_bounds("generalization", parts.generalization.interval, order)
    for level, bounds in parts.generalization_bounds.items():
        columns |= with_bounds(f"generalization_{100 * level:g}", bounds, order)
    columns |= _split_columns(split, order)
    fresh = (
        f"Adaptivity is measured on {statistics.titles.dataset(statistics.fresh)}, fresh images of the original "
        "distribution."
        if statistics.fresh
        else "No fresh images of the original distribution were evaluated, so adaptivity is not separated and is "
        "part of the distribution term."
    )
    why = either(split, lambda _: "", lambda reason: f" ({reason})")
    tuned = [bounded("adaptivity", "Adaptivity", "points"), Column("adaptivity_p", "p", "p")]
    return make_table(
        "decomposition",
        "Decomposition of the drop",
        columns,
        [
            Column("model", "Model", "model"),
            Column("drop", "Drop", "points"),
            *(tuned if statistics.fresh else []),
            bounded("distribution", "Distribution", "points"),
            Column("generalization", "Sampling", "bounds", ("generalization_low", "generalization_high")),
            bounded("shared", "Shared", "points"),
            bounded("own", "Own", "points"),
        ],
        f"In points. Drop = adaptivity + distribution + sampling. {fresh} The expected sampling error is 0; the table "
        "shows its interval. Across models, drop = shared − own: shared is the drop that the line of the other models "
        "predicts at this original accuracy, and own is the model's distance above that line.",
        empty="Adaptivity is empty without predictions on fresh images, shared and own if the other models have no "
        f"line{why}, and own if effective robustness is not given.",
    )


def _split_columns(split: SplitDrop | Missing, order: np.ndarray) -> dict[str, np.ndarray]:
    nothing = np.full(len(order), np.nan)
    undefined = Term(nothing, Interval(nothing, nothing))
    terms = either(split, lambda found: (found.shared, found.own), lambda reason: (undefined, undefined))
    columns = {}
    for name, term in zip(("shared", "own"), terms, strict=True):
        columns |= {name: term.estimate[order], **with_bounds(name, term.interval, order)}
    return columns


def ranks_table(data: TableData) -> StatisticTable:
    """Confidence sets of ranks on both sets, and of the change."""
    statistics, order = data.statistics, data.image_order
    original, new = require(statistics.original), require(statistics.new)
    changes = require(statistics.rank_changes)
    return make_table(
        "ranks",
        "Confidence sets of the ranks",
        {
            "model": data.image_models,
            "original_rank": original.ranks.rank[order],
            **with_bounds("original_rank", original.ranks.interval, order),
            "new_rank": new.ranks.rank[order],
            **with_bounds("new_rank", new.ranks.interval, order),
            "change": changes.change[order],
            **with_bounds("change", changes.interval, order),
            "real": changes.real[order],
        },
        [
            Column("model", "Model", "model"),
            bounded("original_rank", "Original rank", "count"),
            bounded("new_rank", "New rank", "count"),
            bounded("change", "Δ rank", "count"),
            Column("real", "Significant", "flag"),
        ],
        f"Simultaneous {100 * statistics.level:g} % confidence sets: of all ranks on each test set, and of all rank "
        "changes; a change is statistically significant if its interval excludes 0.",
    )


def duplicates_table(data: TableData) -> StatisticTable:
    """Original accuracy without near-duplicates of training images."""
    found, known, order = require(data.statistics.duplicates), data.statistics.near_duplicates, data.order
    assert known is not None
    drop = data.statistics.decomposition.drop[order]
    return make_table(
        "duplicates",
        "Without near-duplicates",
        {
            "model": data.models,
            "accuracy": found.accuracy[order],
            **with_bounds("accuracy", found.interval, order),
            "inflation": found.inflation[order],
            "drop": drop,
        },
        [
            Column("model", "Model", "model"),
            bounded("accuracy", "Original without (%)"),
            Column("inflation", "Inflation (points)", "points"),
            Column("drop", "Drop (points)", "points"),
        ],
        f"{100 * known.share:g} % of the original images have near-duplicates among the training images. With "
        f"{100 * known.accuracy:g} % correct on these, the table shows the accuracy on the rest, and by how "
        f"much they inflate it ({known.source}).",
    )
