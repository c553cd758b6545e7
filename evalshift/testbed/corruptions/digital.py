"""Digital corruptions. Each takes an image (h, w, 3) with intensities from 0 to 1, its severity, and an rng."""

import io

import numpy as np
from jaxtyping import Float
from scipy import ndimage

Image = Float[np.ndarray, "h w 3"]
Number = float | int


def brightness(image: Image, added: Number, rng: np.random.Generator) -> Image:
    """Add to the value of HSV."""
    return _in_hsv(image, 2, 1, added)


def saturate(image: Image, severity: tuple[Number, Number], rng: np.random.Generator) -> Image:
    """Multiply the saturation of HSV, and add to it."""
    return _in_hsv(image, 1, *severity)


def _in_hsv(image: Image, channel: int, factor: Number, added: Number) -> Image:
    from skimage.color import hsv2rgb, rgb2hsv

    hsv = rgb2hsv(image)
    hsv[..., channel] = np.clip(hsv[..., channel] * factor + added, 0, 1)
    return hsv2rgb(hsv)


def contrast(image: Image, factor: Number, rng: np.random.Generator) -> Image:
    """Move each channel towards its mean."""
    means = image.mean(axis=(0, 1), keepdims=True)
    return (image - means) * factor + means


def elastic_transform(image: Image, severity: tuple[Number, Number, Number], rng: np.random.Generator) -> Image:
    """Map the image by a random affine map, and move its pixels by a smooth random displacement."""
    reach, smoothness, affine = (min(image.shape[:2]) * part for part in severity)
    height, width = image.shape[:2]
    image = _affine(image, affine, rng)
    down, across = (
        ndimage.gaussian_filter(rng.uniform(-1, 1, (height, width)), smoothness, mode="reflect", truncate=3) * reach
        for _ in range(2)
    )
    y, x = np.mgrid[:height, :width]
    return np.stack(
        [
            ndimage.map_coordinates(channel, (y + down, x + across), order=1, mode="reflect")
            for channel in np.moveaxis(image, -1, 0)
        ],
        axis=-1,
    )


def _affine(image: Image, reach: Number, rng: np.random.Generator) -> Image:
    """The affine map that moves three points around the middle by up to `reach` pixels in each direction."""
    middle, away = np.array(image.shape[:2]) // 2, min(image.shape[:2]) // 3
    points = middle + away * np.array([[1, 1], [-1, 1], [-1, -1]])
    moved = points + rng.uniform(-reach, reach, points.shape)
    # Where each pixel comes from: p = A q + b for the moved points q.
    solved = np.linalg.solve(np.column_stack([moved, np.ones(3)]), points)
    return np.stack(
        [
            ndimage.affine_transform(channel, solved[:2].T, solved[2], order=1, mode="mirror")
            for channel in np.moveaxis(image, -1, 0)
        ],
        axis=-1,
    )


def pixelate(image: Image, factor: Number, rng: np.random.Generator) -> Image:
    """Reduce the image by Pillow's box filter, and enlarge it again."""
    from PIL import Image as Pillow

    height, width = image.shape[:2]
    small = _pillow(image).resize((int(width * factor) or 1, int(height * factor) or 1), Pillow.Resampling.BOX)
    return np.asarray(small.resize((width, height), Pillow.Resampling.BOX)) / 255


def jpeg_compression(image: Image, quality: int, rng: np.random.Generator) -> Image:
    """Store the image as JPEG."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    _pillow(image).save(buffer, "JPEG", quality=quality)
    with Pillow.open(buffer) as opened:
        return np.asarray(opened.convert("RGB")) / 255


def _pillow(image: Image):
    from PIL import Image as Pillow

    return Pillow.fromarray(np.round(image * 255).astype(np.uint8))
