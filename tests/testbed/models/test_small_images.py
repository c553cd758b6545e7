"""The builders of others' checkpoints have the tensors and the arithmetic of the code that trained those."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn

from evalshift.testbed.checkpoints import load_state
from evalshift.testbed.models import small_images
from evalshift.testbed.models.code import call_function
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.state_names import rename_beginnings

REGISTRY = load_registry(default_path())


def test_a_densenet_keeps_the_size_until_its_first_transition() -> None:
    network = small_images.densenet121().eval()
    with torch.inference_mode():
        front = network.features.conv0(torch.rand(1, 3, 32, 32))  # pyright: ignore
        assert front.shape == (1, 24, 32, 32)  # twice the growth rate of 12
        # The convolution is bare: no norm and no ReLU come before the first dense layer's own.
        assert torch.equal(network.features.pool0(network.features.norm0(front)), front)  # pyright: ignore
        assert network(torch.rand(2, 3, 32, 32)).shape == (2, 10)


def test_a_vgg_has_one_linear_layer() -> None:
    with torch.device("meta"):
        network = small_images.vgg16_bn()
        assert [tuple(one.weight.shape) for one in network.modules() if isinstance(one, nn.Linear)] == [(10, 512)]
        assert network.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


# How many blocks the four stages of mmpretrain's ResNet_CIFAR have, and how many convolutions a block.
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def of_mmpretrain(layers: int) -> dict[str, torch.Tensor]:
    """A checkpoint's tensors, by the names and shapes of mmpretrain's own code, without numbers.

    Read out of mmcls/models/backbones/resnet.py, resnet_cifar.py and heads/linear_head.py: a classifier has `backbone`,
    a neck that learns nothing, and `head`, whose layer is `fc`; the norm after convolution i is `bn{i}`; a stage is
    `layer{i}`, and where a block changes size or width, `downsample` is a 1 × 1 convolution and its norm.
    """
    bottleneck = layers >= 50
    shapes: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, norm: str, out: int, into: int, size: int) -> None:
        shapes[f"backbone.{name}.weight"] = (out, into, size, size)
        for one in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"backbone.{norm}.{one}"] = (out,)
        shapes[f"backbone.{norm}.num_batches_tracked"] = ()

    convolution("conv1", "bn1", 64, 3, 3)
    width = 64
    for stage, blocks in enumerate(STAGES[layers]):
        middle = 64 * 2**stage
        out = 4 * middle if bottleneck else middle
        for block in range(blocks):
            place = f"layer{stage + 1}.{block}"
            sizes = (1, 3, 1) if bottleneck else (3, 3)
            widths = (width, middle, middle, out) if bottleneck else (width, out, out)
            for number, size in enumerate(sizes):
                name, norm = f"{place}.conv{number + 1}", f"{place}.bn{number + 1}"
                convolution(name, norm, widths[number + 1], widths[number], size)
            if block == 0 and (stage > 0 or width != out):
                convolution(f"{place}.downsample.0", f"{place}.downsample.1", out, width, 1)
            width = out
    shapes |= {"head.fc.weight": (10, width), "head.fc.bias": (10,)}
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def of_detectors(name: str) -> nn.Module:
    """timm's network, changed as src/detectors/models/ of edadaltocg/detectors changes it."""
    network: Any
    if name == "densenet121":
        network = timm.create_model("densenet121", growth_rate=12, block_config=(6, 12, 24, 16))
        network.features.conv0 = nn.Conv2d(3, 24, kernel_size=3, padding=1, bias=False)
        network.features.norm0, network.features.pool0 = nn.Identity(), nn.Identity()
        network.classifier = nn.Linear(network.classifier.in_features, 10)
    elif name == "vgg16_bn":
        network = timm.create_model(name)
        network.pre_logits = nn.Identity()
        network.head.fc = nn.Linear(512, 10)
    elif name.startswith("vit"):
        network = timm.create_model("vit_base_patch16_224.orig_in21k_ft_in1k")
        network.head = nn.Linear(network.head.in_features, 10)
    else:
        network = timm.create_model(name)
        network.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
        network.maxpool = nn.Identity()
        network.fc = nn.Linear(network.fc.in_features, 10)
    return network


def shapes_of(state: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def network_of(entry: Any) -> nn.Module:
    return call_function(entry.builder, entry.arguments, "model m")


@pytest.mark.parametrize("layers", STAGES)
def test_tensors_of_mmpretrain_renamed_are_the_networks(layers: int) -> None:
    entry: Any = REGISTRY.models[f"resnet{layers}-mmpretrain"]
    with torch.device("meta"):
        network = network_of(entry)
    renamed = rename_beginnings(of_mmpretrain(layers), entry.rename)
    assert shapes_of(renamed) == shapes_of(network.state_dict())


@pytest.mark.parametrize("layers", [18, 50])
def test_a_file_as_mmpretrain_writes_it_is_loaded(layers: int, tmp_path: Path) -> None:
    entry: Any = REGISTRY.models[f"resnet{layers}-mmpretrain"]
    state = {name: torch.rand(tensor.shape) for name, tensor in of_mmpretrain(layers).items()}
    torch.save(
        {"meta": {"epoch": 200, "CLASSES": ["airplane"]}, "state_dict": state, "optimizer": {}}, tmp_path / "w.pth"
    )
    network = network_of(entry)
    load_state(network, tmp_path / "w.pth", entry.key, "model m", entry.rename)
    assert torch.equal(network.state_dict()["fc.bias"], state["head.fc.bias"])
    assert torch.equal(
        network.state_dict()["layer4.0.downsample.1.weight"], state["backbone.layer4.0.downsample.1.weight"]
    )


@pytest.mark.parametrize("name", [name for name in REGISTRY.models if name.endswith("-detectors")])
def test_tensors_of_detectors_are_the_networks(name: str) -> None:
    with torch.device("meta"):
        theirs, ours = of_detectors(name.removesuffix("-detectors")), network_of(REGISTRY.models[name])
    assert shapes_of(theirs.state_dict()) == shapes_of(ours.state_dict())


@pytest.mark.parametrize(
    "name",
    ["resnet18", *(pytest.param(name, marks=pytest.mark.late) for name in ("resnet50", "densenet121", "vgg16_bn"))],
)
def test_weights_of_detectors_give_its_predictions(name: str, tmp_path: Path) -> None:
    """A file as its own networks save it, loaded here: the same logits to the same images."""
    torch.manual_seed(0)
    theirs, ours = of_detectors(name).eval(), network_of(REGISTRY.models[f"{name}-detectors"]).eval()
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    load_state(ours, tmp_path / "pytorch_model.bin", None, "model m")
    pixels = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(ours(pixels), theirs(pixels), rtol=1e-5, atol=1e-5)
