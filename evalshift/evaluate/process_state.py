"""What somebody's code may change for the whole process, put back after each, so that later models run as before."""

import gc
import io
import locale
import logging
import math
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

_Undo = Callable[[], object]

_SIGNALS = [
    number
    for name in ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "ALRM", "PIPE", "CHLD", "SEGV", "ABRT", "FPE", "BUS")
    if (number := getattr(signal, f"SIG{name}", None)) is not None
]
_LIMITS = ("RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CPU", "RLIMIT_NPROC")


@contextmanager
def run_state_kept() -> Iterator[None]:
    """Put back what the run itself needs next to decode, store and print: folder, streams, limits, umask, Pillow."""
    undo = [keep() for keep in _NEEDED]
    try:
        yield
    finally:
        _put_back(undo)


@contextmanager
def process_state_kept(say: Callable[[str], object] = lambda _: None) -> Iterator[None]:
    """Put back the process as it was before the block: its folder, variables, signals, streams, and torch's settings.

    A builder that sets another default dtype would make the networks that are built after it compute in that one.
    What cannot be put back stays as it is, and `say` is told: functions that a package replaced for good, a priority
    and limits that were lowered.
    """
    from evalshift.evaluate.replaced_functions import functions_kept
    from evalshift.evaluate.torch_state import torch_state

    undo = [functions_kept(say), _lowered(say), *(keep() for keep in _KEPT), torch_state()]
    try:
        yield
    finally:
        _put_back(undo)


def _put_back(undo: list[_Undo]) -> None:
    for one in undo:
        with suppress(Exception):  # such as a folder that is gone
            one()


def _recursion() -> _Undo:
    before = sys.getrecursionlimit()
    return lambda: sys.setrecursionlimit(before)


def _folder() -> _Undo:
    folder = Path.cwd()
    return lambda: os.chdir(folder)


def _pillow() -> _Undo:
    """Damaged images stay refused: many scripts let Pillow fill them with grey."""
    from PIL import Image, ImageFile  # a run with nothing to do needs none of it

    truncated, most = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS

    def undo() -> None:
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = truncated, most

    return undo


def _umask() -> _Undo:
    before = os.umask(0o077)
    os.umask(before)
    return lambda: os.umask(before)


def _environment() -> _Undo:
    before = dict(os.environ)

    def undo() -> None:
        if before != os.environ:
            os.environ.clear()
            os.environ.update(before)

    return undo


def _locale() -> _Undo:
    before = locale.setlocale(locale.LC_ALL)
    return lambda: locale.setlocale(locale.LC_ALL, before)


def _signals() -> _Undo:
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, ()) if hasattr(signal, "pthread_sigmask") else None
    timed = hasattr(signal, "getitimer") and signal.getitimer(signal.ITIMER_REAL)[0] > 0

    def undo() -> None:
        if hasattr(signal, "setitimer") and not timed:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)
        if masked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)

    return undo


def _limits() -> _Undo:
    """Soft limits, such as of open files."""
    if sys.platform == "win32":
        return lambda: None
    import resource

    before = {kind: resource.getrlimit(kind) for kind in map(resource.__dict__.get, _LIMITS) if kind is not None}

    def undo() -> None:
        for kind, (soft, _) in before.items():
            now, hard = resource.getrlimit(kind)
            most = min(soft, hard, key=lambda limit: math.inf if limit == resource.RLIM_INFINITY else limit)
            if now != most:
                resource.setrlimit(kind, (most, hard))

    return undo


def _lowered(say: Callable[[str], object]) -> _Undo:
    """The priority and hard limits, which only an administrator may put back; others are told of them."""
    if sys.platform == "win32":
        return lambda: None
    import resource

    def set_limit(name: str, hard: int) -> None:
        resource.setrlimit(name_to_kind[name], (resource.getrlimit(name_to_kind[name])[0], hard))

    name_to_kind = {name: getattr(resource, name) for name in _LIMITS if hasattr(resource, name)}
    limits = {name: resource.getrlimit(kind)[1] for name, kind in name_to_kind.items()}
    niceness = os.getpriority(os.PRIO_PROCESS, 0)

    def undo() -> None:
        for name, hard in limits.items():
            if resource.getrlimit(name_to_kind[name])[1] != hard:
                _try(lambda name=name, hard=hard: set_limit(name, hard), f"limit {name}", say)
        if os.getpriority(os.PRIO_PROCESS, 0) != niceness:
            _try(lambda: os.setpriority(os.PRIO_PROCESS, 0, niceness), "priority", say)

    return undo


def _try(put_back: Callable[[], object], what: str, say: Callable[[str], object]) -> None:
    try:
        put_back()
    except (OSError, ValueError):
        say(f"the {what} of this process was lowered for all models after this one")


def _streams() -> _Undo:
    """stdin, stdout and stderr, as Python has them and as the system does."""
    objects = sys.stdin, sys.stdout, sys.stderr
    copies = {number: copy for number in (0, 1, 2) if (copy := _copy(number)) is not None}
    files = {number: _file(number) for number in copies}

    def undo() -> None:
        for number, copy in copies.items():
            if _file(copy) != files[number]:  # closed with all others, and another file by now
                continue
            if _file(number) != files[number]:
                os.dup2(copy, number)
            os.close(copy)
        sys.stdin, sys.stdout, sys.stderr = objects
        for number, stream in enumerate(objects[1:], start=1):
            if isinstance(stream, io.TextIOWrapper) and stream.closed and number in copies:
                # The same object, which consoles and handlers of logging keep.
                file = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
                stream.__init__(file, encoding="utf-8", errors="replace", line_buffering=True)

    return undo


def _copy(number: int) -> int | None:
    with suppress(OSError):
        return os.dup(number)
    return None


def _file(number: int) -> tuple[int, int] | None:
    """Which file a descriptor leads to; None where it is closed."""
    with suppress(OSError):
        status = os.fstat(number)
        return status.st_dev, status.st_ino
    return None


def _warnings() -> _Undo:
    """No warning is an error that was none before; filters that libraries add when they are imported stay."""
    before = list(warnings.filters)

    def undo() -> None:
        kept = [one for one in warnings.filters if one[0] != "error" or one in before]
        if len(kept) < len(warnings.filters):
            warnings.filters[:] = kept  # pyright: ignore[reportIndexIssue]
            warnings._filters_mutated()  # pyright: ignore[reportAttributeAccessIssue]

    return undo


def _logging() -> _Undo:
    root = logging.getLogger()
    disabled, level, handlers = root.manager.disable, root.level, list(root.handlers)

    def undo() -> None:
        if (root.manager.disable, root.level) != (disabled, level):
            root.manager.disable = disabled
            root.setLevel(level)  # which takes a while, as all loggers forget whom they pass things on to
        root.handlers[:] = handlers

    return undo


def _numpy_errors() -> _Undo:
    before = np.geterr()
    return lambda: np.seterr(**before)


def _numpy_random() -> _Undo:
    before = np.random.get_state()  # noqa: NPY002  # the one that scripts draw from
    return lambda: np.random.set_state(before)  # noqa: NPY002


def _interpreter() -> _Undo:
    collects, often, switches = gc.isenabled(), gc.get_threshold(), sys.getswitchinterval()
    traced, profiled, drawn = sys.gettrace(), sys.getprofile(), random.getstate()
    hooks = sys.excepthook, threading.excepthook

    def undo() -> None:
        (gc.enable if collects else gc.disable)()
        gc.set_threshold(*often)
        sys.setswitchinterval(switches)
        if sys.gettrace() is not traced:
            sys.settrace(traced)
        if sys.getprofile() is not profiled:
            sys.setprofile(profiled)
        random.setstate(drawn)
        sys.excepthook, threading.excepthook = hooks

    return undo


def _cores() -> _Undo:
    if not hasattr(os, "sched_getaffinity"):
        return lambda: None
    before = os.sched_getaffinity(0)
    return lambda: os.sched_setaffinity(0, before)


def _imports() -> _Undo:
    """Folders that code adds to Python's path, and what it imported from there: the next model has its own `utils`."""
    from evalshift.testbed.models.code import forget_imports

    modules, path = list(sys.modules), list(sys.path)

    def undo() -> None:
        added = [place for place in sys.path if place not in path]
        for place in added:
            forget_imports(Path(place), set(modules), path)
        if sys.path != path:
            sys.path[:] = path

    return undo


_NEEDED: tuple[Callable[[], Any], ...] = (_recursion, _limits, _streams, _folder, _umask, _pillow, _numpy_errors)
# The limit of recursion first, which the others may need.
_KEPT: tuple[Callable[[], Any], ...] = (
    *_NEEDED, _environment, _locale, _signals, _warnings, _logging, _numpy_random, _interpreter, _cores, _imports,
)  # fmt: skip
