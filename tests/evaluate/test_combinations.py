"""Combinations of stored models: counted by hand, as properties, and what is refused."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from messages import says

from evalshift.analysis.comparison.compute import compare
from evalshift.analysis.plot_data.scatter import scatter_plot
from evalshift.analysis.report import report
from evalshift.errors import DataError, UsageError
from evalshift.evaluate.combinations import combine, majority_vote, mean_scores
from evalshift.evaluate.importers.predictions import provenance_of
from evalshift.evaluate.predictions import Imported, Predictions
from evalshift.evaluate.store import Results, StoredDataset

LABELS = {"old": [0, 1, 2, 0], "new": [2, 2, 1, 0]}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    found = Results(tmp_path / "results")
    for name, labels in LABELS.items():
        found.save_dataset(
            StoredDataset(
                name=name,
                ids=tuple(map(str, range(4))),
                labels=np.array(labels, np.int64),
                classes="letters",
                class_names=("a", "b", "c"),
                fingerprint=f"fingerprint of {name}",
                source_checksum=None,
                entry={"source": "npy"},
            )
        )
    return found


def put(
    results: Results,
    model: str,
    firsts: Sequence[int],
    prob: Sequence[float] | None = None,
    logits: np.ndarray | None = None,
    datasets: Sequence[str] = ("old", "new"),
) -> None:
    for name in datasets:
        dataset = results.load_dataset(name)
        imported = Imported(source="predictions", files={}, kind="top1")
        top = np.array(firsts, np.int32)[:, np.newaxis]
        known = None if prob is None else np.array(prob, np.float32)
        results.save_predictions(
            Predictions(model, name, top, known, provenance_of(model, dataset, imported, {"source": "predictions"})),
            logits,
        )


def test_the_vote_is_that_of_most_models(results: Results) -> None:
    put(results, "x", [0, 1, 1, 2])
    put(results, "y", [0, 2, 2, 2])
    put(results, "z", [1, 1, 2, 0])
    made = combine(results, "vote", ["x", "y", "z"])

    stored = results.load_predictions("old", "vote")
    assert stored.top[:, 0].tolist() == [0, 1, 2, 2]
    assert stored.prob == pytest.approx([2 / 3] * 4)
    assert {one.dataset: one.top1 for one in made.datasets} == {"old": 3, "new": 0}
    assert stored.provenance.imported is not None
    assert stored.provenance.imported.rules == ["majority vote of 3 models: x, y, z"]
    assert list(stored.provenance.imported.files) == ["x", "y", "z"]


def test_ties_go_to_the_surer_models_and_then_to_the_lower_class() -> None:
    first = np.array([[2, 2, -1, -1], [0, 0, 1, -1]])
    sure = np.array([[0.9, 0.5, np.nan, np.nan], [0.6, 0.5, 0.4, np.nan]])
    best, share = majority_vote(first, sure, 3)
    assert best.tolist() == [2, 0, 1, -1]
    assert share == pytest.approx([0.5, 0.5, 0.5, np.nan], nan_ok=True)
    assert majority_vote(first, None, 3)[0].tolist() == [0, 0, 1, -1]


def test_a_vote_does_not_depend_on_the_order_of_the_models() -> None:
    rng = np.random.default_rng(0)
    first, prob = rng.integers(-1, 5, (6, 200)), rng.random((6, 200)).round(1)
    order = rng.permutation(6)
    for one, other in zip(majority_vote(first, prob, 5), majority_vote(first[order], prob[order], 5), strict=True):
        np.testing.assert_array_equal(one, other)


def test_means_of_logits_and_of_probabilities_by_hand() -> None:
    # Probabilities ½ ½ and 9/10 1/10 have the mean 7/10 3/10; the logits ln 1, ln 9 against 0 have the odds √9 = 3.
    logits = [np.log([[1.0, 1.0]]), np.log([[9.0, 1.0]])]
    assert mean_scores(logits, "probabilities")[2] == pytest.approx([0.7])
    mean, top, prob = mean_scores(logits, "logits")
    assert (top.tolist(), prob.tolist()) == ([[0, 1]], [pytest.approx(0.75)])
    assert mean == pytest.approx(np.log([[3, 1]]))


def test_equal_models_combine_to_themselves(results: Results) -> None:
    logits = np.array([[3, 1, 0], [0, 2, 1], [0, 0, 5], [1, 0, 0]], np.float32)
    for model in ("x", "y"):
        put(results, model, logits.argmax(axis=1).tolist(), logits=logits)
    for by in ("vote", "logits", "probabilities"):
        combine(results, f"mean-{by}", "[xy]", by=by)
        assert results.load_predictions("new", f"mean-{by}").top[:, 0].tolist() == [0, 1, 2, 0]
    assert results.load_logits("old", "mean-logits") == pytest.approx(logits)
    # A glob stands for no combination, so that making one again gives the same.
    assert combine(results, "again", "*").members == ("x", "y")


def test_a_report_has_the_combination_as_a_model_of_its_family(results: Results) -> None:
    put(results, "x", [0, 1, 1, 2])
    put(results, "y", [0, 2, 2, 0])
    combine(results, "vote", ["x", "y"])
    results.add_pairs(["old:new"])
    table = report(results, resamples=0).table
    assert table.loc[table["model"] == "vote", "family"].tolist() == ["combinations"]


def test_lines_leave_combinations_out_and_compare_them(results: Results) -> None:
    """The errors of a combination are those of its members: it is no further model of the line, whoever is first."""
    wide(results)
    results.add_pairs(["old:new"])
    alone = report(results, resamples=0, scale="linear")
    combine(results, "a-vote", ["m-3", "m-4", "m-5"])
    combine(results, "a-copy", ["m-7", "m-8"])  # votes of two are decided by the surer, and m-7 always is
    both = report(results, resamples=0, scale="linear")

    assert both.fit.slope == alone.fit.slope
    assert both.fit.models == alone.fit.models == 9
    distances = both.tables["robustness"].set_index("model")["distance"]
    assert np.isfinite(distances["a-vote"])
    before = alone.tables["robustness"].set_index("model")["distance"]
    assert distances[before.index].to_numpy() == pytest.approx(before.to_numpy(), nan_ok=True)
    (note,) = [one for one in both.summary.pairs[0].notes if "combinations of others" in one]
    assert note.startswith(
        "2 models are combinations of others, and no part of lines, which go through single models: "
    )
    assert not any("same predictions on both sets" in one for one in both.summary.pairs[0].notes)
    plot = scatter_plot(both.summary.pairs[0].metrics["top1"], "linear")
    assert [title for title, _ in plot.left_out] == ["Combinations"]
    (compared,) = compare(results, "m-1", "a-vote", scale="linear").pairs
    assert compared.line_models == 8


def test_a_report_of_combinations_alone_has_no_line(results: Results) -> None:
    put(results, "x", [0, 1, 1, 2])
    put(results, "y", [0, 2, 2, 0])
    combine(results, "one", ["x", "y"])
    combine(results, "two", ["x", "y"])
    results.add_pairs(["old:new"])
    found = report(results, resamples=0, models=["one", "two"])
    assert found.table["model"].tolist() == ["one", "two"]
    assert found.summary.pairs[0].metrics["top1"].lines["linear"] is None


def wide(results: Results) -> None:
    """Nine models of increasing accuracy on two sets of 300 images; m-7 is surer than m-8 of each prediction."""
    rng = np.random.default_rng(0)
    for name, fall in (("old", 0.0), ("new", 0.15)):
        labels = rng.integers(0, 3, 300)
        dataset = replace(
            results.load_dataset(name), ids=tuple(map(str, range(300))), labels=labels, fingerprint=f"300 of {name}"
        )
        results.save_dataset(dataset)
        for model in range(9):
            correct = rng.random(300) < 0.5 + 0.05 * model - fall
            firsts = np.where(correct, labels, (labels + rng.integers(1, 3, 300)) % 3)
            put(results, f"m-{model}", firsts.tolist(), [0.9 if model == 7 else 0.5] * 300, datasets=[name])


def test_only_datasets_of_all_models_have_the_combination(results: Results) -> None:
    put(results, "x", [0, 1, 1, 2])
    put(results, "y", [0, 2, 2, 0], datasets=["old"])
    assert [one.dataset for one in combine(results, "vote", ["x", "y"]).datasets] == ["old"]
    put(results, "z", [0, 2, 2, 0], datasets=["new"])
    with pytest.raises(DataError) as error:
        combine(results, "none", ["y", "z"])
    says(error.value, found="y, z")


def test_what_cannot_be_combined(results: Results) -> None:
    put(results, "x", [0, 1, 1, 2])
    put(results, "y", [0, 2, 2, 0])
    for models, found in ((["x"], "x"), (["x", "y"], "x, y")):
        with pytest.raises(UsageError) as error:
            combine(results, "x", models)
        says(error.value, found=found)
    with pytest.raises(UsageError):
        combine(results, "vote", ["x", "w"])
    with pytest.raises(UsageError):
        combine(results, "vote", ["x", "y"], by="median")
    with pytest.raises(DataError) as lacking:
        combine(results, "mean", ["x", "y"], by="logits")
    says(lacking.value, where="x on new")
    put(results, "y", [0, 2, 2, 0], logits=np.zeros((4, 5), np.float32))
    put(results, "x", [0, 2, 2, 0], logits=np.zeros((4, 5), np.float32))
    with pytest.raises(DataError) as wide:
        combine(results, "mean", ["x", "y"], by="logits")
    says(wide.value, found="5 logits per image for 3 classes")


def test_where_nothing_is_stored_it_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        combine(tmp_path / "results", "vote", ["good", "fair"])
    assert (refused.value.where, refused.value.found) == (tmp_path / "results", '"good"')
    assert refused.value.expected == "models with predictions there, from a run or an import"
