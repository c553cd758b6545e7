"""Least squares with a penalty, on features that come in blocks and never stand in memory together."""

from collections.abc import Callable, Iterable

import torch

# A block of features of one batch of images: float32 (images, features).
Features = Callable[[slice, slice], torch.Tensor]


def solve_ridge(
    features: Features, images: Iterable[slice], blocks: Iterable[slice], targets: torch.Tensor, penalty: float
) -> list[torch.Tensor]:
    """The weights W that make ‖F W − Y‖² + penalty · ‖W‖² least, one part a block of features.

    features(images, block)  one block of the features F of some images, float32 (n, f)
    images, blocks           slices that cover all images and all features, in order
    targets                  Y, shape (n, d), on the device that is to do the work

    The smaller of the two systems is solved: features × features, or images × images, which have the same solution:
    W = (FᵀF + λI)⁻¹FᵀY = Fᵀ(FFᵀ + λI)⁻¹Y. It is summed and solved in float64. Gives parts of shape (f, d), float32.
    """
    images, blocks = list(images), list(blocks)
    widths = [features(slice(images[0].start, images[0].start + 1), block).shape[1] for block in blocks]
    if sum(widths) <= len(targets):
        return _by_features(features, images, blocks, widths, targets, penalty)
    return _by_images(features, images, blocks, targets, penalty)


def _by_features(
    features: Features,
    images: list[slice],
    blocks: list[slice],
    widths: list[int],
    targets: torch.Tensor,
    penalty: float,
) -> list[torch.Tensor]:
    size = sum(widths)
    gram = torch.zeros(size, size, dtype=torch.float64, device=targets.device)
    right = torch.zeros(size, targets.shape[1], dtype=torch.float64, device=targets.device)
    for some in images:
        values = torch.cat([features(some, block) for block in blocks], dim=1)
        gram += values.T @ values
        right += values.T @ targets[some].to(values.dtype)
    weights = _solve(gram, right, penalty)
    return list(weights.to(torch.float32).split(widths))


def _by_images(
    features: Features, images: list[slice], blocks: list[slice], targets: torch.Tensor, penalty: float
) -> list[torch.Tensor]:
    kernel = torch.zeros(len(targets), len(targets), dtype=torch.float64, device=targets.device)
    for block in blocks:
        values = torch.cat([features(some, block) for some in images])
        for some in images:  # a few rows at a time: the sum in float32 need not stand there whole
            kernel[some] += values[some] @ values.T
    dual = _solve(kernel, targets.to(torch.float64), penalty)
    return [
        sum(
            (features(some, block).to(torch.float64).T @ dual[some] for some in images),
            start=torch.zeros((), dtype=torch.float64, device=targets.device),
        ).to(torch.float32)
        for block in blocks
    ]


def _solve(square: torch.Tensor, right: torch.Tensor, penalty: float) -> torch.Tensor:
    square.diagonal().add_(penalty)
    factor = torch.linalg.cholesky(square, out=square)
    return torch.cholesky_solve(right, factor)
