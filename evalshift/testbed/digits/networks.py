"""The small classifiers of the embedded pair, each a torch module from normalised 8×8 images to ten logits.

A builder is a plain function, so that registry.yaml can name it; its arguments say how large the module is, the
checkpoint says everything else. Whatever a method draws or keeps (random projections, support images) is a buffer in
the state dict: no random numbers are drawn when a checkpoint is loaded.

All builders but `cnn` take `size`: the images are averaged down to size × size before anything looks at them.
All modules take float images (n, 1, 8, 8), in any memory format, and give logits (n, 10); images do not affect
each other. Builders raise ModelError for arguments outside their range.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from evalshift.errors import ModelError, did_you_mean

CLASSES = 10
SIDE = 8
KERNELS = ("polynomial", "rbf")


def linear(size: int = SIDE) -> nn.Module:
    """One weight per pixel and class: ridge, discriminant analysis, logistic regression."""
    return _stack(pixels=Pixels(size), classes=nn.Linear(size * size, CLASSES))


def nearest(prototypes: int, size: int = SIDE) -> nn.Module:
    """The class of the nearest stored image: nearest centroid, nearest neighbour."""
    return _stack(pixels=Pixels(size), classes=Nearest(_count("prototypes", prototypes), size * size))


def random_features(features: int, size: int = SIDE) -> nn.Module:
    """A linear classifier on random cosines of the pixels."""
    features = _count("features", features)
    return _stack(
        pixels=Pixels(size), cosines=RandomCosines(size * size, features), classes=nn.Linear(features, CLASSES)
    )


def kernel_machine(
    support: int, kernel: str, gamma: float, degree: int = 3, coef0: float = 1.0, size: int = SIDE
) -> nn.Module:
    """A weighted sum of kernels on stored images: support vector machine, kernel ridge.

    `kernel` is "rbf", exp(−gamma·|x − s|²), or "polynomial", (gamma·x·s + coef0)^degree.
    """
    machine = KernelMachine(_count("support", support), size * size, kernel, gamma, degree, coef0)
    return _stack(pixels=Pixels(size), classes=machine)


def mlp(hidden: Sequence[int], size: int = SIDE) -> nn.Module:
    """Fully connected layers of the given widths, each with a ReLU."""
    widths = [size * size, *(_count("hidden", width) for width in hidden)]
    layers: dict[str, nn.Module] = {"pixels": Pixels(size)}
    for i, (before, after) in enumerate(pairwise(widths), start=1):
        layers[f"hidden{i}"] = nn.Linear(before, after)
        layers[f"relu{i}"] = nn.ReLU()
    return _stack(**layers, classes=nn.Linear(widths[-1], CLASSES))


def cnn(channels: Sequence[int]) -> nn.Module:
    """3×3 convolutions of the given widths, each with a ReLU and a 2×2 maximum (none at 1×1), then a linear layer."""
    widths = [1, *(_count("channels", width) for width in channels)]
    layers: dict[str, nn.Module] = {}
    side = SIDE
    for i, (before, after) in enumerate(pairwise(widths), start=1):
        layers[f"convolution{i}"] = nn.Conv2d(before, after, kernel_size=3, padding=1)
        layers[f"relu{i}"] = nn.ReLU()
        if side > 1:
            layers[f"pool{i}"] = nn.MaxPool2d(2)
            side //= 2
    return _stack(**layers, features=nn.Flatten(), classes=nn.Linear(widths[-1] * side * side, CLASSES))


class Pixels(nn.Module):
    """Images (n, 1, 8, 8) -> pixels (n, size²), each the mean of a square of the image."""

    def __init__(self, size: int) -> None:
        super().__init__()
        if size not in (1, 2, 4, 8):
            raise ModelError("the images cannot be averaged to this size", found=size, expected="1, 2, 4 or 8")
        self.block = SIDE // size

    def forward(self, images: Float[Tensor, "n 1 8 8"]) -> Float[Tensor, "n p"]:
        return nn.functional.avg_pool2d(images, self.block).flatten(start_dim=1)


class Nearest(nn.Module):
    """Pixels (n, p) -> logits (n, 10): minus the squared distance to the nearest prototype of the class.

    A class without a prototype gets −inf.
    """

    prototypes: Tensor
    labels: Tensor

    def __init__(self, prototypes: int, pixels: int) -> None:
        super().__init__()
        self.register_buffer("prototypes", torch.zeros(prototypes, pixels))
        self.register_buffer("labels", torch.zeros(prototypes, dtype=torch.int64))

    def forward(self, pixels: Float[Tensor, "n p"]) -> Float[Tensor, "n 10"]:
        distance = squared_distance(pixels, self.prototypes)
        other = self.labels[:, None] != torch.arange(CLASSES, device=self.labels.device)
        return -distance[:, :, None].masked_fill(other, torch.inf).amin(dim=1)


class RandomCosines(nn.Module):
    """Pixels (n, p) -> features (n, f): √(2/f)·cos(x·frequencies + phases), whose products approximate an RBF kernel.

    Source: Rahimi and Recht 2007, Random features for large-scale kernel machines, NIPS 20, algorithm 1.
    """

    frequencies: Tensor
    phases: Tensor

    def __init__(self, pixels: int, features: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.zeros(pixels, features))
        self.register_buffer("phases", torch.zeros(features))

    def forward(self, pixels: Float[Tensor, "n p"]) -> Float[Tensor, "n f"]:
        return (2 / len(self.phases)) ** 0.5 * torch.cos(pixels @ self.frequencies + self.phases)


class KernelMachine(nn.Module):
    """Pixels (n, p) -> logits (n, 10): kernels with the support images, weighted, plus an intercept per class."""

    support: Tensor
    weights: Tensor
    intercept: Tensor

    def __init__(self, support: int, pixels: int, kernel: str, gamma: float, degree: int, coef0: float) -> None:
        super().__init__()
        if kernel not in KERNELS:
            raise ModelError(
                "unknown kernel", found=kernel, expected=" or ".join(KERNELS), fix=did_you_mean(kernel, KERNELS)
            )
        self.kernel, self.gamma, self.degree, self.coef0 = kernel, gamma, degree, coef0
        self.register_buffer("support", torch.zeros(support, pixels))
        self.register_buffer("weights", torch.zeros(support, CLASSES))
        self.register_buffer("intercept", torch.zeros(CLASSES))

    def forward(self, pixels: Float[Tensor, "n p"]) -> Float[Tensor, "n 10"]:
        if self.kernel == "rbf":
            similarity = torch.exp(-self.gamma * squared_distance(pixels, self.support))
        else:
            similarity = (self.gamma * pixels @ self.support.T + self.coef0) ** self.degree
        return similarity @ self.weights + self.intercept


def squared_distance(a: Float[Tensor, "n p"], b: Float[Tensor, "m p"]) -> Float[Tensor, "n m"]:
    """Squared Euclidean distances, never below 0.

    Written out, since `torch.cdist` changes its algorithm with the batch size and so its last digits.
    """
    squares = (a * a).sum(dim=1)[:, None] + (b * b).sum(dim=1)
    return (squares - 2 * a @ b.T).clamp(min=0)


def _stack(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def _count(name: str, value: int) -> int:
    if value < 1:
        raise ModelError(f"{name} must be positive", found=value, expected="1 or more")
    return value
