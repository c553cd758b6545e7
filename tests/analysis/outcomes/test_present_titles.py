"""Titles of the registry as it is now, on predictions that were stored before they were given."""

from pathlib import Path

import pytest

import evalshift as es
from evalshift.analysis.report import report
from evalshift.errors import RegistryError, UsageError
from tests.analysis.conftest import Store, with_letters

TITLED = """
title: Letters
classes: {letters: [a, b, c, d, e, f]}
families: {resnet: {title: Residual networks}}
datasets:
  old: {source: npy, images: x.npy, labels: y.npy, classes: letters, title: Old letters}
models:
  good: {source: python, function: "m.py:f", classes: letters, preprocess: {}, title: The good one}
"""


@pytest.fixture
def stored(tmp_path: Path) -> Store:
    """The letters, of which `new` and `fair` had titles when they were run."""
    store = with_letters(Store(tmp_path / "results"))
    store.dataset("new", [0, 1, 5], title="New letters")
    for dataset in ("old", "new"):
        top = store.results.load_predictions(dataset, "fair").top.tolist()
        store.predictions(dataset, "fair", top, entry={"source": "x", "family": "resnet", "title": "Stored title"})
    return store


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_text(TITLED)
    return path


def test_a_title_given_later_is_shown_and_unknown_entries_keep_theirs(stored: Store, registry: Path) -> None:
    found = report(stored.results, resamples=0, registry=registry)
    assert found.summary.pairs[0].title == "Old letters → New letters"
    assert dict(found.table[["model", "title"]].to_numpy().tolist()) == {
        "good": "The good one",
        "fair": "Stored title",
        "poor": "poor",
    }
    assert found.summary.pairs[0].titles.family("resnet") == "Residual networks"
    assert found.summary.pairs[0].provenance["datasets"]["old"]["entry"] == {"source": "npy"}


def test_the_registry_of_the_working_folder_counts_and_a_loaded_one_too(stored: Store, registry: Path) -> None:
    assert report(stored.results, resamples=0).summary.pairs[0].title == "old → New letters"
    loaded = report(stored.results, resamples=0, registry=es.load_registry(registry))
    assert loaded.summary.pairs[0].title == "Old letters → New letters"
    registry.rename("registry.yaml")
    assert report(stored.results, resamples=0).summary.pairs[0].title == "Old letters → New letters"
    assert "accuracies of The good one and poor" in es.compare(stored.results, "good", "poor").verdict


def test_a_registry_that_was_merely_found_stops_no_report(stored: Store, registry: Path) -> None:
    registry.rename("registry.yaml")
    Path("registry.yaml").write_text(f"{TITLED}  bad: {{source: nosuch, title: Bad}}\n")
    assert report(stored.results, resamples=0).summary.pairs[0].title == "Old letters → New letters"
    with pytest.raises(RegistryError):
        report(stored.results, registry="registry.yaml")
    Path("registry.yaml").write_text("models: [\n")
    found = report(stored.results, resamples=0).summary
    assert found.pairs[0].title == "old → New letters"
    assert found.notes[0].startswith("Titles are those stored with the predictions: ")


def test_a_published_testbed_has_titles_of_its_own(registry: Path) -> None:
    for refuse in (lambda: report(published="recht2019", registry=registry),
                   lambda: es.compare("results", "vgg*", published="recht2019", registry=registry)):  # fmt: skip
        with pytest.raises(UsageError, match="a published testbed has titles of its own"):
            refuse()
