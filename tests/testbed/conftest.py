import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fileserver import FileServer

from evalshift.errors import EvalshiftError

DATA = Path(os.environ.get("EVALSHIFT_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")


@pytest.fixture
def file_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A real HTTP server on this machine; see tests/fileserver.py for how it can be made to misbehave."""
    for variable in ("NO_PROXY", "no_proxy"):  # whatever proxy this machine is behind
        monkeypatch.setenv(variable, "127.0.0.1")
    with FileServer() as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own."""
    monkeypatch.setenv("EVALSHIFT_DATA", str(tmp_path / "cache"))
    monkeypatch.delenv("EVALSHIFT_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """A folder or file of the real data; the test is skipped where it is not there."""

    def find(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            pytest.skip(f"{name} is not in {DATA}; EVALSHIFT_TEST_DATA names the folder")
        return path

    return find


@pytest.fixture
def complaint() -> Callable[..., str]:
    """The whole message of the error, of exactly this class, that a call raises."""

    def of(kind: type[EvalshiftError], call: Callable[..., object], *args: object) -> str:
        with pytest.raises(kind) as caught:
            call(*args)
        assert type(caught.value) is kind
        return str(caught.value)

    return of
