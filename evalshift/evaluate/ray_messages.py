"""What ray's processes print of their own, in a file instead of across the progress of a run."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from evalshift.evaluate.supervisor import is_watched

NAME = "ray.log"


@contextmanager
def messages_in(path: Path, ray: Any, say: Callable[[str], object]) -> Iterator[None]:
    """Write to this file what ray would print in the block; `say` is told of it at the end where there is anything.

    In a process of evalshift's own this includes what ray's libraries write to the system's standard error; what Python
    prints there is printed as ever. In another one, such as a notebook's, these go on as they are.
    """
    with suppress(OSError), path.open("a", encoding="utf-8", errors="replace") as file:
        before = path.stat().st_size
        with ExitStack() as stack:
            stack.callback(_tell, path, before, say)
            stack.enter_context(_printed_to(file, ray))
            if is_watched():
                stack.enter_context(_errors_to(file))
            yield
        return
    yield  # no file can be written there


def _tell(path: Path, before: int, say: Callable[[str], object]) -> None:
    with suppress(OSError):
        size = path.stat().st_size
        if size > before:
            say(f"ray       what ray said of its processes is in {path}")
        elif not size:
            path.unlink()


@contextmanager
def _printed_to(file: io.TextIOWrapper, ray: Any) -> Iterator[None]:
    """Take the lines that ray's threads print in this process, of workers that died, for one."""
    module: Any = getattr(ray._private, "worker", None)
    before = getattr(module, "print_worker_logs", None)
    if before is None:  # another version of ray
        yield
        return

    def keep(data: Any, *_: Any, **__: Any) -> None:
        with suppress(Exception):
            file.write("".join(f"{line}\n" for line in data["lines"]))
            file.flush()

    module.print_worker_logs = keep
    try:
        yield
    finally:
        module.print_worker_logs = before


@contextmanager
def _errors_to(file: io.TextIOWrapper) -> Iterator[None]:
    """Let the system's standard error lead to the file, and Python's where that led before."""
    stream = sys.stderr
    if not isinstance(stream, io.TextIOWrapper):
        yield
        return
    settings = {"encoding": stream.encoding, "errors": stream.errors, "line_buffering": stream.line_buffering}
    stream.flush()
    real = os.dup(2)
    os.dup2(file.fileno(), 2)
    # The same object, which consoles and handlers of logging keep.
    stream.__init__(io.BufferedWriter(io.FileIO(real, "w", closefd=False)), **settings)
    try:
        yield
    finally:
        stream.flush()
        os.dup2(real, 2)
        stream.__init__(io.BufferedWriter(io.FileIO(2, "w", closefd=False)), **settings)
        os.close(real)
