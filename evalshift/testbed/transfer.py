"""One file from one address over HTTP, resumed where it stopped.

Knows nothing of hashes or caches: `receive` adds to a partial file until all that the server has is there.
"""

import errno
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from evalshift.errors import DownloadError, HashMismatchError
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
    slowest   bytes per second, over `read` seconds: a server that sends less is given up
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
            with _session() as session, self._get(session, have) as response:
                again = self._take(response, have)
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

    def _take(self, response: "Response", have: int) -> bool:
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
        chunks = self._chunks(response)
        first = _beginning(chunks)
        page = _page(first) if _is_html(response) else web_page(first) if start == 0 else None
        if page:
            raise self._failure(f"{page} instead of the file")
        if self.size is not None and total is not None and total != self.size:
            raise self._wrong_size(f"{total:,} bytes")
        self._refuse_oversize(start, total)
        self._write(first, chunks, start, total if total is not None else self.size)
        return False

    def _chunks(self, response: "Response") -> Iterator[bytes]:
        """The body as it arrives. A server that trickles would keep a call that waits for whole pieces for days."""
        since, arrived = time.monotonic(), 0
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            arrived += len(chunk)
            now = time.monotonic()
            if now - since >= self.patience.read:
                if arrived < self.patience.slowest * (now - since):
                    raise self._failure(f"less than {self.patience.slowest:,.0f} bytes per second")
                since, arrived = now, 0
            yield chunk

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
            url, tag = json.loads(self._note().read_text("utf-8"))
            return tag if url == self.url else None
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


def _session() -> Any:
    """A session that follows redirects, but never from https to an address that anybody on the way can read."""
    import requests

    class Session(requests.Session):
        def get_redirect_target(self, resp: "Response") -> str | None:
            target = super().get_redirect_target(resp)
            whole = urljoin(resp.url, target) if target else ""
            if resp.url.lower().startswith("https:") and whole and not whole.lower().startswith("https:"):
                raise DownloadError(f"a redirect from https to {public(whole)}", where=public(resp.url))
            return target

    return Session()


def _retry_after(response: "Response") -> float:
    """Seconds that a server asks to wait (Retry-After, as seconds or a date); 0 where it does not, or not clearly."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util.retry import Retry

    with suppress(InvalidHeader):
        return float(Retry().get_retry_after(response.raw) or 0)
    return 0.0


def _free(part: Path) -> int:
    return max(0, shutil.disk_usage(part.parent).free - _LEFT_FREE)


def _beginning(chunks: Iterator[bytes]) -> bytes:
    """Enough to tell a web page by; less only where there is no more."""
    beginning = b""
    try:
        while len(beginning) < _BEGINNING and (chunk := next(chunks, b"")):
            beginning += chunk
    except DownloadError:
        raise
    except Exception:  # the connection broke off; what has arrived is kept, and that it is too little shows by itself
        if not beginning:
            raise
    return beginning


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
