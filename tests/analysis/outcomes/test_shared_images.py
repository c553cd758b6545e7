"""Pairs whose sets hold the same images."""

import numpy as np
import pytest

from evalshift.analysis.outcomes.shared_images import image_source, shared_images_note
from evalshift.evaluate.store import StoredDataset


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
