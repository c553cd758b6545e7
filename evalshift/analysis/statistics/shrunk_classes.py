"""Accuracies of classes on both sets, shrunk jointly, so that the largest drop is not mostly sampling error."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from evalshift.analysis.statistics.image_means import SharedPlaces
from evalshift.analysis.statistics.intervals import Interval, check_level
from evalshift.analysis.statistics.per_class import memberships
from evalshift.errors import AnalysisError
from evalshift.formatting import counted

# Draws of the covariance between classes.
DRAWS = 200
# Fewer classes do not show how much classes differ.
_FEWEST = 4


@dataclass(frozen=True, eq=False)
class ShrunkClasses:
    """Mean accuracy over models on c classes of both sets, fractions, shrunk with a bivariate normal prior.

    original, new   posterior means with their intervals, in [0, 1]; NaN for a class without images on one of the sets
    drop            original minus new posterior mean, with its interval
    spread          standard deviation of the true drops between classes
    """

    original: Float[np.ndarray, " c"]
    original_interval: Interval[np.ndarray]
    new: Float[np.ndarray, " c"]
    new_interval: Interval[np.ndarray]
    drop: Float[np.ndarray, " c"]
    drop_interval: Interval[np.ndarray]
    spread: float


def shrunk_classes(
    original: tuple[Bool[np.ndarray, "m n"], Int[np.ndarray, "n ..."]],
    new: tuple[Bool[np.ndarray, "m k"], Int[np.ndarray, "k ..."]],
    classes: int,
    level: float = 0.95,
    shared: SharedPlaces | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> ShrunkClasses:
    """Shrink the classes' mean accuracies towards their mean, as far as sampling error explains them.

    Takes, for each set, which images each of m models classifies correctly, and the images' labels. The value of an
    image is the share of models that are correct on it. A class's two accuracies are modelled as a draw from a
    bivariate normal distribution, so that a class that is hard on one set is expected to be hard on the other. Its
    covariance is that of the measured accuracies minus the mean sampling variance σ²/n, where σ² is the variance of the
    values within classes. Intervals are those of the posterior, including the errors of the overall mean and of the
    shrinkage: the covariance is re-estimated in a parametric bootstrap over classes (`rng`, by default with a fixed
    seed). `shared` gives the positions in each set of the images that both contain, if any: the errors of a class's two
    accuracies are then correlated, by the covariance of their values within classes.
    Raises ValueError for several labels per image with `shared`, AnalysisError if fewer than four classes have images
    on both sets, or none has two images on one of them.
    Source: Efron and Morris 1972, Biometrika 59(2), 335-347 (empirical Bayes on vectors); 1975, Journal of the American
    Statistical Association 70, 311-319; Laird and Louis 1987, ibid. 82, 739-750 (intervals by parametric bootstrap).

    >>> labels = np.repeat(np.arange(4), 50)
    >>> correct = np.array([np.arange(200) % 50 < 5 * (8 - labels)])
    >>> found = shrunk_classes((correct, labels), (correct, labels), 4)
    >>> found.original.round(2), found.drop.round(2)
    (array([0.78, 0.69, 0.61, 0.52]), array([0., 0., 0., 0.]))
    """
    check_level(level)
    sides = [_class_values(*side, classes) for side in (original, new)]
    total = np.stack([count for count, _, _ in sides])
    there = (total > 0).all(axis=0)
    if there.sum() < _FEWEST or any(np.isnan(within) for _, _, within in sides):
        raise AnalysisError(
            f"classes are shrunk where at least {_FEWEST} have images on both sets, and some several",
            found=f"{counted(int(there.sum()), 'class', 'classes')}",
        )
    accuracy = np.stack([mean for _, mean, _ in sides])[:, there]
    sampling = np.array([within for _, _, within in sides])[:, np.newaxis] / total[:, there]
    middle = accuracy.mean(axis=1)
    noise = np.zeros((accuracy.shape[1], 2, 2))
    noise[:, [0, 1], [0, 1]] = sampling.T
    if shared is not None:
        noise[:, 0, 1] = noise[:, 1, 0] = _shared_noise(original, new, shared, classes)[there]
    between = _positive(np.cov(accuracy) - noise.mean(axis=0))
    apart = (accuracy - middle[:, np.newaxis]).T
    estimate, posterior = _shrunk(between[np.newaxis], noise, apart)
    # The covariance that determines the shrinkage is itself estimated: draws of other values that it might have had.
    others = _drawn_covariances(between, noise, DRAWS, rng or np.random.default_rng(0))
    moved, varied = _shrunk(others, noise, apart)
    moved = moved - estimate
    posterior = varied.mean(axis=0) + np.einsum("dci,dcj->cij", moved, moved) / len(moved)
    estimate = middle + estimate[0]
    variance = np.maximum(0, _variances(posterior))
    reach = stats.norm.isf((1 - level) / 2) * np.sqrt(variance)
    values = np.stack([estimate[:, 0], estimate[:, 1], estimate[:, 0] - estimate[:, 1]])
    bounds = np.stack([values - reach, values + reach])
    values[:2], bounds[:, :2] = np.clip(values[:2], 0, 1), np.clip(bounds[:, :2], 0, 1)
    whole = [np.full(classes, np.nan) for _ in range(9)]
    for place, one in enumerate((*values, *bounds[0], *bounds[1])):
        whole[place][there] = one
    spread = float(np.sqrt(max(0.0, between[0, 0] + between[1, 1] - 2 * between[0, 1])))
    return ShrunkClasses(
        whole[0],
        Interval(whole[3], whole[6]),
        whole[1],
        Interval(whole[4], whole[7]),
        whole[2],
        Interval(whole[5], whole[8]),
        spread,
    )


def _class_values(correct: np.ndarray, labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Number of images of each class, mean of their values, and variance within classes (NaN if undefined)."""
    image, of_class = memberships(labels, classes)
    value = correct.mean(axis=0)[image]
    count = np.bincount(of_class, minlength=classes)
    mean = np.full(classes, np.nan)
    np.divide(np.bincount(of_class, value, classes), count, out=mean, where=count > 0)
    free = len(image) - np.count_nonzero(count)
    within = float(np.sum((value - mean[of_class]) ** 2) / free) if free > 0 else float("nan")
    return count, mean, within


def _shared_noise(
    original: tuple[np.ndarray, np.ndarray], new: tuple[np.ndarray, np.ndarray], shared: SharedPlaces, classes: int
) -> np.ndarray:
    """Covariance of the sampling errors of each class's two accuracies, shape (c,), from the images in both sets."""
    if original[1].ndim > 1 or new[1].ndim > 1:
        raise ValueError("found several labels per image of sets that share images; expected one")
    values, labels = [], []
    for (correct, label), places in zip((original, new), shared, strict=True):
        value = correct.mean(axis=0)
        with np.errstate(invalid="ignore"):
            mean = np.bincount(label, value, classes) / np.bincount(label, minlength=classes)
        values.append((value - mean[label])[places])
        labels.append(label[places])
    alike = labels[0] == labels[1]
    count = np.bincount(labels[0][alike], minlength=classes)
    free = count.sum() - np.count_nonzero(count)
    within = float(np.sum((values[0] * values[1])[alike]) / free) if free > 0 else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.bincount(original[1], minlength=classes) * np.bincount(new[1], minlength=classes)
        return within * np.where(total > 0, count / total, 0.0)


def _shrunk(between: np.ndarray, noise: np.ndarray, apart: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and covariance of c classes for each of d covariances; shapes (d, c, 2) and (d, c, 2, 2).

    Takes covariances (d, 2, 2), sampling errors (c, 2, 2), and distances from the overall means (c, 2), whose errors
    the covariance includes. The posterior mean is also relative to the overall mean.
    """
    # Most classes have the same number of images as other classes.
    distinct, place = np.unique(noise.reshape(-1, 4), axis=0, return_inverse=True)
    total = between[:, np.newaxis] + distinct.reshape(-1, 2, 2)
    kept = (between[:, np.newaxis] @ np.linalg.pinv(total, hermitian=True))[:, place.ravel()]
    left = np.eye(2) - kept
    of_middle = (between + noise.mean(axis=0)) / len(noise)
    turned = left.swapaxes(2, 3)
    posterior = left @ between[:, np.newaxis] + left @ of_middle[:, np.newaxis] @ turned
    return np.einsum("dcij,cj->dci", kept, apart), posterior


def _drawn_covariances(between: np.ndarray, noise: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Estimates of the covariance between classes from as many draws of measured accuracies; shape (d, 2, 2)."""
    classes = len(noise)
    root = np.linalg.cholesky(between + noise + 1e-15 * np.eye(2))
    drawn = np.einsum("cij,dcj->dci", root, rng.standard_normal((draws, classes, 2)))
    apart = drawn - drawn.mean(axis=1, keepdims=True)
    seen = np.einsum("dci,dcj->dij", apart, apart) / (classes - 1)
    return _positive(seen - noise.mean(axis=0))


def _positive(matrix: Float[np.ndarray, "*draws 2 2"]) -> Float[np.ndarray, "*draws 2 2"]:
    """The nearest covariance: eigenvalues below 0 become 0."""
    value, vector = np.linalg.eigh(matrix)
    return (vector * np.maximum(value, 0)[..., np.newaxis, :]) @ vector.swapaxes(-1, -2)


def _variances(posterior: np.ndarray) -> np.ndarray:
    """Variances of both accuracies and of their difference, shape (3, c)."""
    own = posterior[:, 0, 0], posterior[:, 1, 1]
    return np.stack([*own, own[0] + own[1] - posterior[:, 0, 1] - posterior[:, 1, 0]])
