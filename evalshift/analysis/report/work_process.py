"""One of `work_processes`: reads work, such as figures of a report, then numbers of its parts, and does these."""

import gc
import os
import pickle
import signal
from importlib import import_module
from typing import Any, BinaryIO

import scipy

from evalshift import stopping
from evalshift.analysis.report.work_processes import DONE, NO_MORE, NOT_DONE, NUMBER, Work


class _StatsWhenUsed:
    """scipy.stats, imported when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("scipy.stats"), name)


def main() -> None:
    """Do what is requested on standard input; reply for each part whether it is done, with what it gives."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that began this one ends it, by SIGTERM
    stopping.listen(grace=0.0)
    gc.set_threshold(50_000, 20, 20)  # as in the command
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no reply
    # Modules of statistics are imported for the records in them; of a single pair, none is computed here. It takes a
    # third of a second.
    scipy.stats = _StatsWhenUsed()  # pyright: ignore[reportAttributeAccessIssue]
    # Imported before there is something to do, while the other process imports.
    from evalshift.analysis.report.drawings import warm_up

    warm_up()
    while requests.peek(1):
        _do(pickle.load(requests), requests, replies)  # of the process that began this one


def _do(work: Work[Any], requests: BinaryIO, replies: BinaryIO) -> None:
    total = work.count()
    while (number := requests.read(NUMBER)) and int.from_bytes(number) < total:
        try:
            result = pickle.dumps(work.do_one(int.from_bytes(number)), pickle.HIGHEST_PROTOCOL)
            replies.write(DONE + len(result).to_bytes(NUMBER) + result)
        except Exception:  # done again where it can be told
            replies.write(NOT_DONE)
        replies.flush()
    replies.write(NO_MORE)
    replies.flush()


if __name__ == "__main__":
    main()
