"""MATLAB files, read in a process of their own: a damaged one makes SciPy's reader crash Python, or take all memory."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evalshift.files import temporary_folder

# SVHN's 531,131 extra images take 1.6 GB, and less than two and a half times that while they are read.
MOST_BYTES, MOST_SECONDS = 4 << 30, 900


def read_matrices(
    path: Path, names: Sequence[str], *, most_bytes: int = MOST_BYTES, most_seconds: float = MOST_SECONDS
) -> list[np.ndarray]:
    """The numeric matrices of these names in a MATLAB file (version 7.2 or older), in this order.

    Raises ValueError, with what SciPy says, where the file is damaged, lacks one of them, or would take more than
    `most_bytes` of memory or `most_seconds`.
    """
    with temporary_folder() as folder:
        # -P: the modules beside the script are not to be taken for libraries of the same name.
        script = [sys.executable, "-P", str(Path(__file__).with_name("matlab_reader.py"))]
        command = [*script, str(path), str(folder), str(most_bytes), *names]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=most_seconds)
        except subprocess.TimeoutExpired as error:
            raise ValueError(f"the reader of MATLAB files was not done after {most_seconds:g} s") from error
        if done.returncode < 0:
            raise ValueError(f"the reader of MATLAB files ended with {signal.Signals(-done.returncode).name}")
        if done.returncode:
            raise ValueError((done.stderr.strip().splitlines() or ["no reason"])[-1])
        return [np.load(folder / f"{name}.npy", allow_pickle=False) for name in names]
