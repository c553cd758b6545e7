"""Checksums of images by their pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from evalshift.testbed.pictures import LARGEST_DECODED, picture_of_file, picture_of_pixels

PIXELS = np.random.default_rng(7).integers(0, 256, size=(8, 9, 3), dtype=np.uint8)


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_picture_is_the_same_in_an_array_and_in_any_file(kind: str) -> None:
    assert picture_of_file(encoded(PIXELS, kind)) == picture_of_pixels(PIXELS)


def test_grey_is_the_same_with_one_channel_and_with_three() -> None:
    grey = PIXELS[:, :, :1]
    assert picture_of_pixels(grey) == picture_of_file(encoded(grey.repeat(3, axis=2), "PNG"))


def test_one_pixel_or_another_shape_make_another_picture() -> None:
    other = PIXELS.copy()
    other[3, 4, 1] ^= 1
    turned = PIXELS.reshape(9, 8, 3)
    assert len({picture_of_pixels(one) for one in (PIXELS, other, turned)}) == 3


def test_a_large_file_is_known_by_its_bytes_and_a_damaged_one_is_no_error() -> None:
    large = np.random.default_rng(1).integers(0, 256, size=(120, 120, 3), dtype=np.uint8)
    file = encoded(large, "PNG")
    assert len(file) > LARGEST_DECODED
    assert picture_of_file(file) == picture_of_file(bytes(file)) != picture_of_pixels(large)
    cut = encoded(PIXELS, "PNG")[:60]
    assert picture_of_file(cut) == picture_of_file(bytes(cut)) != picture_of_pixels(PIXELS)
