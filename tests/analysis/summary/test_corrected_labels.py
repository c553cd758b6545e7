"""Corrected labels from a file or the registry to tables, summary.json and the page."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from commandline import run_here

from evalshift.analysis.report import report
from evalshift.errors import DataError, UsageError
from evalshift.evaluate.importers.predictions import import_predictions
from evalshift.evaluate.store import Results

# Images of "one" are a, b, c, d with labels 0, 1, 2, 3; by the corrected ones b is 1 or 4, c is 5, and d has none.
LABELS = [0, 1, 2, 3]
CORRECTED = {"b": [1, 4], "a": [0], "c": 5, "d": []}
PREDICTED = {"near": [0, 1, 2, 3], "far": [0, 4, 5, 0]}


@pytest.fixture
def stored(tmp_path: Path) -> Results:
    """Predictions of two models on the sets "one" and "two", which have the same labels and other images."""
    results = Results(tmp_path / "r")
    for dataset in ("one", "two"):
        prefix = "" if dataset == "one" else "new-"
        rows = "".join(f"{prefix}{name},{label}\n" for name, label in zip("abcd", LABELS, strict=True))
        (tmp_path / "labels.csv").write_text(f"id,label\n{rows}")
        for model, predicted in PREDICTED.items():
            rows = "".join(f"{prefix}{name},{label}\n" for name, label in zip("abcd", predicted, strict=True))
            (tmp_path / "predicted.csv").write_text(f"id,prediction\n{rows}")
            given: dict[str, Any] = {"labels": tmp_path / "labels.csv", "classes": "cifar10", "results": results}
            import_predictions(tmp_path / "predicted.csv", model, dataset, **given)
    (tmp_path / "real.json").write_text(json.dumps(CORRECTED))
    return results


def test_accuracies_and_ranks_by_hand(stored: Results, tmp_path: Path) -> None:
    """On a, b and c "near" has 3 by own labels and 2 by corrected ones, "far" 1 and 3."""
    out = tmp_path / "rep"
    options = ("--corrected-labels", f"one={tmp_path / 'real.json'}", "--format", "csv,md,tex,html")
    ran = run_here("report", "--results", stored.path, "--pair", "one:two", "--bootstrap", "0", *options, "--out", out)
    assert ran.code == 0, ran.err
    assert "By corrected labels of 3 original images" in ran.out
    assert "corrected_labels, corrected_label_sets" in ran.out.split("tables: ")[1]
    for table in ("corrected_labels", "corrected_label_sets"):
        for ending in ("csv", "md", "tex"):
            assert (out / "tables" / f"one_vs_two_top1_{table}.{ending}").exists()
    written = json.loads((out / "summary.json").read_text("utf-8"))
    assert "--corrected-labels one=real.json" in written["command"]
    metric = written["pairs"][0]["metrics"]["top1"]
    rows = {row["model"]: row for row in metric["statistics"]["corrected_labels"]["rows"]}
    names = ("images", "plain_correct", "corrected_correct", "plain_rank", "corrected_rank", "rank_change")
    assert [rows["near"][name] for name in names] == [3, 3, 2, 1, 2, -1]
    assert [rows["far"][name] for name in names] == [3, 1, 3, 2, 1, 1]
    (row,) = metric["statistics"]["corrected_label_sets"]["rows"]
    assert [row[name] for name in ("set", "images", "without", "several", "contradicted")] == ["original", 3, 1, 1, 1]
    # On average over the two models one image of six more is correct.
    said = (
        "By corrected labels of 3 original images; 1 without are left out, accuracies are 16.7 points higher on average"
    )
    assert any(sentence.startswith(said) for sentence in metric["findings"])
    assert "2 of 2 ranks change, by 1 at most (far); no order of two models is significantly reversed." in str(metric)
    assert "Accuracy by corrected labels" in (out / "index.html").read_text("utf-8")
    reason = "only one has corrected labels, and a drop would compare two kinds of labels"
    assert metric["missing"].get("corrected_drops", reason) == reason
    assert reason in (out / "tables" / "one_vs_two_top1_corrected_labels.md").read_text("utf-8")


def test_drops_where_both_sets_have_them(stored: Results, tmp_path: Path) -> None:
    (tmp_path / "new.json").write_text(json.dumps(LABELS))
    files = {"one": tmp_path / "real.json", "two": str(tmp_path / "new.json")}
    found = report(stored, pairs="one:two", resamples=0, corrected_labels=files)
    drops = found.tables["corrected_drops"].set_index("model")
    # "near": 3/3 − 4/4 by own labels, 2/3 − 4/4 by corrected ones; "far": 1/3 − 1/4 and 3/3 − 1/4.
    np.testing.assert_allclose(drops.loc["near", ["plain_drop", "corrected_drop"]].astype(float), [0, -1 / 3])
    np.testing.assert_allclose(drops.loc["far", ["plain_drop", "corrected_drop"]].astype(float), [1 / 12, 3 / 4])
    metric = found.summary.pairs[0].metrics["top1"]
    said = "The mean drop on images with corrected labels is 20.8 points by these and 4.2 points by the sets' own."
    assert said in metric.findings()


def test_the_main_table_stays_by_the_own_labels(stored: Results, tmp_path: Path) -> None:
    plain = report(stored, pairs="one:two", resamples=0)
    corrected = report(stored, pairs="one:two", resamples=0, corrected_labels={"one": tmp_path / "real.json"})
    assert plain.table.equals(corrected.table)
    assert "corrected_labels" not in plain.tables


def test_an_image_without_a_prediction_is_incorrect_by_both(tmp_path: Path) -> None:
    results = Results(tmp_path / "r")
    (tmp_path / "labels.csv").write_text("id,label\na,0\nb,1\nc,2\n")
    (tmp_path / "predicted.csv").write_text("id,prediction\na,0\nb,1\n")
    (tmp_path / "real.json").write_text(json.dumps({"a": 0, "b": 1, "c": [2, 3]}))
    for dataset in ("one", "two"):
        given: dict[str, Any] = {"labels": tmp_path / "labels.csv", "classes": "cifar10", "results": results}
        import_predictions(tmp_path / "predicted.csv", "net", dataset, missing="incorrect", **given)
    found = report(results, pairs="one:two", resamples=0, corrected_labels={"one": tmp_path / "real.json"})
    (row,) = found.tables["corrected_labels"].to_dict("records")
    assert (row["plain_correct"], row["corrected_correct"], row["images"]) == (2, 2, 3)


def test_a_dataset_that_is_not_in_the_report(stored: Results, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        report(stored, pairs="one:two", resamples=0, corrected_labels={"ones": tmp_path / "real.json"})
    assert (caught.value.found, caught.value.expected) == ('"ones"', "one, two")
    with pytest.raises(UsageError, match="a published testbed has no predictions"):
        report(published="recht2019", corrected_labels={"imagenet": tmp_path / "real.json"})
    ran = run_here("report", "--results", stored.path, "--corrected-labels", "real.json")
    assert (ran.code, "DATASET=FILE" in ran.err) == (2, True)
    with pytest.raises(DataError, match="was not found"):
        report(stored, pairs="one:two", resamples=0, corrected_labels={"one": tmp_path / "no.json"})


def test_those_of_the_registry_are_stored_with_imports(stored: Results, tmp_path: Path) -> None:
    """And changed where the file changes, without a new import of what is there."""
    entry = {"source": "folder", "path": "photos", "classes": "cifar10", "corrected_labels": "real.json"}
    (tmp_path / "reg.yaml").write_text(yaml.safe_dump({"datasets": {"one": entry}}))
    given: dict[str, Any] = {"results": stored, "registry": tmp_path / "reg.yaml"}
    (tmp_path / "more.csv").write_text("id,prediction\na,0\nb,4\nc,5\nd,3\n")
    import_predictions(tmp_path / "more.csv", "more", "one", **given)
    kept = stored.load_dataset("one")
    assert kept.corrected is not None
    assert kept.corrected.tolist() == [[0, -1], [1, 4], [5, -1], [-1, -1]]
    found = report(stored, pairs="one:two", resamples=0)
    assert found.tables["corrected_labels"]["corrected_correct"].tolist() == [2, 3]
    (tmp_path / "real.json").write_text(json.dumps({"a": 0, "b": 1, "c": 2, "d": [3, 4]}))
    import_predictions(tmp_path / "more.csv", "more", "one", **given)
    kept = stored.load_dataset("one")
    assert kept.corrected is not None
    assert kept.corrected.tolist() == [[0, -1], [1, -1], [2, -1], [3, 4]]
