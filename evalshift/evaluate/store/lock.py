"""The lock of a results folder: what is read here is not changed by others before it is written again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalshift.errors import StoreError
from evalshift.files import obstacle

# Another process holds the lock only while it writes one file.
_LOCK_SECONDS = 300.0
# A lock of NFS excludes processes, not threads of one.
_ONE_THREAD = threading.Lock()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let no other process or thread change files of this results folder, which is made if it does not exist.

    The lock is one of the system (flock), which NFS passes on to its server, and which ends with its process.
    Raises StoreError where the folder is not writable, or another process does not give the lock back.
    """
    from filelock import FileLock, Timeout

    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _ONE_THREAD, FileLock(path, timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise StoreError(
            "the results folder is in use",
            where=path,
            found=f"another process has held its lock for {_LOCK_SECONDS:,.0f} s",
            fix="end that process, or wait for it",
        ) from error
    except OSError as error:
        raise StoreError(
            "the results folder cannot be locked",
            where=path,
            found=obstacle(path, error),
            expected="a writable folder",
            fix="choose another folder",
        ) from error
