from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from messages import says

from evalshift.errors import UsageError
from evalshift.evaluate.choice import choice_lines, choose_models
from evalshift.evaluate.options import Options
from evalshift.evaluate.plan import Plan, make_plan, make_request
from evalshift.testbed.registry import Pair, Registry
from evalshift.testbed.registry_reading import load_registry


def plan_of(project: Any, *, pairs: Iterable[str] = (), models: Iterable[str] = ()) -> Plan:
    return make_plan(make_request(project.save(), pairs, models, project.results, Options()))


def test_models_of_other_classes_are_left_out_and_named(project: Any) -> None:
    project.model("good")
    project.content["classes"]["greys"] = ["a", "b"]
    project.model("other", classes="greys")
    plan = plan_of(project)
    assert list(plan.models) == ["good"]
    assert plan.chosen.unfit == {"other": "greys"}


def test_a_pair_with_a_wildcard_is_all_that_match_each_once(project: Any) -> None:
    project.dataset("newer", 4)
    project.model("good")
    assert list(map(str, plan_of(project, pairs=["old:new*"]).pairs)) == ["old:new", "old:newer"]
    assert list(map(str, plan_of(project, pairs=["old:newer", "old:*"]).pairs)) == ["old:newer", "old:new"]


def test_a_model_runs_on_the_pairs_of_its_own_classes_alone(project: Any) -> None:
    project.content["classes"]["greys"] = ["a", "b", "c", "d"]
    for name in ("old2", "new2"):
        project.dataset(name, 4, classes="greys")
    project.content["pairs"] = ["old2:new2", "old:new", "old:new"]
    project.model("shade")
    project.model("grey", classes="greys")
    plan = plan_of(project)
    assert [str(pair) for pair in plan.pairs] == ["old2:new2", "old:new"]
    assert [(job.model, job.dataset) for job in plan.jobs] == [
        ("shade", "old"),
        ("shade", "new"),
        ("grey", "old2"),
        ("grey", "new2"),
    ]


def test_fresh_images_of_the_original_set_are_run_too(project: Any) -> None:
    project.dataset("fresh", 4)
    project.content["datasets"]["old"]["fresh"] = "fresh"
    project.model("shade")
    assert [(job.model, job.dataset) for job in plan_of(project).jobs] == [
        ("shade", "old"),
        ("shade", "new"),
        ("shade", "fresh"),
    ]
    project.run()
    assert plan_of(project).jobs == ()
    assert project.results.load_dataset("old").entry["fresh"] == "fresh"


def test_no_model_that_fits_is_a_complaint(project: Any) -> None:
    project.content["classes"]["greys"] = ["a", "b"]
    project.model("other", classes="greys")
    with pytest.raises(UsageError) as caught:
        plan_of(project)
    says(caught.value, where=project.registry, found="1 model of greys")


def test_unknown_names_are_told_their_nearest(project: Any) -> None:
    project.model("resnet20")
    with pytest.raises(UsageError) as caught:
        plan_of(project, models=["resnet2O"])
    says(caught.value, where=project.registry)
    with pytest.raises(UsageError, match='did you mean "new"'):
        plan_of(project, pairs=["old:neww"])
    with pytest.raises(UsageError, match=r'^"old" is not a pair\n'):
        plan_of(project, pairs=["old"])


def test_models_are_chosen_by_globs_and_a_pair_counts_once(project: Any) -> None:
    for name in ("resnet20", "resnet56", "vgg"):
        project.model(name)
    registry = load_registry(project.save())
    chosen = choose_models(registry, ["old:new", "old:new"], ["res*", "*56"])
    assert (chosen.pairs, list(chosen.models)) == ((Pair("old", "new"),), ["resnet20", "resnet56"])


def test_a_single_name_need_not_stand_in_a_list(project: Any) -> None:
    for name in ("resnet20", "vgg"):
        project.model(name)
    chosen = choose_models(load_registry(project.save()), "old:new", "res*")
    assert (chosen.pairs, list(chosen.models)) == ((Pair("old", "new"),), ["resnet20"])


def test_models_on_request_run_when_they_are_named(project: Any) -> None:
    project.content["classes"]["greys"] = ["a", "b"]
    project.model("quick")
    project.model("slow-1", on_request="trains here, an hour")
    project.model("slow-2", on_request="trains here, a day")
    project.model("other", classes="greys", on_request="of no pair here")
    registry = load_registry(project.save())
    unasked = choose_models(registry)
    assert (list(unasked.models), unasked.on_request) == (["quick"], ("slow-1", "slow-2"))
    assert choice_lines(unasked, registry)[-2:] == [
        "models    1 (1 with other classes left out)",
        "not run   slow-1, slow-2: run only when named",
    ]
    asked = choose_models(registry, models=["*-1"])
    assert (list(asked.models), asked.on_request) == (["slow-1"], ())
    # Why it waits changes none of its predictions.
    entry = registry.models["slow-1"]
    assert entry.identity() == entry.model_copy(update={"on_request": None}).identity()


def test_models_on_request_alone_are_a_complaint(project: Any) -> None:
    project.model("slow", on_request="trains here, an hour")
    with pytest.raises(UsageError) as caught:
        plan_of(project)
    says(caught.value, where=project.registry, found="slow (trains here, an hour)")


OWN = """
extends: default
models:
  mine: {source: checkpoint, builder: "a:b", weights: w.pt, classes: CLASSES, preprocess: {}}
"""


def own_registry(folder: Path, classes: str) -> Registry:
    (folder / "own.yaml").write_text(OWN.replace("CLASSES", classes))
    return load_registry(folder / "own.yaml")


def test_models_of_the_default_registry_run_beside_a_users_own_when_named(tmp_path: Path) -> None:
    registry = own_registry(tmp_path, "digits")
    chosen = choose_models(registry)
    assert list(chosen.models) == ["mine"]
    assert choice_lines(chosen, registry)[-1] == (
        "not run   36 models of the default registry: run beside your own when named"
    )
    named = choose_models(registry, models=["mine", "digits-ridge"])
    assert (set(named.models), named.unnamed) == ({"mine", "digits-ridge"}, ())
    assert len(choose_models(registry, models="*").models) == 37


def test_own_models_of_other_classes_are_told_of_their_pairs(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        choose_models(own_registry(tmp_path, "cifar10"))
    fix = str(caught.value.fix)
    assert "such as cifar10:cifar10.1-v" in fix
    assert "name models of the default registry with `models`, such as digits-" in fix
