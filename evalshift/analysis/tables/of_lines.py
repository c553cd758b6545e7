"""Tables of the line: its confidence intervals, the scale on which it fits best, and signs of overfitting."""

from typing import Any

import numpy as np

from evalshift.analysis.pair_statistics.missing import Missing, either, require
from evalshift.analysis.statistics.diminishing_returns import DiminishingReturns
from evalshift.analysis.statistics.errors_in_variables import YorkLine
from evalshift.analysis.statistics.line_fit import Line
from evalshift.analysis.statistics.line_intervals import LineEstimate
from evalshift.analysis.statistics.overfitting_tests import YearTrend
from evalshift.analysis.tables.table import Column, StatisticTable, TableData, bounded, make_table


def lines_table(data: TableData) -> StatisticTable:
    """The line, one row for each method and each source of uncertainty."""
    statistics, lines = data.statistics, data.statistics.lines
    drawn = data.lines.get(lines.scale)
    least_squares: Line | Missing = Missing("no line can be fitted") if drawn is None else drawn
    estimates = statistics.estimates[lines.scale]
    clusters = "families of models" if estimates.clustered else "models"
    rows = [
        _line_row("random effects", "models and images", estimates.models_and_images),
        _line_row("random effects", "families of models and images", estimates.families_and_images),
        _line_row("cluster-robust (CR2)", clusters, estimates.counts),
        _line_row("bootstrap", "models", least_squares),
        _line_row("bootstrap", "images", lines.over_images),
        _line_row("bootstrap", "images and models", lines.over_both),
        _line_row("bootstrap", "families of models", lines.over_families),
        _line_row("York, binomial variances", "", lines.york),
        _line_row("York, own variances", "", lines.york_own),
    ]
    return make_table(
        "lines",
        "The line and its confidence intervals",
        {key: [row[key] for row in rows] for key in rows[0]},
        [
            Column("line", "Method", "text"),
            Column("drawn", "Accounts for", "text"),
            bounded("slope", "Slope", "number"),
            bounded("offset", "Offset", "number"),
            Column("df", "df of the slope"),
            Column("reduced_chi2", "Reduced χ²"),
            Column("missing", "Not computed because", "text"),
        ],
        f"{lines.scale.capitalize()} scale, {100 * statistics.level:g} % intervals. Random effects: models scatter "
        "about the line and share images, and the slope is corrected for sampling error in the original accuracies; "
        "the headline uses it if per-image predictions are stored, otherwise the cluster-robust interval. Bootstrap: "
        "least squares, with percentiles over what is resampled; resampling models, as in Recht et al. 2019, is too "
        "narrow for few models. York's line accounts for sampling error in both accuracies; if its reduced χ² is above "
        "1, models scatter more than sampling error explains.",
        empty="Only t intervals have degrees of freedom (df), and only York's lines a χ², which needs three models; "
        "with two models the line has no interval.",
    )


def _line_row(name: str, drawn: str, line: Line | YorkLine | LineEstimate | Missing) -> dict[str, Any]:
    cells = either(line, _line_cells, lambda reason: dict.fromkeys(_LINE_CELLS, np.nan) | {"missing": reason})
    return {"line": name, "drawn": drawn, **cells}


_LINE_CELLS = ("slope", "slope_low", "slope_high", "offset", "offset_low", "offset_high", "df", "reduced_chi2")


def _line_cells(line: Line | YorkLine | LineEstimate) -> dict[str, Any]:
    return {
        "slope": line.slope,
        "slope_low": line.slope_interval.low,
        "slope_high": line.slope_interval.high,
        "offset": line.offset,
        "offset_low": line.offset_interval.low,
        "offset_high": line.offset_interval.high,
        "df": line.slope_df if isinstance(line, LineEstimate) else np.nan,
        "reduced_chi2": line.reduced_chi2 if isinstance(line, YorkLine) else np.nan,
        "missing": "",
    }


def scales_table(data: TableData) -> StatisticTable:
    """One row per scale: how well its line fits, and predicts models it has not seen."""
    lines = data.statistics.lines
    fits = require(lines.scale_fits)
    by_family, why = either(
        lines.by_family,
        lambda found: ([fit.rms_error for fit in found], ""),
        lambda reason: ([np.nan] * len(fits), f"; so is the error by family: {reason}"),
    )
    largest = [int(np.nanargmax(np.abs(fit.error))) if np.isfinite(fit.error).any() else None for fit in fits]
    return make_table(
        "scales",
        "Comparison of scales",
        {
            "scale": [fit.scale for fit in fits],
            "r2": [fit.r2 for fit in fits],
            "rms_error": [fit.rms_error for fit in fits],
            "rms_error_by_family": by_family,
            "largest_error": [np.nan if at is None else fit.error[at] for fit, at in zip(fits, largest, strict=True)],
            "largest_error_model": ["" if at is None else data.outcomes.models[at] for at in largest],
        },
        [
            Column("scale", "Scale", "text"),
            Column("r2", "R²"),
            Column("rms_error", "Leave-one-out error (points)", "hundredths"),
            Column("rms_error_by_family", "Leave-one-family-out error (points)", "hundredths"),
            Column("largest_error", "Largest error (points)", "hundredths"),
            Column("largest_error_model", "Model", "model"),
        ],
        "Error of the new accuracy predicted by the line fitted without the model, or without its family: root mean "
        "square over models, and the largest. Compare these, not R², which is computed on each scale separately.",
        empty="An error is empty where no line fits the remaining models" + f"{why}.",
    )


def trends_table(data: TableData) -> StatisticTable:
    """The tests for signs of tuning on the original set."""
    rows = [_flatter_row(data.statistics.lines.diminishing), _year_row(data.statistics.year)]
    return make_table(
        "trends",
        "Tests for tuning on the original set",
        dict(zip(_TREND_CELLS, zip(*rows, strict=True), strict=True)),
        [
            Column("test", "Test", "text"),
            Column("estimate", "Estimate", "number"),
            Column("expected", "Expected without tuning", "number"),
            Column("p_value", "p", "p"),
            Column("models", "Models", "count"),
            Column("missing", "Not computed because", "text"),
        ],
        "One-sided tests. The slope is on the scale with the smallest leave-one-out error, and is compared with that "
        "of the difficulty model of the images; the trend is the change of new accuracy per year at equal original "
        "accuracy, as a fraction. A test that is not significant does not rule out tuning, which may leave the slope "
        "unchanged.",
        empty="A test that is not computed has no numbers.",
    )


_TREND_CELLS = ("test", "estimate", "expected", "p_value", "models", "missing")
_NO_TREND = (np.nan, np.nan, np.nan, np.nan)


def _flatter_row(diminishing: DiminishingReturns | Missing) -> tuple[Any, ...]:
    test = "flatter line (diminishing returns)"
    return either(
        diminishing,
        lambda found: (
            f"{test}, {found.scale} scale",
            found.slope,
            found.expected_slope,
            found.p_value,
            found.models,
            "",
        ),
        lambda reason: (test, *_NO_TREND, reason),
    )


def _year_row(year: YearTrend | Missing) -> tuple[Any, ...]:
    test = "decline over the years"
    return either(
        year,
        lambda found: (test, found.per_year, 0.0, found.p_value, found.models, ""),
        lambda reason: (test, *_NO_TREND, reason),
    )


def difficulty_table(data: TableData) -> StatisticTable:
    """The difficulty model: the line predicted from single images, and the fitted line."""
    found, line = require(data.statistics.difficulty), data.lines.get("probit")
    return make_table(
        "difficulty",
        "The difficulty model",
        {
            "quantity": [
                "slope u",
                "offset v",
                "σ of the original images",
                "σ of the new images",
                "μ of the new images",
            ],
            "predicted": [
                found.line.slope,
                found.line.offset,
                found.original.spread,
                found.new.spread,
                found.new.mean - found.original.mean,
            ],
            "fitted": [*((np.nan, np.nan) if line is None else (line.slope, line.offset)), np.nan, np.nan, np.nan],
        },
        [
            Column("quantity", "", "text"),
            Column("predicted", "From single images"),
            Column("fitted", "Fitted line"),
        ],
        "An image of difficulty τ ~ N(μ, σ²) is classified correctly with probability Φ(skill − τ). σ is estimated "
        "from how often two models are both correct; it predicts the slope of the probit line. The original set's μ is "
        "0.",
        empty="Only slope and offset have a fitted value, and models of equal accuracy have no line.",
    )
