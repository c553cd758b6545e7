"""A results folder that several processes write, that was damaged, or that holds what others put there."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalshift.errors import StoreError
from evalshift.evaluate.predictions import Imported, Predictions, Provenance
from evalshift.evaluate.store import SCHEMA_VERSION, Counted, CountedDataset, Results, StoredDataset
from evalshift.files import write_atomic

MakePredictions = Callable[..., Predictions]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def dataset(name: str = "old", images: int = 8) -> StoredDataset:
    return StoredDataset(
        name=name,
        ids=tuple(f"image-{number}" for number in range(images)),
        labels=np.arange(images, dtype=np.int64) % 3,
        classes="letters",
        class_names=("a", "b", "c"),
        fingerprint="cd" * 32,
        source_checksum="a checksum",
        entry={"source": "npy", "images": "x.npy"},
    )


def counted(model: str, on: str = "old") -> Counted:
    imported = Imported(source="table", files={"t.csv": "ef" * 32}, kind="counts")
    provenance = Provenance(
        schema_version=SCHEMA_VERSION, model=model, dataset=on, classes="letters", entry={}, identity={},
        dataset_fingerprint="labels:ab", start="2026-01-02T03:04:05+00:00", imported=imported,
    )  # fmt: skip
    return Counted(model, 5, None, 0, provenance)


def refusal(read: Callable[[], object]) -> str:
    with pytest.raises(StoreError) as caught:
        read()
    assert caught.value.problem == "a stored file cannot be read"
    return str(caught.value.found)


# ------------------------------------------------------------------------------------------- several processes at once

WRITER = """
import os, sys, time
sys.path[:0] = sys.argv[1:2]
from pathlib import Path
from test_damaged_results import counted
from evalshift.evaluate.store import CountedDataset, Results

fsync = os.fsync
os.fsync = lambda number: (time.sleep(0.1), fsync(number))  # a slow disk
results, number = Results(sys.argv[2]), sys.argv[3]
Path(sys.argv[2], "ready-" + number).touch()
while len(list(Path(sys.argv[2]).glob("ready-*"))) < int(sys.argv[4]):
    time.sleep(0.01)
for step in "ab":
    results.add_pairs([f"original:new-{number}{step}"])
    results.save_counts(CountedDataset("old", 10, None), [counted(f"model-{number}{step}")])
"""


def test_processes_that_write_at_once_lose_nothing_of_each_other(results: Results) -> None:
    results.path.mkdir()
    count = 4
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, Path(__file__).parent, results.path, str(number), str(count)])
        for number in range(count)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * count
    expected = sorted(f"{number}{step}" for number in range(count) for step in "ab")
    assert sorted(pair.removeprefix("original:new-") for pair in results.pairs()) == expected
    stored = results.load_counts("old")
    assert stored is not None
    assert sorted(model.removeprefix("model-") for model in stored[1]) == expected


def test_pairs_that_are_known_need_no_lock(results: Results) -> None:
    results.add_pairs(["a:b"])
    (results.path / ".lock").unlink()
    results.add_pairs(["a:b"])
    assert not (results.path / ".lock").exists()


# -------------------------------------------------------------------------------------------------------------- damage


def test_a_thousand_flipped_bits_are_found_or_without_effect(
    results: Results, make_predictions: MakePredictions
) -> None:
    rng = np.random.default_rng(list(b"flips"))
    results.save_dataset(dataset())
    results.save_predictions(make_predictions(rng.integers(0, 3, (8, 2)), rng.random(8)))
    results.save_counts(CountedDataset("old", 10, None), [counted("x"), counted("y")])

    def predictions() -> object:
        read = results.load_predictions("old", "resnet")
        assert read.prob is not None
        return read.top.tolist(), read.prob.tolist(), read.provenance

    def labels() -> object:
        read = results.load_dataset("old")
        return read.ids, read.labels.tolist(), read.class_names, read.entry, read.fingerprint, read.source_checksum

    readers: list[tuple[Path, Callable[[], object]]] = [
        (results.predictions_file("old", "resnet"), predictions),
        (results.predictions_file("old", "resnet"), lambda: results.provenance("old", "resnet")),
        (results.dataset_file("old"), labels),
        (results.dataset_file("old"), lambda: results.dataset_facts("old")),
        (results.counts_file("old"), lambda: results.load_counts("old")),
    ]
    found = 0
    for path, read in readers:
        whole, expected = path.read_bytes(), read()
        for position in rng.integers(0, len(whole), 200).tolist():
            damaged = bytearray(whole)
            damaged[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            try:
                assert read() == expected, f"byte {position:,} of {len(whole):,} in {path.name}"
            except StoreError:
                found += 1
        path.write_bytes(whole)
    assert found > 500


def test_a_flipped_bit_of_any_fact_is_found_without_reading_rows(
    results: Results, make_predictions: MakePredictions
) -> None:
    results.save_predictions(make_predictions([[0]]))
    path = results.predictions_file("old", "resnet")
    whole = path.read_bytes()
    for fact in (b'"cpu (1 threads)"', b'"2026-01-02T03', b'"fp32"'):
        assert fact in whole
        path.write_bytes(whole.replace(fact, fact[:-2] + bytes([fact[-2] ^ 1]) + fact[-1:]))
        refusal(lambda: results.provenance("old", "resnet"))


def test_a_file_under_another_name_is_refused(results: Results, make_predictions: MakePredictions) -> None:
    results.save_dataset(dataset())
    results.save_dataset(dataset("new"))
    results.save_predictions(make_predictions([[0]] * 8))
    results.save_counts(CountedDataset("old", 10, None), [counted("x")])
    copies = {
        results.predictions_file("old", "vgg"): results.predictions_file("old", "resnet"),
        results.predictions_file("new", "resnet"): results.predictions_file("old", "resnet"),
        results.dataset_file("new"): results.dataset_file("old"),
        results.counts_file("new"): results.counts_file("old"),
    }
    for copy, source in copies.items():
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(source.read_bytes())
    of_resnet = 'it is of the model "resnet", not of "vgg"'
    assert refusal(lambda: results.load_predictions("old", "vgg")) == of_resnet
    assert refusal(lambda: results.provenance("old", "vgg")) == of_resnet
    assert refusal(lambda: results.load_predictions("new", "resnet")) == 'it is of the dataset "old", not of "new"'
    assert refusal(lambda: results.load_dataset("new")) == 'it is of the dataset "old", not of "new"'
    assert refusal(lambda: results.dataset_facts("new")) == 'it is of the dataset "old", not of "new"'
    assert refusal(lambda: results.load_counts("new")) == 'it is of the dataset "old", not of "new"'


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_instead_of_a_file_does_not_hang(results: Results) -> None:
    paths = [results.predictions_file("old", "resnet"), results.dataset_file("old"), results.counts_file("old")]
    for path in [*paths, results.path / "pairs.json"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
    for read in (
        lambda: results.load_predictions("old", "resnet"),
        lambda: results.provenance("old", "resnet"),
        lambda: results.load_dataset("old"),
        lambda: results.load_counts("old"),
        results.pairs,
    ):
        assert refusal(read) == "it is a pipe or a device, expected a file"


# ------------------------------------------------------------------------------ files of others, without our checksums


def foreign(path: Path, table: pa.Table, **facts: Any) -> None:
    """Write a file as one of schema 4, which had no checksums, and as any program could."""
    known = pq.read_schema(path).metadata or {}
    kept = {key: value for key, value in known.items() if b"sha256" not in key.partition(b"evalshift.")[2]}
    kept |= {b"evalshift.checkpoint_sha256": b"null"} if b"evalshift.model" in known else {}
    changed = {f"evalshift.{key}".encode(): json.dumps(value).encode() for key, value in facts.items()}
    pq.write_table(table.replace_schema_metadata(kept | {b"evalshift.schema_version": b"4"} | changed), path)


def top(rows: list[list[int]], kind: pa.DataType | None = None) -> pa.Array:
    return pa.array(rows, kind or pa.list_(pa.int32(), len(rows[0])))


GOOD = [[0, 1], [1, 2]]
PROB = pa.array([0.5, 0.25], pa.float32())


@pytest.mark.parametrize(
    "columns, found",
    [
        ({"top": top([[0, 1], [3, 2]])}, "class 3, expected -1 to 2"),
        ({"top": top([[0, 1], [-2, 2]])}, "class -2, expected -1 to 2"),
        (
            {"top": top(GOOD, pa.list_(pa.float64(), 2))},
            "column top is of type list<double>[2], expected list<int32>[k]",
        ),
        ({"top": top(GOOD, pa.list_(pa.int32()))}, "column top is of type list<int32>, expected list<int32>[k]"),
        ({"top": pa.array([1, 2])}, "column top is of type int64, expected list<int32>[k]"),
        ({"top": pa.array([[0, 1], None], pa.list_(pa.int32(), 2))}, "column top has empty cells"),
        ({"top": top([[0, 1]])[:0]}, "no rows"),
        ({"tops": top(GOOD)}, 'Field "top" does not exist in schema'),
        ({"top": top(GOOD), "prob": pa.array([0.5, float("nan")], pa.float32())}, "prob of row 1 is NaN"),
        ({"top": top(GOOD), "prob": pa.array([0.5, 1.5], pa.float32())}, "prob of row 1 is 1.5, expected 0 to 1"),
        ({"top": top(GOOD), "prob": pa.array([-0.5, 1], pa.float32())}, "prob of row 0 is -0.5, expected 0 to 1"),
        ({"top": top(GOOD), "prob": pa.array([None, 1], pa.float32())}, "column prob has empty cells"),
        ({"top": top(GOOD), "prob": pa.array(["a", "b"])}, "column prob is of type string, expected float"),
    ],
)
def test_predictions_out_of_their_schema_are_refused_with_the_reason(
    results: Results, make_predictions: MakePredictions, columns: dict[str, pa.Array], found: str
) -> None:
    results.save_dataset(dataset())
    results.save_predictions(make_predictions(GOOD))
    path = results.predictions_file("old", "resnet")
    foreign(path, pa.table({"top": top(GOOD), "prob": PROB}))
    assert results.load_predictions("old", "resnet").top.tolist() == GOOD  # as it should be, schema 4 is read
    foreign(path, pa.table(columns))
    assert refusal(lambda: results.load_predictions("old", "resnet")) == found


@pytest.mark.parametrize(
    "facts, found",
    [
        ({"entry": []}, "entry: not a valid dictionary"),
        ({"entry": {"family": ["resnet"]}}, "family is of type list, expected str"),
        ({"entry": {"year": [2015]}}, "year is of type list, expected int"),
        ({"entry": {"year": 10**30}}, "year is too large, expected 1 to 9999"),
        ({"entry": {"year": -1}}, "year is -1, expected 1 to 9999"),
        ({"entry": {"expected": [90.0]}}, "expected is of type list, expected dict"),
        ({"identity": "x"}, "identity: not a valid dictionary"),
        ({"schema_version": "4"}, "schema version 4"),
        ({"model": ["resnet"]}, 'it is of the model "[\'resnet\']", not of "resnet"'),
    ],
)
def test_facts_of_another_form_are_refused_with_the_reason(
    results: Results, make_predictions: MakePredictions, facts: dict[str, Any], found: str
) -> None:
    results.save_predictions(make_predictions(GOOD))
    foreign(results.predictions_file("old", "resnet"), pa.table({"top": top(GOOD)}), **facts)
    assert refusal(lambda: results.load_predictions("old", "resnet")) == found
    assert refusal(lambda: results.provenance("old", "resnet")) == found


def test_facts_nested_without_end_are_refused(results: Results, make_predictions: MakePredictions) -> None:
    results.save_predictions(make_predictions(GOOD))
    path = results.predictions_file("old", "resnet")
    table = pq.read_table(path)
    deep = {**table.schema.metadata, b"evalshift.entry": b"[" * 100_000 + b"]" * 100_000}
    pq.write_table(table.replace_schema_metadata(deep), path)
    assert refusal(lambda: results.provenance("old", "resnet")) == "lists or mappings nested too deep"
    results.add_pairs(["a:b"])
    (results.path / "pairs.json").write_text("[" * 100_000)
    assert refusal(results.pairs) == "lists or mappings nested too deep"


ID, LABEL = pa.array(["x", "y"]), pa.array([0, 2])


@pytest.mark.parametrize(
    "columns, facts, found",
    [
        ({"id": ID, "label": pa.array([0, 3])}, {}, "label 3, expected 0 to 2"),
        ({"id": ID, "label": pa.array([-1, 2])}, {}, "label -1, expected 0 to 2"),
        ({"id": ID, "label": LABEL}, {"class_names": ["a", "b"]}, "label 2, expected 0 to 1"),
        ({"id": ID, "label": LABEL}, {"class_names": ["a", 3, "c"]}, "class_names.1: not a valid string"),
        ({"id": ID, "label": pa.array([None, None], pa.int64())}, {}, "no row has a label"),
        ({"id": ID, "label": pa.array(["0", "2"])}, {}, "column label is of type string, expected int64"),
        ({"id": ID, "label": pa.array([0.0, 2.0])}, {}, "column label is of type double, expected int64"),
        ({"id": pa.array(["x", None]), "label": LABEL}, {}, "column id has empty cells"),
        ({"id": pa.array(["x", "x"]), "label": LABEL}, {}, "column id has the same id several times"),
        ({"id": ID, "label": LABEL, "labels": pa.array([[0, 7], [2]])}, {}, "label 7, expected 0 to 2"),
        ({"id": ID, "label": LABEL, "attribute.y": LABEL}, {}, "column attribute.y is of type int64, expected string"),
        ({"id": ID, "label": LABEL}, {"entry": []}, "entry: not a valid dictionary"),
        ({"id": ID, "label": LABEL}, {"entry": {"fresh": ["x"]}}, "entry: fresh is of type list, expected str"),
    ],
)  # fmt: skip
def test_datasets_out_of_their_schema_are_refused_with_the_reason(
    results: Results, columns: dict[str, pa.Array], facts: dict[str, Any], found: str
) -> None:
    results.save_dataset(dataset())
    foreign(results.dataset_file("old"), pa.table({"id": ID, "label": LABEL}))
    assert results.load_dataset("old").labels.tolist() == [0, 2]
    foreign(results.dataset_file("old"), pa.table(columns), **facts)
    assert refusal(lambda: results.load_dataset("old")) == found


@pytest.mark.parametrize(
    "changes, found",
    [
        ({"top1": [11]}, "top1 of x is 11, expected 0 to 10"),
        ({"top1": [-1]}, "top1 of x is -1, expected 0 to 10"),
        ({"top5": [11]}, "top5 of x is 11, expected 0 to 10"),
        ({"model": ["y"]}, 'it is of the model "x", not of "y"'),
        ({"model": [""]}, "a row without the name of a model"),
        ({"provenance": ["[]"]}, "the provenance of x is not a JSON object"),
    ],
)
def test_counts_out_of_their_schema_are_refused_with_the_reason(
    results: Results, changes: dict[str, list], found: str
) -> None:
    results.save_counts(CountedDataset("old", 10, None), [counted("x")])
    path = results.counts_file("old")
    table = pq.read_table(path)
    for name, values in changes.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    foreign(path, table)
    assert refusal(lambda: results.load_counts("old")) == found


# -------------------------------------------------------------------------------------------------------------- logits

LOGITS = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_logits_come_back_and_are_an_ordinary_file_of_numpy(
    results: Results, make_predictions: MakePredictions
) -> None:
    results.save_predictions(make_predictions(GOOD), LOGITS)
    assert results.has_logits("old", "resnet")
    np.testing.assert_array_equal(results.load_logits("old", "resnet"), LOGITS)
    path = results.logits_file("old", "resnet")
    np.testing.assert_array_equal(np.load(path), LOGITS)
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), LOGITS)


def test_logits_of_a_run_killed_before_its_predictions_are_not_taken(
    results: Results, make_predictions: MakePredictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    results.save_predictions(make_predictions(GOOD))

    def killed(path: Path, data: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("evalshift.evaluate.store.results.write_atomic", killed)  # of the predictions, after the logits
        with pytest.raises(KeyboardInterrupt):
            results.save_predictions(make_predictions([[2, 1], [1, 0]], start="2026-01-02T04:00:00+00:00"), LOGITS)
    assert results.logits_file("old", "resnet").is_file()
    assert results.load_predictions("old", "resnet").top.tolist() == GOOD
    assert not results.has_logits("old", "resnet")
    assert refusal(lambda: results.load_logits("old", "resnet")) == "it belongs to the predictions of another run"


def test_damaged_logits_are_refused(results: Results, make_predictions: MakePredictions) -> None:
    results.save_predictions(make_predictions(GOOD), LOGITS)
    path = results.logits_file("old", "resnet")
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        refusal(lambda: results.load_logits("old", "resnet"))
    write_atomic(path, whole[:-1])
    assert not results.has_logits("old", "resnet")


# --------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["m" * 300, "模型/" * 60, "e\u0301", "\u00e9"])
def test_long_and_foreign_names_are_stored_and_listed_as_they_are(
    results: Results, make_predictions: MakePredictions, name: str
) -> None:
    results.save_dataset(dataset(name))
    results.save_predictions(make_predictions(GOOD, model=name, dataset=name), LOGITS)
    results.save_predictions(make_predictions(GOOD, model=name + "2", dataset=name))
    assert results.datasets() == [name]
    assert results.models(name) == [name, name + "2"]
    assert results.load_predictions(name, name).model == name
    assert results.load_logits(name, name).shape == (2, 3)
    path = results.predictions_file(name, name + "2")
    path.write_bytes(b"")
    [damaged] = set(results.models(name)) - {name}
    assert refusal(lambda: results.load_predictions(name, damaged)).startswith("Parquet file size is 0 bytes")


def test_names_that_differ_in_case_alone_are_never_taken_for_each_other(
    results: Results, make_predictions: MakePredictions
) -> None:
    """On systems that keep both in one file, too: it is of the one that was stored last, and refused as the other."""
    for model, rows in (("ResNet", GOOD), ("resnet", GOOD[::-1])):
        results.save_predictions(make_predictions(rows, model=model))
    one = results.load_predictions("old", "resnet")
    assert one.top.tolist() == GOOD[::-1]
    if results.predictions_file("old", "ResNet").samefile(results.predictions_file("old", "resnet")):
        assert (
            refusal(lambda: results.load_predictions("old", "ResNet")) == 'it is of the model "resnet", not of "ResNet"'
        )
    else:
        assert results.load_predictions("old", "ResNet").top.tolist() == GOOD


# --------------------------------------------------------------------------------------------------------------- run


def test_a_run_makes_damaged_pages_again_as_a_report_would_refuse_them(project: Any) -> None:
    project.model("good")
    project.run()
    path = project.results.predictions_file("old", "good")
    whole = path.read_bytes()
    rows = pq.ParquetFile(path).metadata.row_group(0).column(0)
    assert rows.dictionary_page_offset is not None
    damaged = bytearray(whole)
    damaged[rows.data_page_offset - 3] ^= 1  # among the values themselves
    path.write_bytes(damaged)
    refusal(lambda: project.results.load_predictions("old", "good"))
    assert project.results.provenance("old", "good") is not None  # its facts are whole
    _, said = project.run()
    assert "redone    good on old: the stored file cannot be read" in said
    assert path.read_bytes() != bytes(damaged)
    assert project.results.load_predictions("old", "good").top[:, 0].tolist() == [number % 4 for number in range(12)]
    _, said = project.run()
    assert "nothing to do" in said


def test_results_deleted_during_a_run_are_no_success(project: Any) -> None:
    for name in ("first", "second"):
        project.model(name, "shades" if name == "first" else "deletes")
    with (project.path / "networks.py").open("a") as file:
        file.write(
            "\ndef deletes():\n    import shutil\n"
            f"    shutil.rmtree({str(project.results.path)!r})\n    return Shades((0.1, 0.4, 0.6, 0.9))\n"
        )
    with pytest.raises(StoreError) as caught:
        project.run()
    assert caught.value.problem == "stored results disappeared during the run"
    # The second model's predictions came after; the list of pairs, the labels of both sets, and the first's are gone.
    assert caught.value.found == ("5 files missing: pairs.json, datasets/old.parquet, datasets/new.parquet and 2 more")
