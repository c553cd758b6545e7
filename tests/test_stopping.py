"""A signal ends a command soon, with one line and its exit code, whatever it is doing; nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from commandline import end, start, write_testbed

pytestmark = pytest.mark.skipif(os.name != "posix", reason="other systems have no such signals")

PROGRAM = """
import ctypes, os, signal, subprocess, sys, threading, time
from pathlib import Path
from evalshift import stopping
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored
stopping.GRACE_SECONDS = 0.2
stopping.listen(0.2)
child = subprocess.Popen(["sleep", "1000"])
Path("part").write_text("half")
class Swallows:
    def __del__(self):
        Path("ready").write_text(str(child.pid))
        time.sleep(1000)
try:
    with stopping.removed_if_stopped(Path("part")):
        {busy}
except BaseException:
    {after}
    stopping.end()
"""
READY = "Path('ready').write_text(str(child.pid))"
BUSY = {
    "python": (f"{READY}; time.sleep(1000)", "pass"),
    "library": (f"{READY}; ctypes.CDLL(None).sleep(1000); time.sleep(1000)", "pass"),
    "callback": ("Swallows(); time.sleep(1000)", "pass"),
    "cleaning up": (f"{READY}; time.sleep(1000)", "time.sleep(1000)"),
    "threads": (f"threading.Thread(target=time.sleep, args=(1000,)).start(); {READY}; time.sleep(1000)", "pass"),
    "at exit": (f"import atexit; atexit.register(time.sleep, 1000); {READY}; time.sleep(1000)", "pass"),
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("busy", ["python", "library"])
def test_a_process_ends_at_a_signal(tmp_path: Path, busy: str, number: signal.Signals) -> None:
    stop(tmp_path, busy, number)


@pytest.mark.parametrize("busy", ["callback", "cleaning up", "threads", "at exit"])
def test_a_process_that_an_exception_does_not_end_ends_at_a_signal(tmp_path: Path, busy: str) -> None:
    stop(tmp_path, busy, signal.SIGTERM)


def stop(folder: Path, busy: str, number: signal.Signals) -> None:
    within, after = BUSY[busy]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(busy=within, after=after)], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    child = int(wait_for(folder / "ready", process))
    process.send_signal(number)
    err = process.communicate(timeout=30)[1]
    assert (process.returncode, err) == (128 + number, "evalshift: stopped\n")
    assert not (folder / "part").exists()
    assert not psutil.pid_exists(child)


def wait_for(path: Path, process: "subprocess.Popen[str]") -> str:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    return path.read_text()


# ------------------------------------------------------------------------------------------------------ the commands

# Sends the command a signal at the first event of this kind whose arguments hold a word: while a module is imported, …
AT_EVENT = """
import os, signal, sys
def hook(event, arguments, process=os.getpid(), sent=[]):
    if not sent and event == {event!r} and {word!r} in str(arguments):
        sent.append(True)
        os.kill(process, signal.{name})
sys.addaudithook(hook)
"""
REPORT = ("report", "--results", "results", "--out", "made", "--bootstrap", "100", "--format", "svg")
FIGURE = ("figure", "scatter", "--published", "recht2019", "--pair", "cifar10:cifar10.1-v6", "--out", "made.svg")
DUPLICATES = ("dataset", "duplicates", "original", "new", "--registry", "registry.yaml")
MOMENTS = {
    "libraries are imported": (("list", "models"), "import", "typer", "SIGINT"),
    "numpy is imported": (FIGURE, "import", "numpy", "SIGTERM"),
    "a registry is read": (("check", "--registry", "registry.yaml"), "open", "registry.yaml", "SIGINT"),
    "a process is started": (REPORT, "subprocess.Popen", "work_process", "SIGTERM"),
    "a figure is drawn": (REPORT, "open", "figures", "SIGINT"),
    "a file gets its name": (REPORT, "os.rename", "summary.json", "SIGTERM"),
    "images are compared": (DUPLICATES, "open", "new_x", "SIGINT"),
    "torch is imported": (("run", "--registry", "registry.yaml", "--force"), "import", "torch.nn", "SIGTERM"),
}


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry, and what its models predicted."""
    folder = tmp_path_factory.mktemp("testbed")
    registry = write_testbed(folder)
    assert end(start("run", "--registry", registry, "--device", "cpu", folder=folder)).code == 0
    return folder


@pytest.mark.late
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_command_that_is_stopped_leaves_nothing(testbed: Path, moment: str) -> None:
    command, event, word, name = MOMENTS[moment]
    before = set(testbed.rglob("*"))
    ran = end(start(*command, folder=testbed, before=AT_EVENT.format(event=event, word=word, name=name)))
    assert ran.code == 128 + getattr(signal, name)
    assert ran.err.splitlines()[-1].startswith("evalshift: stopped")
    assert ran.err.count("evalshift: ") == 1
    left = [path for path in set(testbed.rglob("*")) - before if path.name.startswith(".") or "tmp" in path.suffix]
    assert left == []


@pytest.mark.late
@pytest.mark.parametrize("command", {moment[0]: None for moment in MOMENTS.values()}, ids=lambda command: command[0])
def test_a_command_that_was_stopped_works_the_next_time(testbed: Path, command: tuple[str, ...]) -> None:
    ran = end(start(*command, folder=testbed))
    assert ran.code == 0, ran.err
