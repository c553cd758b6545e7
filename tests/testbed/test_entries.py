import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from evalshift.testbed.entries import expand, is_url
from evalshift.testbed.model_entries import AnyModel
from evalshift.testbed.model_entry import ModelEntry
from evalshift.testbed.preprocessing import Preprocess

MODEL: TypeAdapter[Any] = TypeAdapter(AnyModel)
CHECKPOINT = {
    "source": "checkpoint",
    "builder": "package.module:function",
    "arguments": {"depth": 20},
    "weights": "w.pt",
    "classes": "cifar10",
    "preprocess": {"mean": [0.5], "std": [0.25]},
}
HUB = {
    "source": "torch.hub",
    "repository": "owner/name",
    "commit": "786c16252c0fc58ee9adac063f8337cc4a7a497a",
    "entry": "resnet20",
    "classes": "cifar10",
    "preprocess": {},
}


def entry(content: dict[str, Any], folder: Path = Path("here"), **changes: Any) -> ModelEntry:
    return MODEL.validate_python({**content, **changes}, context={"folder": folder})


class TestIdentity:
    def test_holds_what_can_change_an_prediction(self) -> None:
        assert entry(CHECKPOINT).identity() == {
            "source": "checkpoint",
            "classes": "cifar10",
            "builder": "package.module:function",
            "arguments": {"depth": 20},
            "preprocess": {"mean": [0.5], "std": [0.25]},
        }

    @pytest.mark.parametrize(
        "change",
        [
            {"family": "resnet"},
            {"year": 2016},
            {"expected": {"cifar10": 0.9173}},
            {"selected_on": "test"},
            {"weights": "elsewhere/w.pt"},
            {"weights": ["https://example.org/w.pt", "w.pt"], "sha256": "12fca82f"},
            {"paper": "He et al. 2016", "licence": "MIT", "homepage": "https://example.org", "note": "a note"},
        ],
    )
    def test_facts_and_places_do_not_change_it(self, change: dict[str, Any]) -> None:
        assert entry(CHECKPOINT, **change).identity() == entry(CHECKPOINT).identity()

    @pytest.mark.parametrize(
        "change",
        [
            {"builder": "package.module:other"},
            {"arguments": {"depth": 32}},
            {"arguments": {}},
            {"classes": "digits"},
            {"key": "ema"},
            {"preprocess": {"mean": [0.5], "std": [0.5]}},
            {"preprocess": {"mean": [0.5], "std": [0.25], "resize": 256}},
            {"preprocess": {}},
        ],
    )
    def test_what_computes_the_prediction_changes_it(self, change: dict[str, Any]) -> None:
        assert entry(CHECKPOINT, **change).identity() != entry(CHECKPOINT).identity()

    def test_where_a_checkout_lies_does_not_change_it_but_what_is_in_it_does(self, tmp_path: Path) -> None:
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "hubconf.py").write_text("from layers import net\n")
            (tmp_path / name / "layers.py").write_text("def net(): ...\n")
        first, second = (entry(HUB, path=str(tmp_path / name)) for name in ("one", "other"))
        before = first.identity()
        assert before == second.identity()
        (tmp_path / "one" / "layers.py").write_text("def net(): return 1\n")
        assert first.identity() != before

    @pytest.mark.parametrize(
        "change", [{"commit": "0" * 40}, {"repository": "owner/other"}, {"entry": "vgg"}, {"arguments": {"a": 1}}]
    )
    def test_the_code_that_torch_hub_runs_changes_it(self, change: dict[str, Any]) -> None:
        assert entry(HUB, **change).identity() != entry(HUB).identity()

    @pytest.mark.parametrize(
        "one, other",
        [
            ({"name": "resnet18.a1_in1k"}, {"name": "resnet18.a2_in1k"}),
            ({"name": "resnet18.a1_in1k"}, {"name": "resnet18.a1_in1k", "preprocess": {}}),
            # timm says bicubic for this one: bilinear, the default of a preprocess, decides only when it is written.
            (
                {"name": "resnet18.a1_in1k", "preprocess": {"resize": 224}},
                {"name": "resnet18.a1_in1k", "preprocess": {"resize": 224, "interpolation": "bilinear"}},
            ),
            (
                {"name": "resnet18.a1_in1k", "preprocess": {"crop": 224}},
                {"name": "resnet18.a1_in1k", "preprocess": {"crop": 224, "resize": None}},
            ),
        ],
    )
    def test_of_a_source_that_knows_its_preprocessing(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        assert entry({"source": "timm", **one}).identity() != entry({"source": "timm", **other}).identity()

    def test_named_weights_of_torchvision(self) -> None:
        first, second = (
            entry({"source": "torchvision", "name": "resnet50", "pretrained": name}).identity()
            for name in ("IMAGENET1K_V1", "IMAGENET1K_V2")
        )
        assert first != second
        assert first == {
            "source": "torchvision",
            "name": "resnet50",
            "pretrained": "IMAGENET1K_V1",
            "classes": "imagenet-1k",
        }

    @pytest.mark.parametrize("source", ["checkpoint", "python"])
    def test_a_file_of_code_counts_by_its_content(self, tmp_path: Path, source: str) -> None:
        key = {"checkpoint": "builder", "python": "function"}[source]
        content = {"source": source, key: "net.py:build", "classes": "cifar10", "preprocess": {}}
        content |= {"weights": "w.pt"} if source == "checkpoint" else {}
        for folder in ("one", "other"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "net.py").write_bytes(b"abc")
        here, there = (entry(content, tmp_path / folder).identity() for folder in ("one", "other"))
        assert here == there
        assert here[key] == "net.py:build"
        # printf abc | sha256sum
        assert here[f"{key}_sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        (tmp_path / "one" / "net.py").write_bytes(b"abd")
        assert entry(content, tmp_path / "one").identity() != here
        (tmp_path / "one" / "net.py").unlink()
        assert entry(content, tmp_path / "one").identity()[f"{key}_sha256"] == "missing"

    def test_survives_a_file(self) -> None:
        for content in (CHECKPOINT, HUB, {"source": "timm", "name": "x", "preprocess": {"resize": [256, 256]}}):
            identity = entry(content).identity()
            assert json.loads(json.dumps(identity)) == identity


class TestEntry:
    def test_is_frozen(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            entry(CHECKPOINT).year = 2016

    def test_places_without_a_registry_are_those_of_this_folder(self) -> None:
        assert MODEL.validate_python(CHECKPOINT).weights_files() == ("w.pt",)

    def test_only_code_knows_the_weights_of_a_python_model(self) -> None:
        content = {"source": "python", "function": "package:function", "classes": "cifar10", "preprocess": {}}
        assert entry(content).weights_files() == ()

    def test_preprocessing_comes_with_the_entry(self) -> None:
        assert entry(CHECKPOINT).preprocess == Preprocess(mean=(0.5,), std=(0.25,))  # pyright: ignore


@pytest.mark.parametrize(
    "place, is_one",
    [
        ("https://example.org/x", True),
        ("HTTP://example.org/x", True),
        ("s3://bucket/x", True),
        ("/data/x", False),
        ("data/http:/x", False),
        ("C:\\data\\x", False),
        ("package:evalshift/x", False),
    ],
)
def test_what_is_on_the_net(place: str, is_one: bool) -> None:
    assert is_url(place) is is_one


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "1")
    monkeypatch.setenv("EMPTY", "")
    assert expand("a${ONE}b${EMPTY}c${ONE}") == "a1bc1"
    assert expand("$ONE %ONE% {ONE}") == "$ONE %ONE% {ONE}"
    with pytest.raises(ValueError, match=r"^the environment variable TWO is not set; set it, or write the path out$"):
        expand("${TWO}")
