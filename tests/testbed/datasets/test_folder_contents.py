"""What lies in class folders is read, or counted and named, or refused: nothing is left out in silence."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commandline import run_here, write_testbed
from formats import pixels, put_image
from PIL import Image

from evalshift.evaluate.store import Results
from evalshift.testbed.datasets import Dataset, source_checksum

Content = dict[str, Any]
Load = Callable[[Content], Dataset]
Refused = Callable[[Content], str]
FOLDER: Content = {"source": "folder", "path": "images", "classes": "letters"}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """One image of class a."""
    put_image(tmp_path / "images" / "a" / "1.png")
    return tmp_path / "images"


class TestBelow:
    def test_folders_in_a_class_folder_belong_to_the_class(self, load: Load, images: Path) -> None:
        for name in ("a/site 2/10.png", "a/site 2/2.png", "a/site 10/deep/1.png", "c/only/below/1.png"):
            put_image(images / name)
        dataset = load(FOLDER)
        assert dataset.ids == (
            "a/1.png",
            "a/site 10/deep/1.png",
            "a/site 2/10.png",
            "a/site 2/2.png",
            "c/only/below/1.png",
        )
        assert dataset.labels.tolist() == [0, 0, 0, 0, 2]
        assert dataset.warnings == ()

    def test_as_image_folder_of_torchvision_reads_them(self, load: Load, images: Path) -> None:
        from torchvision.datasets import ImageFolder

        for name in ("a/x/1.png", "b/2/1.png", "b/10/1.png", "b/1.png", "c/1.png"):
            put_image(images / name)
        theirs = [(Path(path), label) for path, label in ImageFolder(str(images)).samples]
        dataset = load(FOLDER)
        assert sorted(zip(dataset.images, dataset.labels.tolist(), strict=True)) == sorted(theirs)

    def test_a_change_below_or_behind_a_link_is_noticed(self, entry: Any, images: Path, tmp_path: Path) -> None:
        put_image(tmp_path / "elsewhere" / "1.png")
        put_image(images / "a" / "below" / "1.png")
        (images / "b").symlink_to(tmp_path / "elsewhere")
        marks = [source_checksum(entry(FOLDER))]
        for path in (images / "a" / "below" / "1.png", tmp_path / "elsewhere" / "1.png"):
            os.utime(path, ns=(0, 0))
            marks.append(source_checksum(entry(FOLDER)))
        assert None not in marks
        assert len(set(marks)) == 3


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_a_name_that_is_not_utf_8_is_refused(refused: Refused, images: Path) -> None:
    try:
        (images / "a" / "1.png").rename(images / "a" / os.fsdecode(b"\xff1.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    assert refused(FOLDER) == (
        "the name of an image is not UTF-8\n"
        "  where:    dataset d\n"
        "  found:    a/\\udcff1.png\n"
        "  expected: names in UTF-8\n"
        "  fix:      rename the file"
    )


class TestEveryFormat:
    @pytest.mark.parametrize(
        "suffix", [".jfif", ".avif", ".jp2", ".pgm", ".webp", ".tif", ".bmp", ".gif", ".JPG", ".qoi"]
    )
    def test_is_read(self, load: Load, images: Path, suffix: str) -> None:
        kinds = {".jfif": "JPEG", ".jp2": "JPEG2000", ".pgm": "PPM", ".tif": "TIFF", ".JPG": "JPEG"}
        picture = Image.fromarray(pixels("any", 16, 16, 3))
        if suffix in (".pgm", ".gif"):
            picture = picture.convert("L")
        picture.save(images / "a" / f"2{suffix}", kinds.get(suffix, suffix[1:].upper()))
        dataset = load(FOLDER)
        assert dataset.ids == ("a/1.png", f"a/2{suffix}")
        assert dataset.warnings == ()


class TestUnread:
    def test_files_are_counted_by_kind(self, load: Load, images: Path) -> None:
        for number in range(10):
            (images / "a" / f"{number}.heic").write_bytes(b"no decoder")
        hidden = (".DS_Store", "a/._1.png", "a/Thumbs.db", "a/.hidden/1.png", "__MACOSX/a/1.png", ".git/x.png")
        for name in (*hidden, "README.txt", "a/no suffix", "a/below/labels.csv"):
            (images / name).parent.mkdir(parents=True, exist_ok=True)
            (images / name).write_bytes(b"junk")
        dataset = load(FOLDER)
        assert dataset.ids == ("a/1.png",)
        assert dataset.warnings == (
            "4 hidden or system files were not read: .DS_Store, a/._1.png, a/.hidden, …",
            "1 file beside the class folders was not read: README.txt",
            "1 file with suffix .csv was not read: a/below/labels.csv",
            "10 files with suffix .heic were not read: a/0.heic, a/1.heic, a/2.heic, …",
            "1 file without a suffix was not read: a/no suffix",
        )

    def test_names_that_differ_in_case_alone(self, load: Load, images: Path) -> None:
        put_image(images / "a" / "1.PNG")
        if len(list((images / "a").iterdir())) == 1:
            pytest.skip("this file system does not tell them apart")
        dataset = load(FOLDER)
        assert dataset.ids == ("a/1.PNG", "a/1.png")
        assert dataset.warnings == (
            "images whose names differ in case alone, all of which were read: a/1.PNG and a/1.png",
        )


class TestLinks:
    MESSAGE = (
        "a link leads nowhere\n"
        "  where:    dataset d, HERE/images/{0}\n"
        "  found:    HERE/images/{0} → /not/mounted/{1}, which does not exist\n"
        "  expected: an image or a folder of images\n"
        "  fix:      mount the disk or fetch the file that it leads to (git annex get, dvc pull), or remove the link"
    )

    @pytest.mark.parametrize("name", ["a/2.png", "a/below/2.png", "a/folder", "b"])
    def test_one_that_leads_nowhere_is_refused(self, refused: Refused, images: Path, name: str) -> None:
        (images / name).parent.mkdir(exist_ok=True)
        (images / name).symlink_to(f"/not/mounted/{Path(name).name}")
        assert refused(FOLDER) == self.MESSAGE.format(name, Path(name).name)

    def test_one_that_leads_back_is_refused(self, refused: Refused, images: Path) -> None:
        (images / "a" / "again").symlink_to(images)
        assert refused(FOLDER) == (
            "a link leads back to a folder that it lies in\n"
            "  where:    dataset d, HERE/images/a/again\n"
            f"  found:    HERE/images/a/again → {os.path.realpath(images)}\n".replace(str(images.parent), "HERE")
            + "  expected: folders that end\n"
            "  fix:      remove the link"
        )

    def test_a_circle_of_links_is_refused(self, refused: Refused, images: Path) -> None:
        (images / "a" / "x.png").symlink_to(images / "a" / "y.png")
        (images / "a" / "y.png").symlink_to(images / "a" / "x.png")
        assert refused(FOLDER).startswith("a link leads nowhere\n")

    def test_links_to_images_and_class_folders_are_read(self, load: Load, images: Path, tmp_path: Path) -> None:
        put_image(tmp_path / "elsewhere" / "1.png")
        (images / "b").symlink_to(tmp_path / "elsewhere")
        (images / "a" / "2.png").symlink_to(tmp_path / "elsewhere" / "1.png")
        assert load(FOLDER).ids == ("a/1.png", "a/2.png", "b/1.png")


@pytest.mark.parametrize("above", [("val",), ("train", "val")])
def test_class_folders_one_level_below_are_named(refused: Refused, tmp_path: Path, above: tuple[str, ...]) -> None:
    for folder in above:
        for letter in "abc":
            put_image(tmp_path / "images" / folder / letter / "1.png", folder + letter)
    message = refused({**FOLDER, "classes": "letters"})
    assert "the class folders are one level below" in message
    assert "write path: HERE/images/val" in message


def test_an_archive_is_not_a_folder(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(b"PK")
    assert refused(FOLDER).endswith("fix:      unpack it, and name the folder")


def test_what_was_not_read_is_said_once_by_run_and_check_and_is_stored(tmp_path: Path) -> None:
    """Two models, one sentence; and half of the images right, as they lie in folders in a class folder."""
    registry = write_testbed(tmp_path)
    for place, shade in enumerate((26, 128, 230, 128)):
        path = tmp_path / "x" / "dark" / ("below" if place else "") / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), shade, np.uint8)).save(path)
        (path.parent / f"{place}.heic").touch()
    text = registry.read_text("utf-8")
    folder = "  folder: {source: folder, path: x, classes: shades}\n"
    registry.write_text(text.replace("models:\n", f"{folder}models:\n"), "utf-8")
    options = ("--registry", registry, "--pair", "original:folder")
    ran = run_here("run", *options, "--models", "good,dark", "--results", tmp_path / "r")
    assert ran.code == 0
    assert ran.err.count("4 files with suffix .heic were not read: dark/") == 1
    stored = Results(tmp_path / "r").load_predictions("folder", "good")
    assert stored.top[:, 0].tolist() == [0, 1, 2, 1]
    assert [warning for warning in stored.provenance.warnings if ".heic" in warning]
    checked = run_here("check", "--data", *options)
    assert checked.code == 0
    assert "4 files with suffix .heic were not read" in " ".join(checked.out.split())
