"""The formats that a report is written in."""

from collections.abc import Sequence

from evalshift.analysis.tables.read import WRITERS
from evalshift.errors import unknown_name

FORMATS = ("html", "png", "pdf", "svg", "csv", "md", "tex")
FIGURE_FORMATS = ("png", "pdf", "svg")
_ALLOWED = ("html", *FIGURE_FORMATS, *WRITERS)


def check_formats(
    formats: Sequence[str] | str, allowed: Sequence[str] = _ALLOWED, written: str = "a report is"
) -> list[str]:
    """The formats named in a list or between commas, each once; UsageError for one that is not `allowed`.

    written   what is written and its verb, such as "pixel statistics are"
    """
    wanted = formats.split(",") if isinstance(formats, str) else formats
    wanted = list(dict.fromkeys(format.strip().lower() for format in wanted))
    for format in wanted:
        if format not in allowed:
            raise unknown_name(f"{written} not written in this format", format, allowed)
    return wanted
