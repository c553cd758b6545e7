"""What else affects predictions: versions of libraries and the JPEG decoder."""

import platform
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

from evalshift._version import __version__
from evalshift.shapes import Images
from evalshift.testbed.image_files import StoredImage, is_jpeg


@cache
def library_versions() -> dict[str, str]:
    """Versions of everything that can affect predictions."""
    libraries = ("torch", "torchvision", "numpy", "pillow")
    return {"evalshift": __version__, "python": platform.python_version(), "platform": sys.platform} | {
        name: version(name) for name in libraries
    }


def jpeg_decoder(images: Images | tuple[StoredImage, ...]) -> dict[str, str]:
    """The library that decodes JPEG files for Pillow, and its version; empty where no image is a JPEG file.

    Decoders differ in the precision of their arithmetic: `{"libjpeg-turbo": "3.2.0"}` or `{"libjpeg": "9.5"}`.
    """
    from PIL import features

    if not isinstance(images, tuple):
        return {}
    # Those inside a larger file have no names, and would all have to be read: the first tells what the others are.
    looked_at = images if isinstance(images[0], Path) else images[:1]
    if not any(map(is_jpeg, looked_at)):
        return {}
    turbo = features.version_feature("libjpeg_turbo")
    return {"libjpeg-turbo": turbo} if turbo else {"libjpeg": features.version_codec("jpg") or "unknown"}
