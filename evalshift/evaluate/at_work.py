"""Which model is at work, noted on disk: what takes a whole run down is known by name, and skipped the next time.

    results/.at-work/<model>.json    while the model is built and run; afterwards it is gone

A note that stays behind is of a model during which the process ended: by a segmentation fault, by os._exit, because
memory ran out, or because somebody killed it. Where another process watched (`supervisor`), it adds the reason to the
note, and the model is skipped until its entry changes or it is forced. Where nobody watched, the model may be innocent:
it is tried once more, after all others.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from evalshift.errors import StoreError
from evalshift.files import file_name, read_text, sha256_of_text, write_atomic

# Set in a watched process: is told of each model that begins, with the path of its note, and that it is done (None).
_told: list[Callable[[str, Path | None], None]] = []
# Set there, too: ends the process where a model closed what this run has open.
_checks: list[Callable[[], None]] = []
# Models that took down processes of this very command before this one: forcing them again would never end.
to_blame: set[str] = set()
# When this command began, in UTC, where this is not its first process; what was stored since then is done.
began: list[str] = []


@dataclass(frozen=True)
class Note:
    """A model at work.

    identity  checksum of what can change its predictions
    process   number of the process, on this `host`
    ended     how the process ended with the model at work, as seen by the one that watched; None where nobody did
    tries     how often a process ended with it before, unwatched
    """

    model: str
    identity: str
    process: int
    host: str
    ended: str | None = None
    tries: int = 0


def identity_checksum(identity: Mapping[str, object]) -> str:
    """A checksum of a model's identity: a note speaks of this form of the model alone."""
    return sha256_of_text(json.dumps(identity, sort_keys=True, default=str))


def notes(results: Path) -> dict[str, Note]:
    """The notes that were left behind in a results folder, by model; not those of processes that are still running."""
    found: dict[str, Note] = {}
    for path in sorted((results / ".at-work").glob("*.json")):
        with suppress(OSError, ValueError, TypeError, RecursionError):
            note = Note(**json.loads(read_text(path)))
            if _is_whole(note) and (note.ended is not None or not _is_running(note)):
                found[note.model] = note
    return found


def _is_whole(note: Note) -> bool:
    return isinstance(note.model, str) and isinstance(note.process, int) and isinstance(note.tries, int)


def tell(listener: Callable[[str, Path | None], None], check: Callable[[], None]) -> None:
    """From now on, tell `listener` of each model that begins, with the path of its note, and with None when it ends.

    check   ends the process where a model closed what this run has open; called before anything of it is stored
    """
    _told[:], _checks[:] = [listener], [check]


def check() -> None:
    """End a watched process where a model closed what this run has open, as the images: others may be read then."""
    for one in _checks:
        one()


@contextmanager
def at_work(results: Path, model: str, identity: Mapping[str, object]) -> Iterator[None]:
    """Note that `model` is at work for as long as the block takes; exceptions end it like success does."""
    before = notes(results).get(model)
    path = results / ".at-work" / f"{file_name(model)}.json"
    checksum = identity_checksum(identity)
    tries = before.tries + 1 if before and before.identity == checksum and before.ended is None else 0
    _write(path, Note(model, checksum, os.getpid(), socket.gethostname(), tries=tries))
    for listener in _told:
        listener(model, path)
    try:
        yield
    finally:
        check()
        with suppress(OSError):
            path.unlink(missing_ok=True)
            path.parent.rmdir()  # when it is empty
        for listener in _told:
            listener(model, None)


def end(path: Path, reason: str) -> str | None:
    """Add to a note how its process ended; the name of its model, None where the note is gone."""
    with suppress(OSError, ValueError, TypeError, RecursionError):
        note = Note(**json.loads(read_text(path)))
        _write(path, replace(note, ended=reason))
        return note.model
    return None


def blame(results: Path, model: str, identity: Mapping[str, object], reason: str) -> None:
    """Note that a model took down the process that ran it, as another one saw: later runs skip it."""
    note = Note(model, identity_checksum(identity), os.getpid(), socket.gethostname(), ended=reason)
    _write(results / ".at-work" / f"{file_name(model)}.json", note)


def forget(path: Path) -> None:
    """Remove a note: its model is not to blame."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()  # when it is empty


def _write(path: Path, note: Note) -> None:
    # Not flushed to disk: a note is for what ends a process, and costs no more than that.
    with suppress(OSError, StoreError):  # a full disk is told of where predictions are stored
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(asdict(note)).encode(), durable=False)


def _is_running(note: Note) -> bool:
    if note.host != socket.gethostname():
        return True  # nobody here knows
    if note.process == os.getpid():
        return True
    try:
        os.kill(note.process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    except OverflowError:  # a number that no process has
        return False
    return True
