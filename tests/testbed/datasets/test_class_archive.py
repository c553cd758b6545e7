"""ImageNet-A, -R and -Sketch as their archives hold them: wnid folders, of which a view keeps 200."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fileserver import FileServer
from formats import image_bytes, put_image, sha256, tar_bytes
from messages import says

from evalshift.testbed.classes import built_in
from evalshift.testbed.datasets import Dataset, source_checksum
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.state import dataset_state
from evalshift.testbed.views import built_in_view

Content = dict[str, Any]
Load = Callable[[Content], Dataset]
Refused = Callable[[Content], str]
WNIDS = built_in("imagenet-1k").folders
KEPT = [WNIDS[label] for label in built_in_view("imagenet-a").labels]


class TestReading:
    def content(self, body: bytes, server: FileServer, name: str = "imagenet-a.tar", **more: Any) -> Content:
        file = {"name": name, "urls": [server.put(name, body)], "sha256": sha256(body)}
        return {"source": "class-archive", "classes": "imagenet-1k", "files": {"archive": file}, **more}

    def test_imagenet_a(self, load: Load, entry: Any, file_server: FileServer, cache: Path) -> None:
        """A README beside the 200 folders, and images named by what a ResNet-50 took them for."""
        files = {f"imagenet-a/{wnid}/0.{place:06d}_fox squirrel_ 0.8.jpg": image_bytes(wnid, "JPEG")
                 for place, wnid in enumerate(KEPT)}  # fmt: skip
        body = tar_bytes({"imagenet-a/README.txt": b"n01498041 stingray\n", **files}, "w")
        content = self.content(body, file_server, view="imagenet-a", count=200)
        dataset = load(content)
        assert dataset.labels.tolist() == list(built_in_view("imagenet-a").labels)
        assert dataset.ids[0] == f"{KEPT[0]}/0.000000_fox squirrel_ 0.8.jpg"
        assert source_checksum(entry(content)) is not None

    def test_imagenet_sketch_is_a_zip_file_of_all_classes(
        self, load: Load, file_server: FileServer, cache: Path
    ) -> None:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for wnid in WNIDS[:3]:
                archive.writestr(f"sketch/{wnid}/sketch_0.JPEG", image_bytes(wnid, "JPEG"))
        dataset = load(self.content(stream.getvalue(), file_server, "ImageNet-Sketch.zip"))
        assert dataset.labels.tolist() == [0, 1, 2]
        assert dataset.view is None

    def test_unpacked(self, load: Load, tmp_path: Path) -> None:
        put_image(tmp_path / "r" / "imagenet-r" / "n01443537" / "art_0.jpg")
        content = {"source": "class-archive", "classes": "imagenet-1k", "path": "r", "view": "imagenet-r"}
        assert load(content).labels.tolist() == [1]

    def test_another_number_of_images(self, refused: Refused, tmp_path: Path) -> None:
        put_image(tmp_path / "r" / "n01443537" / "art_0.jpg")
        content = {"source": "class-archive", "classes": "imagenet-1k", "path": "r", "count": 30_000}
        says(refused(content), where="dataset d, HERE/r", found="1 image")

    def test_an_archive_of_which_nothing_is_known(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "s.zip").write_bytes(b"PK")
        content = {"source": "class-archive", "classes": "imagenet-1k", "path": "s.zip"}
        says(refused(content), where="dataset d", found="HERE/s.zip")

    def test_an_archive_whose_hash_nobody_published(self, refused: Refused, entry: Any) -> None:
        content = {"source": "class-archive", "classes": "imagenet-1k", "homepage": "https://example.org"}
        says(refused(content), where="dataset d")
        assert dataset_state(entry(content)).words == "get it by hand"


class TestDefaultRegistry:
    @pytest.mark.parametrize("name, count", [("imagenet-a", 7_500), ("imagenet-r", 30_000)])
    def test_both_sides_of_the_pair_are_restricted(self, name: str, count: int) -> None:
        registry = load_registry(default_path())
        pair = registry.pair(f"imagenet:{name}")
        assert str(pair) == f"imagenet@{name}:{name}"
        assert pair in registry.pairs
        assert registry.dataset(pair.original).view == registry.dataset(pair.new).view == name
        assert registry.dataset(name).count == count  # pyright: ignore[reportAttributeAccessIssue]

    def test_imagenet_sketch_has_all_classes(self) -> None:
        registry = load_registry(default_path())
        assert str(registry.pair("imagenet:imagenet-sketch")) == "imagenet:imagenet-sketch"
        # About 50 a class.
        assert registry.dataset("imagenet-sketch").count == 50_889  # pyright: ignore[reportAttributeAccessIssue]

    def test_only_what_is_called_imagenet_sketch_is_downloaded_as_such(self, tmp_path: Path) -> None:
        """Other archives of all classes are told from it by nothing else."""
        lines = (f"  {name}: {{source: class-archive, classes: imagenet-1k}}" for name in ("imagenet-sketch", "mine"))
        (tmp_path / "registry.yaml").write_text("datasets:\n" + "\n".join(lines))
        datasets = load_registry(tmp_path / "registry.yaml").datasets
        assert [len(datasets[name].needed_files()) for name in ("imagenet-sketch", "mine")] == [1, 0]
