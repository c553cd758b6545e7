"""Names are suggested where a reader would agree, and nowhere else."""

import pytest
import yaml
from messages import ROOT

from evalshift.errors import did_you_mean
from evalshift.near_names import near_names

DATASETS = list(yaml.load((ROOT / "registry.yaml").read_text("utf-8"), yaml.CSafeLoader)["datasets"])
V2 = ["imagenetv2-topimages", "imagenetv2-matched-frequency", "imagenetv2-threshold0.7"]


@pytest.mark.parametrize(
    "name, meant",
    [
        ("ImageNet", ["imagenet"]),
        ("cifar-10.1-v6", ["cifar10.1-v6"]),
        ("fashion_mnist", ["fashion-mnist"]),
        ("imagenet-v2", V2),
        ("cifar10.1", ["cifar10.1-v4", "cifar10.1-v6"]),
        ("cifr10", ["cifar10"]),
        ("imagenet-sektch", ["imagenet-sketch"]),
        ("model-vs-humans", ["model-vs-human"]),
        ("imagnetv2", V2),
        ("matched-frequency", ["imagenetv2-matched-frequency"]),
        ("sketch", ["imagenet-sketch"]),
        ("cifar10.1-v5", ["cifar10.1-v4", "cifar10.1-v6"]),
    ],
)
def test_a_slip_a_beginning_or_a_part_is_met_with_what_was_meant(name: str, meant: list[str]) -> None:
    assert near_names(name, DATASETS) == meant


@pytest.mark.parametrize(
    "name",
    [
        "mine",
        "objects",
        "imagenet-mini",
        "imagenet-21k",
        "caltech101",
        "stl10",
        "test",
        "cifar10-mine",
        "x",
        "",
        "日本",
    ],
)
def test_another_name_is_met_with_none(name: str) -> None:
    assert near_names(name, DATASETS) == []


@pytest.mark.parametrize(
    "name, known, meant",
    [
        ("resnet2O", ["resnet26", "resnet20", "resnet29"], ["resnet20"]),
        ("resnet81", ["resnet51", "resnet18"], ["resnet18"]),
        ("dgo", ["do", "dog", "cat"], ["dog"]),
        ("model 44", ["model 4", "model 40"], []),
        ("top3", ["top1", "top5"], []),
        ("jpg", ["png", "pdf"], []),
        ("htm", ["html", "tex"], ["html"]),
        ("B", ["a", "b"], ["b"]),
        ("q", ["a", "b"], []),
        ("lin", ["linear", "probit"], ["linear"]),
        ("net", ["resnet", "neck"], []),
        ("übre", ["über"], ["über"]),
        ("a1_in1k", ["a2_in1k", "a3_in1k"], []),
    ],
)
def test_numbers_and_short_names_count_for_more(name: str, known: list[str], meant: list[str]) -> None:
    assert near_names(name, known) == meant


def test_of_many_that_are_equally_near_none_is_meant() -> None:
    ids = [f"val_{number:08d}.JPEG" for number in range(500)]
    assert near_names("val_00000123.JPG", ids) == ["val_00000123.JPEG"]
    assert near_names("val_x0000123.JPEG", [f"val_{letter}0000123.JPEG" for letter in "abcd"]) == []


def test_a_suggestion_names_all_that_may_be_meant() -> None:
    assert did_you_mean("imagnet", DATASETS) == 'did you mean "imagenet"?'
    assert did_you_mean("imagenetv2", DATASETS) == f'did you mean "{V2[0]}", "{V2[1]}" or "{V2[2]}"?'
    assert did_you_mean("mine", DATASETS) is None
