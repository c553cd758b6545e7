"""What the image files of a dataset are like: sizes, formats, JPEG quality."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from evalshift.errors import DataError, first_line
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.image_files import open_image

_TOGETHER = 256
# The luminance table of the JPEG standard (ITU-T T.81, table K.1) in zigzag order, which the IJG's quality scales.
_STANDARD = np.array([
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61,
    60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113,
    121, 112, 100, 120, 92, 101, 103, 99,
])  # fmt: skip


@dataclass(frozen=True, eq=False)
class FileFacts:
    """Facts of n images: width and height in pixels, formats with their counts, and JPEG qualities.

    quality   of each JPEG file, 1 to 100 on the scale of the Independent JPEG Group; empty where there are none
    standard  how many of these have exactly the quantisation table of their quality; of the others it is an estimate
    """

    width: np.ndarray
    height: np.ndarray
    formats: dict[str, int]
    quality: np.ndarray
    standard: int = 0


def file_facts(dataset: Dataset, workers: int = 2, advance: Callable[[int], None] = lambda _: None) -> FileFacts:
    """Read sizes, formats and JPEG qualities from the beginnings of files, none of which is decoded.

    Images in an array have one size and the format "array". DataError for what is no image.
    """
    images = dataset.images
    if isinstance(images, np.ndarray):
        advance(len(images))
        size = np.full(len(images), images.shape[2]), np.full(len(images), images.shape[1])
        return FileFacts(*size, {"array": len(images)}, np.array([], dtype=int))
    found: list[tuple[int, int, str, Quality | None]] = []
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(images), _TOGETHER):
            part = list(pool.map(_facts, images[start : start + _TOGETHER]))
            found += part
            advance(len(part))
    width, height, formats, qualities = zip(*found, strict=True)
    known = [one for one in qualities if one is not None]
    return FileFacts(
        np.array(width),
        np.array(height),
        dict(Counter(formats)),
        np.array([one.quality for one in known], dtype=int),
        sum(one.is_standard for one in known),
    )


def _facts(image: Any) -> tuple[int, int, str, "Quality | None"]:
    try:
        with open_image(image) as opened:
            tables = getattr(opened, "quantization", None)
            quality = jpeg_quality(tables[0]) if tables and 0 in tables else None
            return opened.width, opened.height, opened.format or "unknown", quality
    except Exception as error:  # Pillow raises half a dozen kinds for damaged files
        raise DataError("an image cannot be read", where=image, found=first_line(error)) from error


@dataclass(frozen=True)
class Quality:
    """JPEG quality from 1 to 100, and whether the file has exactly the quantisation table of this quality."""

    quality: int
    is_standard: bool


def jpeg_quality(table: Any) -> Quality:
    """The quality whose luminance table is nearest (sum of absolute differences) to a JPEG file's, in any order.

    The IJG's encoder, which Pillow and most programs use, scales the standard's table by a factor that the quality
    gives (jpeg_set_quality in libjpeg's jcparam.c), so that its files tell their quality. Programs with tables of their
    own, such as Photoshop and cameras, have tables between: of these the nearest quality is an estimate.

    >>> jpeg_quality(_STANDARD)
    Quality(quality=50, is_standard=True)
    """
    # Pillow gives rows since version 8.3 and zigzag order before: the sorted values tell the quality in either.
    distance = np.abs(_tables() - np.sort(np.asarray(table))).sum(axis=1)
    nearest = int(distance.argmin())
    return Quality(nearest + 1, bool(distance[nearest] == 0))


@cache
def _tables() -> np.ndarray:
    """The luminance tables of qualities 1 to 100, shape (100, 64), each sorted."""
    quality = np.arange(1, 101)[:, np.newaxis]
    factor = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.sort(np.clip((_STANDARD * factor + 50) // 100, 1, 255), axis=1)
