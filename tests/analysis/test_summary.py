"""The summary: by hand on three models, against the paper on sixty-seven, and unchanged by what else is asked for."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evalshift.analysis.intervals import Interval, clopper_pearson
from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.summary import (
    MetricSummary,
    PairSummary,
    Summary,
    accuracy_table,
    summarize,
    summarize_outcomes,
    to_json,
)
from evalshift.errors import AnalysisError, UsageError

COLUMNS = [
    *("model", "family", "year"),
    *("original_correct", "original_total", "original_accuracy", "original_low", "original_high"),
    *("new_correct", "new_total", "new_accuracy", "new_low", "new_high"),
    *("drop", "drop_low", "drop_high", "original_rank", "new_rank", "delta_rank"),
]


def summary_of(*pairs: PairSummary) -> Summary:
    return Summary(pairs, "linear", "top1", 0.95, 100, 0, "2026-01-02T03:04:05+00:00", "1.2.3", "evalshift report")


def top1_of(outcomes) -> MetricSummary:
    return summarize_outcomes({"top1": outcomes}, resamples=100).metrics["top1"]


def test_the_table_by_hand(tiny):
    # 9, 8, 8 of 10 give ranks 1, 2, 2; 6, 7, 5 give 2, 1, 3; so Δ is −1, +1, −1. Ties of rank are in order of new rank.
    table = accuracy_table(tiny)

    assert list(table.columns) == COLUMNS
    assert table["model"].tolist() == ["a", "b", "c"]
    assert table["original_accuracy"].tolist() == [0.9, 0.8, 0.8]
    assert table["new_accuracy"].tolist() == [0.6, 0.7, 0.5]
    assert table["drop"].tolist() == pytest.approx([0.3, 0.1, 0.3])
    assert table["original_rank"].tolist() == [1, 2, 2]
    assert table["new_rank"].tolist() == [2, 1, 3]
    assert table["delta_rank"].tolist() == [-1, 1, -1]
    assert table["family"].tolist() == ["resnet", pd.NA, pd.NA]
    assert table["year"].tolist() == [2015, 2019, pd.NA]
    # 9 of 10: the Clopper-Pearson bounds of every textbook's table, 0.5550 and 0.9975.
    assert (table["original_low"][0], table["original_high"][0]) == pytest.approx((0.5550, 0.9975), abs=5e-5)


def test_rows_are_sorted_by_original_rank_whatever_their_order(make_outcomes):
    assert accuracy_table(make_outcomes([5, 9, 7], [4, 8, 6]))["model"].tolist() == ["b", "c", "a"]


def test_the_mean_drop_averages_the_bounds_of_the_models(tiny):
    metric = top1_of(tiny)

    assert metric.mean_drop == pytest.approx((0.3 + 0.1 + 0.3) / 3)
    assert metric.mean_drop_interval.low == pytest.approx(metric.table["drop_low"].mean())
    assert metric.mean_drop_interval.high == pytest.approx(metric.table["drop_high"].mean())


def test_the_interval_of_the_mean_drop_holds_for_models_that_agree_and_models_that_do_not():
    # 20 models with a true drop of 0.1, on 500 images a set: all the same model, and all independent of each other.
    draw = np.random.default_rng(list(b"mean drop"))
    covered = {}
    for name, streams in (("alike", 1), ("independent", 20)):
        inside = 0
        for _ in range(200):
            original = np.resize(draw.binomial(500, 0.8, streams), 20)
            new = np.resize(draw.binomial(500, 0.7, streams), 20)
            table = accuracy_table(_outcomes_of(original, new, 500))
            inside += table["drop_low"].mean() <= 0.1 <= table["drop_high"].mean()
        covered[name] = inside / 200
    assert covered["alike"] >= 0.904  # 95 % less three standard errors of 200 trials, 4.6 points
    assert covered["independent"] == 1


def _outcomes_of(original: np.ndarray, new: np.ndarray, total: int) -> Outcomes:
    models = tuple(str(number) for number in range(len(original)))
    return Outcomes("old", "new", "top1", models, original, new, total, total, {})


def test_lines_on_all_scales_agree_with_polyfit(make_outcomes):
    metric = top1_of(make_outcomes([95, 90, 80, 60, 70], [90, 80, 66, 40, 49], total=100))

    assert list(metric.lines) == ["linear", "probit", "logit"]
    line = metric.lines["linear"]
    assert line is not None
    slope, offset = np.polyfit([0.95, 0.9, 0.8, 0.6, 0.7], [0.9, 0.8, 0.66, 0.4, 0.49], 1)
    assert (line.slope, line.offset) == pytest.approx((slope, offset))
    assert (line.resamples, line.level, line.models) == (100, 0.95, 5)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_trap_31_points_line_and_statistics_have_one_level(make_outcomes, level):
    """Trap 31: intervals of 99.5 % at the points beside a band of 95 % around the line mislead the eye."""
    top1 = make_outcomes([95, 90, 80, 60, 70], [90, 80, 66, 40, 49], total=100)
    metric = summarize_outcomes({"top1": top1}, resamples=100, level=level).metrics["top1"]

    best = clopper_pearson(np.array([95]), np.array([100]), level)
    assert (metric.table["original_low"][0], metric.table["original_high"][0]) == (best.low[0], best.high[0])
    assert {line.level for line in metric.lines.values() if line} == {metric.statistics.level} == {level}


def test_a_line_does_not_depend_on_what_else_is_worked_out(make_outcomes):
    top1 = make_outcomes([95, 90, 80, 60, 70], [90, 80, 66, 40, 49], total=100)
    top5 = make_outcomes([99, 98, 90, 80, 88], [95, 91, 76, 60, 69], total=100, metric="top5")

    alone = summarize_outcomes({"top1": top1}, resamples=100)
    beside = summarize_outcomes({"top5": top5, "top1": top1}, resamples=100)
    reseeded = summarize_outcomes({"top1": top1}, resamples=100, seed=1)

    for scale, line in alone.metrics["top1"].lines.items():
        same, other = beside.metrics["top1"].lines[scale], reseeded.metrics["top1"].lines[scale]
        assert line is not None
        assert same is not None
        assert other is not None
        assert line.slopes.tolist() == same.slopes.tolist()
        assert line.slope == other.slope
        assert line.slopes.tolist() != other.slopes.tolist()


def test_headlines_say_what_the_numbers_are(make_outcomes):
    # Drops of 2, 4 and 6 points of 100 or fewer images are within chance: the brackets must say so.
    metric = top1_of(make_outcomes([90, 80, 70], [88, 76, 64], total=100))
    fixed = replace(metric, mean_drop_interval=Interval(-0.07, 0.15))

    drop, line, ranks = fixed.headline("linear")
    assert drop == (
        "Across 3 models, top-1 accuracy falls by 4.0 points [−7.0, 15.0] on average; "
        "the drop runs from 2.0 [−7.0, 11.0] (a) to 6.0 [−7.0, 18.7] (c)."
    )
    # Three models on one line: every resample that has a line has this one.
    assert (
        line == "Every point gained on the original set is worth 1.20 [1.20, 1.20] points on the new one (R² = 1.000)."
    )
    assert ranks == "Every model keeps its rank."


def test_probit_headlines_speak_of_probit_units(make_outcomes):
    metric = top1_of(make_outcomes([50, 84, 98], [50, 84, 98], total=100))

    assert metric.headline("probit")[1] == (
        "On the probit scale, every unit of Φ⁻¹(accuracy) gained on the original set is worth 1.00 [1.00, 1.00] units "
        "on the new one (R² = 1.000)."
    )
    assert metric.headline("logit")[1] == (
        "On the logit scale, every unit of log-odds gained on the original set is worth 1.00 [1.00, 1.00] units "
        "on the new one (R² = 1.000)."
    )


def test_a_rise_is_called_a_rise(make_outcomes):
    drop, _, ranks = top1_of(make_outcomes([70, 60, 50], [75, 63, 49], total=100)).headline()

    assert drop == (
        "Across 3 models, top-1 accuracy rises by 2.3 points [−10.7, 15.3] on average; "
        "the rise runs from −1.0 [−14.6, 12.6] (c) to 5.0 [−7.3, 17.1] (a)."
    )
    assert ranks == "Every model keeps its rank."


def test_rank_moves_are_counted(tiny):
    assert top1_of(tiny).headline()[-1] == "0 of 3 models keep their rank; the largest move is 1 place down (a)."


def test_one_model_has_a_drop_and_no_line(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([80], [70], total=100)}, resamples=100)

    # Newcombe by hand: Wilson bounds are 0.7112 and 0.8666 for 80, 0.6042 and 0.7811 for 70 of 100, so the drop lies
    # between 0.1 − √(0.0888² + 0.0811²) = −0.020 and 0.1 + √(0.0666² + 0.0958²) = 0.217.
    assert pair.metrics["top1"].headline() == ("The top-1 accuracy of a falls by 10.0 points [−2.0, 21.7].",)
    assert set(pair.metrics["top1"].lines.values()) == {None}
    assert pair.notes == ("No line is fitted: no line can be fitted (1 models with 1 distinct original accuracies).",)


def test_two_models_have_a_line_without_an_interval(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([80, 60], [70, 40], total=100)}, resamples=100)

    assert pair.metrics["top1"].headline()[1] == (
        "Every point gained on the original set is worth 1.50 points on the new one (R² = 1.000)."
    )
    assert pair.notes == ("The line has no interval: it passes through two models, whatever is drawn.",)


def test_all_and_none_correct_can_be_fitted_on_every_scale(make_outcomes):
    metric = top1_of(make_outcomes([10, 5, 0], [10, 4, 0]))

    assert all(line is not None and np.isfinite(line.slope) for line in metric.lines.values())


def test_stems_are_safe_for_files_and_latex():
    pair = PairSummary("my set/50%", "../new_{x}.v2", {})

    assert pair.name == "my set/50%:../new_{x}.v2"
    assert pair.stem == "my-set-50_vs_new-x-.v2"


def test_stored_results_are_summed_up_with_their_provenance(letters):
    summary = summarize(letters.results, resamples=100, command="evalshift report")

    (pair,) = summary.pairs
    assert pair.name == "old:new"
    assert list(pair.metrics) == ["top1", "top5"]
    assert pair.metrics["top1"].table["model"].tolist() == ["good", "fair", "poor"]
    assert pair.provenance["datasets"]["old"] == {
        "images": 4,
        "classes": "letters",
        "fingerprint": "fingerprint of old",
        "entry": {"source": "npy"},
    }
    assert pair.provenance["models"]["good"]["new"]["checkpoint_sha256"] == "12fca82f" * 8


def test_without_pairs_one_that_cannot_be_answered_becomes_a_note(letters):
    letters.results.add_pairs(["old:gone"])

    summary = summarize(letters.results, resamples=0)

    assert [pair.name for pair in summary.pairs] == ["old:new"]
    (note,) = summary.notes
    assert note.endswith('the results hold no such pair ("old:gone"; no dataset "gone" is stored).')
    with pytest.raises(AnalysisError, match="the results hold no such pair"):
        summarize(letters.results, ["old:new", "old:gone"], resamples=0)


def test_nothing_run_is_a_complaint(store):
    with pytest.raises(AnalysisError) as caught:
        summarize(store.results)

    assert str(caught.value) == (
        "no pair has been run here\n"
        f"  where:    {store.results.path}\n"
        "  found:    no results\n"
        "  expected: predictions of at least one pair\n"
        "  do:       `evalshift run` first, or name another folder with --results"
    )


def test_top5_where_it_cannot_be_had_is_a_complaint(letters):
    letters.predictions("new", "poor", [[0], [0], [0]])

    with pytest.raises(AnalysisError) as caught:
        summarize(letters.results, "old:new", metric="top5")

    assert str(caught.value) == (
        "top-5 accuracy cannot be had on this pair\n"
        "  where:    old:new\n"
        "  found:    Top-5 accuracy is not reported: fewer than 5 answers are kept for poor\n"
        "  expected: more than 5 classes and as many answers stored for every model\n"
        "  do:       use --metric top1"
    )


RESAMPLES = "the number of resamples is out of range"


@pytest.mark.parametrize(
    "choices,message",
    [
        (
            {"scale": "probits"},
            (
                'there is no such scale\n  found:    "probits"\n  expected: linear, probit, logit\n'
                '  do:       did you mean "probit"?'
            ),
        ),
        (
            {"metric": "top3"},
            'there is no such metric\n  found:    "top3"\n  expected: top1, top5\n  do:       did you mean "top5"?',
        ),
        (
            {"level": 95.0},
            "the level is out of range\n  found:    95.0\n  expected: a fraction between 0 and 1, such as 0.95",
        ),
        (
            {"resamples": -1},
            f"{RESAMPLES}\n  found:    -1\n  expected: 0 for no intervals, or 2 to 10,000,000",
        ),
        (
            {"resamples": 1},
            f"{RESAMPLES}\n  found:    1\n  expected: 0 for no intervals, or 2 to 10,000,000",
        ),
        ({"seed": -1}, "the seed is out of range\n  found:    -1\n  expected: 0 or more"),
    ],
)
def test_a_wrong_choice_fails_before_anything_is_read(store, choices, message):
    with pytest.raises(UsageError) as caught:
        summarize(store.results, **choices)

    assert str(caught.value) == message


def test_json_holds_everything_and_reads_back(tiny):
    summary = summary_of(
        summarize_outcomes({"top1": tiny}, resamples=100, notes=["something"], provenance={"models": {}})
    )

    read = json.loads(to_json(summary), parse_constant=lambda token: pytest.fail(f"{token} is no JSON"))

    assert list(read) == [
        *("schema_version", "evalshift", "created", "command", "scale", "metric", "level", "resamples", "seed"),
        *("notes", "pairs"),
    ]
    pair = read["pairs"][0]
    assert (pair["original"], pair["new"], pair["notes"]) == ("old", "new", ["something"])
    metric = pair["metrics"]["top1"]
    assert metric["mean_drop"] == pytest.approx(0.7 / 3)
    assert list(metric["table"][0]) == [*COLUMNS, "delta_rank_real"]
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
    # Two models have no interval; equal new accuracies leave R² undefined.
    summary = summary_of(summarize_outcomes({"top1": make_outcomes([8, 6], [5, 5])}, resamples=100))

    line = json.loads(to_json(summary))["pairs"][0]["metrics"]["top1"]["lines"]["linear"]

    assert line["slope"] == 0
    assert line["r2"] is None
    assert line["slope_interval"] == {"low": None, "high": None}
    assert "NaN" not in to_json(summary)
    assert "Infinity" not in to_json(summary)


def test_one_seed_gives_the_same_json_but_for_the_time(letters):
    written = [to_json(replace(summarize(letters.results, resamples=50), created="now")) for _ in range(2)]

    assert written[0] == written[1]


def test_what_the_registry_knows_of_the_original_set_is_used(letters):
    known = {"share": 0.1, "accuracy": 0.9, "source": "someone"}
    letters.dataset("old", [0, 1, 2, 3], fresh="fresh", near_duplicates=known)
    letters.dataset("fresh", [0, 1, 2, 3])
    for model, right in (("good", 4), ("fair", 2), ("poor", 0)):
        letters.predictions("fresh", model, [[label if label < right else 5] for label in range(4)])

    metric = summarize(letters.results, "old:new", resamples=0).pairs[0].metrics["top1"]

    # On the original images 4, 3 and 2 of 4 are right.
    parts = metric.tables["decomposition"].frame
    assert parts["model"].tolist() == ["good", "fair", "poor"]
    assert parts["adaptivity"].tolist() == [0, 0.25, 0.5]
    assert parts["fresh"].tolist() == [True] * 3
    # Clopper-Pearson for 4, 2 and 0 of 4: 39.8 to 100, 6.8 to 93.2 and 0 to 60.2 %. From 100, 75 and 50 % these leave
    # 0 to 60.2, −18.2 to 68.2 and −10.2 to 50 points.
    assert metric.findings()[0].startswith(
        "Against fresh images (fresh), tuning on the original set makes 25.0 [−9.5, 59.5] points of the mean drop, "
    )
    # (4 − 0.36)/3.6 of the rest would be above 1: duplicates at 90 % cannot be in a set that is all right.
    assert metric.missing["duplicates"].startswith("these near-duplicates cannot be in this test set (")
