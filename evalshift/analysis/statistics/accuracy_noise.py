"""Sampling error of the accuracies of many models on the same images: its covariance, and joint draws of it."""

import numpy as np
from jaxtyping import Float

from evalshift.analysis.statistics.paired import discordant
from evalshift.shapes import Correct


def image_covariance(correct: Correct) -> Float[np.ndarray, "m m"]:
    """Covariance of the correctness of m models over the images that they share: of a single image, not of a mean.

    Takes correctness over models and images. The diagonal holds p(1 − p).
    Raises ValueError where there are no images.

    >>> image_covariance(np.array([[True, True, False, False], [True, True, True, False]]))
    array([[0.25  , 0.125 ],
           [0.125 , 0.1875]])
    """
    only = discordant(correct)
    accuracy = correct.mean(axis=1)
    both = accuracy[:, np.newaxis] - only / correct.shape[1]
    return both - np.outer(accuracy, accuracy)


def usual_draws(models: int) -> int:
    """How many draws a quantile of the largest of so many errors takes: of many models fewer, for each costs more.

    With 2,000 the 95 % quantile is that of a level between 94 and 96 %.
    """
    return 10_000 if models <= 200 else 2_000


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
    # Not by Cholesky: the covariance is singular as soon as two models are correct on the same images.
    of_one_image = rng.multivariate_normal(np.zeros(len(correct)), image_covariance(correct), size=draws, method="eigh")
    return of_one_image.T / np.sqrt(correct.shape[1])
