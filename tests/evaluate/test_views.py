"""How predictions are read where a dataset keeps a part of the classes, or takes several as one."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from formats import image_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy.special import softmax

from evalshift.analysis.report import report
from evalshift.errors import DataError, ModelError
from evalshift.evaluate.devices import Execution
from evalshift.evaluate.inference import InferenceResult, predict_batches
from evalshift.evaluate.run import run
from evalshift.evaluate.store import Results
from evalshift.evaluate.validity import stored_fingerprint
from evalshift.testbed.classes import CIFAR10, ClassSpace, built_in
from evalshift.testbed.datasets import cinic10
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.views import View, built_in_view

import torch  # isort: skip

MakeClassifier = Callable[..., Any]
Numbered = Callable[..., np.ndarray]

# Of four classes, the first and the last are one, the third is left out.
LETTERS = ClassSpace("letters", tuple("abcd"))
FOLDED = View("folded", LETTERS, (1, 0, None, 1), ClassSpace("two", ("middle", "end")))
KEPT = View("kept", LETTERS, (None, 1, None, 3), LETTERS)


def infer(classifier: Any, images: np.ndarray, view: View, **options: Any) -> InferenceResult:
    execution = Execution(torch.device("cpu"), "fp32", len(images), "contiguous")
    return predict_batches(classifier, iter([images]), execution, view=view, **options)


def test_classes_that_are_left_out_are_not_looked_at(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    predictions = infer(make_classifier([[9.0, 1.0, 9.0, 0.0], [0.0, 2.0, 0.0, 2.0]]), numbered(2), KEPT)
    assert predictions.top.tolist() == [[1, 3], [1, 3]]  # a tie goes to the lower number
    np.testing.assert_allclose(predictions.prob, [np.e / (np.e + 1), 0.5], rtol=1e-6)


def test_classes_taken_as_one_prediction_as_their_best_and_are_as_likely_as_all(
    make_classifier: MakeClassifier, numbered: Numbered
) -> None:
    # Two weaker classes together outweigh the strongest (2e³ > e^3.5), but the strongest is what the model predictions.
    predictions = infer(make_classifier([[3.0, 3.5, 99.0, 3.0], [1.0, 0.0, 0.0, 2.0]]), numbered(2), FOLDED)
    assert predictions.top.tolist() == [[0, 1], [1, 0]]
    e = np.e
    by_hand = [e**3.5 / (e**3.5 + 2 * e**3), (e + e**2) / (e + e**2 + 1)]
    np.testing.assert_allclose(predictions.prob, by_hand, rtol=1e-6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(data=st.data(), classes=st.integers(2, 9), count=st.integers(1, 6))
def test_as_numpy_reads_them(
    make_classifier: MakeClassifier, numbered: Numbered, data: st.DataObject, classes: int, count: int
) -> None:
    values = st.sampled_from([-7.5, -1.0, 0.0, 0.25, 1.0, 30.0])
    table = np.array(data.draw(st.lists(st.lists(values, min_size=classes, max_size=classes), min_size=count,
                                        max_size=count)))  # fmt: skip
    meaning = data.draw(st.lists(st.sampled_from([None, 0, 1, 4]), min_size=classes, max_size=classes).filter(any))
    space = ClassSpace("five", tuple("abcde"))
    predictions = infer(
        make_classifier(table.tolist(), classes),
        numbered(count),
        View("v", ClassSpace("x", tuple(map(str, range(classes)))), tuple(meaning), space),
    )
    labels = sorted({label for label in meaning if label is not None})
    columns = {label: [place for place, one in enumerate(meaning) if one == label] for label in labels}
    chances = softmax(table[:, [place for label in labels for place in columns[label]]], axis=1)
    for row in range(count):
        best = {label: table[row, columns[label]].max() for label in labels}
        assert predictions.top[row].tolist() == sorted(labels, key=lambda label: (-best[label], label))[:5]
        owner = np.array([label for label in labels for _ in columns[label]])
        np.testing.assert_allclose(
            predictions.prob[row], chances[row, owner == predictions.top[row, 0]].sum(), rtol=1e-5
        )


def test_logits_are_kept_as_they_came(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    kept = infer(make_classifier([[9.0, 1.0, 9.0, 0.0]]), numbered(1), KEPT, keep_logits=True).logits
    np.testing.assert_array_equal(kept, [[9.0, 1.0, 9.0, 0.0]])


@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused(
    make_classifier: MakeClassifier, numbered: Numbered, place: int, value: float
) -> None:
    row = [0.0, 1.0, 2.0, 3.0]
    row[place] = value
    if place == 0 and value == np.inf:  # a prediction that nobody looks at
        assert infer(make_classifier([row]), numbered(1), KEPT).top.tolist() == [[3, 1]]
        return
    with pytest.raises(ModelError, match=r"^the network gives logits that are not finite\n"):
        infer(make_classifier([row]), numbered(1), KEPT)


def test_superclasses_from_fine_predictions(make_classifier: MakeClassifier, numbered: Numbered) -> None:
    """Right by superclass is who takes an otter for a beaver."""
    names = built_in("cifar100").names
    table = np.zeros((2, 100))
    table[0, names.index("otter")] = 5
    table[1, names.index("tractor")] = 5
    classifier = replace(make_classifier(table.tolist()), classes=built_in("cifar100"))
    predictions = infer(classifier, numbered(2), built_in_view("cifar100-superclasses"))
    superclasses = built_in("cifar100-superclasses").names
    assert [superclasses[label] for label in predictions.top[:, 0]] == ["aquatic_mammals", "vehicles_2"]
    assert predictions.top.shape == (2, 5)


NETWORK = """
import torch
from torch import nn


class Told(nn.Module):
    def forward(self, images):
        # The first pixel says the class, and class 0 is always a little likelier: it is none of ImageNet-A's.
        logits = torch.zeros(len(images), 1000)
        logits[torch.arange(len(images)), images[:, 0, 0, 0].long()] = 1.0
        logits[:, 0] = 2.0
        return logits
"""


@pytest.fixture
def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def testbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sets of ImageNet's classes, one of them with ImageNet-A's alone, and a network that is right among those."""
    monkeypatch.chdir(tmp_path)
    kept = built_in_view("imagenet-a").labels
    for name, labels in (("whole", [0, 1, 2, *kept[:5]]), ("rare", list(kept[:3]))):
        images = np.zeros((len(labels), 2, 2, 1), np.uint8)
        images[:, 0, 0, 0] = labels
        np.save(f"{name}_x.npy", images)
        np.save(f"{name}_y.npy", np.array(labels))
    (tmp_path / "told.py").write_text(NETWORK)
    arrays = {name: {"source": "npy", "images": f"{name}_x.npy", "labels": f"{name}_y.npy", "classes": "imagenet-1k"}
              for name in ("whole", "rare")}  # fmt: skip
    model = {"source": "python", "function": "told.py:Told", "classes": "imagenet-1k", "preprocess": {"scale": 255}}
    content = {
        "datasets": {"whole": arrays["whole"], "rare": {**arrays["rare"], "view": "imagenet-a"}},
        "models": {"told": model},
        "pairs": ["whole:rare"],
    }
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "registry.yaml"


def test_a_pair_is_seen_alike_on_both_sides_from_registry_to_report(testbed: Path, quiet: Any) -> None:
    results = run(testbed, results="results", device="cpu", console=quiet)
    assert results.pairs() == ["whole@imagenet-a:rare"]
    stored = Results("results")
    assert stored.datasets() == ["rare", "whole@imagenet-a"]
    assert len(stored.load_dataset("whole@imagenet-a")) == 5
    table = report(results, resamples=100).table
    assert table[["original_accuracy", "new_accuracy"]].to_numpy().tolist() == [[1.0, 1.0]]
    # Nothing is read again, and nothing is run again.
    known = load_registry(testbed)
    assert stored_fingerprint(known, stored, "whole@imagenet-a") == stored.load_dataset("whole@imagenet-a").fingerprint
    before = stored.predictions_file("rare", "told").stat().st_mtime_ns
    run(testbed, results="results", device="cpu", console=quiet)
    assert stored.predictions_file("rare", "told").stat().st_mtime_ns == before


@pytest.mark.parametrize("seen_whole_too", [False, True])
def test_a_report_takes_the_pair_as_it_is_typed(testbed: Path, quiet: Any, seen_whole_too: bool) -> None:
    """Also where the whole set is stored as well: held against the rare one, it would be restricted on one side."""
    if seen_whole_too:
        text = yaml.safe_load(testbed.read_text())
        text["datasets"]["copy"] = {**text["datasets"]["whole"]}
        text["pairs"].append("whole:copy")
        testbed.write_text(yaml.safe_dump(text))
    results = Results(run(testbed, results="results", device="cpu", console=quiet).path)
    assert ("whole" in results.datasets()) == seen_whole_too
    for pairs in ("whole:rare", ["whole:rare", "whole@imagenet-a:rare"]):
        found = report(results, pairs=pairs, resamples=100)
        assert found.pairs == ("whole@imagenet-a:rare",)
        assert found.table[["original_accuracy", "new_accuracy"]].to_numpy().tolist() == [[1.0, 1.0]]
    assert report(results, pairs="rare:whole", resamples=100).pairs == ("rare:whole@imagenet-a",)


PARITY = """
from torch import nn


class Told(nn.Module):
    def forward(self, images):
        # The first pixel says the digit, and class 9, which is in no group, is always stronger.
        logits = nn.functional.one_hot(images[:, 0, 0, 0].long(), 10).float()
        logits[:, 9] = 2.0
        return logits
"""


def test_groups_that_a_registry_declares_from_registry_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: Any
) -> None:
    """Labels of digits on one side, of groups on the other; the network is wrong about a digit or about its group."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "told.py").write_text(PARITY)
    seen, labels = {"fine": [1, 3, 2, 5, 4], "coarse": [0, 2, 3, 5]}, {"fine": [1, 1, 5, 5, 9], "coarse": [1, 0, 0, 0]}
    for name in ("fine", "coarse"):
        images = np.zeros((len(seen[name]), 2, 2, 1), np.uint8)
        images[:, 0, 0, 0] = seen[name]
        np.save(f"{name}_x.npy", images)
        np.save(f"{name}_y.npy", np.array(labels[name]))
    arrays = {name: {"source": "npy", "images": f"{name}_x.npy", "labels": f"{name}_y.npy", "classes": classes}
              for name, classes in (("fine", "digits"), ("coarse", "parity"))}  # fmt: skip
    groups = {"odd": [1, "3", "5-7"], "even": [0, 2, 4, 8]}
    content: dict[str, Any] = {
        "classes": {"parity": ["odd", "even"]},
        "views": {"parity": {"of": "digits", "groups": {**groups, "odd": [1, 3, 5, 7], "even": [0, 2, 4, 6, 8]}}},
        "datasets": arrays,
        "models": {
            "told": {"source": "python", "function": "told.py:Told", "classes": "digits", "preprocess": {"scale": 255}}
        },
        "pairs": ["fine:coarse"],
    }
    registry = tmp_path / "registry.yaml"
    registry.write_text(yaml.safe_dump(content))
    results = run(registry, results="results", device="cpu", console=quiet)
    assert results.pairs() == ["fine@parity:coarse@parity"]
    # The image of class 9, in no group, is left out; 3 for 1 is odd as well, 2 for 5 is not: 3 of 4. And 2 is not odd.
    table = report(results, pairs="fine:coarse", resamples=100).table
    assert table[["original_correct", "original_total"]].to_numpy().tolist() == [[3, 4]]
    assert table[["new_correct", "new_total"]].to_numpy().tolist() == [[3, 4]]
    stored = results.load_dataset("fine@parity")
    assert stored.class_names == ("odd", "even")
    assert stored.view is not None
    assert stored.view.name == "parity"
    known = load_registry(registry)
    assert stored_fingerprint(known, results, "fine@parity") == stored.fingerprint
    # Other groups of the same names are another dataset, although no file changed.
    content["views"]["parity"]["groups"] = groups
    registry.write_text(yaml.safe_dump(content))
    assert stored_fingerprint(load_registry(registry), results, "fine@parity") is None


def test_seen_whole_the_same_predictions_are_wrong(testbed: Path, quiet: Any) -> None:
    text = testbed.read_text().replace("    view: imagenet-a\n", "")
    testbed.write_text(text)
    results = run(testbed, results="results", device="cpu", console=quiet)
    table = report(results, resamples=100).table
    assert results.pairs() == ["whole:rare"]
    assert table[["original_accuracy", "new_accuracy"]].to_numpy().tolist() == [[1 / 8, 0.0]]


def test_what_a_dataset_warns_of_stands_beside_every_accuracy_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quiet: Console
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cinic10, "FROM_CIFAR", 2)
    for label, folder in enumerate(CIFAR10):
        (tmp_path / "cinic/test" / folder).mkdir(parents=True)
        for name in (f"cifar10-test-{label}", f"cifar10-train-{label}"):
            (tmp_path / f"cinic/test/{folder}/{name}.png").write_bytes(image_bytes(name, size=(32, 32)))
    (tmp_path / "flat.py").write_text(
        "import torch\nfrom torch import nn\n\n\ndef flat():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))\n"
    )
    cinic = {"source": "cinic10", "path": "cinic", "portion": "cifar"}
    content = {
        "datasets": {"clean": cinic, "raw": {**cinic, "raw": True}},
        "models": {"flat": {"source": "python", "function": "flat.py:flat", "classes": "cifar10", "preprocess": {}}},
        "pairs": ["clean:raw"],
    }
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump(content))
    results = run("registry.yaml", device="cpu", console=quiet)
    warning = "10 of 20 images are CIFAR-10's training images, which models trained on it know"
    provenance = [results.provenance(name, "flat") for name in ("clean", "raw")]
    assert [one.warnings for one in provenance if one] == [[], [warning]]
    assert isinstance(quiet.file, io.StringIO)
    assert warning in quiet.file.getvalue()
    assert f"{warning}: flat." in report(results, resamples=100).summary.pairs[0].notes


def test_several_labels_per_image_from_registry_to_report(testbed: Path, quiet: Any) -> None:
    """`multi_labels` takes the place of the labels; an image without any is not run, and is counted."""
    several = [[0, 3], [], [5], [0], [4, 0], [7], [8], [9]]
    (testbed.parent / "real.json").write_text(json.dumps(several))
    text = yaml.safe_load(testbed.read_text())
    real = {**text["datasets"]["whole"], "multi_labels": "real.json"}
    labels = np.load(testbed.parent / "whole_y.npy")
    several_of_own = [[*row, int(label)] if row else [] for row, label in zip(several, labels, strict=True)]
    (testbed.parent / "real.json").write_text(json.dumps(several_of_own))
    text["datasets"] = {"whole": text["datasets"]["whole"], "real": real}
    text["pairs"] = ["whole:real"]
    testbed.write_text(yaml.safe_dump(text))
    results = run(testbed, results="results", device="cpu", console=quiet)
    # The network always predicts class 0: correct for the first image, and for two more that have it among several.
    table = report(results, resamples=100).table
    assert table[["original_correct", "original_total"]].to_numpy().tolist() == [[1, 8]]
    assert table[["new_correct", "new_total"]].to_numpy().tolist() == [[3, 7]]
    note = "whole and real share 7 images. The intervals of drops"
    assert any(one.startswith(note) for one in report(results, resamples=100).summary.pairs[0].notes)
    warning = "1 of 8 images have no label and are left out"
    provenance = results.provenance("real", "told")
    assert provenance is not None
    assert provenance.warnings == [warning]
    assert warning in quiet.file.getvalue()
    stored = results.load_dataset("real")
    assert stored.whole is not None
    assert (len(stored), len(stored.whole)) == (7, 8)
    assert stored_fingerprint(load_registry(testbed), results, "real") == stored.fingerprint
    (testbed.parent / "real.json").write_text(json.dumps([[*row, 1] for row in several_of_own]))
    assert stored_fingerprint(load_registry(testbed), results, "real") is None


def test_corrected_labels_are_stored_beside_the_own_ones_and_renewed_without_a_new_run(
    testbed: Path, quiet: Any
) -> None:
    """In a view they are read as the own labels are; where the entry has none any more, they are forgotten."""
    text = yaml.safe_load(testbed.read_text())
    labels = np.load(testbed.parent / "whole_y.npy").tolist()
    path = testbed.parent / "corrected.json"
    path.write_text(json.dumps([[label, 999] for label in labels[:-1]] + [[]]))
    text["datasets"]["whole"]["corrected_labels"] = "corrected.json"
    del text["datasets"]["rare"]["view"]

    def corrected() -> list[list[int]] | None:
        testbed.write_text(yaml.safe_dump(text))
        found = run(testbed, results="results", device="cpu", console=quiet).load_dataset("whole").corrected
        return None if found is None else found.tolist()

    assert corrected() == [*([label, 999] for label in labels[:-1]), [-1, -1]]
    predictions = testbed.parent / "results" / "predictions"
    times = [file.stat().st_mtime_ns for file in sorted(predictions.rglob("*.parquet"))]
    path.write_text(json.dumps(labels))
    assert corrected() == [[label] for label in labels]
    del text["datasets"]["whole"]["corrected_labels"]
    assert corrected() is None
    assert [file.stat().st_mtime_ns for file in sorted(predictions.rglob("*.parquet"))] == times


def test_labels_of_other_images_are_refused(testbed: Path, quiet: Any) -> None:
    (testbed.parent / "real.json").write_text(json.dumps([[999]] * 8))
    text = yaml.safe_load(testbed.read_text())
    text["datasets"]["real"] = {**text["datasets"]["whole"], "multi_labels": "real.json"}
    text["pairs"] = ["whole:real"]
    testbed.write_text(yaml.safe_dump(text))
    with pytest.raises(DataError) as caught:
        run(testbed, results="results", device="cpu", console=quiet)
    assert caught.value.problem == "these labels contradict those of the dataset"
    assert caught.value.found == "0 of 8 images have their own label among the several"
