import platform
import subprocess
import sys

import pytest

from evalshift.evaluate.memory import keep_freed_memory

# Ten pieces of 8 MB are taken, filled and left on a thread, as the layers of a network do with theirs.
LAYERS = """
import ctypes, resource, sys, threading
from evalshift.evaluate.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
c = ctypes.CDLL(None)
c.malloc.restype, c.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
def layers():
    for _ in range(10):
        piece = c.malloc(8 * 1024**2)
        ctypes.memset(piece, 1, 8 * 1024**2)
        c.free(piece)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
thread = threading.Thread(target=layers)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", LAYERS, how], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's memory alone is told what to do")
def test_memory_that_a_layer_leaves_is_not_handed_out_anew_page_by_page() -> None:
    pages = 8 * 1024**2 // 4096
    assert page_faults("kept") < 1.5 * pages  # the first piece only
    assert page_faults("as it is") > 2 * pages


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
