"""The process that watches another one run models: it ends when that is done, leaves nothing behind, and goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")

# A run of models `a` and `b`: what the first does, what comes after it, then the end.
RUN = """
import os, signal, subprocess, sys, threading, time
from pathlib import Path
from evalshift import interrupts
from evalshift.evaluate import supervisor
from evalshift.evaluate.at_work import at_work, notes
supervisor._GRACE_SECONDS = supervisor._LEFT_SECONDS = 0.3
supervisor.supervise()
left = notes(Path("."))
if "a" not in left:
    with at_work(Path("."), "a", {{}}):
        print("a", flush=True)
        {within}
    {after}
with at_work(Path("."), "b", {{}}):
    print("b", flush=True)
supervisor.report_exit(7)
"""


def run(folder: Path, within: str = "pass", after: str = "pass") -> subprocess.CompletedProcess[str]:
    code = RUN.format(within=within, after=after)
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "within",
    [
        "threading.Thread(target=time.sleep, args=(1000,)).start()",
        "import atexit; atexit.register(time.sleep, 1000)",
        "import atexit; atexit.register(os._exit, 3)",
        "import atexit; atexit.register(os.abort)",
    ],
)
def test_a_run_that_is_done_ends_whatever_a_model_left(tmp_path: Path, within: str) -> None:
    began = time.monotonic()
    ran = run(tmp_path, within)
    assert (ran.returncode, ran.stdout.split(), ran.stderr) == (7, ["a", "b"], "")
    assert time.monotonic() - began < 30


def test_no_process_that_a_model_started_is_left(tmp_path: Path) -> None:
    mark = f"{os.getpid()}.25"
    ran = run(tmp_path, f'subprocess.Popen(["sleep", "{mark}"], start_new_session=True)')
    assert ran.returncode == 7
    assert not [one for one in psutil.process_iter(["cmdline"]) if mark in (one.info["cmdline"] or ())]


def test_a_model_that_closes_all_files_is_named(tmp_path: Path) -> None:
    ran = run(tmp_path, "os.closerange(3, 100); kept = [open(f'{number}', 'w') for number in range(20)]")
    assert ran.returncode == 7
    said = "evalshift: a took the run down: it closed files that evalshift had open; the run goes on without it"
    assert ran.stderr.strip() == said
    assert ran.stdout.split() == ["a", "b"]
    assert not [path for path in tmp_path.iterdir() if path.is_file() and path.read_bytes()]


def test_a_run_that_ends_between_two_models_goes_on_and_not_for_ever(tmp_path: Path) -> None:
    once = "Path('done').exists() or (Path('done').touch(), os.abort())"
    ran = run(tmp_path, after=once)
    assert (ran.returncode, ran.stdout.split()) == (7, ["a", "a", "b"])
    assert ran.stderr.strip() == "evalshift: the run ended after a: an abort; it goes on"
    ran = run(tmp_path, after="os.abort()")
    assert (ran.returncode, ran.stdout.split()) == (1, ["a"] * 4)
    assert ran.stderr.strip().endswith("evalshift: the run ended unexpectedly: an abort")


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_run_whose_model_ignores_it(tmp_path: Path, number: signal.Signals, code: int) -> None:
    ignore = "[signal.signal(one, signal.SIG_IGN) for one in (1, 2, 10, 15)]; Path('hangs').touch(); time.sleep(1000)"
    heard = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_DFL)"  # though the tests were started by nohup
    program = heard + RUN.format(within=ignore, after="pass")
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not (tmp_path / "hangs").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    children = psutil.Process(process.pid).children()
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == code
    assert not psutil.wait_procs(children, timeout=5)[1]
    assert not (tmp_path / ".at-work").exists()  # no model is to blame


def test_a_run_that_was_started_by_nohup_goes_on_after_sighup(tmp_path: Path) -> None:
    code = RUN.format(within="os.kill(os.getppid(), 1); os.kill(os.getpid(), 1); time.sleep(0.2)", after="pass")
    command = ["nohup", sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout.split()) == (7, ["a", "b"])


def test_what_a_killed_run_left_is_removed_by_its_parent(tmp_path: Path) -> None:
    (tmp_path / "session" / "logs").mkdir(parents=True)
    ran = run(tmp_path, "supervisor.remove_if_killed(Path('session')); os.abort()")
    assert (ran.returncode, ran.stdout.split()) == (7, ["a", "b"])
    assert not (tmp_path / "session").exists()


def test_with_ray_a_run_goes_on_that_ended_before_any_model(tmp_path: Path) -> None:
    code = (
        "import os\nfrom pathlib import Path\nfrom evalshift.evaluate import supervisor\n"
        "supervisor.supervise(with_ray=True)\n"
        "if not Path('done').exists():\n    Path('done').touch()\n    os._exit(1)\n"
        "supervisor.report_exit(7)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 7
    assert "evalshift: the run ended: ray ended its main process (" in ran.stderr
    assert ran.stderr.endswith("); it goes on\n")


def test_a_model_that_raises_keyboard_interrupt_by_itself_is_not_taken_for_ctrl_c(tmp_path: Path) -> None:
    within = (
        "try: raise KeyboardInterrupt\n"
        "        except BaseException as error: interrupts.raise_interrupt(error); print('no')"
    )
    assert run(tmp_path, within).stdout.split() == ["a", "no", "b"]
