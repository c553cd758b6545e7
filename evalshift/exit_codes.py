"""Exit codes of child processes: where SIGCHLD is ignored, the system keeps none, and each seems to end with 0."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def keep_exit_codes() -> None:
    """Let this process learn how its children end, also where it inherited that it ignores them."""
    if hasattr(signal, "SIGCHLD"):
        _handle(signal.SIG_DFL)


@contextmanager
def sigchld_kept() -> Iterator[None]:
    """Put back at the end of the block what Python had set for SIGCHLD: libraries ignore it behind Python's back."""
    if not hasattr(signal, "SIGCHLD"):
        yield
        return
    before = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        _handle(signal.SIG_DFL if before is None else before)


def _handle(handler: "signal._HANDLER") -> None:
    with suppress(ValueError):  # only the main thread may
        signal.signal(signal.SIGCHLD, handler)
