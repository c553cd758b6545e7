"""Curvature, falling images and correlations by class: in tables, sentences, summary.json and on the page."""

import json

import numpy as np
import pandas as pd
import pytest

from evalshift.analysis.report import Report, report
from evalshift.evaluate.importers.predictions import import_predictions
from evalshift.evaluate.store import Results

CLASSES, IMAGES, MODELS = 4, 200, 16


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Sixteen models of 50 to 95 %; on new images of class 3 the better ones are correct less often."""
    folder = tmp_path_factory.mktemp("shape")
    results, rng = Results(folder / "results"), np.random.default_rng(11)
    labels = np.arange(IMAGES) % CLASSES
    np.save(folder / "labels.npy", labels)
    hard = rng.random(IMAGES)
    for model, skill in enumerate(np.linspace(0.5, 0.95, MODELS)):
        for side, correct in (("old", hard < skill), ("new", np.where(labels == 3, hard > skill - 0.3, hard < skill))):
            noise = rng.random(IMAGES) < 0.02
            np.save(folder / "predicted.npy", np.where(correct ^ noise, labels, (labels + 1) % CLASSES))
            import_predictions(
                folder / "predicted.npy",
                f"m{model:02}",
                side,
                labels=folder / "labels.npy",
                classes="cifar10",
                results=results,
            )
    return report(results, pairs="old:new", resamples=0)


def test_the_class_with_the_wrong_line_comes_first(found):
    table = found.tables["class_correlations"].set_index("class")
    assert table.loc["cat", "correlation"] < -0.9 < 0.9 < table.loc["bird", "correlation"]
    assert table.loc["cat", "p_holm"] < 0.001
    assert table.loc["cat", "slope"] < -0.5
    assert table["new_total"].tolist() == [50] * 4 + [0] * 6


def test_images_that_fall_are_of_that_class(found):
    falling = found.tables["falling_images"]
    assert len(falling) >= 10
    assert set(falling["set"]) == {"new"}
    assert set(falling["class"]) == {"cat"}
    assert (falling["p_bh"] < 0.05).all()
    assert (falling["trend"] < 0).all()
    assert (falling["image"].astype(int) == falling["position"]).all()
    trends = found.tables["image_trends"].set_index("set")
    assert trends.loc["new", "falling"] == len(falling)
    assert trends.loc["new", "held_out_correlation"] < -0.9
    assert trends.loc["original", "falling"] == 0


def test_curvature_has_a_row_for_each_scale(found):
    table = found.tables["curvature"]
    assert table["scale"].tolist() == ["linear", "probit", "logit"]
    assert (table["quadratic_low"] < table["quadratic"]).all()
    assert (table["quadratic"] < table["quadratic_high"]).all()
    assert table["missing"].tolist() == [""] * 3


def test_findings_name_the_falling_images_and_the_bend(found):
    said = found.summary.pairs[0].metrics["top1"].details()
    trends = found.tables["image_trends"].set_index("set").loc["new"]
    assert any(
        sentence.startswith(
            f"On {int(trends['negative'])} of the {int(trends['decided'])} new images on which models differ, more "
            f"accurate models are correct less often, significantly on {int(trends['falling'])} (Benjamini–Hochberg); "
        )
        for sentence in said
    )
    assert any(sentence.startswith("The line does not bend significantly (") for sentence in said)


def test_they_are_written_in_every_format(found, tmp_path):
    found.save(tmp_path, ["csv", "md", "tex", "html"])
    for name in ("curvature", "image_trends", "falling_images", "class_correlations"):
        read = pd.read_csv(tmp_path / "tables" / f"old_vs_new_top1_{name}.csv")
        assert len(read) == len(found.tables[name])
        assert (tmp_path / "tables" / f"old_vs_new_top1_{name}.tex").stat().st_size > 300
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "Images whose hit rate falls as original accuracy rises" in page
    assert "Correlation with original accuracy by class" in page
    kept = json.loads((tmp_path / "summary.json").read_text("utf-8"))["pairs"][0]["metrics"]["top1"]["statistics"]
    assert [row["scale"] for row in kept["curvature"]["rows"]] == ["linear", "probit", "logit"]
    text = (tmp_path / "tables" / "old_vs_new_top1_class_correlations.md").read_text("utf-8")
    assert text.splitlines()[4].startswith("| cat | 50 | −0.9")


def test_three_models_have_neither_curve_nor_correlations(letters):
    missing = report(letters.results, resamples=0).summary.pairs[0].metrics["top1"].missing
    assert missing["curvature"] == "no curve can be fitted (3 models with 3 distinct original accuracies)"
    assert missing["class_correlations"] == "a correlation with an interval needs at least 4 models (3 models)"
    assert missing["falling_images"] == "the hit rate falls significantly with original accuracy on no image"
