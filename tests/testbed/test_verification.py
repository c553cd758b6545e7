"""Every file of a dataset that is on disk is looked at again."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fileserver import FileServer
from formats import cifar10_archive, cifar10_batch, image_bytes, pixels, put_image, sha256, tar_bytes
from messages import says

from evalshift.errors import DownloadError
from evalshift.testbed.data_access import data_access, is_offline
from evalshift.testbed.download import RemoteFile, fetch
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.state import fetch_all
from evalshift.testbed.verification import Verified, verify_dataset

Content = dict[str, Any]


@pytest.fixture
def verify(tmp_path: Path, cache: Path) -> Callable[..., Verified]:
    def look(content: Content, *, fetched: bool = True, **options: Any) -> Verified:
        text = {"classes": {"letters": ["a", "b"]}, "datasets": {"d": content}}
        (tmp_path / "registry.yaml").write_text(yaml.safe_dump(text))
        registry = load_registry(tmp_path / "registry.yaml")
        if fetched:
            list(fetch_all(registry, ["d"]))
        entry = registry.dataset("d")
        return verify_dataset("d", entry, registry.class_space(entry.classes), **options)

    return look


def archive_entry(server: FileServer, source: str, name: str, body: bytes, **more: Any) -> Content:
    file = {"name": name, "urls": [server.put(name, body)], "sha256": sha256(body)}
    return {"source": source, "files": {"archive": file}, **more}


class TestDownloads:
    BODY = cifar10_archive(cifar10_batch(pixels("verify", 3, 32, 32, 3), [0, 1, 2]), "w")

    def test_whole(self, verify: Callable[..., Verified], file_server: FileServer) -> None:
        content = archive_entry(file_server, "cifar10", "c.tar.gz", self.BODY)
        assert verify(content) == Verified(1, 3, ())

    def test_nothing_is_fetched(self, verify: Callable[..., Verified], file_server: FileServer, cache: Path) -> None:
        content = archive_entry(file_server, "cifar10", "c.tar.gz", self.BODY)
        assert verify(content, fetched=False) == Verified(1, None, (f"{cache / 'datasets/c.tar.gz'}: not here",))
        assert file_server.requests == []

    def test_a_note_of_an_earlier_look_is_not_believed(
        self, verify: Callable[..., Verified], file_server: FileServer, cache: Path
    ) -> None:
        """One byte turned on the disk, while size and time stayed as they were."""
        import os

        content = archive_entry(file_server, "cifar10", "c.tar.gz", self.BODY)
        verify(content)
        path = cache / "datasets" / "c.tar.gz"
        times = path.stat()
        wrong = self.BODY[:-1000] + b"x" + self.BODY[-999:]
        path.write_bytes(wrong)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert fetch(RemoteFile("c.tar.gz", (), sha256(self.BODY)), path.parent) == path  # the note is believed here
        assert verify(content) == Verified(
            1,
            None,
            (f"{path}: sha256 {sha256(wrong)}, {len(wrong):,} bytes, and not sha256 {sha256(self.BODY)}",),
        )

    def test_what_was_unpacked_is_compared_with_its_archive(
        self, verify: Callable[..., Verified], file_server: FileServer, cache: Path
    ) -> None:
        wnids = ("n01440764", "n01443537")
        body = tar_bytes({f"set/{wnid}/{n}.png": image_bytes(f"{wnid}{n}") for wnid in wnids for n in range(3)}, "w")
        content = archive_entry(file_server, "class-archive", "a.tar", body, classes="imagenet-1k")
        told: list[int] = []
        assert verify(content).files == 1  # not unpacked before it is read
        assert verify(content, advance=told.append) == Verified(2, 6, ())
        assert sum(told) == 6
        folder = cache / "datasets" / "unpacked" / f"a-{sha256(body)[:8]}"
        (folder / "set/n01440764/0.png").write_bytes(image_bytes("other"))
        (folder / "set/n01443537/2.png").unlink()
        assert verify(content).faults == (
            f"{folder}: set/n01440764/0.png, set/n01443537/2.png differs from the archive",
        )


class TestFolders:
    def test_each_image_is_decoded(self, verify: Callable[..., Verified], tmp_path: Path) -> None:
        for number in range(6):
            put_image(tmp_path / "x" / "a" / f"{number}.png")
        content = {"source": "folder", "path": "x", "classes": "letters"}
        assert verify(content) == Verified(0, 6, ())
        for number in range(5):  # cut: its header is whole, so that listing it finds nothing wrong
            path = tmp_path / "x" / "a" / f"{number}.png"
            path.write_bytes(path.read_bytes()[:-40])
        assert verify(content) == Verified(0, 6, ("a/0.png, a/1.png, a/2.png and 2 more: an image cannot be read",))

    def test_arrays_that_contradict_each_other(self, verify: Callable[..., Verified], tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", pixels("x", 3, 2, 2, 3))
        np.save(tmp_path / "y.npy", np.array([0, 1]))
        content = {"source": "npy", "images": "x.npy", "labels": "y.npy", "classes": "letters"}
        assert verify(content) == Verified(
            0, None, ("images, labels and ids differ in number (3 images, 2 labels, 3 ids)",)
        )


class TestOffline:
    def test_nothing_is_fetched(self, tmp_path: Path, file_server: FileServer, complaint: Callable[..., str]) -> None:
        file = RemoteFile("x.bin", (file_server.put("x.bin", b"x"),), sha256(b"x"))
        with data_access(offline=True):
            assert is_offline()
            says(complaint(DownloadError, fetch, file, tmp_path), where=tmp_path / "x.bin")
        assert not is_offline()
        assert file_server.requests == []
        fetch(file, tmp_path)
        with data_access(offline=True):
            assert fetch(file, tmp_path).read_bytes() == b"x"

    @pytest.mark.parametrize("value, offline", [("1", True), ("true", True), ("ON", True), ("0", False), ("", False)])
    def test_the_variable(self, monkeypatch: pytest.MonkeyPatch, value: str, offline: bool) -> None:
        monkeypatch.setenv("EVALSHIFT_OFFLINE", value)
        assert is_offline() is offline

    def test_libraries_are_told_and_all_is_put_back(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        import os

        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("EVALSHIFT_DATA", "before")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        with data_access(tmp_path, offline=True):
            assert os.environ["EVALSHIFT_DATA"] == str(tmp_path)
            assert os.environ["HF_HUB_OFFLINE"] == "1"
            assert constants.HF_HUB_OFFLINE is True
        assert os.environ["EVALSHIFT_DATA"] == "before"
        assert "HF_HUB_OFFLINE" not in os.environ
        assert constants.HF_HUB_OFFLINE is False


def test_a_png_cut_in_its_end_is_one_that_only_decoding_finds() -> None:
    from PIL import Image

    with Image.open(io.BytesIO(image_bytes()[:-40])) as opened:
        assert opened.size == (4, 6)
