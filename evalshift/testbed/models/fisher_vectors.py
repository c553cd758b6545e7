"""Fisher-vector classifiers: the best that there was on ImageNet before deep networks, trained here, small by default.

Patches of an image on a dense grid are described by numbers, which a principal component analysis whitens; a Gaussian
mixture says what they are like in general, and how an image's patches depart from it, in means and in variances, is
its Fisher vector. Several kinds of descriptors have a mixture and a vector each. A linear classifier by least squares
decides on all of them.

Sources: Perronnin, Sánchez, Mensink 2010, Improving the Fisher Kernel for Large-Scale Image Classification, with its
square root and normalisation; Recht et al. 2019, appendix C.4.3, whose models fv_4k, fv_16k and fv_64k have 16, 64 and
256 centers on SIFT and on local colour statistics with 64 components each: `descriptors: [sift, colour]` here.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn
from torch.nn import functional as F

from evalshift.errors import ModelError
from evalshift.shapes import Images, Labels
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.models.descriptors import DESCRIPTORS, LENGTHS
from evalshift.testbed.models.ridge import solve_ridge
from evalshift.testbed.models.trained import train_once
from evalshift.testbed.preprocessing import apply_arithmetic
from evalshift.testbed.trained_model_entries import FisherVectorsModel

# Of what follows from the same data and settings; weights that another version trained are trained anew.
_VERSION = 2
# As many patches as the components and the mixture are computed on.
_PATCHES = 100_000
# Images at a time.
_IMAGES = 256
_SETTINGS = ("descriptors", "centers", "components", "patch_size", "stride", "regions", "flip", "regularizer", "seed")


def build(entry: FisherVectorsModel, space: ClassSpace, where: str) -> Built:
    """The classifier, trained on its data unless it was before: then its weights lie in the cache."""

    def train(images: Images, labels: Labels, device: torch.device) -> nn.Module:
        return train_classifier(images, labels, len(space), entry, device, where)

    facts = {"version": _VERSION, **entry.model_dump(mode="json", include={*_SETTINGS})}
    state, checksum = train_once(f"fisher-vectors-{entry.centers}", entry, facts, space, train, where)
    return Built(FisherVectors(state, entry), None, checksum)


def bare(entry: FisherVectorsModel, space: ClassSpace, where: str) -> Built:
    """The classifier for images in colour with numbers by chance, which has learnt nothing."""
    state = {}
    for kind in entry.descriptors:
        values = LENGTHS[kind](entry.patch_size)
        components = min(entry.components, values)
        state |= {
            f"{kind}.middle": torch.zeros(values),
            f"{kind}.projection": torch.randn(values, components),
            f"{kind}.weights": torch.full((entry.centers,), 1 / entry.centers),
            f"{kind}.means": torch.randn(entry.centers, components),
            f"{kind}.variances": torch.ones(entry.centers, components),
        }
    size = sum(2 * len(state[f"{kind}.projection"][0]) * entry.centers * entry.regions**2 for kind in entry.descriptors)
    state["linear"] = torch.zeros(size + 1, len(space))
    return Built(FisherVectors(state, entry), None)


class Mixture(nn.Module):
    """Descriptors (n, p, v) of images in, their Fisher vectors out.

    middle, projection         mean (v,) and principal components (v, d) of descriptors of v values
    weights, means, variances  of the mixture: shapes (k,), (k, d), (k, d)
    """

    def __init__(self, state: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.middle: torch.Tensor
        self.projection: torch.Tensor
        self.weights: torch.Tensor
        self.means: torch.Tensor
        self.variances: torch.Tensor
        for name, values in state.items():
            self.register_buffer(name, values)

    def projected(self, descriptors: torch.Tensor) -> torch.Tensor:
        """Descriptors (…, v) by their components, (…, d)."""
        return (descriptors - self.middle) @ self.projection

    def fisher_vector(self, patches: torch.Tensor) -> torch.Tensor:
        """Departures of projected patches (n, p, d) from the mixture, in means and in variances: (n, 2 · k · d).

        Source: Perronnin et al. 2010, equations 5 and 6; equal to scikit-image's `fisher_vector` in the tests.
        """
        share = self.posterior(patches)
        count, scale = patches.shape[1], self.variances.sqrt()
        none = share.sum(dim=1)[..., None]
        first = share.transpose(1, 2) @ patches
        second = share.transpose(1, 2) @ patches.square()
        # Sums over patches of the share times the standardised patch, and times its square less 1.
        means = (first - none * self.means) / scale
        variances = (second - 2 * self.means * first + none * self.means.square()) / self.variances - none
        root = self.weights.sqrt()[:, None]
        parts = means / (count * root), variances / (count * root * 2**0.5)
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def posterior(self, patches: torch.Tensor) -> torch.Tensor:
        """The share of each Gaussian in each patch: (n, p, k), of sum 1."""
        precision = 1 / self.variances
        distance = (
            patches.square() @ precision.T
            - 2 * patches @ (self.means * precision).T
            + (self.means.square() * precision).sum(dim=1)
        )
        return (self.weights.log() - 0.5 * (self.variances.log().sum(dim=1) + distance)).softmax(dim=-1)


class FisherVectors(nn.Module):
    """Float (n, c, h, w) in, scores (n, classes) out.

    state  numbers of the mixture of each kind of descriptor, under its name, and
           linear, (2 · d · k · regions² + 1, classes): of each number of the Fisher vectors, and the offset
    """

    def __init__(self, state: Mapping[str, torch.Tensor], entry: FisherVectorsModel) -> None:
        super().__init__()
        self.linear: torch.Tensor
        self.register_buffer("linear", state["linear"])
        for kind in entry.descriptors:
            prefix = f"{kind}."
            own = {name.removeprefix(prefix): values for name, values in state.items() if name.startswith(prefix)}
            self.add_module(kind, Mixture(own))
        self.kinds = tuple(entry.descriptors)
        self.patch_size, self.stride, self.regions = entry.patch_size, entry.stride, entry.regions

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Fisher vectors of each descriptor and region after one another, each descriptor's of length one; then a 1."""
        vectors = [self._vector(x, kind) for kind in self.kinds]
        return torch.cat([*vectors, vectors[0].new_ones(len(x), 1)], dim=1)

    def _vector(self, x: torch.Tensor, kind: str) -> torch.Tensor:
        """The signed square root of the Fisher vectors of one kind of descriptors, normalised."""
        mixture = self.get_submodule(kind)
        assert isinstance(mixture, Mixture)
        patches = mixture.projected(DESCRIPTORS[kind](x, self.patch_size, self.stride))
        rows, columns = (self._slices(length) for length in patches.shape[1:3])
        regions = [mixture.fisher_vector(patches[:, down, across].flatten(1, 2)) for down in rows for across in columns]
        vector = torch.cat(regions, dim=1)
        return F.normalize(vector.sign() * vector.abs().sqrt(), dim=1)

    def _slices(self, length: int) -> list[slice]:
        """The parts of a side of the grid, of one length within one."""
        ends = [-(-place * length // self.regions) for place in range(self.regions + 1)]
        return [slice(start, end) for start, end in pairwise(ends)]

    @no_type_check
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x) @ self.linear


def train_classifier(
    images: Images, labels: Labels, classes: int, entry: FisherVectorsModel, device: torch.device, where: str
) -> FisherVectors:
    """Work out components and mixture from patches of the images, and fit the weights.

    The same seed gives the same classifier on one device. Raises ModelError where the images are too small.
    """
    smallest = (min(images.shape[1:3]) - entry.patch_size) // entry.stride + 1
    if smallest < entry.regions:
        raise ModelError(
            "the images are too small for the patches",
            where=where,
            found=f"images of {images.shape[1]} × {images.shape[2]}, patch_size {entry.patch_size}, "
            f"regions {entry.regions}",
        )
    pixels = torch.from_numpy(np.array(images))
    targets = F.one_hot(torch.from_numpy(labels), classes).to(device, torch.float32)
    if entry.flip:
        pixels, targets = torch.cat([pixels, pixels.flip(2)]), torch.cat([targets, targets])

    def seen(some: slice | torch.Tensor) -> torch.Tensor:
        return apply_arithmetic(pixels[some].to(device), entry.preprocess)

    state = {}
    for kind in entry.descriptors:
        found = _mixture(seen, len(pixels), kind, entry)
        state |= {f"{kind}.{name}": torch.from_numpy(values).to(device) for name, values in found.items()}
    network = FisherVectors({**state, "linear": torch.empty(0, device=device)}, entry)
    with torch.inference_mode():
        slices = [slice(start, min(start + _IMAGES, len(pixels))) for start in range(0, len(pixels), _IMAGES)]
        # The least squares of vectors of length one; without its factor, no penalty would fit any number of images.
        penalty = entry.regularizer * len(pixels)
        (linear,) = solve_ridge(lambda some, _: network.features(seen(some)), slices, [slice(None)], targets, penalty)
    return FisherVectors(
        {name: values.cpu().contiguous() for name, values in {**state, "linear": linear}.items()}, entry
    )


def _mixture(
    seen: Callable[[torch.Tensor], torch.Tensor], count: int, kind: str, entry: FisherVectorsModel
) -> dict[str, Float32[np.ndarray, "..."]]:
    """Components of descriptors of patches drawn at random, and the mixture of the descriptors so projected."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(entry.seed)
    chosen = torch.from_numpy(np.sort(rng.permutation(count)[: _PATCHES // 50]))
    values = DESCRIPTORS[kind](seen(chosen), entry.patch_size, entry.stride).flatten(0, 2).cpu().numpy()
    patches = values[rng.permutation(len(values))[:_PATCHES]]
    components = min(entry.components, patches.shape[1])
    analysis = PCA(components, whiten=True, random_state=entry.seed).fit(patches)
    projection = (analysis.components_ / np.sqrt(analysis.explained_variance_)[:, None]).T
    projected = (patches - analysis.mean_) @ projection
    mixture = GaussianMixture(
        entry.centers, covariance_type="diag", reg_covar=1e-4, max_iter=50, random_state=entry.seed, tol=1e-2
    ).fit(projected)
    found = {
        "middle": analysis.mean_,
        "projection": projection,
        "weights": mixture.weights_,
        "means": mixture.means_,
        "variances": mixture.covariances_,
    }
    return {name: np.ascontiguousarray(values, np.float32) for name, values in found.items()}
