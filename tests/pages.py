"""Pages as tests read them: parsed, with complaints where they are not whole."""

import json
from html.parser import HTMLParser

from evalshift.analysis.page import render_page
from evalshift.analysis.page.render import _plotly
from evalshift.analysis.summary import PairSummary, Summary

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Reads a page and complains where a tag is not closed in its turn. plotly's own script is left out."""

    def __init__(self, summary: Summary, thumbnails: dict[tuple[str, int], str] | None = None) -> None:
        super().__init__()
        self.html = render_page(summary, thumbnails).replace(str(_plotly()), "plotly")
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(self.html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def named(self, *names: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag in names]

    def with_class(self, name: str) -> list[dict[str, str]]:
        return [attributes for _, attributes in self.tags if name in attributes.get("class", "").split()]

    def text_in(self, tag: str) -> list[str]:
        return [text for parent, text in self.texts if parent == tag]

    def data(self, id: str) -> dict:
        """The JSON of a script element."""
        start = self.html.index(">", self.html.index(f'id="{id}"')) + 1
        return json.loads(self.html[start : self.html.index("</script>", start)])


def summary_of(*pairs: PairSummary, **choices) -> Summary:
    facts = {
        "scale": "linear",
        "metric": "top1",
        "level": 0.95,
        "resamples": 50,
        "seed": 0,
        "created": "2026-01-02T03:04:05+00:00",
        "version": "1.2.3",
        "command": "evalshift report --seed 0",
    }
    return Summary(pairs, **(facts | choices))
