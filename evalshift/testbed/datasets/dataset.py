"""Dataset: labelled images in a fixed order, checked when it is made; and the fingerprint of its content."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from evalshift.errors import DataError
from evalshift.files import read_bytes
from evalshift.formatting import counted, name_some
from evalshift.shapes import Int, Labels, UInt8
from evalshift.testbed.arrays import in_pieces
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.image_files import StoredImage, content_hash
from evalshift.testbed.limits import first_balanced
from evalshift.testbed.pictures import picture_of_file, picture_of_pixels
from evalshift.testbed.several_labels import padded
from evalshift.testbed.views import View


class Parts(NamedTuple):
    """What a format's reader gives.

    warnings    what one should know before believing an accuracy on it
    attributes  further columns, such as places or years: name → one text per image
    several     all correct labels of each image, of some none; None where each has the one in `labels`
    """

    ids: Sequence[str]
    images: Any
    labels: Labels
    warnings: tuple[str, ...] = ()
    attributes: Mapping[str, Sequence[str]] = MappingProxyType({})
    several: Sequence[Sequence[int]] | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images in a fixed order.

    ids       one per image, unique, shape (n,)
    labels    class numbers, shape (n,)
    images    uint8 (n, h, w, c) where all have one size, else one encoded image each
    warnings  what one should know before believing an accuracy on it
    view      how predictions are read; None where they are read as they are
    attributes  what else is known of each image: name → one text per image
    accepted  all correct labels of each image, `labels` first, shape (n, c), shorter lists filled up with their first;
              None where each image has one
    whole     names of the images that the source holds, in its order, where some are left out: those without a label,
              of classes that a view leaves out, or beyond a limit; else None
    limited_from  how many images there are in all, where these are the first of them for a quick look; else None
    title     what figures and tables call it; None where its entry has none
    """

    name: str
    classes: ClassSpace
    ids: tuple[str, ...]
    labels: Labels
    images: UInt8[np.ndarray, "_ h w c"] | tuple[StoredImage, ...]  # as many as labels: below, with words for people
    warnings: tuple[str, ...] = ()
    view: View | None = None
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    accepted: Int[np.ndarray, "_ several"] | None = None
    whole: tuple[str, ...] | None = None
    limited_from: int | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.labels) == len(self.images):
            raise DataError(
                "images, labels and ids differ in number",
                where=f"dataset {self.name}",
                found=f"{len(self.images):,} images, {len(self.labels):,} labels, {len(self.ids):,} ids",
                expected="one label and one id per image",
            )
        if len(self.labels) == 0:
            raise DataError("a dataset without images", where=f"dataset {self.name}", expected="at least one")
        if len(set(self.ids)) != len(self.ids):
            seen: set[str] = set()
            duplicate = next(name for name in self.ids if name in seen or seen.add(name))
            raise DataError("duplicate id", where=f"dataset {self.name}", found=duplicate, expected="unique ids")
        _refuse_unencodable(self.ids, f"dataset {self.name}")
        outside = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.classes)))
        if len(outside):
            raise DataError(
                "labels outside the classes",
                where=f"dataset {self.name}, image {name_some([f'{number:,}' for number in outside], 1)}",
                found=f"label {self.labels[outside[0]]}",
                expected=f"0 to {len(self.classes) - 1} ({self.classes.name})",
                fix="labels count from 0; subtract 1 if yours count from 1, or name the correct label space",
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def truth(self) -> Int[np.ndarray, "..."]:
        """What predictions are compared with: `accepted`, or `labels` where each image has one."""
        return self.labels if self.accepted is None else self.accepted

    @property
    def model_classes(self) -> ClassSpace:
        """The label space of the models, in which they predict; a view reads it."""
        return self.classes if self.view is None else self.view.of

    def seen_in(self, view: View) -> "Dataset":
        """The images of classes that the view keeps, with the labels that it gives; DataError where none is left."""
        meanings = view.meaning_of(self.classes, f"dataset {self.name}")
        of_label = np.array([-1 if label is None else label for label in meanings], dtype=np.int64)
        meaning = of_label[self.labels]
        if self.accepted is None:
            lists = None
            kept = np.flatnonzero(meaning >= 0)
        else:
            lists = [[label for label in row if label >= 0] for row in of_label[self.accepted].tolist()]
            kept = np.flatnonzero([bool(row) for row in lists])
        if len(kept) == 0:
            raise DataError(
                "none of its images is of a class that the view keeps",
                where=f"dataset {self.name}, view {view.name}",
                found=f"{counted(len(self), 'image')} of other classes",
                expected=f"images of {counted(len(view.labels), 'class', 'classes')} of {view.space.name}",
            )
        if lists is not None:
            return self._with_labels([lists[place] for place in kept], meaning[kept], kept, view.space, view)
        if len(kept) == len(self):
            return replace(self, classes=view.space, labels=meaning, view=view)
        return self._part(kept, classes=view.space, labels=meaning[kept], view=view)

    def with_several_labels(self, lists: Sequence[Sequence[int]]) -> "Dataset":
        """The same images with lists of labels instead of one each; those without any are left out, and counted.

        The label that an image had stays its first where it is among them. DataError where no image has any.
        """
        kept = np.flatnonzero([bool(several) for several in lists])
        if len(kept) == 0:
            raise DataError("no image has a label", where=f"dataset {self.name}", expected="at least one")
        several = self._with_labels([one for one in lists if one], self.labels[kept], kept, self.classes, self.view)
        if len(kept) == len(self):
            return several
        left_out = f"{len(self) - len(kept):,} of {counted(len(self), 'image')} have no label and are left out"
        return replace(several, warnings=(*self.warnings, left_out))

    def only(self, positions: Int[np.ndarray, " m"]) -> "Dataset":
        """The images at these positions, in that order, as if the dataset had no others."""
        accepted = None if self.accepted is None else self.accepted[positions]
        return replace(self._part(positions, labels=self.labels[positions], accepted=accepted), whole=None)

    def limited(self, limit: int) -> "Dataset":
        """The first images, balanced over the classes, which say so; see `testbed.limits`."""
        part = self.only(first_balanced(self.labels, limit))
        said = f"only the first {len(part):,} of {counted(len(self), 'image')}, balanced over the classes"
        whole = self.whole or (self.ids if len(part) < len(self) else None)
        return replace(part, warnings=(*self.warnings, said), limited_from=len(self), whole=whole)

    def _with_labels(
        self, lists: Sequence[Sequence[int]], first: Labels, kept: np.ndarray, space: ClassSpace, view: View | None
    ) -> "Dataset":
        accepted = padded(lists, first)
        return self._part(kept, classes=space, labels=accepted[:, 0].copy(), accepted=accepted, view=view)

    def _part(self, kept: np.ndarray, **changed: Any) -> "Dataset":
        """The images at these places."""
        whole = self.whole or (self.ids if len(kept) < len(self) else None)
        images = self.images[kept] if isinstance(self.images, np.ndarray) else tuple(self.images[n] for n in kept)
        ids = tuple(self.ids[n] for n in kept)
        attributes = {name: tuple(values[n] for n in kept) for name, values in self.attributes.items()}
        return replace(self, ids=ids, images=images, whole=whole, attributes=attributes, **changed)


@dataclass(frozen=True)
class Content:
    """What the images of a dataset are.

    fingerprint  sha256 over ids, labels and the content of every image
    pictures     a checksum of each image's pixels, equal for the same picture under another name; see `pictures`
    """

    fingerprint: str
    pictures: tuple[str, ...]


def fingerprint(dataset: Dataset, workers: int = 2) -> str:
    """sha256 over ids, labels and the content of every image: equal fingerprints mean equal data, wherever it lies."""
    digest = _of_labels(dataset)
    if isinstance(dataset.images, np.ndarray):
        _add_array(digest, dataset.images)
    else:
        with ThreadPoolExecutor(workers) as pool:  # hashing releases the interpreter
            for content in pool.map(content_hash, dataset.images):
                digest.update(bytes.fromhex(content))
    return digest.hexdigest()


def read_content(dataset: Dataset, workers: int = 2) -> Content:
    """The fingerprint of a dataset and the checksums of its single images, with each file read once."""
    digest, pictures = _of_labels(dataset), []
    if isinstance(dataset.images, np.ndarray):
        _add_array(digest, dataset.images)
        for piece in in_pieces(dataset.images):
            pictures.extend(map(picture_of_pixels, piece))
    else:
        with ThreadPoolExecutor(workers) as pool:
            for content, picture in pool.map(_read_file, dataset.images):
                digest.update(content)
                pictures.append(picture)
    return Content(digest.hexdigest(), tuple(pictures))


def _of_labels(dataset: Dataset) -> "hashlib._Hash":
    """A digest that has taken in all but the images."""
    digest = hashlib.sha256(b"evalshift dataset 1\n")
    digest.update("\n".join(dataset.ids).encode())
    digest.update(dataset.labels.astype("<i8").tobytes())
    if dataset.view is not None:  # predictions read in another view are other predictions
        digest.update(repr((dataset.view.of.name, dataset.view.meaning)).encode())
    if dataset.accepted is not None:
        digest.update(b"several" + dataset.accepted.astype("<i8").tobytes())
    if border := getattr(dataset.images[0], "border", 0):  # the files are the same, and the pictures are not
        digest.update(b"border %d" % border)
    return digest


def _add_array(digest: "hashlib._Hash", images: np.ndarray) -> None:
    digest.update(repr(images.shape).encode())
    for piece in in_pieces(images):
        digest.update(np.ascontiguousarray(piece).data)


def _read_file(image: StoredImage) -> tuple[bytes, str]:
    """The sha256 of an encoded image, and the checksum of its pixels."""
    content = read_bytes(image) if isinstance(image, Path) else image.read()
    return hashlib.sha256(content).digest(), picture_of_file(content)


def _refuse_unencodable(ids: Sequence[str], where: str) -> None:
    """Raise DataError for a file name that is no UTF-8, as old archives have: nothing could store it."""
    try:
        "\n".join(ids).encode()
    except UnicodeEncodeError:
        broken = next(name for name in ids if any(0xD800 <= ord(letter) < 0xE000 for letter in name))
        raise DataError(
            "the name of an image is not UTF-8",
            where=where,
            found=broken.encode(errors="backslashreplace").decode(),
            expected="names in UTF-8",
            fix="rename the file",
        ) from None


def other_counts(counts: np.ndarray, expected: int, names: Sequence[object]) -> str | None:
    """Which class has another number of images than all should have, and how many more have; None where none has.

    counts  images of each class, shape (classes,)
    """
    other = np.flatnonzero(counts != expected)
    if len(other) == 0:
        return None
    more = f", and other counts in {len(other) - 1:,} more" if len(other) > 1 else ""
    return f"{counted(int(counts[other[0]]), 'image')} in class {names[other[0]]}{more}"


def numbered(count: int) -> list[str]:
    """Ids for images that have no names: their position, in as many digits as the last one needs."""
    digits = len(str(max(count - 1, 0)))
    return [f"{position:0{digits}d}" for position in range(count)]
