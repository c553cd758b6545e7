"""Wide ResNets for 16, 32 and 64 pixels: the networks that Downsampled ImageNet was published with.

WRN-N-k: N layers, k times as many channels as the narrowest (16 in the first stage). Networks for 32 pixels have three
stages; for 64 there is a fourth, and for 16 the third is left out, so that all end with 8 × 8 pixels.

Sources: Zagoruyko and Komodakis 2016, Wide Residual Networks; Chrabaszcz, Loshchilov, Hutter 2017, section 3, and its
code WRNs_imagenet.py in PatrykChrabaszcz/Imagenet32_Scripts at commit 5c16232, in which the second convolution of a
block has a bias, shortcuts between stages are 1 × 1 convolutions of what a block is given, and the first block of all
has one too.
"""

from typing import no_type_check

import torch
from torch import nn
from torch.nn import functional as F

from evalshift.errors import UsageError

# Images of 32 pixels have three stages, of twice as many channels each.
_STAGES = {16: 2, 32: 3, 64: 4}


class WideBlock(nn.Module):
    """Two 3 × 3 convolutions, each after normalisation and ReLU. (n, in, h, w) → (n, out, h/stride, w/stride).

    first  the very first block: its input has been normalised before, and its shortcut is a convolution
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, first: bool = False) -> None:
        super().__init__()
        self.bn1 = nn.Identity() if first else nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        projected = first or stride > 1
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False) if projected else nn.Identity()

    @no_type_check
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv1(F.relu(self.bn1(x)))  # of the first block, nothing below 0 is left to cut off
        return self.conv2(F.relu(self.bn2(y))) + self.shortcut(x)


class WideResNet(nn.Module):
    """Float (batch, 3, pixels, pixels) in, logits (batch, classes) out."""

    def __init__(self, blocks: int, width: float, stages: int, classes: int) -> None:
        super().__init__()
        channels = [int(16 * 2**stage * width) for stage in range(stages)]
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        before = [16, *channels[:-1]]
        self.stages = nn.Sequential(
            *(
                _stage(inputs, outputs, blocks, place)
                for place, (inputs, outputs) in enumerate(zip(before, channels, strict=True))
            )
        )
        self.bn2 = nn.BatchNorm2d(channels[-1])
        self.linear = nn.Linear(channels[-1], classes)

    @no_type_check
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stages(F.relu(self.bn1(self.conv1(x))))
        return self.linear(F.relu(self.bn2(x)).mean(dim=(2, 3)))


def _stage(inputs: int, outputs: int, blocks: int, place: int) -> nn.Sequential:
    first = WideBlock(inputs, outputs, stride=1 if place == 0 else 2, first=place == 0)
    return nn.Sequential(first, *(WideBlock(outputs, outputs) for _ in range(blocks - 1)))


def wide_resnet(pixels: int = 32, width: float = 1, depth: int | None = None, classes: int = 1000) -> WideResNet:
    """WRN-N-k for images of 16, 32 or 64 pixels on a side.

    width   k, the factor of the channels: 0.5, 1, 2, 5 and 10 in the paper
    depth   N; by default as in the paper: 20 for 16 pixels, 28 for 32, and 36 for 64
    Raises UsageError for another size, and for a depth that does not fit it.
    """
    if pixels not in _STAGES:
        raise UsageError("there is no wide ResNet for this size (`pixels`)", found=pixels, expected="16, 32 or 64")
    stages = _STAGES[pixels]
    found = 4 + 8 * stages if depth is None else depth
    blocks, rest = divmod(found - 4, 2 * stages)
    if rest or blocks < 1:
        raise UsageError(
            f"invalid `depth` of a wide ResNet for {pixels} pixels",
            found=depth,
            expected=f"{2 * stages} · n + 4, such as {4 + 8 * stages}",
        )
    if 16 * width < 1:
        raise UsageError("invalid `width` of a wide ResNet", found=width, expected="at least 1/16, such as 2")
    return WideResNet(blocks, width, stages, classes)


def wrn_20(width: float = 1, classes: int = 1000) -> WideResNet:
    """WRN-20-k for images of 16 × 16 pixels; k = 10 has 8.9 million parameters."""
    return wide_resnet(16, width, classes=classes)


def wrn_28(width: float = 1, classes: int = 1000) -> WideResNet:
    """WRN-28-k for images of 32 × 32 pixels; k = 10 has 37.1 million parameters."""
    return wide_resnet(32, width, classes=classes)


def wrn_36(width: float = 1, classes: int = 1000) -> WideResNet:
    """WRN-36-k for images of 64 × 64 pixels; k = 5 has 37.6 million parameters."""
    return wide_resnet(64, width, classes=classes)
