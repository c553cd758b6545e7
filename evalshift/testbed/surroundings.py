"""What the environment says: where data lie (EVALSHIFT_DATA), and whether anything may be fetched (EVALSHIFT_OFFLINE).

Variables of the environment, so that processes started by this one are told too.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalshift.errors import DownloadError

DATA_VARIABLE = "EVALSHIFT_DATA"
OFFLINE_VARIABLE = "EVALSHIFT_OFFLINE"
# What the libraries that bring models of their own look at.
_OTHERS_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def is_offline() -> bool:
    """Whether nothing may be fetched."""
    return os.environ.get(OFFLINE_VARIABLE, "").lower() in ("1", "true", "yes", "on")


def refuse_offline(what: str, place: object) -> None:
    """Raise DownloadError where `what` would have to be fetched to `place`, and nothing may be."""
    if is_offline():
        raise DownloadError(
            f"{what} is not here, and nothing is fetched offline",
            where=place,
            remedy="`evalshift fetch` gets it while there is network; or leave out --offline and EVALSHIFT_OFFLINE",
        )


@contextmanager
def surroundings(data: Path | None = None, offline: bool = False) -> Iterator[None]:
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
