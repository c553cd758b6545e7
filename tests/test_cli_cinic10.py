"""`evalshift dataset cinic10` on a CIFAR-10 and synsets of a few images, in their official formats."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from commandline import run_here
from formats import cifar10_batch, image_bytes, pixels, tar_bytes
from PIL import Image

from evalshift.testbed.cinic10_making import SPLITS
from evalshift.testbed.cinic10_synsets import GROUPS, read_synset_groups, synset_groups
from evalshift.testbed.classes import built_in

NAMES = built_in("cifar10").names
# Five training images and one test image of each class: two in each split.
TRAIN, TEST = pixels("train", 50, 32, 32, 3), pixels("test", 10, 32, 32, 3)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for number in range(5):
        part = TRAIN[10 * number : 10 * number + 10]
        (folder / f"data_batch_{number + 1}").write_bytes(cifar10_batch(part, list(range(10))))
    (folder / "test_batch").write_bytes(cifar10_batch(TEST, list(range(10))))
    for name, (root, _) in GROUPS.items():
        files = {f"{root}_{number}.JPEG": image_bytes(f"{name} {number}", "JPEG", (50, 40)) for number in range(7)}
        if name == "bird":  # as ImageNet serves a synset
            Path("imagenet").mkdir(exist_ok=True)
            Path("imagenet", f"{root}.tar").write_bytes(tar_bytes(files, "w"))
            continue
        for file, content in files.items():
            path = Path("imagenet", root, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return tmp_path


def make(*options: str, out: str = "out"):
    return run_here(
        "dataset", "cinic10", "--cifar", "cifar-10-batches-py", "--imagenet", "imagenet", "--out", out, *options
    )


def read(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened)


def names(out: str = "out") -> dict[str, set[str]]:
    return {split: {path.stem for path in Path(out, split).rglob("*.png")} for split in SPLITS}


def test_three_equal_splits_from_which_cifar10_can_be_recovered(here: Path) -> None:
    done = make("--per-class", "6")
    assert done.code == 0, done.err
    assert done.out.startswith("40 in train, 40 in valid, 40 in test.\n")
    for split in SPLITS:
        for name in NAMES:
            found = sorted(path.stem[:5] for path in Path("out", split, name).iterdir())
            assert found == ["cifar", "cifar", GROUPS[name][0][:5], GROUPS[name][0][:5]]
    for origin, images in (("train", TRAIN), ("test", TEST)):
        for place, image in enumerate(images):
            (path,) = Path("out").glob(f"*/{NAMES[place % 10]}/cifar10-{origin}-{place}.png")
            assert np.array_equal(read(path), image)
            assert origin == "train" or path.parts[1] == "test"


def test_photographs_are_made_small_by_the_box_filter(here: Path) -> None:
    make("--per-class", "6")
    for name in ("bird", "truck"):
        root = GROUPS[name][0]
        number = next(iter(Path("out").glob(f"*/{name}/{root}_*.png"))).stem.rpartition("_")[2]
        Path("one.jpeg").write_bytes(image_bytes(f"{name} {number}", "JPEG", (50, 40)))
        with Image.open("one.jpeg") as opened:
            expected = np.asarray(opened.convert("RGB").resize((32, 32), Image.Resampling.BOX))
        (path,) = Path("out").glob(f"*/{name}/{root}_{number}.png")
        assert np.array_equal(read(path), expected)


def test_the_seed_decides_and_a_finished_class_is_kept(here: Path) -> None:
    make("--per-class", "3", "--seed", "1")
    make("--per-class", "3", "--seed", "1", out="again")
    make("--per-class", "3", "--seed", "2", out="other")
    assert names() == names("again")
    assert names() != names("other")
    for path in Path("out", "valid", "frog").glob("n*.png"):
        path.unlink()
    assert "27 of ImageNet from an earlier run" in make("--per-class", "3", "--seed", "1").out
    assert names() == names("again")
    refused = make("--per-class", "3", "--seed", "2")
    assert refused.code == 2
    assert "another run wrote to this folder (--out)" in refused.err


def test_a_file_that_is_no_image_is_replaced(here: Path) -> None:
    ship = GROUPS["ship"][0]
    Path("imagenet", ship, f"{ship}_3.JPEG").write_bytes(b"<html>")
    done = make("--per-class", "6")
    assert done.code == 0, done.err
    found = {path.stem for path in Path("out").glob("*/ship/n*.png")}
    assert found == {f"{ship}_{number}" for number in (0, 1, 2, 4, 5, 6)}


def test_a_synset_that_is_cut_is_named(here: Path) -> None:
    synset = Path("imagenet", f"{GROUPS['bird'][0]}.tar")
    packed = gzip.compress(synset.read_bytes())
    synset.write_bytes(packed[: len(packed) // 2])
    done = make("--per-class", "6")
    assert done.code == 2
    assert f"an archive cannot be read\n  where:    {synset}" in done.err


def test_the_authors_choice_is_taken_from_their_list(here: Path) -> None:
    rows = [f"{GROUPS[name][0]}, {2 * place}, {split}, {name}" for name in NAMES for place, split in enumerate(SPLITS)]
    Path("contributors.csv").write_text("synset, image_num, cinic_set, class\n" + "\n".join(rows) + "\n")
    done = make("--contributors", "contributors.csv")
    assert done.code == 0, done.err
    for place, split in enumerate(SPLITS):
        assert [path.stem for path in Path("out", split, "dog").glob("n*.png")] == [f"n02083346_{2 * place}"]
    Path("imagenet", "n02083346", "n02083346_2.JPEG").unlink()
    refused = make("--contributors", "contributors.csv", out="other")
    assert refused.code == 2
    assert "1 of 1 are absent or damaged, such as n02083346_2" in refused.err


def test_too_few_images_are_refused_before_anything_is_written(here: Path) -> None:
    refused = make("--per-class", "9")
    assert refused.code == 2
    assert "too few images of ImageNet" in refused.err
    assert "airplane 7, automobile 7" in refused.err
    assert "at least 9 of each class (--per-class)" in refused.err
    assert not Path("out").exists()
    assert "a multiple of 3" in make("--per-class", "10").err


def test_groups_are_those_of_the_authors_list() -> None:
    groups = synset_groups()
    # The list's deer: ruminants, of which the levels below sheep, goats and cattle are left out.
    deer = """n02399000 n02429456 n02401031 n02418064 n02411206 n02411705 n02419796 n02414578 n02416519 n02410509
        n02407959 n02402010 n02428842 n02430045 n02431976 n02430830 n02435216 n02432511 n02435517 n02434712 n02431122
        n02432291 n02433318 n02433925 n02431628 n02430748 n02432983 n02431785 n02434954 n02433546 n02435853 n02436224
        n02436353 n02436645 n02439033 n02439398"""
    assert groups["deer"] == tuple(sorted(deer.split()))
    assert {name: len(group) for name, group in groups.items()} == {
        "airplane": 31, "automobile": 37, "bird": 859, "cat": 51, "deer": 36, "dog": 95, "frog": 54, "horse": 81,
        "ship": 62, "truck": 21,
    }  # fmt: skip


def test_a_list_of_synsets_of_ones_own_and_files_of_other_names(here: Path, tmp_path: Path) -> None:
    """Birds are the photographs of `automobile` here, whose files are called as ImageNet's validation images are."""
    roots = {name: root for name, (root, _) in GROUPS.items()}
    for number, path in enumerate(sorted(Path("imagenet", roots["automobile"]).iterdir())):
        path.rename(path.with_name(f"ILSVRC2012_val_{number:08d}.JPEG"))
    mine = {**roots, "bird": roots["automobile"], "automobile": roots["truck"], "truck": roots["bird"]}
    Path("mine.csv").write_text("synset,class\n" + "".join(f"{root},{name}\n" for name, root in mine.items()))
    done = make("--per-class", "6", "--groups", "mine.csv")
    assert done.code == 0, done.err
    found = {path.stem for split in SPLITS for path in Path("out", split, "bird").glob("n*.png")}
    assert len(found) == 6
    assert all(name.startswith(f"{roots['automobile']}_ILSVRC2012_val_0000000") for name in found)
    assert "another run wrote to this folder" in make("--per-class", "6").err
    again = make("--per-class", "6", "--groups", "mine.csv")
    assert "; 60 of ImageNet from an earlier run" in again.out
    authors = "".join(f"{name}\n----------------{root}: a synset, an example\n" for name, root in mine.items())
    Path("theirs.txt").write_text(authors)
    assert read_synset_groups(Path("theirs.txt")) == read_synset_groups(Path("mine.csv"))
    for text, problem in (("n02691156,aeroplane", "line 1"), ("n02691156,airplane", "classes without a synset")):
        Path("wrong.csv").write_text(text)
        assert problem in make("--per-class", "6", "--groups", "wrong.csv", out="other").err
