"""Sampling error of the accuracies of many models on the same images, drawn jointly."""

import numpy as np
from jaxtyping import Float

from evalshift.analysis.statistics.paired import discordant
from evalshift.shapes import Correct


def accuracy_noise(correct: Correct, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "m draw"]:
    """Gaussian draws of how far the measured accuracies of models lie from the true ones, as fractions.

    Takes correctness over models and images. The models' errors go together as they do on the images: the draws have
    the covariance of their correctness, over the number of images. (That of a bootstrap over images, for many images.)
    Raises ValueError for fewer than 1 draw and where there are no models or no images.
    """
    if draws < 1:
        raise ValueError(f"draws: found {draws}; expected at least 1")
    if len(correct) == 0:
        raise ValueError("found no models; expected at least 1")
    only, accuracy, images = discordant(correct), correct.mean(axis=1), correct.shape[1]
    both = accuracy[:, np.newaxis] - only / images
    covariance = both - np.outer(accuracy, accuracy)
    # Not by Cholesky: the covariance is singular as soon as two models are correct on the same images.
    of_one_image = rng.multivariate_normal(np.zeros(len(correct)), covariance, size=draws, method="eigh")
    return of_one_image.T / np.sqrt(images)
