"""Standard input, output and error of the command, which whoever starts it may have closed or led to a full disk."""

import errno
import os
import sys
from contextlib import suppress
from typing import TypeGuard

# What a disk says that takes no more.
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def open_closed_streams() -> None:
    """Let a stream that is closed lead to nowhere: the next file that is opened would take its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def is_full(error: BaseException) -> TypeGuard[OSError]:
    """Whether this is what is raised where a disk takes no more of what is written."""
    return isinstance(error, OSError) and error.errno in _FULL


def flush_output() -> OSError | None:
    """Write what is still to be written to standard output; the error where that cannot be."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return None  # the reader has enough
    except OSError as error:
        with suppress(OSError):  # what is left would be tried again, and fail again, at the end of Python
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return error
    return None
