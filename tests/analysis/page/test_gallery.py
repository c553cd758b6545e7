"""Pictures of hard images: shown where the set lies on this disk as it was evaluated, and only then."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalshift.analysis.page import hard_thumbnails
from evalshift.analysis.page.gallery import gallery_view
from evalshift.analysis.summary.stored import summarize
from evalshift.evaluate.store import StoredDataset
from evalshift.testbed.classes import ClassSpace, built_in
from evalshift.testbed.datasets import fingerprint, load_dataset
from evalshift.testbed.own_dataset_entries import FolderDataset, NpyDataset

NAMES = tuple("abcdef")
LETTERS = ClassSpace("letters", NAMES)
EVERYTHING = [0, 1, 2, 3, 4]


def opened(picture: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture.split(",")[1])))


def put(store, name: str, entry: NpyDataset | FolderDataset, space: ClassSpace = LETTERS) -> None:
    """The dataset as a run would store it, and a model that always predictions class 0."""
    dataset = load_dataset(name, entry, space)
    written = entry.model_dump(mode="json", exclude_defaults=True)
    facts = (dataset.ids, dataset.labels, space.name, space.names, fingerprint(dataset), None)
    store.results.save_dataset(StoredDataset(name, *facts, written))
    store.predictions(name, "only", [EVERYTHING] * len(dataset), dataset_fingerprint=fingerprint(dataset))


@pytest.fixture
def arrays(store, tmp_path: Path):
    """A pair of arrays of 2 × 2 pixels; the second image of each is missed."""
    for name, shade in (("old", 10), ("new", 200)):
        images = np.full((2, 2, 2, 3), shade, np.uint8)
        np.save(tmp_path / f"{name}.npy", images)
        np.save(tmp_path / "labels.npy", np.array([0, 1]))
        entry = NpyDataset(
            source="npy", images=tmp_path / f"{name}.npy", labels=tmp_path / "labels.npy", classes="letters"
        )
        put(store, name, entry)
    store.results.add_pairs(["old:new"])
    return store


def test_small_images_are_kept_to_the_pixel(arrays):
    (pair,) = summarize(arrays.results, resamples=0).pairs

    found = hard_thumbnails(pair)

    assert set(found) == {("old", 1), ("new", 1)}
    picture = opened(found["new", 1])
    assert (picture.format, picture.size) == ("PNG", (2, 2))
    assert picture.getpixel((0, 0)) == (200, 200, 200)


def test_a_set_that_has_changed_has_no_pictures(arrays, tmp_path):
    (pair,) = summarize(arrays.results, resamples=0).pairs
    np.save(tmp_path / "new.npy", np.zeros((2, 2, 2, 3), np.uint8))

    assert set(hard_thumbnails(pair)) == {("old", 1)}


def test_a_set_that_is_gone_has_none_either(arrays, tmp_path):
    (pair,) = summarize(arrays.results, resamples=0).pairs
    (tmp_path / "old.npy").unlink()
    (tmp_path / "new.npy").write_bytes(b"no array")

    assert hard_thumbnails(pair) == {}


def test_photographs_become_small(store, tmp_path):
    for name in ("old", "new"):
        for letter in NAMES:
            (tmp_path / name / letter).mkdir(parents=True)
            Image.new("RGB", (600, 300), "red").save(tmp_path / name / letter / "one.jpg")
        put(store, name, FolderDataset(source="folder", path=tmp_path / name, classes="letters"))
    store.results.add_pairs(["old:new"])
    (pair,) = summarize(store.results, resamples=0).pairs

    found = hard_thumbnails(pair)

    assert len(found) == 10  # all but class a
    picture = opened(found["old", 1])
    assert (picture.format, picture.size) == ("JPEG", (112, 56))


def test_wnid_folders_have_their_pictures(store, tmp_path):
    space = built_in("imagenet-1k")
    for name in ("old", "new"):
        for wnid in space.folders[:3]:
            (tmp_path / name / wnid).mkdir(parents=True)
            Image.new("RGB", (60, 30), "red").save(tmp_path / name / wnid / "one.jpg")
        entry = FolderDataset(source="folder", path=tmp_path / name, classes="imagenet-1k")
        put(store, name, entry, space)
    store.results.add_pairs(["old:new"])
    (pair,) = summarize(store.results, resamples=0).pairs

    missing: dict[str, str] = {}
    assert set(hard_thumbnails(pair, missing)) == {("old", 1), ("old", 2), ("new", 1), ("new", 2)}
    assert missing == {}


def test_a_set_without_pictures_says_why(arrays, tmp_path):
    (pair,) = summarize(arrays.results, resamples=0).pairs
    (tmp_path / "old.npy").unlink()
    np.save(tmp_path / "new.npy", np.zeros((2, 2, 2, 3), np.uint8))

    missing: dict[str, str] = {}
    hard_thumbnails(pair, missing)
    assert missing == {"old": "the image files were not found", "new": "its images are not those that were evaluated"}


def test_imported_predictions_have_no_pictures_and_the_page_says_so(store):
    for name in ("old", "new"):
        store.dataset(name, [0, 1, 2], source="labels", files={"labels.npy": "ab" * 32})
        store.predictions(name, "only", [[1, 0], [1, 0], [1, 0]])
    store.results.add_pairs(["old:new"])
    (pair,) = summarize(store.results, resamples=0).pairs

    missing: dict[str, str] = {}
    assert hard_thumbnails(pair, missing) == {}
    assert missing == dict.fromkeys(("old", "new"), "its predictions were imported without the images")


def test_each_picture_knows_which_models_miss_it(arrays):
    for name in ("old", "new"):
        known = {"dataset_fingerprint": arrays.results.load_dataset(name).fingerprint}
        arrays.predictions(name, "second", [EVERYTHING, [1, 0, 2, 3, 4]], **known)
        arrays.predictions(name, "third", [EVERYTHING, EVERYTHING], **known)
    (pair,) = summarize(arrays.results, resamples=0).pairs
    metric = pair.metrics["top1"]

    view = gallery_view(pair, metric, hard_thumbnails(pair))

    assert view is not None
    (picture,) = view["sides"][0]["shown"]
    bits = f"{int(picture['missed_by'], 16):08b}"
    assert {model: bit == "1" for model, bit in zip(metric.table["model"], bits, strict=False)} == {
        "only": True,
        "second": False,
        "third": True,
    }


def test_counts_alone_have_none(store):
    store.counts("old", 10, {"a": (9, None)})
    store.counts("new", 10, {"a": (7, None)})
    (pair,) = summarize(store.results, "old:new", resamples=0).pairs

    assert hard_thumbnails(pair) == {}
