"""How a child process ended is known, whatever ignores SIGCHLD."""

import subprocess
import sys
from pathlib import Path

import pytest
from commandline import run_apart

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGCHLD")

IGNORE = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
CHILD = "subprocess.run([sys.executable, '-c', 'raise SystemExit(3)']).returncode"


def test_a_library_that_ignores_children_behind_pythons_back() -> None:
    code = f"""
import ctypes, signal, subprocess, sys
from evalshift.exit_codes import sigchld_kept
with sigchld_kept():
    ctypes.CDLL(None).signal(int(signal.SIGCHLD), ctypes.c_void_p(1))  # SIG_IGN
    print({CHILD})
print({CHILD})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "3"]


def test_a_command_that_inherits_that_children_are_ignored(tmp_path: Path) -> None:
    after = f"import atexit, subprocess; atexit.register(lambda: print({CHILD}))"
    ran = run_apart("list", "datasets", folder=tmp_path, before=f"{IGNORE}; {after}")
    assert ran.code == 0
    assert ran.out.endswith("\n3\n")
