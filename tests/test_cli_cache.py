"""The commands that list and remove decoded images, after real runs over files."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from commandline import Ran, run_here, write_testbed
from PIL import Image


@pytest.fixture
def decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache after a run of one model over 12 and 3 images in files, shrunk to 4 × 4 pixels."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("EVALSHIFT_CACHE", str(tmp_path / "decoded"))
    write_testbed(tmp_path)
    for name, count in (("photographs", 12), ("few", 3)):
        for number in range(count):
            place = tmp_path / name / ("dark", "middle", "bright")[number % 3] / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8, 3), (26, 128, 230)[number % 3] + number, np.uint8)).save(place)
    Path("files.yaml").write_text(
        "extends: registry.yaml\n"
        "datasets:\n"
        "  photographs: {source: folder, path: photographs, classes: shades}\n"
        "  few: {source: folder, path: few, classes: shades}\n"
        "models:\n"
        "  small: {source: python, function: 'networks.py:good', classes: shades, preprocess: {resize: 4}}\n"
    )
    ran = run_small("first")
    assert ran.code == 0, ran.err
    return tmp_path / "decoded"


def run_small(results: str) -> Ran:
    pair = "photographs:few"
    return run_here("run", "--registry", "files.yaml", "--pair", pair, "--models", "small", "--results", results)


def inode(entry: dict[str, object]) -> int:
    return Path(str(entry["path"])).stat().st_ino


def listed(*options: str) -> list[dict[str, object]]:
    ran = run_here("cache", "list", "--json", *options)
    assert ran.code == 0
    return json.loads(ran.out)


class TestList:
    def test_json_has_an_object_per_file(self, decoded: Path) -> None:
        found = {entry["dataset"]: entry for entry in listed()}
        assert found.keys() == {"photographs", "few"}
        whole = found["photographs"]
        assert (whole["images"], whole["height"], whole["width"]) == (12, 4, 4)
        size = Path(str(whole["path"])).stat().st_size
        assert size == whole["bytes"]
        assert size >= 12 * 4 * 4 * 3

    def test_the_table_shows_the_same_and_the_room_that_they_take(self, decoded: Path) -> None:
        printed = run_here("cache", "list").out
        assert re.search(r"photographs +12 +4 × 4 +", printed)
        assert re.search(r"few +3 +4 × 4 +", printed)
        total = sum(int(str(entry["bytes"])) for entry in listed())
        assert f"{total / 1000:.1f} kB of at most" in printed
        assert f", in {decoded}\n" in printed

    def test_an_empty_cache_is_no_error(self, decoded: Path, tmp_path: Path) -> None:
        assert listed("--cache-dir", str(tmp_path / "elsewhere")) == []
        assert "0 bytes of at most" in run_here("cache", "list", "--cache-dir", str(tmp_path / "elsewhere")).out


class TestClear:
    def test_one_dataset_is_removed_and_decoded_again(self, decoded: Path) -> None:
        ran = run_here("cache", "clear", "photographs")
        assert re.match(r"removed   1 file, [\d.]+ (bytes|kB), from ", ran.out)
        assert [entry["dataset"] for entry in listed()] == ["few"]
        kept = {entry["path"]: inode(entry) for entry in listed()}
        assert run_small("second").code == 0
        assert len(listed()) == 2
        assert kept.items() <= {entry["path"]: inode(entry) for entry in listed()}.items()

    def test_everything(self, decoded: Path) -> None:
        assert "removed   2 files" in run_here("cache", "clear").out
        assert listed() == []

    def test_a_dataset_that_is_not_there_is_said(self, decoded: Path) -> None:
        ran = run_here("cache", "clear", "photograph")
        assert ran.code == 2
        assert "photographs" in ran.err
        assert len(listed()) == 2


def test_a_later_run_into_another_folder_decodes_nothing(decoded: Path) -> None:
    before = {entry["path"]: inode(entry) for entry in listed()}
    assert run_small("second").code == 0
    # What is decoded is written to a new file, which then takes the place of the old one.
    assert {entry["path"]: inode(entry) for entry in listed()} == before
