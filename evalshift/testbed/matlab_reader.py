"""What reads a MATLAB file in a process of its own, run as a script: `matlab_reader.py FILE FOLDER BYTES NAME ...`.

The matrices of these names are left in the folder as npy files. More memory than BYTES beside what the libraries take
is an error where the system can limit it.
"""

import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
from scipy.io import loadmat


def limit_memory(most: int) -> None:
    """No more than this many bytes from now on. Linux only: elsewhere the limit does nothing, or cannot be read."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + most, resource.RLIM_INFINITY))


def main(source: str, folder: str, most: str, *names: str) -> None:
    """Leave each matrix in the folder as NAME.npy, or exit with what SciPy says."""
    limit_memory(int(most))
    try:
        found = loadmat(source, variable_names=names)
        for name in names:
            # Numbers alone are handed over: np.save would pickle anything else.
            np.save(Path(folder) / f"{name}.npy", found[name], allow_pickle=False)
    except KeyError as error:
        sys.exit(f'no "{error.args[0]}" in it')
    except MemoryError:
        sys.exit(f"more than {int(most):,} bytes of memory needed")
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
