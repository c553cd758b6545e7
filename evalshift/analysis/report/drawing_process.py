"""One of `drawing_processes`: reads the figures of a report, then numbers of figures, and draws these."""

import gc
import os
import pickle
import signal
import sys
from importlib import import_module
from typing import Any

import scipy

from evalshift import stopping
from evalshift.analysis.report.drawing_processes import DRAWN, NO_MORE, NOT_DRAWN


class _StatsWhenUsed:
    """scipy.stats, imported when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("scipy.stats"), name)


def main() -> None:
    """Draw what is requested on standard input; reply for each figure whether it is written."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that began this one ends it, by SIGTERM
    stopping.listen(grace=0.0)
    gc.set_threshold(50_000, 20, 20)  # as in the command
    requests = sys.stdin.buffer
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever a library prints is no reply
    # Modules of statistics are imported for the records in them; none is computed here. It takes a third of a second.
    scipy.stats = _StatsWhenUsed()  # pyright: ignore[reportAttributeAccessIssue]
    # Imported before there is something to draw, while the other process computes it.
    from evalshift.analysis.report.drawings import warm_up

    warm_up()

    figures = pickle.load(requests)  # of the process that began this one
    total = figures.count()
    while (number := requests.read(8)) and int.from_bytes(number) < total:
        try:
            figures.save_one(int.from_bytes(number))
            replies.write(DRAWN)
        except Exception:  # redrawn where it can be told
            replies.write(NOT_DRAWN)
    replies.write(NO_MORE)


if __name__ == "__main__":
    main()
