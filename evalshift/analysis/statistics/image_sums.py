"""Sums over models for each image, some images at a time: numbers of all images of a thousand models fill 80 MB."""

import numpy as np
from jaxtyping import Float

from evalshift.shapes import Correct

_IMAGES_IN_A_CHUNK = 4096


def image_sums(
    weights: Float[np.ndarray, " m"], correct: Correct, less: Float[np.ndarray, " m"] | None = None
) -> Float[np.ndarray, " n"]:
    """The weights of the models that classify each image correctly, summed; `less` is taken off each model's 0 or 1.

    >>> image_sums(np.array([1.0, 10.0]), np.array([[True, False], [True, True]]))
    array([11., 10.])
    """
    return np.concatenate(
        [weights @ (part if less is None else part - less[:, np.newaxis]) for part in image_parts(correct)]
    )


def image_parts(correct: Correct) -> list[np.ndarray]:
    """Correctness on all images in parts of about the same size, few images in each."""
    return np.array_split(correct, max(1, -(-correct.shape[1] // _IMAGES_IN_A_CHUNK)), axis=1)
