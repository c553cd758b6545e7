"""One new set with several original sets in a report."""

import numpy as np
import pytest

from evalshift.analysis.report import report
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.summary.several_sets import several_sets
from evalshift.analysis.tables.read import readable_statistic

FIRST = np.array([500, 600, 700, 800, 550, 650, 750, 850])
SECOND = np.array([800, 600, 750, 500, 700, 550, 650, 450])


def test_a_model_above_both_by_hand(make_outcomes):
    new = (0.5 * FIRST + 0.4 * SECOND + 50 * (np.arange(8) == 7)).round().astype(int)
    pairs = [
        summarize_outcomes({"top1": make_outcomes(side, new, total=1000, original=name)}, resamples=0)
        for name, side in (("web", FIRST), ("lab", SECOND))
    ]
    found = several_sets(pairs, "linear", 0.95)["top1"]
    table = found.tables["several_originals"]
    first = table.frame.iloc[0]
    assert (first["model"], first["originals"]) == ("h", "web, lab")
    assert first["distance"] == pytest.approx(0.05)
    assert first["p_holm"] < 0.01
    assert readable_statistic(table)["Distance"][0].startswith("+5.0 [")
    assert table.words.startswith("new = ")
    assert " · web + " in table.words
    assert "on the linear scale" in table.words
    assert found.missing["mean_over_sets"] == "no original set has several new sets"


def test_few_models_are_said_to_be_too_few(make_outcomes):
    pairs = [
        summarize_outcomes({"top1": make_outcomes(side, [6, 5, 4], original=name)}, resamples=0)
        for name, side in (("web", [9, 8, 7]), ("lab", [7, 9, 8]))
    ]
    found = several_sets(pairs, "linear", 0.95)["top1"]
    assert found.missing["several_originals"].startswith("new: too few models for a fit on several original sets")


def test_stored_predictions(store):
    rng = np.random.default_rng(0)
    for name in ("web", "lab", "new"):
        store.dataset(name, [0] * 300)
    for number, (one, other) in enumerate(zip(FIRST, SECOND, strict=True)):
        for name, share in (("web", one), ("lab", other), ("new", 0.5 * one + 0.4 * other)):
            store.predictions(name, f"m{number}", (rng.random((300, 1)) > share / 1000).astype(int).tolist())
    store.results.add_pairs(["web:new", "lab:new"])
    found = report(store.results, resamples=0, scale="logit")
    (joint,) = found.summary.several_sets["top1"].joint
    assert joint.originals == ("web", "lab")
    assert len(found.several_sets["several_originals"]) == 8
    assert joint.found.errors[2] < joint.found.errors[:2].min()
