"""A release that was imported gives the headline that its publication prints, and so does its published testbed."""

from pathlib import Path

import numpy as np
import pytest
from released import IMAGENET, needs_imagenet

from evalshift.analysis.report import report
from evalshift.evaluate.importers.released import import_released
from evalshift.evaluate.predictions import Imported, Predictions
from evalshift.evaluate.store import Results
from evalshift.testbed.registry_reading import load_registry

PAIR = "imagenet:imagenetv2-matched-frequency"
FAMILY = "Lines leave out Fisher vectors, as in the publication; a second line includes all models."
NUMBERED = "Models of equal accuracy are numbered in alphabetical order, as in the publication's tables."
# Images of 20 that each model classifies correctly on either set; vgg11 and vgg13 tie on both.
CORRECT = {"alexnet": (9, 6), "fv_16k": (5, 4), "resnet50": (17, 15), "vgg11": (13, 10), "vgg13": (13, 10)}


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Predictions of five of the release's models on 20 images, imported as those of the release are."""
    monkeypatch.setenv("EVALSHIFT_DATA", str(tmp_path / "cache"))
    for side, folder in enumerate(("imagenet-val", "matched-frequency")):
        (tmp_path / "released" / folder).mkdir(parents=True)
        np.save(tmp_path / "released" / f"{folder}_labels.npy", np.arange(20))
        for model, correct in CORRECT.items():
            first = np.where(np.arange(20) < correct[side], np.arange(20), 900)
            top = np.stack([first, *(np.full(20, 990 + column) for column in range(4))], axis=1)
            np.save(tmp_path / "released" / folder / f"{model}.npy", top)
    results = Results(tmp_path / "results")
    import_released("recht2019-imagenet", results, tmp_path / "released", registry=load_registry())
    return results


def add_own_model(results: Results, model: str, like: str) -> None:
    """A model of the user's own with the predictions of another, imported from a file."""
    for dataset in PAIR.split(":"):
        found = results.load_predictions(dataset, like)
        own = Imported(source="predictions", files={}, kind="topk")
        entry = {"source": "import"}
        provenance = found.provenance.model_copy(update={"model": model, "imported": own, "entry": entry})
        results.save_predictions(Predictions(model, dataset, found.top, None, provenance))


def test_lines_leave_out_the_families_that_the_publication_leaves_out(imported: Results) -> None:
    metric = report(imported, pairs=PAIR, resamples=0).summary.pairs[0].metrics["top1"]
    assert metric.left_out == ("fisher-vector",)
    line, all_models = metric.lines["linear"], metric.all_lines["linear"]
    assert line is not None
    assert all_models is not None
    assert (line.models, all_models.models) == (3, 4)
    # vgg11 and vgg13 have the same predictions and count once: (45, 30), (65, 50) and (85, 75) %,
    # slope = Σ(x−65)(y−51.67) / Σ(x−65)² = 900 / 800.
    assert line.slope == pytest.approx(900 / 800)


def test_tied_models_are_numbered_as_in_the_publication(imported: Results) -> None:
    table = report(imported, pairs=PAIR, resamples=0).table.set_index("model")
    assert table["original_rank"].to_dict() == {"resnet50": 1, "vgg11": 2, "vgg13": 3, "alexnet": 4, "fv_16k": 5}
    assert table["new_rank"].to_dict() == {"resnet50": 1, "vgg11": 2, "vgg13": 3, "alexnet": 4, "fv_16k": 5}


def test_both_are_said(imported: Results) -> None:
    assert report(imported, pairs=PAIR, resamples=0).summary.pairs[0].notes[:2] == (FAMILY, NUMBERED)


@pytest.mark.parametrize("without, left_out", [([], ()), ("vgg", ("vgg",))])
def test_named_families_come_before_the_publications(imported: Results, without: list[str], left_out: tuple) -> None:
    found = report(imported, pairs=PAIR, resamples=0, without=without)
    assert found.summary.pairs[0].metrics["top1"].left_out == left_out
    assert FAMILY not in found.summary.pairs[0].notes
    assert f"--without {left_out[0] if left_out else 'none'}" in (found.summary.command or "")


def test_models_of_ones_own_share_ranks_among_those_of_the_release(imported: Results) -> None:
    add_own_model(imported, "mine", like="vgg11")
    found = report(imported, pairs=PAIR, resamples=0)
    assert found.table.set_index("model")["original_rank"].loc[["mine", "vgg11", "vgg13", "alexnet"]].tolist() == [
        2, 2, 2, 5,
    ]  # fmt: skip
    pair = found.summary.pairs[0]
    assert pair.metrics["top1"].left_out == ("fisher-vector",)
    assert FAMILY in pair.notes
    assert NUMBERED not in pair.notes


def test_models_of_ones_own_alone_have_no_conventions(imported: Results) -> None:
    for model in CORRECT:
        add_own_model(imported, model, like=model)
    pair = report(imported, pairs=PAIR, resamples=0).summary.pairs[0]
    assert pair.metrics["top1"].left_out == ()
    assert {FAMILY, NUMBERED}.isdisjoint(pair.notes)


@pytest.mark.thorough
@needs_imagenet
def test_the_real_release_gives_the_published_headline(tmp_path: Path) -> None:
    import_released("recht2019-imagenet", tmp_path, IMAGENET, registry=load_registry())
    own, published = report(tmp_path, pairs=PAIR, resamples=50), report(published="recht2019", pairs=PAIR, resamples=50)
    columns = ["model", "original_correct", "new_correct", "original_rank", "new_rank", "delta_rank"]
    assert own.table[columns].equals(published.table[columns])
    # The drop and the line; whether a change of rank is significant takes predictions for each image.
    drop_and_line = [made.summary.pairs[0].metrics["top1"].headline()[:2] for made in (own, published)]
    assert drop_and_line[0] == drop_and_line[1]
