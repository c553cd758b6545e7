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
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# More gain little: what they do not draw takes longer by then.
_MOST = 3
_running: list[subprocess.Popen[bytes]] = []


@contextmanager
def drawing_processes(wanted: bool = True) -> Iterator[None]:
    """Have figures drawn in as many processes as there are processors to spare, for as long as the block takes."""
    count = min(_MOST, _processors() - 1) if wanted else 0
    try:
        for _ in range(count):
            with suppress(OSError, ValueError):
                _running.append(_start())
        yield
    finally:
        for process in _running:
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
    """Figures that are being drawn in the processes that are running, each by its number.

    figures   can be pickled; its `save_one(number)` draws one
    count     how many there are, numbered from 0
    """

    def __init__(self, figures: Any, count: int) -> None:
        self._figures, self._waiting = figures, deque(range(count))
        self._undone: list[int] = []
        content = _pickled(figures) if _running and count > 1 else None
        processes = [] if content is None else _running
        self._threads = [_Feeding(one, content or b"", self._waiting, self._undone) for one in processes]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Draw what is left in this process too; returns when all are there."""
        while self._waiting:
            with suppress(IndexError):  # another process was quicker
                # From the other end: what was computed here already is used here.
                self._figures.save_one(self._waiting.pop())
        for thread in self._threads:
            thread.join()
        for number in self._undone:
            self._figures.save_one(number)


def _pickled(figures: Any) -> bytes | None:
    try:
        return pickle.dumps(figures, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError):
        return None


class _Feeding(threading.Thread):
    """Gives figures to a process, one when the last is done; those that it does not draw are `undone`."""

    def __init__(
        self, process: subprocess.Popen[bytes], content: bytes, waiting: deque[int], undone: list[int]
    ) -> None:
        super().__init__(daemon=True)
        self._process, self._content, self._waiting, self._undone = process, content, waiting, undone

    def run(self) -> None:
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        try:
            requests.write(len(self._content).to_bytes(8) + self._content)
        except OSError:
            return
        while True:
            try:
                number = self._waiting.popleft()
            except IndexError:
                return
            try:
                requests.write(number.to_bytes(8))
                requests.flush()
                drawn = replies.read(1) == b"1"
            except OSError:
                drawn = False
            if not drawn:
                self._undone.append(number)
                return
