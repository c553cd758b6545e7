"""Models that take their process down, never come back, or leave it changed: the others run, and the fault is named."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commandline import Ran, end, start

from evalshift.evaluate.at_work import Note, at_work, identity_checksum, notes
from evalshift.evaluate.store import Results

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")

FAULTS = """

class Faulty(nn.Module):
    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.inner = Shades((0.1, 0.4, 0.6, 0.9))

    def forward(self, images):
        globals()[self.fault]()
        return self.inner(images)


def faulty(fault, when="run"):
    if when == "build":
        globals()[fault]()
    return Faulty(fault)


def segfault():
    import ctypes
    ctypes.string_at(0)


def leave():
    os._exit(0)


def die():
    import signal
    os.kill(os.getpid(), signal.SIGKILL)


def abort():
    os.abort()


def hang():
    time.sleep(1e6)


def hang_in_c():
    import ctypes
    ctypes.PyDLL(None).sleep(1000)  # holds Python's lock: no signal handler runs


class Odd(BaseException):
    def __str__(self):
        raise ValueError


def odd():
    raise Odd


def change():
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    os.chdir("/")
"""


@pytest.fixture
def faulty(project: Any) -> Any:
    with (project.path / "networks.py").open("a") as file:
        file.write(FAULTS)
    project.model("a-good")
    return project


def add(project: Any, fault: str, **arguments: str) -> None:
    project.model(f"b-{fault}", "faulty", arguments={"fault": fault, **arguments})


def run_faulty(project: Any, *options: object) -> Ran:
    return end(start_faulty(project, *options))


def start_faulty(project: Any, *options: object, before: str = "") -> Any:
    registry = project.save()
    command = ("run", "--registry", registry, "--results", project.results.path, "--device", "cpu", "--batch-size", 4)
    return start(*command, *options, folder=project.path, before=before)


@linux
@pytest.mark.late
def test_models_that_take_the_process_down_or_hang_are_named_and_skipped_and_the_others_run(faulty: Any) -> None:
    add(faulty, "leave")
    add(faulty, "hang_in_c", when="build")
    faulty.model("c-good")
    # As some programs that start others leave it to them.
    ignored = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    ran = end(start_faulty(faulty, "--model-timeout", 5, before=ignored))
    assert ran.code == 1
    exited = "the process exited in the midst of it, with code 0"
    assert f"evalshift: b-leave took the run down: {exited}; the run goes on without it\n" in ran.err
    assert "evalshift: b-hang_in_c took the run down: no result after 5 s; the run goes on without it\n" in ran.err
    assert sorted(ran.err.splitlines()[-3:]) == [
        "  b-hang_in_c: it took a run down: no result after 5 s",
        f"  b-leave: it took a run down: {exited}",
        f"2 failed; the other predictions are in {faulty.results.path}:",
    ]
    assert faulty.results.models("new") == ["a-good", "c-good"]
    # In another run, also from Python, they are skipped at once, until they are corrected.
    faulty.content["models"]["b-hang_in_c"] = {**faulty.content["models"]["a-good"]}
    results, _ = faulty.run()
    assert [failure.model for failure in results.failures] == ["b-leave"]
    assert faulty.results.models("new") == ["a-good", "b-hang_in_c", "c-good"]
    assert list(notes(faulty.results.path)) == ["b-leave"]


def test_forced_models_that_an_earlier_process_of_the_command_has_done_are_not_run_again(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.model("a")
    project.run()
    monkeypatch.setattr("evalshift.evaluate.casualties.began", ["2020-01-01T00:00:00+00:00"])
    before = project.results.predictions_file("new", "a").stat().st_mtime_ns
    project.run(force=True)
    assert project.results.predictions_file("new", "a").stat().st_mtime_ns == before
    monkeypatch.setattr("evalshift.evaluate.casualties.began", ["2999-01-01T00:00:00+00:00"])
    project.run(force=True)
    assert project.results.predictions_file("new", "a").stat().st_mtime_ns > before


@linux
def test_of_several_models_at_work_none_is_blamed_and_each_is_tried_alone(tmp_path: Path) -> None:
    """As where models share one pass over images that fit nowhere."""
    code = (
        "import os, sys\nfrom contextlib import ExitStack\nfrom pathlib import Path\n"
        "from evalshift.evaluate.at_work import at_work, notes\nfrom evalshift.evaluate.supervisor import supervise\n"
        "supervise()\nleft = notes(Path('.'))\nprint(sorted(left), flush=True)\n"
        "with ExitStack() as stack:\n"
        "    for name in ['b'] if 'b' in left else ['a', 'b']:\n"
        "        stack.enter_context(at_work(Path('.'), name, {}))\n"
        "    if not left or left['b'].ended is None:\n        os.abort()\n"
        "from evalshift.evaluate.supervisor import report_exit\nreport_exit(7)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 7
    assert ran.stdout.splitlines() == ["[]", "['a', 'b']", "['a', 'b']"]
    assert "evalshift: an abort, with 2 models at work; each of them is run alone, last\n" in ran.stderr
    assert "evalshift: b took the run down: an abort; the run goes on without it\n" in ran.stderr


@linux
@pytest.mark.thorough
@pytest.mark.parametrize("fault, reason", [("die", "SIGKILL"), ("abort", "an abort"), ("segfault", "a segmentation")])
def test_every_end_of_a_process_is_told(faulty: Any, fault: str, reason: str) -> None:
    add(faulty, fault)
    faulty.model("c-good")
    ran = run_faulty(faulty, "--force")
    assert ran.code == 1
    assert f"b-{fault} took the run down: {reason}" in ran.err
    assert faulty.results.models("new") == ["a-good", "c-good"]


@linux
def test_ctrl_c_ends_a_run_that_hangs_in_a_network_and_blames_nobody(faulty: Any) -> None:
    add(faulty, "hang_in_c")
    process = start_faulty(faulty)
    deadline = time.monotonic() + 90
    while faulty.results.models("new") != ["a-good"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    ran = end(process)
    assert time.monotonic() - begin < 10
    assert ran.code == 130
    assert ran.err.endswith("evalshift: stopped; finished results are kept, and the same command resumes there\n")
    assert notes(faulty.results.path) == {}


def test_odd_exceptions_are_failures_of_their_model(faulty: Any) -> None:
    add(faulty, "odd")
    faulty.model("b-odd-build", "faulty", arguments={"fault": "odd", "when": "build"})
    faulty.model("c-good")
    results, said = faulty.run()
    assert {failure.model for failure in results.failures} == {"b-odd", "b-odd-build"}
    assert "b-odd on old failed: the network raised Odd: without a message" in said
    assert results.models("new") == ["a-good", "c-good"]


def test_what_a_builder_changes_for_the_whole_process_is_put_back(faulty: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.chdir(faulty.path)
    faulty.results = Results("results")  # relative to the working folder
    add(faulty, "change", when="build")
    faulty.model("c-good")
    before = Path.cwd(), torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()
    faulty.run()
    assert (Path.cwd(), torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()) == before
    assert faulty.results.models("new")[0] == "a-good"
    top = [faulty.results.load_predictions("new", name).top.tolist() for name in ("a-good", "c-good")]
    assert top[0] == top[1]


class TestNotes:
    def leave(self, results: Path, model: str = "m", **changes: Any) -> None:
        """A note of a process that is no more."""
        note = {"model": model, "identity": identity_checksum({}), "process": 2**22 + 1, "host": os.uname().nodename}
        (results / ".at-work").mkdir(parents=True, exist_ok=True)
        (results / ".at-work" / f"{model}.json").write_text(json.dumps(note | changes))

    def test_a_note_lies_there_while_a_model_is_at_work(self, tmp_path: Path) -> None:
        with at_work(tmp_path, "m", {"source": "python"}):
            [path] = (tmp_path / ".at-work").iterdir()
            assert json.loads(path.read_text())["model"] == "m"
            assert notes(tmp_path) == {}  # its process is this one
        assert not (tmp_path / ".at-work").exists()

    def test_an_exception_leaves_no_note(self, tmp_path: Path) -> None:
        def fail() -> None:
            with at_work(tmp_path, "m", {}):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        assert not (tmp_path / ".at-work").exists()

    def test_a_process_that_ended_unwatched_counts_as_a_try(self, tmp_path: Path) -> None:
        self.leave(tmp_path)
        assert notes(tmp_path)["m"].tries == 0
        with at_work(tmp_path, "m", {}):
            [path] = (tmp_path / ".at-work").iterdir()
            assert Note(**json.loads(path.read_text())).tries == 1

    @pytest.mark.parametrize("content", ["", "[]", '{"model": "m"}', "[" * 9999])
    def test_what_is_no_note_is_passed_over(self, tmp_path: Path, content: str) -> None:
        self.leave(tmp_path)
        (tmp_path / ".at-work" / "other.json").write_text(content)
        assert list(notes(tmp_path)) == ["m"]


def test_a_model_during_which_a_process_ended_unwatched_is_tried_once_more_after_all_others(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        project.model(name)
    registry = project.save()
    from evalshift.testbed.registry_reading import load_registry

    identity = identity_checksum(load_registry(registry).models["a"].identity())
    order: list[str] = []
    saved = Results.save_predictions
    monkeypatch.setattr(
        Results, "save_predictions", lambda self, one, logits=None: (order.append(one.model), saved(self, one, logits))
    )
    TestNotes().leave(project.results.path, "a", identity=identity)
    results, _ = project.run()
    assert (order, results.failures) == (["b", "b", "a", "a"], ())
    TestNotes().leave(project.results.path, "a", identity=identity, tries=1)
    np.testing.assert_equal(project.run(force=True)[0].failures, ())  # forced, it is tried
    TestNotes().leave(project.results.path, "a", identity=identity, tries=1)
    project.results.predictions_file("old", "a").unlink()
    results, said = project.run()
    [failure] = results.failures
    assert failure.error.startswith("it took a run down: the process ended twice while it ran\n")
    assert "a not run: it took a run down" in said
