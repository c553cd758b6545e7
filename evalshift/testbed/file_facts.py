"""What the image files of a dataset are like: sizes, formats, JPEG quality."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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

    quality  of each JPEG file, 1 to 100 on the scale of the Independent JPEG Group; empty where there are none
    """

    width: np.ndarray
    height: np.ndarray
    formats: dict[str, int]
    quality: np.ndarray


def file_facts(dataset: Dataset, workers: int = 2, advance: Callable[[int], None] = lambda _: None) -> FileFacts:
    """Read sizes, formats and JPEG qualities from the beginnings of files, none of which is decoded.

    Images in an array have one size and the format "array". DataError for what is no image.
    """
    images = dataset.images
    if isinstance(images, np.ndarray):
        advance(len(images))
        size = np.full(len(images), images.shape[2]), np.full(len(images), images.shape[1])
        return FileFacts(*size, {"array": len(images)}, np.array([], dtype=int))
    found: list[tuple[int, int, str, int | None]] = []
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(images), _TOGETHER):
            part = list(pool.map(_facts, images[start : start + _TOGETHER]))
            found += part
            advance(len(part))
    width, height, formats, quality = zip(*found, strict=True)
    return FileFacts(
        np.array(width), np.array(height), dict(Counter(formats)), np.array([one for one in quality if one], dtype=int)
    )


def _facts(image: Any) -> tuple[int, int, str, int | None]:
    try:
        with open_image(image) as opened:
            tables = getattr(opened, "quantization", None)
            quality = jpeg_quality(tables[0]) if tables and 0 in tables else None
            return opened.width, opened.height, opened.format or "unknown", quality
    except Exception as error:  # Pillow raises half a dozen kinds for damaged files
        raise DataError("an image cannot be read", where=image, found=first_line(error)) from error


def jpeg_quality(table: Any) -> int:
    """The quality, 1 to 100, whose luminance table is nearest to a JPEG file's, in zigzag or in row order.

    Files of other encoders than the IJG's have tables between: the nearest quality is an estimate.

    >>> jpeg_quality(_STANDARD)
    50
    """
    # Pillow gives rows since version 8.3 and zigzag order before: the sorted values tell the quality in either.
    mine = np.sort(np.asarray(table))
    return int(np.argmin([np.abs(np.sort(_scaled(quality)) - mine).sum() for quality in range(1, 101)])) + 1


def _scaled(quality: int) -> np.ndarray:
    factor = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((_STANDARD * factor + 50) // 100, 1, 255)
