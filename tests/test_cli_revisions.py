"""Revisions of a test set: imported from a checkout or archives, and their accuracies in order."""

import json
from pathlib import Path

import numpy as np
import pytest
from commandline import run_here
from messages import says
from released import DATA

from evalshift.analysis.figures import revisions_figure
from evalshift.analysis.summary.set_series import series_of, set_series
from evalshift.evaluate.importers.released import import_released
from evalshift.evaluate.store import Results
from evalshift.testbed.classes import built_in

WNIDS = built_in("imagenet-1k").folders
REVISIONS = DATA / "imagenetv2-revisions"


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Revisions 2, 10 and 33 of 20 images: alexnet is correct on 5, 8 and 12, resnet152 on 10, 12 and 16."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    folder = tmp_path / "archives"
    folder.mkdir()
    for number, (few, many) in {2: (5, 10), 10: (8, 12), 33: (12, 16)}.items():
        labels = np.random.default_rng(number).integers(0, 1000, 20)
        tops = {}
        for model, correct in (("alexnet", few), ("resnet152", many)):
            first = np.where(np.arange(20) < correct, labels, (labels + 1) % 1000)
            tops[model] = np.stack([first, *((labels + step) % 1000 for step in (2, 3, 4, 5))], axis=1).astype(np.int16)
        np.savez(folder / f"b-{number}.npz", labels=labels, **tops)  # pyright: ignore[reportArgumentType]
    return folder


def test_imported_and_shown_in_the_order_of_their_numbers(archives: Path) -> None:
    done = run_here("import", "recht2019-imagenet", "--revisions", "--from", str(archives))
    assert done.code == 0, done.err
    done = run_here("dataset", "revisions", "--out", "shown")
    assert done.code == 0, done.err
    titled = "ImageNetV2 MatchedFrequency, revision "
    rows = [line.removeprefix(titled).split() for line in done.out.splitlines() if line.startswith(titled)]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("2", "alexnet", "25.0"),
        ("2", "resnet152", "50.0"),
        ("10", "alexnet", "40.0"),
        ("10", "resnet152", "60.0"),
        ("33", "alexnet", "60.0"),
        ("33", "resnet152", "80.0"),
    ]
    assert sorted(path.name for path in Path("shown").iterdir())[-3:] == [
        f"revisions.{suffix}" for suffix in ("pdf", "png", "svg")
    ]
    table = set_series(Results(Path("results")), ["imagenetv2-b-2", "imagenetv2-b-10"], models=["resnet152"])
    (axes,) = revisions_figure(table.frame).axes
    (drawn,) = (one for one in axes.lines if one.get_marker() == "o")
    assert np.asarray(drawn.get_xdata()).tolist() == [2, 10]
    assert np.asarray(drawn.get_ydata()).tolist() == pytest.approx([50, 60])


def write_review(folder: Path, number: int, reviewed: int, problematic: int) -> None:
    """The first `reviewed` classes were looked at, and the first `problematic` of them were not accepted."""
    content = {
        wnid: {"problematic": place < problematic, "reviewed": place < reviewed} for place, wnid in enumerate(WNIDS)
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"imagenetv2-b-{number}_review.json").write_text(json.dumps(content))


def test_a_checkout_tells_which_images_stayed_and_which_classes_were_reviewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Revisions of 4 images of classes 0, 1, 2, 3; the second keeps three of the first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    data = tmp_path / "ImageNetV2/data"
    for number, images in {1: "abcd", 2: "abxd"}.items():
        (data / f"predictions/imagenetv2-b-{number}").mkdir(parents=True)
        np.save(data / f"predictions/imagenetv2-b-{number}/alexnet.npy", np.arange(20).reshape(4, 5).astype(np.int16))
        (data / "datasets").mkdir(exist_ok=True)
        listed = [[name, WNIDS[label]] for label, name in enumerate(images)]
        (data / f"datasets/imagenetv2-b-{number}.json").write_text(json.dumps({"image_filenames": listed}))
    write_review(data / "dataset_reviews", 1, reviewed=2, problematic=1)
    done = run_here("import", "recht2019-imagenet", "--revisions", "--from", "ImageNetV2")
    assert done.code == 0, done.err
    reviews = str(data / "dataset_reviews")
    done = run_here("dataset", "revisions", "--reviews", reviews, "--out", "shown")
    assert done.code == 0, done.err
    rows = [line.split()[-4:] for line in done.out.splitlines() if line.startswith("ImageNetV2 MatchedFrequency, rev")]
    # 3 of 4 images; 2 and 1 of 1,000 classes; images of classes 0 and 1, which are 2 of 4.
    assert rows == [["75.0", "0.2", "0.1", "50.0"], ["100.0", "–", "–", "–"]]
    assert "Images kept: images that are in the last revision too." in done.out
    table = set_series(Results(Path("results")), ["imagenetv2-b-1", "imagenetv2-b-2"])
    (_, below) = revisions_figure(table.frame).axes
    (line,) = below.lines
    assert np.asarray(line.get_ydata()).tolist() == [75, 100]


def test_without_revisions_it_says_so(archives: Path) -> None:
    np.savez(archives / "b-1.npz", alexnet=np.zeros((3, 5), np.int16))
    done = run_here("import", "recht2019-imagenet", "--revisions", "--from", str(archives))
    assert done.code == 2
    says(done.err, where=archives / "b-1.npz")
    assert run_here("import", "recht2019-imagenet", "--revisions", "--from", "nowhere").code == 2
    done = run_here("dataset", "revisions")
    assert done.code == 2
    says(done.err)


@pytest.mark.skipif(not REVISIONS.is_dir(), reason=f"the released revisions are not in {REVISIONS}")
def test_released_revisions_have_the_known_accuracies(tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for number in (1, 10, 23, 33):
        with np.load(REVISIONS / f"b-{number}.npz") as archive:
            np.savez(few / f"b-{number}.npz", labels=archive["labels"], resnet152=archive["resnet152"])
    results = Results(tmp_path / "results")
    import_released("recht2019-imagenet-revisions", results, few)
    table = set_series(results, series_of(results, "imagenetv2-b-")).frame
    # Recounted from the release: first of five classes equal to the label.
    assert (100 * table["accuracy"]).round(2).tolist() == [61.48, 65.36, 65.33, 67.02]
    assert table["images"].tolist() == [9958, 9933, 10000, 10000]
