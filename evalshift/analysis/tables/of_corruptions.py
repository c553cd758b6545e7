"""Tables of corruption benchmarks: mean and relative corruption error, and the error of each corruption."""

from collections.abc import Sequence

import pandas as pd

from evalshift.analysis.pair_statistics.corruption_benchmarks import PUBLISHED_ALEXNET, CorruptionBenchmark
from evalshift.analysis.tables.table import Column, StatisticTable, bounded, make_table
from evalshift.titles import Titles


def corruption_errors_table(found: Sequence[CorruptionBenchmark], titles: Titles, level: float) -> StatisticTable:
    """One row per benchmark and model, the lowest mean error first."""
    several = [Column("benchmark", "Benchmark", "text")] if len(found) > 1 else []
    normalised = [
        bounded("mce", "mCE (%)"),
        bounded("relative_mce", "Relative mCE (%)"),
    ]
    return make_table(
        "corruption_errors",
        "Mean corruption error",
        pd.concat([_means(one) for one in found], ignore_index=True),
        [
            *several,
            Column("model", "Model", "model"),
            Column("clean_error", "Clean error (%)", "percent"),
            bounded("mean_error", "Mean error (%)"),
            *(normalised if any(one.reference for one in found) else []),
        ],
        f"{' '.join(_words(one, titles) for one in found)} {100 * level:g} % confidence intervals"
        f"{'; bounds, from counts alone' if any(one.found.conservative for one in found) else ''}.",
        empty="An empty cell: no reference model, or one whose error does not rise under some corruption.",
        titles=titles,
    )


def corruptions_table(found: Sequence[CorruptionBenchmark], titles: Titles) -> StatisticTable:
    """One row per benchmark, corruption and model; read as a matrix of models and corruptions."""
    frame = pd.concat([_corruptions(one) for one in found], ignore_index=True)
    names = list(dict.fromkeys(frame["corruption"]))
    value = "ce" if all(one.reference for one in found) else "error"
    wide = frame.pivot_table(index=["benchmark", "model"], columns="corruption", values=value, sort=False)
    wide = wide.reindex(pd.MultiIndex.from_frame(frame[["benchmark", "model"]].drop_duplicates()))
    several = [Column("benchmark", "Benchmark", "text")] if len(found) > 1 else []
    words = "Error over that of the reference" if value == "ce" else "Error"
    return StatisticTable(
        "corruptions",
        "Corruption errors" if value == "ce" else "Errors by corruption",
        frame,
        (
            *several,
            Column("model", "Model", "model"),
            *(Column(name, name.replace("_", " ").capitalize(), "percent") for name in names),
        ),
        wide.reset_index(),
        f"{words} in percent, over severities. {' '.join(_words(one, titles) for one in found)}",
        "",
        titles,
    )


def _words(one: CorruptionBenchmark, titles: Titles) -> str:
    """What is averaged, and what it is normalised by."""
    several = sorted(set(one.severities))
    severities = f"severities {several[0]}" if len(several) == 1 and several[0] != "mean" else "severities as stored"
    if several == ["mean"]:
        severities = "means over severities"
    name = one.benchmark or "corruptions"
    words = f"{name}: {len(one.corruptions)} of the 15 corruptions of Hendrycks and Dietterich (2019), {severities}; "
    if one.reference is None:
        words += f"not normalised: {one.why}."
    else:
        shown = one.reference if one.reference == PUBLISHED_ALEXNET else titles.model(one.reference)
        words += f"reference model: {shown} = 100 %."
    return words + (f" Not in the mean: {', '.join(one.left_out)}." if one.left_out else "")


def _means(one: CorruptionBenchmark) -> pd.DataFrame:
    found = one.found
    frame = pd.DataFrame(
        {
            "original": one.original,
            "benchmark": one.benchmark,
            "model": one.models,
            "reference": one.reference or "",
            "corruptions": len(one.corruptions),
            "clean_error": one.clean_error,
            "mean_error": found.mean_error,
            "mean_error_low": found.mean_error_interval.low,
            "mean_error_high": found.mean_error_interval.high,
            "mce": found.mce,
            "mce_low": found.mce_interval.low,
            "mce_high": found.mce_interval.high,
            "relative_mce": found.relative_mce,
            "relative_mce_low": found.relative_mce_interval.low,
            "relative_mce_high": found.relative_mce_interval.high,
        }
    )
    return frame.sort_values("mean_error", kind="stable", ignore_index=True)


def _corruptions(one: CorruptionBenchmark) -> pd.DataFrame:
    order = one.found.mean_error.argsort(kind="stable")
    parts = [
        pd.DataFrame(
            {
                "original": one.original,
                "benchmark": one.benchmark,
                "corruption": name,
                "severities": one.severities[number],
                "model": [one.models[place] for place in order],
                "error": one.found.error[number][order],
                "ce": one.found.ce[number][order],
                "relative_ce": one.found.relative_ce[number][order],
            }
        )
        for number, name in enumerate(one.corruptions)
    ]
    return pd.concat(parts, ignore_index=True)
