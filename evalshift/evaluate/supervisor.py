"""A process that watches another one run models, and goes on without the model that takes it down.

A network is somebody's code: it may end the process (segmentation fault, os._exit, out of memory) or never come back.
The command forks before anything large is loaded. The child runs; the parent, a few megabytes that do nothing, waits.
Where the child ends in the midst of a model, the parent notes that with the model (see `at_work`) and forks again: what
is stored is skipped as in any run, and so is that model.
"""

import ctypes
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from evalshift import interrupts, stopping
from evalshift.evaluate import at_work

# Linux alone: macOS's own libraries do not survive a fork, and only Linux ends a child with its parent.
CAN_SUPERVISE = sys.platform == "linux"

_POLL_SECONDS = 0.1
# What a run gets to end once it is done: a model's thread may not end.
_GRACE_SECONDS = 3.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What processes that models started get to end by themselves after the run.
_LEFT_SECONDS = 1.0
# How often a run goes on that ended between two models.
_MOST_UNEXPLAINED = 3
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
# By name, as not every system has them all.
_WORDS = {
    "SIGSEGV": "a segmentation fault",
    "SIGABRT": "an abort",
    "SIGBUS": "a bus error",
    "SIGFPE": "an arithmetic fault",
    "SIGILL": "an illegal instruction",
    "SIGKILL": "SIGKILL, as the system sends where memory runs out",
}
# The exit code of a child in which a model closed what it had open.
_CLOSED = 121
# In a child: where its exit code goes, and which file that is.
_to_parent: list[tuple[int, int]] = []


def supervise(model_timeout: float | None = None, stopped: str = "stopped", with_ray: bool = False) -> None:
    """Go on in a child of this process, as often as it takes; the parent never returns, and exits as the last child.

    model_timeout   seconds that a model may take, on all of its datasets; None for any
    stopped         what to say after Ctrl-C, SIGTERM or SIGHUP where the child does not
    with_ray        whether models run in other processes: it is ray that ends the child then, which goes on
    """
    stopping.hand_over()
    began = datetime.now(UTC).isoformat(timespec="seconds")
    adopts = _adopt_orphans()
    unexplained = 0
    while True:
        child = _fork()
        if child is None:
            return
        watch = _Watch(child, model_timeout, stopped, adopts, unexplained < _MOST_UNEXPLAINED, with_ray)
        unexplained += not watch.go_on()
        at_work.began[:] = [began]


def is_watched() -> bool:
    """Whether this process is a child of `supervise`."""
    return bool(_to_parent)


def remove_if_killed(path: Path) -> None:
    """In a child of `supervise`: have the parent remove a file or folder that is left when the child has ended."""
    if _to_parent:
        _send({"left": str(path.absolute())})


def report_exit(code: Any) -> None:
    """In a child of `supervise`: the command is done, and this is its exit code (of SystemExit)."""
    if _to_parent:
        number = code if isinstance(code, int) else 0 if code is None else 1
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # a model may have closed it
                stream.flush()
        _send({"exit": number})


@dataclass
class _Child:
    process: int
    messages: int
    heard: bytes = b""


def _fork() -> _Child | None:
    """The child, as the parent sees it; None in the child."""
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    signals = {signal.SIGINT, signal.SIGUSR1}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # until each side knows what to do with them
    parent = os.getpid()
    process = os.fork()
    if process:
        os.close(writing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        return _Child(process, reading)
    os.close(reading)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    # A terminal sends Ctrl-C to both; the parent passes it on, so that it comes once.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGUSR1, lambda *_: stopping.stop(signal.SIGINT))
    interrupts.watch()
    for one in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(one) != signal.SIG_IGN:
            signal.signal(one, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    _to_parent[:] = [(writing, os.fstat(writing).st_ino)]
    at_work.tell(lambda model, path: _send({"model": model, "note": path and str(path.absolute())}), _check)
    return None


def _send(message: dict[str, Any]) -> None:
    _check()
    os.write(_to_parent[0][0], json.dumps(message).encode() + b"\n")


def _check() -> None:
    """End where a model closed what leads to the parent: it closed the images that the run reads, too."""
    [(pipe, file)] = _to_parent
    try:
        if os.fstat(pipe).st_ino == file:
            return
    except OSError:
        pass
    os._exit(_CLOSED)


def _adopt_orphans() -> bool:
    """Let processes become children of this one that models started and left: they are ended with the run.

    Not where this process has children already, or is the first one of a container: those may be anybody's.
    """
    if os.getpid() == 1 or _children():
        return False
    return ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def _children() -> list[int]:
    """The processes whose parent is this one; those that have ended are waited for and left out."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                # Its name, in brackets, may hold anything; then come its state and its parent.
                after = Path(entry.path, "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
                if int(after[1]) == os.getpid():
                    found.append(int(entry.name))
    return [process for process in found if not _has_ended(process)]


def _has_ended(process: int) -> bool:
    with suppress(ChildProcessError):
        return os.waitpid(process, os.WNOHANG)[0] == process
    return True


def _end_orphans(patience: float) -> None:
    """End what models started and left, once it had so many seconds to end by itself."""
    deadline = time.monotonic() + patience
    while left := _children():
        if time.monotonic() > deadline:
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        time.sleep(_POLL_SECONDS / 5)


@dataclass
class _Watch:
    """The parent's side of one child."""

    child: _Child
    model_timeout: float | None
    stopped: str
    adopts: bool = False
    may_go_on: bool = True
    with_ray: bool = False
    left: list[Path] = field(default_factory=list)
    last: str | None = None
    notes: dict[str, tuple[Path, float]] = field(default_factory=dict)
    code: int | None = None
    overdue: bool = False
    signals: list[int] = field(default_factory=list)
    kill_at: float | None = None

    def go_on(self) -> bool:
        """Wait for the end of the child; returns where the run is to go on, and whether it is known without what.

        adopts      whether what models start and leave becomes a child of this process
        may_go_on   whether the run goes on where it ended between two models
        """
        # nohup has SIGHUP ignored.
        heard = [one for one in _SIGNALS if one == signal.SIGINT or signal.getsignal(one) != signal.SIG_IGN]
        handlers = {one: signal.signal(one, self._pass_on) for one in heard}
        try:
            status = self._wait()
        finally:
            for one, handler in handlers.items():
                signal.signal(one, handler)
            os.close(self.child.messages)
            if self.adopts:
                _end_orphans(0.0 if self.signals else _LEFT_SECONDS)
            for path in self.left:
                stopping.remove(path)
        if self.code is not None:
            was_stopped = self.signals and self.code == 128 + signal.SIGINT
            _exit(128 + self.signals[0] if was_stopped else self.code)
        self._show_cursor()
        if self.signals:  # and the child did not come back from a network
            for path, _ in self.notes.values():
                at_work.forget(path)
            self._say(f"evalshift: {self.stopped}")
            _exit(128 + self.signals[0])
        return self._blame(status)

    def _blame(self, status: int) -> bool:
        reason = f"no result after {self.model_timeout:g} s" if self.overdue else _how(status)
        if len(self.notes) > 1:  # one of them, that run next alone
            self._say(f"\nevalshift: {reason}, with {len(self.notes)} models at work; each of them is run alone, last")
            return True
        model = at_work.end(next(iter(self.notes.values()))[0], reason) if self.notes else None
        if model is not None:
            at_work.to_blame.add(model)
            self._say(f"\nevalshift: {model} took the run down: {reason}; the run goes on without it")
            return True
        how = f"ray ended its main process ({_how(status)})" if self.with_ray else _how(status)
        if not (self.may_go_on and (self.last or self.with_ray)):
            self._say(f"\nevalshift: the run ended unexpectedly: {how}")
            _exit(1)
        self._say(f"\nevalshift: the run ended{f' after {self.last}' if self.last else ''}: {how}; it goes on")
        return False

    def _wait(self) -> int:
        while True:
            self._listen()
            done, status = os.waitpid(self.child.process, os.WNOHANG)
            if done:
                while self._listen(wait=False):
                    pass
                return status
            if self.kill_at is not None and time.monotonic() >= self.kill_at:
                os.kill(self.child.process, signal.SIGKILL)
            if self._is_overdue():
                self.overdue = True
                os.kill(self.child.process, signal.SIGKILL)
                return os.waitpid(self.child.process, 0)[1]

    def _is_overdue(self) -> bool:
        """Whether a model takes too long; of several at once, each is given the time of all."""
        if not self.model_timeout or not self.notes:
            return False
        begun = min(begun for _, begun in self.notes.values())
        return time.monotonic() - begun > self.model_timeout * len(self.notes)

    def _listen(self, wait: bool = True) -> bool:
        """Take messages of the child, after a short wait for them; whether there were any."""
        ready, _, _ = select.select([self.child.messages], [], [], _POLL_SECONDS if wait else 0)
        content = os.read(self.child.messages, 1 << 16) if ready else b""
        if ready and not content and wait:
            time.sleep(_POLL_SECONDS / 10)  # closed: the child ends
        *lines, self.child.heard = (self.child.heard + content).split(b"\n")
        for line in lines:
            message = json.loads(line)
            self.code = message.get("exit", self.code)
            self.left += [Path(message["left"])] if "left" in message else []
            if "exit" in message:
                self.kill_at = self.kill_at or time.monotonic() + _GRACE_SECONDS
            if "model" in message:
                self.last = message["model"]
                self.notes.pop(message["model"], None)
                if message["note"]:
                    self.notes[message["model"]] = Path(message["note"]), time.monotonic()
        return bool(content)

    def _pass_on(self, number: int, _: object) -> None:
        self.signals.append(number)
        if len(self.signals) == 1:
            self.kill_at = time.monotonic() + stopping.GRACE_SECONDS
            with suppress(ProcessLookupError):  # it ended at this very moment
                os.kill(self.child.process, signal.SIGUSR1)

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def _show_cursor(self) -> None:
        """Bars hide it, and a process that is killed does not bring it back."""
        if sys.stderr.isatty():
            print("\x1b[?25h", end="", file=sys.stderr, flush=True)


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code == _CLOSED:
        return "it closed files that evalshift had open"
    if code >= 0:
        return f"the process exited in the midst of it, with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
    return _WORDS.get(name, name)


def _exit(code: int) -> NoReturn:
    # Without what the interpreter does at its end: there is nothing here that needs it, and stdio was flushed.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
