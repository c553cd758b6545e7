"""The summary as JSON: whole, read back, and the same again."""

import json
from dataclasses import replace

import pytest

from evalshift.analysis.summary import PairSummary, Summary, summarize_outcomes
from evalshift.analysis.summary.stored import summarize
from evalshift.analysis.summary.summary_json import to_json


def summary_of(*pairs: PairSummary) -> Summary:
    return Summary(pairs, "linear", "top1", 0.95, 100, 0, "2026-01-02T03:04:05+00:00", "1.2.3", "evalshift report")


def test_json_holds_everything_and_reads_back(tiny):
    summary = summary_of(
        summarize_outcomes({"top1": tiny}, resamples=100, notes=["something"], provenance={"models": {}})
    )

    read = json.loads(to_json(summary), parse_constant=lambda token: pytest.fail(f"{token} is no JSON"))

    assert list(read) == [
        *("schema_version", "evalshift", "created", "command", "scale", "scale_choice", "metric", "level", "resamples"),
        *("seed", "notes", "several_sets", "pairs"),
    ]
    pair = read["pairs"][0]
    assert (pair["original"], pair["new"], pair["notes"]) == ("old", "new", ["something"])
    metric = pair["metrics"]["top1"]
    assert metric["mean_drop"] == pytest.approx(0.7 / 3)
    assert list(metric["table"][0]) == summary.pairs[0].metrics["top1"].table.columns.tolist()
    assert [row["year"] for row in metric["table"]] == [2015, 2019, None]
    assert [row["family"] for row in metric["table"]] == ["resnet", None, None]
    line = summary.pairs[0].metrics["top1"].lines["probit"]
    assert line is not None
    assert metric["lines"]["probit"]["slope"] == line.slope
    assert metric["lines"]["probit"]["slope_interval"] == {
        "low": line.slope_interval.low,
        "high": line.slope_interval.high,
    }


def test_what_is_undefined_is_null_in_json(make_outcomes):
    # Two models have no interval, and no R².
    summary = summary_of(summarize_outcomes({"top1": make_outcomes([8, 6], [5, 4])}, resamples=100))

    line = json.loads(to_json(summary))["pairs"][0]["metrics"]["top1"]["lines"]["linear"]

    assert line["slope"] == pytest.approx(0.5)
    assert line["r2"] is None
    assert line["slope_interval"] == {"low": None, "high": None}
    assert "NaN" not in to_json(summary)
    assert "Infinity" not in to_json(summary)


def test_one_seed_gives_the_same_json_but_for_the_time(letters):
    written = [to_json(replace(summarize(letters.results, resamples=50), created="now")) for _ in range(2)]

    assert written[0] == written[1]
