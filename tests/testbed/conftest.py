from collections.abc import Iterator

import pytest
from fileserver import FileServer


@pytest.fixture
def file_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A real HTTP server on this machine; see tests/fileserver.py for how it can be made to misbehave."""
    for variable in ("NO_PROXY", "no_proxy"):  # whatever proxy this machine is behind
        monkeypatch.setenv(variable, "127.0.0.1")
    with FileServer() as server:
        yield server
