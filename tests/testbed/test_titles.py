"""Titles of datasets, models, families and testbeds, from the registry to what is stored."""

from pathlib import Path

import pytest

from evalshift.errors import RegistryError
from evalshift.evaluate.importers.predictions import import_predictions
from evalshift.evaluate.store import Results
from evalshift.testbed.published import load_published
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry, read_registry
from evalshift.titles import family_title_of, title_of

OWN = """
extends: default
title: My testbed
families:
  vgg: {title: VGG nets}
  mine: {title: "Our nets, 2nd edition"}
datasets:
  small: {source: npy, images: x.npy, labels: y.npy, classes: cifar10, title: Small images}
  cifar10: {source: cifar10, path: cifar-10-batches-py}
models:
  a: {source: timm, name: vgg16, family: vgg, title: "VGG-16 (timm)"}
  b: {source: timm, name: vgg19, family: mine}
  c: {source: timm, name: vgg11, family: none-known}
  d: {source: timm, name: vgg11, family: mine, family_title: Others}
"""


@pytest.fixture
def load(tmp_path: Path):
    def from_text(text: str) -> Registry:
        (tmp_path / "mine.yaml").write_text(text, "utf-8")
        return load_registry(tmp_path / "mine.yaml")

    return from_text


def test_entries_carry_their_titles_and_those_of_their_families(load) -> None:
    registry = load(OWN)
    models = registry.models
    assert registry.title == "My testbed"
    assert title_of(registry.dataset("small"), "small") == "Small images"
    assert title_of(models["a"], "a") == "VGG-16 (timm)"
    assert [title_of(models[name], name) for name in "bc"] == ["b", "c"]
    families = [family_title_of(models[name], models[name].family or "") for name in "abcd"]
    assert families == ["VGG nets", "Our nets, 2nd edition", "none-known", "Others"]


def test_what_is_stored_of_a_model_has_the_titles(load) -> None:
    written = load(OWN).written["models/a"]
    assert (title_of(written, "a"), family_title_of(written, "vgg")) == ("VGG-16 (timm)", "VGG nets")


def test_built_in_titles_hold_in_every_registry(load) -> None:
    registry = load("models:\n  m: {source: timm, name: resnet18, family: resnet}\n")
    assert family_title_of(registry.models["m"], "resnet") == "ResNet"
    assert registry.dataset("cifar10.1-v6").title == "CIFAR-10.1 v6"
    assert load(OWN).dataset("cifar10").title == "CIFAR-10"  # a copy of one's own of a built-in dataset


def test_an_own_title_of_a_family_holds_for_the_models_that_are_extended(load) -> None:
    assert load(OWN).models["vgg16-v1-torchvision"].family_title == "VGG nets"
    assert load_registry(default_path()).models["vgg16-v1-torchvision"].family_title == "VGG"


def test_titles_name_the_choice_and_the_view() -> None:
    registry = load_registry(default_path())
    assert registry.dataset("cifar10-c@gaussian_noise-3").title == "CIFAR-10-C, gaussian noise, severity 3"
    assert registry.dataset("imagenet@imagenet-r").title == "ImageNet (view imagenet-r)"
    assert registry.dataset("cifar100-superclasses").title == "CIFAR-100, superclasses"


def test_every_built_in_dataset_and_family_has_a_title_of_its_own() -> None:
    registry = load_registry(default_path())
    titles = [entry.title for entry in registry.datasets.values()]
    assert None not in titles
    assert len(set(titles)) == len(titles)
    assert {entry.family for entry in registry.models.values()} - {None} <= set(registry.families)
    assert len(set(registry.families.values())) == len(registry.families)


def test_titles_of_a_published_testbed_are_those_of_the_registry() -> None:
    published = load_published("recht2019")
    families = {model.family for table in published.tables for model in table.models}
    assert published.title == "Recht et al. 2019"
    assert set(published.families) == families
    assert published.families.items() <= load_registry(default_path()).families.items()


def test_titles_change_nothing_that_decides_predictions(load) -> None:
    plain, titled = load(OWN), load(OWN.replace("VGG nets", "Other").replace('"VGG-16 (timm)"', "Other"))
    assert plain.models["a"].identity() == titled.models["a"].identity()


def test_imported_predictions_carry_titles(load, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("id,label\na,0\nb,1\nc,2\n")
    (tmp_path / "predictions.csv").write_text("id,prediction\na,0\nb,1\nc,3\n")
    load(OWN)
    import_predictions(
        tmp_path / "predictions.csv",
        model="a",
        dataset="small",
        registry=tmp_path / "mine.yaml",
        labels=tmp_path / "labels.csv",
        results=tmp_path / "results",
    )
    stored = Results(tmp_path / "results")
    entry = stored.load_predictions("small", "a").provenance.entry
    assert (title_of(entry, "a"), family_title_of(entry, "vgg")) == ("VGG-16 (timm)", "VGG nets")
    assert title_of(stored.load_dataset("small").entry, "small") == "Small images"


@pytest.mark.parametrize(
    "text, where, problem",
    [
        ("title: [a]", "line 1: title", "invalid title"),
        ('title: "two\\nlines"', "line 1: title", "invalid title"),
        ('title: "\\u202Eleft"', "line 1: title", "invalid title"),
        ("families:\n  vgg: VGG", "line 2: families.vgg", "a family must be a mapping"),
        ("families:\n  vgg: {titel: VGG}", "line 2: families.vgg.titel", "unknown key"),
        ("families:\n  vgg: {}", "line 2: families.vgg", "missing key"),
        ("families:\n  1: {title: One}", "line 2: families.1", "invalid name of a family"),
        ("families: [vgg]", "line 1: families", None),
        ("models:\n  m: {source: timm, name: vgg16, title: 16}", "line 2: models.m.title", None),
    ],
)
def test_invalid_titles_are_refused_with_their_line(tmp_path: Path, text: str, where: str, problem: str | None) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text + "\n", "utf-8")
    (error,) = read_registry(path)[1]
    assert isinstance(error, RegistryError)
    assert error.where == f"{path}, {where}"
    assert problem in (None, error.problem)
