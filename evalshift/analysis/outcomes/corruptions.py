"""Which corruption of which benchmark a dataset is, from its entry or its name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# In the order of Hendrycks and Dietterich 2019, table 1: the mean corruption error is over these.
BENCHMARK = (
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
# Released beside them to tune models on; no part of the mean.
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
_SHORT = {"elastic": "elastic_transform", "jpeg": "jpeg_compression"}
# Folders that ImageNet-C is sorted into.
_KINDS = re.compile(r"[@/_\s.-]+(?:noise|blur|weather|digital|extra)$", re.IGNORECASE)
_BETWEEN = r"[@/_\s.-]*"
_CORRUPTION = "|".join(name.replace("_", r"[_\s-]?") for name in (*BENCHMARK, *EXTRA, *_SHORT))
_NAME = re.compile(
    rf"(?:^|(?P<benchmark>.*?)[@/_\s.-]{_BETWEEN})"
    rf"(?P<corruption>{_CORRUPTION})"
    rf"(?:{_BETWEEN}(?:s|sev|severity)?{_BETWEEN}(?P<severity>[1-5]))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class CorruptedSet:
    """One corruption at one severity of a benchmark such as CIFAR-10-C; None for a mean over severities."""

    benchmark: str
    corruption: str
    severity: int | None


def corrupted_set(name: str, entry: Mapping[str, Any]) -> CorruptedSet | None:
    """What corruption a dataset is; None where neither its entry nor its name tells.

    >>> corrupted_set("imagenet-c-gaussian_noise-5", {})
    CorruptedSet(benchmark='imagenet-c', corruption='gaussian_noise', severity=5)
    """
    if isinstance(entry.get("corruption"), str) and entry.get("severity"):
        benchmark, chosen, _ = name.partition("@")
        return CorruptedSet(
            benchmark if chosen else f"{entry.get('classes')}-c", entry["corruption"], entry["severity"]
        )
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    known = {one.replace("_", ""): one for one in (*BENCHMARK, *EXTRA)} | _SHORT
    severity = found["severity"]
    corruption = known[re.sub(r"[_\s-]", "", found["corruption"]).lower()]
    return CorruptedSet(_KINDS.sub("", found["benchmark"] or ""), corruption, int(severity) if severity else None)
