"""Image files, as Pillow decodes them: the one place where a picture of someone else's is opened.

`run`, `check --data`, `dataset stats`, `dataset downsample` and the page all come by here, so that an image is read by
all of them alike, or refused by all of them in the same words.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from evalshift.errors import DataError
from evalshift.file_faults import file_fault
from evalshift.files import read_bytes, refuse_special, sha256_of

if TYPE_CHECKING:
    from PIL.Image import Image

# Raster formats whose decoders are libraries; JPEG takes in the MPO of cameras and telephones. Pillow also opens some
# that start a program (EPS calls Ghostscript) or need a handler that is not here: no test set is kept in one of them.
FORMATS = (
    "AVIF", "BMP", "DDS", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "QOI", "SGI", "TGA", "TIFF",
    "WEBP",
)  # fmt: skip
# The suffixes that Pillow knows for them, and .jif, by which some cameras and tools write JPEG.
SUFFIXES = frozenset({
    ".apng", ".avif", ".avifs", ".bmp", ".bw", ".dds", ".dib", ".gif", ".icb", ".ico", ".j2c", ".j2k", ".jfif", ".jif",
    ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".mpo", ".pbm", ".pcx", ".pfm", ".pgm", ".png", ".pnm",
    ".ppm", ".qoi", ".rgb", ".rgba", ".sgi", ".tga", ".tif", ".tiff", ".vda", ".vst", ".webp",
})  # fmt: skip
_NAMED = SUFFIXES | {".npy"}


def is_image_name(name: str) -> bool:
    """Whether a name is one of an image file by its suffix, or of an image that was saved as an array.

    >>> is_image_name("n01440764/val_293.JPEG"), is_image_name("cat.npy"), is_image_name("labels.csv")
    (True, True, False)
    """
    return PurePosixPath(name).suffix.lower() in _NAMED


@runtime_checkable
class PackedImage(Protocol):
    """An encoded image inside a larger file; `str` of it says where it lies."""

    def read(self) -> bytes:
        """The bytes of the image file. OSError where they cannot be read."""
        ...


# What one image of a dataset is, before it is decoded.
StoredImage = Path | PackedImage


@dataclass(frozen=True)
class BytesImage:
    """An encoded image in memory; `name` says where it came from."""

    name: str
    content: bytes

    def read(self) -> bytes:
        """The bytes of the image file."""
        return self.content

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class BorderedImage:
    """An encoded image with a frame of `border` pixels on each side that is no part of the picture."""

    image: StoredImage
    border: int

    def read(self) -> bytes:
        """The bytes of the image file, with the frame."""
        return read_bytes(self.image) if isinstance(self.image, Path) else self.image.read()

    def __str__(self) -> str:
        return str(self.image)


def without_border(images: Any, border: int, where: str) -> Any:
    """Images, an array (n, h, w, c) or stored ones, without a frame of `border` pixels on each side.

    Raises DataError where nothing would be left of an array.
    """
    if not border:
        return images
    if not isinstance(images, np.ndarray):
        return tuple(BorderedImage(image, border) for image in images)
    if min(images.shape[1:3]) <= 2 * border:
        raise _only_border(where, border, (images.shape[2], images.shape[1]))
    return images[:, border:-border, border:-border]


def _only_border(where: object, border: int, size: tuple[int, int]) -> DataError:
    return DataError(
        "an image is no larger than the border that is cropped",
        where=where,
        found=f"{size[0]} × {size[1]} pixels",
        expected=f"more than {2 * border} pixels on each side",
        fix="check the field `border`",
    )


def content_hash(image: StoredImage) -> str:
    """The sha256 of the encoded image as 64 hex digits."""
    return sha256_of(image) if isinstance(image, Path) else hashlib.sha256(image.read()).hexdigest()


def is_jpeg(image: StoredImage) -> bool:
    """Whether an image is a JPEG file: by its suffix, or by its first bytes where it has no name."""
    return (
        image.suffix.lower() in (".jpg", ".jpeg", ".jfif")
        if isinstance(image, Path)
        else image.read()[:2] == b"\xff\xd8"
    )


@contextmanager
def open_image(image: StoredImage) -> Iterator[Image]:
    """The image, opened and not yet decoded; of several frames, the first. Whatever Pillow raises passes through."""
    from PIL import Image

    if isinstance(image, Path):
        refuse_special(image)
        source: Any = image
    else:
        source = io.BytesIO(image.read())
    with Image.open(source, formats=FORMATS) as opened:
        yield opened


@contextmanager
def only_these_formats() -> Iterator[None]:
    """Let libraries that open images by themselves open these FORMATS alone, for as long as the block takes."""
    from PIL import Image

    Image.init()  # else Pillow would look for more of them at the first file that it does not know
    before = list(Image.ID)
    Image.ID[:] = [name for name in before if name in FORMATS]
    try:
        yield
    finally:
        Image.ID[:] = before


def open_rgb(image: StoredImage, where: object = None, reduced: tuple[int, int] | None = None) -> Image:
    """One image as RGB with 8 bits per channel, as Pillow's `convert` makes it.

    The orientation in EXIF is not applied, as in Pillow, torchvision and timm, whose accuracies are published.
    reduced   width and height that are enough: a JPEG file is then decoded to a half, a quarter or an eighth of its
              size where that has as many, which is quicker and gives other pixels
    Raises DataError for what is no image of these FORMATS, and for one with more than 8 bits per channel.
    """
    where = image if where is None else where
    border = image.border if isinstance(image, BorderedImage) else 0
    try:
        with open_image(image) as opened:
            mode = opened.mode
            if reduced is not None and not border:  # at another size its border would have another width
                opened.draft("RGB", reduced)
            picture = opened.convert("RGB")
    except Exception as error:  # Pillow raises half a dozen kinds for damaged files
        raise DataError(
            "an image cannot be read",
            where=where,
            found=file_fault(error),
            expected="an image that Pillow reads",
            fix="copy it again, or remove it from the dataset",
        ) from error
    refuse_deep(mode, where)
    return _cropped(picture, border, where) if border else picture


def _cropped(picture: Image, border: int, where: object) -> Image:
    width, height = picture.size
    if min(width, height) <= 2 * border:
        raise _only_border(where, border, picture.size)
    return picture.crop((border, border, width - border, height - border))


def refuse_deep(mode: str, where: object) -> None:
    """Raise DataError for a mode of Pillow's with more than 8 bits per channel.

    Pillow would cut every value above 255 down to it, and leave a white picture without a word.
    """
    if mode.startswith(("I", "F")):
        raise DataError(
            "an image has more than 8 bits per channel",
            where=where,
            found=f"Pillow's mode {mode}",
            expected="8 bits per channel",
            fix="scale its values to 0 to 255 and save it with 8 bits per channel",
        )
