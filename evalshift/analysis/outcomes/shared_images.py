"""Whether both sets of a pair hold the same images with other labels."""

import re

from evalshift.evaluate.store import CountedDataset, StoredDataset

# What an entry says of labels, views and names, and not of images.
_NOT_OF_IMAGES = frozenset(
    ("multi_labels", "labels", "classes", "view", "fresh", "near_duplicates", "attributes", "title", "note")
)
_VALIDATION = re.compile(r"ILSVRC2012_val_\d{8}")


def shared_images_note(original: StoredDataset | CountedDataset, new: StoredDataset | CountedDataset) -> str | None:
    """A sentence where both sets hold the same images, by one source of images or names of ImageNet's validation set.

    Equal ids alone tell nothing: most datasets number their images.
    """
    if not isinstance(original, StoredDataset) or not isinstance(new, StoredDataset):
        return None
    shared = set(original.ids) & set(new.ids)
    if not _one_source(original.entry, new.entry):
        shared = {name for name in shared if _VALIDATION.search(name)}
    if not shared:
        return None
    return (
        f"{original.name} and {new.name} share {len(shared):,} images: the intervals of drops, and all that compares "
        "the two sets, are those of independent samples, which these are not."
    )


def _one_source(original: dict, new: dict) -> bool:
    one, other = ({key: entry[key] for key in entry if key not in _NOT_OF_IMAGES} for entry in (original, new))
    return one == other and bool(one.keys() - {"source"}) and one.get("source") != "labels"
