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


@cache
def pixel_libraries(*, files: bool) -> dict[str, str]:
    """Versions of what decides pixels on the host: of Pillow and its decoders for image files, of torch for arrays."""
    if files:
        from PIL import features

        # Formats without loss are the same to the bit in all versions.
        lossy = {name: features.version_codec(name) for name in ("jpg", "jpg_2000", "libtiff")}
        lossy |= {name: features.version_module(name) for name in ("webp", "avif") if features.check_module(name)}
        turbo = {"libjpeg-turbo": features.version_feature("libjpeg_turbo")}
        return {"pillow": version("pillow")} | {name: said for name, said in (lossy | turbo).items() if said}
    import torch

    # torch resizes by other instructions on other processors.
    return {name: version(name) for name in ("torch", "torchvision")} | {
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
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
