"""The networks of the embedded models of MNIST, each a torch module from normalised 28×28 images to ten logits.

A builder is a plain function, so that registry.yaml can name it. `size` averages the images down to size × size first.
All modules take float images (n, 1, 28, 28) and give logits (n, 10); images do not affect each other. Builders raise
ModelError for arguments outside their range.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from evalshift.errors import ModelError
from evalshift.testbed.digits.networks import Nearest

CLASSES = 10
SIDE = 28


def linear(size: int = SIDE) -> nn.Module:
    """One weight per pixel and class: ridge and logistic regression."""
    return nn.Sequential(*_pixels(size), nn.Linear(size * size, CLASSES))


def nearest(prototypes: int, size: int = SIDE) -> nn.Module:
    """The class of the nearest stored image: nearest centroid."""
    return nn.Sequential(*_pixels(size), Nearest(_positive("prototypes", prototypes), size * size))


def mlp(hidden: int, size: int = SIDE) -> nn.Module:
    """One hidden layer with a ReLU."""
    hidden = _positive("hidden", hidden)
    return nn.Sequential(*_pixels(size), nn.Linear(size * size, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES))


def cnn(channels: Sequence[int]) -> nn.Module:
    """3×3 convolutions of one or two widths, each with a ReLU and a 2×2 maximum, then a linear layer."""
    if len(channels) not in (1, 2):  # 28 is halved twice without a rest
        raise ModelError("unsupported number of convolutions", found=len(channels), expected="1 or 2")
    widths = [1, *(_positive("channels", width) for width in channels)]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    side = SIDE // 2 ** len(channels)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * side * side, CLASSES))


def _pixels(size: int) -> tuple[nn.Module, nn.Module]:
    if size not in (4, 7, 14, 28):
        raise ModelError("the images cannot be averaged to this size", found=size, expected="4, 7, 14 or 28")
    return nn.AvgPool2d(SIDE // size), nn.Flatten()


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise ModelError(f"{name} must be positive", found=value, expected="1 or more")
    return value
