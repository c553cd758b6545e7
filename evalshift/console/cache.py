"""What `evalshift cache list` prints: the files of decoded images."""

import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from evalshift.console.terminal import print_table, stdout

if TYPE_CHECKING:  # each command imports only the package that it needs
    from evalshift.evaluate.decode_cache import DecodeCache
    from evalshift.evaluate.decoded_file import CacheEntry


def print_cache(cache: "DecodeCache", as_json: bool) -> None:
    """The files of decoded images, the least recently used first, and how much room they take."""
    from rich.filesize import decimal

    entries = cache.entries()
    if as_json:
        shown = [
            {
                "dataset": entry.dataset,
                "images": entry.shape[0],
                "height": entry.shape[1],
                "width": entry.shape[2],
                "geometry": geometry_text(entry.geometry),
                "bytes": entry.bytes,
                "last_used": entry.last_used,
                "path": str(entry.path),
            }
            for entry in entries
        ]
        stdout().print_json(json.dumps(shown))
        return
    rows = [
        (
            entry.dataset or "unknown format",
            f"{entry.shape[0]:,}",
            f"{entry.shape[1]} × {entry.shape[2]}",
            geometry_text(entry.geometry),
            decimal(entry.bytes),
            age_text(entry),
        )
        for entry in entries
    ]
    if rows:
        print_table(("dataset", "images", "pixels", "preprocessing", "size", "last used"), rows, "lrrlrl")
    total = sum(entry.bytes for entry in entries)
    stdout().print(f"{decimal(total)} of at most {decimal(cache.limit)}, in {cache.folder}", soft_wrap=True)


def age_text(entry: "CacheEntry", now: float | None = None) -> str:
    """How long ago a file was used, in words."""
    seconds = max(0.0, (time.time() if now is None else now) - entry.last_used)
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def geometry_text(geometry: tuple) -> str:
    """A geometry as a registry says it; see Preprocess.geometry.

    >>> geometry_text(((256,), "bicubic", True, (224, 224), None, None, 0))
    'resize 256 bicubic, crop 224'
    """
    if len(geometry) != 7:
        return ""
    resize, interpolation, antialias, crop, pad, letterbox, fill = geometry
    how = f" {interpolation}" + ("" if antialias else " without antialias")
    parts = (
        f"pad {pad}" if pad else "",
        f"resize {_sides(resize)}{how}" if resize else "",
        f"letterbox {_sides(letterbox)}{how}" if letterbox else "",
        f"fill {fill}" if fill else "",
        f"crop {_sides(crop)}" if crop else "",
    )
    return ", ".join(filter(None, parts)) or "none"


def _sides(size: Iterable[int]) -> str:
    sides = list(size)
    return f"{sides[0]} × {sides[1]}" if len(set(sides)) > 1 else f"{sides[0]}"
