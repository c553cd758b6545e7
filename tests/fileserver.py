"""A real HTTP server on this machine that behaves, and misbehaves, as a test tells it to."""

import re
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    cut     the connection ends after `amount` bytes of the body
    stall   nothing more comes after `amount` bytes of the body
    status  the response is HTTP `amount`, with no file
    """

    kind: Literal["cut", "stall", "status"]
    amount: int


@dataclass(frozen=True)
class Served:
    """A file and how it is given.

    faults        the first for the first request, and so on; later requests go well
    ranges        whether Range is honoured
    shift         how many bytes too late a range begins
    length        whether the response says how long the body is
    encoding      the Content-Encoding that the response claims
    pause         seconds before each piece of the body
    piece         bytes in a piece
    etag          of the file; ranges of another file are not given where If-Range asks for it
    if_range      whether If-Range is understood
    claim         the length that the response claims, whatever is sent
    retry_after   the header Retry-After of responses with a fault
    raw           pieces of the whole response, head and all, sent as they are in place of the above
    """

    body: bytes = b""
    status: int = 200
    content_type: str = "application/octet-stream"
    location: str | None = None
    faults: Sequence[Fault] = ()
    ranges: bool = True
    shift: int = 0
    length: bool = True
    encoding: str | None = None
    pause: float = 0.0
    piece: int = 1 << 16
    etag: str | None = None
    if_range: bool = True
    claim: int | None = None
    retry_after: str | None = None
    raw: Iterable[bytes] = ()


@dataclass
class Request:
    """A request that was served, and how many bytes of the body were sent (so far)."""

    name: str
    range: str | None
    headers: dict[str, str] = field(repr=False)
    status: int = 0
    sent: int = 0


class FileServer:
    """Serves what `put` is given, and remembers each request.

    >>> with FileServer() as server:
    ...     server.put("hello.txt", b"hello").rpartition("/")[2]
    'hello.txt'
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.files: dict[str, Served] = {}
        self.closing = threading.Event()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.files = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def put(self, name: str, body: bytes = b"", **behaviour: Any) -> str:
        """Serve `body` at /`name` from now on; the address. `behaviour` are the fields of Served."""
        self.files[name] = Served(body, **behaviour)
        return f"{self.url}/{name}"

    def change(self, name: str, **behaviour: Any) -> None:
        """Let /`name` behave otherwise from now on; its faults count from its very first request."""
        self.files[name] = replace(self.files[name], **behaviour)

    def asked(self, name: str) -> list[Request]:
        """The requests for /`name`, in order."""
        return [request for request in self.requests if request.name == name]

    def sent(self, name: str) -> int:
        """Bytes of bodies sent for /`name`, over all requests."""
        return sum(request.sent for request in self.asked(name))

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> "FileServer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the responses, and no socket is left open
    files: FileServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _files(self) -> FileServer:
        assert isinstance(self.server, _Server)
        return self.server.files

    def do_GET(self) -> None:
        files = self._files
        name = unquote(urlsplit(self.path).path).lstrip("/")
        served = files.files.get(name, Served(status=404))
        number = len(files.asked(name))
        request = Request(name, self.headers.get("Range"), dict(self.headers.items()))
        files.requests.append(request)
        fault = served.faults[number] if number < len(served.faults) else None
        self.close_connection = True
        with suppress(ConnectionError):  # the client may go away
            if served.raw:
                self._send_raw(served, request)
            else:
                self._respond(served, fault, request)

    def do_HEAD(self) -> None:
        """Remembered like any other, and refused; likewise what comes by a proxy for another host."""
        self._files.requests.append(Request(self.path, None, dict(self.headers.items())))
        self.close_connection = True
        self.send_error(405)

    do_CONNECT = do_POST = do_HEAD

    def _respond(self, served: Served, fault: Fault | None, request: Request) -> None:
        if fault and fault.kind == "status":
            served, fault = Served(status=fault.amount, retry_after=served.retry_after), None
        condition = request.headers.get("If-Range") if served.if_range else None
        asked = request.range if condition in (None, served.etag) else None
        body, request.status, extra = self._part(served, asked)
        if served.etag:
            extra = {**extra, "ETag": served.etag}
        self.send_response(request.status)
        self.send_header("Connection", "close")
        self.send_header("Content-Type", served.content_type)
        if served.length:
            self.send_header("Content-Length", str(len(body) if served.claim is None else served.claim))
        if served.retry_after and served.status != 200:
            self.send_header("Retry-After", served.retry_after)
        if served.encoding:
            self.send_header("Content-Encoding", served.encoding)
        for header, value in extra.items():
            self.send_header(header, value)
        self.end_headers()
        self._send(body[: fault.amount] if fault else body, served, request)
        if fault and fault.kind == "stall":
            self._files.closing.wait()

    def _part(self, served: Served, asked: str | None) -> tuple[bytes, int, dict[str, str]]:
        body = served.body
        if served.location:
            return b"", 302, {"Location": served.location}
        match = re.fullmatch(r"bytes=(\d+)-", asked or "")
        if not (match and served.ranges and served.status == 200):
            return body, served.status, {}
        start = int(match[1]) + served.shift
        if start >= len(body):
            return b"", 416, {"Content-Range": f"bytes */{len(body)}"}
        return body[start:], 206, {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}

    def _send(self, body: bytes, served: Served, request: Request) -> None:
        for start in range(0, len(body), served.piece):
            if served.pause:
                self._files.closing.wait(served.pause)
            piece = body[start : start + served.piece]
            request.sent += len(piece)  # before the client can see the piece, so never too little
            self.wfile.write(piece)
        self.wfile.flush()

    def _send_raw(self, served: Served, request: Request) -> None:
        for piece in served.raw:
            if self._files.closing.wait(served.pause):
                return
            request.sent += len(piece)
            self.wfile.write(piece)

    def log_message(self, format: str, *args: Any) -> None:
        pass
