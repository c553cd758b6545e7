"""Sums over models for each image, some images at a time, because an array of all models and images is too large."""

import numpy as np
from jaxtyping import Float

from evalshift.shapes import Correct

_IMAGES_IN_A_CHUNK = 4096


def image_sums(
    weights: Float[np.ndarray, " m"], correct: Correct, less: Float[np.ndarray, " m"] | None = None
) -> Float[np.ndarray, " n"]:
    """Sum of the weights of the models that classify each image correctly; `less` is subtracted from each 0 or 1.

    >>> image_sums(np.array([1.0, 10.0]), np.array([[True, False], [True, True]]))
    array([11., 10.])
    """
    return np.concatenate(
        [weights @ (part if less is None else part - less[:, np.newaxis]) for part in image_parts(correct)]
    )


def image_parts(correct: Correct) -> list[np.ndarray]:
    """Correctness on all images in parts of a few images, of about equal size."""
    return np.array_split(correct, max(1, -(-correct.shape[1] // _IMAGES_IN_A_CHUNK)), axis=1)
