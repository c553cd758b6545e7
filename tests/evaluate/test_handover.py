"""Predictions handed over by workers through a folder or an object store."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from evalshift.errors import StoreError, UsageError
from evalshift.evaluate.handover import Handover
from evalshift.evaluate.predictions import Predictions
from evalshift.evaluate.store import Results
from evalshift.files import TEMPORARY_SUFFIX

MakePredictions = Callable[..., Predictions]
LOGITS = np.array([[0.5, 1.5, -1], [2, 0, 1]], np.float16)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "handed over")
        return
    import fsspec

    yield "memory://evalshift-test/run"
    fsspec.filesystem("memory").store.clear()


def test_what_is_put_is_collected_once_with_its_logits(
    place: str, results: Results, make_predictions: MakePredictions
) -> None:
    handover = Handover(place)
    assert list(handover.collect(results)) == []
    handover.put(make_predictions([[0, 1], [1, 2]], model="a/b"), LOGITS)
    handover.put(make_predictions([[2, 1], [1, 0]], model="c"), None)
    assert sorted(Handover(place).collect(results)) == [("old", "a/b"), ("old", "c")]
    assert results.load_predictions("old", "a/b").top.tolist() == [[0, 1], [1, 2]]
    np.testing.assert_array_equal(results.load_logits("old", "a/b"), LOGITS)
    assert not results.has_logits("old", "c")
    assert list(handover.collect(results)) == []


def test_older_ones_than_those_stored_are_not_taken(
    place: str, results: Results, make_predictions: MakePredictions
) -> None:
    handover = Handover(place)
    results.save_predictions(make_predictions([[1, 1]], start="2026-02-01T00:00:00+00:00"))
    handover.put(make_predictions([[0, 1]], start="2026-01-01T00:00:00+00:00"), None)
    assert list(handover.collect(results)) == []
    assert results.load_predictions("old", "resnet").top.tolist() == [[1, 1]]


def test_a_full_disk_and_workers_that_were_killed_leave_nothing_for_good(
    tmp_path: Path, results: Results, make_predictions: MakePredictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    handover = Handover(str(tmp_path / "place"))

    def half(path: str, content: bytes) -> None:
        Path(path).write_bytes(content[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(handover._files, "pipe_file", half)
        with pytest.raises(StoreError) as caught:
            handover.put(make_predictions([[0, 1]]), LOGITS)
    assert caught.value.found == "OSError: [Errno 28] No space left on device"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    folder = tmp_path / "place" / "predictions" / "old"
    folder.mkdir(parents=True)
    for name, age in (("old", 2 * 24 * 3600), ("new", 0)):
        (folder / f".{name}{TEMPORARY_SUFFIX}").write_bytes(b"half")
        written = time.time() - age
        os.utime(folder / f".{name}{TEMPORARY_SUFFIX}", (written, written))
    assert list(handover.collect(results)) == []
    assert [path.name for path in folder.iterdir()] == [f".new{TEMPORARY_SUFFIX}"]


def test_a_file_that_did_not_become_whole_is_neither_taken_nor_left(
    tmp_path: Path, results: Results, make_predictions: MakePredictions
) -> None:
    place = tmp_path / "shared"
    handover = Handover(str(place))
    handover.put(make_predictions([[0, 1]]), None)
    [path] = place.glob("predictions/*/*.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    assert list(handover.collect(results)) == []
    assert not list(place.rglob("*.parquet"))
    assert results.models("old") == []


def test_nothing_unfinished_is_ever_seen_in_a_folder(
    tmp_path: Path, make_predictions: MakePredictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system the file is written under another name and renamed, whatever fsspec does with it."""
    handover = Handover(str(tmp_path / "shared"))
    seen: list[list[str]] = []
    pipe = handover._files.pipe_file
    monkeypatch.setattr(
        handover._files,
        "pipe_file",
        lambda path, content: (
            pipe(path, content[:10]),
            seen.append([one.name for one in tmp_path.rglob("*.parquet")]),
            pipe(path, content),
        ),
    )
    handover.put(make_predictions([[0, 1]]), None)
    assert seen == [[]]
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_a_place_of_an_unknown_kind(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Handover("nowhere://me:secret@host/x")
    assert caught.value.found is not None
    assert str(caught.value.found).startswith("nowhere://host/x: ")


def test_a_place_that_cannot_be_written_to(tmp_path: Path, make_predictions: MakePredictions) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        Handover(str(tmp_path / "file")).put(make_predictions([[0, 1]]), None)
    assert caught.value.problem == "predictions cannot be handed over"


@pytest.mark.late
def test_through_s3(results: Results, make_predictions: MakePredictions, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto responds as S3 does; an object is there once all of it was sent."""
    s3fs = pytest.importorskip("s3fs", reason="the test extra brings it")
    server = pytest.importorskip("moto.server", reason="the test extra brings it").ThreadedMotoServer(port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in {
            "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem(endpoint_url=f"http://{host}:{port}").mkdir("bucket")
        handover = Handover("s3://bucket/run")
        handover.put(make_predictions([[0, 1], [1, 2]], model="a/b"), LOGITS)
        assert list(Handover("s3://bucket/run").collect(results)) == [("old", "a/b")]
        np.testing.assert_array_equal(results.load_logits("old", "a/b"), LOGITS)
        assert list(Handover("s3://bucket/run").collect(results)) == []
        with pytest.raises(StoreError):
            Handover("s3://no-such-bucket/run").put(make_predictions([[0, 1]]), None)
    finally:
        server.stop()


def test_predictions_of_other_runs_stay_where_they_are(
    place: str, results: Results, make_predictions: MakePredictions
) -> None:
    handover = Handover(place)
    handover.put(make_predictions([[0, 1]], model="mine"), None)
    handover.put(make_predictions([[1, 0]], model="theirs"), None)
    looked: list[str] = []

    def is_mine(predictions: Predictions) -> bool:
        looked.append(predictions.model)
        return predictions.model == "mine"

    assert list(handover.collect(results, is_mine)) == [("old", "mine")]
    assert list(handover.collect(results, is_mine)) == []
    assert looked.count("theirs") == 1
    handover.put(make_predictions([[1, 1]], model="theirs"), None)
    assert list(handover.collect(results)) == [("old", "theirs")]  # another file by now
    assert results.load_predictions("old", "theirs").top.tolist() == [[1, 1]]


@pytest.mark.parametrize("name", ["results", "others"])
def test_a_results_folder_is_refused(
    tmp_path: Path, results: Results, make_predictions: MakePredictions, name: str
) -> None:
    """Its predictions would be moved away."""
    folder = Results(tmp_path / name)
    folder.save_predictions(make_predictions([[0, 1]]))
    if name == "others":
        folder.add_pairs(["old:new"])
    with pytest.raises(UsageError) as caught:
        list(Handover(str(tmp_path / name)).collect(results))
    assert caught.value.problem == "predictions cannot be handed over through a results folder"
    assert folder.models("old") == ["resnet"]
