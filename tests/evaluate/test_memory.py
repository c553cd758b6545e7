import platform
import subprocess
import sys
from pathlib import Path

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


# Python tells its audit hooks of each function that ctypes looks up.
LOOKED_UP = """
import sys
looked_up = set()
sys.addaudithook(lambda event, arguments: looked_up.add(arguments[1]) if event == "ctypes.dlsym" else None)
try:
    {call}
finally:
    print("mallopt" in looked_up)
"""


def asks_glibc(call: str, cwd: Path) -> bool:
    ran = subprocess.run(
        [sys.executable, "-c", LOOKED_UP.format(call=call)], capture_output=True, text=True, check=True, cwd=cwd
    )
    return ran.stdout.splitlines()[-1] == "True"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's memory alone is told what to do")
def test_memory_is_kept_in_the_process_of_the_command_alone(tmp_path: Path) -> None:
    run = "import evalshift; evalshift.run(models=['digits-centroid-n20'], device='cpu')"
    assert not asks_glibc(run, tmp_path)
    command = "sys.argv = ['evalshift', '--version']; from evalshift.cli import main; main()"
    assert asks_glibc(command, tmp_path)
