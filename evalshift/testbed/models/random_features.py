"""Random-feature classifiers: the best that there was on CIFAR-10 before deep networks, trained here.

One convolution whose filters are patches of training images, whitened; what exceeds a bias on either side; the average
over parts of the image; least squares on top. Nothing but the last step learns.

Sources: Coates, Ng, Lee 2011, An Analysis of Single-Layer Networks in Unsupervised Feature Learning; Coates and Ng
2012, Learning Feature Representations with K-Means; Recht et al. 2019, appendix B.3.2, and its code
modestyachts/nondeep, whose settings are the defaults here.
"""

import logging
import os
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn
from torch.nn import functional as F

from evalshift.errors import ModelError
from evalshift.shapes import Images, Labels
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.models.ridge import solve_ridge
from evalshift.testbed.models.trained import train_once
from evalshift.testbed.preprocessing import Preprocess, apply_arithmetic
from evalshift.testbed.trained_model_entries import RandomFeaturesModel

_LOG = logging.getLogger("evalshift")
# Of what follows from the same data and settings; weights that another version trained are trained anew.
_VERSION = 1
# As many patches as the whitening is computed on, and more where more filters are wanted.
_PATCHES = 100_000
# Filters at a time, and images at a time: 18 × 512 × 512 numbers are 19 MB.
_FILTERS, _IMAGES = 512, 512


def build(entry: RandomFeaturesModel, space: ClassSpace, where: str) -> Built:
    """The classifier, trained on its data unless it was before: then its weights lie in the cache."""

    def train(images: Images, labels: Labels, device: torch.device) -> nn.Module:
        return train_classifier(images, labels, len(space), entry, device, where)

    facts = {"version": _VERSION, **entry.model_dump(mode="json", include={*_SETTINGS})}
    state, checksum = train_once(f"random-features-{entry.filters}", entry, facts, space, train, where)
    return Built(RandomFeatures(state["filters"], state["weights"], entry), None, checksum)


_SETTINGS = (
    "filters", "patch_size", "pool_size", "pool_stride", "flip", "bias", "whitening", "regularizer", "seed",
)  # fmt: skip


def bare(entry: RandomFeaturesModel, space: ClassSpace, where: str) -> Built:
    """The classifier for images of 32 × 32 in colour with filters by chance, which has learnt nothing."""
    filters = torch.randn(entry.filters, 3, entry.patch_size, entry.patch_size)
    cells = _cells(32 - entry.patch_size + 1, entry) ** 2
    return Built(RandomFeatures(filters, torch.zeros(entry.filters, 2 * cells, len(space)), entry))


class RandomFeatures(nn.Module):
    """Float (n, c, h, w) in, scores (n, classes) out, a few filters at a time.

    filters  (f, c, patch, patch)
    weights  (f, 2 · parts of the image, classes)
    """

    def __init__(self, filters: torch.Tensor, weights: torch.Tensor, entry: RandomFeaturesModel) -> None:
        super().__init__()
        self.filters: torch.Tensor
        self.weights: torch.Tensor
        self.register_buffer("filters", filters)
        self.register_buffer("weights", weights)
        self.pool_size, self.pool_stride, self.bias = entry.pool_size, entry.pool_stride, entry.bias

    def features(self, x: torch.Tensor, block: slice) -> torch.Tensor:
        """What some of the filters say of images: (n, filters, 2 · parts)."""
        responses = F.conv2d(x, self.filters[block])
        # What exceeds the bias, and what falls below its negative, averaged over parts that may overlap.
        sides = torch.cat([F.relu(responses - self.bias), F.relu(-responses - self.bias)])
        pool = [min(self.pool_size, side) for side in sides.shape[2:]]
        parts = F.avg_pool2d(sides, pool, self.pool_stride, ceil_mode=True)
        above, below = parts.flatten(2).split(len(x))
        return torch.cat([above, below], dim=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = x.new_zeros(len(x), self.weights.shape[2])
        for block in _slices(len(self.filters), _FILTERS):
            scores = scores + self.features(x, block).flatten(1) @ self.weights[block].flatten(0, 1)
        return scores


def train_classifier(
    images: Images, labels: Labels, classes: int, entry: RandomFeaturesModel, device: torch.device, where: str
) -> RandomFeatures:
    """Draw the filters from the images, and fit the weights; the same seed gives the same classifier on one device.

    Raises ModelError where the images are too small for the filters, or memory for the system to be solved.
    """
    smallest = min(images.shape[1:3]) - entry.patch_size + 1
    if smallest < 1:
        raise ModelError(
            "the images are smaller than the filters",
            where=where,
            found=f"images of {images.shape[1]} × {images.shape[2]}, patch_size {entry.patch_size}",
        )
    cells = int(np.prod([_cells(side - entry.patch_size + 1, entry) for side in images.shape[1:3]]))
    count = len(images) * (2 if entry.flip else 1)
    size = min(entry.filters * 2 * cells, count)
    _refuse_too_large(size, device, where)
    _LOG.warning("%s: training on %s images, once; what it learns is kept", where, f"{count:,}")
    filters = whitened_patches(images, entry, np.random.default_rng(entry.seed))
    network = RandomFeatures(torch.from_numpy(filters), torch.empty(0), entry).to(device)
    pixels = torch.from_numpy(np.array(images))
    targets = F.one_hot(torch.from_numpy(labels), classes).to(device, torch.float32)
    if entry.flip:
        pixels, targets = torch.cat([pixels, pixels.flip(2)]), torch.cat([targets, targets])

    def features(some: slice, block: slice) -> torch.Tensor:
        values = apply_arithmetic(pixels[some].to(device), entry.preprocess)
        return network.features(values, block).flatten(1)

    with torch.inference_mode():
        blocks = list(_slices(entry.filters, _FILTERS))
        parts = solve_ridge(features, _slices(count, _IMAGES), blocks, targets, entry.regularizer)
        weights = torch.cat([part.view(-1, 2 * cells, classes) for part in parts])
    return RandomFeatures(network.filters.cpu(), weights.cpu(), entry)


def whitened_patches(
    images: Images, entry: RandomFeaturesModel, rng: np.random.Generator
) -> Float32[np.ndarray, "filters c patch patch"]:
    """Patches of images, each less its mean and of length one, whitened twice.

    A filter is C⁻¹p of a patch p, C the patches' covariance with `whitening` on its diagonal, so that its response to
    another patch q is the product of the two whitened ones: (C^−½ p) · (C^−½ q).
    """
    side, count = entry.patch_size, max(_PATCHES, entry.filters)
    height, width = images.shape[1:3]
    which = rng.integers(len(images), size=count)
    top, left = rng.integers(height - side + 1, size=count), rng.integers(width - side + 1, size=count)
    windows = np.lib.stride_tricks.sliding_window_view(images, (side, side), axis=(1, 2))
    values = apply_arithmetic(
        torch.from_numpy(windows[which, top, left].transpose(0, 2, 3, 1).copy()), Preprocess()
    ).numpy()
    patches = values.reshape(count, -1).astype(np.float64)
    patches -= patches.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(patches, axis=1, keepdims=True)
    patches /= np.where(lengths < 1e-8, 1, lengths)
    covariance = patches.T @ patches / count
    covariance[np.diag_indices_from(covariance)] += entry.whitening
    filters = np.linalg.solve(covariance, patches[: entry.filters].T).T
    return np.ascontiguousarray(filters.reshape(entry.filters, *values.shape[1:]), np.float32)


def _slices(count: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def _cells(side: int, entry: RandomFeaturesModel) -> int:
    """How many parts are averaged along a side; the last one may reach beyond the edge, as torch has it."""
    return F.avg_pool1d(torch.zeros(1, 1, side), min(entry.pool_size, side), entry.pool_stride, ceil_mode=True).shape[2]


def _refuse_too_large(size: int, device: torch.device, where: str) -> None:
    needed, free = 8 * size * size, _free_bytes(device)
    if free is not None and needed > free:
        raise ModelError(
            "not enough memory to train this many filters",
            where=where,
            found=f"{free / 1e9:,.1f} GB free on {device.type}",
            expected=f"{needed / 1e9:,.1f} GB for a system of {size:,} × {size:,}",
            fix="give fewer filters or fewer images, or run it where there is more memory",
        )


def _free_bytes(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    names: Any = os.sysconf_names if hasattr(os, "sysconf_names") else {}
    if "SC_AVPHYS_PAGES" in names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None
