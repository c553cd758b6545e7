"""Processes that draw figures and compute statistics beside this one, started early, so that they are ready in time.

    with work_processes():
        report(...).save()

A process is a fresh interpreter rather than a fork: that is sound with threads and on every system. It is no child of
`multiprocessing`, which would run a user's script a second time. Where one cannot be started, or fails, its share is
done in this process, which so raises whatever is wrong with it.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result", covariant=True)

# More gain little: what they do not draw takes longer by then.
_MOST = 3

# Seconds that a process gets to end.
_PATIENCE = 0.5

# Replies of a process; the length of the pickled result, in as many bytes as a number, and the result follow DONE.
DONE, NOT_DONE, NO_MORE = b"1", b"0", b"-"
NUMBER = 8

_running: list[subprocess.Popen[bytes]] = []


class Work(Protocol[Result]):
    """Parts by their numbers from 0 on; can be pickled, as their results can."""

    def count(self) -> int:
        """How many parts there are."""
        ...

    def do_one(self, number: int) -> Result:
        """Do one of them."""
        ...


@contextmanager
def work_processes(wanted: bool = True, most: int | None = None) -> Iterator[None]:
    """Have work shared with other processes, if there are several processors, for as long as the block takes.

    most   how many processes at most; a single figure needs one

    One less than there are processors: they load libraries while this one does, compute the statistics of some of
    several pairs, and draw while tables and page are made; then this process draws with them.
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
    # -P: a file in the working folder is not to be imported instead of a library.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "evalshift.analysis.report.work_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path},
    )


class SharedWork(Generic[Result]):
    """Work that is being done in the processes that are running."""

    def __init__(self, work: Work[Result]) -> None:
        self._work, self._numbers, self._results = work, count(), dict[int, Result]()
        pickled = _pickled(work) if _running else b""
        readers = _running if pickled else ()
        self._threads = [_Feeding(process, pickled, self._numbers, self._results) for process in readers]
        for thread in self._threads:
            thread.start()

    def finish(self) -> list[Result]:
        """Do what is left in this process, too, and what the others could not do; gives the results in order."""
        total = self._work.count()
        while (number := next(self._numbers)) < total:
            self._results[number] = self._work.do_one(number)
        for thread in self._threads:
            thread.join()
        return [
            self._results[number] if number in self._results else self._work.do_one(number) for number in range(total)
        ]


def shared(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """As `map`, with several items in the processes that are running, too."""
    work = _Calls(function, tuple(items))
    if work.count() < 2:
        return [function(item) for item in work.items]
    return SharedWork(work).finish()


@dataclass(frozen=True)
class _Calls(Generic[Item, Result]):
    function: Callable[[Item], Result]
    items: tuple[Item, ...]

    def count(self) -> int:
        return len(self.items)

    def do_one(self, number: int) -> Result:
        return self.function(self.items[number])


def _pickled(work: Work[Any]) -> bytes:
    """Nothing of work that cannot be sent."""
    try:
        return pickle.dumps(work, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError):
        return b""


class _Feeding(threading.Thread):
    """Sends work to a process, and requests its parts, one when the last is done; its results go into `results`."""

    def __init__(
        self, process: subprocess.Popen[bytes], pickled: bytes, numbers: Iterator[int], results: dict[int, Any]
    ) -> None:
        super().__init__(daemon=True)
        self._process, self._pickled, self._numbers, self._results = process, pickled, numbers, results
        self._next = next(numbers)  # its own from now on: a single figure is drawn by the process that waits for it

    def run(self) -> None:
        with suppress(OSError, EOFError, pickle.UnpicklingError):  # the process has ended
            self._send(self._pickled)
            while (reply := self._request(self._next)) != NO_MORE:
                if reply == DONE:
                    self._results[self._next] = pickle.loads(self._read(int.from_bytes(self._read(NUMBER))))
                self._next = next(self._numbers)

    def _request(self, number: int) -> bytes:
        self._send(number.to_bytes(NUMBER))
        return self._read(1)

    def _send(self, what: bytes) -> None:
        requests = self._process.stdin
        assert requests is not None
        requests.write(what)
        requests.flush()

    def _read(self, size: int) -> bytes:
        """So many bytes of a reply; EOFError where the process has ended."""
        replies = self._process.stdout
        assert replies is not None
        found = replies.read(size)
        if len(found) < size:
            raise EOFError
        return found
