"""Ctrl-C, SIGTERM and SIGHUP end a command soon, with one line and exit code 130, 143 or 129, and leave nothing behind.

    listen()                          lets a signal raise Stopped in the main thread of a command
    with removed_if_stopped(path):    writes a file or folder that nobody needs before it is whole

An exception alone does not end a command: it waits while a library computes, is lost in callbacks, and is followed by
the wait for threads. So a thread learns of the signal, too, and ends the process where it takes longer than a moment.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from evalshift import interrupts

# What a command gets to leave all as it should be.
GRACE_SECONDS = 1.2

_SIGNALS = tuple(number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)))
# Those that this process listens to.
_heard: list[int] = []
# The signals that came; the first decides on the exit code.
_received: list[int] = []
# What is said after a signal, and whether that was done.
_words = ["stopped"]
_said: list[bool] = []
_temporary: set[Path] = set()
# The pipe that the system writes to when a signal comes, and the thread that reads it.
_guard: list[tuple[int, int, threading.Thread]] = []


class Stopped(BaseException):
    """A signal asks this process to end. Not a KeyboardInterrupt, which libraries turn into errors of their own."""


def listen(grace: float = GRACE_SECONDS) -> None:
    """From now on, signals end this process soon. Those that it was started to ignore, as by nohup, stay ignored.

    grace   seconds after which it ends, whatever it is doing
    """
    if os.name != "posix" or threading.current_thread() is not threading.main_thread() or _guard:
        return  # Ctrl-C is a KeyboardInterrupt elsewhere
    interrupts.watch()
    _heard[:] = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    listen_again()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    thread = threading.Thread(target=_wait, args=(reading, grace), name="evalshift-stop", daemon=True)
    thread.start()
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _guard[:] = [(reading, writing, thread)]


def listen_again() -> None:
    """Take signals back from a library that took them, in a process that listens to them."""
    for number in _heard:
        signal.signal(number, _on_signal)


def hand_over() -> None:
    """Another process sees to the end of this one, or of its children, from now on: without a thread, it can fork."""
    for reading, writing, thread in _guard:
        signal.set_wakeup_fd(-1)
        os.close(writing)
        thread.join()
        os.close(reading)
    _guard.clear()


def stop(number: int) -> NoReturn:
    """Note that this signal ends the process, and raise Stopped."""
    _received.append(number)
    interrupts.note_interrupt()
    # Where Stopped is lost, as in callbacks and threads, nothing is said of it: the process ends all the same.
    sys.unraisablehook = threading.excepthook = lambda _: None
    raise Stopped


def is_listening() -> bool:
    """Whether signals end this process as `listen` says."""
    return bool(_guard)


def is_stopping() -> bool:
    """Whether a signal came that ends this process."""
    return bool(_received)


def exit_code() -> int:
    """The exit code after a signal, as shells count it; that of Ctrl-C where none came."""
    return 128 + (_received[0] if _received else signal.SIGINT)


def say_after_signal(words: str) -> None:
    """Choose what is said after a signal: what became of the work."""
    _words[:] = [words]


def say() -> None:
    """Say in a line that the command was stopped, once."""
    if _said:
        return
    _said.append(True)
    with suppress(OSError, ValueError):  # by the system: another thread may hold Python's stream
        number = sys.stderr.fileno()
        at_terminal = os.isatty(number)
        # A terminal shows ^C before it; bars may have hidden its cursor.
        before, after = ("\n", "\x1b[?25h") if at_terminal else ("", "")
        os.write(number, f"{before}evalshift: {_words[0]}\n{after}".encode(errors="replace"))


@contextmanager
def removed_if_stopped(path: Path) -> Iterator[None]:
    """Remove a file or folder where a signal ends the process in this block, before the block can remove it itself."""
    _temporary.add(path)
    try:
        yield
    finally:
        if not _received:
            _temporary.discard(path)


def end() -> NoReturn:
    """End the process after a signal: without waiting for threads, and without what they say when they cannot end."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    say()
    with suppress(BaseException):
        atexit._run_exitfuncs()
    _leave()


def _on_signal(number: int, _: Any) -> None:
    if not _received:  # more than one changes nothing: the end is near
        stop(number)


def _wait(reading: int, grace: float) -> None:
    """Wait for a signal, then end the process unless it ends by itself within a moment."""
    while content := os.read(reading, 64):
        signals = [number for number in content if number in _SIGNALS]
        if not signals:
            continue
        threading.Event().wait(grace)
        if not _received:
            _received.append(signals[0])
        say()
        _leave()


def _leave() -> NoReturn:
    with suppress(Exception):
        _end_children()
    for path in list(_temporary):
        remove(path)
    os._exit(exit_code())


def remove(path: Path) -> None:
    """Remove a file or folder, as far as that is possible."""
    import shutil

    with suppress(OSError):
        path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)


def _end_children() -> None:
    import psutil

    children = psutil.Process().children(recursive=True)
    for process in children:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(children, timeout=0.3)  # in a container, nobody else may take note of their end
