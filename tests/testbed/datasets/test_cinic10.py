"""CINIC-10 as its archive holds it, its parts known by the names of the files. In small, and once as large as it is."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fileserver import FileServer
from formats import image_bytes, pixels, sha256, tar_bytes
from messages import says
from PIL import Image

from evalshift.errors import RegistryError
from evalshift.testbed.classes import CIFAR10, built_in
from evalshift.testbed.datasets import Dataset, cinic10, fingerprint

Content = dict[str, Any]
Load = Callable[[Content], Dataset]
Refused = Callable[[Content], str]
WNIDS = built_in("imagenet-1k").folders


def names(cifar: int = 2, imagenet: int = 3) -> Iterator[str]:
    """The files of all splits, so many a class that came from CIFAR-10 and from ImageNet."""
    for split in ("train", "valid", "test"):
        for label, folder in enumerate(CIFAR10):
            for number in range(cifar):
                tested = split == "test" and 2 * number < cifar
                yield f"{split}/{folder}/cifar10-{'test' if tested else 'train'}-{cifar * label + number}.png"
            for number in range(imagenet):
                yield f"{split}/{folder}/{WNIDS[2 * label + number % 2]}_{number}.png"


def image(name: str) -> bytes:
    return image_bytes(name, size=(32, 32))


@pytest.fixture
def in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two images of CIFAR-10 a class and split and three of ImageNet, where CINIC-10 has thousands."""
    monkeypatch.setattr(cinic10, "FROM_CIFAR", 2)
    monkeypatch.setattr(cinic10, "FROM_IMAGENET", 3)


@pytest.fixture
def content(in_small: None, tmp_path: Path) -> Callable[..., Content]:
    """Makes an entry that names the archive."""
    body = tar_bytes({f"./{name}": image(name) for name in (*names(), "README.md")})
    (tmp_path / "CINIC-10.tar.gz").write_bytes(body)
    file = {"name": "CINIC-10.tar.gz", "urls": ["http://127.0.0.1:1/x"], "sha256": sha256(body)}
    return lambda **more: {"source": "cinic10", "path": "CINIC-10.tar.gz", "files": {"archive": file}, **more}


@pytest.fixture
def folder(in_small: None, tmp_path: Path) -> Path:
    """The folder that the archive unpacks to."""
    for name in names():
        (tmp_path / "cinic" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cinic" / name).write_bytes(image(name))
    return tmp_path / "cinic"


class TestPortions:
    def test_train_and_valid_together(self, load: Load, content: Callable[..., Content], folder: Path) -> None:
        for path in folder.glob("valid/*/*.png"):  # no image is in two splits
            path.rename(path.with_name(f"{path.stem}00.png"))
        dataset = load(content(path="cinic", split="train+valid", portion="all", raw=True))
        assert len(dataset) == 2 * 50
        assert {"cifar10-train-1", "cifar10-train-100"} <= set(dataset.ids)
        assert np.bincount(dataset.labels).tolist() == [10] * 10

    def test_trap_25_only_cifars_test_images_are_clean(self, load: Load, content: Callable[..., Content]) -> None:
        dataset = load(content(portion="cifar"))
        assert dataset.ids == tuple(f"cifar10-test-{2 * label}" for label in range(10))
        assert dataset.labels.tolist() == list(range(10))
        assert dataset.warnings == ()
        assert isinstance(dataset.images, np.ndarray)
        np.testing.assert_array_equal(dataset.images[3], pixels("test/cat/cifar10-test-6.png", 32, 32, 3))

    def test_trap_25_whoever_wants_the_raw_portion_is_warned(self, load: Load, content: Callable[..., Content]) -> None:
        dataset = load(content(portion="cifar", raw=True))
        assert dataset.ids[:4] == ("cifar10-test-0", "cifar10-train-1", "cifar10-test-2", "cifar10-train-3")
        assert dataset.warnings == ("10 of 20 images are CIFAR-10's training images, which models trained on it know",)
        assert load(content(portion="all", raw=True)).warnings[0].startswith("10 of 50 images")

    @pytest.mark.parametrize(
        "portion, split, count, first",
        [
            ("imagenet", "test", 30, ("n01440764_0", "n01440764_2", "n01443537_1", "n01484850_0")),
            ("all", "test", 40, ("cifar10-test-0", "n01440764_0", "n01440764_2", "n01443537_1")),
            ("imagenet", "valid", 30, ("n01440764_0", "n01440764_2", "n01443537_1", "n01484850_0")),
            ("all", "train", 30, ("n01440764_0", "n01440764_2", "n01443537_1", "n01484850_0")),
        ],
    )
    def test_portions_keep_the_origin_as_id(
        self, load: Load, content: Callable[..., Content], portion: str, split: str, count: int, first: tuple[str, ...]
    ) -> None:
        dataset = load(content(portion=portion, split=split))
        assert (len(dataset), dataset.ids[:4]) == (count, first)

    def test_all_cifar_images_of_the_training_set_are_training_images(self, content: Any, entry: Any) -> None:
        with pytest.raises(RegistryError) as caught:
            entry(content(portion="cifar", split="train"))
        assert str(caught.value).startswith(
            "all CIFAR images in CINIC's train set are CIFAR-10's training images; if they are meant, say raw: true\n"
        )
        assert entry(content(portion="cifar", split="train", raw=True)).raw

    def test_unpacked_it_is_the_same(self, load: Load, content: Callable[..., Content], folder: Path) -> None:
        for portion in ("cifar", "imagenet"):
            packed = load(content(portion=portion))
            assert fingerprint(load(content(portion=portion, path="cinic"))) == fingerprint(packed)

    def test_trap_26_blank_images_and_duplicates_stay(self, load: Load, folder: Path) -> None:
        blank = io.BytesIO()
        Image.new("RGB", (32, 32)).save(blank, "PNG")
        for path in (folder / "test/frog").glob("n*.png"):
            path.write_bytes(blank.getvalue())
        assert len(load({"source": "cinic10", "path": "cinic", "portion": "imagenet"})) == 30

    def test_downloaded(
        self, load: Load, content: Callable[..., Content], file_server: FileServer, cache: Path, tmp_path: Path
    ) -> None:
        described = content(portion="cifar")
        url = file_server.put("CINIC-10.tar.gz", (tmp_path / described.pop("path")).read_bytes())
        described["files"]["archive"]["urls"] = [url]
        assert len(load(described)) == 10


class TestCounts:
    @pytest.mark.late
    def test_as_many_as_there_are(self, load: Load, tmp_path: Path) -> None:
        """9,000 a class and split: 2,000 of CIFAR-10, half of them test images in the test set, 7,000 of ImageNet."""
        (tmp_path / "one.png").write_bytes(image("one"))
        for name in names(2_000, 0):
            if name.startswith("test/"):
                (tmp_path / "cinic" / name).parent.mkdir(parents=True, exist_ok=True)
                os.link(tmp_path / "one.png", tmp_path / "cinic" / name)
        described = {"source": "cinic10", "path": "cinic", "portion": "cifar"}
        assert np.bincount(load(described).labels).tolist() == [1_000] * 10
        assert np.bincount(load({**described, "raw": True}).labels).tolist() == [2_000] * 10
        assert cinic10.FROM_IMAGENET == 7_000

    def test_an_archive_that_was_unpacked_in_part(self, refused: Refused, folder: Path) -> None:
        next((folder / "test/frog").glob("n*.png")).unlink()
        says(
            refused({"source": "cinic10", "path": "cinic", "portion": "imagenet"}),
            where="dataset d, HERE/cinic, test",
            found="2 images in class frog",
        )

    def test_classes_that_are_missing(self, refused: Refused, folder: Path) -> None:
        for path in [*folder.glob("test/cat/*.png"), *folder.glob("test/dog/*.png")]:
            path.unlink()
        found = refused({"source": "cinic10", "path": "cinic", "portion": "all", "raw": True})
        assert "\n  found:    0 images in class cat, and other counts in 1 more\n  expected: 5 images of" in found

    @pytest.mark.parametrize(
        "more, a_class",
        [({"portion": "cifar"}, 1), ({"portion": "cifar", "raw": True}, 2), ({"portion": "all"}, 4),
         ({"portion": "all", "raw": True}, 5), ({"portion": "all", "split": "valid"}, 3),
         ({"portion": "cifar", "split": "train", "raw": True}, 2)],
    )  # fmt: skip
    def test_each_portion_has_its_own(self, refused: Refused, folder: Path, more: Content, a_class: int) -> None:
        """An image more than there should be, under a name that belongs to all portions in turn."""
        split = more.get("split", "test")
        for origin in ("cifar10-test-9999", "n01440764_9999"):
            (folder / split / "frog" / f"{origin}.png").write_bytes(image(origin))
        found = refused({"source": "cinic10", "path": "cinic", **more})
        assert f"  expected: {a_class} images of the portion {more['portion']} in each of 10 classes\n" in found


class TestRefusals:
    def test_another_folder(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "cinic").mkdir()
        says(
            refused({"source": "cinic10", "path": "cinic", "portion": "imagenet"}),
            where="dataset d, HERE/cinic",
            found="no image of test/CLASS that belongs to the portion imagenet",
        )

    def test_images_that_are_none(self, refused: Refused, tmp_path: Path) -> None:
        path = tmp_path / "cinic/test/frog/n01639765_1.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(image_bytes(size=(64, 64)))
        content = {"source": "cinic10", "path": "cinic", "portion": "imagenet"}
        says(refused(content), where="dataset d, HERE/cinic, cinic/test/frog/n01639765_1.png", found="64 × 64")
        path.write_bytes(b"noise")
        assert refused(content).startswith("an image cannot be read\n")
