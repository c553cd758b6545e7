"""`evalshift dataset compare`, `show` and `discriminate` on two small sets of files and arrays."""

import re
from pathlib import Path

import numpy as np
import pytest
from commandline import run_here
from messages import says
from PIL import Image

from evalshift.errors import UsageError
from evalshift.image_pages.contact_sheet import (
    CORRECT,
    INCORRECT,
    choose_images,
    filtered,
    paired,
    same_images,
    sheet_page,
    sheet_picture,
)
from evalshift.testbed.classes import ClassSpace, built_in
from evalshift.testbed.datasets import Dataset, load_dataset
from evalshift.testbed.registry_reading import load_registry

REGISTRY = """\
classes:
  shades: [dark, bright]
datasets:
  files: {source: list, labels: files.csv, classes: shades}
  more: {source: list, labels: more.csv, classes: shades}
  array: {source: npy, images: x.npy, labels: y.npy, classes: shades}
  copy: {source: npy, images: x.npy, labels: y.npy, classes: shades}
  old-digits: {source: digits, part: original}
models:
  net: {source: python, trust: true, function: "net.py:net", classes: shades, preprocess: {}}
pairs: ["array:copy"]
"""
NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def forward(self, x):
        mean = x.mean(dim=(1, 2, 3))
        return torch.stack([0.5 - mean, mean - 0.5], dim=1)


def net():
    return Net()
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """12 JPEG files of quality 80, 6 of them dark; 8 others of quality 60, wider, of which 2 are dark and 3 equal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    rng = np.random.default_rng(0)
    for name, width, quality, dark, count in (("files", 20, 80, 6, 12), ("more", 30, 60, 2, 8)):
        lines = ["image,class,place"]
        for number in range(count):
            level = 60 if number < dark else 190
            pixels = np.clip(rng.normal(level, 20, (16, width, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(f"{name}{number}.jpg", quality=quality)
            lines.append(
                f"{name}{number}.jpg,{'dark' if number < dark else 'bright'},{'north' if number % 2 else 'south'}"
            )
        Path(f"{name}.csv").write_text("\n".join(lines))
    for number in (5, 6, 7):  # the same pixels in another format
        Image.open(f"files{number + 1}.jpg").save("again.png")
        text = Path("more.csv").read_text().replace(f"more{number}.jpg", f"again{number}.png")
        Path("again.png").rename(f"again{number}.png")
        Path("more.csv").write_text(text)
    shades = np.clip(rng.normal(np.repeat([60, 190], 20)[:, None, None, None], 20, (40, 8, 8, 3)), 0, 255)
    np.save("x.npy", shades.astype(np.uint8))
    np.save("y.npy", np.where(np.arange(40) == 3, 1, np.repeat([0, 1], 20)))  # one label that the network misses
    Path("registry.yaml").write_text(REGISTRY)
    Path("net.py").write_text(NET)
    return tmp_path


def cells(printed: str, first: str) -> list[str]:
    (line,) = (line for line in printed.splitlines() if line.strip().startswith(first))
    return re.split(r"\s{2,}", line.strip())


def test_compare_by_hand(here: Path) -> None:
    done = run_here("dataset", "compare", "files", "more", "--out", "tables")
    assert done.code == 0, done.err
    assert "3 of 12 images of files are in more pixel by pixel (files6.jpg = again5.png, " in done.out
    assert cells(done.out, "width") == ["width (median, range)", "20, 20 to 20", "30, 20 to 30"]
    assert cells(done.out, "height") == ["height (median, range)", "16, 16 to 16", "16, 16 to 16"]
    assert cells(done.out, "formats") == ["formats", "JPEG 12", "JPEG 5, PNG 3"]
    assert cells(done.out, "JPEG quality") == ["JPEG quality (median, range)", "80, 80 to 80", "60, 60 to 60"]
    # 6 of 12 and 2 of 8 are dark; 6 of 12 and 4 of 8 in the north.
    assert cells(done.out, "dark") == ["dark", "6", "2", "50.0", "25.0", "−25.0"]
    assert cells(done.out, "north") == ["north", "6", "4", "50.0", "50.0", "0.0"]
    assert cells(done.out, "standard") == ["standard JPEG tables", "12 of 12", "5 of 5"]
    approximate = "approximate: for 2 of 2 values fewer than 5 images are expected"
    assert f"Equal shares: p = 1.000 (χ² test, {approximate})." in done.out
    assert (here / "tables/balance_place.csv").is_file()


def test_cifar10_and_its_replication_are_compared_by_the_published_keywords(here: Path) -> None:
    content = (here / "registry.yaml").read_text().replace("array:", "cifar10:").replace("copy:", "cifar10.1-v4:")
    (here / "other.yaml").write_text(content.replace('"cifar10:copy"', '"cifar10:cifar10.1-v4"'))
    done = run_here("dataset", "compare", "cifar10.1-v4", "cifar10", "--registry", "other.yaml")
    assert done.code == 0, done.err
    # Table 6: 0.64 % of 2,021 images are 13, 0.63 % of 10,000 are 63.
    assert cells(done.out, "frog        bufo_bufo ") == ["frog", "bufo_bufo", "63", "13", "0.63", "0.64", "0.01"]
    assert cells(done.out, "cat         tabby_cat ") == ["cat", "tabby_cat", "178", "36", "1.78", "1.78", "0.00"]
    assert "9,542 of 10,000 images of CIFAR-10 and 2,021 of 2,021 of CIFAR-10.1 v4" in done.out


def test_sheets_of_two_datasets(here: Path) -> None:
    done = run_here(
        *("dataset", "show", "files", "more", "--per-class", "3", "--size", "20", "--format", "png,pdf,html"),
        *("--out", "sheets"),
    )
    assert done.code == 0, done.err
    with Image.open("sheets/files_and_more_sheet.png") as sheet:
        assert sheet.height == 22 + 2 * 30 + 4
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    # In each row the middle of the first picture has the brightness of its class.
    found = [pixels[22 + row * 30 + 8 : 22 + row * 30 + 18, -20:-10].mean() for row in (0, 1)]
    dark = [pixels[22 + 8 : 22 + 18, column : column + 10].mean() for column in range(0, pixels.shape[1] - 10, 5)]
    assert min(dark) < 80
    assert found[1] > 120
    page = Path("sheets/files_and_more_sheet.html").read_text()
    assert page.count("<img ") == 3 + 2 + 3 + 3
    assert "files" in page
    assert Path("sheets/files_and_more_sheet.pdf").read_bytes().startswith(b"%PDF")


def test_a_model_frames_images(here: Path) -> None:
    assert run_here("run").code == 0
    done = run_here("dataset", "show", "array", "--per-class", "30", "--model", "net", "--format", "png,html")
    assert done.code == 0, done.err
    page = Path("array_sheet.html").read_text()
    assert page.count('class="small incorrect"') == 1
    assert page.count('class="small correct"') == 39
    with Image.open("array_sheet.png") as sheet:
        colours = {colour for _, colour in sheet.convert("RGB").getcolors(1 << 24) or []}
    assert {tuple(bytes.fromhex(colour[1:])) for colour in (CORRECT, INCORRECT)} <= colours


def test_the_seed_draws_and_other_classes_do_not(here: Path) -> None:
    dataset = _dataset("array")
    one, again, other = (choose_images([dataset], 3, seed).rows for seed in (1, 1, 2))
    assert one == again != other
    assert choose_images([dataset], 3, 1, ["bright"]).rows == {1: one[1]}
    assert all((dataset.labels[list(positions)] == label).all() for label, (positions,) in one.items())


def test_names_on_sheets_hide_no_letters_and_take_one_short_line() -> None:
    space = ClassSpace("odd", ("<b>a\u202eb\nc", "d" * 20_000))
    images = np.zeros((2, 8, 8, 3), np.uint8)
    dataset = Dataset(name="x\u200b", classes=space, ids=('"><i>\u200b', "1"), labels=np.arange(2), images=images)
    sheet = choose_images([dataset], 1)
    page = sheet_page(sheet)
    assert "<th>&lt;b&gt;a�b\nc</th>" in page
    assert 'title="&quot;&gt;&lt;i&gt;� · ' in page
    assert "<h1>x�</h1>" in page
    assert sheet_picture(sheet, 16).width < 2_000


def test_filters_are_shown_beside_the_original(here: Path) -> None:
    done = run_here(
        *("dataset", "show", "files", "--classes", "bright", "--per-class", "2", "--filters", "box,nearest"),
        *("--pixels", "4", "--size", "20", "--format", "png"),
    )
    assert done.code == 0, done.err
    known = load_registry("registry.yaml")
    dataset = load_dataset("files", known.dataset("files"), known.class_space("shades"))
    chosen = choose_images([dataset], 2, classes=["bright"])
    sheet = filtered(chosen, ["box", "nearest"], 4)
    assert [one.title for one in sheet.datasets] == [None, "box, 4 pixels", "nearest, 4 pixels"]
    assert sheet.rows == {1: ((0, 1), (0, 1), (0, 1))}
    for place, position in enumerate(chosen.rows[1][0]):
        with Image.open(dataset.images[position]) as opened:  # pyright: ignore
            small = np.asarray(opened.resize((4, 4), Image.Resampling.NEAREST))
        assert np.array_equal(np.asarray(sheet.datasets[2].images)[place], small)
    assert "not both" in run_here("dataset", "show", "files", "more", "--filters", "box").err
    assert 'did you mean "lanczos"?' in run_here("dataset", "show", "files", "--filters", "lanczo").err


def test_the_same_images_are_shown_of_both_datasets(here: Path) -> None:
    """`small` has 5 of the 12 files, made 4 × 4, as PNG in a folder of their own and in another order."""
    lines = ["image,class"]
    Path("made").mkdir()
    for number in (9, 2, 7, 4, 11):
        with Image.open(f"files{number}.jpg") as opened:
            opened.resize((4, 4), Image.Resampling.BOX).save(f"made/files{number}.png")
        lines.append(f"made/files{number}.png,{'dark' if number < 6 else 'bright'}")
    Path("small.csv").write_text("\n".join(lines))
    entry = "  small: {source: list, labels: small.csv, classes: shades}\n"
    Path("registry.yaml").write_text(REGISTRY.replace("  more:", f"{entry}  more:"))
    known = load_registry("registry.yaml")
    files, small, more, array = (
        load_dataset(name, known.dataset(name), known.class_space("shades"))
        for name in ("files", "small", "more", "array")
    )
    places = same_images(files, small)
    assert [places[0].tolist(), places[1].tolist()] == [[2, 4, 7, 9, 11], [1, 3, 2, 0, 4]]
    shared = [one.only(some) for one, some in zip((files, small), places, strict=True)]
    sheet = paired(choose_images(shared[:1], 2, 0), shared[1])
    assert sheet.rows == {0: ((0, 1), (0, 1)), 1: ((2, 3), (2, 3))}
    for one, other in zip(sheet.datasets[0].ids, sheet.datasets[1].ids, strict=True):
        assert other == f"made/{Path(one).stem}.png"
    done = run_here("dataset", "show", "files", "small", "--same", "--per-class", "2", "--format", "html")
    assert done.code == 0, done.err
    names = re.findall(r'alt="(?:made/)?(files\d+)', Path("files_and_small_sheet.html").read_text())
    assert names[0:2] == names[2:4]
    assert names[4:6] == names[6:8]
    # Arrays have no names: the images of equal labels are the same; here are fewer.
    assert same_images(array, array)[1].tolist() == list(range(40))
    for one, other in ((files, array), (files, more)):
        with pytest.raises(UsageError, match="no images in common"):
            same_images(one, other)
    assert "of two datasets" in run_here("dataset", "show", "files", "--same").err


def test_classes_of_some_ranks_by_accuracy(here: Path) -> None:
    assert run_here("run").code == 0
    shown = ("dataset", "show", "array", "--model", "net", "--format", "html")
    done = run_here(*shown, "--ranks", "2,1")
    assert done.code == 0, done.err
    page = Path("array_sheet.html").read_text()
    # The network misses one image, whose label says bright: 20 of 21 bright ones are correct, and all dark ones.
    heads = re.findall("<tr><th>(.*?)</th>", page)[1:]
    assert heads == ["bright, rank 2, 95 %", "dark, rank 1, 100 %"]
    assert "invalid rank of a class (--ranks)" in run_here(*shown, "--ranks", "3").err
    assert "take a model (--model)" in run_here("dataset", "show", "array", "--ranks", "1").err
    assert "unknown --metric" in run_here(*shown, "--metric", "top3").err


def test_classes_are_named_by_a_synonym_or_their_folder() -> None:
    space = built_in("imagenet-1k")
    images = np.zeros((3, 4, 4, 3), np.uint8)
    dataset = Dataset("three", space, ("a", "b", "c"), np.array([0, 1, 105]), images)
    chosen = choose_images([dataset], classes=["koala", "tench", "n01443537"])
    assert list(chosen.rows) == [105, 0, 1]
    assert chosen.name(105, short=True) == "koala"
    with pytest.raises(UsageError, match="there is no image of a class"):
        choose_images([dataset], classes=["ostrich"])


def test_what_cannot_be_shown_is_refused(here: Path) -> None:
    done = run_here("dataset", "show", "array", "--classes", "brigt")
    says(done.err, fix='did you mean "bright"?')
    done = run_here("dataset", "show", "array", "old-digits")
    says(done.err, found="shades and digits")
    done = run_here("dataset", "show", "array", "--model", "net")
    says(done.err, where="results")


def test_a_discriminator_of_what_differs_and_of_what_does_not(here: Path) -> None:
    rng = np.random.default_rng(5)
    for name, level in (("near", 100), ("far", 140), ("alike", 100)):
        np.save(f"{name}_x.npy", np.clip(rng.normal(level, 20, (60, 6, 6, 1)), 0, 255).astype(np.uint8))
    np.save("six_y.npy", np.arange(60) % 2)
    lines = [
        f"  {name}: {{source: npy, images: {name}_x.npy, labels: six_y.npy, classes: shades}}\n"
        for name in ("near", "far", "alike")
    ]
    Path("registry.yaml").write_text(REGISTRY.replace("  files:", "".join(lines) + "  files:"))
    done = run_here("dataset", "discriminate", "near", "far")
    assert done.code == 0, done.err
    assert cells(done.out, "all")[1:3] == ["60", "100.0 [94.0, 100.0]"]
    assert "logistic on pixels: trained on 60 images" in done.out
    done = run_here("dataset", "discriminate", "near", "alike", "--method", "ridge")
    assert done.code == 0, done.err
    low, high = map(float, re.findall(r"\[(\S+), (\S+)\]", " ".join(cells(done.out, "all")))[0])
    assert low < 50 < high
    done = run_here("dataset", "discriminate", "near", "old-digits")
    says(done.err, found="shades and digits")
    done = run_here("dataset", "discriminate", "near", "far", "--method", "forest")
    says(done.err, expected="logistic, ridge")


def _dataset(name: str) -> Dataset:
    known = load_registry(None)
    entry = known.dataset(name)
    return load_dataset(name, entry, known.class_space(entry.classes))
