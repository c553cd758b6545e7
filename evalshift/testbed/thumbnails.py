"""Small pictures of a dataset's images, for pages and sheets."""

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from evalshift.testbed.image_files import open_image

if TYPE_CHECKING:
    from PIL.Image import Image


def picture_of(image: Any, size: int | None = None) -> "Image":
    """An image of a dataset, a uint8 array (h, w, c) or an encoded file, as Pillow has it, RGB or grey.

    size   the longer side in pixels at most; None for the size that it has
    """
    from PIL import Image

    if isinstance(image, np.ndarray):
        picture = Image.fromarray(np.ascontiguousarray(image[:, :, 0] if image.shape[2] == 1 else image))
    else:
        with open_image(image) as opened:
            if size is not None:
                opened.draft("RGB", (2 * size, 2 * size))
            picture = opened.convert("RGB")
    if size is not None:
        picture.thumbnail((size, size))
    return picture


def encode_picture(image: Any, size: int) -> tuple[str, bytes]:
    """A picture's media type and bytes, its longer side `size` pixels at most.

    Images of half that size stay exact (PNG), others become small JPEGs.
    """
    picture = picture_of(image, None if isinstance(image, np.ndarray) else size)
    kind = "PNG" if max(picture.size) <= size // 2 else "JPEG"
    picture.thumbnail((size, size))
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"optimize": True} if kind == "PNG" else {"quality": 80}))
    return f"image/{kind.lower()}", buffer.getvalue()


def data_url(image: Any, size: int) -> str:
    """A picture as a data: URL; see `encode_picture`."""
    kind, content = encode_picture(image, size)
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
