"""Which images two sets have in common, as far as their sources and names tell."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from evalshift.analysis.outcomes.corruptions import corrupted_set
from evalshift.evaluate.store import CountedDataset, StoredDataset
from evalshift.formatting import counted

if TYPE_CHECKING:
    from evalshift.analysis.outcomes.records import ImagePredictions

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
# Sets that share a smaller part of the smaller one are as good as independent.
FEWEST_SHARED = 0.01
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
    if source == "imagenetv2":  # an image has one name in all three sets
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
    named = f"{original.name} and {new.name} share {counted(len(shared), 'image')}"
    if len(shared) < FEWEST_SHARED * min(len(original), len(new)):
        return f"{named}: the intervals of drops allow for them; they are too few to matter elsewhere."
    return (
        f"{named}. The intervals of drops, of their mean and of their differences allow for that; those of lines and "
        "of effective robustness are from counts. Rank changes and tests of single classes, which take the sets as "
        "independent, are left out."
    )


def shared_image_numbers(
    original: "ImagePredictions", new: "ImagePredictions"
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " k"]] | None:
    """A number for each image of either set, equal for the same image; None where they share none."""
    keys = [image_keys(one.source or one.dataset, one.ids) for one in (original, new)]
    place = {key: number for number, key in enumerate(keys[0])}
    if not any(key in place for key in keys[1]):
        return None
    numbers = [place.setdefault(key, len(place)) for key in keys[1]]
    return np.arange(len(keys[0])), np.array(numbers, dtype=np.int64)
