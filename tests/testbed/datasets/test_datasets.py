import csv
import hashlib
import io
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fileserver import FileServer
from formats import OWN_BATCHES, cifar10_batch, md5, pixels, put_image, python_2_pickle, sha256
from formats import cifar10_archive as archive
from messages import says
from payload import Payload
from PIL import Image

from evalshift.errors import HashMismatchError
from evalshift.testbed.classes import built_in
from evalshift.testbed.dataset_entries import AnyDataset
from evalshift.testbed.datasets import Dataset, data_folder, fetch_dataset, fingerprint, load_dataset, source_checksum
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.small_image_entries import Cifar10Dataset

Content = dict[str, Any]
Load = Callable[[Content], Dataset]
Refused = Callable[[Content], str]
BATCH = "cifar-10-batches-py/test_batch"


class TestNpy:
    NPY: Content = {"source": "npy", "images": "x.npy", "labels": "y.npy", "classes": "letters"}  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def _arrays(self, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", pixels("npy", 3, 4, 5, 3))
        np.save(tmp_path / "y.npy", np.array([2, 0, 1]))

    def test_images_labels_and_numbers_for_ids(self, load: Load) -> None:
        dataset = load(self.NPY)
        np.testing.assert_array_equal(dataset.images, pixels("npy", 3, 4, 5, 3), strict=True)
        np.testing.assert_array_equal(dataset.labels, np.array([2, 0, 1]), strict=True)
        assert dataset.ids == ("0", "1", "2")
        assert (dataset.name, dataset.classes.names, len(dataset)) == ("d", ("a", "b", "c"), 3)

    def test_grey_images_without_a_channel(self, load: Load, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", pixels("grey", 3, 4, 5))
        images = load(self.NPY).images
        assert isinstance(images, np.ndarray)
        np.testing.assert_array_equal(images, pixels("grey", 3, 4, 5)[..., None], strict=True)

    @pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", ">i2", "i4", ">i8", "u8"])
    def test_labels_of_any_width(self, load: Load, tmp_path: Path, dtype: str) -> None:
        np.save(tmp_path / "y.npy", np.array([2, 0, 1], dtype))
        np.testing.assert_array_equal(load(self.NPY).labels, np.array([2, 0, 1]), strict=True)

    @pytest.mark.parametrize("ends", ["\n", "\r\n", ""])
    def test_ids_one_a_line(self, load: Load, tmp_path: Path, ends: str) -> None:
        (tmp_path / "ids.txt").write_bytes(("\r\n" if ends == "\r\n" else "\n").join(["é 1", "b/2", "3"]).encode())
        with (tmp_path / "ids.txt").open("ab") as stream:
            stream.write(ends.encode())
        assert load({**self.NPY, "ids": "ids.txt"}).ids == ("é 1", "b/2", "3")

    @pytest.mark.parametrize("ids", [["c", "b", "a"], [30, 20, 10]])
    def test_ids_as_an_array(self, load: Load, tmp_path: Path, ids: list[Any]) -> None:
        np.save(tmp_path / "ids.npy", np.array(ids))
        assert load({**self.NPY, "ids": "ids.npy"}).ids == tuple(map(str, ids))

    def test_ids_count_in_equal_width(self, load: Load, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.zeros((101, 1, 1, 3), np.uint8))
        np.save(tmp_path / "y.npy", np.zeros(101, int))
        ids = load(self.NPY).ids
        assert (ids[0], ids[9], ids[100]) == ("000", "009", "100")
        assert list(ids) == sorted(ids)

    def test_of_different_length(self, refused: Refused, tmp_path: Path) -> None:
        np.save(tmp_path / "y.npy", np.array([2, 0]))
        says(refused(self.NPY), where="dataset d", found="3 images, 2 labels, 3 ids")

    def test_labels_outside_the_classes(self, refused: Refused, tmp_path: Path) -> None:
        np.save(tmp_path / "y.npy", np.array([1, 3, 2]))
        says(refused(self.NPY), where="dataset d, image 1", found="label 3")
        np.save(tmp_path / "y.npy", np.array([-1, 3, 2]))
        assert "  where:    dataset d, image 0 and 1 more\n  found:    label -1\n" in refused(self.NPY)

    def test_an_id_that_is_duplicate(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "ids.txt").write_text("a\nb\na\n")
        says(refused({**self.NPY, "ids": "ids.txt"}), where="dataset d", found="a")

    def test_no_images(self, refused: Refused, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.zeros((0, 4, 5, 3), np.uint8))
        np.save(tmp_path / "y.npy", np.zeros(0, int))
        says(refused(self.NPY), where="dataset d")

    def test_float_images(self, refused: Refused, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.zeros((3, 4, 5, 3), np.float32))
        says(refused(self.NPY), where="dataset d, images HERE/x.npy", found="float32, shape (3, 4, 5, 3)")

    def test_channels_first(self, refused: Refused, tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", np.zeros((3, 3, 32, 32), np.uint8))
        says(refused(self.NPY), where="dataset d, images HERE/x.npy", found="uint8, shape (3, 3, 32, 32)")

    def test_one_hot_labels(self, refused: Refused, tmp_path: Path) -> None:
        np.save(tmp_path / "y.npy", np.eye(3))
        says(refused(self.NPY), where="dataset d, labels HERE/y.npy", found="float64, shape (3, 3)")

    def test_ids_that_are_none(self, refused: Refused, tmp_path: Path) -> None:
        np.save(tmp_path / "ids.npy", np.zeros((3, 2)))
        says(
            refused({**self.NPY, "ids": "ids.npy"}), where="dataset d, ids HERE/ids.npy", found="float64, shape (3, 2)"
        )
        says(refused({**self.NPY, "ids": "ids.txt"}), where="dataset d", found="HERE/ids.txt")

    @pytest.mark.parametrize("name", ["x.npy", "y.npy"])
    def test_a_file_that_is_not_there(self, refused: Refused, tmp_path: Path, name: str) -> None:
        (tmp_path / name).unlink()
        says(refused(self.NPY), where="dataset d", found=f"HERE/{name}")


class TestFolder:
    FOLDER: Content = {"source": "folder", "path": "images", "classes": "letters"}  # noqa: RUF012

    def test_by_the_names_of_the_classes(self, load: Load, tmp_path: Path) -> None:
        for name in ("c/2.png", "c/10.png", "a/x.JPEG", "a/é.bmp"):
            put_image(tmp_path / "images" / name)
        dataset = load(self.FOLDER)
        assert dataset.ids == ("a/x.JPEG", "a/é.bmp", "c/10.png", "c/2.png")
        assert dataset.labels.tolist() == [0, 0, 2, 2]
        assert dataset.images == tuple(tmp_path / "images" / name for name in dataset.ids)

    def test_by_wnids(self, load: Load, tmp_path: Path) -> None:
        for wnid in ("n15075141", "n01443537"):
            put_image(tmp_path / "images" / wnid / f"{wnid}_1.JPEG")
        dataset = load({**self.FOLDER, "classes": "imagenet-1k"})
        assert dict(zip(dataset.ids, dataset.labels.tolist(), strict=True)) == {
            "n01443537/n01443537_1.JPEG": 1,
            "n15075141/n15075141_1.JPEG": 999,
        }

    def test_trap_1_numbered_folders_are_not_sorted_as_text(self, load: Load, tmp_path: Path) -> None:
        """As text, 10 stands before 2: ImageFolder gives such folders, ImageNetV2's, the labels 0, 1, 2, 3, …"""
        from torchvision.datasets import ImageFolder

        for number in range(12):
            put_image(tmp_path / "images" / str(number) / "0.png")
        dataset = load({**self.FOLDER, "classes": "imagenet-1k"})
        assert dataset.ids == tuple(f"{number}/0.png" for number in range(12))
        assert dataset.labels.tolist() == list(range(12))
        assert ImageFolder(str(tmp_path / "images")).class_to_idx["10"] == 2

    def test_trap_4_smaller_copies_of_the_images_are_another_dataset(self, load: Load, tmp_path: Path) -> None:
        """Trap 4: the reference evaluation read images scaled to 500 pixels, which are not the originals."""
        put_image(tmp_path / "images/a/1.png", size=(20, 30))
        (tmp_path / "small/a").mkdir(parents=True)
        with Image.open(tmp_path / "images/a/1.png") as opened:
            opened.resize((10, 15)).save(tmp_path / "small/a/1.png")
        original, small = load(self.FOLDER), load({**self.FOLDER, "path": "small"})
        assert original.ids == small.ids
        assert fingerprint(original) != fingerprint(small)

    def test_trap_28_the_order_of_images_is_not_the_file_systems(
        self, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Trap 28: an unsorted glob gives another order on another disk, where stored predictions no longer fit."""
        for name in ("a/1.png", "a/2.png", "a/10.png", "b/1.png", "c/1.png"):
            put_image(tmp_path / "images" / name)
        before, names = load(self.FOLDER), os.listdir
        for order in (sorted, lambda found: sorted(found, reverse=True)):
            monkeypatch.setattr(os, "listdir", lambda path, order=order: order(names(path)))
            assert next(map(str, (tmp_path / "images").iterdir())).endswith("a" if order is sorted else "c")
            assert load(self.FOLDER).ids == before.ids

    def test_as_the_entry_declares(self, load: Load, tmp_path: Path) -> None:
        for name in ("first/1.png", "third/1.png"):
            put_image(tmp_path / "images" / name)
        dataset = load({**self.FOLDER, "folders": ["third", "second", "first"]})
        assert dict(zip(dataset.ids, dataset.labels.tolist(), strict=True)) == {"third/1.png": 0, "first/1.png": 2}

    def test_a_folder_that_no_class_explains(self, refused: Refused, tmp_path: Path) -> None:
        for name in ("a/1.png", "B/1.png"):
            put_image(tmp_path / "images" / name)
        says(refused(self.FOLDER), where="dataset d, HERE/images", found="B")

    def test_an_image_of_zero_bytes(self, refused: Refused, tmp_path: Path) -> None:
        put_image(tmp_path / "images" / "a" / "1.png")
        (tmp_path / "images" / "a" / "2.png").touch()
        says(refused(self.FOLDER), where="dataset d, HERE/images/a/2.png", found="0 bytes")

    def test_a_class_without_images(self, refused: Refused, tmp_path: Path) -> None:
        put_image(tmp_path / "images" / "a" / "1.png")
        (tmp_path / "images" / "b").mkdir()
        message = (
            "a class folder has no images\n"
            "  where:    dataset d, HERE/images/b\n"
            "  found:    {}\n"
            "  expected: images in it or in folders below it, such as .jpg or .png\n"
            "  fix:      put the images of the class there, or remove the folder if the class is left out on purpose"
        )
        assert refused(self.FOLDER) == message.format("nothing")
        (tmp_path / "images" / "b" / "1.heic").touch()
        assert refused(self.FOLDER) == message.format("1 file with suffix .heic was not read: b/1.heic")

    def test_an_empty_folder(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        message = (
            "the image folder has no class folders\n"
            "  where:    dataset d, HERE/images\n"
            "  found:    {}\n"
            "  expected: one folder per class with its images inside\n"
            "  fix:      for images side by side with a list of their labels, use source: list"
        )
        assert refused(self.FOLDER) == message.format("0 other files")
        # The validation images of ILSVRC2012 come like this (trap 17).
        put_image(tmp_path / "images" / "ILSVRC2012_val_00000001.JPEG")
        assert refused(self.FOLDER) == message.format("1 other file")

    def test_no_folder(self, refused: Refused, tmp_path: Path) -> None:
        message = (
            "the image folder does not exist\n"
            "  where:    dataset d\n"
            "  found:    HERE/images\n"
            "  expected: a folder with one folder per class"
        )
        assert refused(self.FOLDER) == message
        (tmp_path / "images").touch()
        assert refused(self.FOLDER) == f"{message}\n  fix:      unpack it, and name the folder"

    def test_the_250_photographs(self, load: Load, real_data: Callable[[str], Path]) -> None:
        dataset = load({"source": "folder", "path": str(real_data("imagenet-samples")), "classes": "imagenet-1k"})
        with real_data("imagenet_classes.csv").open() as stream:
            indices = {row["wnid"]: int(row["index"]) for row in csv.DictReader(stream)}
        assert len(dataset) == len(set(dataset.labels.tolist())) == 250
        assert dataset.labels.tolist() == [indices[name.split("/")[0]] for name in dataset.ids]


IMAGES, LABELS = pixels("cifar10", 20, 32, 32, 3), [3, 8, 8, 0, 6, 6, 1, 6, 3, 1, 0, 9, 5, 7, 9, 8, 5, 7, 8, 6]


class TestCifar10:
    def from_server(self, server: FileServer, body: bytes, **changes: Any) -> Content:
        url = server.put("cifar-10-python.tar.gz", body)
        file = {"name": "cifar-10-python.tar.gz", "urls": [url], "sha256": sha256(body), "size": len(body), **changes}
        return {"source": "cifar10", "files": {"archive": file}}

    def test_the_pickle_is_that_of_python_2(self) -> None:
        import pickletools

        written = {opcode.name for opcode, _, _ in pickletools.genops(cifar10_batch(IMAGES, LABELS))}
        assert {"SHORT_BINSTRING", "BINSTRING"} < written
        assert not {name for name in written if "UNICODE" in name or "BYTES" in name}

    @pytest.mark.parametrize("mode", ["w:gz", "w"])  # trap 3: some .tar.gz are plain tar
    def test_downloaded_once(self, load: Load, file_server: FileServer, cache: Path, mode: str) -> None:
        content = self.from_server(file_server, archive(cifar10_batch(IMAGES, LABELS), mode))
        for _ in range(2):
            dataset = load(content)
            assert isinstance(dataset.images, np.ndarray)
            np.testing.assert_array_equal(dataset.images, IMAGES, strict=True)
            np.testing.assert_array_equal(dataset.labels, np.array(LABELS), strict=True)
            assert dataset.ids == tuple(f"{number:02d}" for number in range(20))
            assert dataset.classes is built_in("cifar10")
        assert len(file_server.requests) == 1
        assert data_folder() == cache / "datasets"
        assert (cache / "datasets" / "cifar-10-python.tar.gz").is_file()

    def test_a_pixel_by_hand(self, load: Load, tmp_path: Path) -> None:
        # Row 0, byte 1024 + 2 · 32 + 5 = 1093: green of the pixel in line 2, column 5.
        rows = np.zeros((1, 3072), np.uint8)
        rows[0, 1093] = 200
        (tmp_path / "test_batch").write_bytes(python_2_pickle({"data": rows, "labels": [7]}))
        images = load({"source": "cifar10", "path": ".", "files": OWN_BATCHES}).images
        assert isinstance(images, np.ndarray)
        assert np.argwhere(images).tolist() == [[0, 2, 5, 1]]
        assert images[0, 2, 5, 1] == 200

    def test_fetched_ahead(self, entry: Any, load: Load, file_server: FileServer, cache: Path) -> None:
        content = self.from_server(file_server, archive(cifar10_batch(IMAGES, LABELS)))
        assert fetch_dataset(entry(content)) == [cache / "datasets" / "cifar-10-python.tar.gz"]
        file_server.change("cifar-10-python.tar.gz", status=503)
        assert load(content).labels.tolist() == LABELS
        assert fetch_dataset(entry({"source": "cifar10", "path": "x"})) == []

    def test_another_archive_is_refused(
        self, load: Load, file_server: FileServer, cache: Path, complaint: Callable[..., str]
    ) -> None:
        content = self.from_server(file_server, archive(cifar10_batch(IMAGES, LABELS)), sha256="12fca82f" * 8)
        assert complaint(HashMismatchError, load, content).startswith(
            "cifar-10-python.tar.gz was found, but not with the expected checksum\n"
        )
        assert not (cache / "datasets" / "cifar-10-python.tar.gz").exists()

    @pytest.mark.parametrize("mode", ["w:gz", "w"])
    def test_own_archive(self, load: Load, tmp_path: Path, mode: str, complaint: Callable[..., str]) -> None:
        body = archive(cifar10_batch(IMAGES, LABELS), mode)
        (tmp_path / "mine.tar.gz").write_bytes(body)
        file = {"name": "x.tar.gz", "urls": ["http://127.0.0.1:1/x"], "sha256": sha256(body)}
        dataset = load({"source": "cifar10", "path": "mine.tar.gz", "files": {"archive": file}})
        assert dataset.labels.tolist() == LABELS
        # Without files of its own, the entry promises the official archive.
        says(
            # Compressed files hold the time at which they were made.
            str(complaint(HashMismatchError, load, {"source": "cifar10", "path": "mine.tar.gz"})).replace(
                f"{sha256(body)}, {len(body):,}", "SHA256, SIZE"
            ),
            where=tmp_path / "mine.tar.gz",
            found="sha256 SHA256, SIZE bytes",
        )

    @pytest.mark.parametrize("path", ["batches/cifar-10-batches-py", "batches"])
    def test_unpacked(self, load: Load, tmp_path: Path, path: str) -> None:
        (tmp_path / "batches" / BATCH).parent.mkdir(parents=True)
        (tmp_path / "batches" / BATCH).write_bytes(cifar10_batch(IMAGES, LABELS))
        dataset = load({"source": "cifar10", "path": path, "files": OWN_BATCHES})
        np.testing.assert_array_equal(dataset.images, IMAGES, strict=True)

    def test_unpacked_batches_are_compared_with_the_official_ones(
        self, load: Load, tmp_path: Path, complaint: Callable[..., str]
    ) -> None:
        body = cifar10_batch(IMAGES, LABELS)
        (tmp_path / "test_batch").write_bytes(body)
        says(
            complaint(HashMismatchError, load, {"source": "cifar10", "path": "."}),
            where=tmp_path / "test_batch",
            found=f"md5 {md5(body)}, {len(body):,} bytes",
        )
        members = {"test_batch": md5(body)}
        files = {"archive": {"name": "mine.tar.gz", "sha256": "0" * 64, "members": members}}
        assert len(load({"source": "cifar10", "path": ".", "files": files})) == len(LABELS)

    def test_a_path_with_nothing_there(self, refused: Refused, tmp_path: Path) -> None:
        says(refused({"source": "cifar10", "path": "nowhere.tar.gz"}), where="dataset d", found="HERE/nowhere.tar.gz")
        (tmp_path / "empty").mkdir()
        says(refused({"source": "cifar10", "path": "empty"}), where="dataset d", found="HERE/empty/test_batch")

    def test_a_pickle_that_would_run_something(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "test_batch").write_bytes(python_2_pickle({"data": Payload(tmp_path / "ran"), "labels": [1]}))
        says(
            refused({"source": "cifar10", "path": ".", "files": OWN_BATCHES}),
            where="dataset d, HERE/test_batch",
            found=f"it asks for {os.mkdir.__module__}.mkdir, which images do not need",
        )
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize(
        "content, found",
        [
            ({"data": np.zeros((2, 3071), np.uint8), "labels": [0, 1]},
             "6142 numbers, which do not fill the shape (2,3,32,32)"),
            ({"data": np.zeros((2, 3072), np.uint8), "fine_labels": [0, 1]}, 'no "labels" in it'),
            ({"data": 5, "labels": [0, 1]}, "content of another structure"),
            (["data", "labels"], 'no "data" in it'),
        ],
    )  # fmt: skip
    def test_another_batch(self, refused: Refused, tmp_path: Path, content: object, found: str) -> None:
        (tmp_path / "test_batch").write_bytes(python_2_pickle(content))
        says(
            refused({"source": "cifar10", "path": ".", "files": OWN_BATCHES}),
            where="dataset d, HERE/test_batch",
            found=found,
        )

    def test_pixels_that_are_none(self, refused: Refused, tmp_path: Path) -> None:
        content = {"data": np.zeros((2, 3072), np.float32), "labels": [0, 1]}
        (tmp_path / "test_batch").write_bytes(python_2_pickle(content))
        assert refused({"source": "cifar10", "path": ".", "files": OWN_BATCHES}).startswith(
            "these are not images\n  where:    dataset d, HERE/test_batch\n  found:    float32, shape (2, 32, 32, 3)\n"
        )

    def test_the_real_test_set(self, load: Load, tmp_path: Path, real_data: Callable[[str], Path]) -> None:
        folder = real_data("cifar10")
        images, labels = np.load(folder / "test_images.npy"), np.load(folder / "test_labels.npy")
        body = archive(cifar10_batch(images, labels.tolist()), "w")
        (tmp_path / "cifar.tar.gz").write_bytes(body)
        file = {"name": "x", "urls": ["http://127.0.0.1:1/x"], "sha256": sha256(body)}
        batch = load({"source": "cifar10", "path": "cifar.tar.gz", "files": {"archive": file}})
        arrays = load(
            {
                "source": "npy",
                "images": str(folder / "test_images.npy"),
                "labels": str(folder / "test_labels.npy"),
                "classes": "cifar10",
            }
        )
        assert np.bincount(batch.labels).tolist() == [1000] * 10
        assert (batch.ids[0], batch.ids[9999]) == ("0000", "9999")
        assert fingerprint(batch) == fingerprint(arrays)


class TestCifar101:
    COUNTS = {"v4": 2021, "v6": 2000}  # noqa: RUF012

    def files(self, version: str) -> dict[str, bytes]:
        """Both files as released: uint8 images and int32 labels, saved with np.save."""
        content = {}
        for role, array in {
            "data": pixels(version, 30, 32, 32, 3),
            "labels": np.arange(30, dtype=np.int32) % 10,
        }.items():
            stream = io.BytesIO()
            np.save(stream, array)
            content[f"cifar10.1_{version}_{role}.npy"] = stream.getvalue()
        return content

    def content(self, version: str, urls: dict[str, str], **changes: Any) -> Content:
        described = {
            role: {"name": name, "urls": [urls.get(name, "http://127.0.0.1:1/x")], "sha256": sha256(body)}
            for role, (name, body) in zip(("images", "labels"), self.files(version).items(), strict=True)
        }
        return {"source": "cifar10.1", "version": version, "files": described, **changes}

    @pytest.mark.parametrize("version", ["v4", "v6"])
    def test_downloaded_once(self, load: Load, file_server: FileServer, cache: Path, version: str) -> None:
        urls = {name: file_server.put(name, body) for name, body in self.files(version).items()}
        for _ in range(2):
            dataset = load(self.content(version, urls))
            np.testing.assert_array_equal(dataset.images, pixels(version, 30, 32, 32, 3), strict=True)
            np.testing.assert_array_equal(dataset.labels, np.arange(30) % 10, strict=True)
        assert sorted(request.name for request in file_server.requests) == sorted(urls)

    @pytest.mark.parametrize("version", ["v4", "v6"])
    def test_own_copies(self, load: Load, tmp_path: Path, version: str) -> None:
        (tmp_path / "sets").mkdir()
        for name, body in self.files(version).items():
            (tmp_path / "sets" / name).write_bytes(body)
        dataset = load(self.content(version, {}, path="sets"))
        np.testing.assert_array_equal(dataset.images, pixels(version, 30, 32, 32, 3), strict=True)

    def test_a_copy_with_other_content(self, load: Load, tmp_path: Path, complaint: Callable[..., str]) -> None:
        for name, body in self.files("v6").items():
            (tmp_path / name).write_bytes(body)
        wrong = (tmp_path / "cifar10.1_v6_labels.npy").read_bytes()[:-1] + b"\1"
        (tmp_path / "cifar10.1_v6_labels.npy").write_bytes(wrong)
        right = sha256(self.files("v6")["cifar10.1_v6_labels.npy"])
        says(
            complaint(HashMismatchError, load, self.content("v6", {}, path=".")),
            where=tmp_path / "cifar10.1_v6_labels.npy",
            found=f"sha256 {sha256(wrong)}, {len(wrong):,} bytes",
            expected=f"sha256 {right}",
        )

    def test_a_copy_that_is_not_there(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "cifar10.1_v4_data.npy").write_bytes(self.files("v4")["cifar10.1_v4_data.npy"])
        says(refused(self.content("v4", {}, path=".")), where="dataset d", found="HERE/cifar10.1_v4_labels.npy")

    @pytest.mark.parametrize("version", ["v4", "v6"])
    def test_the_released_labels(self, real_data: Callable[[str], Path], version: str) -> None:
        """The official label files, wherever they lie, are those whose hash the default registry promises."""
        folder = real_data("cifar10.1-predictions")
        found = sorted(folder.rglob(f"cifar10.1_{version}_labels.npy"))
        if not found:
            pytest.skip(f"cifar10.1_{version}_labels.npy is not in {folder}")
        promised = load_registry(default_path()).datasets[f"cifar10.1-{version}"].needed_files()[1].sha256
        assert sha256(found[0].read_bytes()) == promised
        assert len(np.load(found[0])) == self.COUNTS[version]


class TestDigits:
    @pytest.mark.parametrize("name, part", [("digits", "original"), ("digits-new-writers", "new")])
    def test_embedded(self, name: str, part: str) -> None:
        from evalshift.testbed.digits.split import digits_split

        entry = load_registry(default_path()).datasets[name]
        dataset, expected = load_dataset(name, entry, built_in("digits")), getattr(digits_split(), part)
        np.testing.assert_array_equal(dataset.images, expected.images, strict=True)
        np.testing.assert_array_equal(dataset.labels, expected.labels, strict=True)
        assert dataset.ids == tuple(expected.ids)


class TestFingerprint:
    def dataset(self, **changes: Any) -> Dataset:
        parts = {"ids": ("x", "y"), "labels": np.array([0, 1]), "images": pixels("fingerprint", 2, 3, 3, 3), **changes}
        return Dataset("d", built_in("cifar10"), **parts)

    def test_by_hand(self) -> None:
        digest = hashlib.sha256(b"evalshift dataset 1\nx\ny")
        digest.update(struct.pack("<qq", 0, 1) + b"(2, 3, 3, 3)" + pixels("fingerprint", 2, 3, 3, 3).tobytes())
        assert fingerprint(self.dataset()) == digest.hexdigest()

    def test_equal_content_wherever_it_lies(self) -> None:
        turned = np.asfortranarray(pixels("fingerprint", 2, 3, 3, 3))
        assert fingerprint(self.dataset(images=turned)) == fingerprint(self.dataset())

    @pytest.mark.parametrize("what", ["pixel", "label", "id", "order", "shape"])
    def test_whatever_changes(self, what: str) -> None:
        images = pixels("fingerprint", 2, 3, 3, 3)
        other = images.copy()
        other[1, 2, 2, 2] ^= 1
        changes = {
            "pixel": {"images": other},
            "label": {"labels": np.array([0, 2])},
            "id": {"ids": ("x", "z")},
            "order": {"ids": ("y", "x"), "labels": np.array([1, 0]), "images": images[::-1]},
            "shape": {"images": images.reshape(2, 9, 1, 3)},
        }
        assert fingerprint(self.dataset(**changes[what])) != fingerprint(self.dataset())

    def test_of_files(self, load: Load, tmp_path: Path) -> None:
        for folder in ("here", "there"):
            for name in ("a/1.png", "c/2.png"):
                put_image(tmp_path / folder / name, seed=name)
        prints = {}
        for folder in ("here", "there"):
            dataset = load({"source": "folder", "path": folder, "classes": "letters"})
            prints[folder] = fingerprint(dataset, workers=1)
            assert fingerprint(dataset, workers=4) == prints[folder]
        assert prints["here"] == prints["there"]
        put_image(tmp_path / "there" / "c" / "2.png", seed="another")
        dataset = load({"source": "folder", "path": "there", "classes": "letters"})
        assert fingerprint(dataset) != prints["here"]


class TestStamp:
    def touch(self, path: Path) -> None:
        """As an editor would: the same size, a moment later."""
        now = path.stat().st_mtime_ns
        os.utime(path, ns=(now, now + 1_000_000))

    def changes_and_vanishes(self, entry: AnyDataset, file: Path) -> None:
        before = source_checksum(entry)
        assert before is not None
        assert source_checksum(entry) == before
        self.touch(file)
        assert source_checksum(entry) not in (before, None)
        file.unlink()
        assert source_checksum(entry) is None

    @pytest.mark.parametrize("name", ["x.npy", "y.npy", "ids.txt"])
    def test_npy(self, entry: Any, tmp_path: Path, name: str) -> None:
        for file in ("x.npy", "y.npy", "ids.txt"):
            (tmp_path / file).write_bytes(b"content")
        content = {"source": "npy", "images": "x.npy", "labels": "y.npy", "ids": "ids.txt", "classes": "cifar10"}
        self.changes_and_vanishes(entry(content), tmp_path / name)

    def test_folder(self, entry: Any, tmp_path: Path) -> None:
        put_image(tmp_path / "images" / "a" / "1.png")
        put_image(tmp_path / "images" / "a" / "2.png")
        folder = entry({"source": "folder", "path": "images", "classes": "letters"})
        before = source_checksum(folder)
        self.touch(tmp_path / "images" / "a" / "1.png")
        touched = source_checksum(folder)
        (tmp_path / "images" / "a" / "1.png").unlink()
        assert len({before, touched, source_checksum(folder), None}) == 4
        assert source_checksum(entry({"source": "folder", "path": "nowhere", "classes": "letters"})) is None

    def test_a_folder_that_moved_with_its_images(self, entry: Any, tmp_path: Path) -> None:
        put_image(tmp_path / "images" / "a" / "1.png")
        before = source_checksum(entry({"source": "folder", "path": "images", "classes": "letters"}))
        (tmp_path / "images").rename(tmp_path / "moved")
        assert source_checksum(entry({"source": "folder", "path": "moved", "classes": "letters"})) == before

    @pytest.mark.parametrize("path", ["mine.tar.gz", "batches", "batches/cifar-10-batches-py"])
    def test_cifar10_at_a_path(self, entry: Any, tmp_path: Path, path: str) -> None:
        (tmp_path / "batches" / BATCH).parent.mkdir(parents=True)
        (tmp_path / "batches" / BATCH).write_bytes(b"content")
        (tmp_path / "mine.tar.gz").write_bytes(b"content")
        file = tmp_path / (path if path.endswith("gz") else f"batches/{BATCH}")
        self.changes_and_vanishes(entry({"source": "cifar10", "path": path}), file)

    def test_cifar10_in_the_cache(self, entry: Any, cache: Path) -> None:
        cifar10 = entry({"source": "cifar10"})
        assert isinstance(cifar10, Cifar10Dataset)
        assert source_checksum(cifar10) is None
        (cache / "datasets").mkdir(parents=True)
        (cache / "datasets" / "cifar-10-python.tar.gz").write_bytes(b"content")
        self.changes_and_vanishes(cifar10, cache / "datasets" / "cifar-10-python.tar.gz")

    @pytest.mark.parametrize("role", ["data", "labels"])
    def test_cifar10_1(self, entry: Any, tmp_path: Path, role: str) -> None:
        for name in ("data", "labels"):
            (tmp_path / f"cifar10.1_v6_{name}.npy").write_bytes(b"content")
        content = {"source": "cifar10.1", "version": "v6", "path": "."}
        self.changes_and_vanishes(entry(content), tmp_path / f"cifar10.1_v6_{role}.npy")

    def test_digits(self) -> None:
        import sklearn

        entry = load_registry(default_path()).datasets["digits"]
        assert source_checksum(entry) == f"scikit-learn {sklearn.__version__}"
