"""Text for the page: in HTML and inside plotly's figures."""

import re
from collections.abc import Iterable

import numpy as np
from markupsafe import Markup, escape

from evalshift.formatting import number

STAR = "★"  # before the name of a highlighted model

# plotly interprets a few tags in texts, but no quotes.
_PLOTLY = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def typeset(text: str) -> str:
    """Keep intervals and percentages of prose on one line."""
    together = re.sub(r"\[[^\[\]]*\]", lambda interval: interval[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    return together.replace(" %", "\N{NO-BREAK SPACE}%").replace(" [", "\N{NO-BREAK SPACE}[")


def breakable(name: str) -> Markup:
    """Allow line breaks after an underscore, a slash or a full stop of a name; escaped."""
    return Markup(re.sub(r"([_/.])", r"\1<wbr>", str(escape(name))))


def plotly_text(text: str) -> str:
    """Escape text for plotly.

    >>> plotly_text("<b>R&D</b>")
    '&lt;b&gt;R&amp;D&lt;/b&gt;'
    """
    return text.translate(_PLOTLY)


def label(name: str, longest: int = 26) -> str:
    """A name beside an axis: beginning and end if it is longer than `longest`; escaped for plotly.

    >>> label("resnet50"), label("a_name_that_is_rather_long_for_an_axis")
    ('resnet50', 'a_name_that_is…for_an_axis')
    """
    if len(name) > longest:
        end = (longest - 1) * 4 // 9
        name = f"{name[: longest - 1 - end]}…{name[-end:]}"
    return plotly_text(name)


def labels(names: Iterable[str], highlighted: np.ndarray) -> list[str]:
    """The `label` of each name, after a star where the model is highlighted.

    >>> labels(["resnet50", "vgg16"], np.array([True, False]))
    ['★ resnet50', 'vgg16']
    """
    return [f"{STAR} {label(name)}" if mine else label(name) for name, mine in zip(names, highlighted, strict=True)]


def bounds(low: float, high: float) -> str:
    """An interval of percentages or points, for hover texts."""
    return f"[{number(low, 1)}, {number(high, 1)}]"
