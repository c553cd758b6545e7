"""Stored results, summarized: with their provenance, in part, or refused."""

import re
from dataclasses import replace

import pytest
from messages import says

from evalshift.analysis.statistics.intervals import Interval
from evalshift.analysis.summary.findings import decomposition_sentence
from evalshift.analysis.summary.stored import summarize
from evalshift.errors import AnalysisError, StoreError, UsageError
from evalshift.evaluate.store import Results


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


@pytest.fixture
def with_counts(letters):
    """`letters`, and a pair of counts alone beside it; one model has counts on the first pair."""
    letters.counts("new", 3, {"counted": (2, 3)})
    letters.counts("old", 4, {"counted": (3, 4)})
    letters.counts("first", 100, {"a": (90, None), "b": (80, None)})
    letters.counts("second", 100, {"a": (70, None), "b": (60, None)})
    letters.results.add_pairs(["old:new", "first:second"])
    return letters


def reported(results: Results, pairs: list[str] | None = None) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """The models of each pair in a report, and all that the report and its pairs note."""
    summary = summarize(results, pairs, resamples=0)
    models = {pair.name: pair.metrics["top1"].outcomes.models for pair in summary.pairs}
    return models, (*summary.notes, *(note for pair in summary.pairs for note in pair.problems))


LETTERS = ("fair", "good", "poor")


@pytest.mark.parametrize("pairs", [None, ["old:new", "first:second"]])
def test_damaged_counts_leave_out_what_is_in_them_alone(with_counts, pairs):
    assert reported(with_counts.results, pairs) == (
        {"old:new": ("counted", *LETTERS), "first:second": ("a", "b")},
        (),
    )
    beside, alone = map(with_counts.results.counts_file, ("new", "second"))
    for path in (beside, alone):
        path.write_bytes(path.read_bytes()[:-40])

    models, notes = reported(with_counts.results, pairs)

    assert models == {"old:new": LETTERS}
    assert [re.sub(r": [^:]*\)\.$", ": WHY).", note) for note in notes] == [
        f"first:second is not in this report: a stored file cannot be read ({alone}: WHY).",
        f"The imported counts on new are left out: a stored file cannot be read ({beside}: WHY).",
    ]
    with pytest.raises(StoreError, match="cannot be read"):
        summarize(with_counts.results, "first:second", resamples=0)


def test_models_are_known_by_their_predictions_where_counts_are_damaged(with_counts):
    for name in ("old", "new"):
        with_counts.results.counts_file(name).write_bytes(b"PAR1 and then nothing")

    (pair,) = summarize(with_counts.results, "old:new", models=["good", "fair"], resamples=0).pairs

    assert pair.metrics["top1"].outcomes.models == ("fair", "good")


def test_damaged_labels_leave_out_their_predictions_but_no_counts_and_no_other_pair(with_counts):
    damaged = with_counts.results.dataset_file("new")
    damaged.write_bytes(b"PAR1 and then nothing")
    models, notes = reported(with_counts.results)
    assert models == {"old:new": ("counted",), "first:second": ("a", "b")}
    assert notes[0].startswith(f"Only the imported counts on new are used: a stored file cannot be read ({damaged}: ")

    with_counts.results.counts_file("new").unlink()
    models, notes = reported(with_counts.results)
    assert models == {"first:second": ("a", "b")}
    assert notes[0].startswith(f"old:new is not in this report: a stored file cannot be read ({damaged}: ")
    with pytest.raises(StoreError) as caught:
        summarize(with_counts.results, "old:new", resamples=0)
    assert caught.value.where == damaged


def test_named_pairs_are_reported_where_the_list_of_pairs_is_damaged(with_counts):
    listed = with_counts.results.path / "pairs.json"
    listed.write_text('{"schema_version": 5, "pairs"')
    models, notes = reported(with_counts.results, ["old:new"])
    assert models == {"old:new": ("counted", *LETTERS)}
    assert notes[0].startswith(
        f"Only the pairs that were named are reported (old:new): a stored file cannot be read ({listed}: "
    )
    with pytest.raises(StoreError) as caught:
        summarize(with_counts.results, resamples=0)
    assert caught.value.where == listed


def test_damaged_labels_of_fresh_images_leave_out_adaptivity_alone(letters):
    letters.dataset("old", [0, 1, 2, 3], fresh="later")
    letters.dataset("later", [0, 1])
    damaged = letters.results.dataset_file("later")
    damaged.write_bytes(b"PAR1 and then nothing")

    (pair,) = summarize(letters.results, resamples=0).pairs

    (note,) = [note for note in pair.notes if "daptivity" in note]
    assert note.startswith("Adaptivity is not measured, because of the labels of later: a stored file cannot be read (")
    assert str(damaged) in note


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
    assert metric.missing["duplicates"].startswith("near-duplicates are inconsistent with the accuracy on this test")


def test_a_wrong_choice_fails_before_anything_is_read(store):
    with pytest.raises(UsageError, match="unknown scale"):
        summarize(store.results, scale="probits")
