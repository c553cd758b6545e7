"""How severe mistakes are, from stored predictions to tables, summary.json and the page."""

import json
from pathlib import Path

import numpy as np
import pytest
from commandline import run_here
from released import imagenet, needs_imagenet

from evalshift.analysis.report import report
from evalshift.analysis.statistics.mistake_distances import distance_change, mistake_distances
from evalshift.evaluate.importers.predictions import import_predictions
from evalshift.evaluate.store import Results
from evalshift.testbed.class_tree import known_tree
from evalshift.testbed.classes import CIFAR10, built_in


def imported(folder: Path, names: tuple[str, ...], predicted: list[str], classes: str) -> Results:
    """Predictions of "net" on the sets "one" and "two", whose images are one of each of these classes."""
    space = built_in(classes).names
    results = Results(folder / "r")
    np.save(folder / "labels.npy", np.array([space.index(name) for name in names]))
    np.save(folder / "predicted.npy", np.array([space.index(name) for name in predicted]))
    for dataset in ("one", "two"):
        options = {"labels": folder / "labels.npy", "classes": classes, "results": results}
        import_predictions(folder / "predicted.npy", "net", dataset, **options)
    return results


def test_mistakes_on_cifar10_by_hand(tmp_path: Path) -> None:
    """Cats and dogs are the only carnivores (1 bit); all ten classes are physical entities (log2 10 bits)."""
    results = imported(tmp_path, CIFAR10[:4], ["airplane", "airplane", "bird", "dog"], "cifar10")
    # An automobile that is called an airplane is one of four vehicles: airplane, automobile, ship and truck.
    found = report(results, pairs="one:two", resamples=0)
    (row,) = found.tables["mistake_severity"].to_dict("records")
    assert (row["model"], row["original_mistakes"], row["original_distance"]) == ("net", 2, pytest.approx((2 + 1) / 2))
    assert row["difference"] == 0
    written = ("report", "--results", tmp_path / "r", "--pair", "one:two", "--out", tmp_path / "rep")
    assert run_here(*written, "--bootstrap", "0", "--format", "csv,md,tex,html").code == 0
    for ending in ("csv", "md", "tex"):
        assert (tmp_path / "rep" / "tables" / f"one_vs_two_top1_mistake_severity.{ending}").exists()
    metric = json.loads((tmp_path / "rep" / "summary.json").read_text("utf-8"))["pairs"][0]["metrics"]["top1"]
    assert metric["statistics"]["mistake_severity"]["rows"][0]["new_distance"] == pytest.approx(1.5)
    assert any(
        sentence.startswith(
            "Mistakes are 1.50 bits from the true class on the original set and 1.50 bits on the new set (WordNet 3.0"
        )
        for sentence in metric["findings"]
    )
    assert "Severity of mistakes" in (tmp_path / "rep" / "index.html").read_text("utf-8")


def test_a_model_without_mistakes_has_no_distance_and_no_sentence(tmp_path: Path) -> None:
    results = imported(tmp_path, CIFAR10[:4], list(CIFAR10[:4]), "cifar10")
    found = report(results, pairs="one:two", resamples=0)
    assert found.tables["mistake_severity"]["original_distance"].isna().all()


def test_classes_without_a_tree_have_no_table(tmp_path: Path) -> None:
    results = imported(tmp_path, ("0", "1"), ["1", "1"], "mnist")
    found = report(results, pairs="one:two", resamples=0)
    assert "mistake_severity" not in found.tables


@needs_imagenet
def test_the_released_models_mistakes_are_farther_on_imagenetv2() -> None:
    released, tree = imagenet(), known_tree(built_in("imagenet-1k").names)
    assert tree is not None
    original = mistake_distances(released.original, released.original_labels, tree)
    new = mistake_distances(released.new, released.new_labels, tree)
    change = distance_change(original, new)
    assert (original.distance.mean(), new.distance.mean()) == pytest.approx((6.452, 6.816), abs=0.005)
    assert (change.interval.low > 0).all()
    assert original.expected == pytest.approx(np.full(67, 9.13), abs=0.03)
