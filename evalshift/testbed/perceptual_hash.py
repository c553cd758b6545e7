"""Perceptual hashes: 64 bits per image that resized, compressed or recoloured copies share but for a few."""

import numpy as np
from jaxtyping import Int, UInt8
from scipy.fft import dctn

from evalshift.errors import UsageError
from evalshift.testbed.nearest import candidates

_SIDE = 8
# ITU-R 601, as Pillow's mode L.
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_TOGETHER = 2000


def perceptual_hashes(images: UInt8[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n 64"]:
    """The bits of each image's hash, 0 or 1: which of its 8 × 8 lowest frequencies are above their median.

    Frequencies are of the discrete cosine transform of the grey image.
    UsageError for images with fewer than 8 pixels on a side.
    Source: pHash (Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions). Of images of
    32 × 32 pixels the hashes of the package ImageHash, but for the rounding of grey.
    """
    if min(images.shape[1:3]) < _SIDE:
        raise UsageError(
            "these images are too small for a perceptual hash",
            found=f"{images.shape[1]} × {images.shape[2]} pixels",
            expected=f"at least {_SIDE} × {_SIDE}",
        )
    parts = [_hashes(images[start : start + _TOGETHER]) for start in range(0, len(images), _TOGETHER)]
    return np.concatenate(parts) if parts else np.empty((0, _SIDE**2), np.uint8)


def alike(
    queries: UInt8[np.ndarray, "n h w c"], references: UInt8[np.ndarray, "m h w d"], k: int, *, same: bool = False
) -> Int[np.ndarray, "n k"]:
    """Positions of the k references whose hashes differ from each query's in the fewest bits, all of fewer.

    same  both are the same images; none is its own neighbour
    """
    hashes = perceptual_hashes(queries)
    return candidates(hashes, hashes if same else perceptual_hashes(references), k, same=same)


def _hashes(images: np.ndarray) -> np.ndarray:
    grey = images[..., 0].astype(np.float32) if images.shape[3] == 1 else images[..., :3] @ _GREY
    low = np.asarray(dctn(grey, axes=(1, 2)))[:, :_SIDE, :_SIDE].reshape(len(images), -1)
    return (low > np.median(low, axis=1, keepdims=True)).astype(np.uint8)
