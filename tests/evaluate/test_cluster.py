"""With ray, models run in workers of their own and are stored as by a run here."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from messages import says

from evalshift.errors import DataError, UsageError
from evalshift.evaluate import ray_connection
from evalshift.evaluate.handover import Handover
from evalshift.evaluate.options import Options
from evalshift.evaluate.ray_connection import connected

pytest.importorskip("ray", reason="ray is not installed")

pytestmark = pytest.mark.late


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One for all tests here: starting it takes most of the time."""
    with connected(None):
        yield


def test_it_stores_what_a_run_here_stores(project: Any, cluster: None) -> None:
    for name in ("one", "two", "three"):
        project.model(name)
    project.model("nan", arguments={"fault": "nan"})
    project.model("exits", arguments={"fault": "exit"})
    here, _ = project.run()
    expected = {name: here.load_predictions("new", name) for name in here.models("new")}
    there, said = project.run(executor="ray", force=True)
    assert there.models("new") == ["one", "three", "two"]
    for name, one in expected.items():
        other = there.load_predictions("new", name)
        assert other.top.tolist() == one.top.tolist()
        assert other.prob.tolist() == one.prob.tolist()
        assert other.provenance.start >= one.provenance.start
        assert other.provenance.entry == one.provenance.entry
        assert other.provenance.git_revision == one.provenance.git_revision
    assert sorted(failure.model for failure in there.failures) == ["exits", "exits", "nan", "nan"]
    assert "nan on new failed: the network gives logits that are not finite\n" in said
    assert "nothing to do" in project.run(models=["one", "two", "three"])[1]


def test_exit_codes_of_children_are_known_here_and_in_workers(project: Any, cluster: None) -> None:
    """Ray ignores SIGCHLD in both; the system then keeps no exit code, and each child seems to end with 0."""
    assert subprocess.run([sys.executable, "-c", "raise SystemExit(3)"]).returncode == 3
    with (project.path / "networks.py").open("a") as networks:
        networks.write("""
def with_child():
    import subprocess, sys
    assert subprocess.run([sys.executable, "-c", "raise SystemExit(3)"]).returncode == 3
    return shades()
""")
    project.model("child", "with_child")
    results, said = project.run(executor="ray")
    assert (results.models("new"), results.failures) == (["child"], ()), said


def test_workers_have_the_priority_of_the_run_itself(cluster: None) -> None:
    import ray

    assert ray.get(ray.remote(lambda: os.nice(0)).remote()) == os.nice(0)


def test_a_worker_that_dies_is_one_model_that_failed(project: Any, cluster: None) -> None:
    project.model("good")
    project.model("dies", arguments={"fault": "die"})
    results, said = project.run(executor="ray")
    assert results.models("old") == results.models("new") == ["good"]
    [failure] = results.failures
    assert (failure.model, failure.dataset) == ("dies", None)
    assert failure.error.startswith("the worker process ended: ")
    assert "dies failed: the worker process ended: " in said


def test_a_model_that_raises_keyboard_interrupt_fails_alone_and_no_process_of_a_model_is_left(
    project: Any, cluster: None
) -> None:
    import psutil

    mark = f"{os.getpid()}.75"
    with (project.path / "networks.py").open("a") as file:
        file.write(
            "\n\ndef interrupts():\n    raise KeyboardInterrupt\n"
            "\n\ndef leaves():\n    import subprocess\n"
            f"    subprocess.Popen(['sleep', '{mark}'], start_new_session=True)\n    return shades()\n"
        )
    project.model("interrupts", "interrupts")
    project.model("leaves", "leaves")
    project.model("good")
    results, _ = project.run(executor="ray")
    assert results.models("new") == ["good", "leaves"]
    [failure] = results.failures
    assert failure.error.startswith("the model cannot be built\n")
    assert not [one for one in psutil.process_iter(["cmdline"]) if mark in (one.info["cmdline"] or ())]


def test_what_is_handed_over_damaged_or_lost_is_run_again_and_foreign_files_stay(
    project: Any, cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        project.model(name)
    here, _ = project.run()
    expected = {name: here.load_predictions("new", name) for name in here.models("new")}
    place = tmp_path / "place"
    facts = expected["one"].provenance.model_copy(update={"model": "of another run"})
    Handover(str(place)).put(replace(expected["one"], model="of another run", provenance=facts), None)
    collect, faults = Handover.collect, ["damage", "lose"]

    def collect_later(self: Handover, *arguments: Any) -> Any:
        files = sorted(place.glob("predictions/*/[ot][nw]?.parquet"))
        if files and faults:
            fault = faults.pop()
            files[0].write_bytes(files[0].read_bytes()[:-50]) if fault == "damage" else files[0].unlink()
        return collect(self, *arguments)

    monkeypatch.setattr(Handover, "collect", collect_later)
    there, said = project.run(executor="ray", force=True, handover=str(place))
    assert (faults, there.failures) == ([], ())
    assert "what its worker handed over did not arrive whole; it is run again\n" in said
    for dataset in ("old", "new"):
        for name in ("one", "two"):
            assert there.provenance(dataset, name).start >= expected[name].provenance.start
    assert [path.stem for path in place.rglob("*.parquet")] == ["of another run"]
    # What a run that was stopped did not collect, the next one does before it plans.
    Handover(str(place)).put(there.load_predictions("new", "one"), None)
    project.results.predictions_file("new", "one").unlink()
    _, said = project.run(executor="ray", handover=str(place))
    assert "collected 1 prediction file that an earlier run handed over\n" in said
    assert "nothing to do" in said


def test_a_damaged_image_ends_the_run(project: Any, cluster: None) -> None:
    from PIL import Image

    for name in ("black", "white"):
        (project.path / "pictures" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(project.path / "pictures" / name / "1.png")
    damaged = project.path / "pictures" / "white" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:40])
    project.content["datasets"]["new"] = {"source": "folder", "path": "pictures", "classes": "shades"}
    project.model("good")
    with pytest.raises(DataError) as caught:
        project.run(executor="ray")
    assert caught.value.where == f"dataset new, {damaged}"


def test_without_ray_it_says_what_to_install(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    project.model("good")
    with pytest.raises(UsageError) as caught:
        project.run(executor="ray")
    says(caught.value, found="no such package")


def test_ray_that_cannot_be_started_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code = "from evalshift.evaluate.ray_connection import connected\nwith connected(None): pass"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"RAY_TMPDIR": str(tmp_path / "file" / "x")}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "UsageError: ray cannot be started on this machine\n  found:    NotADirectoryError: " in ran.stderr


@pytest.mark.parametrize(
    "reply, found", [(b"HTTP/1.0 400 Bad Request", "what listens there is not ray"), (b"", "timed out")]
)
def test_what_listens_at_an_address_and_is_not_ray_is_refused_soon(
    monkeypatch: pytest.MonkeyPatch, reply: bytes, found: str
) -> None:
    monkeypatch.setattr(ray_connection, "_REACH_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = []

        def respond() -> None:
            kept.append(server.accept()[0])
            kept[0].sendall(reply)

        thread = threading.Thread(target=respond)
        thread.start()
        with pytest.raises(OSError, match=found):
            ray_connection._reach(f"127.0.0.1:{server.getsockname()[1]}")
        thread.join()
        kept[0].close()


def test_workers_cannot_share_one_gpu_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Options(executor="ray", device="cuda:1")
    says(caught.value, found="`device` cuda:1")
