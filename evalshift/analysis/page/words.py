"""Text as the page shows it: in HTML, and inside plotly's figures."""

import re

from markupsafe import Markup, escape

from evalshift.formatting import percent

# plotly reads a few tags in its texts, and no quotes.
_PLOTLY = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def typeset(text: str) -> str:
    """Prose whose intervals and percentages stay together at the end of a line."""
    together = re.sub(r"\[[^\[\]]*\]", lambda interval: interval[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    return together.replace(" %", "\N{NO-BREAK SPACE}%").replace(" [", "\N{NO-BREAK SPACE}[")


def breakable(name: str) -> Markup:
    """A name that may be broken after an underscore, a slash or a full stop; escaped."""
    return Markup(re.sub(r"([_/.])", r"\1<wbr>", str(escape(name))))


def plotly_text(text: str) -> str:
    """Text that plotly shows as it stands.

    >>> plotly_text("<b>R&D</b>")
    '&lt;b&gt;R&amp;D&lt;/b&gt;'
    """
    return text.translate(_PLOTLY)


def label(name: str, longest: int = 26) -> str:
    """A name beside an axis: its beginning and end where it is longer than there is room for.

    >>> label("resnet50"), label("a_name_that_is_rather_long_for_an_axis")
    ('resnet50', 'a_name_that_is…for_an_axis')
    """
    if len(name) > longest:
        end = (longest - 1) * 4 // 9
        name = f"{name[: longest - 1 - end]}…{name[-end:]}"
    return plotly_text(name)


def bounds(low: float, high: float) -> str:
    """An interval of fractions in per cent, for the texts that appear over a point."""
    return f"[{percent(low)}, {percent(high)}]"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number of things.

    >>> counted(1, "model"), counted(1200, "class", "classes")
    ('1 model', '1,200 classes')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
