"""What the environment says: where data lie (EVALSHIFT_DATA), and whether anything may be fetched (EVALSHIFT_OFFLINE).

Variables of the environment, so that processes started by this one are told too.
"""

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from evalshift.errors import DownloadError

DATA_VARIABLE = "EVALSHIFT_DATA"
OFFLINE_VARIABLE = "EVALSHIFT_OFFLINE"
# What the libraries that bring models of their own look at.
_OTHERS_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True, eq=False)
class _Offline:
    """A model that is being built or run without network, and the thread that began it."""

    model: str
    thread: int = field(default_factory=threading.get_ident)


# Those at work in any thread, the last begun last.
_AT_WORK: list[_Offline] = []


def is_offline() -> bool:
    """Whether nothing may be fetched."""
    return os.environ.get(OFFLINE_VARIABLE, "").lower() in ("1", "true", "yes", "on")


def refuse_offline(what: str, place: object, found: object = None) -> None:
    """Raise DownloadError where `what` would have to be fetched to `place`, and nothing may be."""
    if is_offline():
        model = _model_at_work()
        name = f" {model}" if model else ""
        raise DownloadError(
            f"{what} is not on disk, and offline mode downloads nothing",
            where=place,
            found=found,
            fix=f"`evalshift fetch{name}` downloads it while online; or turn off offline mode (EVALSHIFT_OFFLINE)",
        )


@contextmanager
def without_network(model: str) -> Iterator[None]:
    """Where nothing may be fetched, let nothing of this process open a connection while `model` is built or run.

    Libraries and users' own code download in ways of their own, so Python itself is asked: it tells its audit hooks of
    each address before it is called. Raises DownloadError from the call that wanted to fetch, and that names what.

    Holds for all threads, as a model may start some; several threads may each have a model at work.
    """
    if not is_offline():
        yield
        return
    # Its cache is looked into first, without asking the hub whether there is something newer.
    import huggingface_hub.constants  # noqa: F401  # before the variables are set, which it would keep for good

    _audit()
    with data_access(offline=True):
        at_work = _Offline(model)
        _AT_WORK.append(at_work)
        try:
            yield
        finally:
            _AT_WORK.remove(at_work)


def _model_at_work() -> str | None:
    """The model that this thread builds or runs; in a thread that none has begun in, the one begun last."""
    at_work = tuple(_AT_WORK)  # other threads change it
    own = [one for one in at_work if one.thread == threading.get_ident()]
    return (own or at_work)[-1].model if at_work else None


@cache  # an audit hook cannot be removed
def _audit() -> None:
    sys.addaudithook(_refuse_connections)


def _refuse_connections(event: str, arguments: tuple[Any, ...]) -> None:
    # Takes no lock: it is called in the midst of whatever a thread does.
    if not _AT_WORK or event not in _ASKED_FOR:
        return
    asked = _ASKED_FOR[event](arguments)
    model = _model_at_work()
    if asked is not None and model is not None:
        refuse_offline(asked, f"model {model}", f"its code asks the network for it; {_kept()}")


def _address(arguments: tuple[Any, ...]) -> str | None:
    """The host of a connection; None for one to another process, through a file."""
    address = arguments[1]
    return f"something from {address[0]}" if isinstance(address, tuple) else None


# Audit events, and what an error message calls them.
_ASKED_FOR = {
    "urllib.Request": lambda arguments: None if str(arguments[0]).startswith(("file:", "data:")) else str(arguments[0]),
    "socket.getaddrinfo": lambda arguments: f"something from {arguments[0]}",
    "socket.connect": _address,
}


def _kept() -> str:
    from huggingface_hub import constants

    hub = sys.modules.get("torch.hub")  # plans and reports, which load no torch, come by here too
    folders = [constants.HF_HUB_CACHE] if hub is None else [hub.get_dir(), constants.HF_HUB_CACHE]
    return f"the libraries keep what they have in {' and '.join(map(str, folders))}"


@contextmanager
def data_access(data: Path | None = None, offline: bool = False) -> Iterator[None]:
    """The same environment with another folder of data, and without network, for as long as the block takes.

    Blocks of several threads may overlap: the one begun last holds, and after the last the environment is as before.
    """
    wanted = {} if data is None else {DATA_VARIABLE: str(data.absolute())}
    if offline:
        wanted |= dict.fromkeys((OFFLINE_VARIABLE, *_OTHERS_OFFLINE), "1")
    with _CHANGING:
        _WANTED.append(wanted)
        _apply(wanted)
    try:
        yield
    finally:
        with _CHANGING:
            _WANTED[:] = [other for other in _WANTED if other is not wanted]
            _apply(wanted)


_CHANGING = threading.Lock()
# What the blocks of all threads want of the environment, the last begun last, and what was there before the first.
_WANTED: list[dict[str, str]] = []
_BEFORE: dict[str, str | None] = {}


def _apply(changed: Mapping[str, str]) -> None:
    """Set these variables to what the last block wants, or to what was there before where none wants them."""
    for name in changed:
        values = [wanted[name] for wanted in _WANTED if name in wanted]
        value = values[-1] if values else _BEFORE.pop(name)
        if values:
            _BEFORE.setdefault(name, os.environ.get(name))
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    # A library that is loaded already has looked at its variable before.
    constants: Any = sys.modules.get("huggingface_hub.constants")
    if constants is not None and "HF_HUB_OFFLINE" in changed:
        value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
        constants.HF_HUB_OFFLINE = value.upper() in constants.ENV_VARS_TRUE_VALUES
