"""Which images two sets have in common, as far as their sources and names, and their pictures tell."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

# Sets that have images in common, where neither names nor stored pictures need to tell which: most of CIFAR-10.1 v4
# and v6; CINIC-10's part from CIFAR-10; the validation set in several sizes; sets of ImageNetV2, of one pool.
_POOL = "imagenetv2-"
_KIN = tuple(
    map(
        frozenset,
        (
            ("cifar10.1-v4", "cifar10.1-v6"),
            ("cifar10", "cinic10-cifar"),
            ("imagenet", "imagenet16", "imagenet32", "imagenet64"),
        ),
    )
)
# Sets that are the images of another one, altered or labelled anew.
_ALTERATIONS = re.compile(
    r"(?P<of>cifar10|cifar100|imagenet)-(?:c|3dcc|autoattack-\w+|real|greyscale|avg-corruptions)"
    r"|stylized-(?P<stylized>imagenet)"
    r"|(?P<frames>imagenet-vid-robust|ytbb-robust)-pm\d+"
)
_TOO_WIDE = (
    " Intervals of drops, which take the sets as independent, are too wide then; what would be too narrow is left out."
)
_UNSEEN = "{} and {} share images, and it is not known which ones." + _TOO_WIDE
_SAME = "{} and {} have the same images, altered, and are compared by counts alone." + _TOO_WIDE


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


@dataclass(frozen=True)
class NamedImages:
    """The images of one set: what they are taken from, see `image_source`, their names, and their pictures."""

    source: str
    ids: Sequence[str]
    pictures: Sequence[str] | None = None


def number_images(sets: Sequence[NamedImages]) -> tuple[Int[np.ndarray, " _"], ...]:
    """A number for each image of each set: equal where two sets hold the same image, and once in a set.

    Images are the same by their names in one source, else by their pictures. Of several alike in one set the first is
    the first of another set, and so on.

    >>> number_images([NamedImages("mine", ["1", "2"], ["a", "b"]), NamedImages("yours", ["1", "2"], ["c", "a"])])
    (array([0, 1]), array([2, 0]))
    """
    by_name: dict[str, int] = {}
    by_picture: dict[tuple[str, int], int] = {}
    count, found = 0, []
    for one in sets:
        names = image_keys(one.source, one.ids)
        shown = [None] * len(names) if one.pictures is None else _counted_up(one.pictures)
        numbers = [by_name.get(name) for name in names]
        taken = set(numbers)
        for place, (name, picture) in enumerate(zip(names, shown, strict=True)):
            number = numbers[place]
            if number is None:
                number = by_picture.get(picture) if picture is not None else None
                if number is None or number in taken:
                    number, count = count, count + 1
                taken.add(number)
                numbers[place] = by_name[name] = number
            if picture is not None:
                by_picture.setdefault(picture, number)
        found.append(np.array(numbers, dtype=np.int64))
    return tuple(found)


def _counted_up(pictures: Sequence[str]) -> list[tuple[str, int]]:
    """Each picture with how many of the same come before it."""
    before: Counter[str] = Counter()
    found = []
    for picture in pictures:
        found.append((picture, before[picture]))
        before[picture] += 1
    return found


def overlaps_unseen(one: str, other: str) -> bool:
    """Whether sets of these names are known to have images in common, whichever these are.

    >>> overlaps_unseen("cifar10.1-v4", "cifar10.1-v6"), overlaps_unseen("cifar10", "cifar10.1-v6")
    (True, False)
    >>> overlaps_unseen("imagenet", "imagenet-c-fog-3")
    True
    """
    names = {name.partition("@")[0] for name in (one, other)}
    kin = any(names <= kin for kin in _KIN) or all(name.startswith(_POOL) for name in names)
    return one != other and (kin or same_images(one, other))


def same_images(one: str, other: str) -> bool:
    """Whether one set is the other, altered, or both are the same one, altered, as their names tell."""
    altered = any(_unaltered(name) != name.partition("@")[0] for name in (one, other))
    return one != other and altered and _unaltered(one) == _unaltered(other)


def _unaltered(name: str) -> str:
    """The set that provides the images of the set of this name.

    >>> _unaltered("imagenet-c-fog-3"), _unaltered("cifar10-autoattack-linf"), _unaltered("cifar10.1-v6")
    ('imagenet', 'cifar10', 'cifar10.1-v6')
    """
    corrupted = corrupted_set(name, {})
    base = (name if corrupted is None else corrupted.benchmark).partition("@")[0]
    found = _ALTERATIONS.fullmatch(base)
    return base if found is None else next(filter(None, found.groups()))


def unseen_images_note(one: str, other: str) -> str | None:
    """A sentence where sets of these names are known to have images in common, and their predictions are not known."""
    if not overlaps_unseen(one, other):
        return None
    return (_SAME if same_images(one, other) else _UNSEEN).format(one, other)


def shared_images_note(original: StoredDataset | CountedDataset, new: StoredDataset | CountedDataset) -> str | None:
    """A sentence where both sets hold the same images: by their source and names, or by their pixels.

    Images that were altered, such as those of CIFAR-10-C, are the same images.
    """
    numbers = None
    if isinstance(original, StoredDataset) and isinstance(new, StoredDataset):
        numbers = _known_shared(*map(_named, (original, new)))
    if numbers is None:
        return unseen_images_note(original.name, new.name)
    shared = len(np.intersect1d(*numbers))
    named = f"{original.name} and {new.name} share {counted(shared, 'image')}"
    if shared < FEWEST_SHARED * min(len(original), len(new)):
        return f"{named}: the intervals of drops allow for them; they are too few to matter elsewhere."
    return (
        f"{named}. The intervals of drops, of their mean and of their differences, and those of changes in confidence, "
        "allow for that; those of lines and of effective robustness are from counts. What else takes the sets as "
        "independent is left out, such as tests of single classes and of diminishing returns."
    )


def shared_image_numbers(
    original: "ImagePredictions", new: "ImagePredictions"
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " k"]] | None:
    """A number for each image of either set, equal for the same image; None where they share none."""
    return _known_shared(*(NamedImages(one.source or one.dataset, one.ids, one.pictures) for one in (original, new)))


def _known_shared(original: NamedImages, new: NamedImages) -> tuple[np.ndarray, np.ndarray] | None:
    numbers = number_images((original, new))
    return (numbers[0], numbers[1]) if np.isin(numbers[1], numbers[0]).any() else None


def _named(dataset: StoredDataset) -> NamedImages:
    return NamedImages(image_source(dataset.name, dataset.entry), dataset.ids, dataset.pictures)
