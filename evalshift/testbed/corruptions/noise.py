"""Corruptions by noise. Each takes an image (h, w, 3) with intensities from 0 to 1, its severity, and an rng."""

import numpy as np
from jaxtyping import Float

Image = Float[np.ndarray, "h w 3"]
Number = float | int


def gaussian_noise(image: Image, deviation: Number, rng: np.random.Generator) -> Image:
    """Add normal noise of one standard deviation."""
    return image + rng.normal(scale=deviation, size=image.shape)


def shot_noise(image: Image, photons: Number, rng: np.random.Generator) -> Image:
    """Replace each value by a count of photons: Poisson noise."""
    return rng.poisson(image * photons) / photons


def impulse_noise(image: Image, share: Number, rng: np.random.Generator) -> Image:
    """Set a share of the values to 0 or 1: salt and pepper, in each channel by itself."""
    from skimage.util import random_noise

    return random_noise(image, mode="s&p", amount=share, rng=rng)


def speckle_noise(image: Image, deviation: Number, rng: np.random.Generator) -> Image:
    """Add normal noise that is proportional to the intensity."""
    return image + image * rng.normal(scale=deviation, size=image.shape)
