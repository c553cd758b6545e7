"""Networks that no library ships and that published checkpoints need: the ResNets for 32 × 32 images.

Source: He, Zhang, Ren, Sun 2016, Deep Residual Learning for Image Recognition, section 4.2: 6n + 2 weighted layers in
three stages of 16, 32 and 64 channels, shortcuts without parameters (option A).
"""

from typing import no_type_check

import torch
from torch import nn
from torch.nn import functional as F

# Types are not checked in `forward`, also while tests run: tracing a network sends stand-ins for tensors through it.

# torchvision's and timm's resnet20 do not exist, and their ResNets have four stages and learnt shortcuts (option B).


class Subsample(nn.Module):
    """Option A: take every second pixel and fill the new channels with zeros, half of them before the old ones."""

    def __init__(self, new_channels: int) -> None:
        super().__init__()
        self.before = new_channels // 2
        self.after = new_channels - self.before

    @no_type_check
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.after))


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions and a shortcut around them. (n, in, h, w) → (n, out, h/stride, w/stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if stride == 1 else Subsample(outputs - inputs)

    @no_type_check
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """6n + 2 layers for `blocks` = n. Float (batch, 3, 32, 32) in, logits (batch, classes) out."""

    def __init__(self, blocks: int, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, stride=1)
        self.layer2 = _stage(16, 32, blocks, stride=2)
        self.layer3 = _stage(32, 64, blocks, stride=2)
        self.linear = nn.Linear(64, classes)

    @no_type_check
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=(2, 3)))


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(inputs, outputs, stride)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs, 1) for _ in range(blocks - 1)))


def cifar_resnet20(classes: int = 10) -> CifarResNet:
    """0.27 million parameters."""
    return CifarResNet(3, classes)


def cifar_resnet32(classes: int = 10) -> CifarResNet:
    """0.46 million parameters."""
    return CifarResNet(5, classes)


def cifar_resnet44(classes: int = 10) -> CifarResNet:
    """0.66 million parameters."""
    return CifarResNet(7, classes)


def cifar_resnet56(classes: int = 10) -> CifarResNet:
    """0.85 million parameters."""
    return CifarResNet(9, classes)


def cifar_resnet110(classes: int = 10) -> CifarResNet:
    """1.7 million parameters."""
    return CifarResNet(18, classes)


def cifar_resnet1202(classes: int = 10) -> CifarResNet:
    """19.4 million parameters."""
    return CifarResNet(200, classes)
