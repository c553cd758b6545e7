import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from messages import says

from evalshift.errors import StoreError, UsageError
from evalshift.evaluate.predictions import Imported, Predictions, Provenance
from evalshift.evaluate.store import SCHEMA_VERSION, Counted, CountedDataset, Results, StoredDataset
from evalshift.evaluate.store.schema import check_named
from evalshift.evaluate.store.sealed_files import read_sealed, write_sealed
from evalshift.files import TEMPORARY_SUFFIX

MakePredictions = Callable[..., Predictions]
REDO = "delete it and run `evalshift run` again: only this file is redone"

STRANGE_NAMES = [
    "timm/resnet18.a1_in1k",
    "<script>alert(1)</script>",
    ".hidden",
    "größer als 90 %",
    "模型",
    "two words",
    "ends.parquet",
    "a%2Fb",
]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def stored_dataset(name: str = "old", **changes: Any) -> StoredDataset:
    facts: dict[str, Any] = {
        "name": name,
        "ids": ("cat/1.png", "größe", "<b>", ""),
        "labels": np.array([2, 0, 1, 1], np.int64),
        "classes": "letters",
        "class_names": ("a", "b & <b>", "ß"),
        "fingerprint": "cd" * 32,
        "source_checksum": "a checksum",
        "entry": {"source": "npy", "images": "x.npy"},
    }
    return StoredDataset(**(facts | changes))


def rewrite_facts(path: Path, **changes: Any) -> None:
    """Change the metadata of a stored file, which then has no checksums, as before schema 5; None takes a key away."""
    table = pq.read_table(path)
    metadata = dict(table.schema.metadata)
    changes = {"rows_sha256": None, "facts_sha256": None, "schema_version": 4} | changes
    for key, value in changes.items():
        metadata[f"evalshift.{key}".encode()] = json.dumps(value).encode()
        if value is None:
            del metadata[f"evalshift.{key}".encode()]
    pq.write_table(table.replace_schema_metadata(metadata), path)


def test_making_a_handle_touches_nothing(tmp_path: Path) -> None:
    results = Results(tmp_path / "nowhere")
    assert (results.datasets(), results.models("old"), results.pairs()) == ([], [], [])
    assert results.dataset_facts("old") is None
    assert results.provenance("old", "resnet") is None
    assert not results.path.exists()
    assert repr(Results("results")) == "Results('results')"


def test_pictures_are_kept_for_the_images_that_have_labels_and_older_files_have_none(results: Results) -> None:
    stored = stored_dataset(pictures=("p", "q", "p", "r"), whole=("0", "cat/1.png", "größe", "<b>", ""))
    results.save_dataset(stored)
    assert results.load_dataset("old").pictures == ("p", "q", "p", "r")
    results.note_pictures("old", ("s",) * 4)
    assert results.load_dataset("old").pictures == ("p", "q", "p", "r")
    results.save_dataset(stored_dataset())
    assert results.load_dataset("old").pictures is None
    results.note_pictures("old", ("s",) * 4)
    assert results.load_dataset("old").pictures == ("s",) * 4


@pytest.mark.parametrize("source_checksum", ["a checksum", None])
def test_a_dataset_comes_back_as_it_was_stored(results: Results, source_checksum: str | None) -> None:
    stored = stored_dataset(source_checksum=source_checksum)
    results.save_dataset(stored)
    loaded = results.load_dataset("old")
    assert loaded.labels.dtype == np.int64
    np.testing.assert_array_equal(loaded.labels, stored.labels)
    for field in ("name", "ids", "classes", "class_names", "fingerprint", "source_checksum", "entry"):
        assert getattr(loaded, field) == getattr(stored, field), field
    assert len(loaded) == 4
    facts = results.dataset_facts("old")
    assert facts is not None
    assert (facts.fingerprint, facts.source_checksum) == (stored.fingerprint, source_checksum)


def test_a_dataset_of_schema_3_is_read_with_its_checksum_under_the_old_name(results: Results) -> None:
    results.save_dataset(stored_dataset(source_checksum="a checksum"))
    table = pq.read_table(results.dataset_file("old"))
    metadata = dict(table.schema.metadata)
    metadata[b"evalshift.stamp"] = metadata.pop(b"evalshift.source_checksum")
    metadata[b"evalshift.schema_version"] = b"3"
    del metadata[b"evalshift.rows_sha256"], metadata[b"evalshift.facts_sha256"]
    pq.write_table(table.replace_schema_metadata(metadata), results.dataset_file("old"))
    assert results.load_dataset("old").source_checksum == "a checksum"
    facts = results.dataset_facts("old")
    assert facts is not None
    assert facts.source_checksum == "a checksum"


def test_predictions_without_the_number_of_threads_are_read(
    results: Results, make_predictions: MakePredictions
) -> None:
    results.save_predictions(make_predictions([[0]]))
    path = results.predictions_file("old", "resnet")
    table, facts = read_sealed(path)
    written = {key: value for key, value in facts.items() if key not in ("threads", "rows_sha256", "facts_sha256")}
    write_sealed(table, written, path)
    assert results.load_predictions("old", "resnet").provenance.threads is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(data=st.data(), k=st.integers(1, 7), count=st.integers(1, 200))
def test_predictions_come_back_to_the_bit(
    results: Results, make_predictions: MakePredictions, data: st.DataObject, k: int, count: int
) -> None:
    top = data.draw(arrays.arrays(np.int32, (count, k), elements=st.integers(0, 2**31 - 1)))
    prob = data.draw(arrays.arrays(np.float32, count, elements=st.floats(0, 1, width=32)))
    stored = make_predictions(top, prob)
    results.save_predictions(stored)
    loaded = results.load_predictions("old", "resnet")
    np.testing.assert_array_equal(loaded.top, top)
    assert loaded.prob is not None
    np.testing.assert_array_equal(loaded.prob, prob)
    assert (loaded.top.dtype, loaded.prob.dtype, loaded.k) == (np.int32, np.float32, k)
    assert loaded.provenance == stored.provenance


def test_provenance_survives_with_all_that_an_entry_can_hold(
    results: Results, make_predictions: MakePredictions
) -> None:
    entry = {"arguments": {"depth": 20, "wide": None, "rate": 0.1, "name": "größe"}, "mean": [0.5], "note": "<b>"}
    stored = make_predictions([[0]], entry=entry, warnings=["90.0 % expected"], git_revision="ab12+changes")
    results.save_predictions(stored)
    assert results.provenance("old", "resnet") == stored.provenance
    assert stored.provenance.entry == entry


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_any_name_can_be_stored_and_is_listed_as_it_is(
    results: Results, make_predictions: MakePredictions, name: str
) -> None:
    results.save_dataset(stored_dataset(name))
    results.save_predictions(make_predictions([[1, 0]], model=name, dataset=name))
    assert results.datasets() == [name]
    assert results.models(name) == [name]
    assert results.load_dataset(name).name == name
    assert results.load_predictions(name, name).top.tolist() == [[1, 0]]
    assert all(path.is_relative_to(results.path) for path in results.path.parent.rglob("*") if path.is_file())


def test_names_are_listed_in_order_and_nothing_else_is(results: Results, make_predictions: MakePredictions) -> None:
    for model in ("b", "a/c", "a"):
        results.save_predictions(make_predictions([[0]], model=model))
    folder = results.predictions_file("old", "a").parent
    (folder / f".c.parquet.0123{TEMPORARY_SUFFIX}").write_bytes(b"half a file")
    (folder / ".d.parquet").write_bytes(b"hidden")
    (folder / "notes.txt").write_text("mine")
    assert results.models("old") == ["a", "a/c", "b"]


def test_other_programs_read_the_files(results: Results, make_predictions: MakePredictions) -> None:
    results.save_dataset(stored_dataset())
    results.save_predictions(make_predictions([[2, 0], [1, 2], [0, 1], [0, 2]], [0.5, 0.25, 1.0, 0.75]))
    dataset = pd.read_parquet(results.dataset_file("old"))
    assert dataset["id"].tolist() == ["cat/1.png", "größe", "<b>", ""]
    assert dataset["label"].tolist() == [2, 0, 1, 1]
    predictions = pd.read_parquet(results.predictions_file("old", "resnet"))
    assert [list(top) for top in predictions["top"]] == [[2, 0], [1, 2], [0, 1], [0, 2]]
    assert predictions["prob"].tolist() == [0.5, 0.25, 1.0, 0.75]
    schema = pq.read_schema(results.predictions_file("old", "resnet"))
    assert schema.field("top").type == pa.list_(pa.int32(), 2)
    assert schema.field("prob").type == pa.float32()
    assert json.loads(schema.metadata[b"evalshift.identity"]) == {"source": "python", "classes": "letters"}


@pytest.mark.parametrize(
    "logits, dtype",
    [
        ([[0.5, -1.25], [3.0, 0.0]], np.float16),
        ([[0.5, -np.inf], [3.0, 0.0]], np.float16),
        ([[70_000.0, -1.25], [3.0, 0.0]], np.float32),  # more than float16 can hold (65,504)
    ],
)
def test_logits_are_kept_in_half_precision_where_they_fit(
    results: Results, make_predictions: MakePredictions, logits: list[list[float]], dtype: type
) -> None:
    results.save_predictions(make_predictions([[0], [0]]), np.array(logits, np.float32))
    stored = np.load(results.logits_file("old", "resnet"), allow_pickle=False)
    assert stored.dtype == dtype
    assert stored.tolist() == logits


def test_logits_of_earlier_predictions_do_not_stay_beside_new_ones(
    results: Results, make_predictions: MakePredictions
) -> None:
    results.save_predictions(make_predictions([[0]]), np.array([[1.0, 0.0]], np.float32))
    results.save_predictions(make_predictions([[1]]))
    assert not results.logits_file("old", "resnet").exists()


def test_pairs_stand_in_the_order_of_their_first_run(results: Results) -> None:
    results.add_pairs(["b:c", "a:b"])
    results.add_pairs(["a:b", "a:a2", "b:c", "a:a2"])
    assert results.pairs() == ["b:c", "a:b", "a:a2"]
    assert Results(results.path, only=("a:b",)).pairs() == ["a:b"]


def test_a_pair_that_is_known_is_not_written_again(results: Results) -> None:
    results.add_pairs(["a:b"])
    (results.path / "pairs.json").chmod(0o444)
    before = (results.path / "pairs.json").stat().st_mtime_ns
    results.add_pairs(["a:b"])
    assert (results.path / "pairs.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "content, found",
    [
        ("not json", "text that is not JSON"),
        ("{}", 'no "schema_version" in it'),
        ('{"schema_version": 1}', 'no "pairs" in it'),
        ("[]", "content of another structure"),
        ('{"schema_version": 1, "pairs": 3}', "pairs: not a valid list"),
    ],
)
def test_a_damaged_list_of_pairs_is_a_complaint(results: Results, content: str, found: str) -> None:
    results.path.mkdir()
    (results.path / "pairs.json").write_text(content)
    with pytest.raises(StoreError) as caught:
        results.pairs()
    says(caught.value, where=results.path / "pairs.json", found=found)


def read_everything(results: Results) -> list[Callable[[], object]]:
    return [
        lambda: results.load_predictions("old", "resnet"),
        lambda: results.provenance("old", "resnet"),
        lambda: results.load_dataset("old"),
        lambda: results.dataset_facts("old"),
        lambda: results.pairs(),
        lambda: results.add_pairs(["c:d"]),
    ]


def test_results_of_a_newer_evalshift_are_refused_whole(results: Results, make_predictions: MakePredictions) -> None:
    results.save_dataset(stored_dataset())
    results.save_predictions(make_predictions([[0]]))
    results.add_pairs(["a:b"])
    newer = SCHEMA_VERSION + 1
    files = [results.predictions_file("old", "resnet"), results.dataset_file("old"), results.path / "pairs.json"]
    for path in files[:2]:
        rewrite_facts(path, schema_version=newer)
    files[2].write_text(json.dumps({"schema_version": newer, "pairs": {"in another": "shape"}}))
    before = [path.read_bytes() for path in files]
    for position, read in enumerate(read_everything(results)):
        with pytest.raises(StoreError) as caught:
            read()
        says(
            caught.value,
            where=files[position // 2],
            found=f"schema version {newer}",
            expected=f"at most {SCHEMA_VERSION}",
        )
    assert [path.read_bytes() for path in files] == before


def test_what_is_not_stored_is_a_complaint_with_the_nearest_name(
    results: Results, make_predictions: MakePredictions
) -> None:
    results.save_dataset(stored_dataset())
    results.save_predictions(make_predictions([[0]]))
    for read, path, fix in (
        (lambda: results.load_predictions("old", "rsenet"), "predictions/old/rsenet", 'did you mean "resnet"?'),
        (lambda: results.load_predictions("old", "vgg"), "predictions/old/vgg", "run `evalshift run` first"),
        (lambda: results.load_predictions("new", "resnet"), "predictions/new/resnet", "run `evalshift run` first"),
        (lambda: results.load_dataset("odl"), "datasets/odl", 'did you mean "old"?'),
    ):
        with pytest.raises(StoreError) as caught:
            read()
        where = results.path / f"{path}.parquet"
        says(caught.value, where=where, fix=fix)


def test_a_foreign_file_is_a_complaint(results: Results) -> None:
    path = results.predictions_file("old", "resnet")
    path.parent.mkdir(parents=True)
    pd.DataFrame({"top": [1, 2]}).to_parquet(path)
    for read in (results.load_predictions, results.provenance):
        with pytest.raises(StoreError) as caught:
            read("old", "resnet")
        says(caught.value, where=path, found="no evalshift.schema_version in its metadata")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_file_that_is_no_parquet_is_a_complaint(results: Results, content: bytes) -> None:
    path = results.predictions_file("old", "resnet")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    for read in (results.load_predictions, results.provenance):
        with pytest.raises(StoreError) as caught:
            read("old", "resnet")
        complaint = caught.value
        assert (complaint.problem, complaint.where) == ("a stored file cannot be read", path)
        assert (complaint.expected, complaint.fix) == ("a file written by evalshift", REDO)


def test_a_folder_instead_of_a_file_is_a_complaint(results: Results) -> None:
    results.predictions_file("old", "resnet").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"^a stored file cannot be read\n"):
        results.load_predictions("old", "resnet")


def test_files_in_each_others_places_are_complaints(results: Results, make_predictions: MakePredictions) -> None:
    results.save_dataset(stored_dataset("old"))
    results.save_predictions(make_predictions([[0]]))
    dataset, predictions = results.dataset_file("old"), results.predictions_file("old", "resnet")
    content = dataset.read_bytes()
    dataset.write_bytes(predictions.read_bytes())
    predictions.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        results.load_dataset("old")
    assert caught.value.found == 'no "class_names" in it'
    with pytest.raises(StoreError) as caught:
        results.provenance("old", "resnet")
    assert caught.value.found == 'it is of the model "None", not of "resnet"'


@pytest.mark.parametrize(
    "change, found",
    [
        ({"batch_size": None}, 'no "batch_size" in it'),
        (
            {"batch_size": "many"},
            "batch_size: not a valid integer, unable to parse string as an integer",
        ),
    ],
)
def test_incomplete_provenance_is_a_complaint(
    results: Results, make_predictions: MakePredictions, change: dict[str, Any], found: str
) -> None:
    results.save_predictions(make_predictions([[0]]))
    rewrite_facts(results.predictions_file("old", "resnet"), **change)
    with pytest.raises(StoreError) as caught:
        results.provenance("old", "resnet")
    assert caught.value.found == found


def test_damage_anywhere_in_the_rows_is_noticed(results: Results, make_predictions: MakePredictions) -> None:
    rng = np.random.default_rng(list(b"damage"))
    stored = make_predictions(rng.integers(0, 10, (500, 5)), rng.random(500))
    results.save_predictions(stored)
    path = results.predictions_file("old", "resnet")
    whole = path.read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little")  # the end of a Parquet file: footer, its length, PAR1
    rows = len(whole) - footer - 8
    noticed = 0
    for position in rng.integers(0, rows, 200):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            loaded = results.load_predictions("old", "resnet")
        except StoreError:
            noticed += 1
        else:  # a bit that says nothing about the rows, in the head of a page
            np.testing.assert_array_equal(loaded.top, stored.top)
            np.testing.assert_array_equal(loaded.prob, stored.prob)
    assert noticed > 190


def test_a_file_cut_short_anywhere_is_noticed(results: Results, make_predictions: MakePredictions) -> None:
    results.save_predictions(make_predictions([[0, 1]] * 50))
    path = results.predictions_file("old", "resnet")
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match=r"^a stored file cannot be read\n"):
            results.load_predictions("old", "resnet")


def test_the_store_needs_no_torch(python: Callable[..., str], tmp_path: Path) -> None:
    code = "import sys; from evalshift.evaluate.store import Results; Results(sys.argv[1]).pairs(); "
    assert python(code + "print('torch' in sys.modules)", tmp_path) == "False\n"


# ------------------------------------------------------------------------------------------------------------- imports

IMPORTED = Imported(source="predictions", files={"answers.npy": "ef" * 32}, kind="top1", rules=["one column"])


def imported_facts(dataset: str, model: str = "resnet") -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "model": model,
        "dataset": dataset,
        "classes": "letters",
        "entry": {},
        "identity": {},
        "dataset_fingerprint": "labels:ab",
        "start": "2026-01-02T03:04:05+00:00",
        "imported": IMPORTED,
    }


def test_imported_predictions_come_back_without_what_only_a_run_knows(results: Results) -> None:
    provenance = Provenance(**imported_facts("old"))
    results.save_predictions(Predictions("resnet", "old", np.array([[2], [0]], np.int32), None, provenance))
    read = results.load_predictions("old", "resnet")
    assert read.top.tolist() == [[2], [0]]
    assert read.prob is None
    assert read.provenance == provenance
    assert (read.provenance.device, read.provenance.imported) == (None, IMPORTED)
    assert pq.read_table(results.predictions_file("old", "resnet")).column_names == ["top"]


def test_files_of_the_first_version_are_still_read(results: Results, make_predictions: MakePredictions) -> None:
    results.save_dataset(stored_dataset())
    results.save_predictions(make_predictions([[0]], [0.5]))
    results.add_pairs(["old:new"])
    rewrite_facts(results.dataset_file("old"), schema_version=1)
    rewrite_facts(results.predictions_file("old", "resnet"), schema_version=1, imported=None)
    pairs = results.path / "pairs.json"
    pairs.write_text(pairs.read_text().replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 1'))
    assert len(results.load_dataset("old")) == 4
    read = results.load_predictions("old", "resnet")
    assert (read.provenance.imported, read.provenance.device) == (None, "cpu (1 threads)")
    assert read.prob is not None
    assert results.pairs() == ["old:new"]


def counted(dataset: str, model: str, top1: int, top5: int | None = None, within: int = 0) -> Counted:
    return Counted(model, top1, top5, within, Provenance(**imported_facts(dataset, model)))


def test_counts_come_back_as_they_were_and_are_added_to(results: Results) -> None:
    assert results.load_counts("a/b") is None
    dataset = CountedDataset("a/b", 50_000, None)
    results.save_counts(dataset, [counted("a/b", "ß", 7, 9), counted("a/b", "x", 5, within=25)])
    results.save_counts(dataset, [counted("a/b", "x", 6), counted("a/b", "y", 0)])
    loaded = results.load_counts("a/b")
    assert loaded is not None
    assert loaded[0] == dataset
    assert len(loaded[0]) == 50_000
    assert loaded[1] == {
        "ß": counted("a/b", "ß", 7, 9),
        "x": counted("a/b", "x", 6),
        "y": counted("a/b", "y", 0),
    }


def test_a_handle_of_some_models_leaves_the_others_in_their_files(results: Results) -> None:
    results.save_counts(CountedDataset("old", 10, None), [counted("old", "x", 5), counted("old", "y", 6)])
    some = Results(results.path, only_models=("y",))
    assert list((some.load_counts("old") or ({}, {}))[1]) == ["y"]
    some.save_counts(CountedDataset("old", 10, None), [counted("old", "y", 7)])
    assert list((results.load_counts("old") or ({}, {}))[1]) == ["x", "y"]


def test_damaged_counts_are_a_complaint(results: Results) -> None:
    results.save_counts(CountedDataset("old", 10, None), [counted("old", "x", 5)])
    path = results.counts_file("old")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(StoreError) as caught:
        results.load_counts("old")
    assert (caught.value.problem, caught.value.where) == ("a stored file cannot be read", path)
    assert caught.value.fix == "delete it and import the counts again"


def test_the_mark_of_a_dataset_is_that_of_its_rows() -> None:
    dataset = stored_dataset()
    assert dataset.label_checksum == dataset.label_checksum
    assert dataset.label_checksum.startswith("labels:")
    assert " ids:" in dataset.label_checksum
    assert stored_dataset(ids=("0", "1", "2", "3")).label_checksum == dataset.label_checksum.partition(" ")[0]


class TestNotesBesideADataset:
    """Each is added to what is stored then: another process may have noted or stored something meanwhile."""

    def test_pictures_and_corrected_labels_of_two_processes_are_both_kept(self, results: Results) -> None:
        results.save_dataset(plain := stored_dataset())
        results.note_pictures("old", tuple("abcd"))
        results.note_corrected(replace(plain, corrected=np.array([[0], [1], [-1], [0]]), corrected_checksum="c"))
        found = results.load_dataset("old")
        assert found.pictures == tuple("abcd")
        assert found.corrected_checksum == "c"

    def test_corrected_labels_of_an_earlier_dataset_do_not_bring_it_back(self, results: Results) -> None:
        earlier = stored_dataset()
        results.save_dataset(replace(earlier, fingerprint="another"))
        results.note_corrected(replace(earlier, corrected=np.array([[0], [1], [-1], [0]]), corrected_checksum="c"))
        assert results.load_dataset("old").fingerprint == "another"
        assert results.load_dataset("old").corrected is None


@pytest.mark.parametrize("name", ["a\nb  99.9 %", "\x1b[2Jnet", "net\u202e", "a\tb", ""])
def test_a_name_that_would_forge_lines_of_a_table_is_neither_stored_nor_read(
    results: Results, make_predictions: MakePredictions, name: str
) -> None:
    with pytest.raises(UsageError, match="invalid name"):
        results.save_predictions(replace(make_predictions([[1, 0]]), model=name))
    with pytest.raises(ValueError, match="not one line of text"):
        check_named({"model": name}, model=name)
