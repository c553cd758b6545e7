"""Repositories of Hugging Face's hub as they lie on disk, made here: the network that wrote them must come out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from classifiers import Load, Refused, same_weights, sha256
from messages import says
from safetensors.torch import save_file
from torch import nn

from evalshift.errors import HashMismatchError
from evalshift.testbed.models.huggingface import transformers_preprocess
from evalshift.testbed.preprocessing import Preprocess

transformers = pytest.importorskip("transformers", reason="the test extra brings it")

COMMIT = "786c16252c0fc58ee9adac063f8337cc4a7a497a"
CONTENT: dict[str, Any] = {
    "source": "huggingface", "repository": "owner/name", "revision": COMMIT, "classes": "ten",
}  # fmt: skip
SEEN = {
    "do_resize": True, "size": {"height": 16, "width": 16}, "resample": 3, "do_rescale": True,
    "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.25] * 3,
}  # fmt: skip


@pytest.fixture
def vit(tmp_path: Path) -> Any:
    """A small vision transformer as transformers saves it, in repository/."""
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=16, patch_size=8,
        num_labels=10,
    )  # fmt: skip
    network = transformers.ViTForImageClassification(config).eval()
    network.save_pretrained(tmp_path / "repository")
    (tmp_path / "repository/preprocessor_config.json").write_text(json.dumps(SEEN))
    return network


def test_a_network_of_transformers(load: Load, vit: Any, tmp_path: Path) -> None:
    classifier = load(**CONTENT, path="repository")
    pixels = torch.rand(2, 3, 16, 16)
    with torch.inference_mode():
        assert torch.equal(classifier.module(pixels).logits, vit(pixels).logits)
    assert classifier.preprocess == Preprocess(
        resize=(16, 16), interpolation="bicubic", mean=(0.5,) * 3, std=(0.25,) * 3
    )
    assert classifier.checkpoint_sha256 == sha256(tmp_path / "repository/model.safetensors")
    assert classifier.versions == {"transformers": transformers.__version__}


def test_weights_of_another_network(refused: Refused, vit: Any, tmp_path: Path) -> None:
    """transformers itself would leave what is missing to chance, with a warning."""
    path = tmp_path / "repository/config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "num_hidden_layers": 2}))
    message = refused(**CONTENT, path="repository")
    assert message.startswith(
        "the checkpoint does not fit the network\n"
        "  where:    model m, HERE/repository/model.safetensors\n"
        "  found:    16 missing: "
    )
    assert message.endswith("\n  expected: the tensors of ViTForImageClassification")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """The cache of huggingface_hub with a repository of timm's at that commit, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    folder = tmp_path / "hf/models--owner--name/snapshots" / COMMIT
    folder.mkdir(parents=True)
    network = timm.create_model("test_resnet", num_classes=10)
    save_file(network.state_dict(), folder / "model.safetensors")
    known = {"input_size": [3, 160, 160], "crop_pct": 0.95, "interpolation": "bilinear", "mean": [0.5] * 3}
    config = {"architecture": "test_resnet", "num_classes": 10, "pretrained_cfg": {**known, "std": [0.5] * 3}}
    (folder / "config.json").write_text(json.dumps(config))
    return network


def test_a_network_of_timm_at_a_commit(load: Load, hub: nn.Module) -> None:
    classifier = load(**CONTENT)
    assert same_weights(classifier.module, hub)
    assert classifier.preprocess == Preprocess(
        resize=(168,), crop=(160, 160), interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3
    )


def test_a_promised_hash_is_kept(load: Load, hub: nn.Module) -> None:
    with pytest.raises(HashMismatchError, match=r"^a file does not have the expected checksum\n"):
        load(**CONTENT, sha256="12fca82f")


def test_a_branch_is_no_commit(model_of: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="what a branch or a tag means can change"):
        model_of(**{**CONTENT, "revision": "main"})


def test_code_of_a_repository_is_not_run(refused: Refused, vit: Any, tmp_path: Path) -> None:
    path = tmp_path / "repository/config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "auto_map": {"AutoModelForImageClassification": "modeling.Own"}}))
    says(refused(**CONTENT, path="repository"), where="model m", found="model_type vit, ViTForImageClassification")


@pytest.mark.parametrize("kind", ["no-such-network", None, ["vit"]])
def test_a_network_that_the_library_does_not_have_is_refused(
    refused: Refused, vit: Any, tmp_path: Path, kind: object
) -> None:
    path = tmp_path / "repository/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_type": kind}))
    says(refused(**CONTENT, path="repository"), where="model m", found=f"model_type {kind}, ViTForImageClassification")


@pytest.mark.parametrize(
    "change", [{"model_args": {"checkpoint_path": "other.pth"}}, {"architecture": "local-dir:other"}]
)
def test_a_config_cannot_have_timm_load_other_weights(
    refused: Refused, hub: nn.Module, tmp_path: Path, change: dict[str, Any]
) -> None:
    path = tmp_path / "hf/models--owner--name/snapshots" / COMMIT / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert refused(**CONTENT).startswith("config.json asks timm for something else than a network of its own\n")


@pytest.mark.parametrize(
    "setting",
    [
        {"attn_implementation": "someone/kernel"},
        {"_attn_implementation": "flash_attention_2"},
        {"vision_config": {"deeper": [{"attn_implementation": "someone/kernel"}]}},
        {"quantization_config": {"quant_method": "someones"}},
        {"backbone_config": {"auto_map": {"AutoModel": "someone/code--m.M"}}},
        {"use_pretrained_backbone": True},
    ],
)
def test_a_config_cannot_have_transformers_fetch_code_or_weights(
    refused: Refused, vit: Any, tmp_path: Path, setting: dict[str, Any]
) -> None:
    config = json.loads((tmp_path / "repository/config.json").read_text())
    (tmp_path / "repository/config.json").write_text(json.dumps(config | setting))
    assert "asks for code or weights that are not part of the library" in refused(**CONTENT, path="repository")


def test_a_wrapper_of_timm_is_no_way_around_the_checks(refused: Refused, vit: Any, tmp_path: Path) -> None:
    config = {"model_type": "timm_wrapper", "model_args": {"checkpoint_path": "other.pt"}}
    (tmp_path / "repository/config.json").write_text(json.dumps(config))
    assert "transformers does not have this network itself" in refused(**CONTENT, path="repository")


@pytest.mark.parametrize("content", ["[]", '"architecture"', "{", "[" * 100_000, "5"])
def test_a_config_that_is_no_object(refused: Refused, vit: Any, tmp_path: Path, content: str) -> None:
    (tmp_path / "repository/config.json").write_text(content)
    assert "config.json cannot be read" in refused(**CONTENT, path="repository")


@pytest.mark.parametrize("said", [{"size": {"a": 1}}, {"resample": 99}, {"image_mean": 5}, {"rescale_factor": "x"}])
def test_a_preprocessor_config_that_says_nothing_usable(
    refused: Refused, vit: Any, tmp_path: Path, said: dict[str, Any]
) -> None:
    known = json.loads((tmp_path / "repository/preprocessor_config.json").read_text())
    (tmp_path / "repository/preprocessor_config.json").write_text(json.dumps(known | said))
    assert "does not say how images are preprocessed" in refused(**CONTENT, path="repository")


def test_a_file_that_is_not_there(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    says(refused(**CONTENT, path="empty"), where="model m", found="HERE/empty/model.safetensors")


@pytest.mark.parametrize(
    "config, expected",
    [
        # As google/vit-base-patch16-224, microsoft/resnet-50, facebook/convnext-tiny-224, -384, openai/clip have them.
        ({"size": 224, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
         Preprocess(resize=(224, 224), mean=(0.5,) * 3, std=(0.5,) * 3)),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875, "resample": 3, "do_normalize": False},
         Preprocess(resize=(256,), crop=(224, 224), interpolation="bicubic")),
        ({"size": {"shortest_edge": 384}, "crop_pct": 1.0, "resample": 3, "do_normalize": False},
         Preprocess(resize=(384, 384), crop=(384, 384), interpolation="bicubic")),
        ({"size": {"shortest_edge": 224}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224},
          "resample": 1, "do_normalize": False},
         Preprocess(resize=(224,), crop=(224, 224), interpolation="lanczos")),
        ({"do_resize": False, "do_rescale": False, "do_normalize": False}, Preprocess(scale=255)),
        ({"do_resize": False, "rescale_factor": 2 / 255, "do_normalize": False}, Preprocess(scale=2)),
    ],
)  # fmt: skip
def test_what_preprocessor_configs_say(config: dict[str, Any], expected: Preprocess) -> None:
    found = transformers_preprocess(config)
    assert found.model_copy(update={"scale": expected.scale}) == expected.model_copy(
        update={"interpolation": found.interpolation if "resample" not in config else expected.interpolation}
    )
    assert found.scale == pytest.approx(expected.scale)
