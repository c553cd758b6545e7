"""Corruptions of images, as in CIFAR-10-C and ImageNet-C: made here for one's own images, with the authors' constants.

They are computed with SciPy, scikit-image and Pillow, where the authors' scripts call OpenCV and ImageMagick too, and
with other random numbers: accuracies on them are close to those on the official files, not equal.
Source: Hendrycks and Dietterich 2019; see `severities`.
"""

import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evalshift.errors import UsageError, did_you_mean
from evalshift.shapes import UInt8
from evalshift.testbed.corruptions import blur, digital, noise, weather
from evalshift.testbed.corruptions.severities import KINDS, SEVERITIES, STYLES, VALIDATION

__all__ = ["KINDS", "STYLES", "VALIDATION", "check_kinds", "check_severities", "corrupt_image"]

_MADE_BY: dict[str, Callable[[Any, Any, np.random.Generator], Any]] = {
    name: getattr(module, name)
    for module in (noise, blur, weather, digital)
    for name in (*KINDS, *VALIDATION)
    if hasattr(module, name)
}


def corrupt_image(
    image: UInt8[np.ndarray, "h w c"], kind: str, severity: int, style: str, seed: Sequence[int]
) -> UInt8[np.ndarray, "h w c"]:
    """One image, RGB or grey, corrupted; of the same shape.

    kind      one of KINDS or VALIDATION
    severity  1 to 5
    style     whose constants: cifar10-c for small images, imagenet-c for photographs of 224 pixels on a side
    seed      whole numbers; the same ones give the same image, those of other kinds and severities other noise
    """
    rgb = np.broadcast_to(image, (*image.shape[:2], 3)) / 255
    rng = np.random.default_rng([*seed, zlib.crc32(kind.encode()), severity])
    made = _MADE_BY[kind](rgb, SEVERITIES[style][kind][severity - 1], rng)
    # Fractions are cut off, as the authors' scripts do; a millionth less than a whole number is rounding error.
    whole = np.floor(np.clip(made, 0, 1) * 255 + 1e-6).astype(np.uint8)
    return whole if image.shape[2] == 3 else np.round(whole @ weather.GREY).astype(np.uint8)[..., np.newaxis]


def check_kinds(names: Sequence[str]) -> tuple[str, ...]:
    """The kinds that names stand for, each once: gaussian-noise or gaussian_noise; all for the 15 of the benchmarks.

    Raises UsageError for an unknown one.
    """
    known, found = (*KINDS, *VALIDATION), []
    for name in names:
        kind = re.sub(r"[\s-]+", "_", name.strip().lower())
        if kind not in (*known, "all"):
            raise UsageError(
                f'unknown corruption "{name}" (`kind`)',
                expected=f"all, {', '.join(known)}",
                fix=did_you_mean(kind, known),
            )
        found += KINDS if kind == "all" else [kind]
    if not found:
        raise UsageError("no corruption is named (`kind`)", expected=f"all, {', '.join(known)}")
    return tuple(dict.fromkeys(found))


def check_severities(text: str) -> tuple[int, ...]:
    """Severities from text such as 3, 1-5 or 1,3,5. Raises UsageError where it has others than 1 to 5."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-5])\s*(?:[-–]\s*([1-5])\s*)?", part)
        if match is None or (match[2] and match[2] < match[1]):
            raise UsageError("invalid `severity`", found=text, expected="1 to 5, such as 3, 1-5 or 1,3,5")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(sorted(set(found)))
