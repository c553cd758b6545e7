"""Clusters, worst classes and seeds from imported predictions to tables, files and the page."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalshift.analysis.report import Report, report
from evalshift.analysis.statistics.seeds import seed_spread
from evalshift.evaluate.importers.predictions import import_predictions
from evalshift.evaluate.store import Results

FRAMES, VIDEOS = 5, 40


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Three seeds on forty videos of five frames; all seeds miss whole videos of the new set, and class cat more."""
    folder = tmp_path_factory.mktemp("clusters")
    results, rng = Results(folder / "results"), np.random.default_rng(2)
    video = np.repeat(np.arange(VIDEOS), FRAMES)
    labels = video % 4
    for side in ("old", "new"):
        columns = {"id": np.arange(len(video)), "label": labels}
        if side == "new":
            columns["video"] = np.array([f"v{one:02}" for one in video])
        pd.DataFrame(columns).to_csv(folder / f"{side}.csv", index=False)
        missed = np.isin(video, [3, 7, 11, 15, 19, 24, 30]) if side == "new" else np.zeros(len(video), dtype=bool)
        for seed in range(3):
            incorrect = missed | (rng.random(len(video)) < 0.05)
            _predict(folder, results, side, f"erm-seed{seed}", np.where(incorrect, (labels + 1) % 4, labels))
    return report(results, pairs="old:new", resamples=0)


def _predict(folder: Path, results: Results, side: str, model: str, predicted: np.ndarray) -> None:
    pd.DataFrame({"id": np.arange(len(predicted)), "prediction": predicted}).to_csv(folder / "p.csv", index=False)
    import_predictions(
        folder / "p.csv",
        model,
        side,
        labels=folder / f"{side}.csv",
        classes="cifar10",
        column="prediction",
        results=results,
    )


def test_videos_are_clusters_and_lengthen_intervals(found):
    table = found.tables["clusters"]
    assert (set(table["set"]), set(table["clusters_by"])) == ({"new"}, {"video"})
    assert (table["clusters"].tolist(), table["images"].tolist()) == ([VIDEOS] * 3, [VIDEOS * FRAMES] * 3)
    assert (table["design_effect"] > 2.5).all()
    plain = found.table.set_index("model").loc[table["model"]]
    assert (table["accuracy"].to_numpy() == plain["new_accuracy"].to_numpy()).all()
    length = (table["accuracy_high"] - table["accuracy_low"]).to_numpy()
    assert (length > 1.5 * (plain["new_high"] - plain["new_low"]).to_numpy()).all()


def test_drops_allow_for_clusters_of_the_new_set(found):
    table, plain = found.tables["clustered_drops"], found.table
    assert table["drop"].tolist() == pytest.approx(plain["drop"].tolist())
    assert set(table["original_clusters_by"]) == {""}
    assert set(table["new_clusters_by"]) == {"video"}
    lengths = [(one["drop_high"] - one["drop_low"]).to_numpy() for one in (table, plain)]
    assert (lengths[0] > 1.4 * lengths[1]).all()


def test_the_worst_class_is_shrunk(found):
    table = found.tables["worst_classes"]
    new = table[table["set"] == "new"]
    assert set(new["worst_class"]) == {"cat"}
    assert set(new["shrunk_class"]) == {"cat"}
    assert (new["shrunk_accuracy"] > new["worst_accuracy"]).all()
    assert (new["shrunk_accuracy_low"] < new["shrunk_accuracy"]).all()
    assert (new["spread"] > 0.05).all()


def test_seeds_part_their_variance(found):
    (row,) = found.tables["recipes"].to_dict("records")
    sides = found.summary.pairs[0].metrics["top1"].outcomes
    assert (row["recipe"], row["seeds"]) == ("erm", 3)
    accuracy = sides.new_correct / sides.new_total
    assert row["new_sd"] == pytest.approx(accuracy.std(ddof=1))
    # Independent errors on 165 of 200 images: √(165 · 0.05 · 0.95)/200, give or take a third.
    assert row["new_sd_test_set"] == pytest.approx(np.sqrt(165 * 0.05 * 0.95) / 200, rel=0.35)
    assert 0 <= row["new_sd_distribution_low"] <= row["new_sd_distribution"] <= row["new_sd_distribution_high"]
    assert seed_spread(np.eye(3, dtype=bool)).seeds == 3


def test_they_are_written_in_every_format(found, tmp_path):
    found.save(tmp_path, ["csv", "md", "tex", "html"])
    page = (tmp_path / "index.html").read_text("utf-8")
    for name, title in (
        ("clusters", "Accuracy with images in clusters"),
        ("clustered_drops", "Drop with images in clusters"),
        ("worst_classes", "Worst class"),
    ):
        assert title in page
        assert f'"{name}"' in (tmp_path / "summary.json").read_text("utf-8")
        for kind in ("csv", "md", "tex"):
            assert (tmp_path / "tables" / f"old_vs_new_top1_{name}.{kind}").stat().st_size > 100
