"""Corruptions by blur. Each takes an image (h, w, 3) with intensities from 0 to 1, its severity, and an rng."""

import numpy as np
from jaxtyping import Float
from scipy import ndimage

Image = Float[np.ndarray, "h w c"]
Number = float | int


def gaussian_blur(image: Image, sigma: Number, rng: np.random.Generator) -> Image:
    """Blur with a Gaussian of `sigma` pixels."""
    return ndimage.gaussian_filter(image, sigma, mode="nearest", axes=(0, 1))


def defocus_blur(image: Image, severity: tuple[Number, Number], rng: np.random.Generator) -> Image:
    """Average over a disk, as a lens out of focus does."""
    return ndimage.convolve(image, _disk(*severity)[..., np.newaxis], mode="mirror")


def _disk(radius: Number, blur: Number) -> Float[np.ndarray, "side side"]:
    """A disk of sum 1, its edge blurred within 1 pixel, 2 for large disks."""
    reach, near = (8, 1) if radius <= 8 else (int(radius), 2)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (x**2 + y**2 <= radius**2).astype(float)
    return ndimage.gaussian_filter(disk / disk.sum(), blur, radius=near, mode="mirror")


def glass_blur(image: Image, severity: tuple[Number, Number, Number], rng: np.random.Generator) -> Image:
    """Replace each pixel by one nearby, from the bottom right to the top left, between two Gaussian blurs.

    The authors' script means to swap pixels, but writes one of them only, and CIFAR-10-C and ImageNet-C are made by it.
    """
    sigma, reach, passes = severity[0], int(severity[1]), int(severity[2])
    blurred = np.floor(gaussian_blur(image, sigma, rng) * 255) / 255
    height, width = image.shape[:2]
    rows, columns = range(height - reach, reach, -1), range(width - reach, reach, -1)
    offsets = rng.integers(-reach, reach, (passes, len(rows), len(columns), 2)) @ (width, 1)
    source = list(range(height * width))
    for offsets_of_pass in offsets.tolist():
        for row, of_row in zip(rows, offsets_of_pass, strict=True):
            start = row * width
            for column, offset in zip(columns, of_row, strict=True):
                source[start + column] = source[start + column + offset]
    return gaussian_blur(blurred.reshape(-1, 3)[source].reshape(image.shape), sigma, rng)


def motion_blur(image: Image, severity: tuple[Number, Number], rng: np.random.Generator) -> Image:
    """Move the camera along a line at −45° to 45°."""
    radius, sigma = severity
    return moved(image, int(radius), sigma, rng.uniform(-45, 45))


def moved(image: Image, radius: int, sigma: Number, angle: Number) -> Image:
    """Average over 2 · radius + 1 pixels along a line, with the weights of half a Gaussian; edges are repeated.

    Source: MagickMotionBlurImage of ImageMagick, which the authors' scripts call.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    direction = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    down, across = (np.ceil(steps * part - 0.5).astype(int) for part in direction)
    margin = 2 * radius + 1
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    height, width = image.shape[:2]
    total = np.zeros_like(image)
    for weight, y, x in zip(weights / weights.sum(), margin + down, margin + across, strict=True):
        total += weight * padded[y : y + height, x : x + width]
    return total


def zoom_blur(image: Image, factors: Float[np.ndarray, " factors"], rng: np.random.Generator) -> Image:
    """Average over the image at several zoom factors, as a zoom lens in motion does."""
    return np.mean([image, *(zoomed(image, factor) for factor in factors)], axis=0)


def zoomed(image: Image, factor: Number) -> Image:
    """The middle of an image, enlarged to its size by linear interpolation."""
    height, width = image.shape[:2]
    rows, columns = (int(np.ceil(side / factor)) for side in (height, width))
    top, left = (height - rows) // 2, (width - columns) // 2
    middle = image[top : top + rows, left : left + columns]
    large = np.asarray(ndimage.zoom(middle, (factor, factor, 1), order=1))
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return large[top : top + height, left : left + width]
