"""Which image a row is about: checksums of labels and ids in their order, and predictions put into dataset order.

Imported predictions come without images, so they are matched to a dataset by its labels, and by the names of its images
where both have names.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from evalshift.testbed.image_files import is_image_name


def label_checksum(ids: Sequence[str], labels: np.ndarray) -> str:
    """Checksum of labels, shape (n,) or several each (n, c), in order, and of the images' names if they have any.

    >>> label_checksum(("0", "1"), np.array([3, 5]))[:15]
    'labels:a9928084'
    >>> label_checksum(("cat.png", "dog.png"), np.array([3, 5]))[71:84]
    ' ids:3a450eb1'
    """
    checksum = f"labels:{hashlib.sha256(labels.astype('<i8').tobytes()).hexdigest()}"
    if are_positions(ids):
        return checksum
    return f"{checksum} ids:{hashlib.sha256(chr(10).join(image_keys(ids)).encode()).hexdigest()}"


def is_label_checksum(fingerprint: str) -> bool:
    """Whether a fingerprint is a label checksum, and so says nothing about the images."""
    return fingerprint.startswith("labels:")


def same_labels(one: str, other: str) -> bool:
    """Whether two label checksums match: equal labels in order, and equal names where both have them."""
    (labels, _, ids), (other_labels, _, other_ids) = one.partition(" "), other.partition(" ")
    return labels == other_labels and (not ids or not other_ids or ids == other_ids)


def are_positions(ids: Sequence[str]) -> bool:
    """Whether ids merely count the images from 0 on, and so are no names.

    >>> are_positions(("00", "01", "02")), are_positions(("a", "b"))
    (True, False)
    """
    return all(
        name.isascii() and name.isdigit() and name.lstrip("0") == (str(place) if place else "")
        for place, name in enumerate(ids)
    )


def image_keys(ids: Sequence[str]) -> tuple[str, ...]:
    """Ids without what differs from one copy of a dataset to the next: folders, suffixes, zeros in front of numbers.

    Where that would make two of them equal, all stay as they are.

    >>> image_keys(("n01440764/val_293.JPEG", "n01443537/val_236.JPEG"))
    ('val_293', 'val_236')
    >>> image_keys(("cat/1.png", "dog/1.png"))
    ('cat/1.png', 'dog/1.png')
    """
    keys = tuple(map(_image_key, ids))
    return keys if len(set(keys)) == len(keys) else tuple(ids)


def _image_key(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    key = path.stem if is_image_name(path.name) else path.name
    return key.lstrip("0") or "0" if key.isascii() and key.isdigit() else key


def order_of(ids: Sequence[str], given: Sequence[str]) -> np.ndarray | None:
    """Where each of `ids` stands in `given`, shape (n,); None unless the two hold the same names, each once.

    Names that differ in folder, suffix or leading zeros alone are the same.
    """
    for wanted, found in ((tuple(ids), tuple(given)), (image_keys(ids), image_keys(given))):
        places = {name: place for place, name in enumerate(found)}
        if len(places) == len(found) == len(wanted) and places.keys() == set(wanted):
            return np.array([places[name] for name in wanted], dtype=np.int64)
    return None


def places_by_number(given: Sequence[str]) -> np.ndarray | None:
    """Where the image of each position stands in `given`, by the numbers that names end in, shape (n,).

    None unless these are 0 to n − 1 or 1 to n, each once: img_0000.png is the first image, ILSVRC2012_val_00000001 too.

    >>> places_by_number(("img_1.png", "img_2.png", "img_0.png")).tolist()
    [2, 0, 1]
    """
    # Longer ones are no numbers of images, and more than 64 bits hold.
    found = [re.search(r"(?<!\d)(\d{1,18})$", key) for key in map(_image_key, given)]
    numbers = np.array([int(number[1]) if number else -1 for number in found], dtype=np.int64)
    order = np.argsort(numbers, kind="stable")
    first = int(numbers[order[0]]) if len(numbers) else -1
    counted = np.arange(first, first + len(numbers))
    return order if first in (0, 1) and np.array_equal(numbers[order], counted) else None


def duplicates(names: Sequence[str]) -> list[str]:
    """The names that occur more than once, in order."""
    return [name for name, count in Counter(names).items() if count > 1]
