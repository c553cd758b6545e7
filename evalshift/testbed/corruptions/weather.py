"""Corruptions by weather. Each takes an image (h, w, 3) with intensities from 0 to 1, its severity, and an rng."""

from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Float

from evalshift.testbed.corruptions.blur import moved, zoomed

Image = Float[np.ndarray, "h w 3"]
Number = float | int
# Of R, G and B in a grey value, ITU-R BT.601.
GREY = (0.299, 0.587, 0.114)
# Small images are corrupted with photographs of frost at a fifth of their size, as for CIFAR-10-C.
_SMALL, _FACTOR = 64, 0.2


def snow(image: Image, severity: tuple[Number, ...], rng: np.random.Generator) -> Image:
    """Whiten the image, and add flakes that fall in one direction and, turned by 180°, in the opposite one."""
    mean, deviation, zoom, threshold, radius, sigma, share = severity
    flakes = zoomed(rng.normal(mean, deviation, (*image.shape[:2], 1)), zoom)
    flakes = np.where(flakes < threshold, 0, np.floor(np.clip(flakes, 0, 1) * 255) / 255)
    flakes = np.round(moved(flakes, int(radius), sigma, rng.uniform(-135, -45)) * 255) / 255
    white = np.maximum(image, (image @ GREY)[..., np.newaxis] * 1.5 + 0.5)
    return share * image + (1 - share) * white + flakes + flakes[::-1, ::-1]


def frost(image: Image, severity: tuple[Number, Number], rng: np.random.Generator) -> Image:
    """Lay a part of a photograph of frost over the image."""
    ours, theirs = severity
    height, width = image.shape[:2]
    # Of six photographs the authors' scripts use the first five.
    photograph = _frost(int(rng.integers(5)), height, width)
    top, left = (rng.integers(0, of - side + 1) for of, side in zip(photograph.shape, (height, width), strict=False))
    return ours * image + theirs * photograph[top : top + height, left : left + width]


@cache
def _frost(number: int, height: int, width: int) -> Float[np.ndarray, "h w 3"]:
    """A photograph of frost, at least as large as an image, and a fifth of its size for a small one."""
    from PIL import Image as Pillow
    from skimage.transform import resize

    path = files("torch_uncertainty_assets") / "frost" / f"frost{number + 1}.jpg"
    with path.open("rb") as stream, Pillow.open(stream) as opened:
        photograph = np.asarray(opened.convert("RGB")) / 255
    factor = _FACTOR if max(height, width) <= _SMALL else 1
    factor = max(factor, (height + 1) / photograph.shape[0], (width + 1) / photograph.shape[1])
    if factor == 1:
        return photograph
    size = [int(np.ceil(side * factor)) for side in photograph.shape[:2]]
    return np.asarray(resize(photograph, size, order=1, anti_aliasing=False))


def fog(image: Image, severity: tuple[Number, Number], rng: np.random.Generator) -> Image:
    """Add a fractal cloud, and darken what results to the image's largest value."""
    weight, decay = severity
    height, width = image.shape[:2]
    cloud = _cloud(1 << (max(height, width) - 1).bit_length(), decay, rng)[:height, :width, np.newaxis]
    largest = image.max()
    return (image + weight * cloud) * largest / (largest + weight)


def _cloud(side: int, decay: Number, rng: np.random.Generator) -> Float[np.ndarray, "side side"]:
    """A random landscape from 0 to 1 by the diamond-square algorithm; `side` is a power of 2, edges meet."""
    heights = np.zeros((side, side))
    step, roughness = side, 100.0

    def middle(total: np.ndarray) -> np.ndarray:
        return total / 4 + roughness * rng.uniform(-roughness, roughness, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        beside, below = corners + np.roll(corners, -1, 1), corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = middle(beside + np.roll(beside, -1, 0))
        centres = heights[half::step, half::step]
        heights[::step, half::step] = middle(beside + centres + np.roll(centres, 1, 0))
        heights[half::step, ::step] = middle(below + centres + np.roll(centres, 1, 1))
        step, roughness = half, roughness / decay
    heights -= heights.min()
    return heights / heights.max()
