"""How a recipe becomes tensors: scikit-learn fits the classical methods, the networks are trained here.

Every fit takes normalised images (`normalise`), labels and its own options, and gives a `Fit`. What scikit-learn
fitted is rewritten as the tensors of the torch module, and `Fit.predictions` keeps scikit-learn's own on the
training images, for whoever wants to compare. All fits take a `seed`, so that they can be called alike; only those that
draw something use it.
"""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_approximation import RBFSampler
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.svm import SVC
from torch import Tensor, nn

from evalshift.shapes import Images, Labels
from evalshift.testbed.digits import networks
from evalshift.testbed.preprocessing import Preprocess, apply_arithmetic

PREPROCESS = Preprocess(mean=(0.3092,), std=(0.378,))
"""Mean and standard deviation of the training pixels / 255, to four digits."""

Batch = Float32[np.ndarray, "n 1 8 8"]


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model: `builder(**arguments)` takes `state` as its state dict.

    builder    name of a function in `networks`
    arguments  plain numbers, strings and lists, fit for registry.yaml
    state      tensors on the CPU
    predictions int64 (n,), what scikit-learn predicts on its training images; None where torch did the training
    """

    builder: str
    arguments: Mapping[str, Any]
    state: Mapping[str, Tensor]
    predictions: Int64[np.ndarray, " n"] | None

    def module(self) -> nn.Module:
        """The model in eval mode."""
        module = getattr(networks, self.builder)(**self.arguments)
        module.load_state_dict(self.state)
        return module.eval()


def normalise(images: Images) -> Batch:
    """uint8 (n, 8, 8, 1) -> float32 (n, 1, 8, 8), through PREPROCESS, as at evaluation."""
    return apply_arithmetic(torch.from_numpy(images), PREPROCESS).contiguous().numpy()


def predict(module: nn.Module, images: Images) -> Int64[np.ndarray, " n"]:
    """The class of the largest logit, for every image."""
    with torch.inference_mode():
        return module.eval()(torch.from_numpy(normalise(images))).argmax(dim=1).numpy()


def nearest_centroid(images: Batch, labels: Labels, *, seed: int, size: int = 8) -> Fit:
    """One prototype a digit: the mean of its images."""
    with warnings.catch_warnings():
        # The corners are blank in all images of most digits; scikit-learn remarks on it, though centroids do not mind.
        warnings.filterwarnings(
            "ignore", message="self.within_class_std_dev_ has at least 1 zero", category=UserWarning
        )
        fitted: Any = NearestCentroid().fit(_pixels(images, size), labels)
    state = {"classes.prototypes": fitted.centroids_, "classes.labels": fitted.classes_}
    arguments = _sized(size, prototypes=len(fitted.classes_))
    return _fit("nearest", arguments, state, fitted.predict(_pixels(images, size)))


def nearest_neighbour(images: Batch, labels: Labels, *, seed: int, size: int = 8) -> Fit:
    """Every image a prototype. Source: Cover and Hart 1967, Nearest neighbor pattern classification."""
    pixels = _pixels(images, size)
    fitted: Any = KNeighborsClassifier(n_neighbors=1).fit(pixels, labels)
    state = {"classes.prototypes": pixels, "classes.labels": labels}
    return _fit("nearest", _sized(size, prototypes=len(labels)), state, fitted.predict(pixels))


def ridge(images: Batch, labels: Labels, *, seed: int, alpha: float, size: int = 8) -> Fit:
    """Least squares on targets of ±1, `alpha` times the squared weights added. Source: Hoerl and Kennard 1970."""
    return _linear(RidgeClassifier(alpha=alpha), images, labels, size)


def discriminant(images: Batch, labels: Labels, *, seed: int, shrinkage: float, size: int = 8) -> Fit:
    """Linear discriminant analysis, its covariance drawn towards the identity by `shrinkage` in [0, 1]."""
    return _linear(LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage), images, labels, size)


def logistic(images: Batch, labels: Labels, *, seed: int, C: float, size: int = 8) -> Fit:
    """Multinomial logistic regression; `C` is the inverse of the penalty on squared weights. Source: Cox 1958."""
    return _linear(LogisticRegression(C=C, max_iter=5000, tol=1e-6), images, labels, size)


def random_features(
    images: Batch, labels: Labels, *, seed: int, features: int, gamma: float, alpha: float, size: int = 8
) -> Fit:
    """Ridge regression on random cosines, drawn for the kernel exp(−gamma·|x − y|²). Source: Rahimi and Recht 2007."""
    pixels = _pixels(images, size)
    sampler = RBFSampler(gamma=gamma, n_components=features, random_state=seed).fit(pixels)
    cosines = sampler.transform(pixels)
    fitted: Any = RidgeClassifier(alpha=alpha).fit(cosines, labels)
    state = {
        "cosines.frequencies": sampler.random_weights_,
        "cosines.phases": sampler.random_offset_,
        "classes.weight": fitted.coef_,
        "classes.bias": fitted.intercept_,
    }
    return _fit("random_features", _sized(size, features=features), state, fitted.predict(cosines))


def kernel_ridge(
    images: Batch, labels: Labels, *, seed: int, kernel: Mapping[str, Any], alpha: float, size: int = 8
) -> Fit:
    """Ridge regression on kernels with all images. Source: Saunders, Gammerman and Vovk 1998."""
    pixels = _pixels(images, size)
    options: dict[str, Any] = {"alpha": alpha, **kernel}
    fitted = KernelRidge(**options).fit(pixels, 2.0 * np.eye(10)[labels] - 1)
    state = {"classes.support": pixels, "classes.weights": fitted.dual_coef_, "classes.intercept": np.zeros(10)}
    arguments = _sized(size, support=len(pixels), **kernel)
    return _fit("kernel_machine", arguments, state, fitted.predict(pixels).argmax(axis=1))


def support_vectors(
    images: Batch, labels: Labels, *, seed: int, kernel: Mapping[str, Any], C: float, size: int = 8
) -> Fit:
    """A support vector machine for each digit against the rest. Source: Cortes and Vapnik 1995."""
    pixels = _pixels(images, size)
    name = {"polynomial": "poly", "rbf": "rbf"}[kernel["kernel"]]
    fitted: Any = OneVsRestClassifier(SVC(C=C, **{**kernel, "kernel": name})).fit(pixels, labels)
    weights = np.zeros((len(pixels), 10))
    for digit, machine in zip(fitted.classes_, fitted.estimators_, strict=True):
        weights[machine.support_, digit] = machine.dual_coef_[0]
    used = weights.any(axis=1)
    intercept = np.array([machine.intercept_[0] for machine in fitted.estimators_])
    state = {"classes.support": pixels[used], "classes.weights": weights[used], "classes.intercept": intercept}
    arguments = _sized(size, support=int(used.sum()), **kernel)
    return _fit("kernel_machine", arguments, state, fitted.predict(pixels))


def network(
    images: Batch,
    labels: Labels,
    *,
    seed: int,
    builder: str,
    arguments: Mapping[str, Any],
    epochs: int,
    learning_rate: float = 3e-3,
    weight_decay: float = 1e-2,
    batch_size: int = 32,
    jitter: bool = False,
) -> Fit:
    """Trains `networks.<builder>(**arguments)` with AdamW on the cross-entropy, the learning rate falling to 0.

    `jitter` turns, stretches and moves each image a little, anew in each epoch (see `jittered`).
    The random state of torch is as before afterwards.
    """
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = getattr(networks, builder)(**arguments).train()
        optimizer = torch.optim.AdamW(module.parameters(), lr=learning_rate, weight_decay=weight_decay)
        steps = epochs * math.ceil(len(y) / batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        for _ in range(epochs):
            for batch in torch.randperm(len(y)).split(batch_size):
                optimizer.zero_grad()
                inputs = jittered(x[batch]) if jitter else x[batch]
                nn.functional.cross_entropy(module(inputs), y[batch]).backward()
                optimizer.step()
                schedule.step()
    return Fit(builder, arguments, {name: tensor.detach() for name, tensor in module.state_dict().items()}, None)


def jittered(images: Float[Tensor, "n 1 8 8"]) -> Float[Tensor, "n 1 8 8"]:
    """Normalised images turned by up to 12°, stretched by up to 10 % and moved by up to one pixel a side."""
    n = len(images)
    angle = (2 * torch.rand(n) - 1) * math.radians(12)
    scale = 1 + 0.1 * (2 * torch.rand(n, 2) - 1)
    shift = (2 * torch.rand(n, 2) - 1) * (2 / networks.SIDE)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).reshape(n, 2, 2)
    grid = nn.functional.affine_grid(
        torch.cat([turn * scale[:, :, None], shift[:, :, None]], dim=2), list(images.shape), align_corners=False
    )
    blank = images.min()  # moved-in pixels are to be blank paper, and grid_sample fills with 0
    return nn.functional.grid_sample(images - blank, grid, align_corners=False) + blank


def _linear(classifier: Any, images: Batch, labels: Labels, size: int) -> Fit:
    pixels = _pixels(images, size)
    fitted = classifier.fit(pixels, labels)
    state = {"classes.weight": fitted.coef_, "classes.bias": fitted.intercept_}
    return _fit("linear", _sized(size), state, fitted.predict(pixels))


def _pixels(images: Batch, size: int) -> Float[np.ndarray, "n p"]:
    """What the module's own first layer makes of the images, in the double precision that scikit-learn computes in."""
    return networks.Pixels(size)(torch.from_numpy(images)).numpy().astype(np.float64)


def _sized(size: int, **arguments: Any) -> dict[str, Any]:
    """The builder's arguments; `size` only where it is not the images' own, to keep registry entries short."""
    return arguments if size == networks.SIDE else {**arguments, "size": size}


def _fit(
    builder: str, arguments: Mapping[str, Any], state: Mapping[str, np.ndarray], predicted: Int64[np.ndarray, " n"]
) -> Fit:
    tensors = {}
    for name, values in state.items():
        kind = np.int64 if np.issubdtype(values.dtype, np.integer) else np.float32
        tensors[name] = torch.from_numpy(np.array(values, dtype=kind))
    return Fit(builder, arguments, tensors, predicted)
