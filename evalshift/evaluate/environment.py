"""What else shaped the numbers: versions of libraries and the JPEG decoder."""

import platform
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

from evalshift._version import __version__
from evalshift.shapes import Images


@cache
def library_versions() -> dict[str, str]:
    """Versions of whatever shapes the numbers."""
    libraries = ("torch", "torchvision", "numpy", "pillow")
    return {"evalshift": __version__, "python": platform.python_version(), "platform": sys.platform} | {
        name: version(name) for name in libraries
    }


def jpeg_decoder(images: Images | tuple[Path, ...]) -> dict[str, str]:
    """The library that takes JPEG files apart for Pillow, and its version; empty where no image is such a file.

    Decoders differ in how exactly they work out a pixel: `{"libjpeg-turbo": "3.2.0"}` or `{"libjpeg": "9.5"}`.
    """
    from PIL import features

    if not isinstance(images, tuple) or not any(path.suffix.lower() in (".jpg", ".jpeg") for path in images):
        return {}
    turbo = features.version_feature("libjpeg_turbo")
    return {"libjpeg-turbo": turbo} if turbo else {"libjpeg": features.version_codec("jpg") or "unknown"}
