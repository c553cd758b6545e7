"""A process ends at its time, whatever its code makes of signals."""

import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has such a timer")

PROGRAM = """
import ctypes, os, signal, time
from evalshift.evaluate.deadline import end_after
end_after(1000)
end_after({seconds})
{code}
"""
RESISTS = {
    "sets a time of its own": "signal.setitimer(signal.ITIMER_REAL, 0); signal.alarm(1000); time.sleep(1000)",
    "blocks all signals": "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()); time.sleep(1000)",
    "ignores signals": "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 14, 15)]; time.sleep(1000)",
    "holds the interpreter": "ctypes.PyDLL(None).sleep(1000)",
    "stops itself": "os.kill(os.getpid(), signal.SIGSTOP)",
}


@pytest.mark.parametrize("what", RESISTS)
def test_a_process_ends_at_its_time(what: str) -> None:
    began = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", PROGRAM.format(seconds=0.2, code=RESISTS[what])], timeout=60)
    assert ran.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 30


def test_a_time_can_be_called_off() -> None:
    code = PROGRAM.format(seconds=0.1, code="end_after(0); time.sleep(0.3)")
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
