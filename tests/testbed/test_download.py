import gzip
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from fileserver import Fault, FileServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messages import says

from evalshift.errors import DataError, DownloadError, HashMismatchError, UsageError
from evalshift.publishing import public
from evalshift.testbed import transfer
from evalshift.testbed.download import (
    Patience,
    RemoteFile,
    _retrieve,
    addresses,
    cache_dir,
    fetch,
    file_sha256,
    hash_matches,
    is_fetched,
)

QUICK = Patience(connect=30.0, read=30.0, attempts=2, backoff=0.01)
HASTY = replace(QUICK, read=0.3)
BODY = np.random.default_rng(list(b"download")).bytes(1_000_000)
DEAD = "http://127.0.0.1:1/data.bin"  # nothing listens on port 1
REMEDY = (
    "get it another way and put it there under that name; or name your copy in the registry, with path: for data and "
    "weights: for a checkpoint; or set EVALSHIFT_MIRROR to the base URL of a mirror"
)


@pytest.fixture(autouse=True)
def _plain_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVALSHIFT_MIRROR", raising=False)
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def remote(*urls: str, body: bytes = BODY, size: int | None = None, name: str = "data.bin") -> RemoteFile:
    return RemoteFile(name, urls, sha256(body), size)


def of_one_byte(path: Path) -> None:
    """A check in place of a hash: the right file is a megabyte of one byte."""
    if set(path.read_bytes()) != {7}:
        raise DataError("more than one byte", where=path, found="a mixture")


def test_a_file_without_a_known_hash_is_compared_with_a_check(file_server: FileServer, tmp_path: Path) -> None:
    good = b"\7" * 1_000_000
    file = RemoteFile("data.bin", (file_server.put("data.bin", good),), None, check=of_one_byte)
    assert fetch(file, tmp_path).read_bytes() == good
    assert is_fetched(file, tmp_path)
    (tmp_path / "data.bin").write_bytes(BODY)
    with pytest.raises(HashMismatchError) as caught:
        is_fetched(file, tmp_path)
    assert (caught.value.found, caught.value.expected) == (
        "more than one byte (a mixture)",
        "the published content; its hash is not known",
    )


def test_what_a_check_refuses_is_not_kept(file_server: FileServer, tmp_path: Path) -> None:
    file = RemoteFile("data.bin", (file_server.put("data.bin", BODY),), None, check=of_one_byte)
    with pytest.raises(HashMismatchError) as caught:
        fetch(file, tmp_path, patience=QUICK)
    assert "wrong content, more than one byte (a mixture)" in str(caught.value.found)
    assert not (tmp_path / "data.bin").exists()


def test_a_file_needs_a_hash_or_a_check() -> None:
    with pytest.raises(UsageError) as caught:
        RemoteFile("data.bin", (), None)
    assert (caught.value.problem, caught.value.found) == ("a remote file needs its sha256", "None")


def arrived(folder: Path, name: str = "data.bin") -> Path:
    return folder / f".{name}.download" / ".part"


def leave_part(folder: Path, content: bytes) -> None:
    arrived(folder).parent.mkdir(parents=True)
    arrived(folder).write_bytes(content)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def only_the_file(folder: Path) -> bool:
    """Nothing partial is left: the file, its lock and the note of its hash."""
    return names(folder) == {"data.bin", ".data.bin.lock", ".data.bin.sha256"}


def fails(
    file: RemoteFile, folder: Path, kind: type[DownloadError] = DownloadError, patience: Patience = QUICK
) -> DownloadError:
    with pytest.raises(kind) as caught:
        fetch(file, folder, patience=patience)
    assert type(caught.value) is kind
    assert not (folder / file.name).exists()
    return caught.value


# The plain case


def test_downloads_once_then_needs_no_server(tmp_path: Path, file_server: FileServer) -> None:
    file = remote(file_server.put("data.bin", BODY))
    assert not is_fetched(file, tmp_path)
    path = fetch(file, tmp_path, patience=QUICK)
    assert path == tmp_path / "data.bin"
    assert path.read_bytes() == BODY
    assert only_the_file(tmp_path)
    assert [(request.range, request.status, request.sent) for request in file_server.requests] == [
        (None, 200, len(BODY))
    ]

    assert fetch(file, tmp_path) == path
    assert is_fetched(file, tmp_path)
    assert len(file_server.requests) == 1


def test_asks_for_the_bytes_themselves(tmp_path: Path, file_server: FileServer) -> None:
    fetch(remote(file_server.put("data.bin", BODY)), tmp_path, patience=QUICK)
    assert file_server.requests[0].headers["Accept-Encoding"] == "identity"
    assert file_server.requests[0].headers["User-Agent"] == "evalshift"


def test_keeps_an_archive_packed_though_the_server_calls_that_an_encoding(
    tmp_path: Path, file_server: FileServer
) -> None:
    packed = gzip.compress(BODY[:100_000])
    url = file_server.put("data.gz", packed, encoding="x-gzip", faults=[Fault("cut", 50_000)])
    assert fetch(remote(url, body=packed, name="data.gz"), tmp_path, patience=QUICK).read_bytes() == packed


def test_follows_redirects_and_ignores_the_query(tmp_path: Path, file_server: FileServer) -> None:
    file_server.put("store/1234", BODY, faults=[Fault("cut", 400_000)])
    url = file_server.put("data.bin", location="/store/1234?signature=x")
    assert fetch(remote(f"{url}?download=1"), tmp_path, patience=QUICK).read_bytes() == BODY
    assert [request.range for request in file_server.asked("store/1234")] == [None, "bytes=400000-"]


def test_makes_the_folder_and_takes_the_cache_by_default(
    tmp_path: Path, file_server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALSHIFT_DATA", str(tmp_path / "not" / "yet" / "there"))
    path = fetch(remote(file_server.put("data.bin", BODY)), patience=QUICK)
    assert path == tmp_path / "not" / "yet" / "there" / "data.bin"


def test_an_empty_file_is_a_file(tmp_path: Path, file_server: FileServer) -> None:
    path = fetch(remote(file_server.put("data.bin"), body=b"", size=0), tmp_path, patience=QUICK)
    assert path.read_bytes() == b""


def test_cache_is_the_users_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALSHIFT_DATA", "~/sets")
    assert cache_dir() == Path.home() / "sets"
    monkeypatch.delenv("EVALSHIFT_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    if sys.platform == "linux":
        assert cache_dir() == Path("/somewhere/cache/evalshift")
    assert cache_dir().name == "evalshift"


def test_importing_stays_light() -> None:
    heavy = ["torch", "pooch", "requests", "rich", "filelock", "numpy"]
    code = f"import sys, evalshift.testbed.download; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# What is in the cache already


def test_a_file_put_there_by_hand_is_hashed_and_used(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(BODY)
    assert fetch(remote(), tmp_path).read_bytes() == BODY
    assert names(tmp_path) == {"data.bin", ".data.bin.sha256"}


def test_another_file_by_that_name_is_refused_and_kept(tmp_path: Path, file_server: FileServer) -> None:
    (tmp_path / "data.bin").write_bytes(b"abc")
    with pytest.raises(HashMismatchError) as caught:
        fetch(remote(file_server.put("data.bin", BODY), size=1_000_000), tmp_path)
    # sha256 of "abc": the first example in FIPS 180-2
    says(
        caught.value,
        where=f"{tmp_path}/data.bin",
        found="sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad, 3 bytes",
        expected=f"sha256 {sha256(BODY)}, 1,000,000 bytes",
    )
    assert (tmp_path / "data.bin").read_bytes() == b"abc"
    assert file_server.requests == []


def test_hashes_again_only_what_was_touched(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(BODY)
    assert is_fetched(remote(), tmp_path)
    note = tmp_path / ".data.bin.sha256"
    stamp, found = note.read_text().split()
    assert found == sha256(BODY)

    note.write_text(f"{stamp} {'0' * 64}\n")  # if the note is believed, the file now seems to be another
    with pytest.raises(HashMismatchError):
        is_fetched(remote(), tmp_path)
    os.utime(path, ns=(1, 1))  # a new time of change: hashed again, and found right
    assert is_fetched(remote(), tmp_path)
    path.write_bytes(BODY[:-1])
    with pytest.raises(HashMismatchError):
        is_fetched(remote(), tmp_path)


def test_a_new_promise_is_compared_with_the_old_file(tmp_path: Path, file_server: FileServer) -> None:
    fetch(remote(file_server.put("data.bin", BODY)), tmp_path, patience=QUICK)
    with pytest.raises(HashMismatchError):
        fetch(remote(file_server.put("data.bin", b"new"), body=b"new"), tmp_path, patience=QUICK)


@pytest.mark.parametrize("note", ["", "x", "a b c", "\x00" * 100])
def test_a_damaged_note_is_not_believed(tmp_path: Path, note: str) -> None:
    (tmp_path / "data.bin").write_bytes(BODY)
    (tmp_path / ".data.bin.sha256").write_text(note)
    assert is_fetched(remote(), tmp_path)


def test_a_cache_that_takes_no_notes_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(BODY)
    (tmp_path / ".data.bin.sha256").mkdir()
    assert is_fetched(remote(), tmp_path)


# Resuming


def test_goes_on_where_the_connection_was_cut(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, faults=[Fault("cut", 300_000), Fault("cut", 1), Fault("cut", 250_000)])
    assert fetch(remote(url), tmp_path, patience=QUICK).read_bytes() == BODY
    ranges = [request.range for request in file_server.requests]
    assert ranges == [None, "bytes=300000-", "bytes=300001-", "bytes=550001-"]
    assert file_server.sent("data.bin") == len(BODY)
    assert only_the_file(tmp_path)


@given(cuts=st.lists(st.integers(1, 200_000), max_size=5), known=st.booleans())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_byte_is_sent_twice_however_often_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, file_server: FileServer, cuts: list[int], known: bool
) -> None:
    name = f"data{len(file_server.files)}.bin"
    url = file_server.put(name, BODY[:150_000], faults=[Fault("cut", cut) for cut in cuts])
    file = remote(url, body=BODY[:150_000], size=150_000 if known else None)
    path = fetch(file, tmp_path_factory.mktemp("cuts"), patience=QUICK)
    assert path.read_bytes() == BODY[:150_000]
    assert file_server.sent(name) == 150_000


def test_starts_anew_where_ranges_are_ignored(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, ranges=False, faults=[Fault("cut", 300_000)])
    assert fetch(remote(url), tmp_path, patience=QUICK).read_bytes() == BODY
    assert [(request.range, request.status) for request in file_server.requests] == [
        (None, 200),
        ("bytes=300000-", 200),
    ]
    assert file_server.sent("data.bin") == 1_300_000


def test_starts_anew_where_another_range_is_sent(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, shift=5, faults=[Fault("cut", 300_000)])
    assert fetch(remote(url), tmp_path, patience=QUICK).read_bytes() == BODY
    assert [request.range for request in file_server.requests] == [None, "bytes=300000-", None]


def test_takes_up_a_download_that_failed(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, faults=[Fault("cut", 300_000), Fault("cut", 0), Fault("cut", 0)])
    error = fails(remote(url, size=1_000_000), tmp_path)
    says(
        error,
        where=f"{tmp_path}/data.bin",
        found=f"{url}: the connection failed: IncompleteRead(0 bytes read, 700000 more expected)",
        expected=f"sha256 {sha256(BODY)}, 1,000,000 bytes",
        fix=f"run it again to go on after the 300,000 bytes that have arrived; or {REMEDY}",
    )
    assert arrived(tmp_path).read_bytes() == BODY[:300_000]
    fetch(remote(url), tmp_path, patience=QUICK)
    assert file_server.sent("data.bin") == len(BODY)
    assert only_the_file(tmp_path)


def test_another_mirror_goes_on_where_the_first_failed(tmp_path: Path, file_server: FileServer) -> None:
    faults = [Fault("cut", 600_000), Fault("status", 404)]
    urls = [file_server.put("data.bin", BODY, faults=faults), file_server.put("mirror/data.bin", BODY)]
    assert fetch(remote(*urls), tmp_path, patience=QUICK).read_bytes() == BODY
    assert file_server.sent("mirror/data.bin") == 400_000


@pytest.mark.parametrize("size", [None, 1_000_000])
def test_a_whole_part_only_needs_its_hash(tmp_path: Path, file_server: FileServer, size: int | None) -> None:
    leave_part(tmp_path, BODY)
    assert fetch(remote(file_server.put("data.bin", BODY), size=size), tmp_path, patience=QUICK).read_bytes() == BODY
    assert [request.status for request in file_server.requests] == ([416] if size is None else [])


@pytest.mark.parametrize("part", [BODY + b"more", b"\0" * 1000, b"\0" * 1_000_000], ids=["long", "other", "all other"])
@pytest.mark.parametrize("size", [None, 1_000_000])
def test_a_wrong_part_is_dropped_not_blamed_on_the_server(
    tmp_path: Path, file_server: FileServer, part: bytes, size: int | None
) -> None:
    leave_part(tmp_path, part)
    assert fetch(remote(file_server.put("data.bin", BODY), size=size), tmp_path, patience=QUICK).read_bytes() == BODY
    assert only_the_file(tmp_path)


def test_kill_9_leaves_what_has_arrived_and_nothing_else(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, faults=[Fault("stall", 300_000)])
    code = (
        "from pathlib import Path; from evalshift.testbed.download import *; "
        f"fetch(RemoteFile('data.bin', ({url!r},), {sha256(BODY)!r}), Path({str(tmp_path)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    # Whatever has come is written at once.
    wait_for(lambda: arrived(tmp_path).exists() and arrived(tmp_path).stat().st_size == 300_000)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert names(tmp_path) == {".data.bin.lock", ".data.bin.download"}

    assert fetch(remote(url), tmp_path, patience=QUICK).read_bytes() == BODY
    second = file_server.requests[1]
    assert (second.range, second.status, second.sent) == ("bytes=300000-", 206, 700_000)
    assert only_the_file(tmp_path)


@pytest.mark.parametrize("digits", [64, 8])
def test_a_kill_between_check_and_name_is_made_good(tmp_path: Path, file_server: FileServer, digits: int) -> None:
    """Killed when the staged file had been checked, but not moved: with the whole hash, pooch checks it once more."""
    leave_part(tmp_path, b"")
    (tmp_path / ".data.bin.download" / "data.bin").write_bytes(BODY)
    file = RemoteFile("data.bin", (file_server.put("data.bin", BODY),), sha256(BODY)[:digits])
    assert fetch(file, tmp_path, patience=QUICK).read_bytes() == BODY
    assert len(file_server.requests) == (0 if digits == 64 else 1)
    assert only_the_file(tmp_path)


@pytest.mark.parametrize("digits", [64, 8])
def test_a_wrong_staged_file_is_replaced(tmp_path: Path, file_server: FileServer, digits: int) -> None:
    leave_part(tmp_path, b"")
    (tmp_path / ".data.bin.download" / "data.bin").write_bytes(b"wrong")
    file = RemoteFile("data.bin", (file_server.put("data.bin", BODY),), sha256(BODY)[:digits])
    assert fetch(file, tmp_path, patience=QUICK).read_bytes() == BODY


@pytest.mark.parametrize("name", ["part", "tmp", "download", "sha256"])
def test_any_name_will_do(tmp_path: Path, file_server: FileServer, name: str) -> None:
    url = file_server.put(name, BODY, faults=[Fault("cut", 1000), Fault("cut", 0), Fault("cut", 0)])
    file = RemoteFile(name, (url,), sha256(BODY)[:8])
    fails(file, tmp_path)
    assert fetch(file, tmp_path, patience=QUICK).read_bytes() == BODY


def wait_for(condition, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_processes_that_want_the_same_file_share_one_download(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, pause=0.05)  # 16 pieces: 0.8 s
    code = (
        "from pathlib import Path; from evalshift.testbed.download import *; "
        f"print(fetch(RemoteFile('data.bin', ({url!r},), {sha256(BODY)!r}), Path({str(tmp_path)!r})))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0] for process in processes] == [f"{tmp_path}/data.bin\n"] * 3
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(file_server.requests) == 1
    assert file_sha256(tmp_path / "data.bin") == sha256(BODY)


def test_threads_that_want_the_same_file_share_one_download(tmp_path: Path, file_server: FileServer) -> None:
    file = remote(file_server.put("data.bin", BODY, pause=0.02))
    threads = [threading.Thread(target=fetch, args=(file, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(file_server.requests) == 1
    assert (tmp_path / "data.bin").read_bytes() == BODY


def test_says_what_it_waits_for(
    tmp_path: Path, file_server: FileServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("evalshift.testbed.download._SAY_AFTER", 0.01)
    file = remote(file_server.put("data.bin", BODY))
    with FileLock(tmp_path / ".data.bin.lock"):
        waiting = threading.Thread(target=fetch, args=(file, tmp_path))
        waiting.start()
        wait_for(lambda: caplog.messages)
        assert file_server.requests == []
    waiting.join()
    assert caplog.messages == ["data.bin is being downloaded by another process; waiting for it"]
    assert only_the_file(tmp_path)


# Servers that do not respond, or respond with something else


def test_a_stalled_server_is_called_again(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, faults=[Fault("stall", 200_000)])
    assert fetch(remote(url), tmp_path, patience=HASTY).read_bytes() == BODY
    assert [request.range for request in file_server.requests] == [None, "bytes=200000-"]


def test_a_server_that_always_stalls_is_given_up(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, faults=[Fault("stall", 0)] * 9)
    error = fails(remote(url), tmp_path, patience=HASTY)
    assert error.found == f"{url}: no data for 0.3 s"
    assert len(file_server.requests) == HASTY.attempts
    assert names(tmp_path) == {".data.bin.lock"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux leaves a call to a full queue unanswered")
def test_a_host_that_does_not_prediction_is_given_up_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent, socket.create_connection(silent.getsockname()):
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/data.bin"  # its queue has room for one, who never hangs up
        begin = time.monotonic()
        with pytest.raises(DownloadError) as caught:
            fetch(remote(url), tmp_path, patience=Patience(connect=0.2, attempts=9, backoff=10.0))
        assert time.monotonic() - begin < 10  # no pause, so no second attempt
    assert caught.value.found == f"{url}: no connection within 0.2 s"


def test_a_busy_server_is_called_again(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, faults=[Fault("status", 503)])
    assert fetch(remote(url), tmp_path, patience=QUICK).read_bytes() == BODY
    always = file_server.put("busy", BODY, faults=[Fault("status", 429)] * 9)
    assert fails(remote(always, name="busy"), tmp_path).found == f"{always}: HTTP 429 Too Many Requests"


def test_a_server_is_left_alone_for_as_long_as_it_asks(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, faults=[Fault("status", 503)], retry_after="1")
    begin = time.monotonic()
    assert fetch(remote(url), tmp_path, patience=QUICK).read_bytes() == BODY
    assert 1 <= time.monotonic() - begin < 10
    unclear = file_server.put("unclear", BODY, faults=[Fault("status", 429)], retry_after="soon")
    assert fetch(remote(unclear, name="unclear"), tmp_path, patience=QUICK).read_bytes() == BODY


def test_a_server_that_asks_for_an_hour_is_given_up_for_the_next(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, faults=[Fault("status", 429)] * 9, retry_after="3600")
    error = fails(remote(url), tmp_path, patience=QUICK)
    assert error.found == f"{url}: HTTP 429 Too Many Requests, which asks to wait 3,600 s"
    assert len(file_server.requests) == 1


def test_a_dead_mirror_is_passed_over(
    tmp_path: Path, file_server: FileServer, caplog: pytest.LogCaptureFixture
) -> None:
    path = fetch(remote(DEAD, file_server.put("data.bin", BODY)), tmp_path, patience=QUICK)
    assert path.read_bytes() == BODY
    assert caplog.messages == [f"{DEAD}: the connection failed: Connection refused; trying the next address"]


def test_every_address_is_named_with_its_reason(tmp_path: Path, file_server: FileServer) -> None:
    page = b"<html><head><title>\n403 Forbidden</title></head><body>no</body></html>"
    forbidden = file_server.put("forbidden", page, status=403, content_type="text/html; charset=utf-8")
    wrong = file_server.put("wrong", b"abc")
    urls = (DEAD, forbidden, f"{file_server.url}/nowhere", wrong, "gopher://old.example/data.bin")
    error = fails(remote(*urls), tmp_path)
    says(
        error,
        where=f"{tmp_path}/data.bin",
        found="\n            ".join(
            [
                f"{DEAD}: the connection failed: Connection refused",
                f'{forbidden}: HTTP 403 Forbidden, with a web page titled "403 Forbidden"',
                f"{file_server.url}/nowhere: HTTP 404 Not Found",
                f"{wrong}: wrong content, sha256 {sha256(b'abc')}, 3 bytes",
                (
                    "gopher://old.example/data.bin: the address cannot be used: No connection adapters were found for "
                    "'gopher://old.example/data.bin'"
                ),
            ]
        ),
        expected=f"sha256 {sha256(BODY)}",
        fix=REMEDY,
    )
    assert isinstance(error.__cause__, ExceptionGroup)
    assert len(error.__cause__.exceptions) == len(urls)
    assert names(tmp_path) == {".data.bin.lock"}


DRIVE = (
    b"\n<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>Google Drive cannot "
    b"scan this file for viruses.</body></html>"
)


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/octet-stream"])
@pytest.mark.parametrize("size", [None, 1_000_000])
def test_a_page_is_named_for_what_it_is(
    tmp_path: Path, file_server: FileServer, content_type: str, size: int | None
) -> None:
    url = file_server.put("data.bin", DRIVE, content_type=content_type)
    error = fails(remote(url, size=size), tmp_path)
    assert error.found == f'{url}: a web page titled "Google Drive - Virus scan warning" instead of the file'
    assert names(tmp_path) == {".data.bin.lock"}


def test_a_page_does_not_cost_the_bytes_that_were_there(tmp_path: Path, file_server: FileServer) -> None:
    leave_part(tmp_path, BODY[:1000])
    url = file_server.put("page", DRIVE, content_type="text/html", ranges=False)
    fetch(remote(url, file_server.put("data.bin", BODY)), tmp_path, patience=QUICK)
    assert file_server.asked("data.bin")[0].range == "bytes=1000-"


def test_a_password_in_an_address_is_not_shown(tmp_path: Path) -> None:
    error = fails(remote("http://me:secret@127.0.0.1:1/data.bin"), tmp_path)
    assert error.found == f"{DEAD}: the connection failed: Connection refused"
    assert "secret" not in str(error)


# Content


def test_wrong_bytes_never_get_the_name(tmp_path: Path, file_server: FileServer) -> None:
    wrong = file_server.put("wrong", b"\0" * 1_000_000)
    error = fails(remote(wrong, size=1_000_000), tmp_path, HashMismatchError)
    # sha256 of a million zero bytes: head -c 1000000 /dev/zero | sha256sum
    says(
        error,
        where=f"{tmp_path}/data.bin",
        found=f"{wrong}: wrong content, "
        "sha256 d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025, 1,000,000 bytes",
        expected=f"sha256 {sha256(BODY)}, 1,000,000 bytes",
        fix=REMEDY,
    )
    assert names(tmp_path) == {".data.bin.lock"}
    assert len(file_server.requests) == 1

    seen = []
    path = tmp_path / "data.bin"
    fetch(
        remote(wrong, file_server.put("data.bin", BODY)),
        tmp_path,
        progress=lambda done, total: seen.append((path.exists(), done, total)),
        patience=QUICK,
    )
    assert path.read_bytes() == BODY
    assert not any(exists for exists, _, _ in seen)
    assert [done for _, done, _ in seen].count(len(BODY)) == 2  # the wrong one, then the right one
    assert {total for _, _, total in seen} == {len(BODY)}


def test_pooch_looks_at_what_is_on_the_disk(tmp_path: Path) -> None:
    """Whatever a downloader says it has checked: a disk may lose what it was given."""
    with pytest.raises(HashMismatchError) as caught:
        _retrieve(DEAD, remote(), tmp_path, lambda url, output_file, pooch: Path(output_file).write_bytes(b"lost"))
    says(caught.value, where=DEAD)
    assert names(tmp_path) == set()


def test_another_size_is_refused_before_it_is_downloaded(tmp_path: Path, file_server: FileServer) -> None:
    long = file_server.put("long", bytes(5_000_000))
    error = fails(remote(long, size=1_000_000), tmp_path, HashMismatchError)
    assert error.found == f"{long}: wrong content, 5,000,000 bytes"
    endless = file_server.put("endless", bytes(5_000_000), length=False)
    error = fails(remote(endless, size=1_000_000), tmp_path, HashMismatchError)
    assert error.found == f"{endless}: wrong content, more than 1,000,000 bytes"
    assert not arrived(tmp_path).exists()


@pytest.mark.parametrize("size", [None, 1_000_000])
def test_a_server_may_keep_the_length_to_itself(tmp_path: Path, file_server: FileServer, size: int | None) -> None:
    url = file_server.put("data.bin", BODY, length=False)
    assert fetch(remote(url, size=size), tmp_path, patience=QUICK).read_bytes() == BODY


def test_a_known_size_shows_that_a_body_without_length_is_cut(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, length=False, faults=[Fault("cut", 300_000)])
    assert fetch(remote(url, size=1_000_000), tmp_path, patience=QUICK).read_bytes() == BODY
    assert file_server.sent("data.bin") == len(BODY)
    bare = file_server.put("bare", BODY, length=False, faults=[Fault("cut", 300_000)] * 9)
    error = fails(remote(bare, name="bare"), tmp_path, HashMismatchError)
    assert error.found == f"{bare}: wrong content, sha256 {sha256(BODY[:300_000])}, 300,000 bytes"


def test_the_first_digits_of_a_hash_are_enough(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY)
    digits = sha256(BODY)[:8]
    assert fetch(RemoteFile("data.bin", (url,), digits.upper()), tmp_path, patience=QUICK).read_bytes() == BODY
    assert (tmp_path / ".data.bin.sha256").read_text().split()[1] == sha256(BODY)
    error = fails(RemoteFile("other.bin", (url,), "01234567"), tmp_path, HashMismatchError)
    assert error.expected == "sha256 beginning with 01234567"
    assert error.found == f"{url}: wrong content, sha256 {sha256(BODY)}, 1,000,000 bytes"


def test_where_nobody_published_more_md5_must_do(tmp_path: Path, file_server: FileServer) -> None:
    md5 = hashlib.md5(BODY).hexdigest()
    file_server.put("wrong/data.bin", BODY[:-1] + b"?")
    right = file_server.put("data.bin", BODY)
    file = RemoteFile("data.bin", (f"{file_server.url}/wrong/data.bin", right), None, md5=md5)
    assert fetch(file, tmp_path, patience=QUICK).read_bytes() == BODY
    assert is_fetched(file, tmp_path)
    (tmp_path / "data.bin").write_bytes(b"other")
    with pytest.raises(HashMismatchError) as caught:
        fetch(file, tmp_path, patience=QUICK)
    error = caught.value
    assert error.found == f"md5 {hashlib.md5(b'other').hexdigest()}, 5 bytes"
    assert error.expected == f"md5 {md5}"


def test_hashes_match_by_their_first_digits() -> None:
    # sha256 of "abc" from FIPS 180-2
    whole = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hash_matches(whole, whole)
    assert hash_matches(whole, whole[:8])
    assert hash_matches(whole, whole.upper())
    assert not hash_matches(whole, whole[1:9])
    assert not hash_matches(whole, "")
    assert not hash_matches(whole[:8], whole)


def test_a_hash_that_is_none_fails_when_made() -> None:
    with pytest.raises(UsageError) as caught:
        RemoteFile("data.bin", (), "4118986")
    says(caught.value, where="data.bin", found="'4118986'")
    for wrong in ("", "0" * 65, "0123456g", "sha256:" + "0" * 64, "0" * 64 + "\n"):
        with pytest.raises(UsageError, match="a remote file needs its sha256"):
            RemoteFile("data.bin", (), wrong)
    with pytest.raises(UsageError, match="a remote file needs its sha256"):
        RemoteFile("data.bin", (), None, md5="0" * 31)


def test_a_name_that_leads_elsewhere_fails_when_made() -> None:
    with pytest.raises(UsageError) as caught:
        RemoteFile("../data.bin", (), "0" * 64)
    says(caught.value, found="'../data.bin'")
    for wrong in ("", ".", "..", "a/b", "a\\b", ".hidden", "a\nb"):
        with pytest.raises(UsageError, match="a remote file needs a plain name"):
            RemoteFile(wrong, (), "0" * 64)


# Addresses


def test_the_users_mirror_comes_first(tmp_path: Path, file_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALSHIFT_MIRROR", f"{file_server.url}/mirror/")
    file = RemoteFile("data 1.bin", (DEAD,), sha256(BODY))
    assert addresses(file) == (f"{file_server.url}/mirror/data%201.bin", DEAD)
    file_server.put("mirror/data 1.bin", BODY)
    assert fetch(file, tmp_path, patience=QUICK).read_bytes() == BODY
    monkeypatch.setenv("EVALSHIFT_MIRROR", "")
    assert addresses(file) == (DEAD,)


def test_a_file_without_an_address_says_so(tmp_path: Path) -> None:
    error = fails(remote(), tmp_path)
    says(
        error,
        where=f"{tmp_path}/data.bin",
        found="no address is known for it",
        expected=f"sha256 {sha256(BODY)}",
        fix=REMEDY,
    )


# The disk


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, file_server: FileServer) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError) as caught:
        fetch(remote(file_server.put("data.bin", BODY), size=1_000_000), tmp_path / "file" / "cache")
    says(caught.value, where=f"{tmp_path}/file/cache/data.bin", found="Not a directory")
    assert file_server.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_full_disk_is_named_and_the_download_goes_on_later(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY)
    # The system refuses to let any file grow beyond 500,000 bytes: a write fails in the middle, as on a full disk.
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n"
        "from pathlib import Path; from evalshift.errors import *; from evalshift.testbed.download import *\n"
        f"try: fetch(RemoteFile('data.bin', ({url!r},), {sha256(BODY)!r}), Path({str(tmp_path)!r}))\n"
        "except DownloadError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    says(done.stdout.rstrip(), where=f"{tmp_path}/data.bin", found="File too large")
    assert not (tmp_path / "data.bin").exists()
    assert arrived(tmp_path).read_bytes() == BODY[:500_000]
    assert fetch(remote(url), tmp_path, patience=QUICK).read_bytes() == BODY
    assert file_server.requests[1].sent == 500_000


# What is shown


def test_quick_downloads_show_nothing(
    tmp_path: Path, file_server: FileServer, capfd: pytest.CaptureFixture[str]
) -> None:
    fetch(remote(file_server.put("data.bin", BODY)), tmp_path, patience=QUICK)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("length", [True, False])
def test_slow_downloads_show_lines_where_there_is_no_terminal(
    tmp_path: Path,
    file_server: FileServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    length: bool,
) -> None:
    monkeypatch.setattr("evalshift.progress.LINE_EVERY_SECONDS", 0.1)
    fetch(remote(file_server.put("data.bin", BODY, pause=0.03, length=length)), tmp_path)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert 2 <= len(lines) <= 10  # of 17 pieces, some 0.03 s apart
    of_all = r"/1\.0 MB" if length else ""
    left = r", 0:00:0\d left" if length else ""
    for line in lines:
        assert re.fullmatch(rf"data\.bin: [\d.]+ [kM]B{of_all}, [\d.]+ [kM]B/s{left}", line), line


def test_slow_downloads_show_a_bar_on_a_terminal(
    tmp_path: Path, file_server: FileServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalshift.progress.SHOW_AFTER_SECONDS", 0.1)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # Rich then takes the stream for a terminal
    monkeypatch.setenv("COLUMNS", "100")
    fetch(remote(file_server.put("data.bin", BODY, pause=0.03)), tmp_path)
    out, err = capsys.readouterr()
    assert out == ""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err)
    assert "data.bin ━" in plain
    assert "1.0 MB/1.0 MB" in plain


def test_progress_begins_with_what_is_there(tmp_path: Path, file_server: FileServer) -> None:
    leave_part(tmp_path, BODY[:900_000])
    heard: list[tuple[int, int | None]] = []
    url = file_server.put("data.bin", BODY)
    fetch(remote(url), tmp_path, progress=lambda done, total: heard.append((done, total)))
    done = [at for at, _ in heard]  # in steps as the network brings them
    assert (done[0], done[-1]) == (900_000, 1_000_000)
    assert done == sorted(set(done))
    assert {total for _, total in heard} == {1_000_000}


# A file whose hash nobody knows: what no hash can find out afterwards


def unhashed(*urls: str) -> RemoteFile:
    return RemoteFile("data.bin", urls, None, check=lambda path: None)


class TestUnknownHash:
    def test_a_cut_download_goes_on_where_an_etag_says_that_the_file_is_the_same(
        self, tmp_path: Path, file_server: FileServer
    ) -> None:
        url = file_server.put("data.bin", BODY, etag='"one"', faults=[Fault("cut", 300_000)])
        assert fetch(unhashed(url), tmp_path, patience=QUICK).read_bytes() == BODY
        first, second = file_server.asked("data.bin")
        assert (second.range, second.headers["If-Range"]) == (f"bytes={first.sent}-", '"one"')

    @pytest.mark.parametrize("etag", [None, 'W/"weak"'])
    def test_without_a_strong_validator_it_starts_anew(
        self, tmp_path: Path, file_server: FileServer, etag: str | None
    ) -> None:
        url = file_server.put("data.bin", BODY, etag=etag, faults=[Fault("cut", 300_000)])
        assert fetch(unhashed(url), tmp_path, patience=QUICK).read_bytes() == BODY
        assert [request.range for request in file_server.asked("data.bin")] == [None, None]

    @pytest.mark.parametrize("note", ["damaged", "5", "[1, 2]", '["URL", ["x"]]', '{"URL": "x"}', "[" * 100_000])
    def test_a_damaged_note_of_the_validator_is_none(self, tmp_path: Path, file_server: FileServer, note: str) -> None:
        url = file_server.put("data.bin", BODY, etag='"one"', faults=[Fault("cut", 300_000), Fault("status", 404)])
        fails(unhashed(url), tmp_path)
        arrived(tmp_path).with_name(".validator").write_text(note.replace("URL", url))
        assert fetch(unhashed(url), tmp_path, patience=QUICK).read_bytes() == BODY
        assert file_server.asked("data.bin")[-1].range is None

    @pytest.mark.parametrize("if_range", [True, False])
    def test_a_file_that_changed_meanwhile_is_not_joined(
        self, tmp_path: Path, file_server: FileServer, if_range: bool
    ) -> None:
        url = file_server.put("data.bin", BODY, etag='"one"', faults=[Fault("cut", 300_000), Fault("status", 404)])
        fails(unhashed(url), tmp_path)
        assert arrived(tmp_path).stat().st_size == 300_000
        other = BODY[::-1]
        file_server.put("data.bin", other, etag='"two"', if_range=if_range)
        assert fetch(unhashed(url), tmp_path, patience=QUICK).read_bytes() == other

    def test_two_addresses_are_not_joined(self, tmp_path: Path, file_server: FileServer) -> None:
        url = file_server.put("one.bin", BODY, etag='"one"', faults=[Fault("cut", 300_000), Fault("status", 404)])
        mirror = file_server.put("two.bin", BODY[::-1], etag='"one"')
        assert fetch(unhashed(url, mirror), tmp_path, patience=QUICK).read_bytes() == BODY[::-1]

    @pytest.mark.parametrize(
        "behaviour, reason",
        [
            ({"length": False}, "the server does not say how long the file is, and its hash is not known"),
            ({"body": b""}, "an empty file"),
            ({"encoding": "gzip"}, "the server sends the file in another encoding, and its hash is not known"),
        ],
    )
    def test_what_no_hash_could_find_out_is_refused(
        self, tmp_path: Path, file_server: FileServer, behaviour: dict[str, object], reason: str
    ) -> None:
        url = file_server.put("data.bin", **{"body": BODY, **behaviour})  # type: ignore[arg-type]
        error = fails(unhashed(url), tmp_path)
        assert reason in str(error.found)

    def test_a_cut_body_is_never_kept(self, tmp_path: Path, file_server: FileServer) -> None:
        url = file_server.put("data.bin", BODY, faults=[Fault("cut", 300_000)] * 9)
        fails(unhashed(url), tmp_path)
        assert not (tmp_path / "data.bin").exists()


# What a server may ask of the disk and of one's patience


def test_a_server_that_trickles_is_given_up(tmp_path: Path, file_server: FileServer) -> None:
    """Each byte comes in time, so nothing ever counts as stalled."""
    url = file_server.put("data.bin", BODY, pause=0.05, piece=1)
    start = time.monotonic()
    error = fails(remote(url), tmp_path, patience=replace(QUICK, read=0.3))
    assert "less than 1,000 bytes per second" in str(error.found)
    assert time.monotonic() - start < 20


HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("begin", [HEAD + b"X-Padding: ", CHUNKED], ids=["header", "length of a chunk"])
def test_a_line_that_never_ends_is_given_up(tmp_path: Path, file_server: FileServer, begin: bytes) -> None:
    url = file_server.put("data.bin", raw=chain([begin], repeat(b"0")), pause=0.02)
    error = fails(remote(url), tmp_path, patience=HASTY)
    assert error.found == f"{url}: less than 1,000 bytes per second"
    assert len(file_server.requests) == 1


def test_an_endless_body_of_known_size_ends_with_it(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", raw=chain([HEAD + b"\r\n"], repeat(bytes(1 << 16))))
    written: list[int] = []
    with pytest.raises(HashMismatchError) as caught:
        fetch(remote(url, size=1_000_000), tmp_path, patience=QUICK, progress=lambda done, total: written.append(done))
    assert caught.value.found == f"{url}: wrong content, more than 1,000,000 bytes"
    assert max(written) < 1_000_000 + 2 * transfer._CHUNK
    assert not arrived(tmp_path).exists()


@pytest.mark.parametrize(
    "response, reason",
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the connection failed: "),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "the connection failed: got more than 100 headers"),
        (HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\n", "the connection failed: got more than 65536 bytes"),
        (CHUNKED + b"zz\r\nabc\r\n", "the connection failed: "),
        (CHUNKED + b"3\r\nabc\r\n", "the connection failed: "),
        (HEAD + b"Content-Length: -5\r\n\r\nabc", "wrong content, sha256 "),
        (HEAD.replace(b"200 OK", b"206 Partial Content") + b"\r\nabc", "a part of the file that was not asked for"),
        (HEAD.replace(b"200 OK", b"304 Not Modified") + b"\r\n", "HTTP 304 Not Modified"),
        (HEAD.replace(b"200", b"999") + b"\r\n", "HTTP 999 OK"),
        (HEAD + b"no header at all\r\n\r\nabc", "wrong content, sha256 "),
    ],
)
def test_a_response_that_is_none_of_http(
    tmp_path: Path, file_server: FileServer, capfd: pytest.CaptureFixture[str], response: bytes, reason: str
) -> None:
    url = file_server.put("data.bin", raw=[response])
    with pytest.raises(DownloadError) as caught:
        fetch(remote(url), tmp_path, patience=QUICK)
    assert reason in str(caught.value.found)
    assert not (tmp_path / "data.bin").exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("target", ["/data.bin", "/other", "http://127.0.0.1:1/data.bin", "http://", "ftp://x/y"])
def test_redirects_in_a_circle_or_to_nowhere(tmp_path: Path, file_server: FileServer, target: str) -> None:
    file_server.put("other", location="/data.bin")
    url = file_server.put("data.bin", location=target)
    error = fails(remote(url), tmp_path)
    assert str(error.found).startswith(f"{url}: ")
    assert len(file_server.requests) <= 31


@pytest.mark.parametrize("start", [b"300000-399999/2000000", b"299990-999999/1000000", b"300000-999999/*", b"x"])
def test_a_range_that_is_another_than_it_says(tmp_path: Path, file_server: FileServer, start: bytes) -> None:
    """Whatever the server calls the part that it sends: the file is right in the end, or there is none."""
    leave_part(tmp_path, BODY[:300_000])
    head = HEAD.replace(b"200 OK", b"206 Partial Content") + b"Content-Range: bytes " + start + b"\r\n\r\n"
    url = file_server.put("data.bin", raw=[head + BODY[300_000:]])
    mirror = file_server.put("mirror/data.bin", BODY)
    assert fetch(remote(url, mirror), tmp_path, patience=QUICK).read_bytes() == BODY
    assert only_the_file(tmp_path)


@pytest.mark.parametrize("claim", [1_200_000, 800_000])
@pytest.mark.parametrize("size", [None, 1_000_000])
def test_a_length_that_is_not_that_of_the_body(
    tmp_path: Path, file_server: FileServer, claim: int, size: int | None
) -> None:
    url = file_server.put("data.bin", BODY, claim=claim)
    try:  # a body that ends too soon is asked for the rest, and the server says that there is none
        assert fetch(remote(url, size=size), tmp_path, patience=QUICK).read_bytes() == BODY
        assert (claim, size) == (1_200_000, None)
    except DownloadError:
        assert not (tmp_path / "data.bin").exists()


def test_another_file_by_the_same_etag_is_not_joined(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY[::-1], etag='"one"', faults=[Fault("cut", 300_000), Fault("status", 404)])
    fails(remote(url), tmp_path)
    file_server.put("data.bin", BODY, etag='"one"')
    assert fetch(remote(url), tmp_path, patience=QUICK).read_bytes() == BODY


def test_a_chunked_body_is_taken_and_goes_on_where_it_was_cut(tmp_path: Path, file_server: FileServer) -> None:
    pieces = [b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:400_000], BODY[400_000:])]
    whole = file_server.put("data.bin", raw=[CHUNKED, *pieces, b"0\r\n\r\n"])
    assert fetch(remote(whole), tmp_path, patience=QUICK).read_bytes() == BODY
    cut = file_server.put("cut.bin", raw=[CHUNKED, pieces[0]])
    mirror = file_server.put("mirror.bin", BODY)
    assert fetch(remote(cut, mirror, name="cut.bin"), tmp_path, patience=QUICK).read_bytes() == BODY
    assert file_server.asked("mirror.bin")[0].range == "bytes=400000-"


def test_a_slow_server_is_not_a_trickle(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY[:20_000], pause=0.1, piece=2_000)
    file = remote(url, body=BODY[:20_000])
    assert fetch(file, tmp_path, patience=replace(QUICK, read=0.3)).read_bytes() == BODY[:20_000]


def test_more_than_the_disk_holds_is_refused_before_a_byte_is_written(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, claim=1 << 50)
    error = fails(RemoteFile("data.bin", (url,), sha256(BODY), 1 << 50), tmp_path)
    assert f"{1 << 50:,} bytes are to come" in str(error.found)
    assert not arrived(tmp_path).exists()


def test_more_than_any_file_has_is_refused(tmp_path: Path, file_server: FileServer) -> None:
    url = file_server.put("data.bin", BODY, claim=transfer.MOST_BYTES + 1)
    assert f"at most {transfer.MOST_BYTES:,} are taken" in str(fails(remote(url), tmp_path).found)
    assert not arrived(tmp_path).exists()


def test_an_endless_body_ends(tmp_path: Path, file_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MOST_BYTES", 300_000)
    url = file_server.put("data.bin", BODY, length=False)
    assert "more than 300,000 bytes" in str(fails(remote(url), tmp_path).found)


@pytest.mark.parametrize("target", ["http://mirror.example/x", "//mirror.example/x", "/x", "https://other.example/x"])
def test_https_is_never_left_for_http(target: str) -> None:
    import requests

    session, infer = transfer._session(transfer._Watch(QUICK)), requests.Response()
    infer.status_code, infer.url = 302, "https://me:secret@mirror.example/data"
    infer.headers["Location"] = target
    if target.startswith("http://"):
        with pytest.raises(DownloadError) as caught:
            session.get_redirect_target(infer)
        says(caught.value, where="https://mirror.example/data")
    else:
        assert session.get_redirect_target(infer) == target


@pytest.mark.parametrize(
    "url, shown",
    [
        ("https://a.example/w.pt?token=abc#x", "https://a.example/w.pt"),
        ("https://user@a.example:8080/w.pt?raw=true&sig=1", "https://a.example:8080/w.pt?raw=true"),
        ("https://u:p@w@a.example/w.pt", "https://a.example/w.pt"),
        ("https://[broken/w.pt?token=abc", "https://[broken/w.pt"),
    ],
)
def test_an_address_is_shown_without_secrets(url: str, shown: str) -> None:
    assert public(url) == shown
