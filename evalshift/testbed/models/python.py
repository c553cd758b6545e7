"""Networks that a function returns as they are to be run."""

from evalshift.testbed.classes import ClassSpace
from evalshift.testbed.model_entries import PythonModel
from evalshift.testbed.models.classifier import Built
from evalshift.testbed.models.code import call_function


def build(entry: PythonModel, space: ClassSpace, where: str) -> Built:
    """What the function returns."""
    return Built(call_function(entry.function, entry.arguments, where))


bare = build
