"""`evalshift view`: a page on this machine, renewed as predictions come, with pictures and nothing else of the disk."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from evalshift.analysis.report import report
from evalshift.console.view import LiveReport, serve, state_of
from evalshift.evaluate.store import StoredDataset
from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.datasets import fingerprint, load_dataset
from evalshift.testbed.own_dataset_entries import NpyDataset

LETTERS = ClassSpace("letters", tuple("abcdef"))
Get = Callable[..., tuple[int, bytes]]


@pytest.fixture
def filled(store, tmp_path: Path):
    """A pair of arrays on disk whose second image the only model misses."""
    np.save(tmp_path / "labels.npy", np.array([0, 1]))
    for name in ("old", "new"):
        np.save(tmp_path / f"{name}.npy", np.full((2, 2, 2, 3), 200, np.uint8))
        entry = NpyDataset(
            source="npy", images=tmp_path / f"{name}.npy", labels=tmp_path / "labels.npy", classes="letters"
        )
        dataset = load_dataset(name, entry, LETTERS)
        facts = (dataset.ids, dataset.labels, "letters", LETTERS.names, fingerprint(dataset), None)
        store.results.save_dataset(StoredDataset(name, *facts, entry.model_dump(mode="json", exclude_defaults=True)))
        predict(store, name, "only")
    store.results.add_pairs(["old:new"])
    return store


def predict(store, name: str, model: str) -> None:
    known = store.results.load_dataset(name).fingerprint
    store.predictions(name, model, [[0, 1, 2, 3, 4]] * 2, dataset_fingerprint=known)


@pytest.fixture
def get(filled) -> Iterator[Get]:
    server = serve(filled.results.path, resamples=20)
    Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]

    def ask(path: str, host: str = f"127.0.0.1:{port}") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.putrequest("GET", path, skip_host=True)
        connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    yield ask
    server.shutdown()
    server.server_close()


def wait_for(get: Get, other_than: str = "") -> str:
    """The state that is shown, once it is another one."""
    for _ in range(600):
        state = json.loads(get("/state")[1])
        if state["shown"] and state["shown"] != other_than and not state["computing"]:
            return state["shown"]
        time.sleep(0.05)
    raise AssertionError("no report within half a minute")


def test_the_page_is_renewed_when_predictions_come(get, filled):
    assert b"computing statistics" in get("/")[1]
    first = wait_for(get)
    page = get("/")[1].decode()
    assert f'name="evalshift-live" content="{first}"' in page
    assert "1 model" in page
    for name in ("old", "new"):
        predict(filled, name, "second")

    assert wait_for(get, other_than=first) == state_of(filled.results.path)
    assert "2 models" in get("/")[1].decode()


def test_pictures_are_those_of_the_datasets_and_no_file_else(get, tmp_path):
    wait_for(get)
    assert b'src="/pictures/new/1"' in get("/")[1]
    status, picture = get("/pictures/new/1")
    assert (status, picture[:4]) == (200, b"\x89PNG")
    (tmp_path / "secret.npy").write_bytes(b"secret")
    for path in (
        "/pictures/new/2",
        "/pictures/new/-1",
        "/pictures/new/99999999999999999999999999999999",
        "/pictures/../secret.npy",
        "/pictures/..%2Fsecret/1",
        "/pictures/%2E%2E/1",
        "/../../etc/passwd",
        "/labels.npy",
        "//etc/passwd",
    ):
        assert get(path) == (404, b"not found"), path


def test_no_other_host_is_served(get):
    assert get("/", host="evil.example:80")[0] == 403
    assert get("/state", host="")[0] == 403


def test_an_empty_folder_is_waited_for(tmp_path):
    seen = Event()

    def summary():
        seen.wait(10)  # else it may be done before the page is
        return report(tmp_path / "nothing", resamples=20).summary

    live = LiveReport(tmp_path, summary)
    assert "computing statistics" in live.page().decode()
    seen.set()
    for _ in range(200):
        if live.state()["words"]:
            break
        time.sleep(0.05)
    assert "This page renews itself when predictions come." in live.page().decode()
