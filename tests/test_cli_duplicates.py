"""`evalshift dataset duplicates`: from two datasets to a page, decisions, and accuracy without near-duplicates."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Opened, needs_chromium
from commandline import run_here
from messages import says

from evalshift.evaluate.predictions import Predictions
from evalshift.testbed.csv_records import csv_bytes
from evalshift.testbed.duplicates import Decisions, equal_images, read_decisions, write_decisions

REGISTRY = """\
classes:
  shades: [dark, bright]
datasets:
  tests: {source: npy, images: tests_x.npy, labels: tests_y.npy, classes: shades}
  train: {source: npy, images: train_x.npy, labels: train_y.npy, classes: shades}
models:
  net: {source: python, trust: true, function: "net.py:net", classes: shades, preprocess: {}}
pairs: ["tests:train"]
"""
KNOWN = """\
    source: npy
    images: tests_x.npy
    labels: tests_y.npy
    classes: shades
"""
NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(2, 2)
        self.last.weight.data = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
        self.last.bias.data = torch.tensor([0.5, -0.5])

    def forward(self, x):
        return self.last(torch.stack([x.mean(dim=(1, 2, 3)), x.amax(dim=(1, 2, 3))], dim=1))


def net():
    return Net()
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight test images: the first is in train pixel by pixel, the second nearly, the others are not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    rng = np.random.default_rng(3)
    train = rng.integers(0, 256, (30, 10, 10, 3), np.uint8)
    tests = rng.integers(0, 256, (8, 10, 10, 3), np.uint8)
    tests[0] = train[11]
    tests[1] = np.clip(train[5].astype(int) + rng.integers(-3, 4, train[5].shape), 0, 255)
    for name, images in (("tests", tests), ("train", train)):
        np.save(f"{name}_x.npy", images)
        np.save(f"{name}_y.npy", np.arange(len(images)) % 2)
    Path("registry.yaml").write_text(REGISTRY)
    Path("net.py").write_text(NET)
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_all_three_metrics_find_what_was_hidden(here: Path) -> None:
    done = run_here("dataset", "duplicates", "tests", "train", "--metric", "l2,ssim,features", "--model", "net")
    assert done.code == 0, done.err
    assert "1 of 8 images of tests are in train pixel by pixel (0 = 11)." in done.out
    assert "1 of these has another label there." in done.out
    found = rows(here / "tests_in_train_neighbours.csv")
    assert len(found) == 3 * 8 * 30
    near = {(row["metric"], row["image"]): row for row in found if row["rank"] == "1"}
    for metric in ("l2", "ssim", "features"):
        assert near[metric, "0"]["neighbour"] == "11"
        assert float(near[metric, "0"]["distance"]) == pytest.approx(0, abs=1e-5)
    assert [near[metric, "1"]["neighbour"] for metric in ("l2", "ssim")] == ["05", "05"]
    images = [np.load(f"{name}_x.npy").astype(float) / 255 for name in ("tests", "train")]
    by_hand = np.sqrt(((images[0][1] - images[1][5]) ** 2).sum())
    assert float(near["l2", "1"]["distance"]) == pytest.approx(by_hand, rel=1e-5)
    # What the last layer is given: the mean and the largest value of an image.
    of_train = np.stack([images[1].mean(axis=(1, 2, 3)), images[1].max(axis=(1, 2, 3))], axis=1)
    of_third = np.array([images[0][2].mean(), images[0][2].max()])
    nearest = int(np.linalg.norm(of_train - of_third, axis=1).argmin())
    assert int(near["features", "2"]["neighbour"]) == nearest


def test_with_a_prefilter_only_images_of_similar_hashes_are_compared(here: Path) -> None:
    done = run_here("dataset", "duplicates", "tests", "train", "--metric", "l2,ssim", "--prefilter", "4", "--top", "3")
    assert done.code == 0, done.err
    assert "l2 and ssim compare each image with the 4 of the most similar perceptual hash." in done.out
    found = rows(here / "tests_in_train_neighbours.csv")
    assert {(row["image"], row["neighbour"]) for row in found if row["rank"] == "1"} >= {("0", "11"), ("1", "05")}
    seen = {row["image"]: set[str]() for row in found}
    for row in found:
        seen[row["image"]].add(row["neighbour"])
    assert all(3 <= len(near) <= 4 for near in seen.values())


def test_within_one_dataset(here: Path) -> None:
    images = np.load("train_x.npy")
    images[20] = images[4]
    np.save("train_x.npy", images)
    done = run_here("dataset", "duplicates", "train", "--top", "2", "--review", "0")
    assert "1 of 30 images of train repeat an earlier one pixel by pixel (20 = 04)." in done.out
    assert not list(here.glob("*.html"))
    near = {
        row["image"]: row["neighbour"] for row in rows(here / "train_in_train_neighbours.csv") if row["rank"] == "1"
    }
    assert (near["20"], near["04"]) == ("04", "20")


def test_decisions_give_the_share_the_accuracies_and_the_lines_for_the_registry(here: Path) -> None:
    assert run_here("run", "--pair", "tests:train").code == 0
    decided = Decisions({"0": "11", "1": "05", "2": None})
    write_decisions(Path("seen.csv"), decided)
    done = run_here("dataset", "duplicates", "tests", "train", "--decisions", "seen.csv", "--results", "results")
    assert done.code == 0, done.err
    assert "2 of 8 images (25.00 %) are near-duplicates by seen.csv, in which 3 images were decided" in done.out
    predicted = _correct()
    on, rest = predicted[:2].mean(), predicted[2:].mean()
    (line,) = (line for line in done.out.splitlines() if line.split()[:1] == ["net"])
    assert f"{100 * on:.1f}" in line
    assert f"{100 * rest:.1f}" in line
    assert f"near_duplicates: {{share: 0.25, accuracy: {on:.4g}, source:" in done.out
    # The line goes into the registry, and reports say the same of the other images.
    (line,) = (line for line in done.out.splitlines() if line.startswith("  near_duplicates:"))
    Path("registry.yaml").write_text(REGISTRY.replace("  train: {", f"  tests-known:\n{KNOWN}  {line}\n  train: {{"))
    assert run_here("run", "--pair", "tests-known:train").code == 0
    done = run_here("report", "--pair", "tests-known:train", "--bootstrap", "0", "--format", "csv", "--out", "report")
    assert done.code == 0, done.err
    (row,) = rows(Path("report/tables/tests-known_vs_train_top1_duplicates.csv"))
    assert [float(row[name]) for name in ("accuracy", "inflation")] == pytest.approx([rest, predicted.mean() - rest])


def test_lists_of_cifair_are_decisions_and_tell_what_each_metric_finds(here: Path) -> None:
    Path("cifair.csv").write_text("TestID,TrainID,Distance,Judgment\n0,11,0.07,0\n1,5,0.1,1\n7,2,0.2,2\n")
    done = run_here(
        *("dataset", "duplicates", "tests", "train", "--metric", "l2,ssim", "--top", "1", "--review", "2"),
        *("--decisions", "cifair.csv"),
    )
    assert done.code == 0, done.err
    assert "3 of 8 images (37.50 %) are near-duplicates by cifair.csv" in done.out
    # Image 7 is noise: 2 is not its nearest, and two images are nearer to what they repeat than any noise is.
    assert "of 3 near-duplicates whose neighbour was decided:" in done.out
    rows = [line.split(maxsplit=1) for line in done.out.splitlines() if line.startswith(("l2 ", "ssim ", "any "))][-3:]
    assert [row[0] for row in rows] == ["l2", "ssim", "any"]
    assert [" ".join(row[1].split()) for row in rows] == ["2 (66.7 %) 2 (66.7 %) 2 (66.7 %)"] * 3
    Path("cifair.csv").write_text("TestID,TrainID,Distance,Judgment\n0,30,0.07,0\n")
    done = run_here("dataset", "duplicates", "tests", "train", "--decisions", "cifair.csv")
    says(done.err, where="cifair.csv, line 2", found="TrainID 30", expected="0 to 29")


def _correct() -> np.ndarray:
    from evalshift.evaluate.store import Results

    predictions: Predictions = Results(Path("results")).load_predictions("tests", "net")
    return predictions.top[:, 0] == np.load("tests_y.npy")


class TestDecisions:
    def test_written_and_read(self, tmp_path: Path) -> None:
        decided = Decisions({"a,b": "x", "c": None, 'd"e': ""})
        write_decisions(tmp_path / "d.csv", decided)
        assert read_decisions(tmp_path / "d.csv", ["a,b", "c", 'd"e']) == decided
        assert decided.duplicates == {"a,b": "x", 'd"e': ""}

    @pytest.mark.parametrize(
        "text, found",
        [("image,duplicate\n0,maybe\n", "0,maybe"), ("name,yes\n0,1\n", "0,1"), ("image,duplicate\n9,yes\n", "9")],
    )
    def test_other_files_are_refused(self, here: Path, text: str, found: str) -> None:
        Path("seen.csv").write_text(text)
        done = run_here("dataset", "duplicates", "tests", "train", "--decisions", "seen.csv")
        assert done.code == 2
        says(done.err, where="seen.csv, line 2", found=found)

    def test_contradictions_are_refused(self, here: Path) -> None:
        Path("seen.csv").write_text("image,duplicate\n0,yes\n0,no\n")
        done = run_here("dataset", "duplicates", "tests", "train", "--decisions", "seen.csv")
        says(done.err, where="seen.csv, line 3", found="0")


@pytest.mark.parametrize(
    "options, expected",
    [
        (["--metric", "l1"], "l2, ssim, features"),
        (["--metric", "features"], None),
        (["--metric", "ssim", "--among", "few"], "1, 2, … or all"),
        (["--prefilter", "0"], "1, 2, … or none"),
    ],
)
def test_options_that_cannot_be_are_refused(here: Path, options: list[str], expected: str | None) -> None:
    done = run_here("dataset", "duplicates", "tests", "train", *options)
    assert done.code == 2
    says(done.err, **({} if expected is None else {"expected": expected}))


def test_equal_images_by_hand() -> None:
    assert equal_images([b"x", b"y", b"x", b"x"]) == [(2, 0), (3, 0)]
    assert equal_images([b"x", b"y"], [b"y", b"y"]) == [(1, 0)]


@needs_chromium
class TestReviewPage:
    @pytest.fixture
    def opened(self, here: Path, chromium: Any) -> Iterator[Opened]:
        assert run_here("dataset", "duplicates", "tests", "train", "--review", "5", "--beside", "4").code == 0
        page = Opened(chromium, here / "tests_in_train_review.html", accept_downloads=True)
        yield page
        assert page.complaints == []
        assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []
        page.close()

    def test_decisions_by_key_are_saved_and_resumed(self, opened: Opened, here: Path, chromium: Any) -> None:
        page = opened.page
        assert opened.texts("#where") == ["Image 1 of 5; 0 decided, 0 near-duplicates."]
        assert len(opened.texts("#near button")) == 4
        widths = opened.run(
            "[...document.querySelectorAll('main img')].map(image => image.getBoundingClientRect().width)"
        )
        assert len(widths) == 5
        assert min(widths) >= 100  # images of 10 pixels are enlarged, the neighbours too
        for key in ("y", "2", "n"):
            page.keyboard.press(key)
        assert opened.texts("#where") == ["Image 4 of 5; 3 decided, 2 near-duplicates."]
        second = opened.run("rows[1].near[1].image")
        with page.expect_download() as caught:
            page.keyboard.press("s")
        caught.value.save_as(here / "seen.csv")
        seen = read_decisions(here / "seen.csv", [str(place) for place in range(8)])
        shown = opened.run("rows.map(row => row.image)")
        assert shown[:2] == ["0", "1"]
        assert dict(seen.seen) == {shown[0]: "11", shown[1]: second, shown[2]: None}
        # The browser keeps them for the same page; the command puts them into a new one; a file is loaded.
        page.reload()
        assert opened.texts("#where") == ["Image 4 of 5; 3 decided, 2 near-duplicates."]
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("y")
        assert opened.texts("#where") == ["Image 4 of 5; 3 decided, 3 near-duplicates."]
        run_here(
            "dataset", "duplicates", "tests", "train", "--review", "5", "--decisions", "seen.csv", "--out", "again"
        )
        second_page = Opened(chromium, here / "again/tests_in_train_review.html")
        assert second_page.texts("#where") == ["Image 4 of 5; 3 decided, 2 near-duplicates."]
        second_page.close()
        run_here("dataset", "duplicates", "tests", "train", "--review", "5", "--out", "third")
        third = Opened(chromium, here / "third/tests_in_train_review.html")
        third.page.set_input_files("#load", here / "seen.csv")
        third.page.wait_for_function("document.getElementById('saved').textContent.includes('loaded')")
        assert third.texts("#where") == ["Image 4 of 5; 3 decided, 2 near-duplicates."]
        third.close()

    def test_names_like_formulas_are_inert_in_the_saved_file_as_in_those_of_the_command(self, opened: Opened) -> None:
        names = ["=1+1.png", "+a", "-b", "@x", "'quoted'", "'=x", "''", "-0.5", "a,b", 'a"b', "＝1", "＠x"]
        saved = opened.run(f"{json.dumps(names)}.map(inert).map(quoted)")
        assert csv_bytes(("image",), [[name] for name in names]).decode().splitlines()[1:] == saved
        assert opened.run(f"{json.dumps(saved)}.map(line => cells(line)[0])") == names

    def test_a_click_says_of_which(self, opened: Opened) -> None:
        opened.page.locator("#near button").nth(2).click()
        assert opened.run("decisions.get(rows[0].image) === rows[0].near[2].image")

    def test_names_hide_no_letters_and_run_nothing(self, here: Path, chromium: Any) -> None:
        text = (here / "registry.yaml").read_text()
        odd = "good\u202egnp.</script><script>document.title = 1</script>\u200b"
        (here / "registry.yaml").write_text(text.replace("[dark, bright]", json.dumps([odd, "__proto__"])))
        assert run_here("dataset", "duplicates", "tests", "train", "--review", "5").code == 0
        opened = Opened(chromium, here / "tests_in_train_review.html")
        [said] = opened.texts("#image figcaption")
        assert said.startswith("good�gnp.</script><script>document.title = 1</script>� · ")
        assert opened.run("rows[0].class") == odd
        assert opened.run("document.title") == "Near-duplicates of tests in train"
        assert opened.complaints == []
        opened.close()
