"""Stored results -> a report: numbers to go on with in Python, and a folder of page, figures and tables.

Names are imported when they are first used: the processes that draw figures are started before all the rest is loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalshift.analysis.report.formats import check_formats
    from evalshift.analysis.report.make import report
    from evalshift.analysis.report.record import Report

__all__ = ["Report", "check_formats", "report"]

_HOMES = {"Report": "record", "check_formats": "formats", "report": "make"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
