"""A time after which the system ends this process, whatever its code does: a hanging network hears no exception.

On Linux by a timer of the process whose signal is SIGKILL. Nobody can block that, and Python has no name for the timer;
`signal.setitimer`, which scripts use for time limits of their own, is another one.
"""

import ctypes
import signal
import sys
from collections.abc import Callable

_CLOCK_MONOTONIC, _SIGEV_SIGNAL = 1, 0


class _Event(ctypes.Structure):
    """struct sigevent of the C library, 64 bytes."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_byte * 48),
    )


class _Times(ctypes.Structure):
    """struct itimerspec: the interval, which is none, and the time that is left."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


def end_after(seconds: float) -> None:
    """End this process in so many seconds, in place of any time that was set before; 0 for never."""
    if not _set:
        _set.append(_timer() or _alarm)
    _set[0](seconds)


_set: list[Callable[[float], None]] = []


def _timer() -> Callable[[float], None] | None:
    """What sets a timer of this process; None where the system has none."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "timer_create"):  # glibc before 2.34
        library = ctypes.CDLL("librt.so.1", use_errno=True)
    timer = ctypes.c_void_p()
    event = _Event(None, signal.SIGKILL, _SIGEV_SIGNAL)
    if library.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) != 0:
        return None
    library.timer_settime.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]

    def set_timer(seconds: float) -> None:
        times = _Times(0, 0, int(seconds), int(seconds % 1 * 1e9))
        library.timer_settime(timer, 0, ctypes.byref(times), None)

    return set_timer


def _alarm(seconds: float) -> None:
    # The system's own action, for which Python need not come to a line of its own.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
