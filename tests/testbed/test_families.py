from collections.abc import Callable
from pathlib import Path

import pytest
import timm
from messages import says

from evalshift.errors import ModelError, RegistryError
from evalshift.testbed import families, listings
from evalshift.testbed.registry import Registry
from evalshift.testbed.registry_reading import load_registry


@pytest.fixture
def load(tmp_path: Path, cache: Path) -> Callable[[str], Registry]:
    def read(models: str) -> Registry:
        (tmp_path / "r.yaml").write_text(f"models:\n{models}\n")
        return load_registry(tmp_path / "r.yaml")

    return read


Load = Callable[[str], Registry]


def test_every_model_of_timm_that_matches(load: Load) -> None:
    registry = load('  "*-timm": {source: timm, name: "convnext_*.fb_in1k", family: convnext}')
    names = [name for name in timm.list_pretrained("convnext_*.fb_in1k") if timm.get_pretrained_cfg(name)]
    assert sorted(registry.models) == sorted(f"{name}-timm" for name in names)
    entry = registry.models["convnext_tiny.fb_in1k-timm"]
    assert entry.identity() == {"source": "timm", "classes": "imagenet-1k", "name": "convnext_tiny.fb_in1k"}
    assert entry.family == "convnext"
    assert registry.written["models/convnext_tiny.fb_in1k-timm"]["name"] == "convnext_tiny.fb_in1k"


def test_weights_of_torchvision_with_their_accuracy(load: Load) -> None:
    registry = load('  "tv/*": {source: torchvision, name: resnet50, pretrained: "*"}')
    assert list(registry.models) == ["tv/resnet50.IMAGENET1K_V1", "tv/resnet50.IMAGENET1K_V2"]
    assert registry.models["tv/resnet50.IMAGENET1K_V2"].expected == {"imagenet": 0.80858}


def test_networks_of_open_clip(load: Load) -> None:
    """Names as in the default registry; weights that stand under two networks are there once."""
    pytest.importorskip("open_clip", reason="the test extra brings it")
    registry = load('  "open_clip/*": {source: open_clip, name: "RN50*", pretrained: "[oc]*"}')
    assert sorted(registry.models) == [
        "open_clip/RN50/cc12m", "open_clip/RN50/openai",
        "open_clip/RN50x16/openai", "open_clip/RN50x4/openai", "open_clip/RN50x64/openai",
    ]  # fmt: skip
    entry = registry.models["open_clip/RN50/openai"]
    assert (entry.family, entry.year, entry.training_data) == ("zero-shot", 2021, "wit")
    assert entry.expected["imagenet"] == 0.5982
    other = load('  "*": {source: open_clip, name: RN50, pretrained: "opena?", templates: ["{}"]}').models[
        "RN50/openai"
    ]
    assert (other.training_data, other.expected) == ("wit", {})


def test_a_library_that_is_not_installed(
    load: Load, complaint: Callable[..., str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(listings._PACKAGES, "open_clip", "no-such-distribution")
    says(
        complaint(ModelError, load, '  "*": {source: open_clip, name: "RN50*", pretrained: "*"}'),
        found="it is not installed",
    )


def test_what_the_entry_says_wins(load: Load) -> None:
    registry = load('  "*": {source: torchvision, name: "vgg1?", pretrained: IMAGENET1K_V1, expected: {imagenet: 0.5}}')
    assert list(registry.models) == [f"vgg{layers}.IMAGENET1K_V1" for layers in (11, 13, 16, 19)]
    assert {entry.expected["imagenet"] for entry in registry.models.values()} == {0.5}


def test_a_library_is_asked_once(load: Load, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second registry does not wait for torch."""
    load('  "*": {source: timm, name: "resnet18*"}')
    (note,) = (cache / "listings").iterdir()
    assert note.name == f"timm-{timm.__version__}.json"
    monkeypatch.setitem(families._LISTINGS, "timm", None)  # calling it would fail
    assert load('  "*": {source: timm, name: "resnet18.a1*"}').models.keys() == {"resnet18.a1_in1k"}
    for content in ("damaged", "5", "{}", "[5]", '[{"name": ["a"]}]', "[" * 100_000):
        note.write_text(content)
        with pytest.raises(TypeError):
            families.listed("timm")


def test_nothing_matches(load: Load, complaint: Callable[..., str], tmp_path: Path) -> None:
    says(
        complaint(RegistryError, load, '  "*": {source: timm, name: "resnt18.a1_in1k*"}'),
        where=f"{tmp_path / 'r.yaml'}, line 2: models.*.name",
        found="resnt18.a1_in1k*",
    )


def test_a_name_for_one(load: Load, complaint: Callable[..., str], tmp_path: Path) -> None:
    says(
        complaint(RegistryError, load, '  resnets: {source: timm, name: "resnet*"}'),
        where=f"{tmp_path / 'r.yaml'}, line 2: models.resnets",
        found="resnets",
    )
