"""Average changes side by side: by hand, and as they are read."""

import pandas as pd
import pytest

from evalshift.analysis.summary import PairSummary, summarize_outcomes
from evalshift.analysis.summary.average_changes import average_changes, changes_table
from evalshift.analysis.tables.read import readable_statistic, statistic_latex


@pytest.fixture
def pairs(make_outcomes) -> list[PairSummary]:
    """Two models fall by 1 and 3 of 10 on one set; one model rises by 2 of 10 on another, top-1 alone."""
    first = {
        "top1": make_outcomes([9, 8], [8, 5], new="harder"),
        "top5": make_outcomes([9, 9], [9, 9], new="harder", metric="top5"),
    }
    second = {"top1": make_outcomes([7], [9], new="easier")}
    return [summarize_outcomes(outcomes, resamples=0) for outcomes in (first, second)]


def test_changes_by_hand(pairs):
    changes = average_changes(pairs)
    assert changes[["original", "new"]].to_numpy().tolist() == [["old", "harder"], ["old", "easier"]]
    assert changes["top1_models"].tolist() == [2, 1]
    assert changes["top1_change"].tolist() == pytest.approx([-0.2, 0.2])
    assert changes["top5_change"].tolist() == [0, pd.NA]
    assert changes["top5_models"].tolist() == [2, pd.NA]


def test_bounds_are_those_of_the_mean_drop_turned_round(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([9, 8], [8, 5])}, resamples=0)
    row = average_changes([pair]).iloc[0]
    drop = pair.metrics["top1"].mean_drop_interval
    assert (row["top1_change_low"], row["top1_change_high"]) == (-drop.high, -drop.low)
    assert row["top1_change_low"] < row["top1_change"] < row["top1_change_high"]


def test_a_metric_that_no_pair_has_has_no_column(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([9, 8], [8, 5])}, resamples=0)
    assert [column for column in average_changes([pair]) if str(column).startswith("top5")] == []


def test_as_read(pairs):
    table = changes_table(pairs, level=0.95)
    read = readable_statistic(table)
    assert list(read) == ["Original", "New", "Top-1 models", "Top-1 change", "Top-5 models", "Top-5 change"]
    assert read["Top-1 change"].str.split().str[0].tolist() == ["−20.0", "+20.0"]
    assert read["Top-5 change"].str.split().str[0].tolist() == ["0.0", "–"]
    assert read["Top-5 models"].tolist() == ["2", "–"]
    assert statistic_latex(table).splitlines()[-3].endswith(r"& -- & -- \\")
    assert table.words.endswith("A pair without a metric has no change.")
