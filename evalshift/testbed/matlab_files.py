"""MATLAB files, read in a process of their own: a damaged one makes SciPy's reader crash Python."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# Numbers alone are handed over: np.save would pickle anything else.
_CHILD = """
import sys
from pathlib import Path
import numpy as np
from scipy.io import loadmat
source, folder, *names = sys.argv[1:]
try:
    found = loadmat(source, variable_names=names)
    for name in names:
        np.save(Path(folder) / f"{name}.npy", found[name], allow_pickle=False)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def read_matrices(path: Path, names: Sequence[str]) -> list[np.ndarray]:
    """The numeric matrices of these names in a MATLAB file (version 7.2 or older), in this order.

    Raises ValueError, with what SciPy says, where the file is damaged or lacks one of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _CHILD, str(path), folder, *names]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode < 0:
            raise ValueError(f"the reader of MATLAB files ended with {signal.Signals(-done.returncode).name}")
        if done.returncode:
            raise ValueError((done.stderr.strip().splitlines() or ["no reason"])[-1])
        return [np.load(Path(folder) / f"{name}.npy", allow_pickle=False) for name in names]
