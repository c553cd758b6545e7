"""One file from one address over HTTP, resumed where it stopped.

Knows nothing of hashes or caches: `receive` adds to a partial file until all that the server has is there.
"""

import errno
import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from evalshift.errors import DownloadError, HashMismatchError
from evalshift.files import json_content
from evalshift.publishing import inert_text, public

if TYPE_CHECKING:
    from requests import Response

# Far above any file of weights or data that is published as one, far below what fills a large disk unseen.
MOST_BYTES = 200 << 30
# What a download leaves free for everybody else.
_LEFT_FREE = 64 << 20

_CHUNK = 1 << 16
_BEGINNING = 1 << 12
_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_PAUSE = 30.0
# Over how many times the seconds of a stalled connection bytes are counted: where none comes, that is noticed first.
_WINDOW = 1.5
# A server that wants more patience than that (Retry-After) is given up for the next address.
_LONGEST_ASKED = 120.0

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Patience:
    """How long a download waits before it gives up on an address.

    connect   seconds until there is a connection
    read      seconds without data until a server counts as stalled
    attempts  failures in a row that brought no new byte
    backoff   seconds of pause after the first failure, doubled after each further one
    slowest   bytes per second of the file, over some `read` seconds: a server that sends less is given up
    """

    connect: float = 10.0
    read: float = 30.0
    attempts: int = 3
    backoff: float = 1.0
    slowest: float = 1000.0


PATIENCE = Patience()


def receive(
    url: str,
    part: Path,
    size: int | None,
    progress: Progress,
    patience: Patience = PATIENCE,
    *,
    hashed: bool = True,
) -> None:
    """Add to `part` what is missing of the file at `url`, over as many calls as that takes.

    `size` in bytes where it is known, else None. `progress(done, total)` hears of each piece; total is None when
    nobody knows it. Only failures in a row that brought nothing new count against the server (urllib3's Retry counts
    all, and makes the same request again where this one asks for the rest).
    `hashed` says that a hash will tell whether what has arrived is right. Without one the server must say how long the
    file is, and a broken download is taken up only where a strong validator (ETag) shows that it is the same file.
    Raises DownloadError saying why the address gives nothing (more), HashMismatchError when it offers another size;
    OSError when `part` cannot be written. What has arrived stays in `part`.
    """
    most, fruitless = size_of(part), 0
    call = _Call(url, part, size, progress, patience, hashed)
    while True:
        try:
            call.run()
            return
        except _Interrupted as interruption:
            arrived = size_of(part)
            fruitless = 0 if arrived > most else fruitless + 1
            most = max(most, arrived)
            if fruitless >= patience.attempts:
                raise DownloadError(str(interruption), where=public(url)) from interruption
            pause = min(patience.backoff * 2 ** max(fruitless - 1, 0), _LONGEST_PAUSE)
            time.sleep(max(pause, interruption.after))


def size_of(path: Path) -> int:
    """Bytes in a file; 0 when there is none."""
    return path.stat().st_size if path.exists() else 0


def web_page(beginning: bytes) -> str | None:
    """What to call a file that begins like this if it is a web page, with the title that often says what is wrong.

    >>> web_page(b"<!DOCTYPE html><html><head><title>Too many requests</title>")
    'a web page titled "Too many requests"'
    """
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    return _page(beginning) if text[:14].lower().startswith((b"<!doctype html", b"<html")) else None


def _page(text: bytes) -> str:
    match = re.search(rb"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    title = inert_text(" ".join(match[1].decode(errors="replace").split()))[:100] if match else ""
    return f'a web page titled "{title}"' if title else "a web page"


class _Interrupted(Exception):
    """This call failed; the next may not. `after` is how many seconds the server asks to wait until then."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


@dataclass(frozen=True)
class _Call:
    url: str
    part: Path
    size: int | None
    progress: Progress
    patience: Patience
    hashed: bool

    def run(self) -> None:
        """One call to the server: all that is missing, or _Interrupted, or the reason why it will never come."""
        import requests
        from urllib3.exceptions import HTTPError

        have = self._resumable()
        if have and have == self.size and self.hashed:
            return  # killed between the last byte and the check
        try:
            with self._watched() as watch, _session(watch) as session, self._get(session, have) as response:
                again = self._take(response, have, watch)
        except requests.ConnectTimeout as error:
            # The system has called several times by then; with more mirrors to try, calling again only costs time.
            raise self._failure(f"no connection within {self.patience.connect:g} s") from error
        except (requests.Timeout, requests.ConnectionError, HTTPError) as error:
            raise _Interrupted(self._reason(error)) from error
        except requests.RequestException as error:
            raise self._failure(f"the address cannot be used: {error}") from error
        if again:
            self.part.unlink()
            self.run()

    @contextmanager
    def _watched(self) -> Iterator["_Watch"]:
        """A watch over the call. What goes wrong because it ended the connection is a trickle's fault."""
        with _Watch(self.patience) as watch:
            try:
                yield watch
            except Exception as error:
                if watch.gave_up:
                    raise self._too_slow() from error
                raise
        if watch.gave_up:  # and a body of unknown length seemed to have ended
            raise self._too_slow()

    def _too_slow(self) -> DownloadError:
        return self._failure(f"less than {self.patience.slowest:,.0f} bytes per second")

    def _get(self, session: Any, have: int) -> "Response":
        # Ranges count the bytes that are sent, so these must be the file's own, not a compressed form of them.
        headers = {"Accept-Encoding": "identity", "User-Agent": "evalshift"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if not self.hashed:
                headers["If-Range"] = self._validator() or ""
        timeout = (self.patience.connect, self.patience.read)
        return session.get(self.url, headers=headers, timeout=timeout, stream=True)

    def _reason(self, error: Exception) -> str:
        from requests import Timeout
        from urllib3.exceptions import TimeoutError as RawTimeout

        if isinstance(error, Timeout | RawTimeout):
            return f"no data for {self.patience.read:g} s"
        return f"the connection failed: {_root_cause(error)}"

    def _take(self, response: "Response", have: int, watch: "_Watch") -> bool:
        """Write the body to `part`; True when the call must be made again, for all of the file."""
        self._raise_for_status(response, have)
        ranged = response.status_code != 200
        total = _total_of_range(response) if ranged else _length(response)
        if response.status_code == 416:
            return total != have or not self.hashed  # else there is nothing left to send
        start = _start_of_range(response) if ranged else 0
        if start not in (0, have):
            if not have:
                raise self._failure("the server sent a part of the file that was not asked for")
            return True
        if not self.hashed:
            self._refuse_uncertain(response, total)
            if start and response.headers.get("ETag") != self._validator():
                return True  # another file meanwhile, of a server that does not know If-Range
            if not start:
                self._note_validator(response)
        chunks = _chunks(response, watch)
        first, chunks = _beginning(chunks)
        page = _page(first) if _is_html(response) else web_page(first) if start == 0 else None
        if page:
            raise self._failure(f"{page} instead of the file")
        if self.size is not None and total is not None and total != self.size:
            raise self._wrong_size(f"{total:,} bytes")
        self._refuse_oversize(start, total)
        self._write(first, chunks, start, total if total is not None else self.size)
        return False

    def _refuse_uncertain(self, response: "Response", total: int | None) -> None:
        """What no hash will find out afterwards must be plain beforehand."""
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise self._failure("the server sends the file in another encoding, and its hash is not known")
        if total is None:
            raise self._failure("the server does not say how long the file is, and its hash is not known")
        if total == 0:
            raise self._failure("an empty file")

    def _refuse_oversize(self, start: int, total: int | None) -> None:
        """Before anything is written: too large to be meant, or for the disk."""
        if total is not None and self.size is None and total > MOST_BYTES:
            raise self._failure(f"{total:,} bytes, where at most {MOST_BYTES:,} are taken of a file of unknown size")
        free = _free(self.part) + (0 if start else size_of(self.part))
        if total is not None and total - start > free:
            raise OSError(errno.ENOSPC, f"{total - start:,} bytes are to come, {free:,} are free")

    def _most(self) -> int:
        return min(MOST_BYTES, _free(self.part) + size_of(self.part))

    def _resumable(self) -> int:
        """How much of the file is there to go on after; what may be of another file is thrown away."""
        if not self.hashed and size_of(self.part) and not self._validator():
            self.part.unlink()
        return size_of(self.part)

    def _validator(self) -> str | None:
        """The strong ETag of what has arrived, from this address; None without one."""
        with suppress(OSError, ValueError):
            noted = json_content(self._note().read_text("utf-8"))
            if isinstance(noted, list) and noted[:1] == [self.url] and all(isinstance(one, str) for one in noted):
                return noted[-1]
        return None

    def _note_validator(self, response: "Response") -> None:
        tag = response.headers.get("ETag", "")
        if tag.startswith('"'):
            self._note().write_text(json.dumps([self.url, tag]), "utf-8")
        else:
            self._note().unlink(missing_ok=True)

    def _note(self) -> Path:
        return self.part.with_name(".validator")

    def _raise_for_status(self, response: "Response", have: int) -> None:
        status = response.status_code
        if status in (200, 206) or (status == 416 and have):
            return
        reason = f"HTTP {status} {response.reason or ''}".rstrip()
        if status in _TRANSIENT_STATUS:
            after = _retry_after(response)
            if after > _LONGEST_ASKED:
                raise self._failure(f"{reason}, which asks to wait {after:,.0f} s")
            raise _Interrupted(reason, after)
        page = f", with {_page(response.raw.read(_CHUNK, decode_content=True))}" if _is_html(response) else ""
        raise self._failure(reason + page)

    def _write(self, chunk: bytes, chunks: Iterator[bytes], start: int, total: int | None) -> None:
        done, limit = start, self.size if self.size is not None else total if total is not None else self._most()
        with self.part.open("ab" if start else "wb") as stream:
            self.progress(done, total)
            while chunk and done <= limit:
                done += stream.write(chunk)
                stream.flush()
                self.progress(done, total)
                chunk = next(chunks, b"")
            os.fsync(stream.fileno())
        if done > limit:
            self.part.unlink()
            if self.size is None:
                raise self._failure(f"more than {limit:,} bytes")
            raise self._wrong_size(f"more than {self.size:,} bytes")
        if total is not None and done < total:
            raise _Interrupted(f"the connection ended after {done:,} of {total:,} bytes")

    def _failure(self, reason: str) -> DownloadError:
        return DownloadError(reason, where=public(self.url))

    def _wrong_size(self, found: str) -> HashMismatchError:
        return HashMismatchError("wrong content", where=public(self.url), found=found, expected=f"{self.size:,} bytes")


class _Watch:
    """Ends a connection that brings less than it must.

    A thread does, not the reader: who sends a byte now and then, in the midst of a header or of the length of a chunk,
    keeps the reader waiting for the end of that line for days, and no timeout of a socket ever passes.
    """

    def __init__(self, patience: Patience) -> None:
        self.gave_up = False
        self._patience = patience
        self._connection: tuple[Any, float] | None = None
        self._arrived = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="evalshift-watch", daemon=True)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def begin(self, connection: Any) -> None:
        """A request was sent on this socket: from now on something must come."""
        self._arrived, self._connection = 0, (connection, time.monotonic())

    def count(self, size: int) -> None:
        """So many bytes of the file arrived."""
        self._arrived += size

    def end(self) -> None:
        """All has arrived; what is still to be done takes as long as it takes."""
        self._done.set()

    def _look(self) -> None:
        while not self._done.wait(self._patience.read / 4):
            if self._connection is None:
                continue
            connection, since = self._connection
            passed = time.monotonic() - since
            if passed < _WINDOW * self._patience.read:
                continue
            if self._arrived < self._patience.slowest * passed:
                self.gave_up = True
                with suppress(OSError, AttributeError):  # it was closed meanwhile
                    connection.shutdown(socket.SHUT_RDWR)
                return
            self.begin(connection)


def _chunks(response: "Response", watch: _Watch) -> Iterator[bytes]:
    """The body as it arrives."""
    while chunk := response.raw.read1(_CHUNK, decode_content=False):
        watch.count(len(chunk))
        yield chunk
    watch.end()


def _watched_adapter(watch: _Watch) -> Any:
    """What makes the connections of a session, each of which is watched from its request on."""
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    class Plain(HTTPConnection):
        def getresponse(self) -> Any:
            watch.begin(self.sock)
            return super().getresponse()

    class Secure(HTTPSConnection):
        def getresponse(self) -> Any:
            watch.begin(self.sock)
            return super().getresponse()

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain  # pyright: ignore[reportAssignmentType]

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure  # pyright: ignore[reportAssignmentType]

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, **options)
            self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

        def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
            manager = super().proxy_manager_for(proxy, **options)
            manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
            return manager

    return Adapter()


def _session(watch: _Watch) -> Any:
    """A session that follows redirects, but never from https to an address that anybody on the way can read."""
    import requests

    class Session(requests.Session):
        def get_redirect_target(self, resp: "Response") -> str | None:
            target = super().get_redirect_target(resp)
            whole = urljoin(resp.url, target) if target else ""
            if resp.url.lower().startswith("https:") and whole and not whole.lower().startswith("https:"):
                raise DownloadError(f"a redirect from https to {public(whole)}", where=public(resp.url))
            return target

    session = Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _watched_adapter(watch))
    return session


def _retry_after(response: "Response") -> float:
    """Seconds that a server asks to wait (Retry-After, as seconds or a date); 0 where it does not, or not clearly."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util.retry import Retry

    with suppress(InvalidHeader):
        return float(Retry().get_retry_after(response.raw) or 0)
    return 0.0


def _free(part: Path) -> int:
    return max(0, shutil.disk_usage(part.parent).free - _LEFT_FREE)


def _beginning(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Enough to tell a web page by, less only where there is no more, and what comes after it."""
    beginning = b""
    try:
        while len(beginning) < _BEGINNING and (chunk := next(chunks, b"")):
            beginning += chunk
    except Exception as error:  # the connection broke off; what has arrived is kept
        if not beginning:
            raise
        return beginning, _raising(error)
    return beginning, chunks


def _raising(error: Exception) -> Iterator[bytes]:
    yield from ()
    raise error


def _root_cause(error: BaseException) -> str:
    """What the operating system or the HTTP parser said, without the wrapping."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(getattr(error, "strerror", None) or error)


def _length(response: "Response") -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _start_of_range(response: "Response") -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _total_of_range(response: "Response") -> int | None:
    match = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _is_html(response: "Response") -> bool:
    return response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml"))


@contextmanager
def shown(name: str, progress: Progress | None) -> Iterator[Progress]:
    """The caller's way to show progress, or else ours: on the standard error stream, once it takes over a moment."""
    if progress is not None:
        yield progress
        return
    from rich.console import Console

    from evalshift.progress import BYTES, Meter

    meter = Meter(name, BYTES, Console(stderr=True), begun=None)
    try:
        yield meter
    finally:
        meter.close()
