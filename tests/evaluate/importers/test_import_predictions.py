"""Predictions of others in the store: compared with the correct labels, never replacing those of a run silently."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from messages import says

from evalshift.evaluate.importers.labels import known_size, labels_alone
from evalshift.evaluate.importers.predictions import ImportedModel, import_predictions
from evalshift.evaluate.options import Options
from evalshift.evaluate.plan import make_plan, make_request
from evalshift.evaluate.rows import same_labels
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.files import sha256_of
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.dataset_entry import NearDuplicatesEntry
from evalshift.testbed.registry import Registry

DUPLICATES = NearDuplicatesEntry(share=0.25, accuracy=0.5, source="counted")
RIGHT = [0, 1, 2, 3, 4, 5]


def stored_predictions(folder: Path, values: object = RIGHT, name: str = "answers.npy") -> Path:
    path = folder / name
    np.save(path, np.array(values))
    return path


def test_a_dataset_of_the_registry_lends_its_labels(tmp_path: Path, results: Results, registry: Registry) -> None:
    file = stored_predictions(tmp_path, [0, 1, 2, 3, 4, 6])
    report = import_predictions(file, "known", "old", results, registry=registry)
    assert report.models == (ImportedModel("known", "old", 6, 5, None),)
    assert report.rules == (
        "labels of old from the registry",
        "no column identifies the images: rows are taken in dataset order",
        "one number per image is its class",
    )
    assert report.pairs == ()
    stored = results.load_predictions("old", "known")
    assert stored.top.tolist() == [[0], [1], [2], [3], [4], [6]]
    assert stored.prob is None
    assert stored.provenance.entry == {"source": "import", "family": "nets", "year": 2001}
    imported = stored.provenance.imported
    assert imported is not None
    assert (imported.source, imported.kind, imported.files) == ("predictions", "top1", {file.name: sha256_of(file)})
    assert imported.rules == list(report.rules)


def test_a_dataset_of_labels_alone_says_so_and_a_run_reads_it(
    tmp_path: Path, results: Results, registry: Registry
) -> None:
    import_predictions(stored_predictions(tmp_path), "known", "old", results, registry=registry)
    dataset = results.load_dataset("old")
    assert (dataset.fingerprint, dataset.source_checksum, dataset.entry) == (
        dataset.label_checksum,
        None,
        {"source": "labels"},
    )
    plan = make_plan(make_request(registry, (), ["known"], results, Options()), lambda name: "read")
    assert {(job.dataset, job.reason) for job in plan.jobs} == {
        ("old", "what is stored was imported (answers.npy), not run from this entry"),
        ("new", "not run yet"),
    }


def test_what_the_registry_knows_of_a_dataset_comes_along(tmp_path: Path, results: Results, registry: Registry) -> None:
    """Its near-duplicates and its fresh images, wherever the labels come from; nothing of where its files lie."""
    known = {"near_duplicates": {"share": 0.25, "accuracy": 0.5, "source": "counted"}, "fresh": "new"}
    entries = {"old": registry.datasets["old"].model_copy(update={**known, "near_duplicates": DUPLICATES})}
    registry = replace(registry, datasets={**registry.datasets, **entries})
    import_predictions(stored_predictions(tmp_path), "known", "old", results, registry=registry)
    assert results.load_dataset("old").entry == {"source": "labels", **known}
    beside = Results(tmp_path / "beside")
    labels = stored_predictions(tmp_path, name="labels.npy")
    import_predictions(stored_predictions(tmp_path), "known", "old", beside, registry=registry, labels=labels)
    assert beside.load_dataset("old").entry == {"source": "labels", "files": {"labels.npy": sha256_of(labels)}, **known}


def test_pairs_are_noted_once_both_sets_have_a_model(tmp_path: Path, results: Results, registry: Registry) -> None:
    file = stored_predictions(tmp_path)
    assert import_predictions(file, "x", "old", results, registry=registry).pairs == ()
    assert import_predictions(file, "y", "new", results, registry=registry).pairs == ()
    assert import_predictions(file, "x", "new", results, registry=registry).pairs == ("old:new",)
    assert results.pairs() == ["old:new"]


def test_stored_labels_come_before_all_others(
    tmp_path: Path, results: Results, registry: Registry, named: StoredDataset
) -> None:
    results.save_dataset(named)
    file = tmp_path / "answers.json"
    backwards = {"six.png": 5, "five.png": 4, "four.png": 0, "three.png": 2, "two.png": 1, "one.png": 0}
    file.write_text(json.dumps(backwards), "utf-8")
    report = import_predictions(file, "x", "old", results, registry=registry)
    assert report.models == (ImportedModel("x", "old", 6, 5, None),)
    assert report.rules[0] == f"labels of old as stored in {results.path}"
    assert results.load_predictions("old", "x").top[:, 0].tolist() == [0, 1, 2, 0, 4, 5]
    assert same_labels(results.load_predictions("old", "x").provenance.dataset_fingerprint, named.label_checksum)


def test_labels_from_a_file(tmp_path: Path, results: Results, registry: Registry) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("image,label\nu.png,g\nv.png,b\n", "utf-8")
    top = stored_predictions(tmp_path, [[6, 1], [2, 1]])
    report = import_predictions(top, "x", "mine", results, registry=registry, labels=labels, classes="letters")
    assert report.models == (ImportedModel("x", "mine", 2, 1, None),)
    dataset = results.load_dataset("mine")
    assert (dataset.ids, dataset.labels.tolist(), dataset.classes) == (("u.png", "v.png"), [6, 1], "letters")
    assert dataset.entry == {"source": "labels", "files": {"labels.csv": sha256_of(labels)}}


def test_top_five_is_counted_where_five_predictions_are_kept(
    tmp_path: Path, results: Results, registry: Registry
) -> None:
    file = stored_predictions(tmp_path, [[6, 5, 4, 3, 2]] * 6)
    assert import_predictions(file, "x", "old", results, registry=registry).models[0].top5 == 4


def test_own_facts_come_before_those_of_the_registry(tmp_path: Path, results: Results, registry: Registry) -> None:
    import_predictions(
        stored_predictions(tmp_path), "known", "old", results, registry=registry, facts={"family": "other"}
    )
    provenance = results.provenance("old", "known")
    assert provenance is not None
    assert provenance.entry == {"source": "import", "family": "other", "year": 2001}


def test_an_import_makes_way_for_another_but_a_run_does_not(
    tmp_path: Path, results: Results, registry: Registry, complaint: Callable[..., str]
) -> None:
    file = stored_predictions(tmp_path)
    import_predictions(file, "x", "old", results, registry=registry)
    import_predictions(stored_predictions(tmp_path, [6] * 6), "x", "old", results, registry=registry)
    stored = results.load_predictions("old", "x")
    assert stored.top[:, 0].tolist() == [6] * 6
    run = {"device": "cpu", "precision": "fp32", "batch_size": 1, "memory_format": "contiguous", "preprocess": {}}
    times = {"start": "2026-05-04T12:00:00+00:00", "seconds": 1.0, "images_per_second": 6.0}
    made = stored.provenance.model_copy(update={**run, **times, "imported": None})
    results.save_predictions(type(stored)("x", "old", stored.top, None, made))
    says(
        complaint(import_predictions, file, "x", "old", results, registry=registry),
        where=results.predictions_file("old", "x"),
        found="run 2026-05-04 on cpu",
    )
    import_predictions(stored_predictions(tmp_path), "x", "old", results, registry=registry, force=True)
    assert results.load_predictions("old", "x").top[:, 0].tolist() == RIGHT


def test_nothing_is_stored_of_what_is_refused(
    tmp_path: Path, results: Results, registry: Registry, complaint: Callable[..., str]
) -> None:
    complaint(import_predictions, stored_predictions(tmp_path, [9] * 6), "x", "old", results, registry=registry)
    assert not results.path.exists()


def test_labels_that_are_not_available(
    tmp_path: Path, results: Results, registry: Registry, complaint: Callable[..., str]
) -> None:
    file = stored_predictions(tmp_path)
    says(
        complaint(import_predictions, file, "x", "oldd", results, registry=registry),
        where=results.path,
        found='no dataset "oldd" is stored or registered',
    )
    (tmp_path / "y.npy").unlink()
    says(
        complaint(import_predictions, file, "x", "old", results, registry=registry),
        where=results.path,
        found="it is neither stored here nor on this disk",
    )


def test_labels_whose_meaning_is_not_known(
    tmp_path: Path, results: Results, registry: Registry, complaint: Callable[..., str]
) -> None:
    labels = stored_predictions(tmp_path, RIGHT, "labels.npy")
    says(
        complaint(
            import_predictions, labels, "x", "mine", results, registry=registry, labels=labels, classes="lettres"
        ),
        found='"lettres"',
    )


def test_labels_outside_the_classes_and_odd_ones(
    tmp_path: Path, results: Results, registry: Registry, complaint: Callable[..., str]
) -> None:
    def refused(values: object) -> str:
        labels = stored_predictions(tmp_path, values, "labels.npy")
        options = {"registry": registry, "labels": labels, "classes": "letters"}
        return complaint(import_predictions, stored_predictions(tmp_path), "x", "mine", results, **options)

    says(refused([1, 7]), where="dataset mine, row 1", found="label 7")
    assert refused([0.5, 1.0]).startswith("these are not labels\n")
    assert refused([[0, 1], [1, 0]]).startswith("these are not labels\n")


def test_given_labels_must_be_the_stored_ones(
    tmp_path: Path, results: Results, registry: Registry, named: StoredDataset, complaint: Callable[..., str]
) -> None:
    results.save_dataset(named)
    labels = tmp_path / "labels.csv"
    labels.write_text("id,label\nsix,f\nfive,e\nfour,d\nthree,c\ntwo,b\none,a\n", "utf-8")
    import_predictions(stored_predictions(tmp_path), "x", "old", results, registry=registry, labels=labels)
    says(
        complaint(
            import_predictions,
            stored_predictions(tmp_path),
            "x",
            "old",
            results,
            registry=registry,
            labels=stored_predictions(tmp_path, [0, 1, 2, 3, 5, 4], "labels.npy"),
        ),
        where=tmp_path / "labels.npy",
        found="2 of 6 differ",
        expected=f"the labels of old in {results.path}",
    )


def test_sizes_of_published_sets_are_known() -> None:
    assert known_size("cifar10.1-v4") == (2021, "cifar10")
    assert known_size("imagenet") == (50_000, "imagenet-1k")
    assert known_size("cifar100") == (10_000, "cifar100")
    assert known_size("model-vs-human@edge") == (160, None)
    assert known_size("imagenet-c") == (50_000, "imagenet-1k")
    assert known_size("mine") is None


def test_an_id_may_not_is_duplicate_in_a_dataset(complaint: Callable[..., str]) -> None:
    space = ClassSpace("two", ("a", "b"))
    says(complaint(labels_alone, "mine", ["x", "x"], np.array([0, 1]), space), where="dataset mine", found="x")
