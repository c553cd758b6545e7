"""What the environment says: where data lie (EVALSHIFT_DATA), and whether anything may be fetched (EVALSHIFT_OFFLINE).

Variables of the environment, so that processes started by this one are told too.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from evalshift.errors import DownloadError

DATA_VARIABLE = "EVALSHIFT_DATA"
OFFLINE_VARIABLE = "EVALSHIFT_OFFLINE"
# What the libraries that bring models of their own look at.
_OTHERS_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
# The models that are being built or run offline, the innermost last.
_AT_WORK: list[str] = []


def is_offline() -> bool:
    """Whether nothing may be fetched."""
    return os.environ.get(OFFLINE_VARIABLE, "").lower() in ("1", "true", "yes", "on")


def refuse_offline(what: str, place: object, found: object = None) -> None:
    """Raise DownloadError where `what` would have to be fetched to `place`, and nothing may be."""
    if is_offline():
        name = f" {_AT_WORK[-1]}" if _AT_WORK else ""
        raise DownloadError(
            f"{what} is not here, and nothing is fetched offline",
            where=place,
            found=found,
            fix=f"`evalshift fetch{name}` gets it while there is network; or turn offline mode off (EVALSHIFT_OFFLINE)",
        )


@contextmanager
def without_network(model: str) -> Iterator[None]:
    """Where nothing may be fetched, let nothing of this process open a connection while `model` is built or run.

    Libraries and users' own code download in ways of their own, so Python itself is asked: it tells its audit hooks of
    each address before it is called. Raises DownloadError from the call that wanted to fetch, and that names what.
    """
    if not is_offline():
        yield
        return
    # Its cache is looked into first, without asking the hub whether there is something newer.
    import huggingface_hub.constants  # noqa: F401  # before the variables are set, which it would keep for good

    _audit()
    with data_access(offline=True):
        _AT_WORK.append(model)
        try:
            yield
        finally:
            _AT_WORK.pop()


@cache  # an audit hook cannot be removed
def _audit() -> None:
    sys.addaudithook(_refuse_connections)


def _refuse_connections(event: str, arguments: tuple[Any, ...]) -> None:
    if not _AT_WORK or event not in _ASKED_FOR:
        return
    asked = _ASKED_FOR[event](arguments)
    if asked is not None:
        refuse_offline(asked, f"model {_AT_WORK[-1]}", f"its code asks the network for it; {_kept()}")


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
    """The same environment with another folder of data, and without network, for as long as the block takes."""
    wanted = {} if data is None else {DATA_VARIABLE: str(data.absolute())}
    if offline:
        wanted |= dict.fromkeys((OFFLINE_VARIABLE, *_OTHERS_OFFLINE), "1")
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    # A library that is loaded already has looked at its variable before.
    constants = sys.modules.get("huggingface_hub.constants") if offline else None
    hub_before = getattr(constants, "HF_HUB_OFFLINE", None)
    if constants is not None:
        constants.HF_HUB_OFFLINE = True  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if constants is not None:
            constants.HF_HUB_OFFLINE = hub_before  # pyright: ignore[reportAttributeAccessIssue]
