"""ImageNetV2 in the layouts that circulate. The sets have their true size: every image is a link to one file."""

import io
import os
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fileserver import FileServer
from formats import image_bytes, sha256
from messages import says

from evalshift.errors import HashMismatchError
from evalshift.testbed.classes import built_in
from evalshift.testbed.datasets import Dataset, fingerprint, source_checksum

Content = dict[str, Any]
Load = Callable[[Content], Dataset]
Refused = Callable[[Content], str]
WNIDS = built_in("imagenet-1k").folders
HASHES = [sha256(str(number).encode())[:40] for number in range(20)]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("one") / "image.jpeg"
    path.write_bytes(image_bytes("v2", "JPEG"))
    return path


def lay_out(root: Path, image: Path, folders: Iterable[str], names: Iterable[str]) -> Path:
    """A class folder each, with links to one image."""
    names = list(names)
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for name in names:
            os.link(image, root / folder / name)
    return root


@pytest.fixture(scope="module")
def numbered(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release as its archive unpacks: numbered folders, images named by their hashes."""
    root = tmp_path_factory.mktemp("numbered")
    lay_out(
        root / "imagenetv2-matched-frequency-format-val",
        image,
        map(str, range(1000)),
        (f"{h}.jpeg" for h in HASHES[:10]),
    )
    return root


def content(path: Path | str, **more: Any) -> Content:
    return {"source": "imagenetv2", "version": "matched-frequency", "path": str(path), **more}


class TestLayouts:
    def test_trap_1_folder_7_is_class_7(self, load: Load, numbered: Path) -> None:
        """Sorted as text the folders stand 0, 1, 10, 100, 101, …, which makes nearly all incorrect."""
        dataset = load(content(numbered))
        assert len(dataset) == 10_000
        assert dataset.labels.tolist() == [label for label in range(1000) for _ in range(10)]
        assert dataset.ids[:2] == tuple(f"0/{name}.jpeg" for name in sorted(HASHES[:10])[:2])
        assert dataset.ids[20].startswith("2/")
        assert all(
            int(Path(path).parent.name) == label for path, label in zip(dataset.images, dataset.labels, strict=True)
        )

    def test_wnid_folders_are_the_same_set(self, load: Load, numbered: Path, image: Path, tmp_path: Path) -> None:
        lay_out(tmp_path / "wnids", image, WNIDS, (f"{name}.jpeg" for name in HASHES[:10]))
        by_wnid, by_number = load(content("wnids")), load(content(numbered / "imagenetv2-matched-frequency-format-val"))
        assert by_wnid.ids == by_number.ids
        np.testing.assert_array_equal(by_wnid.labels, by_number.labels)

    def test_trap_2_files_named_0_to_9(self, load: Load, image: Path, tmp_path: Path) -> None:
        lay_out(tmp_path / "v2", image, map(str, range(1000)), (f"{number}.jpeg" for number in range(10)))
        dataset = load(content("v2"))
        assert dataset.ids[:10] == tuple(f"0/{number}.jpeg" for number in range(10))

    def test_trap_2_the_release_with_20_images_per_class(
        self, load: Load, refused: Refused, image: Path, tmp_path: Path
    ) -> None:
        lay_out(tmp_path / "v2", image, map(str, range(1000)), (f"{name}.jpeg" for name in HASHES))
        says(refused(content("v2")), where="dataset d, HERE/v2", found="20 images in each of 1,000 classes")
        assert len(load(content("v2", per_class=20))) == 20_000


class TestCounts:
    @pytest.fixture
    def small(self, image: Path, tmp_path: Path) -> Path:
        return lay_out(tmp_path / "v2", image, map(str, range(1000)), ["0.jpeg"])

    @pytest.mark.parametrize(
        "change, found",
        [
            (lambda root: None, "1 image in each of 1,000 classes"),
            (lambda root: os.link(root / "7/0.jpeg", root / "7/1.jpeg"),
             "1 image in class 0, and other counts in 999 more"),
        ],
    )  # fmt: skip
    def test_other_counts(self, refused: Refused, small: Path, change: Callable[[Path], None], found: str) -> None:
        change(small)
        says(refused(content("v2")), where="dataset d, HERE/v2", found=found)

    def test_a_class_that_is_missing(self, refused: Refused, numbered: Path, image: Path, tmp_path: Path) -> None:
        names = [f"{name}.jpeg" for name in HASHES[:10]]
        lay_out(tmp_path / "v2", image, (str(number) for number in range(1000) if number != 500), names)
        assert "  found:    0 images in class 500\n" in refused(content("v2"))

    def test_folders_that_are_no_classes(self, refused: Refused, image: Path, tmp_path: Path) -> None:
        lay_out(tmp_path / "v2", image, ["0", "1000"], ["0.jpeg"])
        assert refused(content("v2")).startswith(
            "class folders that are not classes of imagenet-1k\n  where:    dataset d, HERE/v2\n  found:    1000\n"
        )


def archive(mode: str, folder: str = "imagenetv2-matched-frequency-format-val") -> bytes:
    stream, body = io.BytesIO(), image_bytes("v2", "JPEG")
    with tarfile.open(fileobj=stream, mode=mode) as opened:  # type: ignore[call-overload]
        for number in range(1000):
            for name in HASHES[:10]:
                member = tarfile.TarInfo(f"{folder}/{number}/{name}.jpeg")
                member.size = len(body)
                opened.addfile(member, io.BytesIO(body))
    return stream.getvalue()


@pytest.fixture(scope="module")
def plain() -> bytes:
    return archive("w")


class TestArchive:
    def entry_for(self, body: bytes, server: FileServer, **more: Any) -> Content:
        url = server.put("imagenetv2-matched-frequency.tar.gz", body)
        file = {"name": "imagenetv2-matched-frequency.tar.gz", "urls": [url], "sha256": sha256(body), **more}
        return {"source": "imagenetv2", "version": "matched-frequency", "files": {"archive": file}}

    def test_trap_3_a_plain_tar_named_tar_gz(
        self, entry: Any, load: Load, file_server: FileServer, cache: Path, plain: bytes, numbered: Path
    ) -> None:
        described = self.entry_for(plain, file_server)
        assert source_checksum(entry(described)) is None
        dataset = load(described)
        folder = cache / "datasets" / "unpacked" / f"imagenetv2-matched-frequency-{sha256(plain)[:8]}"
        first = dataset.images[0]
        assert isinstance(first, Path)
        assert first.is_relative_to(folder)
        assert fingerprint(dataset) == fingerprint(load(content(numbered)))
        assert source_checksum(entry(described)) is not None
        # Unpacked once, fetched once.
        before = first.stat().st_mtime_ns
        assert load(described).images[0] == first
        assert first.stat().st_mtime_ns == before
        assert len(file_server.requests) == 1

    def test_own_archive_of_an_earlier_release(
        self, load: Load, file_server: FileServer, cache: Path, plain: bytes, tmp_path: Path,
        complaint: Callable[..., str],
    ) -> None:  # fmt: skip
        (tmp_path / "mine.tar.gz").write_bytes(plain)
        described = {**self.entry_for(b"newer", file_server, also=[sha256(plain)]), "path": "mine.tar.gz"}
        assert len(load(described)) == 10_000
        described["files"]["archive"]["also"] = ["0" * 64]
        says(
            complaint(HashMismatchError, load, described),
            where=tmp_path / "mine.tar.gz",
            found=f"sha256 {sha256(plain)}, {len(plain):,} bytes",
            expected=f"sha256 {sha256(b'newer')}",
        )
        assert file_server.requests == []
