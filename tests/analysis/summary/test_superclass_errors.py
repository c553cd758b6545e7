"""Mistakes within the superclass, from the registry to tables, summary.json and the page."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from commandline import run_here, write_testbed

from evalshift.analysis.report import report
from evalshift.evaluate.importers.predictions import import_predictions
from evalshift.evaluate.store import Results, StoredDataset
from evalshift.testbed.classes import CIFAR100, CIFAR100_SUPERCLASSES

VIEW = "views:\n  shine: {of: shades, groups: {dull: [dark, middle], shiny: [bright]}}\n"


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "tables" / "original_vs_new_top1_hierarchical_errors.csv").open() as stream:
        return {row["model"]: row for row in csv.DictReader(stream)}


def test_a_view_declared_after_the_run_is_in_the_report(tmp_path: Path) -> None:
    registry = write_testbed(tmp_path)
    run = ("run", "--registry", registry, "--results", tmp_path / "r")
    written = ("report", "--results", tmp_path / "r", "--bootstrap", "100", "--out", tmp_path / "rep")
    assert run_here(*run).code == 0
    assert run_here(*written, "--format", "csv").code == 0
    assert not list((tmp_path / "rep" / "tables").glob("*hierarchical*"))
    assert "hierarchical_errors" not in (tmp_path / "rep" / "summary.json").read_text("utf-8")

    registry.write_text(VIEW + registry.read_text("utf-8"), "utf-8")
    again = run_here(*run)
    assert "nothing to do" in again.err
    registry.unlink()  # a report needs none
    assert run_here(*written, "--format", "csv,md,tex,html").code == 0
    found = rows(tmp_path / "rep")
    # dark says dark to 4 middle and 4 bright images of 12: the former are dull as well.
    dark = found["dark"]
    assert (dark["superclasses"], dark["original_mistakes"], dark["original_within"]) == ("shine", "8", "4")
    assert [float(dark[f"original_{key}"]) for key in ("share", "share_low", "share_high")] == pytest.approx(
        [0.5, 0.1570128, 0.8429872]
    )  # scipy.stats.binomtest(4, 8).proportion_ci()
    # Of the two other classes one is dull for a middle image, none is shiny for a bright one.
    assert float(dark["original_expected"]) == pytest.approx((4 * 0.5 + 4 * 0) / 8)
    # good misses the two bright images that were dimmed, and shy all bright ones.
    assert [found["good"][key] for key in ("original_mistakes", "original_share", "new_mistakes")] == ["0", "", "2"]
    assert float(found["good"]["new_share"]) == 0
    assert found["good"]["difference"] == ""
    assert (found["shy"]["new_mistakes"], float(found["shy"]["difference"])) == ("4", 0.0)

    table = (tmp_path / "rep" / "tables" / "original_vs_new_top1_hierarchical_errors.md").read_text("utf-8")
    assert "| shine | dark | 8 | 50.0 [15.7, 84.3] | 25.0 |" in table
    assert "Superclasses of shine: dull, shiny." in table
    metric = json.loads((tmp_path / "rep" / "summary.json").read_text("utf-8"))["pairs"][0]["metrics"]["top1"]
    kept = metric["statistics"]["hierarchical_errors"]["rows"]
    assert [(row["model"], row["original_share"]) for row in kept] == [("good", None), ("shy", 0.0), ("dark", 0.5)]
    assert (
        "25.0 % of the mistakes on the original set and 25.0 % on the new set are within the superclass (shine, mean "
        "over models); 12.5 % if mistakes were spread equally over the other classes."
    ) in metric["findings"]
    assert "Mistakes within the superclass" in (tmp_path / "rep" / "index.html").read_text("utf-8")


def test_superclasses_of_imported_predictions(tmp_path: Path) -> None:
    """CIFAR-100's are built in; those of a registry are noted whenever something is imported."""
    labels = np.array([CIFAR100.index(name) for name in ("beaver", "dolphin", "trout", "shark")])
    predicted = np.array([CIFAR100.index(name) for name in ("whale", "ray", "ray", "shark")])
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "predicted.npy", predicted)
    results = Results(tmp_path / "r")
    for name in ("one", "two"):
        options = {"labels": tmp_path / "labels.npy", "classes": "cifar100", "results": results}
        import_predictions(tmp_path / "predicted.npy", "net", name, **options)
    table = report(results, pairs="one:two", resamples=0).tables["hierarchical_errors"]
    assert table[["superclasses", "model", "new_mistakes", "new_within"]].to_numpy().tolist() == [
        ["cifar100-superclasses", "net", 3, 2]
    ]
    assert table["new_expected"].tolist() == pytest.approx([4 / 99])

    (tmp_path / "mine.yaml").write_text(
        "extends: default\nviews:\n  swims:\n    of: cifar100\n"
        "    groups: {mammal: [beaver, dolphin], other: [ray, whale, trout]}\n"
    )
    import_predictions(tmp_path / "predicted.npy", "net-2", "one", registry=tmp_path / "mine.yaml", results=results)
    stored = [one.name for one in results.load_dataset("one").superclasses]
    assert stored == ["cifar100-superclasses", "swims"]
    import_predictions(tmp_path / "predicted.npy", "net-2", "two", results=results)
    both = report(results, pairs="one:two", resamples=0).tables["hierarchical_errors"]
    assert both["superclasses"].tolist() == ["cifar100-superclasses"] * 2 + ["swims"] * 2
    swims = both[both["superclasses"] == "swims"]
    # The shark is in no group and left out; whale for beaver and ray for dolphin are outside, ray for trout is within.
    assert swims[["original_mistakes", "original_within"]].to_numpy().tolist() == [[3, 1]] * 2


def test_results_of_before_know_the_built_in_ones(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    results = Results(tmp_path)
    entry = {"source": "labels"}
    results.save_dataset(StoredDataset("old", ("a", "b"), np.array([0, 1]), "cifar100", CIFAR100, "f", None, entry))
    path = results.dataset_file("old")
    table = pq.read_table(path)
    unknown = (b"superclasses", b"sha256")
    metadata = {key: value for key, value in table.schema.metadata.items() if not any(part in key for part in unknown)}
    metadata[b"evalshift.schema_version"] = b"3"
    pq.write_table(table.replace_schema_metadata(metadata), path)
    (found,) = results.load_dataset("old").superclasses
    assert found.names == tuple(CIFAR100_SUPERCLASSES)
