"""A figure of the page: its traces and layout for plotly, and its text.

Colours are written "--name" or "--name/0.3" (with opacity): CSS variables of the page, filled in for the light or dark
theme when a figure is drawn.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup

# The palette of Okabe and Ito, and markers of different shapes: distinguishable with any colour vision.
SERIES = tuple(f"--series-{number}" for number in range(1, 9))
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "star", "hexagon", "pentagon")
REST = ("--quiet", "circle-open")

_ROW = 15  # pixels per row of names


@dataclass(frozen=True)
class Chart:
    """One figure.

    key      name of the figure, unique within its metric
    title    what it shows
    finding  what is found in a few words: the title of its section, where it is the first figure there
    result   the finding in a sentence, which is also the text alternative
    caption  how to read it
    views    name -> {"data", "layout"} of plotly; the first is shown
    height   pixels; 0 for a square figure
    widest   pixels; 0 for the full width
    facts    further data for the script of the page
    """

    key: str
    title: str
    result: str
    caption: str
    views: dict[str, dict[str, Any]]
    height: int = 0
    widest: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    finding: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the views."""
        return tuple(self.views)

    @property
    def json(self) -> Markup:
        """All data for the script, safe inside a script element."""
        return script_json({"views": self.views, "height": self.height, **self.facts})


def script_json(value: Any) -> Markup:
    """JSON that is safe inside a script element: nothing in it ends the element or begins a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    safe = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    return Markup(text.translate(str.maketrans(safe)))


def plain(values: Iterable[Any], digits: int = 5) -> list[float | None]:
    """Numbers for JSON, rounded to visible precision; undefined values are null."""
    return [round(float(value), digits) if math.isfinite(value) else None for value in values]


def read_at(values: Iterable[Any], digits: int) -> list[float | None]:
    """Numbers for JSON that are read with this many digits after the point: rounded to a few more.

    One that would then be read differently, which is near the middle of two numbers as they are read, stays whole.
    """
    whole = np.asarray(values, float)
    scaled = np.where(np.isfinite(whole), np.abs(whole) * 10**digits, 0)
    near = np.abs(scaled % 1 - 0.5) < 1e-3
    return [
        (value if exact else round(value, digits + 4)) if math.isfinite(value) else None
        for value, exact in zip(whole.tolist(), near.tolist(), strict=True)
    ]


def bars(ends: Any, across: Iterable[Any], digits: int = 5) -> tuple[list, list]:
    """Intervals as one line with gaps, quicker to draw than a line each: positions along and across it.

    `ends` are the lower and the upper bounds.
    """
    along: list[float | None] = []
    at: list[float | None] = []
    low, high = (plain(end, digits) for end in ends)
    for begin, end, position in zip(low, high, plain(across, digits), strict=True):
        along += [begin, end, None]
        at += [position, position, None]
    return along, at


def markers(
    x: Any,
    y: Any,
    colour: Any,
    *,
    text: Sequence[str] = (),
    rows: Sequence[int] | None = None,
    said: str | Mapping[str, Any] | None = None,
    **more,
) -> dict:
    """A trace of markers; `rows` are the row numbers of the models in the table, for filters and pins.

    `text` is what is said of each marker. With `said` in its place the script composes it from the page's columns, the
    smaller and quicker way: "model" or "distance", what is known of each row, or as `said_of_rows` makes it.
    """
    marker = {"size": 7, "color": colour, "line": {"width": 0}} | more.pop("marker", {})
    trace = {"type": "scatter", "mode": "markers", "x": x, "y": y, "marker": marker, "showlegend": False}
    trace |= {"hoverinfo": "text" if said or len(text) else "skip"}
    trace |= {"hovertext": list(text)} if len(text) else {}
    if rows is not None or said is not None:
        of_rows = {} if rows is None else {"rows": list(rows), "each": 1}
        trace["meta"] = of_rows | ({} if said is None else {"said": said})
    return trace | more


def said_of_rows(*parts: str, numbers: Sequence[Iterable[Any]]) -> dict[str, Any]:
    """What is said of each marker: the title of its model, and numbers with one digit after the point, among `parts`.

    The first part stands after the title, and before the first of the numbers.
    """
    return {"parts": parts, "numbers": [read_at(column, 1) for column in numbers]}


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
    """A trace of lines; with `rows`, each model has `each` positions in it."""
    line = {"color": colour, "width": width} | more.pop("line", {})
    trace = {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "hoverinfo": "skip", "showlegend": False}
    if rows is not None:
        trace["meta"] = {"rows": list(rows), "each": each}
    return trace | more


def whiskers(ends: Any, across: Any, colour: Any, *, rows: Sequence[int], upright: bool = True, **more: Any) -> dict:
    """Intervals as `bars` and `strokes` draw them, in a third of the size: the script puts the positions in a line.

    `ends` are the lower and the upper bounds, along y where they are upright.
    """
    low, high = (plain(end) for end in ends)
    trace = strokes([], [], colour, rows=rows, **more)
    trace["meta"]["bars"] = {"low": low, "high": high, "at": plain(across), "along": "y" if upright else "x"}
    return trace


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
    """An axis with one row per name, the first on top."""
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
    """Height in pixels for this number of named rows."""
    return max(least, _ROW * rows + 90)


def view(data: list[dict[str, Any]], **plan: Any) -> dict[str, Any]:
    """One view of a figure."""
    return {"data": data, "layout": layout(**plan)}
