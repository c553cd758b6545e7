"""A server on this machine that shows the report on a results folder, and renews it while a run goes on."""

import hashlib
import json
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import quote, unquote

from markupsafe import escape

from evalshift.analysis.page import picture_sources, render_page
from evalshift.analysis.report import report
from evalshift.analysis.summary import Summary
from evalshift.errors import EvalshiftError
from evalshift.testbed.datasets import Dataset
from evalshift.testbed.thumbnails import encode_picture

_PICTURE = 224  # pixels of the longer side
# What a report is made of; logits and the notes of a run change more often than it does.
_PARTS = ("datasets", "predictions", "counts", "pairs.json")
_WAITING = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="2"><title>evalshift view</title>
<body style="font: 1rem/1.6 system-ui; max-width: 44rem; margin: 4rem auto; padding: 0 1rem">
<h1 style="font-size: 1.3rem">evalshift view</h1><p style="white-space: pre-wrap">{words}</p></body></html>"""


def state_of(folder: Path) -> str:
    """A checksum of names, sizes and times of the stored predictions: another one where a report would be another."""
    digest = hashlib.sha256()
    for part in _PARTS:
        path = folder / part
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            try:
                facts = file.stat()
            except OSError:  # removed in the meantime, or never there
                continue
            digest.update(f"{file.relative_to(folder)} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


class LiveReport:
    """The page of a results folder; a thread makes it anew where predictions have come.

    summarize   the folder -> what a report says on it
    """

    def __init__(self, folder: Path, summarize: Callable[[], Summary]) -> None:
        self.folder = folder
        self._summarize = summarize
        self._lock = Lock()
        self._making: Thread | None = None
        self._tried = self._shown = self._words = ""
        self._page: bytes | None = None
        self._datasets: dict[str, Dataset] = {}

    def state(self) -> dict[str, Any]:
        """Which state of the results is shown, and whether a newer one is being computed; begins to where there is."""
        newest = state_of(self.folder)
        with self._lock:
            idle = self._making is None or not self._making.is_alive()
            if idle and newest != self._tried:
                self._tried = newest
                self._making = Thread(target=self._make, args=(newest,), daemon=True)
                self._making.start()
                idle = False
            return {"shown": self._shown, "computing": not idle, "words": self._words}

    def page(self) -> bytes:
        """The page, or one that waits for it."""
        self.state()
        with self._lock:
            page, words = self._page, self._words
        if page is not None:
            return page
        return _WAITING.format(words=escape(words or "Reading predictions, computing statistics …")).encode()

    def picture(self, dataset: str, position: int) -> tuple[str, bytes] | None:
        """An image of a dataset that the page shows, by its position there; None for any other."""
        with self._lock:
            found = self._datasets.get(dataset)
        if found is None or not 0 <= position < len(found):
            return None
        return encode_picture(found.images[position], _PICTURE)

    def _make(self, state: str) -> None:
        try:
            summary = self._summarize()
            datasets, thumbnails, missing = {}, {}, {}
            for pair in summary.pairs:
                for name, (dataset, positions) in picture_sources(pair, missing).items():
                    datasets[name] = dataset
                    thumbnails |= {(name, at): f"/pictures/{quote(name, safe='')}/{at}" for at in positions}
            page = render_page(summary, thumbnails, missing, live=state).encode()
        except EvalshiftError as error:
            with self._lock:
                self._words = f"{error}\n\nThis page renews itself when predictions come."
            return
        with self._lock:
            self._page, self._shown, self._datasets, self._words = page, state, datasets, ""


def serve(results: Path, *, port: int = 0, **choices: Any) -> ThreadingHTTPServer:
    """A server on 127.0.0.1 for the results folder, not yet serving; a free port where `port` is 0.

    `choices` are those of `evalshift.report`. Raises OSError where the port is taken.
    """
    live = LiveReport(results, lambda: report(results, **choices).summary)

    class Handler(_Handler):
        shown = live

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


class _Handler(BaseHTTPRequestHandler):
    """GET alone: the page, its state, and pictures by dataset and position. No path of a request reaches the disk."""

    shown: LiveReport
    server_version = "evalshift"
    sys_version = ""

    def do_GET(self) -> None:
        if not self._is_own_host():
            self._respond(HTTPStatus.FORBIDDEN, "text/plain", b"this server is for 127.0.0.1 alone")
            return
        path = self.path.partition("?")[0]
        if path == "/":
            self._respond(HTTPStatus.OK, "text/html; charset=utf-8", self.shown.page())
        elif path == "/state":
            self._respond(HTTPStatus.OK, "application/json", json.dumps(self.shown.state()).encode())
        elif (found := self._picture(path)) is not None:
            self._respond(HTTPStatus.OK, *found)
        else:
            self._respond(HTTPStatus.NOT_FOUND, "text/plain", b"not found")

    def _is_own_host(self) -> bool:
        """Whether the request names this machine: a page elsewhere whose name is made to lead here does not."""
        return self.headers.get("Host", "").rpartition(":")[0] in ("127.0.0.1", "localhost")

    def _picture(self, path: str) -> tuple[str, bytes] | None:
        parts = path.split("/")
        if len(parts) != 4 or parts[1] != "pictures" or not (parts[3].isascii() and parts[3].isdigit()):
            return None
        try:
            return self.shown.picture(unquote(parts[2]), int(parts[3]))
        except (EvalshiftError, OSError, ValueError):  # removed or damaged since; a position of too many digits
            return None

    def _respond(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal shows the address."""
