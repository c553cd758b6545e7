"""Facts of published weights that an entry does not say."""

from collections.abc import Callable
from pathlib import Path

import pytest
import timm

from evalshift.testbed.known_facts import timm_facts
from evalshift.testbed.library_model_entries import TimmModel, TorchvisionModel
from evalshift.testbed.published import load_published
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry

Load = Callable[[str], Registry]


@pytest.fixture
def load(tmp_path: Path, cache: Path) -> Load:
    def read(models: str) -> Registry:
        (tmp_path / "r.yaml").write_text(f"models:\n{models}\n")
        return load_registry(tmp_path / "r.yaml")

    return read


def test_a_model_of_timm_has_the_accuracy_at_the_size_it_is_evaluated_at(load: Load) -> None:
    # timm's table: 80.382 % at 224 pixels, at which evalshift evaluates it, and 81.24 % at 288.
    registry = load("  mine: {source: timm, name: resnet50.a1_in1k}")
    entry = registry.models["mine"]
    assert entry.expected == {"imagenet": 0.80382}
    assert (entry.image_size, entry.training_data, entry.family, entry.year) == (224, "imagenet-1k", "resnet", 2015)
    assert entry.parameters == 25_560_000
    assert registry.written["models/mine"]["training_data"] == "imagenet-1k"
    assert entry.identity() == {"source": "timm", "classes": "imagenet-1k", "name": "resnet50.a1_in1k"}


def test_all_of_timm_by_a_wildcard(load: Load) -> None:
    registry = load('  "*-timm": {source: timm, name: "*"}')
    models = [entry for entry in registry.models.values() if isinstance(entry, TimmModel)]
    tables = {model.weights for counts in load_published("timm").counts for model in counts.models}
    assert len(models) == sum(
        1 for name in timm.list_pretrained() if (one := timm.get_pretrained_cfg(name)) and one.num_classes == 1000
    )
    assert {entry.name for entry in models if entry.expected} == tables & {entry.name for entry in models}
    assert len(tables & {entry.name for entry in models}) > 1_000


def test_the_image_size_of_each_model_in_timms_tables_is_that_of_its_configuration() -> None:
    for counts in load_published("timm").counts:
        for model in {model.weights for model in counts.models}:
            known = timm.get_pretrained_cfg(model)
            assert known is not None
            assert timm_facts(model)["image_size"] == known.input_size[-1], model


def test_what_the_entry_says_wins(load: Load) -> None:
    registry = load(
        "  mine: {source: timm, name: resnet50.a1_in1k, training_data: our scans, expected: {}, family: mine}"
    )
    entry = registry.models["mine"]
    assert (entry.training_data, entry.expected, entry.family, entry.family_title) == ("our scans", {}, "mine", None)


@pytest.mark.parametrize(
    "more", ["preprocess: {resize: [288], crop: 288}", "arguments: {num_classes: 1000, drop_rate: 0.1}"]
)
def test_another_input_or_network_has_no_published_accuracy(load: Load, more: str) -> None:
    entry = load(f"  mine: {{source: timm, name: resnet50.a1_in1k, {more}}}").models["mine"]
    assert (entry.expected, entry.image_size, entry.training_data) == ({}, None, "imagenet-1k")


def test_own_weights_have_no_facts(load: Load) -> None:
    entry = load("  mine: {source: timm, name: resnet50.a1_in1k, weights: mine.pt}").models["mine"]
    assert (entry.expected, entry.training_data, entry.family) == ({}, None, None)


def test_torchvisions_weights_have_the_facts_of_the_default_registry(load: Load) -> None:
    registry = load(
        "  mine: {source: torchvision, name: resnet50, pretrained: IMAGENET1K_V2}\n"
        "  big: {source: torchvision, name: regnet_y_16gf, pretrained: IMAGENET1K_SWAG_E2E_V1}"
    )
    mine, big = registry.models["mine"], registry.models["big"]
    assert (mine.expected, mine.parameters, mine.gmacs) == ({"imagenet": 0.80858}, 25_557_032, 4.089)
    assert (mine.training_data, big.training_data, big.image_size) == ("imagenet-1k", "instagram", 384)


def test_facts_of_torchvision_in_the_default_registry_are_those_of_its_metadata() -> None:
    from torchvision.models import get_model_weights

    for name, entry in load_registry(None).models.items():
        if isinstance(entry, TorchvisionModel) and entry.pretrained:
            meta = get_model_weights(entry.name)[entry.pretrained].meta  # pyright: ignore[reportIndexIssue]
            assert (entry.parameters, entry.gmacs) == (meta["num_params"], meta["_ops"]), name
