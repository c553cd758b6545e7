import numpy as np
import pytest
from commandline import run_here, write_testbed
from messages import says

from evalshift.errors import UsageError
from evalshift.testbed.folds import fold_numbers


@pytest.mark.parametrize("folds", [2, 3, 7])
def test_sizes_and_classes_differ_by_at_most_one(folds: int) -> None:
    labels = np.random.default_rng(1).choice(5, 203, p=[0.4, 0.3, 0.1, 0.1, 0.1])
    found = fold_numbers(labels, folds, 3)
    sizes = np.bincount(found, minlength=folds + 1)[1:]
    assert sizes.sum() == 203
    assert np.ptp(sizes) <= 1
    for label in range(5):
        assert np.ptp(np.bincount(found[labels == label], minlength=folds + 1)[1:]) <= 1


def test_the_seed_decides() -> None:
    labels = np.arange(100) % 10
    assert fold_numbers(labels, 5, 1).tolist() == fold_numbers(labels, 5, 1).tolist()
    assert fold_numbers(labels, 5, 1).tolist() != fold_numbers(labels, 5, 2).tolist()
    plain = fold_numbers(labels, 5, 1, stratify=False)
    assert np.bincount(plain)[1:].tolist() == [20] * 5


def test_every_image_is_as_likely_in_every_fold() -> None:
    labels = np.arange(12) % 3
    counts = np.zeros((12, 4))
    for seed in range(400):
        counts[np.arange(12), fold_numbers(labels, 4, seed) - 1] += 1
    assert (abs(counts - 100) < 45).all()  # five standard deviations of √(400 · 3 / 16)


def test_folds_are_an_attribute_whose_accuracies_are_given(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_testbed(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    done = run_here("dataset", "split", "new", "--folds", "3")
    assert done.code == 0, done.err
    assert "12 images in folds of 4, 4, 4" in done.out
    text = (tmp_path / "registry.yaml").read_text()
    new = "new: {source: npy, images: new_x.npy, labels: new_y.npy, classes: shades"
    (tmp_path / "registry.yaml").write_text(text.replace(new, f"{new}, attributes: new_folds.csv"))
    assert run_here("run", "--models", "good").code == 0
    done = run_here("dataset", "groups", "new")
    assert done.code == 0, done.err
    assert "fold" in done.out


@pytest.mark.parametrize("folds", [1, 13])
def test_other_numbers_are_refused(folds: int) -> None:
    with pytest.raises(UsageError) as caught:
        fold_numbers(np.arange(12) % 3, folds)
    says(caught.value, found=folds, expected="2 to 12")
