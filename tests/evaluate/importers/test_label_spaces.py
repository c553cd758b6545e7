"""Predictions of others on datasets in a view, and held against several labels per image."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from messages import says

from evalshift.analysis.report import report
from evalshift.errors import AnalysisError, DataError, EvalshiftError, UsageError
from evalshift.evaluate.importers.label_spaces import seen_scores
from evalshift.evaluate.importers.predictions import ImportReport, import_predictions
from evalshift.evaluate.importers.seen_values import top_classes_in
from evalshift.evaluate.importers.tables import import_table
from evalshift.evaluate.store import Results
from evalshift.testbed.class_names import ClassNames
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.views import View, built_in_view

KEPT = built_in_view("imagenet-a").labels
OUTSIDE = [label for label in range(1000) if label not in KEPT]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("registry.yaml").write_text(
        yaml.safe_dump(
            {
                "views": {
                    "parity": {"of": "digits", "groups": {"even": [0, 2, 4, 6], "odd": [1, 3, 5, 7]}},
                    "few": {"of": "digits", "keep": [2, 3, 5, 7]},
                },
                "classes": {"kinds": ["odd", "even"]},
                "datasets": {
                    "groups": {"source": "npy", "images": "x.npy", "labels": "y.npy", "classes": "kinds",
                               "view": "parity"},
                    "fine": {"source": "npy", "images": "x.npy", "labels": "y.npy", "classes": "digits"},
                },
            }
        )
    )  # fmt: skip


def bring(values: object, dataset: str, labels: object = None, suffix: str = ".npy", **options: object) -> ImportReport:
    path = Path(f"predictions{suffix}")
    np.save(path, np.asarray(values))
    if isinstance(labels, str | Path):
        options["labels"] = labels
    elif labels is not None:
        np.save("labels.npy", np.asarray(labels))
        options["labels"] = "labels.npy"
    return import_predictions(path, "m", dataset, **options)  # pyright: ignore[reportArgumentType]


def refused(kind: type[EvalshiftError], call: Callable[[], object]) -> str:
    """The whole message of the error, of exactly this class, that a call raises."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


def stored(dataset: str) -> list[list[int]]:
    return Results("results").load_predictions(dataset, "m").top.tolist()


class TestPartOfTheClasses:
    LABELS = (*KEPT[:3], KEPT[-1])

    def logits(self) -> np.ndarray:
        """Right among the 200 classes; a class outside them is stronger still."""
        logits = np.zeros((4, 1000), np.float32)
        logits[np.arange(4), self.LABELS] = 1
        logits[:, OUTSIDE[0]] = 2
        return logits

    def test_logits_of_all_classes_are_read_as_those_of_a_run(self) -> None:
        one = bring(self.logits(), "imagenet-a", self.LABELS).models[0]
        assert (one.images, one.top1, one.top5) == (4, 4, None)  # all other classes score the same
        prob = Results("results").load_predictions("imagenet-a", "m").prob
        np.testing.assert_allclose(prob, [np.e / (np.e + 199)] * 4, rtol=1e-6)  # pyright: ignore

    def test_columns_of_the_kept_classes_alone(self) -> None:
        one = bring(self.logits()[:, KEPT], "imagenet-a", self.LABELS).models[0]
        assert (one.images, one.top1) == (4, 4)

    def test_probabilities_of_all_classes_are_taken_among_those_kept(self) -> None:
        values = np.exp(self.logits())
        bring(values / values.sum(axis=1, keepdims=True), "imagenet-a", self.LABELS)
        found = Results("results").load_predictions("imagenet-a", "m")
        assert found.provenance.imported
        assert found.provenance.imported.kind == "probabilities"
        np.testing.assert_allclose(found.prob, [np.e / (np.e + 199)] * 4, rtol=1e-5)  # pyright: ignore

    def test_the_first_of_five_classes_that_the_view_keeps(self) -> None:
        rows = [[OUTSIDE[0], label, OUTSIDE[1], KEPT[9], OUTSIDE[2]] for label in self.LABELS]
        found = bring(rows, "imagenet-a", self.LABELS)
        assert (found.models[0].top1, found.models[0].top5) == (4, None)
        assert stored("imagenet-a") == [[label, KEPT[9]] for label in self.LABELS]
        keeps = "which keeps 2 of 5 for some images: more are stored of none, and top-5 is not known"
        assert f"classes are read in the view imagenet-a, {keeps}" in found.rules

    def test_five_classes_of_which_the_view_keeps_none(self) -> None:
        rows = [[label, *OUTSIDE[:4]] for label in (*self.LABELS[:3], OUTSIDE[9])]
        says(
            refused(DataError, lambda: bring(rows, "imagenet-a", self.LABELS)),
            where="predictions.npy",
            found="1 of 4 images have none of the 200 classes of the view imagenet-a among their 5",
        )
        assert not Path("results").exists()

    def test_rows_of_all_images_where_the_view_leaves_some_out(self) -> None:
        """ImageNet's validation set in the view of ImageNet-A, from predictions on all of it."""
        labels = [KEPT[0], OUTSIDE[0], KEPT[1], OUTSIDE[1]]
        logits = np.zeros((4, 1000))
        logits[np.arange(4), [KEPT[0], OUTSIDE[0], KEPT[5], 3]] = 1
        found = bring(logits, "imagenet@imagenet-a", labels)
        assert (found.models[0].images, found.models[0].top1) == (2, 1)
        assert found.rules[1] == ("2 of 4 images are of classes that the view imagenet-a leaves out; they are left out")
        bring(logits[[0, 2]], "imagenet@imagenet-a", labels)  # the rows of its images alone
        assert [row[0] for row in stored("imagenet@imagenet-a")] == [KEPT[0], KEPT[5]]


class TestGroups:
    def test_classes_of_the_models_and_labels_of_groups(self) -> None:
        """Labels of kinds: odd is 0, even 1 there; images labelled so, predictions of digits."""
        np.save("x.npy", np.zeros((4, 2, 2, 1), np.uint8))
        np.save("y.npy", np.array([1, 0, 0, 1]))
        found = bring([2, 3, 5, 7], "groups")
        assert (found.models[0].images, found.models[0].top1) == (4, 3)
        assert Results("results").load_dataset("groups").class_names == ("even", "odd")

    def test_logits_of_the_models(self) -> None:
        """8 and 9 are in no group and count for nothing; the strongest class decides, not the sum of its group."""
        logits = np.zeros((2, 10))
        logits[0, [1, 0, 2, 9]] = [3, 2.9, 2.9, 99]
        logits[1, [4, 8]] = [1, 99]
        found = bring(logits, "fine@parity", [3, 6])
        assert found.models[0].top1 == 2
        e, prob = np.exp, Results("results").load_predictions("fine@parity", "m").prob
        assert prob is not None
        np.testing.assert_allclose(prob[0], (e(3) + 3) / (e(3) + 3 + 2 * e(2.9) + 2), rtol=1e-6)

    def test_columns_of_the_groups(self) -> None:
        assert bring([[0.2, 0.8], [0.6, 0.4]], "fine@parity", [3, 6]).models[0].top1 == 2

    def test_names_of_classes_and_of_groups(self) -> None:
        assert bring(["even", "odd", "odd"], "fine@parity", [2, 3, 4]).models[0].top1 == 2
        assert bring(["2", "5", "7"], "fine@parity", [2, 3, 4]).models[0].top1 == 2

    def test_numbers_that_could_be_either(self) -> None:
        says(
            refused(UsageError, lambda: bring([0, 1, 1], "fine@parity", [2, 3, 4])),
            where="predictions.npy",
            found="no number above 1, where the view parity has 2 groups",
        )
        assert bring([0, 1, 1], "fine@parity", [2, 3, 4], classes="digits").models[0].top1 == 2

    def test_ties_leave_open_what_they_leave_open_in_the_view(self) -> None:
        of = ClassSpace("of", tuple(map(str, range(9))))
        where = Path("here")
        # Classes that the view leaves out are tied, and classes of one group.
        tied = np.array([[5, 5, 4, 3, 2, 1, 0, 0, 0]] * 4, dtype=float)
        groups = View("v", of, (0, 0, 1, 2, 3, 4, None, None, None), ClassSpace("five", tuple("abcde")))
        assert seen_scores(tied, "logits", groups, where).top.tolist() == [[0, 1, 2, 3, 4]] * 4
        # Seven classes, of which the last three are tied in places 5 to 7.
        found = top_classes_in(
            View("w", of, (None, None, 2, 3, 4, 5, 6, 7, 8), of), tied, ClassNames(of.names), where, "logits"
        )
        assert found.top.tolist() == [[2, 3, 4, 5]] * 4
        said = "places 5 and 6 have the same score in 4 rows: top-5 is unknown, and the best 4 classes stored"
        assert found.rules[-1] == said
        assert sum("same score" in rule for rule in found.rules) == 1

    @given(data=st.data(), images=st.integers(1, 5), classes=st.integers(2, 7))
    def test_as_a_plain_loop_reads_them(self, data: st.DataObject, images: int, classes: int) -> None:
        number = st.sampled_from([-3.0, 0.0, 0.5, 2.0])
        scores = np.array(data.draw(st.lists(st.lists(number, min_size=classes, max_size=classes),
                                             min_size=images, max_size=images)))  # fmt: skip
        meaning = data.draw(
            st.lists(st.sampled_from([None, 0, 1, 2]), min_size=classes, max_size=classes).filter(
                lambda one: any(label is not None for label in one)
            )
        )
        of = ClassSpace("of", tuple(map(str, range(classes))))
        view = View("v", of, tuple(meaning), ClassSpace("three", ("x", "y", "z")))
        seen = seen_scores(scores, "logits", view, Path("here"))
        for row in range(images):
            kept = [label for label in range(classes) if meaning[label] is not None]
            best = max(kept, key=lambda label: (scores[row, label], -(meaning[label] or 0)))
            assert seen.top[row, 0] == meaning[best]
            mass = {label: np.exp(scores[row, label]) for label in kept}
            group = sum(mass[label] for label in kept if meaning[label] == meaning[best])
            assert seen.prob is not None
            assert seen.prob[row] == pytest.approx(group / sum(mass.values()), rel=1e-5)


LISTS = [[], [6, 7], [1], [3, 2, 5], [9], []]
# Correct: 7 is one of two, 1, no; 9. The first and the last image count for nothing, whatever is predicted.
PREDICTED = [0, 7, 1, 4, 9, 9]


def write_lists(form: str) -> Path:
    names = [f"{place}.png" for place in range(6)]
    path = Path({"parquet": "l.parquet", "csv": "l.csv", "lines": "l.jsonl", "marks": "l.npy"}.get(form, "l.json"))
    records = [{"image": name, "labels": row} for name, row in zip(names, LISTS, strict=True)]
    if form == "rows":
        path.write_text(json.dumps(LISTS))
    elif form == "object":
        path.write_text(json.dumps(dict(zip(names, LISTS, strict=True))))
    elif form == "records":
        path.write_text(json.dumps(records))
    elif form == "columns":
        path.write_text(json.dumps({"file_name": names, "real_labels": LISTS}))
    elif form == "lines":
        path.write_text("\n".join(map(json.dumps, records)))
    elif form == "csv":
        path.write_text("id,labels\n" + "".join(f"{name},{' '.join(map(str, row))}\n"
                                                for name, row in zip(names, LISTS, strict=True)))  # fmt: skip
    elif form == "parquet":
        pq.write_table(pa.table({"id": names, "label": pa.array(LISTS, pa.list_(pa.int64()))}), path)
    else:
        marks = np.zeros((6, 10), bool)
        for place, row in enumerate(LISTS):
            marks[place, row] = True
        np.save(path, marks)
    return path


class TestSeveralLabels:
    @pytest.mark.parametrize("form", ["rows", "object", "records", "columns", "lines", "csv", "parquet", "marks"])
    def test_a_prediction_is_correct_if_it_is_one_of_them(self, form: str) -> None:
        found = bring(PREDICTED, "mine", labels=write_lists(form), classes="cifar10")
        assert (found.models[0].images, found.models[0].top1) == (4, 3)
        assert found.rules[1] == "2 of 6 images have no label; they are left out"
        dataset = Results("results").load_dataset("mine")
        assert [sorted(set(row)) for row in dataset.truth.tolist()] == [[6, 7], [1], [2, 3, 5], [9]]
        assert dataset.whole is not None
        assert len(dataset.whole) == 6
        assert dataset.places.tolist() == [1, 2, 3, 4]

    def test_any_of_five_predictions_may_be_one_of_them(self) -> None:
        top = [[0, 1, 2, 3, 4], [0, 1, 2, 3, 7], [0, 2, 3, 4, 5], [9, 8, 7, 6, 2], [1, 2, 3, 4, 9], [0, 1, 2, 3, 4]]
        found = bring(top, "mine", labels=write_lists("rows"), classes="cifar10")
        assert (found.models[0].top1, found.models[0].top5) == (0, 3)

    def test_names_that_end_in_numbers_are_the_rows_of_a_list(self) -> None:
        order = [5, 0, 3, 1, 2, 4]
        Path("p.csv").write_text("id,prediction\n" + "".join(f"val_{n + 1:08d}.JPEG,{PREDICTED[n]}\n" for n in order))
        found = import_predictions("p.csv", "m", "mine", labels=write_lists("rows"), classes="cifar10")
        assert (found.models[0].images, found.models[0].top1) == (4, 3)

    def test_one_file_after_the_other(self) -> None:
        """A dataset that is stored knows the rows of the images that it leaves out."""
        lists = write_lists("rows")
        bring(PREDICTED, "mine", labels=lists, classes="cifar10")
        np.save("q.npy", np.array(PREDICTED[::-1]))
        assert import_predictions("q.npy", "q", "mine").models[0].images == 4
        assert import_predictions("q.npy", "q", "mine", labels=lists).models[0].images == 4

    def test_other_lists_than_those_stored(self) -> None:
        bring(PREDICTED, "mine", labels=write_lists("rows"), classes="cifar10")
        Path("l.json").write_text(json.dumps([[1], *LISTS[1:]]))
        said = refused(DataError, lambda: bring(PREDICTED, "mine", labels="l.json", classes="cifar10"))
        assert said.startswith("the labels differ from the stored ones\n  where:    l.json\n")

    def test_a_label_that_is_no_class(self) -> None:
        Path("l.json").write_text(json.dumps([[1, 2], [3, 10]]))
        said = refused(DataError, lambda: bring([1, 2], "mine", labels="l.json", classes="cifar10"))
        says(said, where="l.json, row 1", found="10")

    def test_no_image_has_a_label(self) -> None:
        Path("l.json").write_text("[[], []]")
        said = refused(DataError, lambda: bring([1, 2], "mine", labels="l.json", classes="cifar10"))
        assert said.startswith("no image has a label\n")

    def test_one_label_per_image_stays_as_it_was(self) -> None:
        Path("l.csv").write_text("id,label\na,3\nb,4\n")
        np.save("p.npy", np.array([3, 3]))
        import_predictions("p.npy", "m", "mine", labels="l.csv", classes="cifar10")
        assert Results("results").load_dataset("mine").accepted is None

    def test_in_a_view(self) -> None:
        """2 is even, 3 and 5 odd, 9 in no group: an image may be of both groups, or of none."""
        found = bring(PREDICTED, "x@parity", labels=write_lists("rows"), classes="digits")
        assert (found.models[0].images, found.models[0].top1) == (3, 3)
        assert [sorted(set(row)) for row in Results("results").load_dataset("x@parity").truth.tolist()] == [
            [0, 1], [1], [0, 1],
        ]  # fmt: skip

    def test_a_report_of_original_and_several_labels(self) -> None:
        labels = [0, 6, 1, 3, 9, 8]
        for model, predicted in (("m", PREDICTED), ("q", [0, 6, 2, 3, 9, 9])):
            np.save("p.npy", np.array(predicted))
            np.save("one.npy", np.array(labels))
            import_predictions("p.npy", model, "old", labels="one.npy", classes="cifar10")
            import_predictions("p.npy", model, "real", labels=write_lists("rows"), classes="cifar10")
        found = report(Results("results"), pairs="old:real", resamples=50)
        table = found.table.sort_values("model")
        assert table["original_correct"].tolist() == [3, 4]
        assert table["original_total"].tolist() == [6, 6]
        assert table["new_correct"].tolist() == [3, 3]
        assert table["new_total"].tolist() == [4, 4]
        classes = found.summary.pairs[0].metrics["top1"].statistics.new
        # An image is one of each of its classes: 6 and 7, 1, 2 and 3 and 5, 9.
        assert classes.classes.total.tolist() == [0, 1, 1, 1, 0, 1, 1, 1, 0, 1]  # pyright: ignore


TABLE = "model,imagenet,imagenet-a,restricted\na,80.5,16.5,95.5\nb,70,4,90\nc,60,2,80\n"


class TestPairsOfDifferentClasses:
    def test_a_table_with_all_classes_on_one_side_and_a_part_on_the_other(self) -> None:
        Path("t.csv").write_text(TABLE)
        columns = {"imagenet": "imagenet", "imagenet-a": "imagenet-a"}
        found = import_table("t.csv", columns, sizes={"imagenet-a": 7500})
        assert found.pairs == ()
        assert found.rules[-1] == (
            "imagenet:imagenet-a is not a pair: one is of all classes, the other of a part. The pair is "
            "imagenet@imagenet-a:imagenet-a; import what was measured on these classes as imagenet@imagenet-a"
        )
        says(
            refused(AnalysisError, lambda: report("results", pairs="imagenet:imagenet-a")),
            where="imagenet:imagenet-a",
            found="imagenet is of all classes, imagenet-a of 200 (view imagenet-a)",
        )
        # With the column that is of these classes, the pair is right, however it is called.
        import_table("t.csv", {"imagenet@imagenet-a": "restricted", "imagenet-a": "imagenet-a"})
        for pair in ("imagenet:imagenet-a", "imagenet@imagenet-a:imagenet-a"):
            table = report("results", pairs=pair, resamples=50).table
            assert table["original_total"].tolist() == [10_000] * 3
            assert table["original_correct"].tolist() == [9550, 9000, 8000]

    def test_predictions(self) -> None:
        logits = np.eye(1000)[[*KEPT[:3], 0]]
        np.save("p.npy", logits)
        np.save("y.npy", np.array([*KEPT[:3], 0]))
        first = import_predictions("p.npy", "m", "imagenet", labels="y.npy", classes="imagenet-1k")
        assert not any("is not a pair" in rule for rule in first.rules)
        # ReaL's labels, which the registry names for ImageNet, are of its 50,000 images.
        left_out = "corrected labels of imagenet are left out: corrected labels and images differ in number"
        assert first.rules[0] == f"labels of imagenet from y.npy; {left_out}"
        np.save("q.npy", logits[:3])
        np.save("z.npy", np.array(KEPT[:3]))
        second = import_predictions("q.npy", "m", "imagenet-a", labels="z.npy")
        assert second.rules[-1].startswith("imagenet:imagenet-a is not a pair: ")
        said = refused(AnalysisError, lambda: report("results", pairs="imagenet:imagenet-a"))
        assert said.startswith("this pair compares different classes\n")
        third = import_predictions("p.npy", "m", "imagenet@imagenet-a", labels="y.npy", classes="imagenet-1k")
        assert third.pairs == ("imagenet@imagenet-a:imagenet-a",)
        table = report("results", pairs="imagenet:imagenet-a", resamples=50).table
        assert table[["original_total", "new_total"]].to_numpy().tolist() == [[3, 3]]
