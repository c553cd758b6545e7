from collections.abc import Callable

import pytest
import torch
from torch import nn

from evalshift.errors import UsageError
from evalshift.testbed.wide_resnets import wide_resnet, wrn_20, wrn_28, wrn_36

# Table 1 of Chrabaszcz et al. 2017: pixels, width k, millions of parameters as printed.
TABLE = (
    (16, 1, "0.12"), (16, 2, "0.42"), (16, 5, "2.3"), (16, 10, "8.9"),
    (32, 0.5, "0.13"), (32, 1, "0.44"), (32, 2, "1.6"), (32, 5, "9.5"), (32, 10, "37.1"),
    (64, 0.5, "0.44"), (64, 1, "1.6"), (64, 2, "6.2"), (64, 5, "37.6"),
)  # fmt: skip


def parameters_by_hand(pixels: int, k: float) -> int:
    """4 blocks in each stage of w channels; c were before.

    First layer: 27 · 16 weights, 2 · 16 numbers of its normalisation. A block: 9cw + (9ww + w) for the convolutions, of
    which the second has a bias, 2c + 2w for the normalisations; the first block of a stage has cw weights in its
    shortcut, and the very first no normalisation of its input. Last 2w, and 1000w weights with 1000 biases.
    """
    total, before = 27 * 16 + 32, 16
    for stage in range({16: 2, 32: 3, 64: 4}[pixels]):
        width = int(16 * 2**stage * k)
        for block in range(4):
            total += 9 * before * width + 9 * width**2 + width + 2 * before + 2 * width
            total += before * width if block == 0 else 0
            before = width
    return total - 2 * 16 + 2 * before + 1000 * before + 1000


@pytest.mark.parametrize("pixels, width, millions", TABLE)
def test_as_many_parameters_as_table_1(pixels: int, width: float, millions: str) -> None:
    with torch.device("meta"):
        module = wide_resnet(pixels, width)
    count = sum(parameter.numel() for parameter in module.parameters())
    assert count == parameters_by_hand(pixels, width)
    # The paper prints 0.44 for WRN-28-1, whose 434,552 parameters are 0.43 million; the other twelve are as printed.
    printed = {"0.44": "0.43"}.get(millions, millions) if (pixels, width) == (32, 1) else millions
    assert f"{count / 1e6:.{len(millions.partition('.')[2])}f}" == printed


@pytest.mark.parametrize("network, pixels", [(wrn_20, 16), (wrn_28, 32), (wrn_36, 64)])
def test_the_last_features_have_8_by_8_pixels(network: Callable[..., nn.Module], pixels: int) -> None:
    module = network(0.5, classes=7).eval()
    seen = []
    module.get_submodule("stages").register_forward_hook(lambda *given: seen.append(given[2].shape))
    with torch.inference_mode():
        logits = module(torch.rand(2, 3, pixels, pixels))
    assert logits.shape == (2, 7)
    assert tuple(seen[0][2:]) == (8, 8)


@pytest.mark.parametrize("depth", [20, 28, 36])
def test_as_many_layers_with_weights_as_its_name_says(depth: int) -> None:
    with torch.device("meta"):
        module = {20: wrn_20, 28: wrn_28, 36: wrn_36}[depth]()
    layers = [one for one in module.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    threes = [one for one in layers if isinstance(one, nn.Linear) or one.kernel_size == (3, 3)]
    # Of N in the name, 2n in each stage and 4 more: the first, the last, and the shortcuts of 32 pixels.
    stages = {20: 2, 28: 3, 36: 4}[depth]
    assert len(threes) == depth - 2
    assert len(layers) - len(threes) == stages


def test_other_sizes_and_depths_are_refused(complaint: Callable[..., str]) -> None:
    assert "expected: 16, 32 or 64" in complaint(UsageError, wide_resnet, 8)
    assert "expected: 6 · n + 4, such as 28" in complaint(UsageError, wide_resnet, 32, 1, 30)
    assert "invalid `width`" in complaint(UsageError, wide_resnet, 32, 0.01)
    assert wide_resnet(32, 1, 16).stages[0][1].conv1.in_channels == 16  # pyright: ignore
