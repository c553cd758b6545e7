"""The command where its output is closed, or leads to a full disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has /dev/full")


def ran(shell: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", f"exec '{sys.executable}' -m evalshift {shell}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    "shell, code",
    [("--version >&-", 0), ("--version <&- 2>&-", 0), ("list pairs >&- 2>&- <&-", 0), ("list nonsense 2>&-", 2)],
)
def test_streams_that_are_closed_are_nowhere(tmp_path: Path, shell: str, code: int) -> None:
    done = ran(shell, tmp_path)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize("shell", ["--version > /dev/full", "list models > /dev/full"])
def test_output_that_cannot_be_written_is_an_error(tmp_path: Path, shell: str) -> None:
    done = ran(shell, tmp_path)
    assert done.returncode == 2
    assert done.stderr == "evalshift: the output could not be written\n  found:    No space left on device\n"
