"""Which images two sets have in common, as far as their sources and names tell."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalshift.analysis.outcomes.corruptions import corrupted_set
from evalshift.evaluate.store import CountedDataset, StoredDataset

# What an entry says of labels, views and names, and not of images.
_NOT_OF_IMAGES = frozenset(
    (
        "multi_labels",
        "corrected_labels",
        "labels",
        "classes",
        "view",
        "fresh",
        "near_duplicates",
        "attributes",
        "title",
        "note",
    )
)
_VALIDATION = re.compile(r"ILSVRC2012_val_\d{8}")
# Sets whose images are those of another one, altered, in its order.
_ALTERED = {"cifar-c": ("cifar10", "cifar100")}


def image_source(name: str, entry: Mapping[str, Any]) -> str:
    """What the images of a set are taken from: equal for two sets where equal ids are the same images.

    Where the entry does not tell, it is the set's own name: most datasets number their images, so that equal ids alone
    tell nothing.
    """
    source = entry.get("source")
    if source in _ALTERED:
        return json.dumps({"source": entry.get("classes", _ALTERED[source][0])})
    if source in _ALTERED["cifar-c"]:
        return json.dumps({"source": source})
    known = {key: value for key, value in entry.items() if key not in _NOT_OF_IMAGES}
    if source == "labels" or not known.keys() - {"source"}:
        # Imported predictions on corruptions of one benchmark, whose images are the same at each severity.
        corrupted = corrupted_set(name, entry)
        return name if corrupted is None else f"{corrupted.benchmark}, corrupted"
    return json.dumps(known, sort_keys=True, default=str)


def image_keys(source: str, ids: Sequence[str]) -> list[str]:
    """A key for each image, equal for the same image of two sets; images of ImageNet's validation set by their names.

    >>> image_keys("mine", ["val/ILSVRC2012_val_00000001.JPEG", "2"])
    ['ILSVRC2012_val_00000001', '2 mine']
    """
    return [found[0] if (found := _VALIDATION.search(name)) else f"{name} {source}" for name in ids]


def shared_images_note(original: StoredDataset | CountedDataset, new: StoredDataset | CountedDataset) -> str | None:
    """A sentence where both sets hold the same images, by one source of images or names of ImageNet's validation set.

    Images that were altered, such as those of CIFAR-10-C, are the same images.
    """
    if not isinstance(original, StoredDataset) or not isinstance(new, StoredDataset):
        return None
    keys = [image_keys(image_source(one.name, one.entry), one.ids) for one in (original, new)]
    shared = set(keys[0]) & set(keys[1])
    if not shared:
        return None
    return (
        f"{original.name} and {new.name} share {len(shared):,} images: the intervals of drops, and all that compares "
        "the two sets, are those of independent samples, which these are not."
    )
