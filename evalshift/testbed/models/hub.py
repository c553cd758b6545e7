"""Files of Hugging Face's hub, and what is said when one is not in its cache and nothing may be fetched."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

from evalshift.errors import EvalshiftError
from evalshift.testbed.data_access import refuse_offline

_ADDRESS = re.compile(r"https?://[^\s:]+(:\d+)?[^\s:,']*")


def hub_file(repository: str, name: str, revision: str | None = None) -> Path:
    """A file of a repository, from the hub's cache or else downloaded; DownloadError where it is neither, offline."""
    with refused_offline(f"{name} of {repository}", constants.HF_HUB_CACHE):
        return Path(hf_hub_download(repository, name, revision=revision))


@contextmanager
def refused_offline(what: str, place: object) -> Iterator[None]:
    """Say of what the hub's own code misses offline what is said of all else; every library words it in its own way."""
    try:
        yield
    except EvalshiftError:
        raise
    except Exception as error:
        causes = list(_causes(error))
        if any(isinstance(cause, LocalEntryNotFoundError | OfflineModeIsEnabled) for cause in causes):
            addresses = [found[0] for cause in causes if (found := _ADDRESS.search(str(cause)))]
            refuse_offline(what, place, f"a call to {addresses[0]}" if addresses else None)
        raise


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
