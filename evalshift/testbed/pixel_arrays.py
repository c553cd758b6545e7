"""The images of a dataset as one array of equal size, to compare them pixel by pixel."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import UInt8

from evalshift.testbed.datasets import Dataset
from evalshift.testbed.image_files import open_rgb

_TOGETHER = 256


def pixel_array(
    dataset: Dataset, size: int | None, workers: int = 2, advance: Callable[[int], None] = lambda _: None
) -> UInt8[np.ndarray, "n h w c"]:
    """All images, uint8 (n, h, w, c): as they are where they are an array and `size` is None, else size × size.

    Images of other sizes are averaged over boxes (Pillow's BOX filter), whatever their aspect ratio. DataError for what
    is no image.
    """
    images = dataset.images
    if isinstance(images, np.ndarray) and (size is None or images.shape[1:3] == (size, size)):
        return images
    assert size is not None  # files have no common size; see `common_size`
    found: np.ndarray | None = None
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(dataset), _TOGETHER):
            part = np.stack(list(pool.map(lambda image: _resized(image, size), images[start : start + _TOGETHER])))
            if found is None:
                found = np.empty((len(dataset), *part.shape[1:]), np.uint8)
            found[start : start + len(part)] = part
            advance(len(part))
    assert found is not None  # a dataset without images is refused when it is made
    return found


def common_size(datasets: list[Dataset], size: int | None) -> int | None:
    """The size at which images of these datasets are compared: as asked; None where all are arrays of one; else 32."""
    shapes = {one.images.shape[1:3] if isinstance(one.images, np.ndarray) else None for one in datasets}
    return size if size is not None or (len(shapes) == 1 and None not in shapes) else 32


def with_channels(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with as many channels: where one of them is grey, it is repeated three times."""
    if one.shape[3] == other.shape[3]:
        return one, other
    return tuple(np.repeat(a, 3, axis=3) if a.shape[3] == 1 else a for a in (one, other))  # pyright: ignore


def pixel_hashes(dataset: Dataset, workers: int = 2, advance: Callable[[int], None] = lambda _: None) -> list[bytes]:
    """A hash of each image's decoded pixels and their shape: equal ones mean equal pixels, whatever the file format."""
    found: list[bytes] = []
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(dataset), _TOGETHER):
            part = list(pool.map(_hash, dataset.images[start : start + _TOGETHER]))
            found += part
            advance(len(part))
    return found


def _hash(image: Any) -> bytes:
    pixels = np.asarray(image if isinstance(image, np.ndarray) else open_rgb(image))
    if pixels.shape[-1] == 1 or pixels.ndim == 2:
        pixels = np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    return hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).digest()


def _resized(image: Any, size: int) -> np.ndarray:
    from PIL import Image

    if isinstance(image, np.ndarray):
        picture = Image.fromarray(np.ascontiguousarray(image[:, :, 0] if image.shape[2] == 1 else image))
    else:
        picture = open_rgb(image)
    resized = np.asarray(picture.resize((size, size), Image.Resampling.BOX))
    return resized if resized.ndim == 3 else resized[:, :, None]
