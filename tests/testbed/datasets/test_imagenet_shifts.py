"""Shifts of ImageNet with classes or labels of their own, as small files of their official form."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fileserver import FileServer
from formats import image_bytes, put_image, sha256, tar_bytes
from messages import says
from PIL import Image

from evalshift.errors import DataError, DownloadError, HashMismatchError, UsageError
from evalshift.testbed.class_groups import class_groups, group_of_folder
from evalshift.testbed.classes import built_in
from evalshift.testbed.datasets import Dataset, fingerprint, load_dataset, source_checksum
from evalshift.testbed.image_files import open_rgb
from evalshift.testbed.registry_path import default_path
from evalshift.testbed.registry_reading import load_registry
from evalshift.testbed.state import dataset_state
from evalshift.testbed.views import built_in_view

Content = dict[str, Any]
Load = Callable[[Content], Dataset]
Refused = Callable[[Content], str]
WNIDS = built_in("imagenet-1k").folders
REGISTRY = load_registry(default_path())


def zip_bytes(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def served(server: FileServer, role: str, name: str, body: bytes, **file: Any) -> Content:
    return {role: {"name": name, "urls": [server.put(name, body)], "sha256": sha256(body), **file}}


class TestGroups:
    @pytest.mark.parametrize(
        "view, groups, classes",
        [("imagenet-9", 9, 370), ("geirhos-16", 16, 207), ("objectnet", 113, 125), ("imagenet-d", 164, 464)],
    )
    def test_as_many_groups_and_classes_as_published(self, view: str, groups: int, classes: int) -> None:
        found = built_in_view(view)
        assert len(found.space) == groups
        assert sum(label is not None for label in found.meaning) == classes
        assert len(group_of_folder(view)) == sum(len(group.folders) for group in class_groups(view))

    def test_counts_of_table_4_of_imagenet_9(self) -> None:
        meaning = built_in_view("imagenet-9").meaning
        assert [meaning.count(group) for group in range(9)] == [116, 52, 42, 36, 35, 27, 26, 20, 16]

    @pytest.mark.parametrize(
        "view, wnid, group",
        [
            ("imagenet-9", "n02085620", "dog"),
            ("imagenet-9", "n02123045", None),  # a tabby: domestic cats are not below carnivore in its tree
            ("geirhos-16", "n02690373", "airplane"),
            ("objectnet", "n02708093", "Alarm clock"),
            ("objectnet", "n04356056", "Sunglasses"),
            ("imagenet-d", "n02708093", "clock"),
            ("imagenet-d", "n01440764", None),
        ],
    )
    def test_single_classes(self, view: str, wnid: str, group: str | None) -> None:
        found = built_in_view(view)
        label = found.meaning[WNIDS.index(wnid)]
        assert (None if label is None else found.space.names[label]) == group

    def test_a_registry_may_give_the_name_to_a_view_of_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "r.yaml").write_text(
            "extends: default\n"
            "views: {objectnet: {of: imagenet-1k, groups: {clock: [409, 530], banana: [954]}}}\n"
            "datasets: {mine: {source: folder, path: d, classes: objectnet}}\n"
            "pairs: [imagenet:mine]\n"
        )
        registry = load_registry(tmp_path / "r.yaml")
        assert registry.class_space("objectnet").names == ("clock", "banana")
        assert str(registry.pairs[0]) == "imagenet@objectnet:mine@objectnet"
        assert registry.view_of("mine@objectnet").space.names == ("clock", "banana")  # pyright: ignore


class TestImageNet9:
    FOLDERS = ("00_dog", "01_bird", "02_wheeled vehicle", "08_fish")

    def archive(self, server: FileServer, **file: Any) -> Content:
        files = {
            f"bg_challenge/{variation}/val/{folder}/n0_{place}.JPEG": image_bytes(f"{variation} {folder}", "JPEG")
            for variation in ("original", "mixed_rand")
            for place, folder in enumerate(self.FOLDERS)
        }
        return served(server, "archive", "backgrounds_challenge_data.tar.gz", tar_bytes(files), **file)

    def test_one_archive_of_several_variations(self, load: Load, file_server: FileServer, cache: Path) -> None:
        files = self.archive(file_server)
        one, other = (
            load({"source": "imagenet-9", "variation": name, "files": files}) for name in ("original", "mixed_rand")
        )
        assert one.ids == other.ids == (*(f"{name}/n0_{place}.JPEG" for place, name in enumerate(self.FOLDERS)),)
        assert [one.classes.names[label] for label in one.labels] == ["dog", "bird", "wheeled vehicle", "fish"]
        assert one.model_classes.name == "imagenet-1k"
        assert fingerprint(one) != fingerprint(other)
        assert len(file_server.requests) == 1
        assert one.warnings[-1].startswith("no folder for 5 groups of 9: reptile, carnivore, insect")

    @pytest.mark.parametrize("path", ["d", "d/bg_challenge", "d/bg_challenge/original", "d/bg_challenge/original/val"])
    def test_unpacked_at_any_depth(self, load: Load, tmp_path: Path, path: str) -> None:
        put_image(tmp_path / "d/bg_challenge/original/val/02_wheeled vehicle/1.JPEG")
        dataset = load({"source": "imagenet-9", "variation": "original", "path": path})
        assert (dataset.ids, dataset.labels.tolist()) == (("02_wheeled vehicle/1.JPEG",), [2])

    def test_a_file_without_a_published_hash_stays_what_it_was_first(
        self, entry: Any, file_server: FileServer, cache: Path
    ) -> None:
        content = {
            "source": "imagenet-9",
            "variation": "original",
            "files": self.archive(file_server, sha256="unknown"),
        }
        known, space = entry(content), built_in_view("imagenet-9").space
        assert len(load_dataset("d", known, space)) == 4
        (cache / "datasets" / "backgrounds_challenge_data.tar.gz").write_bytes(b"other")
        with pytest.raises(HashMismatchError, match="a file does not have the expected checksum"):
            load_dataset("d", known, space)

    def test_a_web_page_is_no_archive(self, load: Load, file_server: FileServer, cache: Path) -> None:
        files = self.archive(file_server, sha256="unknown")
        file_server.change("backgrounds_challenge_data.tar.gz", body=b"<!DOCTYPE html><html>Too many requests</html>")
        with pytest.raises(DownloadError, match="a web page instead of the file"):
            load({"source": "imagenet-9", "variation": "original", "files": files})

    def test_one_must_be_chosen(self) -> None:
        with pytest.raises(UsageError) as caught:
            load_dataset("imagenet-9", REGISTRY.dataset("imagenet-9"), built_in_view("imagenet-9").space)
        says(str(caught.value), found="no variation", fix="name it after @, such as imagenet-9@original")
        with pytest.raises(UsageError) as caught:
            REGISTRY.dataset("imagenet-9@mixed")
        says(str(caught.value), expected="one of original, mixed_same, mixed_rand, mixed_next, only_fg, only_bg_b, "
             "only_bg_t, no_fg")  # fmt: skip

    def test_pairs(self) -> None:
        pairs = REGISTRY.matching_pairs("imagenet-9@mixed-same:imagenet-9@mixed_r*")
        assert list(map(str, pairs)) == ["imagenet-9@mixed-same:imagenet-9@mixed_rand"]
        assert str(REGISTRY.pair("imagenet:imagenet-9@original")) == "imagenet@imagenet-9:imagenet-9@original"
        assert REGISTRY.dataset("imagenet-9@mixed-same").title == "ImageNet-9, mixed same"

    def test_other_folders(self, refused: Refused, tmp_path: Path) -> None:
        put_image(tmp_path / "d" / "dog" / "1.png")
        said = refused({"source": "imagenet-9", "variation": "original", "path": "d"})
        says(
            said, where="dataset d, HERE/d", found="dog", expected="folders such as 00_dog, 01_bird, 02_wheeled vehicle"
        )


class TestObjectNet:
    def image(self, path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (8, 7)) -> None:
        """A picture in one colour with ObjectNet's red border of two pixels."""
        picture = np.full((size[1], size[0], 3), (255, 0, 0), np.uint8)
        picture[2:-2, 2:-2] = colour
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)

    @pytest.mark.parametrize("path", ["o", "o/objectnet-1.0", "o/objectnet-1.0/images"])
    def test_113_classes_without_the_border(self, load: Load, entry: Any, tmp_path: Path, path: str) -> None:
        images = tmp_path / "o" / "objectnet-1.0" / "images"
        self.image(images / "alarm_clock" / "a.png", (1, 2, 3))
        self.image(images / "t-shirt" / "b.png", (4, 5, 6))
        self.image(images / "air_freshener" / "c.png", (7, 8, 9))  # none of ImageNet's classes
        content = {"source": "objectnet", "path": path}
        dataset = load(content)
        assert dataset.ids == ("alarm_clock/a.png", "t-shirt/b.png")
        assert [dataset.classes.names[label] for label in dataset.labels] == ["Alarm clock", "T-shirt"]
        first: Any = dataset.images[0]
        assert np.asarray(open_rgb(first)).tolist() == [[[1, 2, 3]] * 4] * 3
        assert dataset.warnings[0] == "1 folder of classes that ImageNet lacks left out"
        assert source_checksum(entry(content)) is not None
        with_border = load({**content, "border": 0})
        assert fingerprint(dataset) != fingerprint(with_border)
        assert np.asarray(open_rgb(with_border.images[0])).shape == (7, 8, 3)  # pyright: ignore

    def test_an_image_that_is_all_border(self, load: Load, tmp_path: Path) -> None:
        self.image(tmp_path / "o" / "images" / "banana" / "a.png", (0, 0, 0), (4, 9))
        image: Any = load({"source": "objectnet", "path": "o"}).images[0]
        with pytest.raises(DataError) as caught:
            open_rgb(image)
        says(str(caught.value), found="4 × 9 pixels", expected="more than 4 pixels on each side")

    def test_it_is_got_by_hand(self) -> None:
        entry = REGISTRY.dataset("objectnet")
        assert dataset_state(entry).words == "get it by hand"
        with pytest.raises(DataError) as caught:
            load_dataset("objectnet", entry, REGISTRY.class_space("objectnet"))
        says(
            str(caught.value),
            found="objectnet-1.0.zip has a password, which its homepage gives together with the licence that one "
            "accepts",
            fix="get it from https://objectnet.dev/download.html and name its folder in a registry with `path`",
        )

    def test_a_zip_file_with_a_password(self, load: Load, file_server: FileServer, cache: Path) -> None:
        body = bytearray(zip_bytes({"images/banana/a.png": image_bytes()}))
        for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            body[body.index(signature) + offset] |= 1  # the flag of an encrypted file
        files = served(file_server, "clipart", "clipart.zip", bytes(body))
        others = dict.fromkeys(("infograph", "painting", "quickdraw", "real", "sketch"), files["clipart"])
        with pytest.raises(DataError) as caught:
            load({"source": "domainnet", "domain": "clipart", "files": files | others})
        says(str(caught.value), found="images/banana/a.png", expected="an archive without a password")


class TestDomainNet:
    def test_a_domain_is_one_archive(self, load: Load, file_server: FileServer, cache: Path) -> None:
        """Its folders alarm_clock and clock are one group, angel none."""
        names = ("alarm_clock", "angel", "clock", "zebra")
        body = zip_bytes({f"clipart/{name}/clipart_1.jpg": image_bytes(name, "JPEG") for name in names})
        files = served(file_server, "clipart", "domainnet-clipart.zip", body)
        never = {"name": "never.zip", "urls": [], "sha256": sha256(b"")}
        files |= dict.fromkeys(("infograph", "painting", "quickdraw", "real", "sketch"), never)
        dataset = load({"source": "domainnet", "domain": "clipart", "files": files})
        found = [(name, dataset.classes.names[label]) for name, label in zip(dataset.ids, dataset.labels, strict=True)]
        assert found == [
            ("alarm_clock/clipart_1.jpg", "clock"),
            ("clock/clipart_1.jpg", "clock"),
            ("zebra/clipart_1.jpg", "zebra"),
        ]
        assert len(file_server.requests) == 1

    def test_choices_of_the_registry(self) -> None:
        assert REGISTRY.dataset("domainnet@sketch").needed_files()[0].name == "domainnet-sketch.zip"
        pair = "imagenet:domainnet@real"
        assert str(REGISTRY.pair(pair)) == "imagenet@imagenet-d:domainnet@real"


class TestModelVsHuman:
    def test_sessions_have_the_class_in_the_names_of_files(
        self, load: Load, file_server: FileServer, cache: Path
    ) -> None:
        files = {
            "stylized/dnn/session-1/0001_sty_dnn_0_dog_10_n02085936-1.png": image_bytes("a"),
            "stylized/dnn/session-1/0002_sty_dnn_0_airplane_00_n02690373-2.png": image_bytes("b"),
            "stylized/dnn/session-2/0001_sty_dnn_c5_bear_10_n02132136-3.png": image_bytes("c"),
        }
        one = served(file_server, "stylized", "model-vs-human-stylized.tar.gz", tar_bytes(files))
        roles = type(REGISTRY.dataset("model-vs-human")).roles  # pyright: ignore
        content = {"source": "model-vs-human", "experiment": "stylized", "files": dict.fromkeys(roles, one["stylized"])}
        dataset = load(content)
        assert [dataset.classes.names[label] for label in dataset.labels] == ["airplane", "bear", "dog"]
        assert dataset.ids[0] == "session-1/0002_sty_dnn_0_airplane_00_n02690373-2.png"
        assert dataset.attributes == {
            "condition": ("0", "c5", "0"),
            "session": ("session-1", "session-2", "session-1"),
        }
        assert dataset.model_classes.name == "imagenet-1k"

    def test_cue_conflict_has_folders_of_shapes_and_textures_in_names(self, load: Load, tmp_path: Path) -> None:
        for name in ("airplane/airplane1-bicycle2.png", "bear/bear3-knife1.png"):
            put_image(tmp_path / "cue-conflict" / name)
        dataset = load({"source": "model-vs-human", "experiment": "cue-conflict", "path": "cue-conflict"})
        assert [dataset.classes.names[label] for label in dataset.labels] == ["airplane", "bear"]
        assert dataset.attributes == {"texture": ("bicycle", "knife")}

    @pytest.mark.parametrize(
        "name", ["zebra/1.png", "dnn/session-1/0001_sty_dnn_0_zebra_10_n1.png", "dnn/session-1/1.png"]
    )
    def test_other_files(self, refused: Refused, tmp_path: Path, name: str) -> None:
        put_image(tmp_path / "d" / name)
        said = refused({"source": "model-vs-human", "experiment": "stylized", "path": "d"})
        says(said, found="zebra" if name.startswith("zebra") else Path(name).name)


class TestImageNetC:
    def put(self, root: Path) -> None:
        for wnid, number in ((WNIDS[1], 236), (WNIDS[0], 293)):
            put_image(root / "fog" / "3" / wnid / f"ILSVRC2012_val_{number:08d}.JPEG", wnid)

    @pytest.mark.parametrize("below", ["", "weather"])
    def test_one_corruption_at_one_severity(self, load: Load, entry: Any, tmp_path: Path, below: str) -> None:
        self.put(tmp_path / "c" / below)
        content = {"source": "imagenet-c", "path": "c", "corruption": "fog", "severity": 3}
        dataset = load(content)
        assert dataset.ids == ("ILSVRC2012_val_00000236", "ILSVRC2012_val_00000293")
        assert dataset.labels.tolist() == [1, 0]
        assert source_checksum(entry(content)) is not None

    def test_the_archive_of_a_corruption(self, load: Load, file_server: FileServer, cache: Path) -> None:
        body = tar_bytes({f"fog/3/{WNIDS[4]}/ILSVRC2012_val_00000001.JPEG": image_bytes(kind="JPEG")}, "w")
        one = served(file_server, "weather", "imagenet-c-weather.tar", body)
        never = {"name": "never.tar", "urls": [], "sha256": sha256(b"")}
        files = one | dict.fromkeys(("blur", "digital", "extra", "noise"), never)
        dataset = load({"source": "imagenet-c", "corruption": "fog", "severity": 3, "files": files})
        assert (dataset.ids, dataset.labels.tolist()) == (("ILSVRC2012_val_00000001",), [4])

    def test_another_severity(self, refused: Refused, tmp_path: Path) -> None:
        self.put(tmp_path / "c")
        said = refused({"source": "imagenet-c", "path": "c", "corruption": "fog", "severity": 4})
        says(said, found="HERE/c/fog/4", expected="fog/4 with a folder for each class")

    def test_names(self) -> None:
        entry: Any = REGISTRY.dataset("imagenet-c@glass_blur-5")
        assert (entry.corruption, entry.severity, entry.title) == (
            "glass_blur",
            5,
            "ImageNet-C, glass blur, severity 5",
        )
        assert [file.name for file in entry.needed_files()] == ["imagenet-c-blur.tar"]
        with pytest.raises(UsageError) as caught:
            load_dataset("imagenet-c", REGISTRY.dataset("imagenet-c"), built_in("imagenet-1k"))
        says(str(caught.value), found="no corruption")


class TestImageNetHard:
    def write(self, folder: Path, labels: list[list[int]], kind: Any = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        count = len(labels)
        table = pa.table(
            {
                "image": [{"bytes": image_bytes(str(place)), "path": None} for place in range(count)],
                "label": pa.array(labels, pa.list_(pa.int64())),
                "origin": ["imagenet-sketch", "imagenet-a", "objectnet"][:count],
                "english_label": pa.array([[f"class {label}" for label in row] for row in labels]),
            }
        )
        pq.write_table(table, folder / "validation-00000-of-00001-5f63.parquet")

    @pytest.mark.parametrize("below", ["", "data"])
    def test_several_classes_per_image(self, load: Load, entry: Any, tmp_path: Path, below: str) -> None:
        self.write(tmp_path / "h" / below, [[7, 3], [999], []])
        content = {"source": "imagenet-hard", "path": "h"}
        dataset = load(content)
        assert dataset.truth.tolist() == [[7, 3], [999, 999]]
        assert dataset.attributes == {"origin": ("imagenet-sketch", "imagenet-a")}
        assert "1 of 3 images have no label and are left out" in dataset.warnings
        assert source_checksum(entry(content)) is not None

    def test_plain_parquet_files_with_lists(self, load: Load, tmp_path: Path) -> None:
        self.write(tmp_path / "h", [[2], [1, 0]])
        dataset = load({"source": "parquet", "path": "h", "classes": "letters"})
        assert dataset.truth.tolist() == [[2, 2], [1, 0]]

    def test_a_label_that_is_no_class(self, refused: Refused, tmp_path: Path) -> None:
        self.write(tmp_path / "h", [[7], [1000]])
        says(refused({"source": "imagenet-hard", "path": "h"}), found='"1000"')

    def test_another_number_of_images(self, refused: Refused, tmp_path: Path) -> None:
        self.write(tmp_path / "h", [[7], [1]])
        said = refused({"source": "imagenet-hard", "path": "h", "count": 10980})
        says(said, found="2 images", expected="10,980")


class TestFilesOfLabels:
    def test_a_list_of_labels_that_is_downloaded(
        self, entry: Any, load: Load, file_server: FileServer, cache: Path, tmp_path: Path
    ) -> None:
        for letter in "ab":
            put_image(tmp_path / "d" / letter / f"{letter}.png")
        body = json.dumps({"a.png": [0, 2], "b.png": [1]}).encode()
        labels = {"name": "real.json", "urls": [file_server.put("real.json", body)], "sha256": sha256(body)}
        content = {"source": "folder", "path": "d", "classes": "letters", "multi_labels": labels}
        assert [file.name for file in entry(content).needed_files()] == ["real.json"]
        assert source_checksum(entry(content)) is None
        assert load(content).truth.tolist() == [[0, 2], [1, 1]]
        assert source_checksum(entry(content)) is not None

    def test_real_labels_come_with_timm(self, cache: Path) -> None:
        """Nothing is downloaded where a package holds the same file, byte by byte."""
        from evalshift.testbed.datasets.places import facts_file

        file: Any = REGISTRY.dataset("imagenet-real").multi_labels
        path = facts_file(file)
        lists = json.loads(path.read_text())
        assert (len(lists), sum(not row for row in lists)) == (50_000, 3_163)
        assert not cache.exists()
        assert REGISTRY.dataset("imagenet").corrected_labels == file

    def test_a_built_in_name_with_a_folder_of_ones_own_keeps_its_labels(self, tmp_path: Path) -> None:
        (tmp_path / "r.yaml").write_text("datasets: {imagenet-real: {source: imagenet, path: val}}\n")
        entry = load_registry(tmp_path / "r.yaml").datasets["imagenet-real"]
        assert entry.multi_labels == REGISTRY.dataset("imagenet-real").multi_labels
