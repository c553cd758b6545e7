import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from classifiers import MODEL, TEN
from messages import says

from evalshift.errors import ModelError
from evalshift.testbed import folder_hashes
from evalshift.testbed.argument_files import hashes_of_arguments
from evalshift.testbed.models import load_classifier


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file in a folder of it, below the working folder, which is not that of the code."""
    home = tmp_path / "My Drive"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("WEIGHTS", str(home / "weights"))
    monkeypatch.setenv("HOME", str(home))
    file = home / "weights" / "deep" / "w.pt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")
    return file.parents[1]


WRITTEN = {
    "absolute": "{}",
    "relative": "weights",
    "relative with a slash": "./weights/",
    "the home folder": "~/weights",
    "a variable": "${WEIGHTS}",
    "a variable without braces": "$WEIGHTS/deep",
    "open_clip's and timm's": "local-dir:{}",
    "the same, relative": "hf-hub:weights",
    "a URL": "file://{}",
    "a URL of this host": "file://localhost{}",
    "a file in a URL": "file://{}/deep/w%2Ept",
    "an assignment": "model.ckpt={}/deep/w.pt",
    "words of a command": "--weights '{}/deep/w.pt' --half",
    "folders among words": "--weights ./weights --half",
    "a list": "other.pt,weights/deep/w.pt",
    "wildcards": "weights/deep/*.pt",
    "wildcards in folders": "weights/*/w.pt",
    "any depth": "{}/**/*.pt",
    "a number to fill in": "weights/deep/{name}.pt",
    "a number of C's": "weights/deep/%03d.pt",
    "without the suffix": "weights/deep/w",
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize(
    "nested",
    [lambda text: {"a": text}, lambda text: {"a": [{"b": (text, 1)}]}],
    ids=["plain", "nested"],
)
def test_what_an_argument_names_counts_by_its_content(
    weights: Path, written: str, nested: Callable[[str], dict[str, Any]]
) -> None:
    arguments = nested(written.replace("{}", str(weights)))
    before = hashes_of_arguments(arguments, None)
    assert hashes_of_arguments(arguments, None) == before
    (weights / "deep" / "w.pt").write_bytes(b"2")
    after = hashes_of_arguments(arguments, None)
    assert after != before
    assert str(weights.parent) not in str(after)
    (weights / "deep" / "w.pt").unlink()
    assert hashes_of_arguments(arguments, None) not in (before, after)


def test_relative_places_are_those_of_the_working_folder_and_of_the_code(weights: Path) -> None:
    code = weights.parent / "code"
    (code / "weights").mkdir(parents=True)
    seen = [hashes_of_arguments({"a": "weights"}, folder) for folder in (None, code)]
    (code / "weights" / "w.pt").write_bytes(b"1")
    seen.append(hashes_of_arguments({"a": "weights"}, code))
    (weights / "w.pt").write_bytes(b"1")
    seen.append(hashes_of_arguments({"a": "weights"}, code))
    assert len({str(one) for one in seen}) == 4


def test_paths_of_python_and_keys_count(weights: Path) -> None:
    assert hashes_of_arguments({"a": weights}, None) == hashes_of_arguments({"a": {"./weights": 1.0}}, None)


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": "a photo of the weights, deep in a {}."},
        {"separator": "/", "other": "", "long": "x" * 30_000, "longer": "y" * 300 + "/z", "odd": "\0\ud800"},
        {"weights": 3, "deep": None, "url": "https://host/weights", "device": "/dev/null"},
    ],
)
def test_texts_that_name_no_file_say_nothing(weights: Path, arguments: dict[str, Any]) -> None:
    before = hashes_of_arguments(arguments, None)
    (weights / "deep" / "w.pt").write_bytes(b"2")
    assert hashes_of_arguments(arguments, None) == before
    assert set(before) <= {"paths"}


class TestFolder:
    def of(self, folder: Path) -> str:
        [checksum] = hashes_of_arguments({"a": str(folder)}, None).values()
        return checksum

    def test_it_is_the_same_elsewhere(self, weights: Path) -> None:
        before = self.of(weights)
        assert self.of(weights.rename(weights.with_name("moved"))) == before

    @pytest.mark.parametrize("name", ["v.pt", ".hidden", "a\nb", "caf\udce9.pt", "deep/.cache"])
    def test_names_count(self, weights: Path, name: str) -> None:
        seen = [self.of(weights)]
        (weights / name).touch()
        seen.append(self.of(weights))
        (weights / name).rename(weights / "other")
        seen.append(self.of(weights))
        assert len(set(seen)) == 3

    def test_an_edit_that_keeps_size_and_time_counts(self, weights: Path) -> None:
        file = weights / "deep" / "w.pt"
        os.utime(file, ns=(10**18, 10**18))
        before = self.of(weights)
        file.write_bytes(b"2")
        os.utime(file, ns=(10**18, 10**18))
        assert self.of(weights) != before

    def test_links_count_by_what_they_lead_to(self, weights: Path) -> None:
        blobs = weights.with_name("blobs")
        (blobs / "tree").mkdir(parents=True)
        (blobs / "tree" / "1").write_bytes(b"1")
        (weights / "to-file").symlink_to(blobs / "tree" / "1")
        (weights / "to-tree").symlink_to(blobs / "tree")
        (weights / "dangling").symlink_to(blobs / "2")
        (weights / "deep" / "back").symlink_to(weights)
        seen = [self.of(weights)]
        (blobs / "tree" / "1").write_bytes(b"2")
        seen.append(self.of(weights))
        (blobs / "2").touch()
        seen.append(self.of(weights))
        assert len(set(seen)) == 3

    def test_what_tools_keep_beside_the_files_does_not(self, weights: Path) -> None:
        before = self.of(weights)
        for name in (".git/index", "deep/__pycache__/x.pyc", ".cache/huggingface/w.metadata", ".DS_Store"):
            (weights / name).parent.mkdir(parents=True, exist_ok=True)
            (weights / name).write_bytes(os.urandom(8))
        for name in ("results/.lock", "results/datasets/x.parquet", "results/predictions/x/y.parquet"):
            (weights / name).parent.mkdir(parents=True, exist_ok=True)
            (weights / name).touch()
        assert self.of(weights) == before


def pipe(folder: Path) -> str:
    os.mkfifo(folder / "deep" / "pipe")
    return "deep/pipe is a pipe, a socket or a device"


def listening(folder: Path) -> str:
    os.chdir(folder)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("s")
    return "s is a pipe, a socket or a device"


def device(folder: Path) -> str:
    (folder / "zero").symlink_to("/dev/zero")
    return "zero is a pipe, a socket or a device"


def many(folder: Path) -> str:
    for number in range(7):
        (folder / str(number)).touch()
    return "more than 8 files"


def much(folder: Path) -> str:
    with (folder / "large").open("wb") as stream:
        stream.truncate(folder_hashes.MOST_BYTES + 1)
    return "more than 50 GB"


@pytest.mark.parametrize("fill", [pipe, listening, device, many, much])
def test_a_model_is_not_built_of_a_folder_that_has_no_checksum(
    weights: Path, monkeypatch: pytest.MonkeyPatch, complaint: Any, fill: Callable[[Path], str]
) -> None:
    monkeypatch.setattr(folder_hashes, "MOST_FILES", 8)
    (weights.parent / "net.py").write_text("raise SystemExit")
    content = {"source": "python", "function": "net.py:net", "classes": "ten", "preprocess": {}, "trust": True}
    content["arguments"] = {"folder": str(weights)}
    found = fill(weights)
    entry = MODEL.validate_python(content, context={"folder": weights.parent})
    said = complaint(ModelError, load_classifier, "m", entry, TEN)
    says(said, where="model m, weights/", found=found)
    assert entry.identity() == entry.identity()
