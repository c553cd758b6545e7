"""key, rename, ignore and parts for the networks of libraries and repositories; folders of Hugging Face's hub."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from classifiers import Load, Refused, same_weights, sha256
from safetensors.torch import save_file
from torch import nn

from evalshift.testbed import state_dicts
from evalshift.testbed.checkpoint_files import read_content
from evalshift.testbed.weights import current_sha256

State = dict[str, torch.Tensor]
HUBCONF = """
from torch import nn


def network(classes=10):
    return nn.Linear(4, classes)
"""
HUB = {"source": "torch.hub", "repository": "owner/name", "commit": "0" * 40, "entry": "network", "path": "hub"}
KINDS: dict[str, dict[str, Any]] = {
    "timm": {"source": "timm", "name": "test_resnet", "arguments": {"num_classes": 10}},
    "torchvision": {"source": "torchvision", "name": "squeezenet1_1", "arguments": {"num_classes": 10}},
    "torch.hub": HUB,
}


@pytest.fixture
def network(request: pytest.FixtureRequest, tmp_path: Path) -> nn.Module:
    """The bare network of a source, with weights of its own."""
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub/hubconf.py").write_text(HUBCONF)
    if request.param == "timm":
        return timm.create_model("test_resnet", num_classes=10)
    return torchvision.models.squeezenet1_1(num_classes=10) if request.param == "torchvision" else nn.Linear(4, 10)


@pytest.mark.parametrize("network, kind", [(kind, kind) for kind in KINDS], indirect=["network"])
def test_every_source_of_own_weights_reads_them_alike(
    load: Load, refused: Refused, tmp_path: Path, network: nn.Module, kind: str
) -> None:
    content = {**KINDS[kind], "classes": "ten", "preprocess": {}, "weights": "w.ckpt"}
    state = {f"model.{name}": value for name, value in network.state_dict().items()}
    state["criterion.weight"] = torch.ones(3)
    averaged = {name: value + 1 for name, value in state.items()}
    torch.save({"state_dict": state, "ema": averaged}, tmp_path / "w.ckpt")
    assert "write key: state_dict or key: ema" in refused(**content)
    advice = refused(**content, key="state_dict")
    assert 'write rename: {model.: ""} and ignore: [criterion.weight], with which' in advice
    classifier = load(**content, key="state_dict", rename={"model.": ""}, ignore=["criterion.*"])
    assert same_weights(classifier.module, network)
    assert classifier.left_out == ("criterion.weight",)


@pytest.mark.parametrize("kind", ["timm", "torchvision"])
@pytest.mark.parametrize("network", ["timm"], indirect=True)
def test_published_weights_are_read_as_their_library_does(model_of: Any, network: nn.Module, kind: str) -> None:
    content = {**KINDS[kind], **({"pretrained": "IMAGENET1K_V1"} if kind == "torchvision" else {})}
    with pytest.raises(ValueError, match="about weights of your own"):
        model_of(**content, key="model")


class TestFolder:
    @pytest.fixture
    def saved(self, tmp_path: Path) -> nn.Module:
        """A network of timm's as timm puts it on the hub."""
        module = timm.create_model("test_resnet", num_classes=10)
        config = {"architecture": "test_resnet", "num_classes": 10, "pretrained_cfg": {"input_size": [3, 160, 160]}}
        (tmp_path / "net").mkdir()
        (tmp_path / "net/config.json").write_text(json.dumps(config))
        save_file(module.state_dict(), tmp_path / "net/model.safetensors")
        return module

    def test_needs_its_path_alone(self, load: Load, model_of: Any, tmp_path: Path, saved: nn.Module) -> None:
        content = {"source": "huggingface", "path": "net", "classes": "ten"}
        classifier = load(**content)
        assert same_weights(classifier.module, saved)
        assert classifier.checkpoint_sha256 == sha256(tmp_path / "net/model.safetensors")
        entry = model_of(**content)
        before = entry.identity(), current_sha256(entry)
        config = tmp_path / "net/config.json"
        config.write_text(config.read_text().replace("160", "128"))
        save_file({name: value + 1 for name, value in saved.state_dict().items()}, tmp_path / "net/model.safetensors")
        assert entry.identity() != before[0]
        assert current_sha256(entry) != before[1]

    def test_takes_the_usual_file_that_is_there(self, load: Load, tmp_path: Path, saved: nn.Module) -> None:
        (tmp_path / "net/model.safetensors").unlink()
        names = list(saved.state_dict())
        halves = {"a.safetensors": names[:40], "b.safetensors": names[40:]}
        for file, some in halves.items():
            save_file({name: saved.state_dict()[name] for name in some}, tmp_path / "net" / file)
        index = {"weight_map": {name: file for file, some in halves.items() for name in some}}
        (tmp_path / "net/model.safetensors.index.json").write_text(json.dumps(index))
        assert same_weights(load(source="huggingface", path="net", classes="ten").module, saved)

    def test_neither_folder_nor_repository(self, model_of: Any) -> None:
        for content in ({}, {"repository": "owner/name"}):
            with pytest.raises(ValueError, match="give repository and revision, or path"):
                model_of(source="huggingface", **content)


@pytest.mark.parametrize("network, kind", [("torch.hub", "torch.hub")], indirect=["network"])
@pytest.mark.parametrize("suffix", ["ckpt", "safetensors"])
def test_a_file_that_is_replaced_between_its_hash_and_its_reading(
    load: Load, refused: Refused, tmp_path: Path, network: nn.Module, kind: str, suffix: str, monkeypatch: Any
) -> None:
    """Its predictions would be stored under the hash of the other one."""
    path, other = tmp_path / f"w.{suffix}", tmp_path / f"other.{suffix}"
    write = save_file if suffix == "safetensors" else torch.save
    write(network.state_dict(), path)
    write({name: value + 1 for name, value in network.state_dict().items()}, other)
    content = {**KINDS[kind], "classes": "ten", "preprocess": {}, "weights": path.name}
    assert same_weights(load(**content).module, network)

    def replaced_first(*arguments: Any) -> Any:
        other.replace(path)
        return read_content(*arguments)

    monkeypatch.setattr(state_dicts, "read_content", replaced_first)
    assert refused(**content) == f"the file changed while it was read\n  where:    model m, HERE/{path.name}"
