"""Models of the same accuracy in a report: the table, and what is said of them."""

from typing import Any

import numpy as np
import pytest

from evalshift.analysis.statistics.matched_models import matched_models
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.tables.read import readable_statistic

# The first five lie on new = original − 0.1; two more have the original accuracy of c: f is 5 points above it, g 1.
ORIGINAL = [5000, 6000, 7000, 8000, 9000, 7000, 7000]
NEW = [4000, 5000, 6000, 7000, 8000, 6500, 6100]


def summarized(make_outcomes, new: list[int] = NEW, **changes: Any):
    outcomes = make_outcomes(ORIGINAL, new, total=10_000, models=tuple("abcdefg"))
    return summarize_outcomes({"top1": outcomes}, resamples=0, scale="linear", **changes).metrics["top1"]


def test_the_table_is_that_of_the_statistic(make_outcomes):
    metric = summarized(make_outcomes)
    frame: Any = metric.tables["matched_models"].frame.set_index("model").loc[list("abcdefg")]
    found = matched_models(metric.outcomes.counts)
    assert frame["matched"].tolist() == found.count.tolist() == [0, 0, 2, 0, 0, 2, 2]
    assert frame.loc[list("cfg"), ["rank", "rank_low", "rank_high"]].to_numpy().tolist() == [
        [3, 2, 3], [1, 1, 1], [2, 2, 3],
    ]  # fmt: skip
    assert frame.loc["f", ["ahead_of", "behind"]].tolist() == [2, 0]
    assert frame["advantage"].to_numpy() == pytest.approx(found.advantage, nan_ok=True)
    read: Any = readable_statistic(metric.tables["matched_models"]).set_index("Model")
    assert read.loc["f"].tolist()[:4] == ["2", "1", "2", "0"]
    assert read.loc["c"].tolist()[:2] == ["2", "3 [2, 3]"]
    assert "(Holm over all 3 pairs of the same accuracy)" in metric.tables["matched_models"].note
    assert "are treated as evaluated on different images" in metric.tables["matched_models"].note


def test_what_is_said_of_the_most_robust(make_outcomes):
    details = summarized(make_outcomes).details()
    assert (
        "1 model is significantly more robust than all others of the same accuracy (Holm over 3 pairs): f (of 2)."
        in (details)
    )
    alike = summarized(make_outcomes, [4000, 5000, 6000, 7000, 8000, 6010, 6020])
    assert any(one.startswith("Of 3 pairs of models of the same accuracy, none differ") for one in alike.details())


def test_a_highlighted_model_says_where_it_stands(make_outcomes):
    first = summarized(make_outcomes, highlight="g").headline()[0]
    assert first.endswith("; in effective robustness, rank 2 of 3 models of the same accuracy (95 % CI 2 to 3).")
    assert "same accuracy" not in summarized(make_outcomes, highlight="a").headline()[0]


def test_without_a_line_the_reason_is_given(make_outcomes):
    few = make_outcomes([700, 700, 800], [600, 650, 700], total=1000)
    metric = summarize_outcomes({"top1": few}, resamples=0).metrics["top1"]
    assert "at least 5 other models" in metric.missing["matched_models"]
    assert not any("same accuracy" in one for one in metric.details())


def test_models_that_lines_leave_out_are_ranked_among_the_others(make_outcomes):
    outcomes = make_outcomes(
        [*ORIGINAL, 7000], [*NEW, 6800], total=10_000, attributes={"h": {"family": "odd"}}, models=tuple("abcdefgh")
    )
    metric = summarize_outcomes({"top1": outcomes}, resamples=0, scale="linear", without="odd").metrics["top1"]
    frame: Any = metric.tables["matched_models"].frame.set_index("model")
    assert frame.loc[["h", "f"], "matched"].tolist() == [3, 2]
    assert (frame.loc["h", "rank"], frame.loc["f", "rank"]) == (1, 1)
    assert np.isfinite(frame.loc["h", "advantage"])
