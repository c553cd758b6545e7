"""One entry for many models: wildcards in names of timm's, torchvision's and open_clip's, filled in by what they list.

What a library lists is noted in the cache, by its version: only the first registry with a wildcard waits for torch.
"""

import fnmatch
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from evalshift.errors import StoreError
from evalshift.file_dependencies import dependencies_unknown
from evalshift.files import json_content, read_text, write_atomic
from evalshift.testbed import download, listings

# Which keys of an entry name the model, in the order in which they name it.
_KEYS = {"timm": ("name",), "torchvision": ("name", "pretrained"), "open_clip": ("name", "pretrained")}
_LISTINGS = {
    "timm": listings.timm_classifiers,
    "torchvision": listings.torchvision_classifiers,
    "open_clip": listings.open_clip_networks,
}
# What joins the keys in the name of a model: versions of torchvision's weights are written with a dot.
_JOINED = {"open_clip": "/"}


def is_family(content: object) -> bool:
    """Whether an entry as it is written stands for many models: a wildcard, * or ?, in what names its model."""
    keys = _KEYS.get(str(content.get("source")), ()) if isinstance(content, Mapping) else ()
    return any(set("*?") & set(str(content.get(key, ""))) for key in keys)  # pyright: ignore[reportAttributeAccessIssue]


def members(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The entries that an entry for many stands for, by the library's own name of each; empty where none matches.

    A published accuracy that the library knows stands under `expected`, unless the entry says something of it.
    """
    dependencies_unknown()
    keys = _KEYS[content["source"]]
    found = {}
    for facts in listed(content["source"]):
        if all(fnmatch.fnmatchcase(facts[key], str(content.get(key, ""))) for key in keys):
            name = _JOINED.get(content["source"], ".").join(facts[key] for key in keys)
            found[name] = {**facts, **content, **{key: facts[key] for key in keys}}
    return found


def listed(library: str) -> list[dict[str, Any]]:
    """What a library has weights of: for each, what names it, and what the library knows of it."""
    note = download.cache_dir() / "listings" / f"{library}-{listings.library_version(library)}.json"
    with suppress(OSError, ValueError):
        kept = json_content(read_text(note))
        if _are_facts(kept, _KEYS[library]):
            return kept
    found = _LISTINGS[library]()
    with suppress(StoreError):  # a shared cache may be read-only; then it is asked each time
        write_atomic(note, json.dumps(found).encode())
    return found


def _are_facts(kept: object, keys: tuple[str, ...]) -> bool:
    """Whether a note holds what names each model: someone else may have written to a shared cache."""
    rows = kept if isinstance(kept, list) else (None,)
    return all(isinstance(row, dict) and all(isinstance(row.get(key), str) for key in keys) for row in rows)
