"""Stored results, summarized: with their provenance, in part, or refused."""

from dataclasses import replace

import pytest
from messages import says

from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.summary.findings import decomposition_sentence
from evalshift.analysis.summary.stored import summarize
from evalshift.errors import AnalysisError, UsageError


def test_stored_results_are_summed_up_with_their_provenance(letters):
    summary = summarize(letters.results, resamples=100, command="evalshift report")

    (pair,) = summary.pairs
    assert pair.name == "old:new"
    assert list(pair.metrics) == ["top1", "top5"]
    assert pair.metrics["top1"].table["model"].tolist() == ["good", "fair", "poor"]
    assert pair.provenance["datasets"]["old"] == {
        "images": 4,
        "classes": "letters",
        "fingerprint": "fingerprint of old",
        "entry": {"source": "npy"},
    }
    assert pair.provenance["models"]["good"]["new"]["checkpoint_sha256"] == "12fca82f" * 8


def test_without_pairs_one_that_cannot_be_predictioned_becomes_a_note(letters):
    letters.results.add_pairs(["old:gone"])

    summary = summarize(letters.results, resamples=0)

    assert [pair.name for pair in summary.pairs] == ["old:new"]
    (note,) = summary.notes
    assert note.endswith('the results do not contain this pair ("old:gone"; no dataset "gone" is stored).')
    with pytest.raises(AnalysisError, match="the results do not contain this pair"):
        summarize(letters.results, ["old:new", "old:gone"], resamples=0)


def test_nothing_run_is_a_complaint(store):
    with pytest.raises(AnalysisError) as caught:
        summarize(store.results)

    says(caught.value, where=store.results.path, found="no results")


def test_top5_where_it_is_not_available_is_a_complaint(letters):
    letters.predictions("new", "poor", [[0], [0], [0]])

    with pytest.raises(AnalysisError) as caught:
        summarize(letters.results, "old:new", metric="top5")

    says(
        caught.value,
        where="old:new",
        found="Top-5 accuracy is not reported: fewer than 5 predictions per image are stored for poor",
    )


def test_what_the_registry_knows_of_the_original_set_is_used(letters):
    known = {"share": 0.1, "accuracy": 0.9, "source": "someone"}
    letters.dataset("old", [0, 1, 2, 3], fresh="fresh", near_duplicates=known)
    letters.dataset("fresh", [0, 1, 2, 3])
    for model, right in (("good", 4), ("fair", 2), ("poor", 0)):
        letters.predictions("fresh", model, [[label if label < right else 5] for label in range(4)])

    metric = summarize(letters.results, "old:new", resamples=0).pairs[0].metrics["top1"]

    # On the original images 4, 3 and 2 of 4 are right.
    parts = metric.tables["decomposition"].frame
    assert parts["model"].tolist() == ["good", "fair", "poor"]
    assert parts["adaptivity"].tolist() == [0, 0.25, 0.5]
    assert parts["fresh"].tolist() == [True] * 3
    # Clopper-Pearson for 4, 2 and 0 of 4: 39.8 to 100, 6.8 to 93.2 and 0 to 60.2 %. From 100, 75 and 50 % these leave
    # 0 to 60.2, −18.2 to 68.2 and −10.2 to 50 points.
    assert metric.findings()[0].endswith(
        "The average change is not statistically significant, so no cause is attributed."
    )
    mean = replace(metric.statistics.mean_drop, interval=Interval(0.1, 0.5))
    assert decomposition_sentence(replace(metric.statistics, mean_drop=mean)).startswith(
        "Of the mean drop of 30.6 points, adaptive overfitting accounts for 25.0 points (95 % CI −9.5 to 59.5) and "
    )
    # (4 − 0.36)/3.6 of the rest would be above 1: duplicates at 90 % cannot be in a set that is all correct.
    assert metric.missing["duplicates"].startswith("these near-duplicates cannot be in this test set (")


def test_a_wrong_choice_fails_before_anything_is_read(store):
    with pytest.raises(UsageError, match="there is no such scale"):
        summarize(store.results, scale="probits")
