"""The validation images of ImageNet in both layouts, at their true number: every image is a link to one file."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats import image_bytes, md5
from messages import says

from evalshift.errors import HashMismatchError
from evalshift.testbed.classes import built_in, devkit_order
from evalshift.testbed.datasets import Dataset, source_checksum
from evalshift.testbed.datasets.imagenet import TRUTH
from evalshift.testbed.datasets.imagenet_x import FACTORS

Content = dict[str, Any]
Load = Callable[[Content], Dataset]
Refused = Callable[[Content], str]
WNIDS = built_in("imagenet-1k").folders
DEVKIT = "ILSVRC2012_devkit_t12"


def name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


# Fifty of each class, and none where its number would put it. Image 1 is of class 490 of the devkit.
TRUTHS = np.roll(np.tile(np.arange(1, 1001), 50), 1000 - 489)
TRUTH_FILE = "".join(f"{number}\n" for number in TRUTHS)
LABELS = np.array(devkit_order())[TRUTHS - 1]


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive's images as it unpacks, without their classes."""
    root = tmp_path_factory.mktemp("flat") / "val"
    root.mkdir()
    (root / name(1)).write_bytes(image_bytes("val", "JPEG"))
    for number in range(2, 50_001):
        os.link(root / name(1), root / name(number))
    return root


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    (tmp_path / TRUTH).write_text(TRUTH_FILE)
    return tmp_path / TRUTH


def content(path: Path | str, **more: Any) -> Content:
    return {"source": "imagenet", "path": str(path), **more}


class TestFlat:
    def test_trap_16_the_devkits_numbers_are_not_labels(self, load: Load, flat: Path, truth: Path) -> None:
        """Class 490 of the devkit is the sea snake, label 65: minus one, it would be a purple hen or the like."""
        dataset = load(content(flat, devkit=TRUTH))
        assert len(dataset) == 50_000
        assert (dataset.ids[0], dataset.ids[-1]) == ("ILSVRC2012_val_00000001", "ILSVRC2012_val_00050000")
        np.testing.assert_array_equal(dataset.labels, LABELS, strict=True)
        assert WNIDS[dataset.labels[0]] == "n01751748"
        assert dataset.labels[0] == 65 != TRUTHS[0] - 1
        assert (dataset.labels != TRUTHS - 1).mean() > 0.99

    def test_trap_17_images_without_their_classes(self, refused: Refused, flat: Path, tmp_path: Path) -> None:
        says(refused(content(flat)), where=f"dataset d, {flat}", found="images in a single folder, without the devkit")
        (tmp_path / "val").mkdir()
        (tmp_path / "val" / name(1)).write_bytes(b"x")
        assert f"  found:    HERE/{TRUTH}\n" in refused(content("val", devkit=TRUTH))

    @pytest.mark.parametrize("packed", [True, False])
    def test_the_devkit_beside_the_images(self, load: Load, flat: Path, packed: bool) -> None:
        folder = flat.parent / DEVKIT
        archive = flat.parent / f"{DEVKIT}.tar.gz"
        try:
            if packed:
                archive.write_bytes(devkit())
            else:
                (folder / "data").mkdir(parents=True)
                (folder / "data" / TRUTH).write_text(TRUTH_FILE)
            np.testing.assert_array_equal(load(content(flat)).labels, LABELS)
        finally:
            archive.unlink(missing_ok=True)
            if folder.exists():
                (folder / "data" / TRUTH).unlink()
                (folder / "data").rmdir()
                folder.rmdir()

    @pytest.mark.parametrize(
        "text, found",
        [
            (TRUTH_FILE.replace("1000\n", "1001\n"), "class 1001 of 1 to 1000"),
            (TRUTH_FILE.replace("1000\n", "0\n"), "class 0 of 1 to 1000"),
            ("490\n361\n", "2 lines"),
            ("n01751748\n", "'n01751748', which is no whole number"),
        ],
    )
    def test_another_ground_truth(self, refused: Refused, tmp_path: Path, truth: Path, text: str, found: str) -> None:
        (tmp_path / "val").mkdir()
        (tmp_path / "val" / name(3)).write_bytes(b"x")
        truth.write_text(text)
        says(refused(content("val", devkit=TRUTH)), where=f"dataset d, HERE/{TRUTH}", found=found)

    def test_trap_18_none_is_dropped(self, refused: Refused, tmp_path: Path, truth: Path) -> None:
        (tmp_path / "val").mkdir()
        (tmp_path / "val" / name(1)).write_bytes(image_bytes("val", "JPEG"))
        os.link(tmp_path / "val" / name(1), tmp_path / "val" / name(3))
        says(refused(content("val", devkit=TRUTH)), where="dataset d, HERE/val", found="2 images, 0 of class 0")

    def test_a_folder_of_something_else(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "val").mkdir()
        (tmp_path / "val" / "holiday.jpg").write_bytes(b"x")
        says(refused(content("val")), where="dataset d, HERE/val", found="1 other file")

    def test_the_source_checksum_knows_images_and_devkit(self, entry: Any, tmp_path: Path, truth: Path) -> None:
        (tmp_path / "val").mkdir()
        (tmp_path / "val" / name(1)).write_bytes(b"x")
        described = entry(content("val", devkit=TRUTH))
        before = source_checksum(described)
        truth.write_text("1\n")
        after = source_checksum(described)
        (tmp_path / "val" / name(2)).write_bytes(b"x")
        assert len({before, after, source_checksum(described), None}) == 4
        truth.unlink()
        assert source_checksum(described) is None


def devkit() -> bytes:
    """ILSVRC2012_devkit_t12.tar.gz with what is needed of it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as opened:
        for file, body in (("readme.txt", b"..."), (f"data/{TRUTH}", TRUTH_FILE.encode())):
            member = tarfile.TarInfo(f"{DEVKIT}/{file}")
            member.size = len(body)
            opened.addfile(member, io.BytesIO(body))
    return stream.getvalue()


@pytest.fixture(scope="module")
def sorted_in(flat: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sorted") / "val"
    for label in range(1000):
        (root / WNIDS[label]).mkdir(parents=True)
    first = root / WNIDS[LABELS[0]] / name(1)  # a file may not have 100,000 links
    first.write_bytes((flat / name(1)).read_bytes())
    for number, label in enumerate(LABELS[1:], 2):
        os.link(first, root / WNIDS[label] / name(number))
    return root


class TestWnidFolders:
    def test_trap_35_is_the_same_dataset_under_the_official_names(
        self, load: Load, flat: Path, truth: Path, sorted_in: Path
    ) -> None:
        """Trap 35: other labels of the same images, such as ReaL's, go by the names and number of all 50,000."""
        one, other = load(content(sorted_in)), load(content(flat, devkit=TRUTH))
        assert one.ids == tuple(f"ILSVRC2012_val_{number:08d}" for number in range(1, 50_001))
        assert one.ids == other.ids
        np.testing.assert_array_equal(one.labels, other.labels, strict=True)

    def test_the_released_labels(self, load: Load, sorted_in: Path, real_data: Callable[[str], Path]) -> None:
        """The 50,000 labels and names that the authors of ImageNetV2 released give each number of an image its wnid."""
        folder = real_data("imagenetv2-predictions")
        labels = np.load(folder / "imagenet-val_labels.npy")
        names = (folder / "imagenet-val_ids.txt").read_text().split()
        known = dict(zip(names, labels.tolist(), strict=True))
        # The first three images are of the devkit's classes 490, 361 and 171, as its readme shows.
        assert [known[name(number)] for number in (1, 2, 3)] == [
            devkit_order()[number - 1] for number in (490, 361, 171)
        ]
        assert np.bincount(labels).tolist() == [50] * 1000

    def test_another_name(self, refused: Refused, tmp_path: Path) -> None:
        (tmp_path / "val" / WNIDS[0]).mkdir(parents=True)
        (tmp_path / "val" / WNIDS[1]).mkdir(parents=True)
        (tmp_path / "val" / WNIDS[0] / "n01440764_18.JPEG").write_bytes(b"x")
        (tmp_path / "val" / WNIDS[1] / name(1)).write_bytes(b"x")
        assert "  found:    2 images, one of them n01440764_18.JPEG\n" in refused(content("val"))


class TestByHand:
    def test_what_needs_a_login(self, load: Load, refused: Refused, cache: Path) -> None:
        files = {
            "images": {"name": "ILSVRC2012_img_val.tar", "md5": "29b22e2961454d5413ddabcf34fc5622"},
            "devkit": {"name": f"{DEVKIT}.tar.gz", "md5": md5(devkit())},
        }
        says(
            refused({"source": "imagenet", "files": files}),
            where="dataset d",
            found="no HERE/cache/datasets/ILSVRC2012_img_val.tar",
        )

    def test_what_was_put_into_the_cache(
        self, refused: Refused, load: Load, cache: Path, complaint: Callable[..., str]
    ) -> None:
        stream, body = io.BytesIO(), image_bytes("val", "JPEG")
        with tarfile.open(fileobj=stream, mode="w") as opened:
            for number in range(1, 3):
                member = tarfile.TarInfo(name(number))
                member.size = len(body)
                opened.addfile(member, io.BytesIO(body))
        (cache / "datasets").mkdir(parents=True)
        (cache / "datasets" / "ILSVRC2012_img_val.tar").write_bytes(stream.getvalue())
        files = {
            "images": {"name": "ILSVRC2012_img_val.tar", "md5": md5(stream.getvalue())},
            "devkit": {"name": f"{DEVKIT}.tar.gz", "md5": md5(devkit())},
        }
        described = {"source": "imagenet", "files": files}
        assert f"  found:    no HERE/cache/datasets/{DEVKIT}.tar.gz\n" in refused(described)
        (cache / "datasets" / f"{DEVKIT}.tar.gz").write_bytes(devkit())
        # Two of 50,000 are refused, and only after both archives were opened and the classes found.
        assert "  found:    2 images, 0 of class 0\n" in refused(described)
        files["images"]["md5"] = "0" * 32
        assert complaint(HashMismatchError, load, described).startswith(
            "a file has the expected name, but not the expected checksum\n"
            f"  where:    {cache / 'datasets' / 'ILSVRC2012_img_val.tar'}\n"
            f"  found:    md5 {md5(stream.getvalue())}, {len(stream.getvalue()):,} bytes\n"
            f"  expected: md5 {'0' * 32}\n"
        )


@pytest.mark.late
class TestImageNetX:
    def facts(self, names: list[str], labels: list[int], shown: list[str]) -> Content:
        """Both files of the release, written into the current folder: the first image is annotated with a pose."""
        rows = [
            {"file_name": name, "class": label}
            | dict.fromkeys(FACTORS, 0)
            | {"pose": int(place == 0), "one_word": "far"}
            for place, (name, label) in enumerate(zip(names, labels, strict=True))
        ]
        Path("x.jsonl").write_text("\n".join(map(json.dumps, rows)))
        Path("shown.csv").write_text("\n".join([",file_name", *(f"{n},{name}" for n, name in enumerate(shown))]))
        return {"source": "imagenet-x", "annotations": "x.jsonl", "prototypes": "shown.csv"}

    def test_factors_of_the_images_that_are_no_prototypes(
        self, load: Load, entry: Any, flat: Path, truth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        names = [name(7), name(1), name(50_000)]
        facts = self.facts(names, LABELS[[6, 0, 49_999]].tolist(), [name(50_000), name(2)])
        whole = {**facts, "path": str(flat), "devkit": TRUTH}
        dataset = load(whole)
        assert dataset.ids == ("ILSVRC2012_val_00000001", "ILSVRC2012_val_00000007")
        assert dataset.labels.tolist() == LABELS[[0, 6]].tolist()
        assert list(dataset.attributes) == list(FACTORS)
        assert dataset.attributes["pose"] == ("0", "1")
        assert source_checksum(entry(whole)) is not None
        (tmp_path / "x.jsonl").unlink()
        assert source_checksum(entry(whole)) is None

    def test_annotations_of_other_images(
        self, refused: Refused, flat: Path, truth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        facts = self.facts([name(1)], [66], [])
        says(refused({**facts, "path": str(flat), "devkit": TRUTH}), found=f"class 66 for {name(1)}")

    @pytest.mark.parametrize(
        "text, found",
        [("[1]", "a line that is not a JSON object: [1]"), ('{"file_name": "a", "class": 1}', "no background")],
    )
    def test_another_file(self, refused: Refused, tmp_path: Path, text: str, found: str) -> None:
        (tmp_path / "x.jsonl").write_text(text)
        content = {"source": "imagenet-x", "annotations": "x.jsonl", "prototypes": "shown.csv", "path": "val"}
        said = refused(content)
        says(said, where="dataset d, HERE/x.jsonl")
        assert found in said
