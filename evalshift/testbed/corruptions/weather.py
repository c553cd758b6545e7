"""Corruptions by weather. Each takes an image (h, w, 3) with intensities from 0 to 1, its severity, and an rng."""

from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from evalshift.testbed.corruptions.blur import moved, zoomed

Image = Float[np.ndarray, "h w 3"]
Number = float | int
# Of R, G and B in a grey value, ITU-R BT.601.
GREY = (0.299, 0.587, 0.114)
# What spatters: pale turquoise water, brown mud.
_WATER, _MUD = np.array([175, 238, 238]) / 255, np.array([63, 42, 20]) / 255
# Pixels from the edge of a drop of water, from which on all are alike.
_FARTHEST = 20.0
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


def spatter(image: Image, severity: tuple[Number, ...], rng: np.random.Generator) -> Image:
    """Splash water on the lens, which brightens the image within drops, or mud, which covers it."""
    mean, deviation, sigma, threshold, strength, is_mud = severity
    liquid = ndimage.gaussian_filter(rng.normal(mean, deviation, image.shape[:2]), sigma, mode="nearest")
    liquid[liquid < threshold] = 0
    if is_mud:
        mud = ndimage.gaussian_filter((liquid > threshold).astype(float), strength, mode="nearest")
        mud = np.where(mud < 0.8, 0, mud)[..., np.newaxis]
        return (1 - mud) * image + mud * _MUD
    water = _relief((liquid * 255).astype(np.int64).astype(np.uint8))
    return image + strength * water[..., np.newaxis] * _WATER if water.any() else image


def _relief(liquid: UInt8[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """How bright each pixel of the drops is, from 0 to 1: light from one side on what is far from their edges."""
    from skimage.feature import canny

    edges = canny(liquid.astype(float), sigma=0, low_threshold=50, high_threshold=150)
    away = np.asarray(ndimage.distance_transform_edt(~edges)) if edges.any() else np.full(liquid.shape, _FARTHEST)
    even = _equalised(
        np.floor(np.asarray(ndimage.uniform_filter(np.minimum(away, _FARTHEST), 3, mode="mirror"))).astype(np.uint8)
    )
    light = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    lit = np.clip(ndimage.correlate(even.astype(np.int64), light, mode="mirror"), 0, 255)
    bright = liquid * np.round(np.asarray(ndimage.uniform_filter(lit.astype(float), 3, mode="mirror")))
    return bright / max(bright.max(), 1)


def _equalised(values: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """The histogram spread from 0 to 255, as equalizeHist of OpenCV does."""
    counts = np.bincount(values.ravel(), minlength=256)
    first = counts[values.min()]
    if first == values.size:
        return values
    return np.round((counts.cumsum() - first).clip(0) * 255 / (values.size - first)).astype(np.uint8)[values]
