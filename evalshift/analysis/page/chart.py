"""A figure of the page: what plotly draws, and the words that go with it.

Colours are written "--name" or "--name/0.3" (with its opacity): the page's own, filled in for light and dark when a
figure is drawn.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

# Okabe and Ito's colours, and marks of different shape: told apart by readers of every kind of colour vision.
SERIES = tuple(f"--series-{number}" for number in range(1, 9))
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "star", "hexagon", "pentagon")
REST = ("--quiet", "circle-open")

_ROW = 15  # pixels a row of names takes


@dataclass(frozen=True)
class Chart:
    """One figure.

    key      what it is called among the figures of its metric
    title    what it shows
    result   what is to be seen in it, in a sentence: its text for those who cannot
    caption  how to read it
    views    name -> {"data", "layout"} of plotly; the first is shown
    height   pixels; 0 for a figure as high as wide
    widest   pixels; 0 for as wide as there is room
    facts    what the page's script needs besides
    """

    key: str
    title: str
    result: str
    caption: str
    views: dict[str, dict[str, Any]]
    height: int = 0
    widest: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the views."""
        return tuple(self.views)

    @property
    def json(self) -> Markup:
        """Everything the script needs, safe inside a script element."""
        return script_json({"views": self.views, "height": self.height, **self.facts})


def script_json(value: Any) -> Markup:
    """JSON that can stand inside a script element: nothing in it ends the element or begins a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    safe = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    return Markup(text.translate(str.maketrans(safe)))


def plain(values: Iterable[Any], digits: int = 5) -> list[float | None]:
    """Numbers for JSON: rounded to what can be seen; what is undefined is null."""
    return [round(float(value), digits) if math.isfinite(value) else None for value in values]


def bars(ends: Any, across: Iterable[Any], digits: int = 5) -> tuple[list, list]:
    """Intervals as one broken line, quicker to draw than one each: positions along and across it.

    `ends` are the lower and the upper ends.
    """
    along: list[float | None] = []
    at: list[float | None] = []
    low, high = (plain(end, digits) for end in ends)
    for begin, end, position in zip(low, high, plain(across, digits), strict=True):
        along += [begin, end, None]
        at += [position, position, None]
    return along, at


def points(x: Any, y: Any, colour: Any, *, text: Sequence[str] = (), rows: Sequence[int] | None = None, **more) -> dict:
    """A trace of marks; `rows` are the models' places in the table, by which they are filtered and pinned."""
    marker = {"size": 7, "color": colour, "line": {"width": 0}} | more.pop("marker", {})
    trace = {"type": "scatter", "mode": "markers", "x": x, "y": y, "marker": marker, "showlegend": False}
    trace |= {"hoverinfo": "text", "hovertext": list(text)} if len(text) else {"hoverinfo": "skip"}
    if rows is not None:
        trace["meta"] = {"rows": list(rows), "each": 1}
    return trace | more


def strokes(
    x: Any,
    y: Any,
    colour: Any,
    *,
    rows: Sequence[int] | None = None,
    each: int = 3,
    width: int | float = 1,
    **more: Any,
) -> dict:
    """A trace of lines; with `rows`, each model has `each` places in it."""
    line = {"color": colour, "width": width} | more.pop("line", {})
    trace = {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "hoverinfo": "skip", "showlegend": False}
    if rows is not None:
        trace["meta"] = {"rows": list(rows), "each": each}
    return trace | more


def axis(title: str = "", **more) -> dict[str, Any]:
    """An axis in the page's style."""
    return {
        "title": {"text": title, "standoff": 8},
        "gridcolor": "--grid",
        "zeroline": False,
        "linecolor": "--rule",
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "--rule",
        "automargin": True,
        **more,
    }


def named_axis(names: Sequence[str], **more) -> dict[str, Any]:
    """An axis with a row for each name, the first on top."""
    count = len(names)
    return axis(
        tickmode="array",
        tickvals=list(range(count)),
        ticktext=list(names),
        range=[count - 0.4, -0.6],
        fixedrange=True,
        ticks="",
        gridcolor="--faint",
        tickfont={"size": 11},
        **more,
    )


def layout(**more) -> dict[str, Any]:
    """A figure's layout in the page's style."""
    return {
        "margin": {"l": 56, "r": 16, "t": 12, "b": 48},
        "hovermode": "closest",
        "dragmode": "zoom",
        "showlegend": False,
        **more,
    }


def height_of(rows: int, least: int = 220) -> int:
    """Pixels for so many named rows."""
    return max(least, _ROW * rows + 90)


def view(data: list[dict[str, Any]], **plan: Any) -> dict[str, Any]:
    """One view of a figure."""
    return {"data": data, "layout": layout(**plan)}
