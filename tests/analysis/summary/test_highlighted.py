"""Highlighted models: the user's own, or those asked for; each with a sentence of its own, first of all."""

from dataclasses import replace

import pytest

from evalshift.analysis.options import ReportOptions
from evalshift.analysis.report import report
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.summary.stored import summarize
from evalshift.errors import UsageError

MODELS = ("first", "second", "my-net", "last")


@pytest.fixture
def outcomes(make_outcomes):
    return make_outcomes([90, 80, 70, 60], [80, 70, 65, 50], total=100, models=MODELS)


def test_the_users_own_models_are_highlighted_unless_there_are_no_others(outcomes):
    assert ReportOptions().highlighted(outcomes, ["my-net", "elsewhere"]) == {"my-net"}
    assert ReportOptions().highlighted(outcomes, MODELS) == frozenset()
    assert ReportOptions(highlight=[]).highlighted(outcomes, ["my-net"]) == frozenset()
    assert ReportOptions(highlight="*st").highlighted(outcomes, ["my-net"]) == {"first", "last"}


def test_a_highlighted_model_has_the_first_sentence(make_outcomes):
    # Five others make a line from which a distance is given.
    models = (*MODELS, "fifth", "sixth")
    outcomes = make_outcomes([90, 80, 70, 60, 55, 50], [80, 70, 65, 50, 46, 41], total=100, models=models)
    pair = summarize_outcomes({"top1": outcomes}, resamples=0, own=["my-net"])
    first, *others = pair.metrics["top1"].headline()
    # 70 and 65 of 100: the drop of 5 points has Newcombe's interval.
    assert first.startswith("my-net: 70.0 % on old (rank 3 of 6), 65.0 % on new (rank 3 of 6); drop 5.0 points (95 %")
    assert "points above the line of the other models" in first
    assert others == list(summarize_outcomes({"top1": outcomes}, resamples=0).metrics["top1"].headline())


def test_more_than_three_are_counted(outcomes):
    pair = summarize_outcomes({"top1": outcomes}, resamples=0, highlight="*")
    said = pair.metrics["top1"].headline()[:4]
    assert [sentence.partition(":")[0] for sentence in said[:3]] == ["first", "second", "my-net"]
    assert said[3] == "1 more highlighted models are in the table."


def test_own_models_are_known_from_the_run_that_stored_them(store):
    store.dataset("old", [0, 1, 2])
    store.dataset("new", [0, 1, 2])
    for model, own in (("mine", True), ("theirs", False)):
        for dataset in ("old", "new"):
            store.predictions(dataset, model, [[0], [1], [0]], own=own)
    pair = summarize(store.results, ["old:new"], resamples=0).pairs[0]
    assert pair.metrics["top1"].outcomes.highlighted == {"mine"}


def test_chosen_models_alone_are_reported(store):
    store.dataset("old", [0, 1, 2])
    store.dataset("new", [0, 1, 2])
    for model in ("a-1", "a-2", "b"):
        for dataset in ("old", "new"):
            store.predictions(dataset, model, [[0], [1], [0]])
    found = report(store.results, pairs="old:new", models="a-*", resamples=0)
    assert found.table["model"].tolist() == ["a-1", "a-2"]
    assert not any("left out" in note for note in found.summary.pairs[0].notes)
    assert "--models 'a-*'" in (found.summary.command or "")


def test_a_model_that_is_not_there_is_refused_before_the_work(store):
    store.dataset("old", [0, 1, 2])
    store.dataset("new", [0, 1, 2])
    for dataset in ("old", "new"):
        store.predictions(dataset, "a", [[0], [1], [0]])
    with pytest.raises(UsageError, match="`models`"):
        report(store.results, pairs="old:new", models="b")
    with pytest.raises(UsageError, match="`highlight`"):
        report(store.results, pairs="old:new", highlight="b")


def test_a_published_testbed_can_be_reported_in_part():
    found = report(published="recht2019", models="resnet_basic*", highlight="resnet_basic_110", resamples=0)
    assert found.pairs == ("cifar10:cifar10.1-v4", "cifar10:cifar10.1-v6")
    table = found["cifar10:cifar10.1-v6"]
    assert set(table.table["model"]) == {f"resnet_basic_{depth}" for depth in (32, 44, 56, 110)}
    assert any("none of the chosen models" in note for note in found.summary.notes)


def test_the_command_repeats_what_was_highlighted(outcomes):
    found = report(published="recht2019", pairs="cifar10:cifar10.1-v6", highlight=["nas", "darc"], resamples=0)
    assert "--highlight nas --highlight darc" in (found.summary.command or "")
    assert replace(found.summary.options, highlight=None) == found.summary.options  # the report keeps no globs
