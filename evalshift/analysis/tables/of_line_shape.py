"""Tables of what a straight line does not show: curvature, falling hit rates, correlations by class."""

from typing import Any

import numpy as np
import pandas as pd

from evalshift.analysis.pair_statistics.line_shape import SetTrends
from evalshift.analysis.pair_statistics.missing import Missing, computed, either, or_else, reasons, require
from evalshift.analysis.statistics.curvature import Curvature
from evalshift.analysis.statistics.image_trends import HeldOutTrend
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table

# Rows that a person reads of a table too long to be read.
_READ_ROWS = 40
_SIDES = ("original", "new")
_CURVE = (
    *("quadratic", "quadratic_low", "quadratic_high", "df", "p_value"),
    *("bend", "bend_low", "bend_high", "slope_lowest", "slope_highest"),
)
_NOT_HELD_OUT = HeldOutTrend(np.nan, np.nan)


def curvature_table(data: TableData) -> StatisticTable | Missing:
    """One row per scale: the quadratic term of new on original accuracy."""
    found = data.statistics.shape.curvature
    curves = computed(found).values()
    if not curves:
        return Missing(next(iter(reasons(found).values())))
    rows = [_curve_row(scale, curve) for scale, curve in found.items()]
    images = any(curve.images for curve in curves)
    return make_table(
        "curvature",
        "Curvature of new on original accuracy",
        {key: [row[key] for row in rows] for key in rows[0]},
        [
            Column("scale", "Scale", "text"),
            bounded("quadratic", "Quadratic term", "number"),
            Column("p_value", "p", "p"),
            bounded("bend", "Bend in the middle (points)", "change"),
            Column("slope_lowest", "Slope at the lowest accuracy"),
            Column("slope_highest", "Slope at the highest accuracy"),
            Column("missing", "Not computed because", "text"),
        ],
        f"A parabola instead of the line, on each scale, {100 * data.statistics.level:g} % intervals"
        f"{'' if images else '; sampling error of the images not included'}. p tests for a straight line. "
        "Bend: new accuracy on the curve minus that on the straight line between its ends, in the middle of the range "
        "of original accuracies. One model far from the others can determine the curve: see the table robustness.",
        empty="A scale without a curve has no numbers.",
    )


def _curve_row(scale: str, curve: Curvature | Missing) -> dict[str, Any]:
    return {
        "scale": scale,
        **either(curve, _curve_cells, lambda reason: dict.fromkeys(_CURVE, np.nan) | {"missing": reason}),
    }


def _curve_cells(curve: Curvature) -> dict[str, Any]:
    values = (
        *(curve.quadratic, curve.interval.low, curve.interval.high, curve.df, curve.p_value),
        *(curve.bend, curve.bend_interval.low, curve.bend_interval.high, curve.slope_lowest, curve.slope_highest),
    )
    return {**dict(zip(_CURVE, values, strict=True)), "missing": ""}


def image_trends_table(data: TableData) -> StatisticTable:
    """One row per set: on how many images the hit rate falls as original accuracy rises."""
    rows = []
    for side, found in zip(_SIDES, _trends(data), strict=True):
        images, held_out = found.images, or_else(found.held_out, _NOT_HELD_OUT)
        rows.append(
            {
                "set": side,
                "images": len(images.trend),
                "decided": images.decided,
                "negative": images.negative,
                "nominal": images.nominal,
                "by_chance": images.by_chance,
                "falling": len(images.falling),
                "picked": held_out.images,
                "held_out_correlation": held_out.correlation,
            }
        )
    level, models = data.statistics.level, _trends(data)[0].images.models
    why = list(reasons({side: found.held_out for side, found in zip(_SIDES, _trends(data), strict=True)}).values())
    return make_table(
        "image_trends",
        "Images whose hit rate falls as original accuracy rises",
        pd.DataFrame(rows),
        [
            Column("set", "Set", "text"),
            Column("images", "Images", "count"),
            Column("decided", "Models differ on", "count"),
            Column("negative", "Falling", "count"),
            Column("nominal", f"p < {1 - level:.2g}", "count"),
            Column("by_chance", "expected by chance", "count"),
            Column("falling", "Significant (BH)", "count"),
            Column("picked", "Selected by half of the models", "count"),
            Column("held_out_correlation", "Correlation for the other half"),
        ],
        f"Over {models} models. p: Wilcoxon–Mann–Whitney test of each image, one-sided; expected by chance: number "
        f"below {1 - level:.2g} if correctness did not depend on accuracy; significant: after Benjamini and Hochberg's "
        "adjustment over the images. Last columns: images on which the hit rate falls for half of the models, and "
        "Spearman's correlation of original accuracy and accuracy on these for the other half. Related models make "
        "trends look stronger than they are.",
        empty=f"No correlation{': ' + why[0] if why else ' where models are equally accurate on the images'}.",
    )


def falling_images_table(data: TableData) -> StatisticTable | Missing:
    """One row per image whose hit rate falls significantly; the strongest first."""
    if not any(len(found.images.falling) for found in _trends(data)):
        return Missing("the hit rate falls significantly with original accuracy on no image")
    parts: list[dict[str, Any]] = []
    assert data.predictions is not None
    for side, found, predictions in zip(_SIDES, _trends(data), data.predictions, strict=True):
        images = found.images
        parts += [
            {
                "set": side,
                "image": predictions.ids[image],
                "position": image,
                "class": predictions.class_names[predictions.labels[image]],
                "correct": images.correct[image],
                "models": images.models,
                "trend": images.trend[image],
                "p_value": images.p_value[image],
                "p_bh": images.p_bh[image],
            }
            for image in images.falling.tolist()
        ]
    keys = ("set", "image", "position", "class", "correct", "models", "trend", "p_value", "p_bh")
    return make_table(
        "falling_images",
        "Images that more accurate models classify correctly less often",
        pd.DataFrame(parts, columns=list(keys)),
        [
            Column("set", "Set", "text"),
            Column("image", "Image", "text"),
            Column("class", "Class", "text"),
            Column("correct", "Correct models", "count"),
            Column("trend", "Trend"),
            Column("p_bh", "p (BH)", "p"),
        ],
        "Trend: rank-biserial correlation of correctness and original accuracy, −1 where every correct model is less "
        f"accurate than every incorrect one. Significant at {1 - data.statistics.level:.2g} by Benjamini and Hochberg "
        f"over the images of the set. Up to {_READ_ROWS} of each set are shown; the CSV table contains all.",
        choose=lambda frame: frame.groupby("set", sort=False).head(_READ_ROWS),
    )


def class_correlations_table(data: TableData) -> StatisticTable:
    """One row per class: whether new accuracy on it goes with original accuracy."""
    found = require(data.statistics.shape.classes)
    assert data.predictions is not None
    return make_table(
        "class_correlations",
        "Correlation with original accuracy by class",
        {
            "class": list(data.predictions[1].class_names),
            "new_total": require(data.statistics.new).classes.total,
            "correlation": found.correlation,
            "correlation_low": found.interval.low,
            "correlation_high": found.interval.high,
            "p_value": found.p_value,
            "p_holm": found.p_holm,
            "p_bh": found.p_bh,
            "slope": found.slope,
            "own_correlation": found.own,
        },
        [
            Column("class", "Class", "text"),
            Column("new_total", "New images", "count"),
            bounded("correlation", "Correlation", "number"),
            Column("p_holm", "p (Holm)", "p"),
            Column("slope", "Points per point"),
            Column("own_correlation", "Correlation within the class"),
        ],
        f"Pearson's correlation over {found.models} models of new accuracy on the class and original accuracy on all "
        f"images, {found.scale} scale, with Fisher's {100 * data.statistics.level:g} % interval, the lowest first. "
        "Within the class: with original accuracy on that class. Points per point: increase of the accuracy on the "
        "class per point of original accuracy, least squares. With few images, sampling error alone lowers the "
        f"correlation of a class; models are treated as independent. Up to {_READ_ROWS} rows are shown; the CSV table "
        "contains all.",
        empty="Empty for classes without images and for those on which all models are equally accurate.",
        choose=lambda frame: frame.sort_values("correlation", kind="stable").head(_READ_ROWS),
    )


def _trends(data: TableData) -> tuple[SetTrends, SetTrends]:
    return require(data.statistics.shape.original), require(data.statistics.shape.new)
