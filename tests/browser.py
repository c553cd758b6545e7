"""A real headless Chromium, Debian's, driven by playwright; tests that need it are skipped where it is absent."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
# Nothing but the page: a browser's own services would otherwise look for updates.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Scheme = Literal["light", "dark"]

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here (apt-get install chromium)")


@contextmanager
def browser() -> Iterator[Any]:
    """The browser."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield started
        finally:
            started.close()


class Opened:
    """A page that was opened from disk, with all that it asked of the network and complained about.

    Its window can be opened `again`: the browser then has its scripts compiled, which takes most of a page's time.
    """

    def __init__(self, started: Any, file: Path, *, accept_downloads: bool | None = None, **shown: Any) -> None:
        self.page = started.new_context(accept_downloads=accept_downloads).new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.again(file, **shown)

    def again(
        self, file: Path, width: int = 1280, height: int = 900, scheme: Scheme = "light", hash: str = ""
    ) -> "Opened":
        """The page anew, with nothing left of what was done in this window before."""
        self.page.goto("about:blank")
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(color_scheme=scheme, media="null")
        self.requests.clear()
        self.complaints.clear()
        self.page.goto(f"{file.as_uri()}{'#' if hash else ''}{hash}", wait_until="commit")
        self.page.wait_for_selector("html[data-ready]", state="attached")
        return self

    def run(self, code: str) -> Any:
        """What a line of JavaScript gives."""
        return self.page.evaluate(code)

    def texts(self, selector: str) -> list[str]:
        return self.page.locator(selector).all_text_contents()

    def see(self, selector: str) -> Any:
        """The element, scrolled to; a figure is drawn by then."""
        element = self.page.locator(selector)
        element.scroll_into_view_if_needed()
        if "chart" in selector:
            self.page.wait_for_selector(f"{selector}[data-drawn]")
        return element

    def close(self) -> None:
        self.page.context.close()
