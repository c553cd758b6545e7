"""One file from one address over HTTP, taken up where it stopped.

Knows nothing of hashes or caches: `receive` adds to a partial file until all that the server has is there.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalshift.errors import DownloadError, HashMismatchError

if TYPE_CHECKING:
    from requests import Response

SHOW_AFTER = 2.0  # seconds of downloading before anything is shown
LINE_EVERY = 5.0  # seconds between lines where there is no terminal

_CHUNK = 1 << 16
_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_PAUSE = 30.0

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Patience:
    """How long a download waits before it gives up on an address.

    connect   seconds until there is a connection
    read      seconds without data until a server counts as stalled
    attempts  failures in a row that brought no new byte
    backoff   seconds of pause after the first failure, doubled after each further one
    """

    connect: float = 10.0
    read: float = 30.0
    attempts: int = 3
    backoff: float = 1.0


PATIENCE = Patience()


def receive(url: str, part: Path, size: int | None, progress: Progress, patience: Patience = PATIENCE) -> None:
    """Add to `part` what is missing of the file at `url`, over as many calls as that takes.

    `size` in bytes where it is known, else None. `progress(done, total)` hears of each piece; total is None when
    nobody knows it. Only failures in a row that brought nothing new count against the server.
    Raises DownloadError saying why the address gives nothing (more), HashMismatchError when it offers another size;
    OSError when `part` cannot be written. What has arrived stays in `part`.
    """
    most, fruitless = size_of(part), 0
    call = _Call(url, part, size, progress, patience)
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
            time.sleep(min(patience.backoff * 2 ** max(fruitless - 1, 0), _LONGEST_PAUSE))


def size_of(path: Path) -> int:
    """Bytes in a file; 0 when there is none."""
    return path.stat().st_size if path.exists() else 0


def public(url: str) -> str:
    """An address without the password that it may carry.

    >>> public("https://me:secret@mirror.example/data")
    'https://mirror.example/data'
    """
    return re.sub(r"(?<=//)[^/@]*@", "", url)


def web_page(beginning: bytes) -> str | None:
    """What to call a file that begins like this if it is a web page, with the title that often says what is wrong.

    >>> web_page(b"<!DOCTYPE html><html><head><title>Too many requests</title>")
    'a web page titled "Too many requests"'
    """
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    return _page(beginning) if text[:14].lower().startswith((b"<!doctype html", b"<html")) else None


def _page(text: bytes) -> str:
    match = re.search(rb"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    title = " ".join(match[1].decode(errors="replace").split())[:100] if match else ""
    return f'a web page titled "{title}"' if title else "a web page"


class _Interrupted(Exception):
    """This call failed; the next may not."""


@dataclass(frozen=True)
class _Call:
    url: str
    part: Path
    size: int | None
    progress: Progress
    patience: Patience

    def run(self) -> None:
        """One call to the server: all that is missing, or _Interrupted, or the reason why it will never come."""
        import requests
        from urllib3.exceptions import HTTPError

        have = size_of(self.part)
        if have and have == self.size:
            return  # killed between the last byte and the check
        try:
            with requests.Session() as session, self._answer(session, have) as response:
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

    def _answer(self, session: Any, have: int) -> "Response":
        # Ranges count the bytes that are sent, so these must be the file's own, not a compressed form of them.
        headers = {"Accept-Encoding": "identity", "User-Agent": "evalshift"}
        if have:
            headers["Range"] = f"bytes={have}-"
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
            return total != have  # else there is nothing left to send
        start = _start_of_range(response) if ranged else 0
        if start not in (0, have):
            if not have:
                raise self._failure("the server sent a part of the file that was not asked for")
            return True
        chunks = response.raw.stream(_CHUNK, decode_content=False)
        first = next(chunks, b"")
        page = _page(first) if _is_html(response) else web_page(first) if start == 0 else None
        if page:
            raise self._failure(f"{page} instead of the file")
        if self.size is not None and total is not None and total != self.size:
            raise self._wrong_size(f"{total:,} bytes")
        self._write(first, chunks, start, total if total is not None else self.size)
        return False

    def _raise_for_status(self, response: "Response", have: int) -> None:
        status = response.status_code
        if status in (200, 206) or (status == 416 and have):
            return
        reason = f"HTTP {status} {response.reason or ''}".rstrip()
        if status in _TRANSIENT_STATUS:
            raise _Interrupted(reason)
        page = f", with {_page(response.raw.read(_CHUNK, decode_content=True))}" if _is_html(response) else ""
        raise self._failure(reason + page)

    def _write(self, chunk: bytes, chunks: Iterator[bytes], start: int, total: int | None) -> None:
        done, limit = start, float("inf") if self.size is None else self.size
        with self.part.open("ab" if start else "wb") as stream:
            self.progress(done, total)
            while chunk and done <= limit:
                done += stream.write(chunk)
                self.progress(done, total)
                chunk = next(chunks, b"")
            stream.flush()
            os.fsync(stream.fileno())
        if done > limit:
            self.part.unlink()
            raise self._wrong_size(f"more than {self.size:,} bytes")
        if total is not None and done < total:
            raise _Interrupted(f"the connection ended after {done:,} of {total:,} bytes")

    def _failure(self, reason: str) -> DownloadError:
        return DownloadError(reason, where=public(self.url))

    def _wrong_size(self, found: str) -> HashMismatchError:
        return HashMismatchError("wrong content", where=public(self.url), found=found, expected=f"{self.size:,} bytes")


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
    meter = _Meter(name)
    try:
        yield meter
    finally:
        meter.close()


class _Meter:
    """A bar on a terminal, a line every few seconds elsewhere."""

    def __init__(self, name: str) -> None:
        from rich.console import Console

        self._name = name
        self._console = Console(stderr=True)
        self._next = time.monotonic() + SHOW_AFTER
        self._origin: tuple[float, int] | None = None  # bytes from an earlier run do not count towards the speed
        self._bar: Any = None

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self._origin is None or done < self._origin[1]:
            self._origin = (now, done)
        if now < self._next:
            return
        if self._console.is_terminal:
            self._draw(done, total)
        else:
            self._next = now + LINE_EVERY
            line = self._line(done, total, (done - self._origin[1]) / max(now - self._origin[0], 1e-9))
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _draw(self, done: int, total: int | None) -> None:
        if self._bar is None:
            from rich import progress

            name = progress.TextColumn("{task.description}", markup=False)
            numbers = (progress.DownloadColumn(), progress.TransferSpeedColumn(), progress.TimeRemainingColumn())
            self._bar = progress.Progress(name, progress.BarColumn(), *numbers, console=self._console)
            self._bar.add_task(self._name, total=total, completed=done)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done, total=total)

    def _line(self, done: int, total: int | None, speed: float) -> str:
        from rich.filesize import decimal

        amount = decimal(done) if total is None else f"{decimal(done)} of {decimal(total)}"
        left = f", {timedelta(seconds=round((total - done) / speed))} left" if total is not None and speed > 0 else ""
        return f"{self._name}: {amount}, {decimal(int(speed))}/s{left}"

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
