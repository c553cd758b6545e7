"""Pairs whose sets hold the same images."""

import numpy as np
import pytest

from evalshift.analysis.outcomes.shared_images import (
    NamedImages,
    image_source,
    number_images,
    overlaps_unseen,
    shared_images_note,
)
from evalshift.evaluate.store import CountedDataset, StoredDataset


@pytest.mark.parametrize(
    "entries, ids, shared",
    [
        (({"source": "imagenet", "path": "val"}, {"source": "imagenet", "path": "val", "multi_labels": "r"}), "ab", 1),
        (({"source": "npy", "images": "x"}, {"source": "npy", "images": "y"}), "ab", None),
        (({"source": "npy"}, {"source": "npy"}), "ab", None),
        (({"source": "labels"}, {"source": "labels"}), ("ILSVRC2012_val_00000001", "b"), 1),
        (({"source": "labels", "x": 1}, {"source": "labels", "x": 1}), "ab", None),
    ],
)
def test_by_source_or_names_of_imagenet(entries, ids, shared) -> None:

    old, new = (
        StoredDataset(name, tuple(names), np.zeros(len(names), np.int64), "c", ("x", "y"), "f", None, entry)
        for name, names, entry in zip(("old", "new"), (ids, ids[:1]), entries, strict=True)
    )
    note = shared_images_note(old, new)
    assert (note is None) == (shared is None)
    assert note is None or note.startswith("old and new share 1 image")


def test_the_three_sets_of_imagenetv2_have_one_source_of_images():
    entries = [{"source": "imagenetv2", "version": version, "files": {}} for version in ("topimages", "threshold0.7")]
    assert image_source("a", entries[0]) == image_source("b", entries[1])


def test_images_are_the_same_by_their_names_first_and_else_by_their_pixels():
    one = NamedImages("mine", ["a", "b", "c"], ["p", "q", "r"])
    by_name = NamedImages("mine", ["c", "a", "d"], None)
    by_pixels = NamedImages("yours", ["a", "b", "c"], ["r", "x", "p"])
    both = NamedImages("mine", ["a", "e"], ["q", "p"])
    assert [numbers.tolist() for numbers in number_images([one, by_name, by_pixels, both])] == [
        [0, 1, 2],
        [2, 0, 3],
        [2, 4, 0],
        [0, 5],
    ]


def test_pictures_that_a_set_holds_several_times_are_paired_in_order():
    one, other = (NamedImages(name, list("abc"), pictures) for name, pictures in (("x", "ppq"), ("y", "qpz")))
    numbers = number_images([one, other])
    assert [found.tolist() for found in numbers] == [[0, 1, 2], [2, 0, 3]]
    assert number_images([other, NamedImages("x", list("ab"), "pp")])[1].tolist() == [1, 3]


@pytest.mark.parametrize(
    "one, other, known",
    [
        ("cifar10.1-v4", "cifar10.1-v6", True),
        ("imagenetv2-topimages", "imagenetv2-b-7", True),
        ("imagenet", "imagenet64", True),
        ("cifar10", "cifar10.1-v6", False),
        ("imagenet", "imagenetv2-topimages", False),
        ("cifar10.1-v4", "cifar10.1-v4", False),
        ("imagenet-c", "imagenetv2-topimages", False),
        ("cifar10-c@fog-3", "cifar100-c@fog-3", False),
        ("domainnet@real", "domainnet@sketch", False),
        ("model-vs-human@contrast", "model-vs-human@edge", False),
    ],
)
def test_sets_that_are_known_to_overlap_by_what_they_are(one, other, known):
    assert overlaps_unseen(one, other) == known
    note = shared_images_note(CountedDataset(one, 100, None), CountedDataset(other, 100, None))
    assert (note is not None) == known
    assert note is None or note.startswith(f"{one} and {other} share images, and it is not known which ones. ")


@pytest.mark.parametrize(
    "one, other",
    [
        ("cifar10", "cifar10-c@fog-3"),
        ("cifar10-c@fog-3", "cifar10-c@snow-1"),
        ("cifar100", "cifar100-c"),
        ("imagenet", "imagenet-c-gaussian_noise-5"),
        ("imagenet@robustbench", "imagenet-autoattack-linf@robustbench"),
        ("imagenet", "imagenet-real"),
        ("stylized-imagenet", "imagenet-greyscale"),
        ("imagenet-vid-robust", "imagenet-vid-robust-pm10"),
    ],
)
def test_sets_whose_names_say_that_they_are_the_same_images_altered(one, other):
    note = shared_images_note(CountedDataset(one, 100, None), CountedDataset(other, 100, None))
    assert note is not None
    assert note.startswith(f"{one} and {other} have the same images, altered, and are compared by counts alone. ")
