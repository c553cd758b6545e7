"""Networks that a function returns as they are to be run."""

from pathlib import Path

from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.models.code import call_function
from evalshift.testbed.own_model_entries import PythonModel


def build(entry: PythonModel, space: ClassSpace, where: str) -> Built:
    """What the function returns."""
    return Built(call_function(entry.function, entry.arguments, where))


bare = build


def fetch(entry: PythonModel, where: str) -> list[Path]:
    """Call the function once: only its code knows what it downloads, and where that is kept."""
    call_function(entry.function, entry.arguments, where)
    return []
