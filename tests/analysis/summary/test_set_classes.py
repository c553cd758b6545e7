"""Accuracy by class on one stored dataset: the table, the figure and the command."""

from pathlib import Path

import numpy as np
import pytest
from commandline import run_here, write_testbed

from evalshift.analysis.figures import class_curves_figure
from evalshift.analysis.summary.set_classes import set_classes
from evalshift.errors import UsageError
from evalshift.evaluate.store import Results


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve greys of three classes. `shy` never says bright, `dark` always says dark."""
    folder = tmp_path_factory.mktemp("classes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_testbed(folder)
        assert run_here("run").code == 0
    return folder


def test_classes_are_ranked_by_each_models_accuracy(here: Path) -> None:
    results = Results(here / "results")
    frame = set_classes(results, "original", ["shy", "d*"], ["top1"]).frame
    labels, images = results.load_dataset("original").labels, 12
    assert frame["images"].sum() == 2 * images
    shy = frame[frame["model"] == "shy"]
    of_class = dict(zip(shy["class"], shy["accuracy"], strict=True))
    assert of_class["bright"] == 0
    assert shy["class"].iloc[-1] == "bright"
    assert shy["rank"].tolist() == [1, 2, 3]
    dark = frame[frame["model"] == "dark"].set_index("class")
    assert (dark["correct"]["dark"], dark["images"]["dark"]) == ((labels == 0).sum(), (labels == 0).sum())
    # Of classes with the accuracy 0, the one with the smaller label is first.
    assert dark["rank"].to_dict() == {"dark": 1, "middle": 2, "bright": 3}


def test_the_figure_falls_from_the_best_class_to_the_worst(here: Path) -> None:
    frame = set_classes(Results(here / "results"), "original", metrics=["top1"]).frame
    (axes,) = class_curves_figure(frame).axes
    for line in axes.lines:
        heights = np.asarray(line.get_ydata(), float)
        rows = frame[frame["model"] == line.get_gid()]
        assert heights.tolist() == pytest.approx((100 * rows["accuracy"]).tolist())
        assert (np.diff(heights) <= 0).all()
    assert len(axes.lines) == 3


def test_the_command_prints_and_writes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    monkeypatch.setenv("COLUMNS", "200")
    done = run_here("dataset", "classes", "original", "--models", "good,shy", "--out", "out")
    assert done.code == 0, done.err
    assert "Accuracy by class on original" in done.out
    assert {path.name for path in (here / "out").iterdir()} == {
        f"class_accuracy.{suffix}" for suffix in ("csv", "md", "pdf", "png", "svg")
    }
    refused = run_here("dataset", "classes", "original", "--models", "goood")
    assert (refused.code, 'did you mean "good"?' in refused.err) == (2, True)
    assert "unknown metric" in run_here("dataset", "classes", "original", "--metric", "top2").err


def test_what_is_not_stored_is_refused(here: Path) -> None:
    with pytest.raises(UsageError, match='there are no results on "originl"') as refused:
        set_classes(Results(here / "results"), "originl")
    assert (refused.value.found, refused.value.fix) == ("new, original", 'did you mean "original"?')
