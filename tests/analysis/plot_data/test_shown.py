"""Which models and classes figures show, and in which order."""

import numpy as np
import pytest

from evalshift.analysis.plot_data.shown import (
    ShownAgreement,
    shown_agreement,
    shown_ranks,
    shown_robustness,
)
from evalshift.analysis.summary import summarize_outcomes


def test_equal_ranks_stand_in_the_order_of_the_other_set_then_of_names(mixed):
    shown = shown_ranks(mixed, 9)

    assert shown is not None
    # On the old set b, c and d have 8 each, and 7, 9 and 5 on the new one; d and e have 5 there, d more on the old one.
    assert shown.table["model"].tolist() == ["a", "c", "b", "d", "e"]
    assert shown.table["model"].iloc[shown.new_order].tolist() == ["c", "b", "a", "d", "e"]
    assert shown.right.tolist() == [2, 0, 1, 3, 4]


def test_models_known_by_counts_alone_have_no_rank_sets(mixed):
    shown = shown_ranks(mixed, 4)

    assert shown is not None
    assert shown.sets is not None
    assert shown.sets["model"].tolist() == ["a", "b", "d"]
    assert shown.with_sets.tolist() == [0, 2, 3]
    assert shown.real.tolist() == [False] * 4


def test_agreement_keeps_to_the_most_accurate(mixed):
    shown = shown_agreement(mixed, 3)

    assert shown is not None
    assert sorted(shown.models) == ["a", "b", "d"]
    assert shown.is_share
    assert shown.span == (pytest.approx(0.8), 1.0)  # b and d on the new set: two of ten images apart
    assert shown_agreement(mixed, 2) is None


def test_counts_alone_show_ranks_only(tiny):
    metric = summarize_outcomes({"top1": tiny}, resamples=0).metrics["top1"]

    shown = shown_ranks(metric, 9)
    assert shown is not None
    assert shown.sets is None
    assert shown.with_sets.tolist() == []
    assert shown_agreement(metric, 9) is None


def test_models_are_shown_by_their_distance_from_the_line(make_outcomes):
    outcomes = make_outcomes([90, 80, 70, 60, 50, 40], [80, 50, 60, 50, 41, 20], total=100)
    metric = summarize_outcomes({"top1": outcomes}, resamples=200).metrics["top1"]
    found = shown_robustness(metric)

    assert found is not None
    assert found.table["place"].is_monotonic_decreasing
    distances = found.table["distance"].dropna().tolist()
    assert distances == sorted(distances, reverse=True)
    assert found.ends(2).table["model"].tolist() == [found.table["model"].iloc[0], found.table["model"].iloc[-1]]
    assert found.farthest_first().table["distance"].abs().is_monotonic_decreasing
    assert found.off.tolist() == (found.table["p_holm"] < 0.05).tolist()


def test_one_model_has_no_line_to_be_shown_against(make_outcomes):
    assert shown_robustness(summarize_outcomes({"top1": make_outcomes([9], [7])}, resamples=0).metrics["top1"]) is None


def test_one_model_unlike_all_others_does_not_stretch_the_colours():
    alike = np.full((5, 5), 0.9)
    np.fill_diagonal(alike, 1)
    outlier = alike.copy()
    outlier[4, :4] = outlier[:4, 4] = 0.1
    models, none = tuple("abcde"), np.zeros(5, bool)

    assert ShownAgreement(models, {"original": alike, "new": alike}, True, none).span == (pytest.approx(0.9), 1)
    shown = ShownAgreement(models, {"original": alike, "new": outlier}, True, none)
    assert shown.least == pytest.approx(0.1)
    assert shown.span == (pytest.approx(0.9), 1)
    two = outlier.copy()
    two[3, :3] = two[:3, 3] = 0.1
    assert ShownAgreement(models, {"original": two, "new": two}, True, none).span == (pytest.approx(0.1), 1)


def test_the_largest_rank_changes_stand_out_where_none_is_significant(make_outcomes):
    original, new = list(range(90, 60, -1)), list(range(80, 50, -1))
    new[0], new[1], new[10] = 76, 79, 60  # from ranks 1 and 11 down a few places
    names = tuple(f"m{place:02}" for place in range(30))
    metric = summarize_outcomes({"top1": make_outcomes(original, new, total=100, models=names)}, resamples=0)
    shown = shown_ranks(metric.metrics["top1"], 30)

    assert shown is not None
    moved = shown.table["delta_rank"].abs().to_numpy()
    assert 1 <= shown.movers.sum() <= 8
    assert moved[shown.movers].min() >= 2
    assert moved[shown.movers].min() > moved[~shown.movers].max() - 1
    same = summarize_outcomes({"top1": make_outcomes([9, 8, 7], [8, 7, 6])}, resamples=0).metrics["top1"]
    kept = shown_ranks(same, 9)
    assert kept is not None
    assert not kept.movers.any()
