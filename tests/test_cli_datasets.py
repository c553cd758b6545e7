"""The commands that look at datasets, make smaller ones, and keep from the network."""

import csv
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from commandline import run_apart, run_here, write_testbed
from fileserver import FileServer
from formats import cifar10_archive, cifar10_batch, pixels, put_image, sha256
from PIL import Image

BODY = cifar10_archive(cifar10_batch(pixels("cli", 3, 32, 32, 3), [0, 1, 2]), "w")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this test's own with a cache in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVALSHIFT_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.delenv("EVALSHIFT_MIRROR", raising=False)
    return tmp_path


@pytest.fixture
def file_server() -> Iterator[FileServer]:
    with FileServer() as server:
        yield server


def table(printed: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in printed.splitlines()]


def write_cifar(server: FileServer) -> None:
    """A registry with a CIFAR-10 of three images, once from a server and once as arrays, and a network for it."""
    url = server.put("c.tar.gz", BODY)
    np.save("x.npy", pixels("arrays", 3, 32, 32, 3))
    np.save("y.npy", np.arange(3))
    Path("net.py").write_text(
        "from torch import nn\n\n\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))\n"
    )
    file = {"name": "c.tar.gz", "urls": [url], "sha256": sha256(BODY), "size": len(BODY)}
    content = {
        "datasets": {
            "far": {"source": "cifar10", "files": {"archive": file}},
            "near": {"source": "npy", "images": "x.npy", "labels": "y.npy", "classes": "cifar10"},
        },
        "models": {
            "net": {"source": "python", "trust": True, "function": "net.py:net", "classes": "cifar10", "preprocess": {}}
        },
        "pairs": ["far:near"],
    }
    Path("registry.yaml").write_text(yaml.safe_dump(content))


class TestOffline:
    def test_run_fetches_nothing(self, here: Path, file_server: FileServer) -> None:
        write_cifar(file_server)
        ran = run_here("run", "--offline")
        assert ran.code == 2
        assert "evalshift: c.tar.gz is not on disk, and offline mode downloads nothing\n" in ran.err
        assert file_server.requests == []
        assert "EVALSHIFT_OFFLINE" not in os.environ

    def test_run_takes_what_was_fetched(self, here: Path, file_server: FileServer) -> None:
        write_cifar(file_server)
        assert run_here("fetch", "far").code == 0
        file_server.change("c.tar.gz", status=503)
        assert run_here("run", "--offline").code == 0
        assert len(file_server.requests) == 1

    def test_by_the_environment(self, here: Path, file_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
        write_cifar(file_server)
        monkeypatch.setenv("EVALSHIFT_OFFLINE", "1")
        assert run_here("fetch", "far").code == 2
        assert file_server.requests == []


class TestDataDir:
    def test_fetch_list_and_run_look_there(self, here: Path, file_server: FileServer) -> None:
        write_cifar(file_server)
        assert run_here("fetch", "far", "--data-dir", "other").out == f"far: {here / 'other/datasets/c.tar.gz'}\n"
        assert not (here / "cache").exists()

        def state(*options: str) -> str:
            return {row[0]: row for row in table(run_here("list", "datasets", *options).out)}["far"][2]

        assert state("--data-dir", "other") == "ready"
        assert state() == "to download"
        assert run_here("run", "--data-dir", "other", "--offline").code == 0
        assert os.environ["EVALSHIFT_DATA"] == str(here / "cache")

    def test_the_environment(self, here: Path, file_server: FileServer) -> None:
        write_cifar(file_server)
        ran = run_apart("fetch", "far", folder=here, EVALSHIFT_DATA=str(here / "elsewhere"))
        assert ran.out == f"far: {here / 'elsewhere/datasets/c.tar.gz'}\n"


class TestCheckData:
    def test_whole_and_damaged(self, here: Path, file_server: FileServer) -> None:
        write_cifar(file_server)
        run_here("fetch", "far")
        ran = run_here("check", "--data", "--pair", "far:near")
        assert ran.code == 0
        assert table(ran.out)[2:] == [["far", "intact", "1 files, 3 images"], ["near", "intact", "3 images"]]
        (here / "cache/datasets/c.tar.gz").write_bytes(BODY[:-1] + b"x")
        np.save("y.npy", np.arange(2))
        ran = run_here("check", "--data", "--pair", "far:near")
        assert ran.code == 1
        found = {row[0]: row[1:] for row in table(ran.out)[2:]}
        assert found["far"][0] == found["near"][0] == "damaged"
        assert found["far"][1].endswith(f"and not sha256 {sha256(BODY)}, {len(BODY):,} bytes")

    def test_without_a_pair_all_that_are_on_disk(self, here: Path, file_server: FileServer) -> None:
        write_cifar(file_server)
        rows = table(run_here("check", "--data").out)[2:]
        assert [row[0] for row in rows] == ["digits", "digits-new-writers", "near"]
        run_here("fetch", "far")
        assert "far" in [row[0] for row in table(run_here("check", "--data").out)]
        assert len(file_server.requests) == 1


class TestStats:
    def test_two_sets_with_the_figure(self, here: Path) -> None:
        write_testbed(here)
        ran = run_here("dataset", "stats", "original", "new", "--out", "figures", "--format", "svg,csv")
        assert ran.code == 0, ran.err
        assert table(ran.out) == [
            ["dataset", "images", "mean", "std"],
            ["─" * len(ran.out.splitlines()[1].strip())],
            ["original", "12", "[0.5022]", "[0.3256]"],
            ["new", "12", "[0.4378]", "[0.2728]"],
            [""],
            ["figures/original_vs_new_intensities.svg, figures/original_vs_new_intensities.csv"],
        ]
        with Path("figures/original_vs_new_intensities.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == 2 * 256
        # Two of four bright images were dimmed; of each the 15 pixels beside the corner have its shade.
        counts = {(row["dataset"], row["intensity"]): int(row["pixels"]) for row in rows}
        assert [counts["original", "230"], counts["new", "230"], counts["new", "128"]] == [60, 30, 90]
        assert "<svg" in Path("figures/original_vs_new_intensities.svg").read_text()

    def test_one_set(self, here: Path) -> None:
        write_testbed(here)
        ran = run_here("dataset", "stats", "new", "--format", "png")
        assert ran.code == 0
        assert [path.name for path in here.glob("*_intensities*")] == ["new_intensities.png"]

    def test_the_training_set_of_its_models_stands_below(self, here: Path) -> None:
        np.save("x.npy", np.full((2, 4, 4, 3), 51, np.uint8))
        np.save("y.npy", np.arange(2))
        Path("registry.yaml").write_text(
            "datasets:\n  cifar10: {source: npy, images: x.npy, labels: y.npy, classes: cifar10}\n"
        )
        ran = run_here("dataset", "stats", "cifar10", "--format", "csv")
        assert table(ran.out)[2:4] == [
            ["cifar10", "2", "[0.2000, 0.2000, 0.2000]", "[0.0000, 0.0000, 0.0000]"],
            # Computed from the 50,000 images of the official batches.
            ["CIFAR-10 training set", "50,000", "[0.4914, 0.4822, 0.4465]", "[0.2470, 0.2435, 0.2616]"],
        ]
        with Path("registry.yaml").open("a") as registry:
            registry.write("  cifar10-train: {source: npy, images: x.npy, labels: y.npy, classes: cifar10,")
            registry.write(" title: CIFAR-10 training set}\n")
        ran = run_here("dataset", "stats", "cifar10", "cifar10-train", "--format", "csv")
        assert [row[:2] for row in table(ran.out)[2:4]] == [["cifar10", "2"], ["CIFAR-10 training set", "2"]]
        assert "50,000" not in ran.out

    def test_titles_are_shown_and_names_filed(self, here: Path) -> None:
        ran = run_here("dataset", "stats", "digits", "--format", "svg,csv")
        assert table(ran.out)[2][0] == "Digits"
        assert "Digits" in Path("digits_intensities.svg").read_text()
        assert Path("digits_intensities.csv").read_text().splitlines()[1].startswith("digits,0,0,")

    def test_the_figure_has_the_size_that_is_asked_for(self, here: Path) -> None:
        write_testbed(here)
        assert run_here("dataset", "stats", "new", "--format", "png", "--size", "slide").code == 0
        with Image.open(here / "new_intensities.png") as drawn:
            assert drawn.size == (2000, 1125)

    @pytest.mark.parametrize(
        "arguments, message",
        [
            (
                ["original", "--format", "pgn"],
                'pixel statistics are not written in this format\n  found:    "pgn"\n',
            ),
            (
                ["original", "--size", "slides"],
                'unknown figure size\n  found:    "slides"\n',
            ),
            (["orginal"], 'there is no dataset "orginal"\n'),
        ],
    )
    def test_what_cannot_be(self, here: Path, arguments: list[str], message: str) -> None:
        write_testbed(here)
        ran = run_here("dataset", "stats", *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith(f"evalshift: {message}")


class TestDownsample:
    @pytest.fixture
    def photographs(self, here: Path) -> Path:
        for wnid in ("n01440764", "n01443537"):
            for number in range(2):
                put_image(here / "images" / wnid / f"{number}.png", f"{wnid}{number}", (20, 30))
        return here / "images"

    def test_made_and_made_again(self, photographs: Path) -> None:
        ran = run_here("dataset", "downsample", photographs, "--size", "16", "--filter", "lanczos")
        assert (ran.code, ran.out.splitlines()[0]) == (0, "4 images: imagenet16/val_data.npz")
        assert ran.out.splitlines()[1].startswith("without a mean image")
        with np.load("imagenet16/val_data.npz", allow_pickle=False) as batch:
            assert batch["data"].shape == (4, 768)
            assert batch["labels"].tolist() == [449, 449, 450, 450]

    def test_batches(self, photographs: Path) -> None:
        ran = run_here("dataset", "downsample", photographs, "--split", "train", "--batches", "2", "--out", "small")
        assert ran.out == "4 images: small/train_data_batch_1.npz, small/train_data_batch_2.npz\n"
        ran = run_here("dataset", "downsample", photographs, "--out", "small")
        assert ran.out.endswith("\nmean image: of the training images, from small/train_data_batch_1.npz\n")

    def test_a_tree_of_png_files_is_read_as_a_folder(self, photographs: Path, here: Path) -> None:
        options = ("dataset", "downsample", photographs, "--size", "16", "--filter", "box", "--to", "tree")
        assert run_here(*options, "--out", "tree").out == "4 images: tree\n"
        with Image.open("tree/n01443537/1.png") as made, Image.open(photographs / "n01443537/1.png") as original:
            np.testing.assert_array_equal(made, original.resize((16, 16), Image.Resampling.BOX))
        Path("registry.yaml").write_text("datasets: {tree: {source: folder, path: tree, classes: imagenet-1k}}")
        assert run_here("dataset", "show", "tree", "--format", "png").code == 0
        Path("tree/n01443537/1.png").unlink()
        assert run_here(*options, "--out", "tree").out == "4 images, 3 of them from an earlier run: tree\n"
        refused = run_here(*options[:-3], "nearest", "--to", "tree", "--out", "tree")
        assert (refused.code, "another run wrote to this folder (--out)" in refused.err) == (2, True)
        assert "npz or tree" in run_here(*options[:-1], "jpeg").err

    def test_a_filter_that_pillow_does_not_have(self, photographs: Path) -> None:
        ran = run_here("dataset", "downsample", photographs, "--filter", "lanczos3")
        assert (ran.code, ran.out) == (2, "")
        assert ran.err == (
            'evalshift: Pillow has no filter "lanczos3"\n'
            "  expected: nearest, box, bilinear, hamming, bicubic, lanczos\n"
            '  fix:      did you mean "lanczos"?\n'
        )

    def test_it_is_run_like_any_other_set(self, photographs: Path, here: Path) -> None:
        """From photographs to a report: made small twice by different filters, and compared."""
        for filter in ("box", "nearest"):
            run_here("dataset", "downsample", photographs, "--size", "8", "--filter", filter, "--out", filter)
        (here / "net.py").write_text(
            "from torch import nn\n\n\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(192, 1000))\n"
        )
        small = {name: {"source": "imagenet-downsampled", "size": 8, "path": name} for name in ("box", "nearest")}
        model = {
            "source": "python",
            "trust": True,
            "function": "net.py:net",
            "classes": "imagenet-1k",
            "preprocess": {},
        }
        text = {"datasets": small, "models": {"net": model}, "pairs": ["box:nearest"]}
        (here / "registry.yaml").write_text(yaml.safe_dump(text))
        ran = run_here("run")
        assert ran.code == 0, ran.err
        assert re.search(r"net +box \d", ran.err)


@pytest.mark.parametrize("command", ["stats", "compare", "show", "duplicates", "discriminate --model pixels"])
def test_a_name_that_does_not_exist_is_told_before_anything_is_downloaded(here: Path, command: str) -> None:
    ran = run_here("dataset", *command.split(), "cifar10", "cifar11", "--data-dir", here / "data")
    assert ran.code == 2
    assert ran.err.startswith('evalshift: there is no dataset "cifar11"\n')
    assert not (here / "data").exists()


def test_help_of_the_group() -> None:
    said = run_here("dataset", "--help").out
    assert "stats" in said
    assert "downsample" in said


def test_space_that_runs_out_is_said(here: Path, monkeypatch: pytest.MonkeyPatch, file_server: FileServer) -> None:
    """An archive that cannot be unpacked without space leaves nothing half-way."""
    from formats import image_bytes, tar_bytes

    body = tar_bytes({f"set/n0144{wnid}/1.png": image_bytes() for wnid in ("0764", "3537")}, "w")
    file = {"name": "a.tar", "urls": [file_server.put("a.tar", body)], "sha256": sha256(body)}
    entry = {"source": "class-archive", "classes": "imagenet-1k", "files": {"archive": file}}
    Path("registry.yaml").write_text(yaml.safe_dump({"datasets": {"d": entry}}))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    ran = run_here("dataset", "stats", "d")
    assert ran.code == 2
    assert ran.err.startswith("evalshift: an archive could not be unpacked\n")
    assert "  found:    No space left on device\n" in ran.err
    assert [path.name for path in (here / "cache/datasets/unpacked").iterdir() if not path.name.endswith(".lock")] == []
