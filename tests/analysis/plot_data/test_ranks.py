"""Which models the figure of ranks shows, in which order, and which of their changes are notable."""

import numpy as np

from evalshift.analysis.plot_data.ranks import rank_plot
from evalshift.analysis.summary import summarize_outcomes


def test_equal_ranks_stand_in_the_order_of_the_other_set_then_of_names(mixed):
    shown = rank_plot(mixed, 9)

    assert shown is not None
    # On the old set b, c and d have 8 each, and 7, 9 and 5 on the new one; d and e have 5 there, d more on the old one.
    assert shown.names == ("a", "c", "b", "d", "e")
    assert [shown.names[model] for model in shown.sides["new"].order] == ["c", "b", "a", "d", "e"]
    assert shown.sides["new"].place.tolist() == [2, 0, 1, 3, 4]
    assert shown.sides["original"].rank.tolist() == [1, 2, 2, 2, 5]
    assert shown.sides["new"].rank.tolist() == [3, 1, 2, 4, 4]
    assert shown.change.tolist() == [-2, 1, 0, -2, 1]


def test_models_known_by_counts_alone_have_no_confidence_sets(mixed):
    shown = rank_plot(mixed, 4)

    assert shown is not None
    assert shown.sets is not None
    assert shown.sets.known.tolist() == [True, False, True, True]
    # Of a, b, d and e, which have predictions: b and d share rank 2 on the old set, d and e rank 3 on the new one.
    assert shown.sets.sides["original"].value[[0, 2, 3]].tolist() == [1, 2, 2]
    assert shown.sets.sides["new"].value[[0, 2, 3]].tolist() == [2, 1, 3]
    for side in shown.sets.sides.values():
        assert (side.low <= side.value)[shown.sets.known].all()
        assert (side.value <= side.high)[shown.sets.known].all()
        assert np.isnan(side.low[1])
    assert shown.sets.highest == 4
    assert shown.significant.tolist() == [False] * 4


def test_counts_alone_show_ranks_only(tiny):
    shown = rank_plot(summarize_outcomes({"top1": tiny}, resamples=0).metrics["top1"], 9)

    assert shown is not None
    assert shown.sets is None


def test_one_model_has_no_ranks_to_show(make_outcomes):
    assert rank_plot(summarize_outcomes({"top1": make_outcomes([9], [7])}, resamples=0).metrics["top1"], 9) is None


def test_the_largest_rank_changes_stand_out_where_none_is_significant(make_outcomes):
    original, new = list(range(90, 60, -1)), list(range(80, 50, -1))
    new[0], new[1], new[10] = 76, 79, 60  # from ranks 1 and 11 down a few places
    names = tuple(f"m{place:02}" for place in range(30))
    metric = summarize_outcomes({"top1": make_outcomes(original, new, total=100, models=names)}, resamples=0)
    shown = rank_plot(metric.metrics["top1"], 30)

    assert shown is not None
    moved = np.abs(shown.change)
    assert 1 <= shown.movers.sum() <= 8
    assert moved[shown.movers].min() >= 2
    assert moved[shown.movers].min() > moved[~shown.movers].max() - 1
    same = summarize_outcomes({"top1": make_outcomes([9, 8, 7], [8, 7, 6])}, resamples=0).metrics["top1"]
    kept = rank_plot(same, 9)
    assert kept is not None
    assert not kept.movers.any()
