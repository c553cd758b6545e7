"""Item response, which a report has where it is asked for."""

import json
from pathlib import Path

import numpy as np
import pytest
from commandline import run_here

from evalshift.analysis.options import ReportOptions
from evalshift.analysis.report import report
from evalshift.analysis.statistics import item_response
from evalshift.errors import UsageError
from evalshift.evaluate.importers.predictions import import_predictions
from evalshift.evaluate.store import Results


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Six models of 40 to 90 % on two sets of 200 images."""
    folder = tmp_path_factory.mktemp("abilities")
    rng, results = np.random.default_rng(2), Results(folder / "r")
    for dataset in ("one", "two"):
        labels, hard = rng.integers(0, 10, 200), rng.normal(size=200)
        np.save(folder / "labels.npy", labels)
        for place, skill in enumerate(np.linspace(-0.3, 1.8, 6)):
            hit = rng.logistic(0, 0.5, 200) < skill - hard
            np.save(folder / "predicted.npy", np.where(hit, labels, (labels + 1) % 10))
            options = {"labels": folder / "labels.npy", "classes": "mnist", "results": results}
            import_predictions(folder / "predicted.npy", f"net-{place}", dataset, **options)
    return results


def test_a_report_has_it_only_where_it_is_asked_for(stored: Results, tmp_path: Path) -> None:
    assert "item_response" not in report(stored, pairs="one:two", resamples=0).tables
    options = ("--pair", "one:two", "--bootstrap", "0", "--include", "item_response", "--format", "csv,md,tex,html")
    assert run_here("report", "--results", stored.path, *options, "--out", tmp_path / "rep").code == 0
    for ending in ("csv", "md", "tex"):
        for table in ("item_response", "item_response_sets", "item_response_classes"):
            assert (tmp_path / "rep" / "tables" / f"one_vs_two_top1_{table}.{ending}").exists()
    written = json.loads((tmp_path / "rep" / "summary.json").read_text("utf-8"))
    assert "--include item_response" in written["command"]
    metric = written["pairs"][0]["metrics"]["top1"]
    rows = metric["statistics"]["item_response"]["rows"]
    assert [row["model"] for row in rows] == [f"net-{place}" for place in (5, 4, 3, 2, 1, 0)]
    assert np.mean([row["original_ability"] for row in rows]) == pytest.approx(0, abs=1e-9)
    assert any("the images' mean difficulty is" in sentence for sentence in metric["findings"])
    assert any("of 10 classes change in difficulty significantly" in sentence for sentence in metric["findings"])
    assert [row["converged"] for row in metric["statistics"]["item_response_sets"]["rows"]] == [True, True]
    assert len(metric["statistics"]["item_response_classes"]["rows"]) == 10
    page = (tmp_path / "rep" / "index.html").read_text("utf-8")
    assert "Ability of models (item response)" in page
    assert "Difficulty of images (item response)" in page


def test_fits_that_have_not_converged_say_so_in_words(stored: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_response, "_MOST_STEPS", 2)
    made = report(stored, pairs="one:two", resamples=0, include="item_response")
    assert made.tables["item_response_sets"]["converged"].tolist() == [False, False]
    metric = made.summary.pairs[0].metrics["top1"]
    said = (
        "The fit of the original set and of the new set had not converged after 6 steps: its numbers are approximate."
    )
    assert said in metric.tables["item_response"].note
    assert any(said in sentence for sentence in metric.findings())


def test_few_models_are_given_the_reason(stored: Results, tmp_path: Path) -> None:
    results = Results(tmp_path)
    for dataset in ("one", "two"):
        np.save(tmp_path / "labels.npy", np.arange(4))
        options = {"labels": tmp_path / "labels.npy", "classes": "mnist", "results": results}
        import_predictions(tmp_path / "labels.npy", "net", dataset, **options)
    made = report(results, pairs="one:two", resamples=0, include="item_response")
    missing = made.summary.pairs[0].metrics["top1"].missing
    assert missing["item_response"] == "fewer than 5 models have per-image predictions: 1"


def test_unknown_tables_are_refused() -> None:
    with pytest.raises(UsageError) as refused:
        ReportOptions(include="item_respons")
    assert refused.value.problem == "unknown table to include"
    assert refused.value.expected == "item_response, pairs"
    assert ReportOptions(include=["pairs"]).include == ("pairs",)
