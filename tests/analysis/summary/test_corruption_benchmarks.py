"""Corruption errors in a report: which sets count, whose errors normalise them, and how they are read."""

import numpy as np
import pytest
from commandline import run_here

from evalshift.analysis.pair_statistics.corruption_benchmarks import PUBLISHED_ALEXNET
from evalshift.analysis.report import report
from evalshift.analysis.statistics.corruption_errors import ALEXNET_ERRORS
from evalshift.analysis.summary import summarize_outcomes
from evalshift.analysis.summary.several_sets import several_sets
from evalshift.analysis.tables.read import readable_statistic
from evalshift.errors import UsageError


def of(make_outcomes, sets: dict[str, list[int]], models=("alexnet", "better"), reference=None):
    """The tables of models that classify 500 and 800 of 1,000 clean images correctly, and so many corrupted ones."""
    pairs = [
        summarize_outcomes({"top1": make_outcomes([500, 800], new, total=1000, models=models, new=name)}, resamples=0)
        for name, new in sets.items()
    ]
    return several_sets(pairs, "linear", 0.95, reference)["top1"]


SETS = {
    "tiny-c-fog-1": [300, 600],
    "tiny-c-fog-2": [100, 400],
    "tiny-c-snow-1": [200, 700],
    "tiny-c-spatter-1": [10, 10],
}


def test_by_hand(make_outcomes):
    found = of(make_outcomes, SETS)
    errors = found.tables["corruption_errors"].frame.set_index("model")
    # Fog: errors 0.4 and 0.6 over 0.7 and 0.9; snow: 0.3 over 0.8. Spatter is no part of the mean.
    assert errors.loc["better", "mce"] == pytest.approx((1.0 / 1.6 + 0.3 / 0.8) / 2)
    assert errors.loc["better", "mean_error"] == pytest.approx(0.4)
    assert errors.loc["better", "relative_mce"] == pytest.approx((0.6 / 0.6 + 0.1 / 0.3) / 2)
    assert list(errors.loc["alexnet", ["mce", "relative_mce"]]) == pytest.approx([1, 1])
    words = found.tables["corruption_errors"].words
    assert words.startswith("tiny-c: 2 of the 15 corruptions of Hendrycks and Dietterich (2019), severities as stored;")
    assert "reference model: alexnet = 100 %. Not in the mean: spatter." in words
    assert "bounds, from counts alone" in words
    read = readable_statistic(found.tables["corruptions"])
    assert list(read) == ["Model", "Snow", "Fog"]
    assert list(read.set_index("Model").loc["better"]) == ["37.5", "62.5"]


def test_another_reference_is_named(make_outcomes):
    found = of(make_outcomes, SETS, reference="better")
    assert found.tables["corruption_errors"].frame.set_index("model").loc["better", "mce"] == pytest.approx(1)
    assert "reference model: better = 100 %" in found.tables["corruptions"].words


def test_without_a_reference_there_are_plain_errors(make_outcomes):
    found = of(make_outcomes, SETS, models=("poor", "better"))
    read = readable_statistic(found.tables["corruption_errors"])
    assert list(read) == ["Model", "Clean error (%)", "Mean error (%)"]
    assert "not normalised: no reference model is named" in found.tables["corruption_errors"].words
    assert list(readable_statistic(found.tables["corruptions"]).set_index("Model").loc["better"]) == ["30.0", "50.0"]


def test_imagenet_c_is_normalised_by_alexnets_published_errors(make_outcomes):
    sets = {f"imagenet-c-{name}-{severity}": [100, 400] for name in ("fog", "snow") for severity in range(1, 6)}
    found = of(make_outcomes, sets, models=("poor", "better"))
    errors = found.tables["corruption_errors"].frame.set_index("model")
    assert set(errors["reference"]) == {PUBLISHED_ALEXNET}
    assert errors.loc["better", "mce"] == pytest.approx((0.6 / ALEXNET_ERRORS[7] + 0.6 / ALEXNET_ERRORS[9]) / 2)
    assert "severities 1, 2, 3, 4, 5" in found.tables["corruption_errors"].words
    some = dict(list(sets.items())[:9])
    assert (
        "of which some are missing"
        in of(make_outcomes, some, models=("poor", "better")).tables["corruption_errors"].words
    )


def test_sets_that_are_no_corruptions_have_none(make_outcomes):
    found = of(make_outcomes, {"one": [400, 700], "other-fog": [300, 600]})
    assert "corruption_errors" not in found.tables
    assert found.missing["corruption_errors"] == "no two new sets of one original set are corruptions of one benchmark"


def test_stored_predictions_have_intervals_over_images(store, tmp_path):
    rng = np.random.default_rng(0)
    hard = rng.random(500)
    store.dataset("clean", [0] * 500, source="cifar10")
    entries = [("fog", 1), ("fog", 2), ("snow", 1)]
    for name, severity in entries:
        entry = {"source": "cifar-c", "corruption": name, "severity": severity}
        store.dataset(f"cifar10-c@{name}-{severity}", [0] * 500, **entry)
    for model, skill in (("reference", 0.5), ("mine", 0.8), ("other", 0.7)):
        store.predictions("clean", model, (hard > skill).astype(int)[:, np.newaxis].tolist())
        for name, severity in entries:
            wrong = hard + rng.normal(0, 0.05, 500) > skill - 0.1 * severity
            store.predictions(f"cifar10-c@{name}-{severity}", model, wrong.astype(int)[:, np.newaxis].tolist())
    store.results.add_pairs([f"clean:cifar10-c@{name}-{severity}" for name, severity in entries])
    found = report(store.results, resamples=0, reference="reference")
    (benchmark,) = found.summary.several_sets["top1"].corruptions
    assert not benchmark.found.conservative
    errors = found.several_sets["corruption_errors"].set_index("model")
    assert errors["mce"]["mine"] < errors["mce"]["other"] < errors["mce"]["reference"] == 1
    with pytest.raises(UsageError, match="the reference model is not in the report"):
        report(store.results, resamples=0, reference="referense")
    done = run_here(
        *("report", "--results", store.results.path, "--bootstrap", "0", "--format", "md", "--reference", "mine"),
        *("--out", tmp_path / "report"),
    )
    assert done.code == 0, done.err
    written = (tmp_path / "report/tables/several_sets_top1_corruption_errors.md").read_text("utf-8")
    assert "reference model: mine = 100 %" in written
    assert "| mine | " in written
