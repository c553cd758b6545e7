"""The summary: by hand on three models, against the paper on sixty-seven, and unchanged by what else is asked for."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evalshift.analysis.outcomes import Outcomes
from evalshift.analysis.statistics.intervals import Interval, clopper_pearson
from evalshift.analysis.summary.records import MetricSummary
from evalshift.analysis.summary.summarize import accuracy_table, summarize_outcomes

COLUMNS = [
    *("model", "title", "family", "year"),
    *("original_correct", "original_total", "original_accuracy", "original_low", "original_high"),
    *("new_correct", "new_total", "new_accuracy", "new_low", "new_high"),
    *("drop", "drop_low", "drop_high", "original_rank", "new_rank", "delta_rank"),
]


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


def test_from_counts_the_mean_drop_averages_the_bounds_of_the_models(tiny):
    metric = top1_of(tiny)

    assert metric.mean_drop == pytest.approx((0.3 + 0.1 + 0.3) / 3)
    assert metric.mean_drop_interval.low == pytest.approx(metric.table["drop_low"].mean())
    assert metric.mean_drop_interval.high == pytest.approx(metric.table["drop_high"].mean())


def test_the_interval_of_the_mean_drop_holds_for_models_that_agree_and_models_that_do_not():
    # 20 models with a true drop of 0.1, on 500 images per set: all the same model, and all independent of each other.
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
    # Drops of 2, 4 and 6 points of 100 or fewer images can be sampling error: the interval must say so.
    metric = top1_of(make_outcomes([90, 80, 70], [88, 76, 64], total=100))
    mean = replace(metric.statistics.mean_drop, interval=Interval(-0.07, 0.15))
    fixed = replace(metric, statistics=replace(metric.statistics, mean_drop=mean))

    drop, line, ranks = fixed.headline("linear")
    assert drop == (
        "Top-1 accuracy drops by 4.0 points on average over 3 models (95 % CI −7.0 to 15.0; conservative, from counts "
        "alone). The smallest drop is 2.0 points (a, 95 % CI −7.0 to 11.0), the largest 6.0 points (c, 95 % CI −7.0 to "
        "18.7)."
    )
    # Three models on one line: nothing shows how far others would scatter.
    assert line == (
        "Slope 1.20: one point more on old goes with 1.20 points more on new (R² = 1.000). A line through only 3 "
        "models says little about others, and no distances from it are given."
    )
    assert ranks == "All models keep their rank."


def test_probit_headlines_speak_of_probit_units(make_outcomes):
    metric = top1_of(make_outcomes([50, 84, 98, 70, 60], [50, 84, 98, 72, 61], total=100))

    assert metric.headline("probit")[1] == (
        "Slope 0.99 on the probit scale (95 % CI 0.93 to 1.05; images' sampling error not included): one unit of "
        "Φ⁻¹(accuracy) more on old goes with 0.99 units more on new (R² = 0.999)."
    )
    assert metric.headline("logit")[1] == (
        "Slope 0.99 on the logit scale (95 % CI 0.94 to 1.04; images' sampling error not included): one unit of "
        "log-odds more on old goes with 0.99 units more on new (R² = 0.999)."
    )


def test_a_rise_is_called_a_rise(make_outcomes):
    drop, _, ranks = top1_of(make_outcomes([70, 60, 50], [75, 63, 49], total=100)).headline()

    assert drop == (
        "Top-1 accuracy rises by 2.3 points on average over 3 models (95 % CI −10.7 to 15.3; conservative, from "
        "counts alone). Changes range from a drop of 1.0 points (c, 95 % CI −12.6 to 14.6) to a rise of 5.0 points (a, "
        "95 % CI −7.3 to 17.1)."
    )
    assert ranks == "All models keep their rank."


def test_rank_moves_are_counted(tiny):
    assert top1_of(tiny).headline()[-1] == "0 of 3 models keep their rank; the largest change is 1 place down (a)."


def test_one_model_has_a_drop_and_no_line(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([80], [70], total=100)}, resamples=100)

    # Newcombe by hand: Wilson bounds are 0.7112 and 0.8666 for 80, 0.6042 and 0.7811 for 70 of 100, so the drop lies
    # between 0.1 − √(0.0888² + 0.0811²) = −0.020 and 0.1 + √(0.0666² + 0.0958²) = 0.217.
    assert pair.metrics["top1"].headline() == ("The top-1 accuracy of a drops by 10.0 points (95 % CI −2.0 to 21.7).",)
    assert set(pair.metrics["top1"].lines.values()) == {None}
    assert pair.notes == ("No line is fitted: 1 model with 1 distinct original accuracy.",)


def test_two_models_have_a_line_without_an_interval(make_outcomes):
    pair = summarize_outcomes({"top1": make_outcomes([80, 60], [70, 40], total=100)}, resamples=100)

    assert pair.metrics["top1"].headline()[1] == (
        "Slope 1.50: one point more on old goes with 1.50 points more on new. A line through only 2 "
        "models says little about others, and no distances from it are given."
    )
    assert pair.notes == ("The line has no interval: it passes through two models in every resample.",)


def test_all_and_none_correct_can_be_fitted_on_every_scale(make_outcomes):
    metric = top1_of(make_outcomes([10, 5, 0], [10, 4, 0]))

    assert all(line is not None and np.isfinite(line.slope) for line in metric.lines.values())


TIED = "other ranks differ only between models of equal accuracy on one of the sets"


@pytest.mark.parametrize(
    "original, new, said",
    [
        # a shares the first rank with b and c on the old set, and is third by itself on the new one.
        (
            [80, 80, 80, 60],
            [70, 71, 72, 40],
            f"2 of 4 models keep their rank; {TIED}",
        ),
        (
            [90, 80, 70],
            [60, 60, 60],
            f"1 of 3 models keeps its rank; {TIED}",
        ),
        # d overtakes c, and ties with a and b, which it does not overtake.
        ([90, 80, 70, 60], [65, 65, 50, 65], "1 of 4 models keeps its rank; the largest change is 1 place down (c)"),
        ([90, 80, 70], [50, 60, 70], "1 of 3 models keeps its rank; the largest change is 2 places down (a)"),
    ],
)
def test_ties_are_no_rank_changes(make_outcomes, original, new, said):
    assert top1_of(make_outcomes(original, new, total=100)).headline()[-1] == f"{said}."


def test_a_scale_on_which_the_line_does_not_fit_is_said_first(make_outcomes):
    original, new = [30, 45, 60, 72, 82, 90, 96, 99], [9, 18, 29, 42, 55, 69, 83, 94]
    metric = top1_of(make_outcomes(original, new, total=100))
    assert metric.headline("linear")[0].startswith("A line on the probit scale predicts these models better than ")
    assert metric.headline("probit")[0].startswith("Top-1 accuracy drops by ")
