"""Processes that draw figures beside this one, started early, so that they are ready when there is something to draw.

    with drawing_processes():
        report(...).save()

A process is a fresh interpreter rather than a fork: that is sound with threads and on every system. It is no child of
`multiprocessing`, which would run a user's script a second time. Where one cannot be started, or fails, its figures are
drawn in this process, which so raises whatever is wrong with them.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

# More gain little: what they do not draw takes longer by then.
_MOST = 3

# Seconds that a process gets to end.
_PATIENCE = 0.5

# Replies of a process.
DRAWN, NOT_DRAWN, NO_MORE = b"1", b"0", b"-"

_running: list[subprocess.Popen[bytes]] = []


@contextmanager
def drawing_processes(wanted: bool = True, most: int | None = None) -> Iterator[None]:
    """Have figures drawn in other processes, if there are several processors, for as long as the block takes.

    most   how many processes at most; a single figure needs one

    One less than there are processors: they load libraries while statistics are computed here, and draw while tables
    and page are made; then this process draws with them.
    """
    processors = _processors() if wanted else 1
    try:
        for _ in range(min(most or _MOST, processors - 1) if processors > 1 else 0):
            with suppress(OSError, ValueError):
                _running.append(_start())
        yield
    finally:
        _end()


def _end() -> None:
    for process in _running:
        process.terminate()
    for process in _running:
        try:
            process.communicate(timeout=_PATIENCE)  # it removes the figure that is not whole
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    _running.clear()


def _processors() -> int:
    usable = getattr(os, "sched_getaffinity", None)  # which a container may leave fewer of
    return len(usable(0)) if usable else os.cpu_count() or 1


def _start() -> subprocess.Popen[bytes]:
    root = str(Path(__file__).parents[3])  # this evalshift, wherever it was imported from
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    # -P: a file in the working folder is not to be imported in place of a library.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "evalshift.analysis.report.drawing_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path},
    )


class Drawing:
    """Figures that are being drawn in the processes that are running, each by its number from 0 on.

    figures   can be pickled; `count()` says how many there are, and `save_one(number)` draws one
    """

    def __init__(self, figures: Any) -> None:
        self._figures, self._numbers, self._undone = figures, count(), list[int]()
        readers = [process for process in _running if _sent(figures, process)]
        self._threads = [_Feeding(process, self._numbers, self._undone) for process in readers]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Draw in this process, too, as long as there is something to draw, and what the others did not draw."""
        total = self._figures.count()
        while (number := next(self._numbers)) < total:
            self._figures.save_one(number)
        for thread in self._threads:
            thread.join()
        for number in sorted(number for number in self._undone if number < total):
            self._figures.save_one(number)


def _sent(figures: Any, process: "subprocess.Popen[bytes]") -> bool:
    """Whether a process could be sent the figures; they are pickled on the way, so that no copy of all is kept."""
    assert process.stdin is not None
    try:
        pickle.dump(figures, process.stdin, pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError, OSError):
        return False
    return True


class _Feeding(threading.Thread):
    """Requests figures of a process, one when the last is done; those that it does not draw are `undone`."""

    def __init__(self, process: subprocess.Popen[bytes], numbers: Iterator[int], undone: list[int]) -> None:
        super().__init__(daemon=True)
        self._process, self._numbers, self._undone = process, numbers, undone
        self._next = next(numbers)  # its own from now on: a single figure is drawn by the process that waits for it

    def run(self) -> None:
        reply = DRAWN
        while reply in (DRAWN, NOT_DRAWN):
            reply = self._request(self._next)
            if reply not in (DRAWN, NO_MORE):
                self._undone.append(self._next)
            self._next = next(self._numbers)

    def _request(self, number: int) -> bytes:
        """What the process replies; nothing where it has ended."""
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        try:
            requests.write(number.to_bytes(8))
            requests.flush()
            return replies.read(1)
        except OSError:
            return b""
