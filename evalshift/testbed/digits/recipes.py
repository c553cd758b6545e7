"""What is trained: 36 models from poor to good, and what makes each of them so.

In the names, n20 is the number of training images where it is not all of them, 4x4 the resolution the model sees,
another number the width (random features, hidden units, channels), short and long the training, and jitter says that
training images were turned, stretched and moved.

Widths, lengths and numbers of images were chosen to spread the accuracies on the original set; none was chosen by its
accuracy on the new one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from evalshift.testbed.digits import fitting
from evalshift.testbed.digits.fitting import Fit


@dataclass(frozen=True)
class Recipe:
    """One model to train.

    fit     takes normalised images, labels and `seed`
    images  how many training images, the first ones of the split's balanced order; None for all 453
    year    of the method's publication, where one paper stands for it
    """

    name: str
    family: str
    year: int | None
    fit: Callable[..., Fit]
    images: int | None = None


# gamma is 1/pixels: squared distances grow with the number of pixels, so that kernels reach as far at either size.
RBF = {"kernel": "rbf", "gamma": 1 / 64}
CUBIC = {"kernel": "polynomial", "gamma": 1 / 64, "degree": 3, "coef0": 1.0}
RBF_4X4 = {"kernel": "rbf", "gamma": 1 / 16}


def _centroid(name: str, images: int | None = None, **options) -> Recipe:
    return Recipe(f"digits-centroid{name}", "centroid", None, partial(fitting.nearest_centroid, **options), images)


def _neighbour(name: str, images: int | None = None, **options) -> Recipe:  # Cover and Hart 1967
    return Recipe(f"digits-neighbour{name}", "neighbour", 1967, partial(fitting.nearest_neighbour, **options), images)


def _ridge(name: str, images: int | None = None, **options) -> Recipe:  # Hoerl and Kennard 1970
    return Recipe(f"digits-ridge{name}", "linear", 1970, partial(fitting.ridge, alpha=10.0, **options), images)


def _lda(name: str, **options) -> Recipe:  # Fisher 1936, older than any year that a registry takes
    return Recipe(f"digits-lda{name}", "linear", None, partial(fitting.discriminant, shrinkage=0.1, **options))


def _logistic(name: str, **options) -> Recipe:  # Cox 1958
    return Recipe(f"digits-logistic{name}", "linear", 1958, partial(fitting.logistic, C=0.1, **options))


def _random(features: int) -> Recipe:  # Rahimi and Recht 2007
    fit = partial(fitting.random_features, features=features, gamma=0.005, alpha=0.01)
    return Recipe(f"digits-random-{features}", "random-features", 2007, fit)


def _svm(name: str, kernel: dict, images: int | None = None, **options) -> Recipe:  # Cortes and Vapnik 1995
    fit = partial(fitting.support_vectors, kernel=kernel, C=10.0, **options)
    return Recipe(f"digits-svm{name}", "kernel", 1995, fit, images)


def _kernel_ridge(name: str, kernel: dict) -> Recipe:  # Saunders, Gammerman and Vovk 1998
    return Recipe(f"digits-kernel-ridge{name}", "kernel", 1998, partial(fitting.kernel_ridge, kernel=kernel, alpha=0.1))


def _mlp(name: str, hidden: list[int], **options) -> Recipe:  # Rumelhart, Hinton and Williams 1986
    fit = partial(fitting.network, builder="mlp", arguments={"hidden": hidden}, **options)
    return Recipe(f"digits-mlp{name}", "mlp", 1986, fit)


def _cnn(name: str, channels: list[int], **options) -> Recipe:  # LeCun et al. 1989
    fit = partial(fitting.network, builder="cnn", arguments={"channels": channels}, **options)
    return Recipe(f"digits-cnn{name}", "cnn", 1989, fit)


RECIPES: tuple[Recipe, ...] = (
    _centroid("-n20", images=20),
    _centroid("-4x4", size=4),
    _centroid(""),
    _neighbour("-n10", images=10),
    _neighbour("-n20", images=20),
    _neighbour("-n60", images=60),
    _neighbour("-4x4", size=4),
    _neighbour(""),
    _ridge("-n10", images=10),
    _ridge("-n20", images=20),
    _ridge("-n40", images=40),
    _ridge("-4x4", size=4),
    _ridge(""),
    _lda("-4x4", size=4),
    _lda(""),
    _logistic(""),
    _random(10),
    _random(20),
    _random(40),
    _random(80),
    _random(640),
    _svm("-rbf-n40", RBF, images=40),
    _svm("-rbf-4x4", RBF_4X4, size=4),
    _svm("-rbf", RBF),
    _svm("-cubic", CUBIC),
    _kernel_ridge("-rbf", RBF),
    _mlp("-8-short", [8], epochs=10),
    _mlp("-16-short", [16], epochs=8),
    _mlp("-16", [16], epochs=40),
    _mlp("-128", [128], epochs=40),
    _mlp("-128-128-jitter", [128, 128], epochs=80, jitter=True),
    _cnn("-4-8-short", [4, 8], epochs=10),
    _cnn("-4-8", [4, 8], epochs=30),
    _cnn("-16-32", [16, 32], epochs=30),
    _cnn("-16-32-64-long", [16, 32, 64], epochs=120),
    _cnn("-32-64-jitter", [32, 64], epochs=150, jitter=True),
)
