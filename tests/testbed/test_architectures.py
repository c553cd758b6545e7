from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from evalshift.testbed import architectures
from evalshift.testbed.architectures import BasicBlock, CifarResNet, Subsample
from evalshift.testbed.checkpoints import load_state
from evalshift.testbed.preprocessing import Preprocess, apply_arithmetic

DEPTHS = {20: "0.27", 32: "0.46", 44: "0.66", 56: "0.85", 110: "1.7", 1202: "19.4"}


def network(depth: int) -> CifarResNet:
    return getattr(architectures, f"cifar_resnet{depth}")()


def parameters_by_hand(n: int) -> int:
    """He et al., section 4.2: 3 × 3 convolutions without bias, two numbers a channel for each normalisation.

    First layer 3 → 16. Then three stages of n blocks of two layers, w channels each: 16 → 16, 16 → 32, 32 → 64, the
    first layer of a stage from the width before. Shortcuts have none. Last, 64 × 10 weights and 10 biases.
    """
    total = 9 * 3 * 16 + 2 * 16
    before = 16
    for width in (16, 32, 64):
        total += 9 * before * width + (2 * n - 1) * 9 * width * width + 2 * n * 2 * width
        before = width
    return total + 64 * 10 + 10


@pytest.mark.parametrize("depth, millions", [(depth, text) for depth, text in DEPTHS.items() if depth <= 110])
def test_as_many_parameters_as_the_paper_counts(depth: int, millions: str) -> None:
    module = network(depth)
    count = sum(parameter.numel() for parameter in module.parameters())
    assert count == parameters_by_hand((depth - 2) // 6)
    assert f"{count / 1e6:.{len(millions.partition('.')[2])}f}" == millions  # table 6 of the paper


def test_exact_counts() -> None:
    assert [parameters_by_hand(n) for n in (3, 5, 7, 9, 18)] == [269_722, 464_154, 658_586, 853_018, 1_727_962]
    assert f"{parameters_by_hand(200) / 1e6:.1f}" == DEPTHS[1202]


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_as_many_layers_with_weights_as_its_name_says(depth: int) -> None:
    layers = [module for module in network(depth).modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth


def test_the_deepest_has_its_layers_too() -> None:
    with torch.device("meta"):  # shapes alone: 19.4 million numbers need not be drawn
        module = network(1202)
    assert sum(isinstance(one, nn.Conv2d | nn.Linear) for one in module.modules()) == 1202
    assert sum(parameter.numel() for parameter in module.parameters()) == parameters_by_hand(200)


def test_logits_for_each_image_and_number_of_classes() -> None:
    images = torch.rand(3, 3, 32, 32)
    assert network(20).eval()(images).shape == (3, 10)
    assert architectures.cifar_resnet20(classes=100).eval()(images).shape == (3, 100)


def test_stages_halve_the_sides_and_double_the_channels() -> None:
    module, x = network(20).eval(), torch.rand(2, 16, 32, 32)
    shapes = []
    for stage in (module.layer1, module.layer2, module.layer3):
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


class TestOptionA:
    def test_by_hand(self) -> None:
        # One channel of 3 × 3; every second pixel of every second line is 1, 3, 7, 9. Two channels are new: one of
        # zeros before, one after.
        x = torch.arange(1.0, 10).view(1, 1, 3, 3)
        zeros = [[0.0, 0.0], [0.0, 0.0]]
        assert Subsample(2)(x).tolist() == [[zeros, [[1.0, 3.0], [7.0, 9.0]], zeros]]

    def test_an_odd_number_of_new_channels_has_the_larger_half_after(self) -> None:
        x = torch.ones(1, 1, 2, 2)
        assert Subsample(3)(x).flatten().tolist() == [0, 1, 0, 0]

    def test_against_average_pooling_of_side_one(self) -> None:
        """Another way to say it: pooling of 1 × 1 with stride 2, then channels of zeros, as He et al. implement it."""
        x = torch.rand(2, 16, 8, 8)
        pooled = nn.functional.avg_pool2d(x, kernel_size=1, stride=2)
        zeros = torch.zeros(2, 8, 4, 4)
        assert torch.equal(Subsample(16)(x), torch.cat([zeros, pooled, zeros], dim=1))

    def test_shortcuts_have_no_parameters(self) -> None:
        block = BasicBlock(16, 32, stride=2)
        assert not list(block.shortcut.parameters())
        for conv in (block.conv1, block.conv2):
            nn.init.zeros_(conv.weight)
        x = torch.rand(1, 16, 4, 4)
        assert torch.equal(block.eval()(x), Subsample(16)(x))  # what remains of a block that adds nothing


def test_the_same_predictions_in_channels_last() -> None:
    torch.manual_seed(0)
    module, images = network(20).eval(), torch.rand(4, 3, 32, 32)
    with torch.inference_mode():
        predictions = module(images)
        last = module.to(memory_format=torch.channels_last)(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, predictions, rtol=1e-4, atol=1e-5)
    assert torch.equal(last.argmax(1), predictions.argmax(1))


@pytest.mark.parametrize(
    "depth, tag, correct", [(20, "12fca82f", 182), (32, "d509ac18", 185), (44, "014dd654", 182), (56, "4bfd9763", 188)]
)
def test_published_checkpoints_fit_and_know_cifar10(
    real_data: Callable[[str], Path], depth: int, tag: str, correct: int
) -> None:
    """The first 200 test images. All 10,000 give 9,173, 9,263, 9,310 and 9,339, as published; that takes minutes."""
    module = network(depth)
    load_state(module, real_data(f"checkpoints/resnet{depth}-{tag}.th"), None, "model m")
    images = np.load(real_data("cifar10") / "test_images.npy", mmap_mode="r")[:200]
    labels = np.load(real_data("cifar10") / "test_labels.npy")[:200]
    preprocess = Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    with torch.inference_mode():
        predictions = module.eval()(apply_arithmetic(torch.from_numpy(np.array(images)), preprocess)).argmax(1).numpy()
    assert int((predictions == labels).sum()) == correct
