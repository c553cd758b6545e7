"""`evalshift dataset sample`: a test set from candidates, as a list and a registry entry that reads it."""

from pathlib import Path

import numpy as np
import pytest
from commandline import run_here
from messages import says
from PIL import Image

from evalshift.testbed.datasets import load_dataset
from evalshift.testbed.registry_reading import load_registry


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """40 images of each of two digits, selected by 3 to 10 of 10 people; references are selected by 7 to 10."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    rng = np.random.default_rng(1)
    lines, reference = ["image,class,selected,shown"], ["image,class,selected,shown"]
    (tmp_path / "pool").mkdir()
    for digit in (3, 5):
        for place in range(40):
            name = f"{digit}-{place}.png"
            Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(tmp_path / "pool" / name)
            lines.append(f"{name},{digit},{rng.integers(3, 11)},10")
            reference.append(f"r{digit}-{place}.png,{digit},{rng.integers(7, 11)},10")
    Path("pool/pool.csv").write_text("\n".join(lines))
    Path("reference.csv").write_text("\n".join(reference))
    return tmp_path


def test_matched_to_a_reference_and_read_back(here: Path) -> None:
    done = run_here(
        *("dataset", "sample", "pool/pool.csv", "--matched", "reference.csv", "--per-class", "6"),
        *("--classes", "digits", "--name", "mine", "--out", "new"),
    )
    assert done.code == 0, done.err
    assert "Frequencies of 10 people are noisy" in done.out
    known = load_registry(Path("new/mine.yaml"))
    entry = known.dataset("mine")
    dataset = load_dataset("mine", entry, known.class_space("digits"))
    assert np.bincount(dataset.labels, minlength=10).tolist() == [0, 0, 0, 6, 0, 6, 0, 0, 0, 0]
    frequencies = np.array(dataset.attributes["frequency"], dtype=float)
    assert (frequencies >= 0.6).all()
    assert f"chosen{'':4}" in done.out
    assert f"{frequencies.mean():.3f}" in done.out


def test_names_like_formulas_are_inert_in_the_list_and_in_folds_and_read_back(here: Path) -> None:
    for old, name in (("3-0.png", "=3.png"), ("3-1.png", "@3.png")):
        (here / "pool" / old).rename(here / "pool" / name)
    Path("pool/pool.csv").write_text("image,class,frequency\n=3.png,3,0.9\n@3.png,3,1\n")
    assert run_here("dataset", "sample", "pool/pool.csv", "--top", "--classes", "digits", "--name", "mine").code == 0
    lines = Path("mine.csv").read_text().splitlines()
    assert lines[1:] == ["'=3.png,3,0.9", "'@3.png,3,1"]
    assert run_here("dataset", "split", "mine", "--folds", "2", "--registry", "mine.yaml").code == 0
    assert sorted(line[:8] for line in Path("mine_folds.csv").read_text().splitlines()[1:]) == ["'=3.png,", "'@3.png,"]
    Path("registry.yaml").write_text(Path("mine.yaml").read_text() + "    attributes: mine_folds.csv\n")
    known = load_registry(Path("registry.yaml"))
    dataset = load_dataset("mine", known.dataset("mine"), known.class_space("digits"))
    assert dataset.ids == ("=3.png", "@3.png")
    assert sorted(dataset.attributes["fold"]) == ["1", "2"]


def test_missing_images_are_told(here: Path) -> None:
    done = run_here("dataset", "sample", "pool/pool.csv", "--threshold", "1", "--per-class", "40")
    assert done.code == 0
    assert "images are missing: no candidate was left (3 " in done.out


@pytest.mark.parametrize("options", [[], ["--top", "--threshold", "0.7"]])
def test_one_strategy_is_needed(here: Path, options: list[str]) -> None:
    done = run_here("dataset", "sample", "pool/pool.csv", *options)
    assert done.code == 2
    says(done.err, expected="--matched REFERENCE, --threshold F or --top")
