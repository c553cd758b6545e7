import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from messages import says
from safetensors.torch import save_file

from evalshift.errors import NewerResultsError, StoreError
from evalshift.evaluate.options import Options
from evalshift.evaluate.plan import Plan, Request, make_plan, make_request
from evalshift.evaluate.predictions import Imported
from evalshift.evaluate.store import SCHEMA_VERSION, Results
from evalshift.evaluate.validity import NEW, differences, stored_fingerprint
from evalshift.files import sha256_of
from evalshift.testbed.datasets import fingerprint, load_dataset
from evalshift.testbed.registry import Pair, Registry
from evalshift.testbed.registry_reading import load_registry


def read_fingerprint(registry: Registry, name: str) -> str:
    entry = registry.dataset(name)
    return fingerprint(load_dataset(name, entry, registry.class_space(entry.classes)))


def request_of(project: Any, force: bool = False, **options: Any) -> Request:
    return make_request(project.save(), (), (), project.results, Options(**options), force=force)


def plan_of(project: Any, **options: Any) -> Plan:
    request = request_of(project, **options)
    return make_plan(request, lambda name: read_fingerprint(request.registry, name))


def reasons(project: Any, **options: Any) -> dict[str, str]:
    """Why each model is to be run on `old`."""
    return {job.model: job.reason for job in plan_of(project, **options).jobs if job.dataset == "old"}


@pytest.fixture
def ran(project: Any) -> Any:
    """A project with two models that were run on both sets; `trained` is a checkpoint, `coded` comes from code."""
    project.model("coded", family="nearest", year=2001)
    shades = {"shades": torch.tensor([0.1, 0.4, 0.6, 0.9])}
    save_file(shades, project.path / "trained.safetensors")
    project.content["models"]["trained"] = {
        "source": "checkpoint",
        "builder": "networks.py:shades",
        "weights": "trained.safetensors",
        "classes": "shades",
        "preprocess": {"mean": [0.5]},
    }
    results, _ = project.run()
    assert not results.failures
    return project


def test_where_nothing_is_stored_all_is_new(project: Any) -> None:
    for name in ("b", "a"):
        project.model(name)
    plan = plan_of(project)
    assert plan.pairs == (Pair("old", "new"),)
    assert plan.datasets == ("old", "new")
    assert [(job.model, job.dataset, job.reason) for job in plan.jobs] == [
        ("b", "old", NEW),
        ("b", "new", NEW),
        ("a", "old", NEW),
        ("a", "new", NEW),
    ]
    assert plan.done == ()
    assert [job.dataset for job in plan.jobs_of("a")] == ["old", "new"]
    assert NEW == "not run yet"


def test_where_all_is_stored_nothing_is_to_be_run(ran: Any) -> None:
    plan = plan_of(ran)
    assert plan.jobs == ()
    assert plan.done == (("coded", "old"), ("coded", "new"), ("trained", "old"), ("trained", "new"))


def test_a_new_model_and_a_new_dataset_are_all_that_is_run(ran: Any) -> None:
    ran.model("third")
    ran.dataset("newer", 5)
    ran.content["pairs"].append("old:newer")
    plan = plan_of(ran)
    assert plan.datasets == ("old", "new", "newer")
    assert [(job.model, job.dataset) for job in plan.jobs] == [
        ("coded", "newer"),
        ("trained", "newer"),
        ("third", "old"),
        ("third", "new"),
        ("third", "newer"),
    ]


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"preprocess": {"mean": [0.25], "resize": 8}}, "preprocess.mean not set → [0.25]"),
        ({"arguments": {"pause": 0.01}}, "arguments.pause not set → 0.01"),
        ({"function": "networks.py:broken"}, "function networks.py:shades → networks.py:broken"),
        ({"classes": "greys"}, "classes shades → greys"),
    ],
)
def test_an_entry_that_predictions_differently_is_run_again(ran: Any, change: dict[str, Any], reason: str) -> None:
    if "classes" in change:
        ran.content["classes"]["greys"] = ["a", "b", "c", "d"]
        for dataset in ran.content["datasets"].values():
            dataset["classes"] = "greys"
        ran.content["models"]["trained"]["classes"] = "greys"
    ran.content["models"]["coded"].update(change)
    assert reasons(ran)["coded"] == reason
    # Both models share the new label space; no other change reaches the second.
    assert ("trained" in reasons(ran)) == ("classes" in change)


def test_another_builder_and_other_arguments_are_distinguished(ran: Any) -> None:
    ran.content["models"]["trained"]["builder"] = "networks.py:broken"
    assert reasons(ran) == {"trained": "builder networks.py:shades → networks.py:broken"}
    ran.content["models"]["trained"] |= {"builder": "networks.py:shades", "arguments": {"fault": None, "pause": 1}}
    assert reasons(ran) == {"trained": "arguments.pause not set → 1"}


def test_edited_code_is_run_again(ran: Any) -> None:
    code = ran.path / "networks.py"
    before = sha256_of(code)[:8]
    code.write_text(code.read_text() + "\n# a thought\n")
    after = sha256_of(code)[:8]
    assert reasons(ran) == {
        "coded": f"function_sha256 {before} → {after}",
        "trained": f"builder_sha256 {before} → {after}",
    }


def test_another_checkpoint_under_the_same_name_is_run(ran: Any) -> None:
    weights = ran.path / "trained.safetensors"
    before = sha256_of(weights)[:8]
    save_file({"shades": torch.tensor([0.1, 0.4, 0.6, 0.8])}, weights)
    after = sha256_of(weights)[:8]
    assert reasons(ran) == {"trained": f"checkpoint {before} → {after}"}


def test_a_promised_checkpoint_is_compared_by_what_is_promised(ran: Any) -> None:
    whole = sha256_of(ran.path / "trained.safetensors")
    for promise in (whole, whole[:8]):
        ran.content["models"]["trained"]["sha256"] = promise
        assert reasons(ran) == {}
    ran.content["models"]["trained"]["sha256"] = "0123456789abcdef"
    assert reasons(ran) == {"trained": f"checkpoint {whole[:8]} → 01234567"}


def test_weights_are_hashed_once_however_many_datasets_there_are(ran: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []

    def counting(path: Path) -> str:
        hashed.append(path)
        return sha256_of(path)

    monkeypatch.setattr("evalshift.evaluate.plan.sha256_of", counting)
    assert plan_of(ran).jobs == ()
    assert [path.name for path in hashed] == ["trained.safetensors"]


def test_a_changed_dataset_is_run_again_and_the_other_is_not(ran: Any) -> None:
    labels = np.load(ran.path / "old_y.npy")
    np.save(ran.path / "old_y.npy", labels[::-1])
    plan = plan_of(ran)
    assert [(job.model, job.dataset, job.reason) for job in plan.jobs] == [
        ("coded", "old", "the dataset changed"),
        ("trained", "old", "the dataset changed"),
    ]
    assert plan.done == (("coded", "new"), ("trained", "new"))


def test_another_precision_logits_and_force_are_reasons(ran: Any) -> None:
    models = ("coded", "trained")
    assert reasons(ran, precision="bf16") == dict.fromkeys(models, "precision fp32 → bf16")
    assert reasons(ran, save_logits=True) == dict.fromkeys(models, "its logits are not stored")
    assert reasons(ran, force=True) == dict.fromkeys(models, "run again on request")
    assert reasons(ran, force=True, precision="bf16") == dict.fromkeys(models, "precision fp32 → bf16")


def test_what_was_imported_is_run_and_the_reason_said(ran: Any) -> None:
    made = ran.results.load_predictions("old", "coded")
    imported = Imported(source="predictions", files={"answers.npy": "ab" * 32}, kind="top1")
    provenance = made.provenance.model_copy(update={"imported": imported, "device": None, "precision": None})
    ran.results.save_predictions(replace(made, provenance=provenance))
    assert reasons(ran) == {"coded": "what is stored was imported (answers.npy), not run from this entry"}


def test_force_does_not_call_a_new_model_anything_else(project: Any) -> None:
    project.model("good")
    assert reasons(project, force=True) == {"good": NEW}


def test_a_damaged_file_is_made_again(ran: Any) -> None:
    path = ran.results.predictions_file("old", "coded")
    path.write_bytes(path.read_bytes()[:100])
    assert reasons(ran) == {
        "coded": "the stored file cannot be read (Parquet magic bytes not found in footer. "
        "Either the file is corrupted or this is not a parquet file.)"
    }


def test_a_foreign_file_is_made_again(ran: Any) -> None:
    path = ran.results.predictions_file("old", "coded")
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    assert reasons(ran) == {"coded": "the stored file cannot be read (no evalshift.schema_version in its metadata)"}


def test_facts_that_change_no_prediction_cause_nothing(ran: Any) -> None:
    ran.content["models"]["coded"] |= {
        "family": "other",
        "year": 2020,
        "expected": {"old": 0.5},
        "selected_on": "test",
        "paper": "a paper",
        "note": "a note",
        "licence": "MIT",
        "homepage": "https://example.org",
    }
    ran.content["datasets"]["old"]["note"] = "a note"
    (ran.path / "elsewhere").mkdir()
    shutil.move(ran.path / "trained.safetensors", ran.path / "elsewhere" / "weights.safetensors")
    ran.content["models"]["trained"]["weights"] = "elsewhere/weights.safetensors"
    assert plan_of(ran).jobs == ()


def test_weights_that_are_gone_do_not_make_their_predictions_wrong(ran: Any) -> None:
    (ran.path / "trained.safetensors").unlink()
    assert plan_of(ran).jobs == ()


def test_a_dry_run_says_what_it_cannot_know_without_reading(ran: Any) -> None:
    plan = make_plan(request_of(ran), lambda name: None)
    assert {job.reason for job in plan.jobs} == {"its dataset must be read again to know whether it changed"}
    assert len(plan.jobs) == 4


def test_results_of_a_newer_evalshift_stop_the_plan(ran: Any) -> None:
    path = ran.results.predictions_file("new", "trained")
    table = pq.read_table(path)
    newer = str(SCHEMA_VERSION + 1).encode()
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"evalshift.schema_version": newer}), path)
    with pytest.raises(StoreError) as caught:
        plan_of(ran, force=True)
    says(caught.value, where=path, found=f"schema version {SCHEMA_VERSION + 1}", expected=f"at most {SCHEMA_VERSION}")


# --------------------------------------------------------------------------------------- fingerprints without reading


def test_a_fingerprint_holds_while_nothing_was_touched(ran: Any) -> None:
    registry = load_registry(ran.save())
    assert stored_fingerprint(registry, ran.results, "old") == read_fingerprint(registry, "old")
    assert stored_fingerprint(registry, Results(ran.path / "empty"), "old") is None


def touched(ran: Any) -> None:
    np.save(ran.path / "old_x.npy", np.load(ran.path / "old_x.npy"))


def moved(ran: Any) -> None:
    (ran.path / "old_x.npy").rename(ran.path / "x.npy")
    ran.content["datasets"]["old"]["images"] = "x.npy"


def gone(ran: Any) -> None:
    (ran.path / "old_x.npy").unlink()


def reordered(ran: Any) -> None:
    ran.content["classes"]["shades"] = ["white", "light", "grey", "black"]


def damaged(ran: Any) -> None:
    ran.results.dataset_file("old").write_bytes(b"no parquet")


def without_source_checksum(ran: Any) -> None:
    path = ran.results.dataset_file("old")
    table = pq.read_table(path)
    pq.write_table(
        table.replace_schema_metadata({**table.schema.metadata, b"evalshift.source_checksum": b"null"}), path
    )


@pytest.mark.parametrize("change", [touched, moved, gone, reordered, damaged, without_source_checksum])
def test_a_dataset_that_may_have_changed_must_be_read_again(ran: Any, change: Callable[[Any], None]) -> None:
    change(ran)
    registry = load_registry(ran.save())
    assert stored_fingerprint(registry, ran.results, "old") is None
    assert stored_fingerprint(registry, ran.results, "new") is not None or change is reordered


def test_a_dataset_of_a_newer_evalshift_is_never_overwritten(ran: Any) -> None:
    path = ran.results.dataset_file("old")
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"evalshift.schema_version": b"7"}), path)
    before = path.read_bytes()
    with pytest.raises(NewerResultsError, match=r"^these results were written by a newer evalshift\n"):
        ran.run()
    assert path.read_bytes() == before


# ------------------------------------------------------------------------------------------------------------- in words


def test_differences_are_named_by_their_place() -> None:
    old = {"source": "checkpoint", "preprocess": {"mean": [0.5], "std": [0.25]}, "arguments": {}, "key": None}
    new = {"source": "checkpoint", "preprocess": {"mean": [0.4], "crop": 224}, "hash": "0f" * 32}
    assert differences(old, new) == [
        f"hash not set → {'0f' * 4}",
        "preprocess.crop not set → 224",
        "preprocess.mean [0.5] → [0.4]",
        "preprocess.std [0.25] → not set",
    ]
    assert differences(new, new) == []
    assert differences(json.loads(json.dumps(new)), new) == []


def test_planning_needs_no_torch(python: Callable[..., str], project: Any) -> None:
    project.model("good")
    code = """
import sys
from evalshift.evaluate.options import Options
from evalshift.evaluate.plan import make_plan, make_request
plan = make_plan(make_request(sys.argv[1], (), (), sys.argv[2], Options()))
print(len(plan.jobs), "torch" in sys.modules, "timm" in sys.modules)
"""
    assert python(code, project.save(), project.results.path) == "2 False False\n"
