"""What `evalshift cache list` prints: the files of decoded images."""

import json
from typing import TYPE_CHECKING

from evalshift.console.terminal import print_table, stdout

if TYPE_CHECKING:  # each command imports only the package that it needs
    from evalshift.evaluate.decode_cache import DecodeCache


def print_cache(cache: "DecodeCache", as_json: bool) -> None:
    """The files of decoded images, the least recently used first, and how much room they take."""
    from rich.filesize import decimal

    from evalshift.evaluate.decode_cache import age_text, geometry_text

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
