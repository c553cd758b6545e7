"""open_clip's own zero-shot classification, on a network small enough to be made here."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from classifiers import TEN, Load, Refused, sha256
from messages import says

from evalshift.testbed.classes import built_in
from evalshift.testbed.library_model_entries import OpenClipModel
from evalshift.testbed.models import bare_classifier, zero_shot
from evalshift.testbed.preprocessing import Preprocess
from evalshift.testbed.registry_reading import load_registry

open_clip = pytest.importorskip("open_clip", reason="the test extra brings it")

SMALL = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
CONTENT: dict[str, Any] = {"source": "open_clip", "name": "evalshift-small", "weights": "w.pt", "classes": "ten"}
TEMPLATES = ["a photo of the number {}.", "{}"]


@pytest.fixture(scope="module", autouse=True)
def small(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The network in open_clip's list."""
    path = tmp_path_factory.mktemp("configs") / "evalshift-small.json"
    path.write_text(json.dumps(SMALL))
    open_clip.add_model_config(path)


@pytest.fixture
def network(tmp_path: Path) -> Any:
    torch.manual_seed(0)
    made = open_clip.create_model("evalshift-small").eval()
    torch.save(made.state_dict(), tmp_path / "w.pt")
    return made


def test_scores_are_those_of_open_clip(load: Load, network: Any, tmp_path: Path, cache: Path) -> None:
    classifier = load(**CONTENT, templates=TEMPLATES)
    pixels = torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        tokenizer = open_clip.get_tokenizer("evalshift-small")
        classes = open_clip.build_zero_shot_classifier(
            network, tokenizer, list(TEN.names), [lambda name: f"a photo of the number {name}.", str]
        )
        expected = network.logit_scale.exp() * network.encode_image(pixels, normalize=True) @ classes
        torch.testing.assert_close(classifier.module(pixels), expected)
    assert classifier.checkpoint_sha256 == sha256(tmp_path / "w.pt")
    assert classifier.versions == {"open_clip": open_clip.__version__}


def test_what_the_text_half_says_is_kept(
    load: Load, network: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,000 classes in 80 sentences each take a CPU half an hour."""
    first = load(**CONTENT, templates=TEMPLATES)
    load(**CONTENT, templates=["{}"])
    assert len(list((cache / "trained").glob("open_clip-*.safetensors"))) == 2
    monkeypatch.setattr(open_clip, "build_zero_shot_classifier", None)  # calling it would fail
    again = load(**CONTENT, templates=TEMPLATES)
    assert torch.equal(again.module.classes, first.module.classes)  # pyright: ignore


def test_trap_38_preprocessing_comes_with_the_weights(network: Any) -> None:
    """Trap 38: mean and std differ from checkpoint to checkpoint of one network."""
    ways = {}
    for pretrained in ("openai", "laion2b_s32b_b82k"):
        known = open_clip.get_pretrained_cfg("ViT-L-14", pretrained)
        network.visual.preprocess_cfg = {
            "size": 224, "mean": known["mean"], "std": known["std"],
            "interpolation": known["interpolation"], "resize_mode": known["resize_mode"],
        }  # fmt: skip
        ways[pretrained] = zero_shot._own_preprocess(network, "model m")
    openai: Any = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
    geometry: Any = {"resize": (224,), "crop": (224, 224), "interpolation": "bicubic"}
    assert ways["openai"] == Preprocess(**geometry, **openai)
    assert ways["laion2b_s32b_b82k"] == Preprocess(**geometry, mean=(0.5,) * 3, std=(0.5,) * 3)


def test_the_transform_is_open_clips_own(network: Any) -> None:
    import numpy as np
    from PIL import Image

    from evalshift.testbed.preprocessing import apply_arithmetic, apply_geometry

    ours = zero_shot._own_preprocess(network, "model m")
    settings = open_clip.transform.PreprocessCfg(**network.visual.preprocess_cfg)
    theirs = open_clip.transform.image_transform_v2(settings, is_train=False)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 50, 3)).astype(np.uint8))
    pixels = torch.from_numpy(np.array(apply_geometry(picture, ours)))[None]
    assert torch.equal(apply_arithmetic(pixels, ours)[0], theirs(picture))


def test_templates_and_names_of_imagenet() -> None:
    entry = OpenClipModel(source="open_clip", name="ViT-B-32", pretrained="openai")
    assert len(zero_shot._templates(open_clip, entry)) == 80
    names = zero_shot._names(open_clip, entry, built_in("imagenet-1k"), "model m")
    assert (len(names), names[0], names[999]) == (1000, "tench", "toilet paper")
    simple = entry.model_copy(update={"templates": "simple_imagenet"})
    assert len(zero_shot._templates(open_clip, simple)) == 7


def test_without_weights() -> None:
    entry = OpenClipModel(source="open_clip", name="evalshift-small", weights="none.pt", classes="ten")
    assert bare_classifier("m", entry, TEN).module(torch.rand(2, 3, 16, 16)).shape == (2, 10)


def test_what_open_clip_does_not_know(refused: Refused) -> None:
    assert refused(**{**CONTENT, "name": "ViT-B-23"}).startswith('open_clip has no network "ViT-B-23"\n')
    message = refused(source="open_clip", name="ViT-B-32", pretrained="laion")
    assert message.startswith('ViT-B-32 has no weights "laion"\n  where:    model m\n  expected: openai, ')
    says(refused(**CONTENT, names=["one"]), where="model m", found="1 name")


def test_other_names_of_declared_classes_are_run_again(tmp_path: Path) -> None:
    def identity(classes: str, more: str = "") -> Any:
        entry = f"{{source: open_clip, name: RN50, pretrained: openai, {more} classes: own}}"
        (tmp_path / "registry.yaml").write_text(f"classes: {{own: [{classes}]}}\nmodels: {{clip: {entry}}}")
        return load_registry(tmp_path / "registry.yaml").models["clip"].identity()

    assert identity("crane, kite") != identity("crane (bird), kite")
    given = "names: [crane, kite],"
    assert identity("crane, kite", given) == identity("crane (bird), kite", given)
